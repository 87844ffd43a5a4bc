"""The browser: the runs at the left, one of them at the right; under 120 columns they take turns."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from stealthrl_tui.runs.library import Changes
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.bindings import COMMANDS, Where, bindings
from stealthrl_tui.ui.feed import Feed
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.presenter import counts, metric_heading
from stealthrl_tui.ui.roster import Roster
from stealthrl_tui.ui.screens.pane_keys import PaneKeys
from stealthrl_tui.ui.widgets.detail import Detail
from stealthrl_tui.ui.widgets.empty_root import EmptyRoot
from stealthrl_tui.ui.widgets.filter_bar import FilterBar, Narrowed
from stealthrl_tui.ui.widgets.key_bar import KeyBar
from stealthrl_tui.ui.widgets.run_list import RunList
from stealthrl_tui.ui.widgets.status_line import StatusLine
from stealthrl_tui.ui.widgets.top_bar import TopBar, TopFacts

# The cursor paints at once; the detail follows when it has rested this long.
SETTLE_SECONDS = 0.04
# A filter by age lets runs in and out as time goes by.
_REFILTER_TICKS = 5
_NEEDS_RUNS = frozenset(each.action for each in COMMANDS if each.label and each.where is not Where.ANYWHERE)
_BREAKPOINTS: list[tuple[int, str]] = [(0, "-narrow"), (120, "-wide")]


class BrowseScreen(PaneKeys):
    """Holds the roster and keeps list, detail and lines in step with it."""

    # Enter and Space belong to the tables.
    BINDINGS: ClassVar[list[BindingType]] = [
        each for each in bindings(Where.RUNS, Where.DETAIL, Where.CHECKPOINT) if each.id not in ("open", "mark")
    ]
    HORIZONTAL_BREAKPOINTS = _BREAKPOINTS
    AUTO_FOCUS = "#runs"
    DEFAULT_CSS = """
    BrowseScreen #panes { height: 1fr; }
    BrowseScreen #left { width: 13fr; max-width: 66; padding: 0 1 0 0; }
    BrowseScreen Detail { width: 17fr; border-left: solid $line; }
    BrowseScreen.-narrow #left { width: 1fr; max-width: 100%; }
    BrowseScreen.-narrow Detail { display: none; width: 1fr; border-left: none; padding: 0 1; }
    BrowseScreen.-narrow.-inside #left { display: none; }
    BrowseScreen.-narrow.-inside Detail { display: block; }
    BrowseScreen #empty { display: none; }
    BrowseScreen.-empty #panes { display: none; }
    BrowseScreen.-empty #empty { display: block; }
    """

    def __init__(
        self, feed: Feed, memory: Memory, clock: Callable[[], float], *, badge: str = "", template: str | None = None
    ) -> None:
        super().__init__(id="browse")
        self._badge = badge
        if template is not None:
            self.template = template
        self.feed, self.memory, self.clock = feed, memory, clock
        self.roster = Roster()
        self.roster.sort_by(memory.sort, memory.reverse, clock())
        self.following = False
        self._settle: Timer | None = None
        self._ticks = 0
        self._note = ""
        self._keeps = False  # whether the process is ours alone: collections waited for the first paint

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield FilterBar()
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield RunList(self.clock)
            yield Detail(self.memory, self.clock, self.known)
        yield EmptyRoot()
        yield StatusLine()
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to look at the disk and at the clock; the first run is the selected one until all are read."""
        self.runs.follow = True
        self.runs.set_empty("looking …")
        self.feed.start()
        self.set_interval(1.0, self.tick)
        self.take(self.feed.take())
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        """The list is on the screen: what had to wait for that may go on."""
        self.feed.painted()
        self.settle()
        self._keeps = not gc.isenabled()
        if self._keeps:
            gc.freeze()  # what the start has made stays
            gc.enable()

    # What is where

    @property
    def runs(self) -> RunList:
        """The list."""
        return self.query_one(RunList)

    @property
    def detail(self) -> Detail:
        """The run on show."""
        return self.query_one(Detail)

    @property
    def narrow(self) -> bool:
        """Whether list and detail take turns."""
        return self.has_class("-narrow")

    @property
    def selected(self) -> Run | None:
        """The run under the list's cursor."""
        return self.runs.cursor_row

    # What changes from outside

    def take(self, changes: Changes) -> None:
        """Show what changed on the disk; cursor and scroll stay."""
        state = self.feed.state
        if state.discovered and state.read == state.total:
            self.call_later(self._stay)
        elif self._keeps:
            gc.freeze()  # a collection that looks at all of 10,000 runs keeps the keys waiting for 0.2 s
        before = self.runs.cursor_key
        lost = self.roster.runs.get(before) if before in changes.removed else None
        if self.roster.update(changes.runs, changes.removed, self.clock()):
            self._refill()
        else:
            for run in changes.runs:
                self.runs.update_row(run.path, run)
        if self.following:
            self._follow()
        if lost is not None:
            self._tell_lost(lost)
        now = self.selected
        if now is not None and self._settle is None and self.roster.concerns(now, changes.runs):
            self.detail.show(now)
            if self.curve is not None:
                self.curve.show(now)
        self.say_state()

    def tick(self) -> None:
        """A second went by."""
        self._ticks += 1
        if self.roster.query_text and self._ticks % _REFILTER_TICKS == 0:
            self.roster.rebuild(self.clock())
            self._refill()
        self.runs.tick()
        self.detail.tick()
        self.say_state()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a run there is nothing to filter, copy or show."""
        if action in _NEEDS_RUNS and not self.roster.runs:
            return False
        return super().check_action(action, parameters)

    def say_state(self) -> None:
        """Bring top line, badge and the empty screen up to date; each repaints only what is different."""
        state, roster = self.feed.state, self.roster
        facts = TopFacts(
            state.roots,
            counts(roster.statuses),
            state.total,
            state.read,
            state.discovered,
            state.watching,
            self._badge,
            *self.service_pieces(),
        )
        self.query_one(TopBar).show(facts)
        notes = roster.query.notes if roster.query else ()
        marked = len(self.runs.marked)
        said = Narrowed(roster.query_text, "; ".join(notes), len(roster), len(roster.runs), marked, self.following)
        self.query_one(FilterBar).show(said)
        self.runs.lay_out(metric_heading(roster.metrics), roster.sort, roster.reverse)
        if state.note != self._note:
            self._note = state.note
            self.notify(clean(state.note) if state.note else "every folder can be read and watched again", markup=False)
        empty = state.discovered and not roster.runs
        if self.has_class("-empty") != empty:
            self.set_class(empty, "-empty")
            self.refresh_bindings()
            if not empty:
                self.call_after_refresh(self.runs.focus)
        if empty:
            self.query_one(EmptyRoot).show([(root, os.path.isdir(root)) for root in state.roots], state.note)

    def _stay(self) -> None:
        self.runs.follow = False

    def _refill(self) -> None:
        runs = self.roster.runs
        self.runs.set_empty("no run matches the filter; Esc takes it off" if runs else "")
        self.runs.set_rows([runs[path] for path in self.roster.shown])

    def _tell_lost(self, lost: Run) -> None:
        now = self.selected
        words = f"{clean(lost.name)} is no longer on the disk"
        self.notify(words + (f"; {clean(now.name)} is selected" if now else ""), markup=False, severity="warning")

    # The selection

    @on(RunList.Highlighted, "#runs")
    def _moved(self, event: RunList.Highlighted) -> None:
        event.stop()
        if self.following and event.key != self.roster.newest(event.key):
            self.following = False
        if self._settle is not None:
            self._settle.stop()
        self._settle = self.set_timer(SETTLE_SECONDS, self.settle)

    def settle(self) -> None:
        """Let the detail catch up with the cursor, now."""
        if self._settle is not None:
            self._settle.stop()
            self._settle = None
        run = self.selected
        if run is not None or self.detail.shown is not None:
            self.feed.look_at([each.path for each in self.runs.rows_in_view()], None if run is None else run.path)
        if self.detail.shown is None or run is None or self.detail.shown.path != run.path:
            self.query_one(StatusLine).hush()
        self.detail.show(run)
        self.refresh_bindings()
        self.say_state()

    def action_follow(self) -> None:
        """Stay on the newest run and its newest checkpoint, or no longer."""
        self.following = not self.following
        if self.detail.timeline is not None:
            self.detail.timeline.table.follow = self.following
        if self.following:
            self._follow()
        self.say_state()

    def _follow(self) -> None:
        newest = self.roster.newest(self.runs.cursor_key)
        if newest is not None and newest != self.runs.cursor_key:
            self.runs.select(newest)

    # Filter and sort

    async def action_filter(self) -> None:
        """Type a filter."""
        self.remove_class("-inside")
        await self.query_one(FilterBar).open(self.roster.query_text)

    async def filter_takes(self, event: events.Key) -> bool:
        """Whether a key that nothing else took belonged to the filter that is being typed, which has it now."""
        return self.app.screen is self and await self.query_one(FilterBar).take(event)

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        self.set_filter(event.text)

    @on(FilterBar.Closed)
    def _filter_closed(self) -> None:
        self.runs.focus()

    def set_filter(self, text: str) -> None:
        """Show only what matches."""
        self.roster.filter(text, self.clock())
        self._refill()
        self.say_state()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sort(self.roster.next_sort(), False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._sort(self.roster.sort, not self.roster.reverse)

    @on(RunList.HeaderClicked, "#runs")
    def _sort_clicked(self, event: RunList.HeaderClicked) -> None:
        event.stop()
        column = {"glyph": "status", "spark": "metric"}.get(event.key or "", event.key or "")
        self._sort(column, column == self.roster.sort and not self.roster.reverse)

    def _sort(self, key: str, reverse: bool) -> None:
        self.roster.sort_by(key, reverse, self.clock())
        self.memory.sort, self.memory.reverse = self.roster.sort, reverse
        self._refill()
        self.say_state()

    def obey_memory(self) -> None:
        """Lay everything out as the memory says."""
        self.roster.sort_by(self.memory.sort, self.memory.reverse, self.clock())
        self._refill()
        self.settle()

    @on(RunList.Marked, "#runs")
    def _marked(self, event: RunList.Marked) -> None:
        event.stop()
        self.say_state()
