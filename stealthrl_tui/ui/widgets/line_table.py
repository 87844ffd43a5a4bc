"""The one table of the browser, for runs and for checkpoints.

Filling it costs the same for ten rows and for ten thousand, and one changed row repaints one line (Textual's Line API).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive

from stealthrl_tui.ui.bindings import BY_NAME, Where, bindings
from stealthrl_tui.ui.widgets.columns import Column, Row
from stealthrl_tui.ui.widgets.table_drawing import HEADER, TableDrawing

__all__ = ["Column", "LineTable"]


class LineTable(TableDrawing[Row], can_focus=True):
    """Rows of values under a header, one line each, told apart by the string that `row_key` gives.

    `follow` keeps the cursor on the first row; moving the cursor by hand ends it. With `markable`, Space marks rows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Where.MOVING),
        BY_NAME["open"].binding(),
        BY_NAME["mark"].binding(),
    ]
    DEFAULT_CSS = """
    LineTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $background; }
    """

    follow = reactive(False, repaint=False)

    class TableMessage(Message):
        """About a row of a table; `key` is None when no row is left."""

        def __init__(self, table: LineTable[Any], key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> LineTable[Any]:
            """The table, for selectors."""
            return self.table

    class Highlighted(TableMessage):
        """The cursor came to another row; of several in a burst only the last is delivered."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LineTable.Highlighted) and message.table is self.table

    class Activated(TableMessage):
        """Enter or a double click on a row."""

    class Marked(TableMessage):
        """The mark of a row was set or taken away."""

    class HeaderClicked(TableMessage):
        """A click on a column's title; `key` is the column's."""

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        row_key: Callable[[Row], str],
        *,
        markable: bool = False,
        empty: str = "",
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(columns, row_key, markable, empty, id)
        self._places: dict[str, int] = {}
        self._told: str | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows in their order; not to be changed."""
        return self._rows

    @property
    def cursor_row(self) -> Row | None:
        """The row under the cursor, None in an empty table."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._row_key(self._rows[self._cursor]) if self._rows else None

    @property
    def marked(self) -> tuple[str, ...]:
        """The keys of the marked rows, in the order they were marked; also of rows not in the table now."""
        return tuple(self._marked)

    def row(self, key: str) -> Row | None:
        """The row of `key`, None when it is not in the table."""
        place = self._places.get(key)
        return None if place is None else self._rows[place]

    def set_columns(self, columns: Sequence[Column[Row]]) -> None:
        """Show other columns, or the same with other titles."""
        self._columns = tuple(columns)
        self._slots = (-1, ())
        self.redraw()

    def set_sort(self, key: str | None, descending: bool = True) -> None:
        """Put the sort mark beside a column's title; the rows come in their order from outside."""
        self._sort = None if key is None else (key, descending)
        self.refresh(Region(0, 0, self.size.width, HEADER))

    def set_empty(self, text: str) -> None:
        """What a table without rows says."""
        self._empty = text
        if not self._rows:
            self.refresh()

    def set_marked(self, keys: Iterable[str]) -> None:
        """Mark exactly these rows."""
        self._marked = dict.fromkeys(keys)
        self.refresh()

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show `rows`: the cursor stays on its row and that row on its screen line, wherever it is now.

        A row that is gone hands the cursor to the one that took its place. A table scrolled to its top stays there
        while the cursor is in view, so that rows that arrive above are seen.
        """
        before, top = self._in_view(), self.scroll_offset.y
        anchor = self._anchor(top)
        self._rows = list(rows)
        self._places = {}
        for index, row in enumerate(self._rows):
            self._places.setdefault(self._row_key(row), index)
        self._cursor = 0 if self.follow else self._place_now(self._told, self._cursor)
        self.virtual_size = Size(1, len(self._rows) + HEADER)
        self._settle(anchor, top)
        if self.scroll_offset.y == top:
            self._repaint_changed(before)
        self._tell()

    def update_row(self, key: str, row: Row) -> bool:
        """Put `row` in the place of the one with its key and repaint that line; False when there is none."""
        place = self._places.get(key)
        if place is None:
            return False
        self._rows[place] = row
        self._strips.pop(key, None)
        self._repaint(place)
        return True

    def select(self, key: str) -> bool:
        """Put the cursor on the row of `key` and bring it into view; False when there is none."""
        place = self._places.get(key)
        if place is None:
            return False
        self._move_to(place)
        return True

    def watch_follow(self, follow: bool) -> None:
        """Following begins at once."""
        if follow:
            self._move_to(0)

    def action_cursor_up(self) -> None:
        """One row up."""
        self._move_by_hand(self._cursor - 1)

    def action_cursor_down(self) -> None:
        """One row down."""
        self._move_by_hand(self._cursor + 1)

    def action_page_up(self) -> None:
        """A page up, with one row of the page before."""
        self._move_by_hand(self._cursor - max(1, self._lines - 1))

    def action_page_down(self) -> None:
        """A page down, with one row of the page before."""
        self._move_by_hand(self._cursor + max(1, self._lines - 1))

    def action_first(self) -> None:
        """To the first row."""
        self._move_by_hand(0)

    def action_last(self) -> None:
        """To the last row."""
        self._move_by_hand(len(self._rows) - 1)

    def action_open(self) -> None:
        """Tell that the row was chosen."""
        if self._rows:
            self.post_message(self.Activated(self, self.cursor_key))

    def action_mark(self) -> None:
        """Mark the row under the cursor or take its mark away, and go on to the next."""
        key = self.cursor_key
        if key is None:
            return
        if self._marked.pop(key, False) is False:
            self._marked[key] = None
        self._repaint(self._cursor)
        self.post_message(self.Marked(self, key))
        self.action_cursor_down()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Space is left to others in a table without marks."""
        return self._markable if action == "mark" else super().check_action(action, parameters)

    def on_click(self, event: events.Click) -> None:
        """Move to the row; a double click opens it. A click on the header tells the column."""
        if event.y < HEADER:
            self._header_clicked(event.x)
            return
        index = event.y - HEADER + self.scroll_offset.y
        if index < len(self._rows):
            self._move_by_hand(index)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """The cursor stays in view."""
        self._reveal()

    def _header_clicked(self, x: int) -> None:
        for slot in self._layout(self._width):
            if slot.start <= x < slot.start + slot.width + slot.column.gap:
                self.post_message(self.HeaderClicked(self, slot.column.key))

    def _move_by_hand(self, place: int) -> None:
        place = max(0, min(place, len(self._rows) - 1))
        if place != self._cursor:
            self.follow = False
        self._move_to(place)

    def _move_to(self, place: int) -> None:
        if not self._rows:
            return
        previous, self._cursor = self._cursor, place
        if previous != place:
            self._repaint(previous)
            self._repaint(place)
        self._reveal()
        self._tell()

    def _tell(self) -> None:
        key = self.cursor_key
        if key != self._told:
            self._told = key
            self.post_message(self.Highlighted(self, key))

    def _in_view(self) -> list[tuple[Row, bool]]:
        top = self.scroll_offset.y
        return [(row, top + i == self._cursor) for i, row in enumerate(self._rows[top : top + self._lines])]

    def _repaint_changed(self, before: list[tuple[Row, bool]]) -> None:
        top = self.scroll_offset.y
        for line, (old, new) in enumerate(zip_longest(before, self._in_view())):
            if old is None or new is None or old[0] is not new[0] or old[1] != new[1]:
                self._repaint(top + line)

    def _place_now(self, key: str | None, previous: int) -> int:
        """Where the cursor's row is; the same place again among rows that share a key, or when the row is gone."""
        if key is None or not self._rows:
            return 0
        last = len(self._rows) - 1
        if previous <= last and self._row_key(self._rows[previous]) == key:
            return previous
        return self._places.get(key, min(previous, last))

    def _anchor(self, top: int) -> tuple[str, int] | None:
        """The row that shall stay where it is, the cursor's when in view, else the first one; with its screen line."""
        if not self._rows or top >= len(self._rows):
            return None
        place = self._cursor if top <= self._cursor < top + self._lines else top
        return self._row_key(self._rows[place]), place - top

    def _settle(self, anchor: tuple[str, int] | None, top: int) -> None:
        if anchor is None or self.follow:
            self._reveal()
            return
        key, line = anchor
        wanted = top if top == 0 else self._places.get(key, top + line) - line
        self._scroll_rows(wanted)
        if key == self._told:
            self._reveal()

    def _reveal(self) -> None:
        """Scroll no further than the cursor needs."""
        top, lines = self.scroll_offset.y, self._lines
        if lines and self._cursor < top:
            self._scroll_rows(self._cursor)
        elif lines and self._cursor >= top + lines:
            self._scroll_rows(self._cursor - lines + 1)

    def _scroll_rows(self, top: int) -> None:
        top = max(0, min(top, len(self._rows) - self._lines))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
