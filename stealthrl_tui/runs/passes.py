"""Rows put in their place: which training pass each belongs to, and what it says of the progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stealthrl_tui.runs.blocks import Block
from stealthrl_tui.runs.columns import NUMBERS, Columns
from stealthrl_tui.runs.progress import PROGRESS_KEYS, RECENT, TIME_KEYS, Progress
from stealthrl_tui.runs.rows import whole

MOST_PASSES = 256
TRACKED = (*PROGRESS_KEYS, *TIME_KEYS)
_INT64 = 1 << 63

Values = Mapping[str, Sequence[object]]


class Passes:
    """Takes blocks in file order and makes `columns` and `progress` of them.

    A step that falls begins a new training pass (a resume, a name used again). An evaluation that ran beside the
    training is written late, with a step below those before it, and begins none: it is told by its lack of progress
    keys, and joins the pass as long as the rows without such keys do not fall among themselves. Rows without a step
    are in no series, unless no row of the file has one: then a row's index is its step.
    """

    def __init__(self) -> None:
        self.columns = Columns()
        self.progress = Progress()
        self.left_out = 0
        self._rows = 0
        self._stepped = False
        self._trained = False
        self._last = self._last_beside = -_INT64
        self._untold: list[tuple[Sequence[int], Values]] = []

    def take(self, block: Block, kept: Callable[[str], bool]) -> None:
        """Add the rows of `block` (one at least), to the series of the keys that are `kept`."""
        columns = {key: values for key, values in block.columns.items() if kept(key)}
        if not self._stepped and any(whole(step) is not None for step in block.steps):
            self._begin_stepped()
        steps: Sequence[int] | None = range(self._rows, self._rows + block.count)
        if self._stepped:
            steps = _rising(block.steps, self._last)
        if steps is None:
            self._take_each(block, columns)
        else:
            self.columns.append(steps, columns)
            self._last = steps[-1]
            self._follow(steps, block.columns)
        self._rows += block.count

    def tell_progress(self) -> None:
        """Bring `progress` up to the last row taken."""
        for steps, columns in self._untold:
            for index, step in enumerate(steps):
                self.progress.add(step, {key: values[index] for key, values in columns.items()})
        self._untold = []

    def _begin_stepped(self) -> None:
        self._stepped = True
        self._last = self._last_beside = -_INT64
        self._trained = False
        if self._rows:
            self.columns, self.progress = Columns(), Progress()
            self._untold = []

    def _follow(self, steps: Sequence[int], columns: Values) -> None:
        """Remember what the next block and the progress need of rows that are in order."""
        progress = _progress(columns)
        training: Sequence[int] = range(len(steps))
        if not any(NUMBERS.issuperset(map(type, values)) for values in progress):
            training = [index for index in training if _is_training(progress, index)]
        if len(training) < len(steps):
            beside = next(i for i in range(len(steps) - 1, -1, -1) if not _is_training(progress, i))
            self._last_beside = steps[beside]
        self._trained = self._trained or bool(training)
        # What counts is the newest training steps; where nothing ever trained, the newest rows.
        counted = training if self._trained else range(len(steps))
        start = 0
        if len(counted) >= RECENT:
            self._untold = []
            start = counted[-RECENT]
        self._remember(steps[start:], {key: columns[key][start:] for key in TRACKED if key in columns})

    def _remember(self, steps: Sequence[int], columns: Values) -> None:
        self._untold.append((steps, columns))

    def _take_each(self, block: Block, columns: Values) -> None:
        progress = _progress(block.columns)
        placed: list[tuple[int, int]] = []
        segment: list[tuple[int, int]] = []
        for index, step in enumerate(map(whole, block.steps)):
            if step is None:
                continue
            training = _is_training(progress, index)
            if step < self._last:
                self._add(segment, columns)
                segment = []
                if self._trained and not training and step >= self._last_beside:
                    self._last_beside = step
                    self.columns.append_late(step, {key: (values[index],) for key, values in columns.items()})
                    placed.append((index, step))
                    continue
                if self.columns.passes == MOST_PASSES:
                    self.left_out += 1
                    continue
                self.columns.start_pass()
                self._last_beside = -_INT64
            self._last = step
            self._last_beside = self._last_beside if training else step
            self._trained = self._trained or training
            segment.append((index, step))
            placed.append((index, step))
        self._add(segment, columns)
        tracked = {key: block.columns[key] for key in TRACKED if key in block.columns}
        self._remember(
            [step for _, step in placed],
            {key: [values[index] for index, _ in placed] for key, values in tracked.items()},
        )

    def _add(self, segment: Sequence[tuple[int, int]], columns: Values) -> None:
        if segment:
            picked = {key: [values[index] for index, _ in segment] for key, values in columns.items()}
            self.columns.append([step for _, step in segment], picked)


def _rising(found: Sequence[object], last: int) -> list[int] | None:
    """`found` where every row has a step and none falls, below `last` neither, as in nearly all blocks; else None."""
    if set(map(type, found)) != {int}:
        return None
    steps: list[int] = found  # type: ignore[assignment]
    return steps if steps[0] >= last and steps[-1] < _INT64 and steps == sorted(steps) else None


def _progress(columns: Values) -> list[Sequence[object]]:
    return [columns[key] for key in PROGRESS_KEYS if key in columns]


def _is_training(progress: Sequence[Sequence[object]], index: int) -> bool:
    return any(type(values[index]) in NUMBERS for values in progress)
