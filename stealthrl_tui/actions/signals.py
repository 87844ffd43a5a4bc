"""Finishing a record before a signal ends the program."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self


class HeldSignals:
    """Holds SIGINT and SIGTERM back while its block runs: they end the waiting in it (`heard`), and act afterwards.

    Only where they would end the program: a handler of the trainer's own stays, and other threads than the main one
    see no signals.
    """

    def __init__(self) -> None:
        self._came: set[int] = set()
        self._hearing = False
        self._held: dict[int, Callable[[int, FrameType | None], Any] | signal.Handlers] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) == default:
                    self._held[number] = default
                    signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, default in self._held.items():
            signal.signal(number, default)
        if signal.SIGTERM in self._came:
            signal.raise_signal(signal.SIGTERM)
        if self._came and kind is None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """While the block runs, a signal raises KeyboardInterrupt in it."""
        self._hearing = True
        try:
            if self._came:
                raise KeyboardInterrupt
            yield
        finally:
            self._hearing = False

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._came.add(number)
        if self._hearing:
            self._hearing = False
            raise KeyboardInterrupt
