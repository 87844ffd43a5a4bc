"""The child processes of this browser, so that none of them outlives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealthrl_tui.settings import state_dir
from stealthrl_tui.text import clean

if TYPE_CHECKING:
    from stealthrl_tui.actions.child import Child

Event = dict[str, Any]


def log_of(name: str) -> Path:
    """The file that a child of this name writes its standard error to."""
    return state_dir() / f"{name}.log"


class Children:
    """Starts verbs of the command line in processes of their own, and ends them all at once."""

    def __init__(self) -> None:
        self._started: list[Child] = []

    def start(self, arguments: Sequence[str], on_event: Callable[[Event], object], name: str) -> Child | None:
        """Start `stealthrl-tui ARGUMENTS --json`; `on_event` gets its events on a thread of its own.

        None when the system gives no process: that is the one event then.
        """
        from stealthrl_tui.actions.child import Child

        self._started = [child for child in self._started if child.running]
        try:
            child = Child(arguments, on_event, log=log_of(name))
        except OSError as error:
            why = f"No helper process can be started: {clean(error.strerror)}."
            on_event({"event": "error", "code": "server_error", "message": why, "hint": "Try again later."})
            return None
        self._started.append(child)
        return child

    def cancel_all(self) -> None:
        """Kill whatever is still at work, now."""
        for child in self._started:
            child.cancel()
        self._started.clear()
