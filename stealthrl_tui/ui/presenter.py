"""What the screen says of a run, as plain pieces: no widget, no clock, no file (tests read them as text).

A piece is `(text, role)`; roles are the names of `widgets/roles.py`. Every outside string passes `clean` here.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, chop_cells

from stealthrl_tui.runs.keys import label, watched
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from stealthrl_tui.text import NONE, age, clean, duration, plural

Piece = tuple[str, str]
Pieces = tuple[Piece, ...]

GLYPHS: dict[Status, tuple[str, str]] = {
    Status.RUNNING: ("●", "alive"),
    Status.COMPLETED: ("✓", "done"),
    Status.STALLED: ("!", "warning"),
    Status.INTERRUPTED: ("■", "dim"),
    Status.FAILED: ("✗", "bad"),
    Status.EMPTY: ("○", "dim"),
}


def plain(pieces: Iterable[Piece]) -> str:
    """The pieces' text alone."""
    return "".join(text for text, _role in pieces)


def length(pieces: Iterable[Piece]) -> int:
    """How many columns the pieces take."""
    return sum(cell_len(text) for text, _role in pieces)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return (chop_cells(text, width - 1)[0] if width > 1 else "") + "…" if width > 0 else ""


def fit(pieces: Pieces, width: int) -> Pieces:
    """The pieces in at most `width` columns: what comes last gives way."""
    if length(pieces) <= width:
        return pieces
    kept: list[Piece] = []
    for text, role in pieces:
        kept.append((cut(text, width), role))
        width -= cell_len(text)
        if width <= 0:
            break
    return tuple(kept)


def short(text: str) -> str:
    """A number without the nought before its point, as a narrow column shows it: `.612`, `-.004`."""
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def status_pieces(run: Run) -> Pieces:
    """Glyph and word."""
    glyph, role = GLYPHS[run.status]
    return ((f"{glyph} {run.status.value}", role),)


def counts(found: Mapping[Status, int]) -> Pieces:
    """`● 2 running`, `✓ 6 completed`: a piece for each status that occurs, in the order of their weight."""
    return tuple(
        (f"{glyph} {found[status]} {status.value}", role)
        for status, (glyph, role) in GLYPHS.items()
        if found.get(status)
    )


def split_name(run: Run) -> tuple[str, str]:
    """The parent folders with their slash, and the run's own name."""
    parent, slash, leaf = clean(run.name).rpartition("/")
    return parent + slash, leaf or parent


def name_pieces(run: Run, width: int, *, strong: bool = False) -> Pieces:
    """The name in `width` columns: parents dim and given up first, the run's own name cut last."""
    parent, leaf = split_name(run)
    role = "text bold" if strong else "text"
    room = width - cell_len(leaf)
    if room <= 0 or not parent:
        return ((cut(leaf, width), role),)
    if cell_len(parent) > room:
        parent = "…/" if room > 2 else ""
    return ((parent, "dim"), (leaf, role)) if parent else ((leaf, role),)


def step_text(run: Run) -> str:
    """`487/785`, `487` when the total is unknown, `–` when the run has no step."""
    if run.step is None:
        return NONE
    return f"{run.step}/{run.total_steps}" if run.total_steps else str(run.step)


def latest(run: Run) -> float | None:
    """The newest value of the run's main metric."""
    return run.metrics.latest.get(run.main_metric) if run.main_metric else None


def age_text(run: Run, now: float) -> str:
    """How long ago the run was last written."""
    return age(None if run.updated_at is None else max(0.0, now - run.updated_at))


def metric_heading(found: Mapping[str | None, int]) -> str:
    """The name over the list's metric column: the one that all runs share, else the general word.

    `found` counts the runs by main metric.
    """
    names = {label(key) for key, count in found.items() if key and count}
    return clean(names.pop()).upper() if len(names) == 1 else "METRIC"


def metric_order(run: Run) -> tuple[str, ...]:
    """All metrics of a run, those that a person watches first."""
    first = watched(run.facts.kind, run.metrics.keys)
    return (*first, *(key for key in run.metrics.keys if key not in first))


def how_it_goes(run: Run, now: float) -> str:
    """The words beside the status: the pace of a live run, the reason of any other."""
    if run.status is Status.RUNNING and run.step_seconds:
        since = "" if run.updated_at is None else f", last {_ago(now - run.updated_at)}"
        return f"a step each {duration(run.step_seconds)}{since}"
    return clean(run.status_reason)


def _ago(seconds: float) -> str:
    words = age(max(0.0, seconds))
    return words if words == "now" else f"{words} ago"


def title_pieces(run: Run, now: float, width: int) -> Pieces:
    """The header's first line: who it is, its status and how it goes."""
    ((status, role),) = status_pieces(run)
    name = name_pieces(run, max(8, width - cell_len(status) - 3), strong=True)
    line: Pieces = (*name, ("   ", "text"), (status, f"{role} bold"))
    room = width - length(line) - 2
    return (*line, ("  " + cut(how_it_goes(run, now), room), "dim")) if room >= 8 else line


