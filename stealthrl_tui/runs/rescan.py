"""The safety net behind file events: when to look again by `stat`, and whether events can be trusted at all."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable

from stealthrl_tui.runs.model import Depth, Run

# Runs that write, or are on the screen, are looked at often; all of them now and then.
HOT_SECONDS = 3.0
ALL_SECONDS = 60.0
POLLING_HOT_SECONDS = 1.0
POLLING_ALL_SECONDS = 3.0
STANDING_SECONDS = 1.5
# A change that no event told of within this time was missed; after a few of them events are not to be trusted.
MISSED_AFTER_SECONDS = 2.0
MISSED_LIMIT = 3


class Rescan:
    """Decides what is due. Times are of the monotonic clock; used from the library's thread only."""

    def __init__(self) -> None:
        self.asked = False
        self.polling = ""
        self._missed = 0
        self._hinted: dict[str, float] = {}
        self._due_hot = time.monotonic() + HOT_SECONDS
        self._due_all = time.monotonic() + STANDING_SECONDS
        self._round: deque[str] = deque()

    def hinted(self, paths: Iterable[str]) -> None:
        """An event told of these runs."""
        now = time.monotonic()
        for path in paths:
            self._hinted[path] = now

    def found_changed(self, run: Run) -> None:
        """A rescan saw a change of `run`; three that no event told of mean that events do not arrive."""
        told = time.monotonic() - self._hinted.get(run.path, 0.0) < MISSED_AFTER_SECONDS
        if not told and run.depth > Depth.LISTED and not _linked(run):
            self._missed += 1

    def watch_begins(self) -> None:
        """A watch takes a moment to stand; what is made meanwhile is found by looking again after it."""
        self._due_all = time.monotonic() + STANDING_SECONDS

    def judge_events(self, problem: str | None) -> None:
        """Choose between events and polling; `problem` is the watcher's own word."""
        if problem:
            self.polling = f"polling: {problem}"
        elif self._missed >= MISSED_LIMIT:
            self.polling = "polling: file events do not arrive here"
        else:
            self.polling = ""

    def all_due(self) -> bool:
        """Whether the roots are to be walked again; True once, then after the interval."""
        if not self.asked and time.monotonic() < self._due_all:
            return False
        self.asked = False
        self._due_all = time.monotonic() + (POLLING_ALL_SECONDS if self.polling else ALL_SECONDS)
        return True

    def hot_due(self) -> bool:
        """Whether the runs that write are to be looked at; True once, then after the interval."""
        if time.monotonic() < self._due_hot:
            return False
        self._due_hot = time.monotonic() + (POLLING_HOT_SECONDS if self.polling else HOT_SECONDS)
        return True

    def begin_round(self, paths: Iterable[str]) -> None:
        """Look at all of `paths`, a few at a time (`next_of_round`)."""
        self._round = deque(paths)

    def next_of_round(self) -> str | None:
        """The next run of the round, None when it is done."""
        return self._round.popleft() if self._round else None

    def pause(self) -> float:
        """Seconds until something is due."""
        return max(0.05, min(self._due_hot, self._due_all) - time.monotonic())


def _linked(run: Run) -> bool:
    """Reached through a link inside the root: the watch doesn't follow those, the rescan does."""
    return os.path.realpath(run.path) != os.path.join(os.path.realpath(run.root), os.path.relpath(run.path, run.root))
