"""A process that ends with another, however that ends: with its parent, or with the owner of a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Names the folder whose owner is followed, also by processes that were detached from it.
OWNER_VARIABLE = "STEALTHRL_TUI_SANDBOX_OWNER"
_OWNER, _FOLLOWERS = "owner.lock", "followers.lock"
_LOOK_EVERY = 0.01


def end_with_parent() -> None:
    """From now on this process ends when its standard input closes or its parent is gone."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    # Standard input closes when the parent goes, unless something else inherited the pipe: then its id tells.
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            break
    # Not sys.exit: other threads may be stuck in the network, and no file of ours is ever half written.
    os._exit(0)


@contextlib.contextmanager
def owning(folder: Path, *, patience: float) -> Iterator[None]:
    """Own `folder` while the block runs: a lock in it ends with this process, and says better than a pid that it lives.

    At the end its followers end, and are waited for, for `patience` seconds at most.
    """
    fresh = folder / f".{_OWNER}"
    with open(folder / _FOLLOWERS, "wb") as followers, open(fresh, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Under its name only when it is held: who looks for what a dead owner left must not take this for it.
        fresh.rename(folder / _OWNER)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            _await(followers, patience)


def _await(followers: IO[bytes], patience: float) -> None:
    end = time.monotonic() + patience
    while not _take(followers) and time.monotonic() < end:
        time.sleep(_LOOK_EVERY)


def is_left(folder: Path) -> bool:
    """Whether the owner of `folder` is gone; raises OSError when it never had one."""
    with open(folder / _OWNER, "rb") as lock:
        return _take(lock)


def _take(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_with_owner() -> None:
    """From now on this process ends when the owner of `$STEALTHRL_TUI_SANDBOX_OWNER` does; without it nothing is done.

    Ends it now when that folder is no more.
    """
    named = os.environ.get(OWNER_VARIABLE)
    if not named:
        return
    try:
        follower, lock = (os.open(Path(named) / name, os.O_RDONLY) for name in (_FOLLOWERS, _OWNER))
    except OSError:
        os._exit(0)
    # Held until this process is gone: the owner then knows that nothing writes into its folder any more.
    fcntl.flock(follower, fcntl.LOCK_SH)
    threading.Thread(target=_follow, args=(lock,), name="lifeline", daemon=True).start()


def _follow(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_SH)
    os._exit(0)
