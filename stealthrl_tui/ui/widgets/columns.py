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
    `minimum` and its gap to one cell before any is given up; then the one of the lowest `importance` goes. `render`
    gives the pieces of a row's cell, `gap` the blank cells after the column, `cut` the side at which a text too long
    loses its end. `short` renders the cell where the column has less than its `width`, and at `minimum` then.
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
    short: Callable[[Row], Sequence[Piece]] | None = None


@dataclass(frozen=True)
class Slot(Generic[Row]):
    """A column in its place: `start` and `width` in cells."""

    column: Column[Row]
    start: int
    width: int

    def pieces(self, row: Row) -> Sequence[Piece]:
        """The row's cell, as it is said at this width."""
        column = self.column
        if column.short is not None and column.width is not None and self.width < column.width:
            return column.short(row)
        return column.render(row)


def share(columns: Sequence[Column[Row]], width: int, start: int = 0) -> tuple[Slot[Row], ...]:
    """The columns that fit into `width` cells from `start` on, in their order, each with its width."""
    room = width - start
    kept = list(columns)
    while len(kept) > 1 and _needed(kept, 1) > room:
        kept.remove(min(kept, key=lambda column: column.importance))
    widest = 2 if _needed(kept, 2) <= room else 1
    widths = {column.key: column.minimum for column in kept}
    spare = room - _needed(kept, widest)
    # Words before air: first the columns that say less at less width.
    for column in sorted(kept, key=lambda column: (column.short is None, -column.importance)):
        if column.width is not None:
            wished = column.width - column.minimum
            more = 0 if column.short is not None and wished > spare else max(0, min(spare, wished))
            widths[column.key] += more
            spare -= more
    for column in kept:
        if column.width is None or len(kept) == 1:
            widths[column.key] = max(1, widths[column.key] + spare)
            break
    return _placed(kept, widths, start, widest)


def _needed(columns: Sequence[Column[Row]], widest: int) -> int:
    gaps = [min(column.gap, widest) for column in columns[:-1]]
    return sum(column.minimum for column in columns) + sum(gaps)


def _placed(columns: Sequence[Column[Row]], widths: dict[str, int], start: int, widest: int) -> tuple[Slot[Row], ...]:
    slots: list[Slot[Row]] = []
    for column in columns:
        slots.append(Slot(column, start, widths[column.key]))
        start += widths[column.key] + min(column.gap, widest)
    return tuple(slots)
