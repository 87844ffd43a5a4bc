"""The runs in the order and with the filter that the list shows; knows no widget, so 10,000 of them are tested bare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from stealthrl_tui.runs.family import ancestors_of
from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.runs.query import DEFAULT_SORT, SORTS, Query, parse


class Roster:
    """All known runs by path, and `shown`: the paths that pass the filter, sorted.

    `statuses` and `metrics` count the runs by status and by main metric, so that no change means counting 10,000.

    Sort keys are kept and the order is sorted anew only when one changes: a nearly sorted list costs little.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.shown: list[str] = []
        self.statuses: Counter[Status] = Counter()
        self.metrics: Counter[str | None] = Counter()
        self.query: Query | None = None
        self.query_text = ""
        self.sort = DEFAULT_SORT
        self.reverse = False
        self._keys: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.shown)

    def update(self, runs: Iterable[Run], removed: Iterable[str], now: float) -> bool:
        """Take in what changed; True when `shown` is another list than before."""
        gone = [path for path in removed if self._forget(path)]
        for path in gone:
            self._keys.pop(path, None)
        moved = False
        added: list[str] = []
        key_of = self._key_function()
        for run in runs:
            known = run.path in self._keys
            self._remember(run)
            if not self._passes(run, now):
                if known:
                    del self._keys[run.path]
                    gone.append(run.path)
                continue
            key = key_of(run)
            if not known:
                added.append(run.path)
            elif self._keys[run.path] != key:
                moved = True
            self._keys[run.path] = key
        if gone:
            out = set(gone)
            self.shown = [path for path in self.shown if path not in out]
        self.shown += added
        if moved or added:
            self._order()
        return bool(gone or moved or added)

    def concerns(self, run: Run, changed: Collection[Run]) -> bool:
        """Whether what is shown of `run` is different with `changed`: its curve goes on from its ancestors'."""
        if run in changed:
            return True
        paths = {each.path for each in changed}
        return any(each.path in paths for each in ancestors_of(run, self.runs))

    def filter(self, text: str, now: float) -> None:
        """Show only the runs that match `text`; an empty one shows all."""
        self.query_text = text
        self.query = parse(text) if text.strip() else None
        self.rebuild(now)

    def sort_by(self, sort: str, reverse: bool, now: float) -> None:
        """Order by a key of SORTS, or against it."""
        self.sort = sort if sort in SORTS else DEFAULT_SORT
        self.reverse = reverse
        self.rebuild(now)

    def next_sort(self) -> str:
        """The sort key after the present one, round and round."""
        keys = list(SORTS)
        return keys[(keys.index(self.sort) + 1) % len(keys)]

    def rebuild(self, now: float) -> None:
        """Filter and sort everything: after another filter or sort, and now and then for filters by age."""
        key_of = self._key_function()
        self._keys = {path: key_of(run) for path, run in self.runs.items() if self._passes(run, now)}
        self.shown = list(self._keys)
        self._order()

    def newest(self, current: str | None = None) -> str | None:
        """The run that following stays on: the one started or, where that is unknown, written last.

        Among live runs the `current` one keeps its place until one starts after it, so that two runs that write in
        turn don't pull the selection to and fro.
        """
        alive = [run for run in self.runs.values() if run.status is Status.RUNNING]
        candidates = alive or list(self.runs.values())
        if not candidates:
            return None
        newest = max(candidates, key=lambda run: (run.facts.started_at or 0.0, run.updated_at or 0.0))
        present = self.runs.get(current) if current else None
        if present is not None and present.status is newest.status is Status.RUNNING:
            return newest.path if (newest.facts.started_at or 0) > (present.facts.started_at or 0) else present.path
        return newest.path

    def _remember(self, run: Run) -> None:
        self._forget(run.path)
        self.runs[run.path] = run
        self.statuses[run.status] += 1
        self.metrics[run.main_metric] += 1

    def _forget(self, path: str) -> bool:
        run = self.runs.pop(path, None)
        if run is None:
            return False
        self.statuses[run.status] -= 1
        self.metrics[run.main_metric] -= 1
        return True

    def _passes(self, run: Run, now: float) -> bool:
        return self.query is None or self.query.matches(run, now)

    def _key_function(self) -> Callable[[Run], Any]:
        return SORTS[self.sort].key

    def _order(self) -> None:
        keys = self._keys
        self.shown.sort(key=keys.__getitem__, reverse=self.reverse)
        if self.reverse:
            # What isn't known stays last (query.sort_runs): the first item of a key says so.
            self.shown.sort(key=lambda path: bool(keys[path][0]))
