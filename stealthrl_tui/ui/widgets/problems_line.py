"""What is wrong with the run, in words, at the foot of its timeline."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from stealthrl_tui.ui.presenter import problem_pieces
from stealthrl_tui.ui.widgets.pieces import lines


class ProblemsLine(Widget):
    """The first problems that the room allows, and how many more there are."""

    DEFAULT_CSS = "ProblemsLine { height: 1; }"

    def __init__(self) -> None:
        super().__init__(id="problems")
        self._problems: tuple[str, ...] = ()

    def show(self, problems: Sequence[str]) -> None:
        """Say `problems`, the most telling first; none clears the line."""
        if tuple(problems) != self._problems:
            self._problems = tuple(problems)
            self.refresh()

    def render(self) -> Content:
        return lines(problem_pieces(self._problems, self.content_size.height, self.content_size.width))
