"""The first walk over the roots, in a process of its own while this one is still importing its user interface.

A thread would do for the work but not for the time: each of its thousands of system calls would wait for an
interpreter that is busy. The forked child walks on the other core and hands back plain tuples.
"""

from __future__ import annotations

import contextlib
import marshal
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stealthrl_tui.runs.discovery import Found

_CHUNK = 1 << 16


class Listing:
    """A walk over `roots` under way. Begin it before any thread exists; take its result once."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self._pipe: int | None = None
        self._child = 0
        with contextlib.suppress(OSError):  # no process to be had: `found` walks here then
            self._begin()

    def _begin(self) -> None:
        reading, writing = os.pipe()
        try:
            self._child = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if self._child == 0:
            os.close(reading)
            _walk_and_exit(self.roots, writing)
        os.close(writing)
        self._pipe = reading

    def found(self) -> tuple[list[Found], tuple[str, ...]]:
        """The runs, and the folders that could not be read in words; waits for the walk to end."""
        from stealthrl_tui.runs.discovery import Found, Search

        answer = self._receive()
        if answer:
            rows, unreadable = marshal.loads(answer)
            return [Found(*row) for row in rows], tuple(unreadable)
        search = Search(self.roots)
        return list(search.find()), tuple(search.unreadable)

    def _receive(self) -> bytes:
        """What the child wrote; empty when there was none, or it died before the end."""
        if self._pipe is None:
            return b""
        with contextlib.closing(os.fdopen(self._pipe, "rb")) as pipe:
            self._pipe = None
            parts = b"".join(iter(lambda: pipe.read(_CHUNK), b""))
        _, status = os.waitpid(self._child, 0)
        return parts if status == 0 else b""


def _walk_and_exit(roots: Sequence[str], writing: int) -> None:
    """The child: never returns, so that nothing of the parent's is cleaned up or printed twice."""
    status = 1
    try:
        rows, unreadable = _walk(roots)
        with open(writing, "wb") as pipe:
            pipe.write(marshal.dumps((rows, unreadable)))
        status = 0
    finally:
        os._exit(status)


def _walk(roots: Sequence[str]) -> tuple[list[tuple[str, str, str, float | None]], list[str]]:
    from stealthrl_tui.runs.discovery import Search

    search = Search(roots)
    return [(found.path, found.name, found.root, found.updated_at) for found in search.find()], search.unreadable
