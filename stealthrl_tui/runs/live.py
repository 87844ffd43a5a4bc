"""The library kept up to date in a thread of its own: hints first, then what is looked at, then the rest."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealthrl_tui.runs.family import ancestors_of
from stealthrl_tui.runs.library import Changes, Library
from stealthrl_tui.runs.mailbox import Mailbox
from stealthrl_tui.runs.model import Depth, Run, Status
from stealthrl_tui.runs.rescan import Rescan
from stealthrl_tui.runs.watch import Watcher

if TYPE_CHECKING:
    from stealthrl_tui.runs.listing import Listing

# Runs kept in full after the selection has moved on.
FULL_RUNS = 4
# How long one turn of background reading may keep the thread from a hint, and leaves to the screen after it.
TURN_SECONDS = 0.02
BREATH_SECONDS = 0.002
LISTING_BATCH = 500
# How long the first list may take to be painted before the work goes on all the same: beside it, it takes its time.
FIRST_PAINT_SECONDS = 0.3
# With nothing to show there is someone waiting for the first run.
EMPTY_PAUSE = 0.5
# An empty run is about to begin, or has just been emptied.
_LIVELY = (Status.RUNNING, Status.EMPTY)
TROUBLE_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class LiveState:
    """How far the reading is, and how changes are noticed ("events", "polling", or "off" before the start).

    `total` runs are known, `read` of them were read; `note` says what could not be read or watched.
    """

    roots: tuple[str, ...]
    discovered: bool
    total: int
    read: int
    watching: str
    note: str


class LiveLibrary:
    """Reads and re-reads the runs below `roots`; `notify` is called (from its thread) when there is something to take.

    Every public method may be called from any thread, none of them blocks on a file. `clock` gives Unix seconds;
    `listing` is the first walk over the roots, when it was begun already.
    """

    def __init__(
        self,
        roots: Sequence[str],
        notify: Callable[[], object],
        clock: Callable[[], float] = time.time,
        listing: Listing | None = None,
    ) -> None:
        self._library = Library(roots, clock)
        self._listing = listing
        self._mailbox = Mailbox(notify)
        self._wake = threading.Condition()
        self._stopping = False
        self._hints: set[str] = set()
        self._visible: tuple[str, ...] = ()
        self._selected: str | None = None
        self._wanted: list[tuple[str, str]] = []
        self._unread: dict[str, None] = {}
        self._full: OrderedDict[str, None] = OrderedDict()
        self._reading: tuple[str, Iterator[Run]] | None = None
        self._walk: Iterator[Run | None] | None = None
        self._discovered = False
        self._painted = threading.Event()
        self._trouble = ""
        self._rescan = Rescan()
        self._watcher = Watcher(self._library.roots, self._hint)
        self._thread = threading.Thread(target=self._work, name="library", daemon=True)

    # ---- called by the screen

    def start(self) -> None:
        """Begin to list, read and watch; once."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """End; nothing waits for what is being read."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._painted.set()
        self._watcher.stop()

    def painted(self) -> None:
        """Say that the first runs are on the screen; until then (but not for long) nothing else is done beside it."""
        self._painted.set()

    def look_at(self, visible: Sequence[str], selected: str | None) -> None:
        """Say which runs are on the screen: they are read before all others.

        The selected one is read in full, and after it those that it goes on from: its curve continues theirs.
        """
        with self._wake:
            self._visible = tuple(visible)
            self._selected = selected
            self._wake.notify()

    def want_metric(self, path: str, key: str) -> None:
        """Ask for the series of a key that a huge metrics file left out."""
        with self._wake:
            self._wanted.append((path, key))
            self._wake.notify()

    def rescan(self) -> None:
        """Look at every file again, now."""
        with self._wake:
            self._rescan.asked = True
            self._wake.notify()

    def take(self) -> Changes:
        """What changed since the last call; each run once, as it is now."""
        return self._mailbox.take()

    @property
    def state(self) -> LiveState:
        """How far it is and what it could not read, for the top line and the empty screen."""
        total = len(self._library)
        polling = self._rescan.polling
        return LiveState(
            roots=self._library.roots,
            discovered=self._discovered,
            total=total,
            read=max(0, total - len(self._unread)),
            watching="polling" if polling else ("events" if self._discovered else "off"),
            note="; ".join(note for note in (polling, self._trouble, *self._library.notes) if note),
        )

    # ---- the thread

    def _work(self) -> None:
        self._list(self._library.discover(self._listing))
        self._listing = None
        self._discovered = True
        self._publish(())
        self._painted.wait(FIRST_PAINT_SECONDS)
        self._watcher.start()
        self._rescan.watch_begins()
        while not self._stopping:
            if self._guarded_turn():
                continue
            with self._wake:
                if not self._something_to_do():
                    self._wake.wait(self._rescan.pause() if len(self._library) else EMPTY_PAUSE)

    def _guarded_turn(self) -> bool:
        """A turn that nothing ends: a run that breaks a reader costs a word on the screen, not every later update."""
        try:
            return self._turn()
        except Exception as error:  # noqa: BLE001 - the last barrier of the thread; what came is said
            self._trouble = f"a run could not be read: {type(error).__name__}: {error}"
            self._reading = None
            self._publish(())
            time.sleep(TROUBLE_PAUSE)
            return True

    def _turn(self) -> bool:
        """One short piece of work, the most urgent there is; False when there was none."""
        return (
            self._follow_hints()
            or self._bring_wanted()
            or self._read_a_piece()
            or self._read_some()
            or self._look_again()
        )

    def _something_to_do(self) -> bool:
        return bool(
            self._stopping or self._hints or self._wanted or self._rescan.asked or self._to_read_in_full() is not None
        )

    def _hint(self, paths: set[str]) -> None:
        with self._wake:
            self._hints |= paths
            self._wake.notify()

    def _publish(self, runs: Iterable[Run], removed: Sequence[str] = ()) -> None:
        news = tuple(runs)
        self._mailbox.put(news, removed)
        for path in removed:
            self._full.pop(path, None)
        reading = bool(self._unread)
        for path in (*removed, *(run.path for run in news if run.depth > Depth.LISTED)):
            self._unread.pop(path, None)
        if reading and not self._unread:
            self._mailbox.put(())  # whoever took the last run saw a state in which it was still to come

    def _list(self, found: Iterable[Run]) -> None:
        batch: list[Run] = []
        for run in found:
            self._unread[run.path] = None
            batch.append(run)
            if len(batch) >= LISTING_BATCH:
                self._publish(batch)
                batch = []
                self._painted.wait(FIRST_PAINT_SECONDS)
            if self._stopping:
                return
        if batch:
            self._publish(batch)

    def _follow_hints(self) -> bool:
        with self._wake:
            hints, self._hints = self._hints, set()
        if not hints:
            return False
        touched, changes = self._library.locate(hints)
        fresh = {run.path for run in changes.runs}
        self._rescan.hinted(touched | fresh)
        if changes.removed:
            self._publish((), changes.removed)
        for path in fresh:
            self._refresh(path)
        for path in touched - fresh:
            if self._library.changed(path):
                self._refresh(path)
        return True

    def _refresh(self, path: str) -> None:
        """Read what was added to one run; the run whose huge file is just being read gets there by itself."""
        if self._reading is not None and self._reading[0] == path:
            return
        self._publish(self._library.pieces(path, Depth.SUMMARY))

    def _bring_wanted(self) -> bool:
        with self._wake:
            wanted, self._wanted = self._wanted, []
        for path, key in wanted:
            self._library.want(path, key)
            self._full.pop(path, None)
        return bool(wanted)

    def _to_read_in_full(self) -> str | None:
        return next((path for path in self._wanted_in_full() if path not in self._full), None)

    def _wanted_in_full(self) -> tuple[str, ...]:
        run = None if self._selected is None else self._library.runs.get(self._selected)
        if run is None:
            return ()
        return (run.path, *(each.path for each in ancestors_of(run, self._library.runs, FULL_RUNS - 1)))

    def _read_a_piece(self) -> bool:
        """A few megabytes of the run that is being opened."""
        path = self._to_read_in_full()
        if path is None:
            self._reading = None
            return False
        if self._reading is None or self._reading[0] != path:
            self._reading = (path, self._library.pieces(path, Depth.FULL))
        run = next(self._reading[1], None)
        if run is None:
            self._reading = None
            self._keep_full(path)
            return True
        self._publish((run,))
        if run.metrics.unread:
            time.sleep(BREATH_SECONDS)
        return True

    def _keep_full(self, path: str) -> None:
        self._full[path] = None
        for wanted in reversed(self._wanted_in_full()):
            if wanted in self._full:
                self._full.move_to_end(wanted)
        while len(self._full) > FULL_RUNS:
            oldest, _ = self._full.popitem(last=False)
            run = self._library.shrink(oldest)
            if run is not None:
                self._publish((run,))

    def _read_some(self) -> bool:
        """A turn of summaries: what is on the screen first, then the rest in the order it was found."""
        if not self._unread:
            return False
        end = time.monotonic() + TURN_SECONDS
        read: list[Run] = []
        for path in [path for path in self._visible if path in self._unread] or list(self._unread):
            run = self._library.read(path, Depth.SUMMARY)
            if run is None:
                del self._unread[path]
            else:
                read.append(run)
            if self._hints or time.monotonic() > end:
                break
        self._publish(read)
        time.sleep(BREATH_SECONDS)
        return True

    # ---- the safety net

    def _look_again(self) -> bool:
        roots_changed = self._watcher.check_roots()
        self._rescan.asked |= roots_changed
        self._rescan.judge_events(self._watcher.problem)
        if self._rescan.all_due():
            self._walk = self._library.walk()
        if roots_changed:
            self._rescan.watch_begins()
        if self._rescan.hot_due():
            self._look_at_files(self._hot())
        end = time.monotonic() + TURN_SECONDS
        if self._walk is not None:
            self._list(list(self._walk_on(self._walk, end)))
            return True
        while (path := self._rescan.next_of_round()) is not None:
            self._look_at_files((path,))
            if time.monotonic() > end:
                return True
        return False

    def _walk_on(self, walk: Iterator[Run | None], end: float) -> Iterator[Run]:
        """The new runs that the walk comes by until `end`; after it, the files of all runs are looked at."""
        for run in walk:
            if run is not None:
                yield run
            if time.monotonic() > end:
                return
        self._walk = None
        self._rescan.begin_round(list(self._library.runs))

    def _hot(self) -> list[str]:
        lively = [
            path for path, run in self._library.runs.items() if run.depth > Depth.LISTED and run.status in _LIVELY
        ]
        return list(dict.fromkeys((*lively, *self._visible, *self._full)))

    def _look_at_files(self, paths: Sequence[str]) -> None:
        removed = self._library.vanished(paths)
        if removed:
            self._publish((), removed)
        for path in paths:
            run = self._library.runs.get(path)
            if run is None or path in self._unread:
                continue
            if self._library.changed(path):
                self._rescan.found_changed(run)
                self._refresh(path)
            else:
                later = self._library.judge_again(path)
                if later is not None:
                    self._publish((later,))
