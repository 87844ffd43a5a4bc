"""The line over the keys: what was just done, and its text, to be selected where no clipboard took it."""

from __future__ import annotations

from textual.widgets import Static

from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.widgets.pieces import content


class StatusLine(Static):
    """Not there until there is something to say; as tall as that needs."""

    DEFAULT_CSS = "StatusLine { display: none; height: auto; max-height: 4; padding: 0 1; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(id="status", markup=False)

    def say(self, *pieces: Pieces) -> None:
        """Say it until something else is said or `hush`."""
        self.update(content(piece for part in pieces for piece in part))
        self.display = True

    def hush(self) -> None:
        """Nothing to say."""
        self.display = False
