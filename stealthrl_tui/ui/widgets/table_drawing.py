"""How a table looks: its header, its rows, the cursor's bar and tint, the marks; it renders only the lines in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic

from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip

from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import fit, segments
from stealthrl_tui.ui.widgets.columns import Column, Row, Slot, share
from stealthrl_tui.ui.widgets.roles import RoleStyles

BAR, MARK = "▌", "+"
HEADER = 1
_KEPT_STRIPS = 512


class TableDrawing(ScrollView, RoleStyles, Generic[Row]):
    """The drawn half of `LineTable`: rows, cursor, marks and sort as they are, and the strips they give."""

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        row_key: Callable[[Row], str],
        markable: bool,
        empty: str,
        id: str | None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._row_key = row_key
        self._markable = markable
        self._empty = empty
        self._rows: list[Row] = []
        self._cursor = 0
        self._marked: dict[str, None] = {}
        self._sort: tuple[str, bool] | None = None
        self._slots: tuple[int, tuple[Slot[Row], ...]] = (-1, ())
        self._strips: dict[str, tuple[Row, tuple[Any, ...], Strip]] = {}

    def render_line(self, y: int) -> Strip:
        """The header, a row, or what an empty table says."""
        width = self._width
        if y < HEADER:
            return self._strip(self._header_pieces(width), "", width)
        index = y - HEADER + self.scroll_offset.y
        if index < len(self._rows):
            return self._row_strip(index, width)
        says = self._empty if not self._rows and y == HEADER else ""
        return self._strip(fit([(" " * self._gutter + says, "dim")], width), "", width)

    def redraw(self) -> None:
        """Render every line in view again, for columns that say something else than before (an age)."""
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme, or the focus came or went."""
        self._strips.clear()
        super().notify_style_update()

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _lines(self) -> int:
        """How many rows are in view."""
        return max(0, self.size.height - HEADER)

    @property
    def _gutter(self) -> int:
        return 2 if self._markable else 1

    def _layout(self, width: int) -> tuple[Slot[Row], ...]:
        if self._slots[0] != width:
            self._slots = (width, share(self._columns, width, self._gutter))
        return self._slots[1]

    def _repaint(self, place: int) -> None:
        self.refresh(Region(0, place + HEADER - self.scroll_offset.y, self.size.width, 1))

    def _row_strip(self, index: int, width: int) -> Strip:
        row = self._rows[index]
        key = self._row_key(row)
        look = (width, index == self._cursor, self.has_focus, key in self._marked)
        kept = self._strips.get(key)
        if kept is not None and kept[0] is row and kept[1] == look:
            return kept[2]
        if len(self._strips) > _KEPT_STRIPS:
            self._strips.clear()
        tint = "" if index != self._cursor else "tint" if self.has_focus else "tint-blurred"
        strip = self._strip(self._row_pieces(row, width, bool(tint), key in self._marked), tint, width)
        self._strips[key] = (row, look, strip)
        return strip

    def _strip(self, pieces: Sequence[Piece], tint: str, width: int) -> Strip:
        base = self.rich_style + self.on_role(tint) if tint else self.rich_style
        return Strip(segments(pieces, self.role)).apply_style(base).adjust_cell_length(width, base)

    def _row_pieces(self, row: Row, width: int, cursor: bool, marked: bool) -> list[Piece]:
        bar: Piece = (BAR if cursor else " ", "alive" if self.has_focus else "dim")
        pieces = [bar, (MARK if marked else " ", "best bold")] if self._markable else [bar]
        at = self._gutter
        for slot in self._layout(width):
            column = slot.column
            pieces.append((" " * (slot.start - at), "text"))
            pieces += fit(slot.pieces(row), slot.width, column.align, column.cut)
            at = slot.start + slot.width
        return pieces

    def _header_pieces(self, width: int) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        for slot in self._layout(width):
            pieces.append((" " * (slot.start - at), "text"))
            pieces += fit(self._title(slot), slot.width, slot.column.align)
            at = slot.start + slot.width
        return pieces

    def _title(self, slot: Slot[Row]) -> list[Piece]:
        column = slot.column
        if self._sort is None or self._sort[0] != column.key:
            return [(column.title, "dim")]
        arrow = "▾" if self._sort[1] else "▴"
        gap = " " if len(column.title) + 2 <= slot.width else ""
        return [(column.title[: max(0, slot.width - 1)] + gap + arrow, "text")]
