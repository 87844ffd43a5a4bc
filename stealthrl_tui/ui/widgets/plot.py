"""What a chart shows, and the half of its drawing that only the data and the size decide: the curve and the axes.

The other half is `overlay.compose`, which lays over it what follows the cursor, so that going from checkpoint to
checkpoint costs next to nothing however long the run is. No widget, no clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.widgets.axes import Range, labels, ticks, widened
from stealthrl_tui.ui.widgets.braille import Canvas
from stealthrl_tui.ui.widgets.buckets import Bucket, Scale, average, buckets, joined, reach, smoothed, stride
from stealthrl_tui.ui.widgets.extremes import extremes

BEST, FINAL, SAVED, ROLLING = "★", "●", "◆", "◇"
_RANKS = {BEST: 50, FINAL: 40, SAVED: 10, ROLLING: 0}
_CURSOR_RANK, _SAMPLER_RANK = 30, 20
_ROBUST_SAMPLES = 1000
_LEAST_PLOT = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint under the curve: `glyph` is one of BEST, FINAL, SAVED and ROLLING, `role` its colour."""

    step: int
    role: str
    key: str
    glyph: str = SAVED

    def rank(self, cursor_key: str | None) -> int:
        """Which of the marks in one cell is seen: best, final, the cursor's, sampler, state, rolling."""
        rank = _RANKS.get(self.glyph, 0)
        if self.glyph == SAVED and self.role == "sampler":
            rank = _SAMPLER_RANK
        return max(rank, _CURSOR_RANK) if self.key == cursor_key else rank


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart and its colour by role; its newest pass goes on from `follows`, up to its own first step."""

    series: Series
    role: str = "alive"
    follows: Curve | None = None

    def past(self, most: int) -> tuple[int, list[float]] | None:
        """The step of the last value that this curve goes on from, and at most so many values up to it."""
        own = self.series.spans()[-1]
        if self.follows is None or own[0] >= own[1]:
            return None
        before = self.follows.series
        start, end = before.spans()[-1]
        cut = bisect_left(before.steps, self.series.steps[own[0]], start, end)
        if cut == start:
            return None
        values = list(before.values[max(start, cut - most) : cut])
        older = self.follows.past(most - len(values)) if len(values) < most else None
        return before.steps[cut - 1], [*(older[1] if older else ()), *values]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart shows; `curves` from back to front, the last one the chart is about.

    `smoothing` (0 to below 1) is the weight of the past in the moving average; above 0 the values themselves are faint
    dots behind it. `view` is the range of steps on show, None for all. `unread` is the fraction of the file still to
    be read. `robust` leaves the outermost hundredths of the values out of the vertical range. `latest` is the value
    beside the title where it is not the last of the curve (one that is not finite).
    """

    title: str = ""
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    cursor_key: str | None = None
    cursor_step: float | None = None
    smoothing: float = 0.0
    unread: float = 0.0
    view: tuple[float, float] | None = None
    robust: bool = False
    titled: bool = False
    latest: float | None = None

    @property
    def filled(self) -> tuple[Curve, ...]:
        """The curves that have values."""
        return tuple(curve for curve in self.curves if curve.series.length)

    def data(self) -> tuple[object, ...]:
        """What the frame depends on, to compare with a plot that is still held.

        A series' arrays are only added to, so their identity and the length tell everything.
        """
        curves = tuple(
            (id(each.series.values), each.series.length, each.series.passes, each.role, each.follows is None)
            for each in self.curves
        )
        steps = [mark.step for mark in self.marks]
        reach = (min(steps), max(steps)) if steps else None
        return (curves, reach, self.smoothing, self.view, self.robust, self.titled)

    def looks(self) -> tuple[object, ...]:
        """What is laid over the frame."""
        return (self.title, self.marks, self.cursor_key, self.cursor_step, self.unread, self.latest)


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a picture that only the data and the size decide; `left` cells of axis stand before the canvas."""

    canvas: Canvas
    scale: Scale
    left: int
    axis: tuple[str, ...]
    titled: bool
    marked: bool
    stepped: bool
    empty: bool


def frame(plot: Plot, width: int, height: int) -> Frame:
    """The curve and the axes of `plot`, for at least 2 x 1 cells."""
    titled = plot.titled and height >= 3
    stepped = height - titled >= 4
    marked = bool(plot.marks) and height - titled - stepped >= 3
    rows = height - titled - stepped - marked
    low, high = _steps(plot)
    known = _range(plot, Scale(low, high, 2 * width))
    axis = _axis(known, rows) if known else [""] * rows
    left = len(axis[0]) if known else 0
    if width - left < _LEAST_PLOT:
        left, axis = 0, [""] * rows
    canvas = Canvas(width - left, rows)
    scale = Scale(low, high, 2 * canvas.width)
    if known:
        for index, curve in enumerate(plot.filled):
            _draw(canvas, curve, scale, known, plot.smoothing, front=index == len(plot.filled) - 1)
    return Frame(canvas, scale, left, tuple(axis), titled, marked, stepped, known is None)


def _steps(plot: Plot) -> tuple[float, float]:
    """The steps on show: the view, else all that have a value or a checkpoint."""
    if plot.view is not None:
        return plot.view
    found = [mark.step for mark in plot.marks]
    for curve in plot.filled:
        for start, end in curve.series.spans():
            if start < end:
                found += (curve.series.steps[start], curve.series.steps[end - 1])
    return (min(found), max(found)) if found else (0, 0)


def _range(plot: Plot, scale: Scale) -> Range | None:
    """The vertical range, None where no value is in view."""
    parts = [
        (curve.series.values, *_in_view(curve.series, span, scale))
        for curve in plot.filled
        for span in curve.series.spans()
    ]
    parts = [part for part in parts if part[1] < part[2]]
    if not parts:
        return None
    if not plot.robust:
        lows, highs = zip(*(extremes(*part) for part in parts), strict=True)
        return widened(min(lows), max(highs))
    values = [
        value
        for series, start, end in parts
        for value in series[start : end : max(1, (end - start) // _ROBUST_SAMPLES)]
    ]
    values.sort()
    out = len(values) // 100
    return widened(values[out], values[len(values) - 1 - out])


def _in_view(series: Series, span: tuple[int, int], scale: Scale) -> tuple[int, int]:
    start = bisect_left(series.steps, scale.low, *span)
    return start, bisect_right(series.steps, scale.high, start, span[1])


def _axis(known: Range, rows: int) -> list[str]:
    """The words at the left of each row, all of one width; blank where there is no tick."""
    values = ticks(known.low, known.high, min(max(2, rows), max(3, (rows + 2) // 3)))
    axis = [""] * rows
    for value, text in zip(values, labels(values), strict=True):
        axis[known.row(value, 4 * rows) // 4] = text
    width = max(map(len, axis))
    return [text.rjust(width) + (" ┤" if text else " │") for text in axis]


def _draw(canvas: Canvas, curve: Curve, scale: Scale, known: Range, smoothing: float, front: bool) -> None:
    """One curve: its older passes dim, then its newest, smoothed over faint dots when asked."""
    spans = curve.series.spans()
    for span in spans[:-1]:
        _line(canvas, curve.series, span, buckets(curve.series, span, scale), known, None)
    canvas.commit("dim" if front else f"{curve.role} faint")
    for span in spans[-1:]:
        found = buckets(curve.series, span, scale)
        if smoothing > 0:
            for each in found:
                for value in (each.low, each.high):
                    row = known.row(value, canvas.dot_rows)
                    canvas.run(each.column, row, row)
            canvas.commit(f"{curve.role} faint")
        past = curve.past(reach(smoothing))
        earlier = past[1] if past else ()
        averages = smoothed(curve.series.values, span[0], found, smoothing, earlier) if smoothing > 0 else None
        if past and found and found[0].start == span[0]:
            value = average(past[1], smoothing)
            start = (scale.column(past[0]), known.row(value, canvas.dot_rows))
            _line(canvas, curve.series, span, found, known, averages, start)
        else:
            _line(canvas, curve.series, span, found, known, averages)
    canvas.commit(curve.role)


def _line(
    canvas: Canvas,
    series: Series,
    span: tuple[int, int],
    found: list[Bucket],
    known: Range,
    averages: list[float] | None,
    previous: tuple[int, int] | None = None,
) -> None:
    """The dots of one pass, from the dot `previous` on where there is one before it."""
    rows = canvas.dot_rows
    comes = previous is not None and 0 <= previous[0] <= found[0].column
    for index, (each, connected) in enumerate(zip(found, joined(series, found, stride(series, span)), strict=True)):
        average = None if averages is None else averages[index]
        first = known.row(each.first if average is None else average, rows)
        last = known.row(each.last, rows) if average is None else first
        if previous is not None and (connected or (index == 0 and comes)):
            canvas.line(previous, (each.column, first))
        if average is None:
            canvas.run(each.column, known.row(each.high, rows), known.row(each.low, rows))
        else:
            canvas.run(each.column, first, first)
        previous = (each.column, last)
