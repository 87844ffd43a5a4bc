"""All that one run directory says, read by what changed, as one frozen Run."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from stealthrl_tui.runs import problems, status
from stealthrl_tui.runs.discovery import (
    CHECKPOINTS,
    CONFIG,
    COOKBOOK_LOG,
    FINAL_INFO,
    LEDGER,
    METADATA,
    TRAINING_CONFIG,
    TRAINING_LOG,
    Found,
)
from stealthrl_tui.runs.facts import FactsReader
from stealthrl_tui.runs.keys import main_metric
from stealthrl_tui.runs.ledger import LedgerReader
from stealthrl_tui.runs.log import LogReader
from stealthrl_tui.runs.metrics import ColumnsReader, metrics_path, summarize
from stealthrl_tui.runs.model import Checkpoint, Depth, Metrics, Run, Status

if TYPE_CHECKING:
    from stealthrl_tui.runs.lineage import Lineage

SPARK_POINTS = 8
# Small enough that the screen gets its turn between two pieces of a huge file.
PIECE_BYTES = 4 << 20

# Few runs were resumed: what reads it is imported for the first of them.
_LINEAGE = "resume.json"
_LOGS = (TRAINING_LOG, COOKBOOK_LOG)
_WATCHED = (
    LEDGER,
    os.path.join(CHECKPOINTS, LEDGER),
    os.path.join(CHECKPOINTS, FINAL_INFO),
    METADATA,
    TRAINING_CONFIG,
    CONFIG,
    _LINEAGE,
    *_LOGS,
)


def signature(directory: str) -> tuple[int, ...]:
    """What differs as soon as any file of the run was written, made, replaced or removed; a few `stat` calls."""
    found: list[int] = []
    for path in (metrics_path(directory), *(os.path.join(directory, name) for name in _WATCHED)):
        try:
            status = os.stat(path)
        except OSError:
            found.append(-1)
        else:
            found += (status.st_mtime_ns, status.st_size, status.st_ino)
    return tuple(found)


class RunReader:
    """Keeps the place in every file of one run directory, so that each look costs what was added since the last.

    Used from one thread at a time. `depth` is how much the last read took in (model.Depth).
    """

    __slots__ = (
        "_columns", "_facts", "_found", "_ledger", "_lineage", "_log", "_metrics", "_metrics_path", "_resumed",
        "_since", "depth",
    )  # fmt: skip

    def __init__(self, found: Found, since: float = math.inf) -> None:
        """`since` (Unix seconds) is when the looking began: what is written later is seen to be written."""
        self._found = found
        self._since = since
        self.depth = Depth.LISTED
        self._ledger = LedgerReader(found.path)
        self._facts = FactsReader(found.path)
        self._log: LogReader | None = None
        self._metrics_path = metrics_path(found.path)
        self._metrics: Metrics | None = None
        self._columns: ColumnsReader | None = None
        self._lineage: Lineage | None = None
        self._resumed: tuple[int, ...] | None = None

    def read(self, depth: Depth, now: float) -> Run:
        """The run as its files say now, at `depth` at least; blocks until all of it is read."""
        return deque(self.pieces(depth, now), maxlen=1).pop()

    def pieces(self, depth: Depth, now: float) -> Iterator[Run]:
        """Like `read`, with a Run after each few megabytes of a huge metrics file; the last one is complete."""
        self.depth = max(self.depth, depth)
        whole = self.depth is Depth.FULL
        self._ledger.refresh(now)
        self._facts.refresh()
        self._refresh_log(whole)
        self._refresh_lineage()
        if not whole:
            self._metrics = summarize(self._metrics_path, self._metrics)
            yield self._assemble(now)
            return
        if self._columns is None:
            self._columns = ColumnsReader(self._metrics_path)
        more = True
        while more:
            more = self._columns.refresh(PIECE_BYTES)
            self._metrics = self._columns.snapshot()
            yield self._assemble(now)

    def judge_again(self, now: float) -> Run:
        """The same files at a later time: a run that stopped writing becomes stalled all by itself."""
        return self._assemble(now)

    def shrink(self) -> None:
        """Let go of the columns of a run that nobody looks at any more; the next read is a summary."""
        if self.depth is Depth.FULL:
            self.depth = Depth.SUMMARY
            self._columns = None
            self._metrics = None

    def want(self, key: str) -> None:
        """Read the series of `key` too, which a huge file leaves out at first; the next read brings it."""
        if self._columns is not None:
            self._columns.want(key)

    def _refresh_log(self, whole: bool) -> None:
        if self._log is None:
            for name in _LOGS:
                path = os.path.join(self._found.path, name)
                if os.path.exists(path):
                    self._log = LogReader(path)
                    break
        if self._log is not None:
            self._log.refresh(whole)

    def _refresh_lineage(self) -> None:
        try:
            found = os.stat(os.path.join(self._found.path, _LINEAGE))
        except OSError:
            self._resumed = self._lineage = None
            return
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if mark != self._resumed:
            from stealthrl_tui.runs.lineage import read_lineage

            self._resumed = mark
            self._lineage = read_lineage(self._found.path)

    def _assemble(self, now: float) -> Run:
        log = self._log.facts if self._log is not None else None
        metrics = self._metrics or Metrics()
        facts = self._facts.facts(log, metrics.keys, self._ledger.final_info)
        total = metrics.total_steps or facts.total_steps
        saved = log.saved if log is not None else {}
        checkpoints = self._ledger.checkpoints(facts.kind, total, metrics.steps_done, saved)
        newest_write = self._newest_write()
        seen_write = newest_write if newest_write is not None and newest_write >= self._since else None
        evidence = status.Evidence(
            recorded_status=facts.recorded_status,
            started_at=facts.started_at,
            final_info_at=self._ledger.final_info_mtime,
            has_final_row=self._ledger.has_final_row,
            log=log,
            newest_write=newest_write,
            step_seconds=metrics.step_seconds,
            seen_write=seen_write,
            has_anything=bool(checkpoints or metrics.keys or log is not None),
        )
        verdict, reason = status.judge(evidence, now)
        step = _step(metrics, checkpoints)
        run = Run(
            name=self._found.name,
            path=self._found.path,
            root=self._found.root,
            depth=self.depth,
            status=verdict,
            status_reason=reason,
            facts=facts,
            step=step,
            total_steps=total,
            step_seconds=metrics.step_seconds,
            eta_seconds=_eta(verdict, step, total, metrics.step_seconds),
            updated_at=status.last_activity(newest_write, log.last_time if log is not None else None, seen_write),
            checkpoints=checkpoints,
            metrics=metrics,
            main_metric=main_metric(facts.kind, metrics.keys),
            training_run_ids=self._ledger.training_run_ids,
            log_path=self._log.path if self._log is not None else None,
            problems=self._ledger.problems,
            lineage=self._lineage,
        )
        return replace(run, spark=_spark(run), problems=problems.find(run, now=now, newest_write=newest_write))

    def _newest_write(self) -> float | None:
        times = [self._ledger.mtime, self._log.mtime if self._log is not None else None]
        try:
            times.append(os.stat(self._metrics_path).st_mtime)
        except OSError:
            times.append(None)
        return max((time for time in times if time is not None), default=None)


def _step(metrics: Metrics, checkpoints: tuple[Checkpoint, ...]) -> int | None:
    if metrics.steps_done is not None:
        return metrics.steps_done
    return max((checkpoint.step for checkpoint in checkpoints if checkpoint.step is not None), default=None)


def _eta(verdict: Status, step: int | None, total: int | None, step_seconds: float | None) -> float | None:
    if verdict is not Status.RUNNING or step is None or total is None or step_seconds is None:
        return None
    return max(0, total - step) * step_seconds


def _spark(run: Run) -> tuple[float, ...]:
    series = run.metrics.series(run.main_metric) if run.main_metric else None
    if series is None or not series.length:
        return ()
    start, end = series.spans()[-1]
    points = min(SPARK_POINTS, end - start)
    return tuple(series.values[start + (index + 1) * (end - start) // points - 1] for index in range(points))
