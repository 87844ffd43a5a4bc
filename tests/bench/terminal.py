"""A program on a pseudo-terminal: its screen as a person would see it, and when each change of it arrived."""

from __future__ import annotations

import fcntl
import os
import pty
import queue
import re
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

# What a terminal is asked at the start, and what it answers: a program may wait for it.
_ANSWERS = (
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[c", b"\x1b[?62;c"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
)
_COLOURS = re.compile(rb"\x1b\](1[01]);\?(?:\x07|\x1b\\)")


class Terminal:
    """Runs `command` in a terminal of `columns` x `rows`. `started` and all stamps are time.perf_counter() seconds.

    A thread of its own stamps what arrives, so a stamp is right however long the drawing of the screen takes here.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 36,
        environment: Mapping[str, str],
        directory: Path,
    ) -> None:
        self._over = False
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._arrived: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(command[0], list(command), dict(environment))
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 1 << 16)
            except OSError:  # what Linux says when the program's side is closed
                data = b""
            self._arrived.put((time.perf_counter(), data))
            if not data:
                return
            self._answer(data)

    def _answer(self, data: bytes) -> None:
        for question, answer in _ANSWERS:
            if question in data:
                os.write(self._terminal, answer)
        for found in _COLOURS.finditer(data):
            os.write(self._terminal, b"\x1b]%s;rgb:0000/0000/0000\x07" % found[1])

    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join(self.screen.display)

    def cells(self, columns: range) -> list[tuple[str, str]]:
        """Each cell in `columns`, its character and its background: what is listed, and where the cursor bar is."""
        lines = [self.screen.buffer[y] for y in range(self.screen.lines)]
        return [(line[x].data, line[x].bg) for line in lines for x in columns]

    def wait(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> float:
        """The stamp of the output that made `condition` true; now when it already is. Raises TimeoutError."""
        stamp = time.perf_counter()
        end = stamp + timeout
        while not condition():
            left = end - time.perf_counter()
            try:
                stamp, data = self._arrived.get(timeout=max(0.0, left))
            except queue.Empty:
                raise TimeoutError(f"{what}: not on the screen in {timeout:g} s:\n{self.text()}") from None
            if not data:
                raise TimeoutError(f"{what}: the program ended:\n{self.text()}")
            self._stream.feed(data)
        return stamp

    def wait_for(self, pattern: str, timeout: float = 60.0) -> float:
        """The stamp at which `pattern` was on the screen. Raises TimeoutError."""
        compiled = re.compile(pattern)
        return self.wait(lambda: compiled.search(self.text()) is not None, pattern, timeout)

    def settle(self, quiet: float = 0.3, timeout: float = 10.0) -> None:
        """Read until nothing has come for `quiet` seconds, or `timeout` is over."""
        end = time.perf_counter() + timeout
        while time.perf_counter() < end:
            try:
                _, data = self._arrived.get(timeout=quiet)
            except queue.Empty:
                return
            self._stream.feed(data)

    def type(self, keys: str) -> float:
        """Send `keys`; the stamp of it."""
        stamp = time.perf_counter()
        os.write(self._terminal, keys.encode())
        return stamp

    def answer(self, key: str, columns: range, rest: float = 2.0) -> float:
        """Seconds until `columns` answer `key`; the screen then gets up to `rest` seconds to become quiet."""
        before = self.cells(columns)
        sent = self.type(key)
        seconds = self.wait(lambda: self.cells(columns) != before, f"the answer to {key!r}", 10.0) - sent
        self.settle(0.1, rest)
        return seconds

    def close(self) -> None:
        """End the program: asked, then killed."""
        for end in (signal.SIGTERM, signal.SIGKILL):
            if self._over:
                break
            os.kill(self.pid, end)
            self.ended(3.0)
        self._reader.join(1.0)
        os.close(self._terminal)

    def ended(self, seconds: float) -> bool:
        """Whether the program ended, or does so within `seconds`."""
        end = time.perf_counter() + seconds
        while not self._over and time.perf_counter() < end:
            self._over = bool(os.waitpid(self.pid, os.WNOHANG)[0])
            if not self._over:
                time.sleep(0.005)
        return self._over
