"""A long series cut into the dot columns of a chart: what is least and most in each, so that no spike is lost.

Pure Python on blocks of an array and bisect: points that were drawn before hardly count, nor do the columns.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.widgets.extremes import extremes

_STRIDE_SAMPLES = 256
# A distance this many usual strides long is a gap; between 1 (every row) and 2 (one row missing).
_GAP = 1.5


class Bucket(NamedTuple):
    """The points of one pass that fall into one dot column: their range, their ends, and the indices [start, end)."""

    column: int
    low: float
    high: float
    first: float
    last: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scale:
    """Steps `low` to `high` on `columns` dot columns, the two ends on the middle of the first and the last."""

    low: float
    high: float
    columns: int

    def column(self, step: float) -> int:
        """The column of a step; outside 0 to `columns` - 1 for one that is out of the view."""
        if self.high <= self.low or self.columns < 2:
            return self.columns // 2 if step == self.low else (-1 if step < self.low else self.columns)
        return math.floor((step - self.low) / (self.high - self.low) * (self.columns - 1) + 0.5)

    def step(self, column: int) -> float:
        """The step in the middle of a column."""
        if self.high <= self.low or self.columns < 2:
            return self.low
        return self.low + column / (self.columns - 1) * (self.high - self.low)


def buckets(series: Series, span: tuple[int, int], scale: Scale) -> list[Bucket]:
    """The points of one pass, [start, end), in the columns that have any, from left to right."""
    start, end = span
    steps, values = series.steps, series.values
    if scale.high <= scale.low or scale.columns < 2:
        at, after = bisect_left(steps, scale.low, start, end), bisect_right(steps, scale.high, start, end)
        return [_bucket(values, scale.columns // 2, at, after)] if after > at else []
    found: list[Bucket] = []
    at = bisect_left(steps, scale.low, start, end)
    stop = bisect_right(steps, scale.high, at, end)
    while at < stop:
        column = min(scale.column(steps[at]), scale.columns - 1)
        edge = scale.low + (column + 0.5) / (scale.columns - 1) * (scale.high - scale.low)
        # The first point belongs to its column whatever the rounding of the edge says.
        after = max(at + 1, bisect_left(steps, edge, at, stop))
        found.append(_bucket(values, column, at, after))
        at = after
    return found


def _bucket(values: array[float], column: int, start: int, end: int) -> Bucket:
    if end - start == 1:
        value = values[start]
        return Bucket(column, value, value, value, value, start, end)
    return Bucket(column, *extremes(values, start, end), values[start], values[end - 1], start, end)


def stride(series: Series, span: tuple[int, int]) -> float:
    """The usual distance between two points of a pass in steps, 0 with fewer than two: four of five are no longer."""
    start, end = span
    pairs = end - start - 1
    if pairs < 1:
        return 0.0
    steps = series.steps
    jump = max(1, pairs // _STRIDE_SAMPLES)
    distances = sorted(steps[index + 1] - steps[index] for index in range(start, end - 1, jump))
    return float(distances[math.ceil((len(distances) - 1) * 0.8)])


def joined(series: Series, found: Sequence[Bucket], usual: float) -> list[bool]:
    """For each bucket whether the curve comes to it from the one before: not over a gap."""
    steps = series.steps
    return [
        index > 0
        and (
            bucket.column == found[index - 1].column + 1
            or steps[bucket.start] - steps[found[index - 1].end - 1] <= _GAP * usual
        )
        for index, bucket in enumerate(found)
    ]


def reach(weight: float) -> int:
    """How many points back one still counts in a moving average with the weight `weight` on the past."""
    return math.ceil(math.log(1e-6) / math.log(weight)) if weight > 0 else 1


def smoothed(
    values: array[float], span_start: int, found: Sequence[Bucket], weight: float, past: Sequence[float] = ()
) -> list[float]:
    """The exponential moving average at the last point of each bucket, with the weight `weight` on the past.

    It is debiased: divided by 1 - weight^n, so that it begins at the first value and not near nought. `past` are the
    values of another curve that this one goes on from. Points so old that they no longer count are skipped, which
    bounds the work for a long series.
    """
    most = reach(weight)
    total, norm = _averaged(past[-most:], weight, 0.0, 0.0)
    done = span_start
    averages: list[float] = []
    for bucket in found:
        if bucket.end - done > most:
            done, total, norm = bucket.end - most, 0.0, 0.0
        total, norm = _averaged(values[done : bucket.end], weight, total, norm)
        done = bucket.end
        averages.append(total / norm)
    return averages


def average(past: Sequence[float], weight: float) -> float:
    """The moving average at the last of `past`, of which there is at least one."""
    total, norm = _averaged(past[-reach(weight) :], weight, 0.0, 0.0)
    return total / norm


def _averaged(values: Iterable[float], weight: float, total: float, norm: float) -> tuple[float, float]:
    for value in values:
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
    return total, norm
