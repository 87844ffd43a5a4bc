"""Where runs were resumed from and as what, in words; no widget, no file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stealthrl_tui.runs.family import ancestors_of, origin_of, parent_of
from stealthrl_tui.runs.model import Run, Series
from stealthrl_tui.text import clean, plural
from stealthrl_tui.ui.presenter import Piece, Pieces, fit, name_pieces
from stealthrl_tui.ui.roster import Roster

if TYPE_CHECKING:
    from stealthrl_tui.runs.lineage import Lineage

MARK = "↳ "
_NAMED = 2


def other_runs(screen: object) -> Mapping[str, Run]:
    """All runs by path, where `screen` is the browser; a screen of its own knows none."""
    roster = getattr(screen, "roster", None)
    return roster.runs if isinstance(roster, Roster) else {}


def listed_name(run: Run, width: int) -> Pieces:
    """The name as the list shows it: marked where another run's state was taken up."""
    name = name_pieces(run, width)
    return name if origin_of(run) is None else ((MARK, "dim"), *name)


def children_of(run: Run, runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs that go on from `run`, oldest resume first."""
    found = [
        (origin.started_at or 0.0, each.path, each)
        for each in runs
        if (origin := origin_of(each)) is not None and os.path.normpath(origin.parent) == run.path
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
    lineage, origin = run.lineage, origin_of(run)
    pieces: list[Piece] = []
    if origin is not None:
        parent = parent_of(run, runs)
        name = clean(parent.name if parent is not None else os.path.basename(os.path.normpath(origin.parent)))
        pieces += [("resumed from ", "dim"), (name, "text"), *_at(origin)]
    if lineage is not None and lineage.in_place:
        pieces += [("   " if pieces else "", "text"), ("resumed in its own directory", "dim"), *_at(lineage)]
    return tuple(pieces)


def _at(lineage: Lineage) -> Pieces:
    if lineage.step is not None:
        return ((" at step ", "dim"), (str(lineage.step), "text"))
    return ((" at ", "dim"), (clean(lineage.checkpoint), "text")) if lineage.checkpoint else ()


def earlier_series(run: Run, runs: Mapping[str, Run], key: str | None) -> tuple[Series, ...]:
    """The values of `key` in the runs that `run` goes on from, oldest first, as far back as there are any."""
    found: list[Series] = []
    for parent in ancestors_of(run, runs):
        series = parent.metrics.series(key) if key is not None else None
        if series is None:
            break
        found.insert(0, series)
    return tuple(found)
