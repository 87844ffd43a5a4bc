"""The lines of a log as they are shown: its last part first, then what is appended.

Every look reads at most `WINDOW` bytes: where more was written than that in between, the view starts over at the end.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from stealthrl_tui.runs.logscan import COOKBOOK_PREFIX, TRAINING_PREFIX
from stealthrl_tui.text import clean

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: dict[str, Level] = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARNING": "warning",
    "ERROR": "error",
    "CRITICAL": "critical",
}
WINDOW = 2 * 1024 * 1024
LONGEST_SHOWN = 4000

_PREFIX = re.compile(f"{TRAINING_PREFIX}|{COOKBOOK_PREFIX}")
_FINGERPRINT = 64


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, safe to draw. `number` is 1-based, None where the file was not read from its beginning.

    `level` is the record's; a `continuation` is a further line of the record above it and has that record's level.
    """

    number: int | None
    text: str
    level: Level | None = None
    continuation: bool = False


@dataclass(frozen=True, slots=True)
class LogGrowth:
    """What a look changed: `dropped` lines went at the beginning, then `added` came at the end.

    `replaced` says that nothing of the old view is left (another file, a shrunk one, or too much written at once);
    `amended` that what was the last line, torn until now, has more text: it is still one line.
    """

    added: int = 0
    dropped: int = 0
    replaced: bool = False
    amended: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped or self.replaced or self.amended)


class LogLines:
    """The last `capacity` lines of a log that may be growing; `lines` are those of the last `refresh`, oldest first."""

    def __init__(self, path: str, capacity: int = 20_000) -> None:
        self._path = path
        self._capacity = max(1, capacity)
        self._lines: list[LogLine] = []
        self._signature: tuple[int, int, int, int] | None = None
        self._fingerprint = b""
        self._forget()
        self.problem: str | None = None

    def _forget(self) -> int:
        dropped = len(self._lines)
        self._lines.clear()
        self._signature = None
        self._offset = 0  # where the next line, or the torn one, begins
        self._torn = False  # the last line shown has no line break yet
        self._number: int | None = 1
        self._level: Level | None = None
        self._level_above: Level | None = None
        return dropped

    @property
    def lines(self) -> Sequence[LogLine]:
        """The lines in view; the sequence changes with the next `refresh`."""
        return self._lines

    def refresh(self) -> LogGrowth:
        """Read what is new; the growth is false when nothing changed. Why a log cannot be read is in `problem`."""
        try:
            status = os.stat(self._path)
            signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if signature == self._signature:
                return LogGrowth()
            if not stat.S_ISREG(status.st_mode):
                return self._unreadable("it is not a file")
            with open(self._path, "rb", buffering=0) as file:
                self.problem = None
                return self._follow(file, signature)
        except OSError as error:
            return self._unreadable(error.strerror or str(error))

    def _unreadable(self, why: str) -> LogGrowth:
        self.problem = f"cannot read {clean(os.path.basename(self._path))}: {why}"
        dropped = self._forget()
        return LogGrowth(dropped=dropped, replaced=bool(dropped))

    def _follow(self, file: BinaryIO, signature: tuple[int, int, int, int]) -> LogGrowth:
        size, dropped, replaced = signature[2], 0, False
        if self._signature is not None and not self._continues(file, signature):
            dropped, replaced = self._forget(), True
        jump = size - self._offset > WINDOW
        if jump:
            replaced = replaced or self._signature is not None
            dropped += self._forget()
            # One byte earlier, so that a line which begins just there is known to be whole.
            self._offset, self._number = size - WINDOW - 1, None
        self._signature = signature
        data = os.pread(file.fileno(), size - self._offset, self._offset)
        growth = self._take(self._from_next_line(data) if jump else data)
        start = max(0, self._offset - _FINGERPRINT)
        self._fingerprint = os.pread(file.fileno(), self._offset - start, start)
        return replace(growth, dropped=growth.dropped + dropped, replaced=replaced)

    def _continues(self, file: BinaryIO, now: tuple[int, int, int, int]) -> bool:
        known = self._signature
        if known is None or known[:2] != now[:2] or now[2] < known[2]:
            return False
        start = max(0, self._offset - _FINGERPRINT)
        return os.pread(file.fileno(), len(self._fingerprint), start) == self._fingerprint

    def _from_next_line(self, data: bytes) -> bytes:
        """Without the end of a line whose beginning was not read; all of it where no other line begins."""
        start = data.find(b"\n") + 1
        self._offset += start
        return data[start:]

    def _take(self, data: bytes) -> LogGrowth:
        """Show the lines of `data`, which begins at the offset."""
        raw = data.split(b"\n")
        rest = raw.pop()
        self._offset += len(data) - len(rest)
        amended = self._torn and bool(data)
        if amended:
            self._drop_torn()
        before = len(self._lines)
        if len(raw) > self._capacity:
            self._count(len(raw) - self._capacity)
            raw = raw[-self._capacity :]
        self._lines.extend([self._line(line) for line in raw])
        self._torn = bool(rest)
        if rest:
            self._show_torn(rest)
        added = len(self._lines) - before - amended
        dropped = max(0, len(self._lines) - self._capacity)
        del self._lines[:dropped]
        return LogGrowth(added=added, dropped=dropped, amended=amended)

    def _drop_torn(self) -> None:
        self._lines.pop()
        self._level = self._level_above

    def _show_torn(self, rest: bytes) -> None:
        self._level_above = self._level
        self._lines.append(self._line(rest))
        self._count(-1)

    def _count(self, lines: int) -> None:
        if self._number is not None:
            self._number += lines

    def _line(self, raw: bytes) -> LogLine:
        # A character has at most four bytes; the rest of a very long line is not worth decoding.
        text = raw[: 4 * LONGEST_SHOWN + 4].decode("utf-8", "replace").rstrip("\r")
        head = _PREFIX.match(text)
        if head is not None:
            self._level = LEVELS[head[3] or head[6]]
        line = LogLine(self._number, clean(text, LONGEST_SHOWN), self._level, head is None)
        self._count(1)
        return line

    def find(self, pattern: str, start: int, backwards: bool = False) -> int | None:
        """The index of the nearest line at or after `start` (`backwards`: at or before) that holds `pattern`.

        Plain text, upper and lower case alike; None when there is none. It does not go round the end.
        """
        wanted = pattern.casefold()
        if not wanted:
            return None
        indices = (
            range(min(start, len(self._lines) - 1), -1, -1) if backwards else range(max(0, start), len(self._lines))
        )
        return next((index for index in indices if wanted in self._lines[index].text.casefold()), None)
