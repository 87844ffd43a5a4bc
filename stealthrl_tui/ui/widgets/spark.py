"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int) -> str:
    """The newest shape of `values` (finite or not, oldest first) in at most `width` bars, lowest to highest.

    More values than bars: each bar is the last value of its share, so that the newest is always the one at the end.
    Values that are not finite leave a blank; values all alike stand in the middle.
    """
    count = min(width, len(values))
    picked = [values[(index + 1) * len(values) // count - 1] for index in range(count)]
    finite = [value for value in picked if math.isfinite(value)]
    if not finite:
        return " " * count
    low, high = min(finite), max(finite)
    return "".join(_bar(value, low, high) for value in picked)


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    if low == high:
        return _BARS[len(_BARS) // 2]
    # Halves, because the difference of two finite numbers may be infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]
