"""metrics.jsonl, whole: every row once, as columns that grow with the file (FORMATS.md, "metrics.jsonl")."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from stealthrl_tui.runs import keys as names
from stealthrl_tui.runs import rows
from stealthrl_tui.runs.blocks import MOST_KEYS, STEP, BlockParser
from stealthrl_tui.runs.model import Metrics
from stealthrl_tui.runs.passes import MOST_PASSES, Passes
from stealthrl_tui.runs.progress import NEWEST, Progress
from stealthrl_tui.runs.sampling import Summary, metrics_path, summarize
from stealthrl_tui.runs.tail import Tail

__all__ = ["ColumnsReader", "Summary", "metrics_path", "summarize"]

# Above this size only the watched keys are kept, so that a million rows fit the memory budget.
WHOLE_LIMIT = 64_000_000
# Small enough that the rows being parsed stay in the processor's cache.
_BLOCK = 1 << 18
_WATCHED = frozenset(key for watched in names.WATCHED.values() for key in watched)


class ColumnsReader:
    """Reads the metrics file at `path` as it grows, into one Series a key.

    `wanted` names the keys to make series of; None is all of them, or the watched ones (keys.WATCHED, and the main
    metric) once the file is over WHOLE_LIMIT bytes. Everything else of Metrics covers all keys in any case.
    """

    def __init__(self, path: str, wanted: Collection[str] | None = None) -> None:
        self._tail = Tail(path)
        self._wanted = frozenset(wanted) if wanted is not None else None
        self._asked: set[str] = set()
        self._seen = ("", 0, 0)
        self._clear()

    def _clear(self) -> None:
        self._parser = BlockParser(os.path.basename(self._tail.path), self._keeps)
        self._passes = Passes()
        self._progress = Progress()
        self._newest: list[bytes] = []
        self._limited: frozenset[str] | None = None
        self._long: set[int] = set()
        self._rows = 0
        self._snapshot: Metrics | None = None

    def refresh(self, limit: int = 8 << 20) -> bool:
        """Read what was appended, at most about `limit` bytes; True when there is more to read.

        A file that was replaced, cut or removed is read from its start, into new series.
        """
        more = True
        while more and limit > 0:
            before = self._tail.offset
            grown = self._tail.read(min(_BLOCK, limit))
            if grown.replaced:
                self._clear()
                before = 0
            for number in grown.oversize:
                self._parser.unreadable.add(rows.TOO_LONG, number)
                self._long.add(number)
            if grown.lines:
                self._take(grown.lines, grown.first)
            more = grown.more
            limit -= max(1, self._tail.offset - before)
        self._follow()
        seen = (self._tail.problem, self._tail.offset, self._tail.size)
        if seen != self._seen:
            self._seen, self._snapshot = seen, None
        return more

    def want(self, key: str) -> None:
        """Make a series of `key` too; where the file has it already, it is read again from its start."""
        if not self._keeps(key) and key in self._parser.known:
            self._tail.restart()
        self._asked.add(key)

    def snapshot(self) -> Metrics:
        """What was read so far; the same value as before when nothing was read since."""
        if self._snapshot is None:
            size = self._tail.size
            progress = self._progress
            self._snapshot = Metrics(
                keys=self._parser.keys,
                latest=dict(self._parser.latest),
                columns=self._passes.columns.series(),
                row_steps=self._passes.steps(),
                rows=self._rows,
                last_step=progress.last_step,
                steps_done=progress.steps_done,
                total_steps=progress.total_steps,
                step_seconds=progress.step_seconds,
                passes=self._passes.columns.passes,
                unread=(size - self._tail.offset) / size if size else 0.0,
                nonfinite=dict(self._parser.nonfinite),
                problems=self._problems(),
            )
        return self._snapshot

    def _problems(self) -> tuple[str, ...]:
        name = os.path.basename(self._tail.path)
        texts = list(self._parser.unreadable.words())
        if self._tail.problem:
            texts.insert(0, f"{name} {self._tail.problem}")
        if self._parser.crowded:
            texts.append(f"{name} has more than {MOST_KEYS} different keys: the others are left out")
        if self._passes.left_out:
            rest = f"{self._passes.left_out} rows are in no curve"
            texts.append(f"{name}: the step falls {MOST_PASSES} times and more; {rest}")
        return tuple(texts)

    def _keeps(self, key: str) -> bool:
        chosen = self._limited if self._wanted is None else self._wanted
        return chosen is None or key in chosen or key in self._asked

    def _take(self, lines: Sequence[bytes], first: int) -> None:
        if not self._rows:
            self._parser.learn(lines)
        if self._wanted is None and self._limited is None and self._tail.size > WHOLE_LIMIT:
            main = names.main_metric(names.Kind.UNKNOWN, self._parser.known)
            self._limited = _WATCHED | {main} if main is not None else _WATCHED
            self._parser.choose()
            self._passes.columns.keep(self._limited | self._asked)
        block = self._parser.parse(lines, first, self._long)
        if block.count:
            self._snapshot = None
            self._newest = [*self._newest, *lines[-NEWEST:]][-NEWEST:]
            stepped = self._passes.stepped
            self._passes.take(block, self._keeps)
            self._rows += block.count
            if self._passes.stepped and not stepped:
                self._progress = Progress()

    def _follow(self) -> None:
        """Bring the progress up to the last row."""
        found = [row for row in (rows.parse_row(line)[0] for line in self._newest) if row is not None]
        self._newest = []
        for index, row in enumerate(found, self._rows - len(found)):
            step = rows.whole(row.get(STEP)) if self._passes.stepped else index
            if step is not None:
                self._progress.add(step, row)
