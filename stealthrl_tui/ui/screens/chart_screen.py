"""One curve on the whole screen, with the saves marked on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from stealthrl_tui.runs.keys import higher_is_better, label
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean, number
from stealthrl_tui.ui.bindings import Where, bindings
from stealthrl_tui.ui.lineage import earlier_series
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.presenter import Pieces, metric_order, name_pieces
from stealthrl_tui.ui.saves import SaveRow, save_rows
from stealthrl_tui.ui.screens.dialog import Words
from stealthrl_tui.ui.widgets.chart import Chart
from stealthrl_tui.ui.widgets.key_bar import KeyBar
from stealthrl_tui.ui.widgets.marks import marks_of


class ChartScreen(ModalScreen[None]):
    """Shows `key` of a run; `show` brings a newer reading of the run. `others` gives all runs by path."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.CURVE)]
    DEFAULT_CSS = """
    ChartScreen { background: $background; }
    ChartScreen > Words { padding: 0 1; height: 2; }
    ChartScreen > Chart { margin: 0 1; }
    """

    def __init__(self, run: Run, key: str, memory: Memory, others: Callable[[], Mapping[str, Run]]) -> None:
        super().__init__()
        self._shown, self._key, self._memory, self._others = run, key, memory, others
        self._rows: list[SaveRow] = []
        self._cursor: str | None = None

    def compose(self) -> ComposeResult:
        yield Words(id="about")
        yield Chart(id="whole")
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw it."""
        self.show(self._shown)

    def show(self, run: Run) -> None:
        """Draw `run` as it is now; another run is left to the browser."""
        if run.path != self._shown.path:
            return
        self._shown = run
        self._rows = save_rows(run, self._key, self._memory.higher.get(self._key, higher_is_better(self._key)))
        keys = [row.checkpoint.key for row in self._rows]
        if self._cursor not in keys:
            self._cursor = keys[0] if keys else None
        self.query_one("#about", Words).say(name_pieces(run, 60, strong=True), self._about())
        self.query_one(Chart).show(
            run.metrics.series(self._key),
            title=clean(label(self._key)),
            marks=marks_of(self._rows),
            cursor_key=self._cursor,
            smoothing=self._memory.smoothing,
            unread=run.metrics.unread,
            after=earlier_series(run, self._others(), self._key),
        )

    def action_smoother(self) -> None:
        """Smooth more."""
        self._memory.smoother(1)
        self.show(self._shown)

    def action_rougher(self) -> None:
        """Smooth less."""
        self._memory.smoother(-1)
        self.show(self._shown)

    def action_step_metric(self, by: int) -> None:
        """Another metric."""
        keys = metric_order(self._shown)
        if keys:
            at = keys.index(self._key) if self._key in keys else 0
            self._key = keys[(at + by) % len(keys)]
            self.show(self._shown)

    def action_step_mark(self, by: int) -> None:
        """Another save; the newest is the first of the rows."""
        keys = [row.checkpoint.key for row in self._rows]
        if self._cursor in keys:
            self._cursor = keys[max(0, min(len(keys) - 1, keys.index(self._cursor) - by))]
            self.show(self._shown)

    def action_close(self) -> None:
        """Back to the browser."""
        self.dismiss(None)

    def _about(self) -> Pieces:
        memory, key = self._memory, self._key
        smoothing = f"smoothed {memory.smoothing:g}" if memory.smoothing else "not smoothed"
        said: Pieces = (
            (clean(label(key)), "text bold"),
            (f"  {clean(key)}  " if label(key) != key else "  ", "dim"),
            ("now ", "dim"),
            (number(self._shown.metrics.latest.get(key)), "text"),
            (f"  {smoothing}", "dim"),
        )
        row = next((row for row in self._rows if row.checkpoint.key == self._cursor), None)
        if row is None or row.reading is None:
            return said
        return (*said, (f"  at {clean(row.checkpoint.name)} ", "dim"), (number(row.reading.value), "text"))
