"""The saves of a run as marks under its curves."""

from __future__ import annotations

from collections.abc import Sequence

from stealthrl_tui.ui.saves import SaveRow
from stealthrl_tui.ui.widgets.plot import BEST, FINAL, ROLLING, SAVED, Mark


def marks_of(rows: Sequence[SaveRow]) -> list[Mark]:
    """The marks of the saves whose step is known, oldest first; `rows` are newest first."""
    return [_mark(row, row.checkpoint.step) for row in reversed(rows) if row.checkpoint.step is not None]


def _mark(row: SaveRow, step: int) -> Mark:
    """The best is starred; a save without state is coloured as sampler weights, since nothing can go on from it."""
    checkpoint = row.checkpoint
    glyph = BEST if row.best else FINAL if checkpoint.final else ROLLING if checkpoint.rolling else SAVED
    role = "best" if row.best else "state" if checkpoint.state_uri else "sampler"
    return Mark(step, role, checkpoint.key, glyph)
