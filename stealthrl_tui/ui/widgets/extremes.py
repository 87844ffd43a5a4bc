"""The least and the most of any part of a long, growing array, without a look at each of its values."""

from __future__ import annotations

import math
import weakref
from array import array

_BLOCK = 256


class Extremes:
    """What is least and most in each block of an array that is only added to; a block is looked at once."""

    def __init__(self) -> None:
        self._lows, self._highs = array("d"), array("d")

    def of(self, values: array[float], start: int, end: int) -> tuple[float, float]:
        """The least and the most of `values[start:end]`, which holds at least one value; always the same array."""
        first, last = -(-start // _BLOCK), end // _BLOCK
        if last - first < 2:
            part = values[start:end]
            return min(part), max(part)
        self._reach(values, last)
        edges = values[start : first * _BLOCK] + values[last * _BLOCK : end]
        low = min(min(self._lows[first:last]), min(edges, default=math.inf))
        return low, max(max(self._highs[first:last]), max(edges, default=-math.inf))

    def _reach(self, values: array[float], blocks: int) -> None:
        for block in range(len(self._lows), blocks):
            part = values[block * _BLOCK : (block + 1) * _BLOCK]
            self._lows.append(min(part))
            self._highs.append(max(part))


# By the identity of an array, for as long as it lives: each snapshot of a run has the same arrays in another Series.
_kept: dict[int, tuple[weakref.ref[array[float]], Extremes]] = {}


def extremes(values: array[float], start: int, end: int) -> tuple[float, float]:
    """The least and the most of `values[start:end]`, which holds at least one value, of an array only added to."""
    key = id(values)
    kept = _kept.get(key)
    if kept is None or kept[0]() is not values:
        kept = _kept[key] = (weakref.ref(values, lambda _: _kept.pop(key, None)), Extremes())
    return kept[1].of(values, start, end)
