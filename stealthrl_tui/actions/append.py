"""Adding a line to a file that others read and append to at the same time."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def append_line(path: Path, line: bytes) -> None:
    """Append `line`, which ends with its newline, to `path` as a whole and down to the disk, or not at all.

    One write on an O_APPEND descriptor, so that no other line gets into it; what a full disk cuts short is taken back.
    Where the file ends in the middle of a line, as a crash leaves it, `line` begins on a fresh one. The file is made
    when it is missing. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(descriptor, line)
        try:
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            _take_back(descriptor, written)
            raise
    finally:
        os.close(descriptor)


def _take_back(descriptor: int, written: int) -> None:
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    if os.fstat(descriptor).st_size == end:  # else another writer has gone on from there
        os.ftruncate(descriptor, end - written)
