"""The floor: a bare Textual app that paints one word. What anything built on Textual costs at least."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

WORD = "floor"


class Floor(App[None]):
    """Paints `WORD` and waits."""

    def compose(self) -> ComposeResult:
        """The word."""
        yield Static(WORD)


if __name__ == "__main__":
    Floor().run()