def facts_pieces(run: Run, width: int) -> Pieces:
    """The header's second line: model, rank, renderer, how often it saves, and what else tells it from others."""
    facts = run.facts
    pieces: list[Piece] = [(clean(facts.base_model), "text") if facts.base_model else ("base model unknown", "dim")]
    for word, value in (("rank", facts.lora_rank), ("renderer", facts.renderer), ("saves every", facts.save_every)):
        if value is not None:
            pieces += [(f"  {word} ", "dim"), (clean(value), "text")]
    if len(run.training_run_ids) > 1:
        pieces += [("  training runs ", "dim"), (str(len(run.training_run_ids)), "text")]
    return fit(tuple(pieces), width)


def progress(run: Run) -> tuple[float | None, Pieces]:
    """The fraction done (None when the total is unknown), and its words: `487/785  62 %  ETA 1 h 49 m`."""
    if run.step is None:
        return None, (("no step yet", "dim"),)
    pieces: list[Piece] = [(step_text(run), "text bold")]
    if not run.total_steps:
        return None, (("step ", "dim"), *pieces, ("  of an unknown total", "dim"))
    done = min(1.0, run.step / run.total_steps)
    pieces.append((f"  {int(100 * done)} %", "text"))
    if run.status is Status.RUNNING and run.eta_seconds is not None:
        pieces += [("  ETA ", "dim"), (duration(run.eta_seconds), "text")]
    return done, tuple(pieces)


def problem_lines(run: Run, checkpoint: Checkpoint | None = None) -> tuple[str, ...]:
    """What is wrong, in words: the save under the cursor first, then the run."""
    own = () if checkpoint is None else checkpoint.problems
    # The run tells of its checkpoints' problems too.
    others = [problem for problem in run.problems if not any(problem.startswith(each) for each in own)]
    name = "" if checkpoint is None else clean(checkpoint.name)
    return (*(f"{name}: {clean(problem)}" for problem in own), *(clean(problem) for problem in others))


def problem_rows(problems: Sequence[str], width: int) -> list[Pieces]:
    """The problems in full, wrapped at `width`."""
    rows: list[Pieces] = []
    for problem in problems:
        head: Piece = ("! ", "warning")
        for line in textwrap.wrap(problem, max(20, width - 2)):
            rows.append((head, (line, "text")))
            head = ("  ", "text")
    return rows


def problem_pieces(problems: Sequence[str], rows: int, width: int) -> list[Pieces]:
    """The problems in `rows` lines: in full where they fit, else the first of them and how many more there are."""
    full = problem_rows(problems, width)
    if len(full) <= rows:
        return full
    shown = problems if len(problems) <= rows else problems[: max(1, rows)]
    more = f" (+{len(problems) - len(shown)} more)" if len(problems) > len(shown) else ""
    pieces: list[Pieces] = []
    for index, line in enumerate(shown):
        rest = more if index == len(shown) - 1 else ""
        pieces.append((("! ", "warning"), (cut(line, max(8, width - 2 - len(rest))), "text"), (rest, "dim")))
    return pieces


def root_text(roots: Sequence[str], room: int) -> str:
    """The roots as a person names them from here; the first and a count where they don't fit."""
    names = [clean(_from_here(root)) for root in roots]
    whole = "  ".join(names)
    if len(whole) > room and len(names) > 1:
        whole = f"{names[0]}  +{len(names) - 1}"
    return whole if len(whole) <= room else "…" + whole[len(whole) - max(0, room - 1) :]


def _from_here(root: str) -> str:
    for folder, name in ((os.getcwd(), ""), (os.path.expanduser("~"), "~/")):
        if root.startswith(folder.rstrip("/") + "/"):
            return name + root[len(folder.rstrip("/")) + 1 :]
    return root


def nothing_found(roots: Sequence[tuple[str, bool]], trouble: str = "") -> list[Pieces]:
    """What an empty root says: what was looked for, where, and how to begin. `roots` are absolute, with 'exists'.

    `trouble` is what could not be read, in words.
    """
    lines: list[Pieces] = [(("No runs yet", "text bold"),), (), (("Looked for", "dim"),)]
    lines.append(
        (("  checkpoints.jsonl, metrics.jsonl, config.json, training_config.json, run_metadata.json", "text"),)
    )
    lines += [(), (("In", "dim"),)]
    for root, exists in roots:
        word: Piece = ("  no run in it yet  ", "dim") if exists else ("  ! does not exist  ", "warning")
        lines.append((word, (clean(root), "text")))
    lines += [((f"  ! {clean(each)}", "warning"),) for each in trouble.split("; ") if each]
    lines += [(), (("To begin", "dim"),)]
    lines.append((("  stealthrl-tui PATH", "alive"), ("     the folder that your runs are in", "dim")))
    lines.append((("  stealthrl-tui demo", "alive"), ("     sample runs, one of them training", "dim")))
    lines += [(), (("A run that appears in there shows up here by itself.", "dim"),)]
    return lines


def tally(shown: int, total: int, marked: int) -> str:
    """`3 of 11 runs, 2 marked`."""
    words = plural(total, "run") if shown == total else f"{shown} of {plural(total, 'run')}"
    return words + (f", {marked} marked" if marked else "")
