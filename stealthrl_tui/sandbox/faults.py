"""Trouble on demand: what a service, a network or a proxy can do to a client, for tests and for trying things out.

A fault is a JSON object posted to `/sandbox/faults`: `kind`, and optionally `path` (a shell pattern of request paths,
`*` by default), `method`, `count` (how many requests it hits; all by default), `seconds` and `status`.

    status   answer with HTTP `status` (default 500)
    slow     wait `seconds` (default 1), then serve as always
    hang     never answer, or not for `seconds`; ends when the faults are cleared
    drop     serve, and close the connection halfway through the answer
    refuse   close the listener and every connection; back after `seconds` (default 1)
    die      end the service's process at once
"""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import asdict, dataclass
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError

KINDS = ("status", "slow", "hang", "drop", "refuse", "die")
_LONGEST = 24 * 3600.0


@dataclass
class Fault:
    """One trouble in wait; `count` is how many more requests it hits, None for all."""

    kind: str
    path: str = "*"
    method: str = "*"
    count: int | None = None
    seconds: float | None = None
    status: int = 500

    def hits(self, method: str, path: str) -> bool:
        return fnmatch.fnmatchcase(path, self.path) and self.method in ("*", method)


class Faults:
    """The faults of one service; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._cleared = threading.Event()

    def add(self, body: Fields) -> dict[str, Any]:
        """Take a fault as posted, or 400."""
        fault = Fault(
            body.text("kind"),
            body.text("path", "*"),
            body.text("method", "*"),
            body.optional_integer("count"),
            body.optional_number("seconds"),
            body.integer("status", 500),
        )
        if fault.kind not in KINDS or not 400 <= fault.status <= 599 or not 0 <= (fault.seconds or 0) <= _LONGEST:
            raise ServiceError(400, f"no such fault; kinds are {', '.join(KINDS)}, statuses 400 to 599")
        with self._lock:
            self._faults.append(fault)
        return asdict(fault)

    def all(self) -> list[dict[str, Any]]:
        """The faults that still wait for requests."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        """Forget every fault and let go of what hangs."""
        with self._lock:
            self._faults.clear()
            self._cleared.set()
            self._cleared = threading.Event()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, counted down; None when all is well."""
        with self._lock:
            for fault in self._faults:
                if fault.hits(method, path):
                    if fault.count is not None:
                        fault.count -= 1
                        if fault.count <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def pause(self, seconds: float | None) -> None:
        """Hold a request for `seconds` (None: until the faults are cleared)."""
        with self._lock:
            cleared = self._cleared
        cleared.wait(_LONGEST if seconds is None else seconds)
