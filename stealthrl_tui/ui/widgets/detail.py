"""One run: who it is, how it is going, and the four tabs; a tab's widgets are made when it is first opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual import on
from textual.containers import Vertical
from textual.widget import Widget

from stealthrl_tui.runs.keys import label
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.known import Known
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.widgets.run_header import RunHeader
from stealthrl_tui.ui.widgets.tabs import TABS, Tabs

if TYPE_CHECKING:
    from stealthrl_tui.ui.widgets.timeline import Timeline

TAB_NAMES = tuple(name for name, _title in TABS)


class Detail(Vertical):
    """The right-hand side; `show` gives it a run, `open` a tab."""

    DEFAULT_CSS = """
    Detail { height: 1fr; padding: 0 1 0 1; }
    Detail Tabs { margin: 1 0 0 0; }
    """

    def __init__(self, memory: Memory, clock: Callable[[], float], known: Known | None = None) -> None:
        super().__init__(id="detail")
        self._memory, self._clock, self._known = memory, clock, known
        self._shown: Run | None = None
        self._timeline: Timeline | None = None
        self._furnishing = False
        self.tab = memory.tab if memory.tab in TAB_NAMES else TAB_NAMES[0]

    @property
    def shown(self) -> Run | None:
        """The run on show."""
        return self._shown

    @property
    def timeline(self) -> Timeline | None:
        """The first tab, None before it is there."""
        return self._timeline

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The save that actions are about."""
        return None if self._timeline is None else self._timeline.checkpoint

    def show(self, run: Run | None) -> None:
        """Draw what is known of `run`; the timeline always, since its cursor says which save is meant."""
        self._shown = run
        if self._timeline is None:
            if run is not None and not self._furnishing:
                self._furnishing = True
                self.call_after_refresh(self._furnish)
            return
        self.query_one(RunHeader).show(run, self._clock())
        if run is None:
            self._timeline.clear()
            return
        self._timeline.show(run, self._memory.measure(run), self._memory.smoothing)
        self._show_tabs()
        self._fill()

    def tick(self) -> None:
        """Bring the times up to date."""
        if self._timeline is not None:
            self.query_one(RunHeader).show(self._shown, self._clock())
            self._timeline.tick()

    async def open(self, tab: str) -> None:
        """Show a tab, the first time it is made."""
        self.tab = self._memory.tab = tab
        if self._timeline is None:
            return
        if not self.query(f"#{tab}"):
            await self.mount(_make(tab))
        for name in TAB_NAMES:
            for widget in self.query(f"#{name}"):
                widget.display = name == tab
        self._show_tabs()
        self._fill()

    def front(self) -> Widget | None:
        """What takes the keys in the open tab."""
        if self._timeline is None:
            return None
        pane: Widget = self._timeline.table if self.tab == "timeline" else self.query_one(f"#{self.tab}")
        return next((each for each in pane.walk_children(Widget, with_self=True) if each.can_focus), None)

    @on(Tabs.Chosen)
    async def _chosen(self, event: Tabs.Chosen) -> None:
        event.stop()
        await self.open(event.tab)

    async def _furnish(self) -> None:
        """Make the widgets when there is a run to show in them: the list is on the screen before."""
        from stealthrl_tui.ui.widgets.timeline import Timeline

        timeline = Timeline(self._clock, self._known)
        await self.mount(RunHeader(), Tabs(), timeline)
        self._timeline = timeline
        await self.open(self.tab)
        self.show(self._shown)

    def _show_tabs(self) -> None:
        self.query_one(Tabs).show(self.tab, self._legend())

    def _legend(self) -> Pieces:
        """What the curve is, where there is one."""
        run = self._shown
        key = None if run is None else self._memory.measure(run).key
        if key is None or self.tab not in ("timeline", "metrics"):
            return ()
        smoothing = self._memory.smoothing
        words = f"  smoothed {smoothing:g}".replace("0.", ".") if smoothing else ""
        name = clean(label(key)) if self.tab == "timeline" else ""
        return ((f"{name}{words}".strip(), "dim"),)

    def _fill(self) -> None:
        """Give the open tab the run; the timeline has it already."""
        run = self._shown
        if run is None or self.tab == "timeline":
            return
        for pane in self.query(f"#{self.tab}"):
            assert isinstance(pane, Pane)
            pane.show(run, self._memory)


@runtime_checkable
class Pane(Protocol):
    """What a tab's widget can do besides being one."""

    def show(self, run: Run, memory: Memory) -> None:
        """Draw what the tab says of `run`."""


def _make(tab: str) -> Widget:
    """The widget of a tab; imported when it is opened."""
    if tab == "metrics":
        from stealthrl_tui.ui.widgets.metrics_pane import MetricsPane

        return MetricsPane()
    if tab == "log":
        from stealthrl_tui.ui.widgets.log_pane import LogPane

        return LogPane()
    from stealthrl_tui.ui.widgets.config_pane import ConfigPane

    return ConfigPane()
