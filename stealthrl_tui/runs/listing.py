"""The first walk over the roots, in a process of its own while this one is still importing its user interface.

A thread would do for the work but not for the time: each of its thousands of system calls would wait for an
interpreter that is busy. The forked child walks on the other core and hands back plain tuples, batch by batch.
"""

from __future__ import annotations

import contextlib
import itertools
import marshal
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stealthrl_tui.runs.discovery import Found

_BATCH = 500
_LENGTH_BYTES = 4

# A Found, as plain values.
Row = tuple[str, str, str, float | None]


class Listing:
    """A walk over `roots` under way. Begin it before any thread exists; take its result once.

    `unreadable` are the folders that could not be read, in words, once `batches` is exhausted.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.unreadable: tuple[str, ...] = ()
        self._batches: queue.SimpleQueue[list[Row] | None] = queue.SimpleQueue()
        self._child = 0
        with contextlib.suppress(OSError):  # no process to be had: `batches` walks here then
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
        # A pipe holds a few hundred runs: unread, it would hold up the walk.
        threading.Thread(target=self._receive, args=(reading,), name="listing", daemon=True).start()

    def batches(self) -> Iterator[list[Found]]:
        """The runs as the walk finds them, of those it has found already the newest first.

        A walk that broke off is done again here, from the start.
        """
        from stealthrl_tui.runs.discovery import Found, Search

        if self._child:
            while rows := self._waiting():
                yield [Found(*row) for row in rows]
            if os.waitpid(self._child, 0)[1] == 0:
                return
        search = Search(self.roots)
        yield list(search.find())
        self.unreadable = tuple(search.unreadable)

    def _waiting(self) -> list[Row]:
        """All rows that have come since the last call, at least one; empty at the end of the walk."""
        found: list[Row] = []
        while not (found and self._batches.empty()):
            rows = self._batches.get()
            if rows is None:
                if found:
                    self._batches.put(None)  # for the next call
                break
            found += rows
        found.sort(key=lambda row: row[3] or 0.0, reverse=True)
        return found

    def _receive(self, reading: int) -> None:
        try:
            with open(reading, "rb") as pipe:
                while rows := _read(pipe):
                    self._batches.put(rows)
                self.unreadable = tuple(_read(pipe))
        except (EOFError, ValueError, TypeError):
            self.unreadable = ()  # it died: its exit status says so
        finally:
            self._batches.put(None)


def _walk_and_exit(roots: Sequence[str], writing: int) -> None:
    """The child: never returns, so that nothing of the parent's is cleaned up or printed twice."""
    status = 1
    try:
        with open(writing, "wb") as pipe:
            _walk(roots, pipe)
        status = 0
    finally:
        os._exit(status)


def _walk(roots: Sequence[str], pipe: IO[bytes]) -> None:
    from stealthrl_tui.runs.discovery import Search

    search = Search(roots)
    rows = ((found.path, found.name, found.root, found.updated_at) for found in search.find())
    while batch := list(itertools.islice(rows, _BATCH)):
        _write(pipe, batch)
    _write(pipe, [])
    _write(pipe, search.unreadable)


def _write(pipe: IO[bytes], values: list[Any]) -> None:
    data = marshal.dumps(values)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> list[Any]:
    # Not marshal.load: that asks the pipe for every single value, and keeps the interpreter from the first paint.
    return list(marshal.loads(pipe.read(int.from_bytes(pipe.read(_LENGTH_BYTES)))))
