"""Work that is answered later: a request gets an id at once, and asks for the outcome with it.

One thread computes for each line of work, in the order of arrival, so a model's steps happen as they were sent. The
same request sent twice (a client that lost the first answer) is done once and gets the same id.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeAlias

from stealthrl_tui.sandbox.errors import ServiceError

_KEPT = 256  # outcomes remembered after they are done, oldest dropped first

Outcome: TypeAlias = dict[str, Any] | bytes  # JSON, or an encoded protobuf message


class Promises:
    """The promises of one service; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lines = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("training", "sampling")}
        self._lock = threading.Lock()
        self._by_id: OrderedDict[str, Future[Outcome]] = OrderedDict()
        self._ids: OrderedDict[Hashable, str] = OrderedDict()

    def known(self, key: Hashable) -> str | None:
        """The id given to the request `key` before, None for a new one."""
        with self._lock:
            return self._ids.get(key)

    def submit(self, line: str, key: Hashable, work: Callable[[], Outcome]) -> str:
        """Queue `work` on a line ("training" or "sampling") unless `key` was; the promise's id."""
        with self._lock:
            known = self._ids.get(key)
            if known is not None:
                return known
            request_id = uuid.uuid4().hex
            self._by_id[request_id] = self._lines[line].submit(work)
            self._ids[key] = request_id
            self._forget()
        return request_id

    def _forget(self) -> None:
        while len(self._ids) > _KEPT:
            key, request_id = next(iter(self._ids.items()))
            if not self._by_id[request_id].done():
                return
            del self._ids[key], self._by_id[request_id]

    def outcome(self, request_id: str, timeout: float) -> Outcome | None:
        """What became of a promise, None when it is still pending after `timeout` seconds.

        Work that was refused gives the service's failed form; 404 for an id that was never given or is forgotten.
        """
        with self._lock:
            future = self._by_id.get(request_id)
        if future is None:
            raise ServiceError(404, f"no promise {request_id!r}")
        try:
            error = future.exception(timeout)
        except NotYet:
            return None
        if error is None:
            return future.result()
        # The hosted service's failures carry the status in their text (TINKER.md, "Errors").
        if isinstance(error, ServiceError):
            return {"error": f"Error code: {error.status} - {error.detail}", "category": "user"}
        return {"error": f"Error code: 500 - {type(error).__name__}: {error}", "category": "server"}

    def close(self) -> None:
        """Take no more work and drop what has not begun."""
        for line in self._lines.values():
            line.shutdown(wait=False, cancel_futures=True)
