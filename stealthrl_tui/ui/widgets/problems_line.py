"""What is wrong with the run, in words, at the foot of its timeline."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from stealthrl_tui.ui.presenter import Pieces, fit, problem_pieces
from stealthrl_tui.ui.widgets.pieces import lines


class ProblemsLine(Widget):
    """The first problems that the room allows, and how many more there are."""

    DEFAULT_CSS = "ProblemsLine { height: 1; }"

    def __init__(self) -> None:
        super().__init__(id="problems")
        self._problems: tuple[str, ...] = ()
        self._notes: tuple[Pieces, ...] = ()

    def show(self, problems: Sequence[str], notes: Sequence[Pieces] = ()) -> None:
        """Say `problems`, the most telling first, and `notes` below them; none clears the line."""
        if (tuple(problems), tuple(notes)) != (self._problems, self._notes):
            self._problems, self._notes = tuple(problems), tuple(notes)
            self.refresh()

    def render(self) -> Content:
        height, width = self.content_size.height, self.content_size.width
        notes = self._notes[: max(0, height - (1 if self._problems else 0))]
        rows = problem_pieces(self._problems, height - len(notes), width)
        return lines((*rows, *(fit(note, width) for note in notes)))
