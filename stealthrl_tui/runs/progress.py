"""How far a run is, from its metrics rows: steps done, steps in all, seconds a step.

Row `step` = s is the s-th step, from 0, so s + 1 steps are done once it is written; rows that carry no progress keys
(evaluations, summaries) are no steps where others do. RL writes `progress/batch` and `progress/done_frac`, SL
`progress` = (step + 1) / total, DPO `progress` = step / total (FORMATS.md, "metrics.jsonl").
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from statistics import fmean, median
from typing import Any

from stealthrl_tui.runs.rows import number

DONE_FRACTION = "progress/done_frac"
PROGRESS_KEYS = (DONE_FRACTION, "progress/batch", "progress")
TOTAL_SECONDS = "time/total"
# A pipelined loop (SL) waits in both, one after the other; `time/step` alone is what it waited for one of them.
PIPELINE = ("time/submit_batch", "time/finish_batch")
# What one step took, the best witness first.
TIME_KEYS = (TOTAL_SECONDS, PIPELINE, "time/step", "batch_time")
RECENT = 20
# So many rows from the end are enough to know how far a run is.
NEWEST = 3 * RECENT
_MOST_STEPS = 1 << 53
# How far, relatively, a total may be from a whole number when the fraction was written in full precision.
_ROUNDING = 1e-9


class Progress:
    """Takes rows one by one, oldest first, and knows how far the newest of them is.

    `last_step` is the newest training row's `step`, `steps_done` and `total_steps` count steps; None when unknown.
    """

    __slots__ = ("_before", "_counted", "_seconds", "last_step", "steps_done", "total_steps")

    def __init__(self) -> None:
        self.last_step: int | None = None
        self.steps_done: int | None = None
        self.total_steps: int | None = None
        self._counted = False
        self._before: tuple[int, float] | None = None
        self._seconds = _clocks()

    @property
    def step_seconds(self) -> float | None:
        """How long the newest steps (at most 20) took, in seconds: the median of `time/total`, else a mean.

        A pipelined loop waits nearly nothing in most rows and several steps' worth in others.
        """
        for key, times in self._seconds.items():
            if times:
                return median(times) if key == TOTAL_SECONDS else fmean(times)
        return None

    def add(self, step: int, row: Mapping[str, Any]) -> None:
        """Take in the row of `step`; only the keys of PROGRESS_KEYS and TIME_KEYS are looked at."""
        counts = is_training(row)
        if not counts and self._counted:
            self.last_step = step if self.last_step is None else max(step, self.last_step)
            return
        if counts and not self._counted:
            self._counted = True
            self._seconds = _clocks()
        self.last_step, self.steps_done = step, step + 1
        for key, times in self._seconds.items():
            seconds = _sum(row, key) if isinstance(key, tuple) else number(row.get(key))
            if seconds is not None and math.isfinite(seconds) and seconds >= 0:
                times.append(seconds)
        if counts:
            self._count(step, row)

    def _count(self, step: int, row: Mapping[str, Any]) -> None:
        total = None
        fraction = _fraction(row.get(DONE_FRACTION))
        if fraction:
            batch = number(row.get("progress/batch"))
            total = ((batch if batch is not None else step) + 1) / fraction
        progress = _fraction(row.get("progress"))
        if total is None and progress is not None:
            total = _total(step, progress, self._before)
            self._before = (step, progress)
        if total is not None and 0 < total < _MOST_STEPS:
            self.total_steps = round(total)


def is_training(row: Mapping[str, Any]) -> bool:
    """Whether the row is of a training step: it says how far the run is."""
    return not row.keys().isdisjoint(PROGRESS_KEYS)


def _fraction(value: object) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found < math.inf else None


def _clocks() -> dict[str | tuple[str, str], deque[float]]:
    return {key: deque(maxlen=RECENT) for key in TIME_KEYS}


def _sum(row: Mapping[str, Any], keys: tuple[str, str]) -> float | None:
    first, second = number(row.get(keys[0])), number(row.get(keys[1]))
    return None if first is None or second is None else first + second


def _total(step: int, progress: float, before: tuple[int, float] | None) -> float | None:
    if before is not None and step > before[0] and progress > before[1]:
        total = (step - before[0]) / (progress - before[1])
        # Two rows on either side of a resume with another total have a slope that means nothing.
        if 0 < total < _MOST_STEPS and any(abs(progress * total - done) < 0.01 for done in (step, step + 1)):
            return total
    if progress <= 0:
        return None
    totals = [done / progress for done in (step + 1, step) if done / progress < _MOST_STEPS]
    return next((total for total in totals if abs(total - round(total)) <= _ROUNDING * total), (step + 1) / progress)
