"""A view with a line beneath it to search or narrow it; `/` opens the line, Esc puts it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from stealthrl_tui.ui.bindings import BY_NAME


class SearchPane(Vertical):
    """`typed` is told the text as it is typed; the empty one ends the search."""

    BINDINGS: ClassVar[list[BindingType]] = [BY_NAME["search"].binding()]
    DEFAULT_CSS = """
    SearchPane { height: 1fr; }
    SearchPane > Input { border: none; padding: 0; height: 1; background: $panel;
        &:focus { border: none; background: $panel; } }
    """

    def __init__(self, view: Widget, typed: Callable[[str], object], placeholder: str, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view, self._typed, self._placeholder = view, typed, placeholder

    def compose(self) -> ComposeResult:
        yield self._view

    async def action_search(self) -> None:
        """Let a text be typed."""
        if not self.query(Input):
            await self.mount(Input(placeholder=self._placeholder, compact=True))
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._typed(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._view.focus()

    async def on_key(self, event: events.Key) -> None:
        """Esc ends the search before it leaves the pane."""
        if event.key == "escape" and self.query(Input):
            event.stop()
            event.prevent_default()
            await self.query(Input).remove()
            self._typed("")
            self._view.focus()
