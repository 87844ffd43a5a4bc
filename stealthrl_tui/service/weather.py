"""Watches over the SDK, which blocks for minutes and can be neither bounded nor cancelled (TINKER.md).

Its retries are silent, so trouble is seen where it passes: in the log records of its HTTP clients, and by asking
`healthz` beside it. Whoever sees it first tells the error and ends the process.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stealthrl_tui.service import account, events
from stealthrl_tui.service.errors import from_status
from stealthrl_tui.service.events import Emit, End, ServiceError

# Trouble has to be on the screen within 6 s. A slow service is no trouble as long as it answers within _ASK_TIMEOUT.
_ASK_EVERY = 1.0
_LOOK_EVERY = 0.5
_ASK_TIMEOUT = 3.5
_REFUSALS = 2
_FAILURES = 3
# Before that it is only told, so that one slip is no news.
_SAID_FAILURES = 2
_FAILING_SECONDS = 1.8
_FORGET_SECONDS = 15.0
_QUIET_SECONDS = 3.0
_CLOSING_SECONDS = 2.0
_ANSWER = re.compile(r'^HTTP Request: \S+ (\S+) "HTTP/[\d.]+ (\d{3})')
_BROKEN = "Encountered "
_NOT_YET = "the service is there and has not answered yet"
# The SDK retries these for minutes, without a word.
_RETRIED = frozenset((408, 409, 429))


@dataclass(slots=True)
class _Streak:
    since: float
    last: float
    count: int = 0


class Watch:
    """One piece of work with the SDK: its phases as events, and an end when the service fails it.

    `emit` takes the events, `end` tells an error and ends the process. `uri` is what errors speak of. `timeout` bounds
    all of it and `stall` the time without any answer, in seconds; None for no bound.
    """

    def __init__(
        self,
        url: str,
        emit: Emit,
        end: End,
        *,
        timeout: float | None = None,
        stall: float | None = None,
        uri: str | None = None,
    ) -> None:
        self._url = url
        self._emit = emit
        self._end = end
        self._uri = uri
        self._timeout = timeout
        self._stall = stall
        self._began = self._news = time.monotonic()
        self._doing = "connect"
        self._is_idle = False
        self._answered = 0.0
        self._streaks: dict[str, _Streak] = {}
        self._trouble = ""
        self._quiet = _NOT_YET
        self._said: tuple[tuple[str, str], float] | None = None

    def start(self) -> None:
        """From now on the process ends with an error when the service goes away or the time is over."""
        for work in (self._keep_asking, self._keep_time):
            threading.Thread(target=work, name="weather", daemon=True).start()

    def listen(self) -> None:
        """From now on it ends with an error when its calls fail on, as the SDK's own log tells.

        The SDK must be imported before: that silences the log.
        """
        for name, level in (("httpx", logging.INFO), ("tinker._base_client", logging.DEBUG)):
            logger = logging.getLogger(name)
            logger.setLevel(level)
            logger.propagate = False
            logger.addHandler(_Listener(self))

    @contextmanager
    def phase(self, name: str, quiet: str = _NOT_YET) -> Iterator[None]:
        """The block is a phase of the work; its end is told, and `quiet` while nothing is known to be wrong."""
        self._doing, self._quiet, began = name, quiet, time.monotonic()
        self._news = began
        yield
        self._quiet = _NOT_YET
        self.tell(events.phase(name, time.monotonic() - began))

    def tell(self, event: events.Event) -> None:
        """Pass an event on."""
        self._news = time.monotonic()
        self._emit(event)

    @contextmanager
    def idle(self) -> Iterator[None]:
        """The block waits for a person, which takes as long as it takes."""
        self._is_idle = True
        yield
        self._is_idle = False
        self._began = self._news = time.monotonic()

    def settle(self) -> None:
        """The outcome was told: what is left to do has a few seconds, then the process ends."""
        over = ServiceError("timeout", "The session was left open: closing it took too long.")
        timer = threading.Timer(_CLOSING_SECONDS, self._end, (over,))
        timer.daemon = True
        timer.start()

    def answered(self, path: str, status: int) -> None:
        """The service answered a request with `status`."""
        self._answered = time.monotonic()
        if status == 402:
            self._end(from_status(status, "payment required", self._uri))
        if status < 500 and status not in _RETRIED:
            self._streaks.pop(path, None)
        elif self._fails_on(path, f"the service answers {status}"):
            self._end(from_status(status, f"every try of {path.rpartition('/')[2]} answers {status}", self._uri))

    def broke(self) -> None:
        """A connection to the service failed."""
        if self._fails_on("", "the connection breaks off"):
            where = account.place(self._url)
            why = f"The Tinker service at {where} cannot be reached: the connection breaks off again and again."
            self._end(ServiceError("unreachable", why, "Check the network, try again."))

    def _fails_on(self, path: str, trouble: str) -> bool:
        now = time.monotonic()
        self._trouble = trouble
        streak = self._streaks.get(path)
        if streak is None or now - streak.last > _FORGET_SECONDS:
            streak = self._streaks[path] = _Streak(now, now)
        streak.count, streak.last = streak.count + 1, now
        if streak.count == _SAID_FAILURES:
            self._emit(events.waiting(self._doing, now - self._news, trouble))
        return streak.count >= _FAILURES and now - streak.since >= _FAILING_SECONDS

    def _keep_asking(self) -> None:
        refused = 0
        while True:
            time.sleep(_ASK_EVERY)
            asked = time.monotonic()
            found = account.health(self._url, _ASK_TIMEOUT)
            silent = time.monotonic() - asked >= _ASK_TIMEOUT
            refused = 0 if found.status is not None or silent else refused + 1
            # An answer to the SDK in the meantime says that the service is busy, not gone.
            if refused >= _REFUSALS or (silent and self._answered < asked):
                where = account.place(self._url)
                why = f"The Tinker service at {where} went away: {found.word}."
                self._end(ServiceError("unreachable", why, "Check the network, try again."))

    def _keep_time(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            if not self._is_idle:
                self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        silent = now - max(self._began, self._news, self._answered)
        if self._timeout is not None and now - self._began > self._timeout:
            self._time_is_over(f"Not done after {self._timeout:g} s")
        if self._stall is not None and silent > self._stall:
            self._time_is_over(f"No answer for {self._stall:g} s")
        quiet = now - self._news
        said = (self._doing, self._trouble or self._quiet)
        if quiet < _QUIET_SECONDS:
            self._said = None
        elif self._said is None or self._said[0] != said or quiet >= 2 * self._said[1]:
            # The same words come again when it took twice as long.
            self._said = said, quiet
            self._emit(events.waiting(self._doing, quiet, said[1]))

    def _time_is_over(self, what: str) -> None:
        why = f"{what}, at '{self._doing}': {self._trouble}." if self._trouble else f"{what}, at '{self._doing}'."
        longer = "Try again." if self._timeout is None else "Try again with a longer --timeout."
        self._end(ServiceError("timeout", why, longer))


class _Listener(logging.Handler):
    """Reads the status of every answer, and every failed connection, from the SDK's own log records."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        found = _ANSWER.match(message)
        if found is not None:
            self._watch.answered(found[1].partition("?")[0], int(found[2]))
        elif message.startswith(_BROKEN) and record.exc_info:
            self._watch.broke()


def begin(
    emit: Emit, end: End, *, timeout: float | None = None, stall: float | None = None, uri: str | None = None
) -> Watch:
    """Make sure that there is a key and a service, and watch over what follows (Watch tells what the limits mean).

    For a child process only: `end` ends it. Raises ServiceError (no_key, rejected_key, unreachable, server_error).
    """
    account.require_key()
    url = account.base_url()
    watch = Watch(url, emit, end, timeout=timeout, stall=stall, uri=uri)
    account.require_health(url, timeout)
    # The SDK would post every exception, the request's headers and so the key in it, to the server.
    os.environ["TINKER_TELEMETRY"] = "0"
    watch.start()
    try:
        import tinker  # noqa: F401 - heavy, and the work's own imports find it loaded
    except ImportError as error:
        raise ServiceError("server_error", f"The Tinker SDK can't be loaded: {error}.", "pip install tinker") from error
    watch.listen()
    return watch
