"""The numbers beside and below a chart: round, few, told apart from one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stealthrl_tui.text import number
from stealthrl_tui.ui.presenter import short

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
# Values that differ by less than this share of their size differ by rounding alone.
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `low` to `high` on the rows of a chart; `high` is always the greater."""

    low: float
    high: float

    def row(self, value: float, rows: int) -> int:
        """The row of `value` among `rows`, 0 at the top; what is out of range is put at the border."""
        # Quarters, because the difference of two finite numbers may be infinite.
        share = (value / 4 - self.low / 4) / (self.high / 4 - self.low / 4)
        return round((1 - min(1.0, max(0.0, share))) * (rows - 1))


def widened(low: float, high: float) -> Range:
    """The range from `low` to `high`, opened around a value that stands alone."""
    size = max(abs(low), abs(high))
    if high / 4 - low / 4 > size / 4 * _SAME and high / 4 - low / 4 > 0:
        return Range(low, high)
    room = max(size * 0.05, 1e-300) if size else 1.0
    return Range(max(low - room, -1.7e308), min(high + room, 1.7e308))


def ticks(low: float, high: float, most: int) -> list[float]:
    """Up to `most` round numbers between `low` and `high`, rising; the two ends when no round ones are to be had."""
    rough = (high / 4 - low / 4) / max(1, most) * 4
    if not math.isfinite(rough) or rough <= 0:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (factor * power for factor in (*_STEPS, 20.0)):
        if not math.isfinite(step) or step <= 0:
            break
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [index * step for index in range(first, last + 1)] or [low]
    return [low, high]


def labels(values: Sequence[float]) -> list[str]:
    """Words for rising ticks, as short as keeps them apart, all in one form."""
    size = max((abs(value) for value in values), default=0.0)
    if size == 0 or 1e-3 <= size < 1e4:
        for decimals in range(7):
            found = [f"{value:.{decimals}f}" for value in values]
            if _faithful(found, values):
                return [_worded(text) for text in found]
    found = [number(value) for value in values]
    if len(set(found)) == len(found):
        return found
    for digits in range(2, 16):
        found = [f"{value:.{digits}e}" for value in values]
        if len(set(found)) == len(found):
            break
    return found


def _faithful(found: Sequence[str], values: Sequence[float]) -> bool:
    """Whether the words differ, and say the round numbers that they stand for."""
    if len(set(found)) < len(found):
        return False
    step = min((after - before for before, after in pairwise(values)), default=0.0)
    return all(
        abs(float(text) - value) <= max(step, abs(value) * 1e-3) * 0.01
        for text, value in zip(found, values, strict=True)
    )


def _worded(text: str) -> str:
    return short(text) if text.strip("-0.") else "0"


def step_labels(low: float, high: float, width: int) -> list[tuple[int, str]]:
    """Steps under a chart `width` cells wide: (first cell, words), both ends and round ones where there is room."""
    first, last = f"{low:.0f}", f"{high:.0f}"
    if low == high:
        return [(max(0, width // 2 - len(first) // 2), first)]
    placed = [(0, first)]
    if first == last or width < len(first) + len(last) + 2:
        return placed
    end = width - len(last)
    for tick in ticks(low, high, max(1, width // 24 + 1)):
        text = f"{tick:.0f}"
        at = round((tick - low) / (high - low) * (width - 1)) - len(text) // 2
        if tick.is_integer() and at >= placed[-1][0] + len(placed[-1][1]) + 3 and at + len(text) + 3 <= end:
            placed.append((at, text))
    return [*placed, (end, last)]
