"""The first tab: the curve with the saves marked on it, the saves in a table, and what is wrong in words."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from stealthrl_tui.runs.keys import label
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.known import Known
from stealthrl_tui.ui.lineage import earlier_series, other_runs
from stealthrl_tui.ui.memory import Measure
from stealthrl_tui.ui.presenter import Pieces, problem_lines, problem_rows
from stealthrl_tui.ui.saves import save_rows
from stealthrl_tui.ui.widgets.chart import Chart
from stealthrl_tui.ui.widgets.checkpoint_table import CheckpointTable
from stealthrl_tui.ui.widgets.marks import marks_of
from stealthrl_tui.ui.widgets.problems_line import ProblemsLine

_CHART_SHARE = 0.42
_CHART_LEAST, _CHART_MOST = 6, 16
_TABLE_LEAST = 4
_PROBLEM_LINES = 3
# Below this many lines every one of them counts.
_TALL = 24


class Timeline(Vertical):
    """One run's saves; the cursor is the same in the chart and in the table."""

    DEFAULT_CSS = """
    Timeline { height: 1fr; }
    """

    def __init__(self, clock: Callable[[], float], known: Known | None = None) -> None:
        super().__init__(id="timeline")
        self._clock = clock
        self._known = known or Known()
        self._shown: Run | None = None
        self._problems: tuple[str, ...] = ()
        self._notes: tuple[Pieces, ...] = ()
        self._measure = Measure(None, None)
        self._smoothing = 0.0

    def compose(self) -> ComposeResult:
        yield Chart(id="curve")
        yield CheckpointTable(self._clock)
        yield ProblemsLine()

    @property
    def table(self) -> CheckpointTable:
        """The saves."""
        return self.query_one(CheckpointTable)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The save under the cursor."""
        row = self.table.cursor_row
        return None if row is None else row.checkpoint

    def show(self, run: Run, measure: Measure, smoothing: float) -> None:
        """Draw `run` by this metric; the cursor stays on its save, a new run begins at its newest."""
        other = self._shown is None or self._shown.path != run.path
        self._shown, self._measure, self._smoothing = run, measure, smoothing
        table = self.table
        table.name_metric(label(measure.key) if measure.key else "metric")
        rows = save_rows(run, measure.key, measure.higher, self._known)
        table.set_rows(rows)
        if other:
            table.set_marked(())
        if other and rows:
            table.select(rows[0].checkpoint.key)
        self._draw_curve()
        self._say_problems()

    def clear(self) -> None:
        """No run."""
        self._shown = None
        self.table.set_rows([])

    def tick(self) -> None:
        """Bring the times up to date."""
        self.table.tick()

    @on(CheckpointTable.Highlighted)
    def _moved(self, event: CheckpointTable.Highlighted) -> None:
        event.stop()
        self.query_one("#curve", Chart).set_cursor(event.key)
        self._say_problems()

    @on(Chart.MarkSelected)
    def _clicked(self, event: Chart.MarkSelected) -> None:
        event.stop()
        self.table.select(event.key)

    def on_resize(self) -> None:
        """Share the height out anew."""
        self._share()

    def _draw_curve(self) -> None:
        run, measure = self._shown, self._measure
        if run is None:
            return
        series = run.metrics.series(measure.key) if measure.key else None
        title = clean(label(measure.key)) if measure.key else "no metric"
        self.query_one("#curve", Chart).show(
            series,
            title=title,
            marks=marks_of(self.table.rows),
            cursor_key=self.table.cursor_key,
            smoothing=self._smoothing,
            unread=run.metrics.unread,
            after=earlier_series(run, other_runs(self.screen), measure.key),
        )

    def _say_problems(self) -> None:
        if self._shown is None:
            return
        checkpoint, now = self.checkpoint, self._clock()
        warnings = self._known.warnings(self._shown, checkpoint, now)
        self._problems = (*warnings, *problem_lines(self._shown, checkpoint))
        self._notes = () if checkpoint is None else self._known.notes(checkpoint, now)
        self.query_one(ProblemsLine).show(self._problems, self._notes)
        self._share()

    def _share(self) -> None:
        """The chart its share, the table as tall as its rows, the problems what is left."""
        height = self.size.height
        if not height:
            return
        wanted = len(problem_rows(self._problems, self.size.width)) + len(self._notes)
        said = min(wanted, 1 if height < _TALL else _PROBLEM_LINES)
        gap = 1 if said and height >= _TALL else 0
        chart = max(_CHART_LEAST, min(_CHART_MOST, round(height * _CHART_SHARE)))
        table = max(_TABLE_LEAST, min(len(self.table.rows) + 1, height - chart - said - gap))
        said = max(said, min(wanted, height - chart - table - gap))
        problems = self.query_one(ProblemsLine)
        problems.styles.margin = (gap, 0, 0, 0)
        for widget, lines in ((self.query_one("#curve"), chart), (self.table, table), (problems, said)):
            widget.styles.height = lines
        problems.display = bool(said)
