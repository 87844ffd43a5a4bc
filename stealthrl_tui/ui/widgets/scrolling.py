"""Lines of text that scroll: what the log and the configuration have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from stealthrl_tui.ui.bindings import Where, bindings
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import segments
from stealthrl_tui.ui.widgets.roles import RoleStyles


class LineScroll(ScrollView, RoleStyles, can_focus=True):
    """`head` fixed lines over lines that scroll under the keys of moving."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.MOVING)]
    DEFAULT_CSS = "LineScroll { height: 1fr; scrollbar-size: 1 1; background: $background; }"
    head = 0

    @property
    def top(self) -> int:
        """The first line in view."""
        return int(self.scroll_offset.y)

    @property
    def lines_in_view(self) -> int:
        """How many lines there is room for."""
        return max(0, self.scrollable_content_region.height - self.head)

    def go_to(self, top: int) -> None:
        """Make `top` the first line in view, as far as the end allows."""
        self.scroll_to(y=max(0, top), animate=False, force=True, immediate=True)

    def action_cursor_up(self) -> None:
        """One line up."""
        self.go_to(self.top - 1)

    def action_cursor_down(self) -> None:
        """One line down."""
        self.go_to(self.top + 1)

    def action_page_up(self) -> None:
        """A page up, with one line of the page before."""
        self.go_to(self.top - max(1, self.lines_in_view - 1))

    def action_page_down(self) -> None:
        """A page down, with one line of the page before."""
        self.go_to(self.top + max(1, self.lines_in_view - 1))

    def action_first(self) -> None:
        """To the first line."""
        self.go_to(0)

    def action_last(self) -> None:
        """To the last line."""
        self.go_to(self.virtual_size.height)

    def _extent(self, lines: int, width: int = 1) -> None:
        self.virtual_size = Size(width, lines + self.head)

    def _strip(self, pieces: Sequence[Piece], left: int = 0) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        strip = Strip(segments(pieces, self.role)).apply_style(base)
        return (strip.crop(left, left + width) if left else strip).adjust_cell_length(width, base)
