"""What stands in the browser's place while there is no run: what was looked for, where, and how to begin."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from stealthrl_tui.ui.presenter import nothing_found
from stealthrl_tui.ui.widgets.pieces import lines


class EmptyRoot(Widget):
    """Shown once the roots were walked in vain."""

    DEFAULT_CSS = "EmptyRoot { height: 1fr; padding: 1 3; }"

    def __init__(self) -> None:
        super().__init__(id="empty")
        self._roots: tuple[tuple[str, bool], ...] = ()
        self._trouble = ""

    def show(self, roots: Sequence[tuple[str, bool]], trouble: str = "") -> None:
        """`roots` are absolute paths and whether each exists; `trouble` says what could not be read or watched."""
        if (tuple(roots), trouble) != (self._roots, self._trouble):
            self._roots, self._trouble = tuple(roots), trouble
            self.refresh()

    def render(self) -> Content:
        return lines(nothing_found(self._roots, self._trouble))
