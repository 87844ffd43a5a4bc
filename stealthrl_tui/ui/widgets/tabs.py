"""The line of the four tabs, and at its right what the curve shows."""

from __future__ import annotations

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.widgets.pieces import spread

TABS = (("timeline", "1 Timeline"), ("metrics", "2 Metrics"), ("log", "3 Log"), ("config", "4 Config"))


class Tabs(Widget):
    """Which tab is open; a click opens another."""

    DEFAULT_CSS = "Tabs { height: 1; }"

    class Chosen(Message):
        """The tab that was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._active = "timeline"
        self._right: Pieces = ()

    def show(self, active: str, right: Pieces) -> None:
        """Underline `active`; say `right` at the right end."""
        if (active, right) != (self._active, self._right):
            self._active, self._right = active, right
            self.refresh()

    def render(self) -> Content:
        left: list[tuple[str, str]] = []
        for name, title in TABS:
            left += [(title, "text bold underline" if name == self._active else "dim"), ("   ", "text")]
        return spread(tuple(left[:-1]), self._right, self.content_size.width)

    def on_click(self, event: Click) -> None:
        at = 0
        for name, title in TABS:
            if at <= event.x < at + len(title):
                self.post_message(self.Chosen(name))
            at += len(title) + 3
