"""A verb of the command line as a child process, whose JSON lines are its news (DESIGN.md, "One verb, two faces").

Whatever talks to Tinker runs like this: it can be killed at any moment, and nothing it prints reaches the terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# The child ends by itself once this process is no longer its parent, also after a SIGKILL.
PARENT_VARIABLE = "STEALTHRL_TUI_PARENT"
_LONGEST_LINE = 1 << 24
_LOG_LIMIT = 5_000_000

Event = dict[str, Any]


class Child:
    """`python -m stealthrl_tui ARGS --json`, started at once; `on_event` gets each event from a thread of its own.

    The last event is always a `result` or an `error`: one is made up (code `server_error`, naming the log) when the
    child dies without a word. `command` is what a person would type for it. Standard error goes to `log`, which is
    appended to and begun anew when it is long; `log_problem` says why there is none, as on a disk that is full.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        on_event: Callable[[Event], object],
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.command = shlex.join(["stealthrl-tui", *arguments])
        self.log = log
        self._on_event = on_event
        self._cancelled = False
        errors, self.log_problem = _open_log(log)
        with errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stealthrl_tui", *arguments, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env={**(os.environ if environ is None else environ), PARENT_VARIABLE: str(os.getpid())},
            )
        self._thread = threading.Thread(target=self._follow, name="child", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` ended it."""
        return self._cancelled

    def cancel(self) -> None:
        """Kill it and all it started, now; no further event comes."""
        self._cancelled = True
        # Once it was collected its number may be another's.
        if self.running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it and its events ended within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        last: Event | None = None
        for event in _events(self._process.stdout):
            last = event
            self._tell(event)
        status = self._process.wait()
        if last is None or last.get("event") not in ("result", "error"):
            self._tell(_silent_death(status, self.log_problem or f"Its output is in {self.log}."))

    def _tell(self, event: Event) -> None:
        if not self._cancelled:
            self._on_event(event)


def _open_log(log: Path) -> tuple[IO[bytes], str | None]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        fresh = not log.exists() or log.stat().st_size > _LOG_LIMIT
        return log.open("wb" if fresh else "ab"), None
    except OSError as error:
        return open(os.devnull, "wb"), f"Its output is lost: {log} can't be written ({error.strerror})."


def _events(stream: IO[bytes]) -> Iterator[Event]:
    with stream:
        while line := stream.readline(_LONGEST_LINE):
            try:
                event = json.loads(line)
            except ValueError:
                continue  # an SDK that prints; the verb's own lines are all JSON
            if isinstance(event, dict):
                yield event


def _silent_death(status: int, hint: str) -> Event:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return {
        "event": "error",
        "code": "server_error",
        "message": f"The helper process {how} without a result.",
        "hint": hint,
    }
