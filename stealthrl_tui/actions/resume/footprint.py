"""What a start has put on disk, so that one that fails can take all of it back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stealthrl_tui.actions.atomic import write_text
from stealthrl_tui.actions.resume import lineage
from stealthrl_tui.runs.lineage import NAME

_Seen = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Footprint:
    """The files that were made in `directory`, which is new unless the run goes on in its own."""

    directory: str
    is_new: bool
    _made: list[str] = field(default_factory=list)
    _aside: str | None = None
    _recorded: bool = False
    _claimed: bool = False
    _before: _Seen = field(default_factory=dict)

    def claim(self) -> None:
        """Make the directory, where it is to be new. Raises OSError: FileExistsError when it is there."""
        if self.is_new:
            os.mkdir(self.directory)
            self._claimed = True

    def prepare(self, files: Mapping[str, str], record: dict[str, Any]) -> None:
        """Make the files and the record. Raises OSError."""
        for path, text in files.items():
            self.add(path, text)
        if not self.is_new:
            self._aside = lineage.set_aside(self.directory)
        self._recorded = True
        lineage.write(self.directory, record)

    def add(self, path: str, text: str) -> None:
        """Make one file more. Raises OSError."""
        self._made.append(path)
        write_text(Path(path), text)

    def open_log(self, path: str) -> int:
        """A descriptor that appends to the log. Raises OSError."""
        if not os.path.lexists(path):
            self._made.append(path)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def remember(self) -> None:
        """From here on what changes in the directory is the trainer's doing."""
        self._before = self._look()

    def touched(self) -> bool:
        """Whether the trainer has written anything of its own."""
        return self._look() != self._before

    def _look(self) -> _Seen:
        ours = {NAME, *map(os.path.basename, self._made), "resume.log"}
        seen: _Seen = {}
        with contextlib.suppress(OSError), os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.name not in ours:
                    found = entry.stat(follow_symlinks=False)
                    seen[entry.name] = (found.st_mtime_ns, found.st_size)
        return seen

    def undo(self) -> None:
        """Take everything back; what can't be removed stays, and the directory with it."""
        with contextlib.suppress(OSError):
            if self._recorded:
                lineage.take_back(self.directory, self._aside)
        for path in self._made:
            with contextlib.suppress(OSError):
                os.unlink(path)
        if self._claimed:
            with contextlib.suppress(OSError):
                os.rmdir(self.directory)
