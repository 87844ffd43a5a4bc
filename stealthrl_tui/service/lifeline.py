"""A child process ends when the one that started it is gone, however that ended."""

from __future__ import annotations

import os
import signal
import threading
import time

_LOOK_EVERY = 0.25


def follow_parent(variable: str) -> bool:
    """End this process and all it started once the one whose id is in `$variable` isn't its parent any more.

    Returns whether there is one to follow. The variable is taken out of the environment: it speaks of this child alone.
    """
    named = os.environ.pop(variable, "")
    if not named.isdecimal():
        return False
    parent = int(named)
    _end_without(parent)
    threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
    return True


def _watch(parent: int) -> None:
    while True:
        time.sleep(_LOOK_EVERY)
        _end_without(parent)


def _end_without(parent: int) -> None:
    if os.getppid() == parent:
        return
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
