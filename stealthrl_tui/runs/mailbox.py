"""What changed, kept for a reader in another thread: a burst is one note, and each run is in it once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from stealthrl_tui.runs.library import Changes
from stealthrl_tui.runs.model import Run


class Mailbox:
    """`notify` is called, from the putting thread, when something is put where nothing was waiting to be taken."""

    def __init__(self, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._changed: dict[str, Run] = {}
        self._removed: dict[str, None] = {}
        self._told = False

    def put(self, runs: Iterable[Run], removed: Iterable[str] = ()) -> None:
        """Add runs that are new or different and the paths of those that are gone; empty means look at the state."""
        news = tuple(runs)  # read before the lock: the taker waits for it
        with self._lock:
            for path in removed:
                self._changed.pop(path, None)
                self._removed[path] = None
            for run in news:
                self._removed.pop(run.path, None)
                self._changed[run.path] = run
            tell, self._told = not self._told, True
        if tell:
            self._notify()

    def take(self) -> Changes:
        """What was put since the last call; each run as it was put last."""
        with self._lock:
            changes = Changes(tuple(self._changed.values()), tuple(self._removed))
            self._changed = {}
            self._removed = {}
            self._told = False
            return changes
