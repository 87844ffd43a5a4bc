"""The second tab: a small curve for every metric, the telling ones first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from stealthrl_tui.runs.keys import label
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.presenter import metric_order
from stealthrl_tui.ui.saves import save_rows
from stealthrl_tui.ui.widgets.marks import marks_of
from stealthrl_tui.ui.widgets.metric_grid import MetricGrid, Panel


class MetricsPane(Vertical):
    """The grid; Enter opens one of them full screen."""

    DEFAULT_CSS = "MetricsPane { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="metrics")

    def compose(self) -> ComposeResult:
        yield MetricGrid()

    def show(self, run: Run, memory: Memory) -> None:
        """The metrics of `run`, its saves marked under each."""
        metrics = run.metrics
        panels = [
            Panel(key, clean(label(key)), metrics.series(key), metrics.latest.get(key)) for key in metric_order(run)
        ]
        measure = memory.measure(run)
        marks = marks_of(save_rows(run, measure.key, measure.higher))
        self.query_one(MetricGrid).show(panels, marks=marks, smoothing=memory.smoothing, unread=metrics.unread)
