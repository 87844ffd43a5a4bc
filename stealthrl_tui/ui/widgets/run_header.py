"""Who the run is and how it is going: three lines over the tabs, and a fourth where it has relatives."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.ui.lineage import lineage_pieces, other_runs
from stealthrl_tui.ui.presenter import Pieces, facts_pieces, plain, progress, title_pieces
from stealthrl_tui.ui.widgets.pieces import lines

_LINES = 3


class RunHeader(Widget):
    """Name, status and pace; model and settings; lineage; the progress bar. Redrawn only when a word of it changed."""

    DEFAULT_CSS = "RunHeader { height: 3; }"

    def __init__(self) -> None:
        super().__init__(id="header")
        self._run: Run | None = None
        self._now = 0.0
        self._drawn: tuple[Pieces, ...] = ()

    def show(self, run: Run | None, now: float) -> None:
        """Say what is known of `run` at `now`."""
        self._run, self._now = run, now
        rows = self._rows()
        if rows != self._drawn:
            self.styles.height = max(_LINES, len(rows))
            self.refresh()

    def render(self) -> Content:
        self._drawn = self._rows()
        return lines(self._drawn)

    def _rows(self) -> tuple[Pieces, ...]:
        run, width = self._run, self.content_size.width
        if run is None:
            return ()
        lineage = lineage_pieces(run, other_runs(self.screen), width)
        rows = (title_pieces(run, self._now, width), facts_pieces(run, width), bar(run, width))
        return (*rows[:2], lineage, *rows[2:]) if lineage else rows


def bar(run: Run, width: int) -> Pieces:
    """The progress bar and its words: the bar takes what room they leave, up to 60 columns."""
    done, words = progress(run)
    if done is None:
        return words
    room = min(60, width - len(plain(words)) - 2)
    if room < 8:
        return words
    filled = round(done * room)
    role = "alive" if run.status is Status.RUNNING else "done" if run.status is Status.COMPLETED else "dim"
    return (("━" * filled, role), ("━" * (room - filled), "line"), ("  ", "text"), *words)
