"""All the runs below the roots, and what changed since the last look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from stealthrl_tui.runs.discovery import Found, Search, is_own_folder
from stealthrl_tui.runs.model import Depth, Run, Status
from stealthrl_tui.runs.run import RunReader

# What time alone can change; the others stay until a file says otherwise.
_PASSING = (Status.RUNNING, Status.STALLED)


@dataclass(frozen=True, slots=True)
class Changes:
    """Runs that are new or different, and the paths of runs that are gone."""

    runs: tuple[Run, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.runs or self.removed)


class Library:
    """The runs below `roots` by their absolute path; used from one thread at a time.

    `clock` gives Unix seconds. `notes` are the folders that could not be read, in words.
    """

    def __init__(self, roots: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self.roots = tuple(os.path.abspath(root) for root in roots)
        self.clock = clock
        self.notes: tuple[str, ...] = ()
        self._readers: dict[str, RunReader] = {}

    @property
    def runs(self) -> dict[str, Run]:
        """Every known run as last read."""
        return {path: reader.run for path, reader in self._readers.items()}

    def __len__(self) -> int:
        return len(self._readers)

    def paths(self) -> list[str]:
        """The paths of all known runs."""
        return list(self._readers)

    def run(self, path: str) -> Run | None:
        """The run at `path` as last read."""
        reader = self._readers.get(path)
        return reader.run if reader else None

    def discover(self) -> Iterator[Run]:
        """Walk the roots: each run that was not known yet, at Depth.LISTED, as it is found."""
        search = Search(self.roots)
        for found in search.find():
            run = self._add(found)
            if run is not None:
                yield run
        self.notes = tuple(search.unreadable)

    def vanished(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of `paths` whose folder is gone; they are forgotten."""
        gone = tuple(path for path in paths if path in self._readers and not os.path.isdir(path))
        for path in gone:
            del self._readers[path]
        return gone

    def locate(self, hints: Iterable[str]) -> tuple[set[str], Changes]:
        """What changed paths mean: the known runs they lie in, and the runs that came or went with them."""
        touched: set[str] = set()
        suspects: set[str] = set()
        folders: dict[str, bool] = {}
        for hint in hints:
            owner = self._owner(hint)
            if owner is not None:
                touched.add(owner)
                if not os.path.isdir(owner):
                    suspects.add(owner)
            elif os.path.isdir(hint) and not is_own_folder(os.path.basename(hint)):
                folders[hint] = True
            elif os.path.lexists(hint):
                folders.setdefault(_run_folder(hint), False)
            else:
                suspects.update(path for path in self._readers if path.startswith(hint + os.sep))
        fresh = tuple(run for folder, is_new in folders.items() for run in self._look(folder, below=is_new))
        removed = self.vanished(suspects)
        return touched - set(removed), Changes(fresh, removed)

    def read(self, path: str, depth: Depth) -> Run | None:
        """The run at `path` read anew to `depth` at least; None when it isn't known."""
        reader = self._readers.get(path)
        return reader.read(depth, self.clock()) if reader else None

    def pieces(self, path: str, depth: Depth) -> Iterator[Run]:
        """Like `read`, with a Run for each part of a huge file (RunReader.pieces)."""
        reader = self._readers.get(path)
        if reader is not None:
            yield from reader.pieces(depth, self.clock())

    def changed(self, path: str) -> bool:
        """Whether the files of the run at `path` differ from what was read."""
        reader = self._readers.get(path)
        return reader is not None and reader.changed()

    def judge_again(self, path: str) -> Run | None:
        """The run as the clock sees it now, when that differs from what was known; reads no file."""
        reader = self._readers.get(path)
        if reader is None or reader.run.status not in _PASSING:
            return None
        before, after = reader.run, reader.judge_again(self.clock())
        return after if (after.status_reason, after.problems) != (before.status_reason, before.problems) else None

    def shrink(self, path: str) -> Run | None:
        """Forget the columns of a run nobody looks at (RunReader.shrink)."""
        reader = self._readers.get(path)
        return reader.shrink(self.clock()) if reader else None

    def want(self, path: str, key: str) -> None:
        """Have the next full read of `path` bring the series of `key`."""
        reader = self._readers.get(path)
        if reader is not None:
            reader.want(key)

    def load_all(self, depth: Depth) -> list[Run]:
        """Every run read to `depth`, newest activity first; for the command line."""
        for _ in self.discover():
            pass
        runs = [reader.read(depth, self.clock()) for reader in self._readers.values()]
        return sorted(runs, key=lambda run: run.updated_at or 0.0, reverse=True)

    def _add(self, found: Found) -> Run | None:
        if found.path in self._readers:
            return None
        reader = self._readers[found.path] = RunReader(found)
        return reader.run

    def _owner(self, path: str) -> str | None:
        while path not in self._readers:
            parent = os.path.dirname(path)
            if parent == path:
                return None
            path = parent
        return path

    def _look(self, folder: str, *, below: bool) -> Iterator[Run]:
        search = Search(self.roots)
        found = search.below(folder) if below else filter(None, [search.at(folder)])
        yield from filter(None, map(self._add, found))


def _run_folder(hint: str) -> str:
    """The folder that a new file would make a run of: its own, or the one above a run's sub-folder."""
    folder = os.path.dirname(hint)
    return os.path.dirname(folder) if is_own_folder(os.path.basename(folder)) else folder
