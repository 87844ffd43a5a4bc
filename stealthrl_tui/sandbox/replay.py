"""A recorded run growing again: the same bytes in the same pieces, in the recorded rhythm.

A growth file has one JSON object a line: `t` (seconds since the recording began), `file` (its path below the run) and
`size` (bytes it then had; -1 means gone: deleted, or renamed away). `text` is a whole new content, of a file that was
overwritten. `moved_from` says that the file appeared by a rename. All other bytes are those of the finished run; what
a resume cut off is in `<file>.pre_resume_*`.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CUT = ".pre_resume_*"


@dataclass(frozen=True, slots=True)
class Piece:
    """One recorded change: at `at` seconds `file` had `size` bytes, its first `size` in `source` or in `text`."""

    at: float
    file: str
    size: int
    text: bytes | None = None
    source: Path | None = None
    moved_from: str | None = None

    @property
    def gone(self) -> bool:
        """Whether the file was deleted or renamed away."""
        return self.size < 0

    def content(self, start: int = 0) -> bytes:
        """The file's bytes from `start` on, as they were then."""
        if self.text is not None:
            return self.text[start:]
        if self.source is None or self.size <= start:
            return b""
        with open(self.source, "rb") as file:
            file.seek(start)
            return file.read(self.size - start)


@dataclass(frozen=True, slots=True)
class Growth:
    """How a run grew, oldest piece first. `missing` are the recorded files that the finished run no longer has."""

    pieces: tuple[Piece, ...]
    missing: tuple[str, ...] = ()

    @classmethod
    def load(cls, run_dir: Path, growth_file: Path) -> Growth:
        """Read the recording of `run_dir`; raises OSError, and ValueError for what is no growth file."""
        with open(growth_file, "rb") as file:
            rows = [_checked(json.loads(line)) for line in file]
        sources = _Sources(run_dir, rows)
        pieces = [_piece(row, sources.of(index)) for index, row in enumerate(rows) if row["file"] != "."]
        kept = tuple(piece for piece in pieces if piece.gone or piece.text is not None or piece.source is not None)
        dropped = {piece.file for piece in pieces} - {piece.file for piece in kept}
        return cls(kept, tuple(sorted(dropped)))

    @property
    def seconds(self) -> float:
        """How long the recording took."""
        return self.pieces[-1].at if self.pieces else 0.0


def _checked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("file", "moved_from"):
        path = Path(row.get(key, "."))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{key} {str(path)!r} leads out of the run")
    return row


def _piece(row: Mapping[str, Any], source: Path | None) -> Piece:
    text = row.get("text")
    return Piece(
        at=float(row["t"]),
        file=row["file"],
        size=int(row["size"]),
        text=None if text is None else text.encode(),
        source=source,
        moved_from=row.get("moved_from"),
    )


class _Sources:
    """Where in the finished run the bytes of each recorded row are to be found."""

    def __init__(self, run_dir: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        self._run_dir = run_dir
        self._rows = rows
        self._renamed = {row["moved_from"]: row["file"] for row in rows if "moved_from" in row}
        self._cut = self._find_cuts()

    def of(self, index: int) -> Path | None:
        """The file that begins with the bytes of row `index`; None when the finished run has none."""
        name = self._rows[index]["file"]
        for until, cut in self._cut.get(name, ()):
            if index < until:
                return cut
        path = self._run_dir / self._renamed.get(name, name)
        return path if path.is_file() else None

    def _find_cuts(self) -> dict[str, list[tuple[int, Path]]]:
        """For each file that a rename made shorter: until which row its bytes are those of which older copy."""
        cuts: dict[str, list[tuple[int, Path]]] = {}
        sizes: dict[str, int] = {}
        for index, row in enumerate(self._rows):
            name, before = row["file"], sizes.get(row["file"], 0)
            if "moved_from" in row and row["size"] < before:
                copies = sorted(self._run_dir.glob(name + _CUT))
                cuts.setdefault(name, []).extend((index, path) for path in copies if path.stat().st_size == before)
            if row["size"] >= 0:
                sizes[name] = row["size"]
        return cuts


class Replay:
    """Makes `growth` happen again in `directory`, which it creates; used from one thread at a time."""

    def __init__(self, growth: Growth, directory: Path) -> None:
        self.growth = growth
        self.directory = directory
        self._next = 0

    @property
    def complete(self) -> bool:
        """Whether all of it has happened."""
        return self._next >= len(self.growth.pieces)

    def skip_to(self, seconds: float) -> None:
        """Let everything up to `seconds` of the recording happen now."""
        while not self.complete and self.growth.pieces[self._next].at <= seconds:
            self._step()

    def play(self, speed: float, stop: threading.Event) -> bool:
        """Go on from here, `speed` times as fast as recorded, 0 without any waiting; False when stopped before the end.

        Raises OSError when the directory can't be written.
        """
        began = time.monotonic()
        first = self._position()
        while not self.complete:
            due = (self.growth.pieces[self._next].at - first) / speed if speed > 0 else 0.0
            if stop.wait(max(0.0, began + due - time.monotonic())):
                return False
            self._step()
        return True

    def restart(self) -> None:
        """Delete what grew and be at the beginning again, as a trainer that is told to drop its old log folder."""
        shutil.rmtree(self.directory)
        self._next = 0

    def _position(self) -> float:
        return self.growth.pieces[self._next - 1].at if self._next else 0.0

    def _step(self) -> None:
        piece = self.growth.pieces[self._next]
        path = self.directory / piece.file
        if piece.gone:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._grow(path, piece)
        self._next += 1

    def _grow(self, path: Path, piece: Piece) -> None:
        if piece.moved_from is not None:
            beside = self.directory / piece.moved_from
            beside.write_bytes(piece.content())
            beside.replace(path)
            return
        if piece.text is not None:
            path.write_bytes(piece.text)
            return
        size = path.stat().st_size if path.exists() else 0
        if piece.size < size:
            os.truncate(path, piece.size)
            return
        with open(path, "ab") as file:
            file.write(piece.content(size))
