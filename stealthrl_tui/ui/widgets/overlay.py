"""A chart as lines of pieces: over a frame go the title, the marks, the hairline of the cursor and the words."""

from __future__ import annotations

from dataclasses import dataclass, field

from stealthrl_tui.text import clean, number
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.axes import step_labels
from stealthrl_tui.ui.widgets.cells import cut, fit, width_of
from stealthrl_tui.ui.widgets.plot import Frame, Mark, Plot, frame


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn chart: its lines, and which checkpoint's mark is in which cell of the line `marks_line`."""

    lines: list[list[Piece]]
    marks_line: int | None = None
    hits: dict[int, Mark] = field(default_factory=dict)


class Drawing:
    """Pictures of one chart after another: only the half that is different is drawn anew."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._plot: Plot | None = None
        self._frame: Frame | None = None
        self._picture: Picture | None = None

    def frame(self, plot: Plot, width: int, height: int) -> Frame:
        """The frame of `plot`, for at least 2 x 1 cells."""
        size = (width, height)
        if plot is self._plot and size == self._size and self._frame is not None:
            return self._frame
        same = self._plot is not None and size == self._size and plot.data() == self._plot.data()
        if not same or self._frame is None:
            self._frame, self._picture = frame(plot, width, height), None
        elif self._plot is not None and plot.looks() != self._plot.looks():
            self._picture = None
        self._size, self._plot = size, plot
        return self._frame

    def picture(self, plot: Plot, width: int, height: int) -> Picture:
        """`plot` in `width` x `height` cells, the very same picture while nothing changed."""
        base = self.frame(plot, width, height)
        if self._picture is None:
            self._picture = compose(plot, base, width)
        return self._picture


def draw(plot: Plot, width: int, height: int) -> Picture:
    """`plot` in `width` x `height` cells, at least 2 x 1."""
    return Drawing().picture(plot, width, height)


def compose(plot: Plot, base: Frame, width: int) -> Picture:
    """`base` with the title, the marks, the cursor's hairline and the words laid over it."""
    cursor = _cursor_cell(plot, base)
    lines = [_title_line(plot, width)] if base.titled else []
    lines += [_curve_line(base, row, cursor) for row in range(base.canvas.height)]
    _lay_words(plot, base, lines, int(base.titled), width)
    hits: dict[int, Mark] = {}
    marks_line = None
    if base.marked:
        hits = _hits(plot, base)
        marks_line = len(lines)
        lines.append(_marks_line(base, hits, cursor))
    if base.stepped:
        lines.append(_steps_line(base))
    return Picture(lines, marks_line, {base.left + cell: mark for cell, mark in hits.items()})


def _cell(base: Frame, step: float) -> int | None:
    column = base.scale.column(step)
    return column // 2 if 0 <= column < base.scale.columns else None


def _cursor_cell(plot: Plot, base: Frame) -> int | None:
    if plot.cursor_step is not None:
        return _cell(base, plot.cursor_step)
    for mark in plot.marks:
        if mark.key == plot.cursor_key:
            return _cell(base, mark.step)
    return None


def _title_line(plot: Plot, width: int) -> list[Piece]:
    series = plot.filled[-1].series if plot.filled else None
    newest = None if series is None else series.values[series.length - 1]
    value = plot.latest if plot.latest is not None else newest
    latest = number(value) if value is not None else ""
    title = cut(clean(plot.title), max(0, width - len(latest) - 2))
    room = width - width_of(title) - len(latest)
    return fit([(title, "dim"), (" " * room, "text"), (latest, "text")], width)


def _curve_line(base: Frame, row: int, cursor: int | None) -> list[Piece]:
    pieces: list[Piece] = [(base.axis[row], "dim")] if base.left else []
    cells = base.canvas.row(row)
    if cursor is not None and not base.empty:
        character, role = cells[cursor]
        cells[cursor] = (character, "text") if role else ("│", "dim faint")
    text, current = "", "text"
    for character, role in cells:
        if role != current and role:
            if text:
                pieces.append((text, current))
            text, current = "", role
        text += character
    pieces.append((text, current))
    return pieces


def _lay_words(plot: Plot, base: Frame, lines: list[list[Piece]], first: int, width: int) -> None:
    """What has to be said over the curve: that there is none, how far the file was read, the value at the crosshair."""
    percent = f"reading, {100 * (1 - plot.unread):.0f} %" if plot.unread > 0 else ""
    if base.empty:
        name = clean(plot.title)
        some = bool(plot.filled)
        words = f"no values of {name} here" if some else f"no values of {name} yet" if name else "no values yet"
        lines[first + base.canvas.height // 2] = fit([(percent or words, "dim")], width, "center")
        return
    words = _crosshair(plot) or percent
    room = base.canvas.width - 2
    if words and room >= 8:
        words = " " + cut(words, room) + " "
        axis, line = (lines[first][:1], lines[first][1:]) if base.left else ([], lines[first])
        lines[first] = [*axis, (words, "text"), *_after(line, len(words))]


def _after(pieces: list[Piece], cells: int) -> list[Piece]:
    """`pieces` of one-cell characters without their first `cells`."""
    kept: list[Piece] = []
    for text, role in pieces:
        if len(text) > cells:
            kept.append((text[cells:], role))
        cells = max(0, cells - len(text))
    return kept


def _crosshair(plot: Plot) -> str:
    if plot.cursor_step is None or not plot.filled:
        return ""
    reading = plot.filled[-1].series.at(int(plot.cursor_step))
    return f"step {plot.cursor_step:.0f}" + (f"  {number(reading.value)}" if reading else "")


def _hits(plot: Plot, base: Frame) -> dict[int, Mark]:
    """The mark that is seen in each cell of the marks' line; of equals the newest."""
    hits: dict[int, Mark] = {}
    for mark in plot.marks:
        cell = _cell(base, mark.step)
        if cell is None:
            continue
        present = hits.get(cell)
        if present is None or mark.rank(plot.cursor_key) >= present.rank(plot.cursor_key):
            hits[cell] = mark
    return hits


def _marks_line(base: Frame, hits: dict[int, Mark], cursor: int | None) -> list[Piece]:
    pieces: list[Piece] = [(" " * base.left, "text")] if base.left else []
    for cell in range(base.canvas.width):
        mark = hits.get(cell)
        glyph, role = ("─", "line") if mark is None else (clean(mark.glyph)[:1], mark.role)
        if cell == cursor:
            glyph, role = ("┼", "dim") if mark is None else (glyph, f"{role} bold reverse")
        pieces.append((glyph, role))
    return pieces


def _steps_line(base: Frame) -> list[Piece]:
    text = ""
    if not (base.empty and base.scale.low == base.scale.high):
        for at, words in step_labels(base.scale.low, base.scale.high, base.canvas.width):
            text = text.ljust(at) + words
    return [(" " * base.left + text[: base.canvas.width], "dim")]
