"""The columns of a table, and how they share its width: the least important give way first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import Align, Cut

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a `LineTable`.

    `width` is in cells, None for the one flexible column that takes the room the others leave. A column narrows to
    `minimum` before any is given up; then the one of the lowest `importance` goes. `render` gives the pieces of a
    row's cell, `gap` the blank cells after the column, `cut` the side at which a text too long loses its end.
    """

    key: str
    title: str
    render: Callable[[Row], Sequence[Piece]]
    width: int | None
    minimum: int
    importance: int
    align: Align = "left"
    cut: Cut = "end"
    gap: int = 2


@dataclass(frozen=True)
class Slot(Generic[Row]):
    """A column in its place: `start` and `width` in cells."""

    column: Column[Row]
    start: int
    width: int


def share(columns: Sequence[Column[Row]], width: int, start: int = 0) -> tuple[Slot[Row], ...]:
    """The columns that fit into `width` cells from `start` on, in their order, each with its width."""
    kept = list(columns)
    while len(kept) > 1 and _needed(kept) > width - start:
        kept.remove(min(kept, key=lambda column: column.importance))
    widths = {column.key: column.minimum for column in kept}
    spare = width - start - _needed(kept)
    for column in sorted(kept, key=lambda column: -column.importance):
        if column.width is not None:
            more = max(0, min(spare, column.width - column.minimum))
            widths[column.key] += more
            spare -= more
    for column in kept:
        if column.width is None or len(kept) == 1:
            widths[column.key] = max(1, widths[column.key] + spare)
            break
    return _placed(kept, widths, start)


def _needed(columns: Sequence[Column[Row]]) -> int:
    return sum(column.minimum + column.gap for column in columns) - (columns[-1].gap if columns else 0)


def _placed(columns: Sequence[Column[Row]], widths: dict[str, int], start: int) -> tuple[Slot[Row], ...]:
    slots: list[Slot[Row]] = []
    for column in columns:
        slots.append(Slot(column, start, widths[column.key]))
        start += widths[column.key] + column.gap
    return tuple(slots)
