"""Where runs were resumed from and as what, in words; no widget, no file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from stealthrl_tui.runs.model import Run, Series
from stealthrl_tui.text import clean, plural
from stealthrl_tui.ui.presenter import Piece, Pieces, fit, name_pieces
from stealthrl_tui.ui.roster import Roster

MARK = "↳ "
_NAMED = 2


def other_runs(screen: object) -> Mapping[str, Run]:
    """All runs by path, where `screen` is the browser; a screen of its own knows none."""
    roster = getattr(screen, "roster", None)
    return roster.runs if isinstance(roster, Roster) else {}


def listed_name(run: Run, width: int) -> Pieces:
    """The name as the list shows it: marked where another run's state was taken up."""
    name = name_pieces(run, width)
    return name if run.lineage is None or run.lineage.in_place else ((MARK, "dim"), *name)


def parent_of(run: Run, runs: Mapping[str, Run]) -> Run | None:
    """The other run that `run` goes on from, where it is among `runs`."""
    if run.lineage is None or run.lineage.in_place:
        return None
    return runs.get(os.path.normpath(run.lineage.parent))


def children_of(run: Run, runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs that go on from `run`, oldest resume first."""
    found = [
        (each.lineage.started_at or 0.0, each.path, each)
        for each in runs
        if each.lineage is not None and not each.lineage.in_place and os.path.normpath(each.lineage.parent) == run.path
    ]
    return tuple(each for _, _, each in sorted(found, key=lambda item: item[:2]))


def lineage_pieces(run: Run, runs: Mapping[str, Run], width: int) -> Pieces:
    """`resumed from X at step 470   resumed as Y`; nothing for a run without relatives."""
    pieces: list[Piece] = [*_origin(run, runs)]
    children = children_of(run, runs.values())
    if children:
        named = ", ".join(clean(each.name) for each in children[:_NAMED])
        more = f" and {plural(len(children) - _NAMED, 'other')}" if len(children) > _NAMED else ""
        pieces += [("   " if pieces else "", "text"), ("resumed as ", "dim"), (named, "text"), (more, "dim")]
    return fit((((MARK, "dim")), *pieces), width) if pieces else ()


def _origin(run: Run, runs: Mapping[str, Run]) -> Pieces:
    lineage = run.lineage
    if lineage is None:
        return ()
    parent = parent_of(run, runs)
    name = clean(parent.name if parent is not None else os.path.basename(lineage.parent))
    at = lineage.checkpoint if lineage.step is None else str(lineage.step)
    where: Pieces = ((" at step " if lineage.step is not None else " at ", "dim"), (clean(at), "text")) if at else ()
    if lineage.in_place:
        return (("resumed in its own directory", "dim"), *where)
    return (("resumed from ", "dim"), (name, "text"), *where)


def parents_series(run: Run, runs: Mapping[str, Run], key: str | None) -> Series | None:
    """The parent's values of `key`, to be drawn behind the run's own; None where there are none."""
    parent = parent_of(run, runs)
    return None if parent is None or key is None else parent.metrics.series(key)
