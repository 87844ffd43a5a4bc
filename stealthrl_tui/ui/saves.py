"""What the screen says of a checkpoint, as plain pieces (see presenter)."""

from __future__ import annotations

from dataclasses import dataclass

from stealthrl_tui.runs.choose import best_checkpoint, deltas, is_own, values
from stealthrl_tui.runs.keys import label
from stealthrl_tui.runs.model import Checkpoint, Reading, Run
from stealthrl_tui.text import NONE, UNKNOWN, age, clean, number, signed, size
from stealthrl_tui.ui.known import LOUD_SECONDS, NOT_ASKED, Known, Save
from stealthrl_tui.ui.presenter import Piece, Pieces, short

# Rolling saves live two hours on the server (FORMATS.md, "The ledger").
_ROLLING_TTL = 7200.0


def has_pieces(checkpoint: Checkpoint) -> Pieces:
    """Which of the two weights the save has; a missing half is a dash in its place, a rolling save hollow."""
    glyph = "◇" if checkpoint.rolling else "◆"
    state: Piece = (f"{glyph} state", "state") if checkpoint.state_uri else ("—      ", "dim")
    sampler: Piece = (f"{glyph} sampler", "sampler") if checkpoint.sampler_uri else ("—        ", "dim")
    return (state, (" ", "text"), sampler)


def has_pieces_short(checkpoint: Checkpoint) -> Pieces:
    """The same in half the room: `◆◆ both`, or the half there is."""
    glyph = "◇" if checkpoint.rolling else "◆"
    if checkpoint.state_uri and checkpoint.sampler_uri:
        return ((glyph, "state"), (glyph, "sampler"), (" both", "text"))
    if checkpoint.state_uri:
        return ((f"{glyph} state", "state"),)
    return ((f"{glyph} sampler", "sampler"),) if checkpoint.sampler_uri else (("—", "dim"),)


def step_pieces(checkpoint: Checkpoint) -> Pieces:
    """The step, `?` where no rule gives it."""
    return ((UNKNOWN, "dim"),) if checkpoint.step is None else ((str(checkpoint.step), "text"),)


def checkpoint_name(run: Run, checkpoint: Checkpoint) -> Pieces:
    """The save's name, with what tells it from another of the same name."""
    pieces: list[Piece] = [(clean(checkpoint.name, 24), "dim")]
    if len(run.training_run_ids) > 1 and checkpoint.training_run_id in run.training_run_ids:
        pieces.append((f" #{run.training_run_ids.index(checkpoint.training_run_id) + 1}", "dim"))
    return tuple(pieces)


def reading_pieces(checkpoint: Checkpoint, reading: Reading | None, best: bool) -> Pieces:
    """The metric at the save: starred when it is the best, with its step where that is an older one, then dim."""
    if reading is None:
        return ((NONE, "dim"),)
    value = short(number(reading.value))
    older: Piece = (f" @{reading.step}" if reading.step != checkpoint.step else "", "dim")
    if best:
        return ((f"★ {value}", "best"), older)
    return ((value, "text" if is_own(checkpoint, reading) else "dim"), older)


def change_pieces(change: float | None, higher: bool | None) -> Pieces:
    """The change from the save before: alive when it is for the better, dim when it isn't or nobody can say."""
    if change is None:
        return (("", "dim"),)
    better = higher is not None and change != 0 and (change > 0) == higher
    return ((short(signed(change)), "alive" if better else "dim"),)


def saved_text(checkpoint: Checkpoint, now: float, save: Save | None = None) -> str:
    """How long ago it was saved; with `°` where only the server tells the time, `?` where nothing does."""
    if checkpoint.saved_at is None and save is not None and save.saved_at is not None:
        return age(max(0.0, now - save.saved_at)) + "°"
    return UNKNOWN if checkpoint.saved_at is None else age(max(0.0, now - checkpoint.saved_at))


def server_pieces(save: Save | None, unknown: str, now: float) -> Pieces:
    """`✓ 84 MB` when all that was saved is on the server, `✗ gone` when nothing of it is; `?` and why nobody knows."""
    if save is None or not save.halves:
        return ((f"? {unknown}".rstrip(), "dim"),)
    left = save.left(now)
    if not left:
        return (("✗ gone", "bad"),)
    if len(left) < len(save.halves):
        return (("! half gone", "warning"),)
    sizes = [half.size_bytes for half in left]
    known = sum(each for each in sizes if each is not None)
    return ((f"✓ {size(known) if None not in sizes else 'there'}", "alive"),)


def expires_pieces(run: Run, checkpoint: Checkpoint, now: float, save: Save | None = None) -> Pieces:
    """When the first half of it goes, by the server, else an estimate, marked ≈, from the configured time to live.

    `?` where the configuration or the time is unknown.

    The final save is left at `?`: whether it expires at all depends on the cookbook's version.
    """
    if save is not None and save.halves:
        return _expires_by_server(save, now)
    if checkpoint.superseded:
        return (("≈ gone", "dim"),)
    lives = _ROLLING_TTL if checkpoint.rolling else run.facts.ttl_seconds
    if checkpoint.saved_at is None or not lives or checkpoint.final:
        return ((UNKNOWN, "dim"),)
    left = checkpoint.saved_at + lives - now
    return (("≈ expired", "bad"),) if left <= 0 else ((f"≈ in {age(left)}", "warning" if left < 2 * 86400 else "dim"),)


def _expires_by_server(save: Save, now: float) -> Pieces:
    if not save.left(now):
        return ((NONE, "dim"),)
    end = save.expires_at(now)
    if end is None:
        return (("never", "dim"),)
    return ((f"in {age(end - now)}", "warning bold" if end - now < LOUD_SECONDS else "dim"),)


def save_pieces(run: Run, checkpoint: Checkpoint) -> Pieces:
    """What a dialog's first line says of the save: `  from run_1  step 470   ★ reward .612`."""
    pieces: list[Piece] = [("  from ", "dim"), (clean(run.name), "text")]
    pieces += [("  checkpoint ", "dim"), (clean(checkpoint.name), "text")]
    if checkpoint.step is not None:
        pieces += [("  step ", "dim"), (str(checkpoint.step), "text")]
    reading = run.value_at(checkpoint, run.main_metric) if run.main_metric else None
    if reading is not None and run.main_metric:
        best = best_checkpoint(run) is checkpoint
        words = f"{clean(label(run.main_metric))} {short(number(reading.value))}"
        pieces.append((f"   ★ {words}", "best") if best else (f"   {words}", "text"))
    return tuple(pieces)


@dataclass(frozen=True, slots=True)
class SaveRow:
    """A line of the checkpoint table: the save, its metric, the change from the save before, if it is the best."""

    run: Run
    checkpoint: Checkpoint
    reading: Reading | None
    change: float | None
    best: bool
    higher: bool | None
    save: Save | None = None
    unknown: str = NOT_ASKED


def save_rows(run: Run, key: str | None, higher: bool | None, known: Known | None = None) -> list[SaveRow]:
    """The saves of `run` measured by the metric `key`, the newest first; `higher` says which way is better."""
    readings = values(run, key) if key else {}
    changes = deltas(run, key) if key else {}
    best = best_checkpoint(run, key, higher) if key and higher is not None else None
    known = known or Known()
    return [
        SaveRow(
            run,
            each,
            readings.get(each.key),
            changes.get(each.key),
            each is best,
            higher,
            known.save(each),
            known.unknown,
        )
        for each in reversed(run.checkpoints)
    ]
