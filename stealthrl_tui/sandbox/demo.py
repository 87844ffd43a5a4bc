"""`stealthrl-tui demo`: the browser on sample runs, one of them growing before one's eyes; no key, no network."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.replay import Growth, Replay

PREFIX = "stealthrl-tui-demo-"
# Some of the live run is already there, so that it has a curve and checkpoints from the first look.
ALREADY = 0.6
# How long the finished run stays as it is before it starts over, in seconds.
PAUSE = 30.0
_LOCK = "lock"


def run_demo(open_browser: Callable[[Sequence[str]], int], *, speed: float = 2.0) -> int:
    """Call `open_browser` with the roots of the sample runs while one of them goes on, and return what it returned.

    The runs are in a temporary folder that is deleted at the end, whatever the end is; what a killed demo left behind
    is deleted by the next. The live run goes on `speed` times as fast as it was recorded. To be called from the main
    thread. Raises OSError when the temporary folder can't be written.
    """
    _clean_leftovers(Path(tempfile.gettempdir()))
    with _ending_in_order(), _temporary_folder() as folder:
        unpacked = samples.unpack(folder)
        replay = Replay(Growth.load(unpacked.recorded, unpacked.growth), unpacked.live)
        replay.skip_to(ALREADY * replay.growth.seconds)
        with _going_on(replay, speed):
            return open_browser([str(unpacked.root)])


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Have a closed terminal or a `kill` end the demo as quitting does, so that the folder goes too."""
    before = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with _hold(folder):
            yield folder
    finally:
        samples.remove(folder)


@contextlib.contextmanager
def _hold(folder: Path) -> Iterator[None]:
    """Keep a lock in `folder`: it ends with the process, and says better than a pid whether that is alive."""
    fresh = folder / f".{_LOCK}"
    with open(fresh, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Under its name only when it is held: another demo that starts now must not take this folder for a leftover.
        fresh.rename(folder / _LOCK)
        yield


def _clean_leftovers(temporary: Path) -> None:
    for folder in temporary.glob(f"{PREFIX}*"):
        # Not ours to read, or gone meanwhile: then it is not ours to delete either.
        with contextlib.suppress(OSError):
            if _is_ours(folder) and _is_left(folder):
                samples.remove(folder)


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _is_left(folder: Path) -> bool:
    with open(folder / _LOCK, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextlib.contextmanager
def _going_on(replay: Replay, speed: float) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_train, args=(replay, speed, stop), name="demo", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _train(replay: Replay, speed: float, stop: threading.Event) -> None:
    # A full disk or a deleted folder ends this run as it would end a real one: it just stops.
    with contextlib.suppress(OSError):
        while replay.play(speed, stop) and not stop.wait(PAUSE):
            replay.restart()
