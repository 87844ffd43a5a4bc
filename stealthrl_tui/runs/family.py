"""Which of the known runs a run goes on from (runs/lineage.py tells what is recorded of it)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stealthrl_tui.runs.model import Run

if TYPE_CHECKING:
    from stealthrl_tui.runs.lineage import Lineage

MOST = 8


def origin_of(run: Run) -> Lineage | None:
    """The resume that took up another run's state, None where there was none."""
    lineage = run.lineage
    return lineage.origin if lineage is not None and lineage.in_place else lineage


def parent_of(run: Run, runs: Mapping[str, Run]) -> Run | None:
    """The other run that `run` goes on from, where it is among `runs` (by path)."""
    origin = origin_of(run)
    return None if origin is None else runs.get(os.path.normpath(origin.parent))


def ancestors_of(run: Run, runs: Mapping[str, Run], most: int = MOST) -> tuple[Run, ...]:
    """The runs that `run` goes on from, the nearest first, at most so many; records that go in a circle end there."""
    found: dict[str, Run] = {}
    parent = parent_of(run, runs)
    while parent is not None and len(found) < most and parent.path != run.path and parent.path not in found:
        found[parent.path] = parent
        parent = parent_of(parent, runs)
    return tuple(found.values())
