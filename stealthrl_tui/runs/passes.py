"""Rows put in their place: which training pass each of them belongs to."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence

from stealthrl_tui.runs.blocks import Block
from stealthrl_tui.runs.columns import Columns
from stealthrl_tui.runs.model import Steps
from stealthrl_tui.runs.rows import whole

MOST_PASSES = 256
_INT64 = 1 << 63


class Passes:
    """Takes blocks in file order and makes `columns` of them.

    A step that falls begins a new training pass (a resume, a name used again). An evaluation that ran beside the
    training is written late, with a step below those before it, and begins none: it is told by its lack of progress
    keys, and joins the pass as long as the rows without such keys do not fall among themselves.

    Rows without a step are in no series, unless no row of the file has one (`stepped` is False): then a row's index
    is its step. `left_out` counts the rows that fell after MOST_PASSES passes.
    """

    def __init__(self) -> None:
        self._clear()
        self.stepped = False
        self.left_out = 0
        self._rows = 0
        self._trained = False

    def _clear(self) -> None:
        self.columns = Columns()
        self._steps = array("q")
        self._starts = [0]
        self._last = self._last_beside = -_INT64

    def steps(self) -> Steps:
        """The steps of the rows so far, but for evaluations that were written late."""
        return Steps(self._steps, len(self._steps), tuple(self._starts))

    def take(self, block: Block, kept: Callable[[str], bool]) -> None:
        """Add the rows of `block` (one at least), to the series of the keys that are `kept`."""
        if not self.stepped and any(whole(step) is not None for step in block.steps):
            self.stepped = True
            self._clear()
        steps: Sequence[int] | None = range(self._rows, self._rows + block.count)
        if self.stepped:
            steps = _rising(block.steps, self._last)
        if steps is None:
            self._take_each(block, kept)
        else:
            self._take_all(block, steps, kept)
        self._rows += block.count

    def _take_all(self, block: Block, steps: Sequence[int], kept: Callable[[str], bool]) -> None:
        for sheet in block.sheets:
            columns = {key: values for key, values in sheet.columns.items() if kept(key)}
            places = sheet.places
            self.columns.append(steps if places is None else [steps[place] for place in places], columns, sheet.plain)
        self._steps.extend(steps)
        self._last = steps[-1]
        if block.beside:
            self._last_beside = steps[max(block.beside)]
        self._trained = self._trained or len(block.beside) < block.count

    def _take_each(self, block: Block, kept: Callable[[str], bool]) -> None:
        columns = block.columns(kept)
        segment: list[tuple[int, int]] = []
        for index, step in enumerate(map(whole, block.steps)):
            if step is None:
                continue
            beside = index in block.beside
            if step < self._last:
                self._add(segment, columns)
                segment = []
                if self._trained and beside and step >= self._last_beside:
                    self._last_beside = step
                    self.columns.append_late(step, {key: (values[index],) for key, values in columns.items()})
                    continue
                if self.columns.passes == MOST_PASSES:
                    self.left_out += 1
                    continue
                self.columns.start_pass()
                self._starts.append(len(self._steps))
                self._last_beside = -_INT64
            self._last = step
            self._last_beside = step if beside else self._last_beside
            self._trained = self._trained or not beside
            segment.append((index, step))
        self._add(segment, columns)

    def _add(self, segment: Sequence[tuple[int, int]], columns: Mapping[str, Sequence[object]]) -> None:
        if segment:
            picked = {key: [values[index] for index, _ in segment] for key, values in columns.items()}
            steps = [step for _, step in segment]
            self._steps.extend(steps)
            self.columns.append(steps, picked)


def _rising(found: Sequence[object], last: int) -> list[int] | None:
    """`found` where every row has a step and none falls, below `last` neither, as in nearly all blocks; else None."""
    if set(map(type, found)) != {int}:
        return None
    steps: list[int] = found  # type: ignore[assignment]
    return steps if steps[0] >= last and steps[-1] < _INT64 and steps == sorted(steps) else None
