"""Stopping a run that a resume started: interrupt it, wait, and only then terminate it.

Only a process of this machine that is still the very one that was started is ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from enum import StrEnum

from stealthrl_tui.actions.resume import processes
from stealthrl_tui.runs.lineage import Lineage

# A trainer that is interrupted may have a save under way.
PATIENCE = 30.0
_LAST_PATIENCE = 10.0
_LOOK_EVERY = 0.05


class Stopped(StrEnum):
    """What a stop came to."""

    NOT_RUNNING = "not running"  # ended before, or the number belongs to another process now
    ELSEWHERE = "elsewhere"  # started on another machine, or by a launcher that says no number
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    REFUSED = "still running"


def running(lineage: Lineage) -> bool | None:
    """Whether the process that the resume started still lives; None when this machine can't tell."""
    if lineage.pid is None or lineage.process is None or lineage.host != socket.gethostname():
        return None
    return processes.mark(lineage.pid) == lineage.process


def interrupt(lineage: Lineage) -> Stopped | None:
    """Send it a Ctrl-C, as often as asked; why it was not sent, None when it was."""
    return _signal(lineage, signal.SIGINT)


def terminate(lineage: Lineage) -> Stopped | None:
    """Ask it to end at once; why it was not asked, None when it was."""
    return _signal(lineage, signal.SIGTERM)


def wait(lineage: Lineage, seconds: float) -> bool:
    """Whether it was gone within `seconds`."""
    end = time.monotonic() + seconds
    while running(lineage):
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def stop(lineage: Lineage, patience: float = PATIENCE) -> Stopped:
    """Interrupt, wait `patience` seconds, terminate: all of it, for who was asked once. Blocks."""
    unsent = interrupt(lineage)
    if unsent is not None:
        return unsent
    if wait(lineage, patience):
        return Stopped.INTERRUPTED
    terminate(lineage)
    return Stopped.TERMINATED if wait(lineage, _LAST_PATIENCE) else Stopped.REFUSED


def _signal(lineage: Lineage, number: signal.Signals) -> Stopped | None:
    alive = running(lineage)
    if alive is None:
        return Stopped.ELSEWHERE
    if not alive or lineage.pid is None:
        return Stopped.NOT_RUNNING
    with contextlib.suppress(ProcessLookupError):
        # Its children too, as a Ctrl-C in its terminal would; a process that leads no group is alone.
        if os.getpgid(lineage.pid) == lineage.pid:
            os.killpg(lineage.pid, number)
        else:
            os.kill(lineage.pid, number)
    return None
