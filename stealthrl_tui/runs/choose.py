"""Which run, which checkpoint, and how good each one was; the command line and the screen choose by the same rules."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Sequence
from typing import Literal

from stealthrl_tui.runs.discovery import CHECKPOINTS, LEDGER
from stealthrl_tui.runs.keys import higher_is_better
from stealthrl_tui.runs.model import Checkpoint, Reading, Run
from stealthrl_tui.text import clean, plural

Half = Literal["sampler", "state"]
WORDS = ("last", "best", "final")
_LISTED = 5
_LEDGER_FILES = (LEDGER, CHECKPOINTS + "/")


class NotFound(Exception):  # noqa: N818  it is an answer, not a fault
    """What was asked for isn't there; the message says what, why, and what to do."""


def find_run(runs: Sequence[Run], text: str) -> Run:
    """The run of that name or path (absolute, or relative to the working directory).

    The last parts of a name will do where only one run ends in them. Raises NotFound, with the names that come close.
    """
    wanted = text.rstrip("/") or text
    path = os.path.abspath(os.path.expanduser(wanted))
    ending = "/" + wanted
    for found in (
        [run for run in runs if run.name == wanted],
        [run for run in runs if run.path == path],
        [run for run in runs if run.name.endswith(ending)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"{plural(len(found), 'run')} are called {clean(text)}: say which, {_paths(found)}")
    raise NotFound(f"there is no run {clean(text)}{_advice(runs, wanted)}")


def _paths(runs: Sequence[Run]) -> str:
    shown = " or ".join(clean(run.path) for run in runs[:_LISTED])
    return shown + (" or another" if len(runs) > _LISTED else "")


def _advice(runs: Sequence[Run], wanted: str) -> str:
    if not runs:
        return ": no runs were found"
    names = {run.name.casefold(): run.name for run in runs}
    names.update((run.name.rpartition("/")[2].casefold(), run.name) for run in runs)
    close = difflib.get_close_matches(wanted.casefold(), names, n=3, cutoff=0.6)
    close += [name for name in names if wanted.casefold() in name and name not in close][: 3 - len(close)]
    if not close:
        return f" among {plural(len(runs), 'run')}: give a name that `ls` shows, or a path"
    return f": did you mean {' or '.join(dict.fromkeys(clean(names[name]) for name in close))}?"


def choose_checkpoint(
    run: Run,
    which: str | None = None,
    *,
    half: Half | None = None,
    metric: str | None = None,
    higher: bool | None = None,
) -> Checkpoint:
    """The checkpoint called `which`: a name, "last", "best", "final", or None for the final one, else the last.

    Of several saves of one name the newest is taken (`namesakes` tells of the others); either of its URIs, in place of
    the name, tells a save from all others. `half` asks "last", "best" and
    None for a checkpoint that has these weights. A name goes before a word. `metric` and `higher` are those of
    `best_checkpoint`. Raises NotFound.
    """
    if not run.checkpoints:
        why = next((text for text in run.problems if text.startswith(_LEDGER_FILES)), None)
        what = (
            f"has no checkpoint yet ({clean(run.status_reason)})" if why is None else f"has no checkpoint: {clean(why)}"
        )
        raise NotFound(f"{clean(run.name)} {what}")
    if which is None:
        return _last(run, half, finals_first=True)
    named = namesakes(run, which)
    if which == "final":
        return _final(run, named)
    named = named or tuple(each for each in run.checkpoints if which in (each.state_uri, each.sampler_uri))
    if named:
        return named[-1]
    if which == "last":
        return _last(run, half)
    if which == "best":
        return _best(run, half, metric, higher)
    raise NotFound(f"{clean(run.name)} has no checkpoint {clean(which)}: {_names(run)}")


def namesakes(run: Run, name: str) -> tuple[Checkpoint, ...]:
    """All checkpoints of that name, oldest first; more than one where the run was started again."""
    return tuple(checkpoint for checkpoint in run.checkpoints if checkpoint.name == name)


def half_of(checkpoint: Checkpoint, half: Half) -> str | None:
    """The URI of the sampler weights or of the state."""
    return checkpoint.sampler_uri if half == "sampler" else checkpoint.state_uri


def _last(run: Run, half: Half | None, *, finals_first: bool = False) -> Checkpoint:
    found = [each for each in run.checkpoints if half is None or half_of(each, half)]
    if not found:
        raise NotFound(
            f"none of the {plural(len(run.checkpoints), 'checkpoint')} of {clean(run.name)} has {_words(half)}"
        )
    # A rolling save that was replaced is gone on the server, even where its line comes last (FORMATS.md).
    kept = [each for each in found if not each.superseded] or found
    finals = [each for each in kept if each.final] if finals_first else []
    return (finals or kept)[-1]


def _words(half: Half | None) -> str:
    return "a training state" if half == "state" else "sampler weights"


def _final(run: Run, named: Sequence[Checkpoint]) -> Checkpoint:
    # A finished run that was taken up again has no final save any more, but still one of that name.
    finals = [checkpoint for checkpoint in run.checkpoints if checkpoint.final] or named
    if not finals:
        why = f"it is {run.status}, {clean(run.status_reason)}"
        raise NotFound(f"{clean(run.name)} has no final checkpoint ({why}): take --checkpoint last")
    return finals[-1]


def _best(run: Run, half: Half | None, metric: str | None, higher: bool | None) -> Checkpoint:
    best = best_checkpoint(run, metric, higher, half=half)
    if best is None:
        key = metric or run.main_metric
        why = (
            "has no metric that says which is best" if key is None else f"has no value of {clean(key)} at a checkpoint"
        )
        raise NotFound(f"{clean(run.name)} {why}: take --checkpoint last, or a name")
    return best


def _names(run: Run) -> str:
    names = list(dict.fromkeys(clean(checkpoint.name) for checkpoint in run.checkpoints))
    shown = names if len(names) <= 2 * _LISTED else [*names[:_LISTED], "…", *names[-_LISTED:]]
    return f"it has {', '.join(shown)}; or last, best, final"


def values(run: Run, key: str) -> dict[str, Reading]:
    """How good each checkpoint was by `key`, by `Checkpoint.key`; a reading may be of an older step (`is_own`)."""
    found = ((checkpoint.key, run.value_at(checkpoint, key)) for checkpoint in run.checkpoints)
    return {name: reading for name, reading in found if reading is not None}


def is_own(checkpoint: Checkpoint, reading: Reading) -> bool:
    """Whether a reading is of the checkpoint's own row.

    That is the row of its step; where the file has none, as for the final save of a run, the row of the step before.
    """
    return checkpoint.step is not None and checkpoint.step - reading.step <= (0 if reading.skipped else 1)


def is_telling(run: Run, key: str, checkpoint: Checkpoint, reading: Reading) -> bool:
    """Whether a reading says how good the checkpoint is among the others: its own, or that of one step before.

    An evaluation is not in every row: a supervised run saves one step after it. Where the metric was ever NaN, though,
    its absence may be one, and a diverged checkpoint must not pass for the good one before it.
    """
    if is_own(checkpoint, reading):
        return True
    return checkpoint.step is not None and checkpoint.step - reading.step == 1 and key not in run.metrics.nonfinite


def deltas(run: Run, key: str) -> dict[str, float]:
    """The change of `key` from the save before, in the same training run, by `Checkpoint.key`.

    Two saves that share one reading (none was taken between them) have no change between them.
    """
    readings = values(run, key)
    before: dict[str | None, Reading] = {}
    changes: dict[str, float] = {}
    for checkpoint in run.checkpoints:
        reading = readings.get(checkpoint.key)
        if reading is None:
            continue
        previous = before.get(checkpoint.training_run_id)
        if previous is not None and previous.step != reading.step:
            changes[checkpoint.key] = reading.value - previous.value
        before[checkpoint.training_run_id] = reading
    return changes


def best_checkpoint(
    run: Run, key: str | None = None, higher: bool | None = None, *, half: Half | None = None
) -> Checkpoint | None:
    """The checkpoint with the best value of `key`; of equals the newest. None where none can be told.

    Defaults: the run's main metric, and the direction that `keys.higher_is_better` knows for it. Only a value that is
    telling (`is_telling`) counts, and a replaced rolling save is no candidate.
    """
    key = key or run.main_metric
    if key is None:
        return None
    better_up = higher_is_better(key) if higher is None else higher
    if better_up is None:
        return None
    best: tuple[float, Checkpoint] | None = None
    for checkpoint, value in _candidates(run, key, half):
        score = value if better_up else -value
        if best is None or score >= best[0]:
            best = (score, checkpoint)
    return best[1] if best else None


def _candidates(run: Run, key: str, half: Half | None) -> list[tuple[Checkpoint, float]]:
    readings = values(run, key)
    found = []
    for checkpoint in run.checkpoints:
        reading = readings.get(checkpoint.key)
        if reading is None or checkpoint.superseded or (half and not half_of(checkpoint, half)):
            continue
        if is_telling(run, key, checkpoint, reading) and math.isfinite(reading.value):
            found.append((checkpoint, reading.value))
    return found
