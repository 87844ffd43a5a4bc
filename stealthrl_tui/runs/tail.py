"""A growing file, read by what was appended since the last time."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

MAX_LINE = 8 << 20
_CHUNK = 1 << 20
_MARK = 256


@dataclass(frozen=True, slots=True)
class Grown:
    """What one read brought.

    `lines` are complete lines without their line ends; line `first` + i (counted from 1) is `lines[i]`. A line that
    is too long is an empty one here and its number is in `oversize`, which is said as soon as it is known.
    `replaced` means that all lines of earlier reads are void: the file shrank, is another one, or was away.
    `more` means that the limit was reached before the end of the file.
    """

    lines: list[bytes] = field(default_factory=list)
    first: int = 1
    replaced: bool = False
    more: bool = False
    oversize: tuple[int, ...] = ()


class Tail:
    """Reads `path` from where it left off.

    The file is opened for each read only, so that thousands can be followed. A file that was cut and has grown past
    the old end again is told by the bytes before that end. Only an OSError can go wrong: it becomes `problem`, what
    was read stays valid, and the next read tries again. `offset`, `size` and `mtime` (None without a file) are those
    of the last read; `pending` is the unfinished last line.
    """

    __slots__ = (
        "_count", "_identity", "_mark", "_max_line", "_pending", "_skipping", "_stamp", "_void", "exists", "mtime",
        "offset", "path", "problem", "size",
    )  # fmt: skip

    def __init__(self, path: str, max_line: int = MAX_LINE) -> None:
        self.path = path
        self.exists = False
        self.size = 0
        self.offset = 0
        self.mtime: float | None = None
        self.problem = ""
        self._max_line = max_line
        self._identity: tuple[int, int] | None = None
        self._stamp: tuple[int, int, int, int] | None = None
        self._void = False
        self._rewind()

    @property
    def pending(self) -> bytes:
        """The bytes after the last line end; empty while a line that is too long goes on."""
        return bytes(self._pending)

    def read(self, limit: int | None = None) -> Grown:
        """What was appended, at most `limit` bytes of it; costs one stat when nothing was."""
        try:
            found = os.stat(self.path)
            if not stat.S_ISREG(found.st_mode):
                return self._gone("is not a regular file")
            if self._stamp == _stamp(found) and self.offset == self.size:
                return Grown(first=self._count + 1)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return self._read(descriptor, limit)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return self._gone()
        except OSError as error:
            self.exists, self._stamp = True, None
            self.problem = f"cannot be read: {error.strerror or error}"
            return Grown(first=self._count + 1)

    def restart(self) -> None:
        """Let the next read begin at the start of the file, and say that earlier lines are void."""
        self._void = self._void or self._identity is not None
        self._identity = self._stamp = None
        self._rewind()

    def _rewind(self) -> None:
        self.offset = self._count = 0
        self._mark = b""
        self._pending = bytearray()
        self._skipping = False

    def _gone(self, problem: str = "") -> Grown:
        replaced = self._identity is not None
        self.restart()
        self.exists, self.size, self.mtime, self.problem = bool(problem), 0, None, problem
        return Grown(replaced=replaced)

    def _read(self, descriptor: int, limit: int | None) -> Grown:
        found = os.fstat(descriptor)
        if self._identity is not None and not self._goes_on(descriptor, found):
            self.restart()
        replaced, self._void = self._void, False
        self._stamp = _stamp(found)
        self._identity = self._stamp[:2]
        self.exists, self.size, self.mtime, self.problem = True, found.st_size, found.st_mtime, ""
        first = self._count + 1
        lines: list[bytes] = []
        oversize: list[int] = []
        end = self.size if limit is None else min(self.size, self.offset + max(1, limit))
        while self.offset < end:
            data = os.pread(descriptor, min(_CHUNK, end - self.offset), self.offset)
            if not data:  # the file was cut since fstat: the next read sees that
                self._stamp = None
                break
            self.offset += len(data)
            self._mark = data[-_MARK:] if len(data) >= _MARK else (self._mark + data)[-_MARK:]
            self._split(data, lines, oversize)
        return Grown(lines, first, replaced, self._stamp is not None and self.offset < self.size, tuple(oversize))

    def _goes_on(self, descriptor: int, found: os.stat_result) -> bool:
        if (found.st_dev, found.st_ino) != self._identity or found.st_size < self.offset:
            return False
        return os.pread(descriptor, len(self._mark), self.offset - len(self._mark)) == self._mark

    def _split(self, data: bytes, lines: list[bytes], oversize: list[int]) -> None:
        pieces = data.split(b"\n")
        rest = pieces.pop()
        if pieces:
            longest = max(len(data), len(self._pending) + len(pieces[0]))
            pieces[0] = b"" if self._skipping else bytes(self._pending) + pieces[0]
            self._pending, self._skipping = bytearray(), False
            if longest > self._max_line:
                self._drop_long(pieces, oversize)
            if b"\r" in data or pieces[0].endswith(b"\r"):
                pieces = [piece.removesuffix(b"\r") for piece in pieces]
            lines += pieces
            self._count += len(pieces)
        if not self._skipping:
            self._pending += rest
        if len(self._pending) > self._max_line:
            oversize.append(self._count + 1)
            self._pending, self._skipping = bytearray(), True

    def _drop_long(self, pieces: list[bytes], oversize: list[int]) -> None:
        for index, piece in enumerate(pieces):
            if len(piece) > self._max_line:
                pieces[index] = b""
                oversize.append(self._count + 1 + index)


def _stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
