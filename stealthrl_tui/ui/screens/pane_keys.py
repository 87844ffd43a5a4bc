"""How the keys go between the list, the detail, its tabs and a curve of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stealthrl_tui.ui.feed import Feed
from stealthrl_tui.ui.roster import Roster
from stealthrl_tui.ui.screens.resume_keys import ResumeKeys
from stealthrl_tui.ui.screens.tinker_keys import TinkerKeys
from stealthrl_tui.ui.widgets.run_list import RunList
from stealthrl_tui.ui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from stealthrl_tui.ui.screens.chart_screen import ChartScreen
    from stealthrl_tui.ui.widgets.metric_grid import MetricGrid


class PaneKeys(TinkerKeys, ResumeKeys):
    """Mixed into the browser, which has the list, the roster and the feed."""

    feed: Feed
    roster: Roster
    curve: ChartScreen | None = None

    if TYPE_CHECKING:

        @property
        def runs(self) -> RunList: ...
        @property
        def narrow(self) -> bool: ...
        def set_filter(self, text: str) -> None: ...

    def on_line_table_activated(self, event: RunList.Activated) -> None:
        """Enter on a run goes into it, on a save to what can be copied of it."""
        event.stop()
        if event.table is self.runs:
            self.enter_detail()
        else:
            self.action_copy_other()

    def enter_detail(self) -> None:
        """Go into the run on show."""
        self.settle()
        if self.detail.shown is not None:
            self.add_class("-inside")
            front = self.detail.front()
            if front is not None:
                front.focus()

    def leave_detail(self) -> None:
        """Back to the list."""
        self.remove_class("-inside")
        self.runs.focus()

    @property
    def inside(self) -> bool:
        """Whether the keys go to the detail."""
        return self.focused is not None and self.detail in self.focused.ancestors

    def on_metric_grid_open(self, event: MetricGrid.Open) -> None:
        """A curve of the grid, full screen."""
        from stealthrl_tui.ui.screens.chart_screen import ChartScreen

        event.stop()
        run = self.detail.shown
        if run is not None:
            if run.metrics.series(event.key) is None:
                self.feed.want_metric(run.path, event.key)
            self.curve = ChartScreen(run, event.key, self.memory, lambda: self.roster.runs)
            self.app.push_screen(self.curve, self._curve_closed)

    def _curve_closed(self, _nothing: None) -> None:
        self.curve = None
        self.detail.show(self.detail.shown)

    def action_back(self) -> None:
        """Out of the detail, else out of the filter."""
        self.query_one(StatusLine).hush()
        if self.inside:
            self.leave_detail()
        elif self.roster.query_text:
            self.set_filter("")

    def action_next_pane(self) -> None:
        """List, detail, list."""
        self.leave_detail() if self.inside else self.enter_detail()

    action_previous_pane = action_next_pane

    async def action_show_tab(self, tab: str) -> None:
        """Open a tab and go into it; a wide screen that stands in the list stays there."""
        await self.detail.open(tab)
        if self.inside or self.narrow:
            self.enter_detail()

    async def action_go_tab(self, tab: str) -> None:
        """Open a tab and go into it."""
        await self.detail.open(tab)
        self.enter_detail()
