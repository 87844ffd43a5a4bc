"""All the runs below the roots, and what changed since the last look."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealthrl_tui.runs.discovery import Found, Search, is_own_folder
from stealthrl_tui.runs.model import Depth, Run, Status

if TYPE_CHECKING:
    from stealthrl_tui.runs.listing import Listing
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
        self._since = clock()
        self.notes: tuple[str, ...] = ()
        self.runs: dict[str, Run] = {}
        self._found: dict[str, Found] = {}
        self._readers: dict[str, RunReader] = {}
        self._signatures: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.runs)

    def discover(self, listing: Listing | None = None) -> Iterator[Run]:
        """Walk the roots: each run that was not known yet, at Depth.LISTED, as it is found.

        A `listing` has done the walk already.
        """
        return filter(None, self.walk(listing))

    def walk(self, listing: Listing | None = None) -> Iterator[Run | None]:
        """Like `discover`, with None for each run that was known, so that a long walk can be interrupted."""
        if listing is not None:
            for batch in listing.batches():
                yield from map(self._add, batch)
            self.notes = listing.unreadable
            return
        search = Search(self.roots)
        yield from map(self._add, search.find())
        self.notes = tuple(search.unreadable)

    def vanished(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of `paths` whose folder is gone, or no run any more; they are forgotten."""
        gone = tuple(path for path in paths if path in self.runs and self._is_gone(path))
        for path in gone:
            del self.runs[path], self._found[path]
            self._readers.pop(path, None)
            self._signatures.pop(path, None)
        return gone

    def _is_gone(self, path: str) -> bool:
        if not os.path.isdir(path):
            return True
        run = self.runs[path]
        if run.depth is Depth.LISTED or run.status is not Status.EMPTY:
            return False
        search = Search(self.roots)
        return search.at(path) is None and not search.unreadable

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
                suspects.update(path for path in self.runs if path.startswith(hint + os.sep))
        fresh = tuple(run for folder, is_new in folders.items() for run in self._look(folder, below=is_new))
        removed = self.vanished(suspects)
        return touched - set(removed), Changes(fresh, removed)

    def read(self, path: str, depth: Depth) -> Run | None:
        """The run at `path` read anew to `depth` at least; None when it isn't known."""
        return deque(self.pieces(path, depth), maxlen=1).pop() if path in self.runs else None

    def pieces(self, path: str, depth: Depth) -> Iterator[Run]:
        """Like `read`, with a Run for each part of a huge file (RunReader.pieces)."""
        if path not in self.runs:
            return
        self._signatures[path] = self._sign(path)
        reader = self._reader(path)
        for run in reader.pieces(depth, self.clock()):
            if path not in self.runs:  # deleted while its huge file was read
                return
            self.runs[path] = run
            yield run
        if reader.depth is Depth.SUMMARY and self.runs[path].status is Status.COMPLETED:
            del self._readers[path]  # most runs: what is kept to read on is half of what each takes in memory

    def changed(self, path: str) -> bool:
        """Whether the files of the run at `path` differ from what was read."""
        return path in self.runs and self._sign(path) != self._signatures.get(path)

    def _sign(self, path: str) -> int:
        from stealthrl_tui.runs.run import signature

        return hash(signature(path))

    def judge_again(self, path: str) -> Run | None:
        """The run as the clock sees it now, when that differs from what was known; reads no file."""
        before = self.runs.get(path)
        if before is None or before.status not in _PASSING:
            return None
        after = self._reader(path).judge_again(self.clock())
        if (after.status_reason, after.problems) == (before.status_reason, before.problems):
            return None
        self.runs[path] = after
        return after

    def shrink(self, path: str) -> Run | None:
        """Forget the columns of a run nobody looks at (RunReader.shrink)."""
        if path in self.runs:
            self._reader(path).shrink()
        return self.read(path, Depth.SUMMARY)

    def want(self, path: str, key: str) -> None:
        """Have the next full read of `path` bring the series of `key`."""
        if path in self.runs:
            self._reader(path).want(key)

    def load_all(self, depth: Depth) -> list[Run]:
        """Every run read to `depth`, newest activity first; for the command line."""
        for _ in self.discover():
            pass
        for path in self._found:
            self.read(path, depth)
        return sorted(self.runs.values(), key=lambda run: run.updated_at or 0.0, reverse=True)

    def _add(self, found: Found) -> Run | None:
        if found.path in self.runs:
            return None
        self._found[found.path] = found
        run = self.runs[found.path] = Run(found.name, found.path, found.root, updated_at=found.updated_at)
        return run

    def _reader(self, path: str) -> RunReader:
        reader = self._readers.get(path)
        if reader is None:
            # The readers of every format are 15 ms of import that the first list need not wait for.
            from stealthrl_tui.runs.run import RunReader

            reader = self._readers[path] = RunReader(self._found[path], self._since)
        return reader

    def _owner(self, path: str) -> str | None:
        while path not in self.runs:
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
