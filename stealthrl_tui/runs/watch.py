"""File events as hints (TEXTUAL.md, "watchfiles"): what may have changed, never what did.

Events get lost without a word (watch limits, network file systems, a root made again), so a rescan by `stat` stands
behind this; here is only the fast path, and whether it works.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

# How often the Rust side gathers events, in ms: a hint comes after one and a half of these, and each costs 50 us of a
# processor. A disk on which nothing has happened for a while is asked less often.
LIVELY_STEP_MS, CALM_STEP_MS = 10, 30
CALM_AFTER_SECONDS = 15.0
DEBOUNCE_MS = 60
# How long it takes to notice that the watch is to end or to be renewed.
TURN_MS = 500
_RETRY_SECONDS = 60.0


class Watcher:
    """Watches `roots` in a thread of its own and calls `on_hint` (from that thread) with the paths that changed.

    A root that doesn't exist yet, or that was removed and made again, is watched as soon as it is there. `problem`
    says in words why events are not to be had, None while they are.
    """

    def __init__(self, roots: Sequence[str], on_hint: Callable[[set[str]], None]) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.problem: str | None = None
        self._on_hint = on_hint
        self._stop = threading.Event()
        self._renew = threading.Event()
        self._watched: tuple[tuple[str, int, int], ...] = ()
        self._broke_off = -math.inf
        self._lost = False
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; what changed before the watch stands is for the caller's first rescan to see."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch; returns at once, the thread is gone within a turn."""
        self._stop.set()
        self._renew.set()

    def check_roots(self) -> bool:
        """Watch anew when a root has appeared, vanished or been replaced, and say so; a few `stat` calls.

        True as well after a watch that broke off was begun again: what changed meanwhile was told by no event.
        """
        lost, self._lost = self._lost, False
        if self._identities() == self._watched:
            return lost
        self._renew.set()
        return True

    def _identities(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for root in self.roots:
            try:
                status = os.stat(root)
            except OSError:
                continue
            found.append((root, status.st_dev, status.st_ino))
        return tuple(found)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._renew.clear()
            self._watched = self._identities()
            if self._watched:
                with _held(root for root, _, _ in self._watched):
                    self._watch([root for root, _, _ in self._watched])
            self._renew.wait(_RETRY_SECONDS if self._watched else None)

    def _watch(self, paths: list[str]) -> None:
        # 16 ms of import that the first paint need not wait for. Not watchfiles.watch: its step is the same for ever.
        from watchfiles._rust_notify import RustNotify

        changed_at = -math.inf
        try:
            with RustNotify(paths, False, False, 0, True, False) as notify:
                while not self._renew.is_set():
                    calm = time.monotonic() - changed_at > CALM_AFTER_SECONDS
                    # No stop event: it would be asked at every step.
                    found = notify.watch(DEBOUNCE_MS, CALM_STEP_MS if calm else LIVELY_STEP_MS, TURN_MS, None)
                    self.problem = None
                    if not isinstance(found, str):
                        changed_at = time.monotonic()
                        self._on_hint({path for _, path in found})
        except (OSError, RuntimeError) as error:
            self._give_up_or_renew(error)

    def _give_up_or_renew(self, error: Exception) -> None:
        # One name that is no UTF-8 ends a watch; a folder of such a name below a root ends every later one too.
        now = time.monotonic()
        if self.problem is not None or now - self._broke_off < _RETRY_SECONDS:
            self.problem = f"no file events ({error})"
            return
        self._broke_off = now
        self._lost = True
        self._renew.set()
        self._on_hint(set())


@contextlib.contextmanager
def _held(folders: Iterable[str]) -> Iterator[None]:
    """Keep folders open: the inode of a removed one is then not given to the one made in its place."""
    with contextlib.ExitStack() as stack:
        for folder in folders:
            with contextlib.suppress(OSError):  # gone again: check_roots will see it
                stack.callback(os.close, os.open(folder, os.O_RDONLY))
        yield
