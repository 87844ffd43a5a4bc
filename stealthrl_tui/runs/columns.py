"""Metrics as growing columns: one array of values a key, and one array of steps for all keys that come together."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from typing import Any

from stealthrl_tui.runs.model import Series

NUMBERS = frozenset((int, float))


class _Group:
    """Keys that have been in exactly the same rows so far, so that one array holds the steps of all of them."""

    __slots__ = ("keys", "starts", "steps")

    def __init__(self, steps: array[int], starts: list[int], keys: list[str]) -> None:
        self.steps = steps
        self.starts = starts
        self.keys = keys


class Columns:
    """The series of a metrics file, appended to block by block.

    The arrays only ever grow at their end, so that the Series handed out stay valid (model.Series). A million rows of
    fourteen keys take 120 MB instead of 224 MB because a row's step is kept once, not once a key.
    """

    def __init__(self) -> None:
        self.passes = 1
        self._values: dict[str, array[float]] = {}
        self._groups: dict[str, _Group] = {}

    def start_pass(self) -> None:
        """What is appended from now on belongs to a new training pass."""
        self.passes += 1
        for group in self._each_group():
            group.starts.append(len(group.steps))

    def append(self, steps: Sequence[int], columns: Mapping[str, Sequence[object]], plain: bool = False) -> None:
        """Add rows: `columns` has one item a step, those that are no int or float (both finite) are gaps.

        `steps` must not fall, nor begin below the last step of the pass for any key that has a number. With `plain`
        the columns are taken to have no booleans, which look like numbers and cost a look at every value.
        """
        apart: dict[tuple[int, tuple[int, ...] | None], dict[str, array[float]]] = {}
        for key, values in columns.items():
            numbers, present = _numbers(values, plain)
            if numbers:
                group = self._groups.get(key)
                apart.setdefault((id(group) if group is not None else 0, present), {})[key] = numbers
        for (_, present), found in apart.items():
            group = self._group_of(list(found))
            group.steps.extend(array("q", steps if present is None else [steps[index] for index in present]))
            for key, numbers in found.items():
                self._values[key].extend(numbers)

    def append_late(self, step: int, columns: Mapping[str, Sequence[object]]) -> None:
        """Add one row that was written late, leaving out the keys whose series are beyond its step already."""
        self.append((step,), {key: values for key, values in columns.items() if self._reached(key) <= step})

    def keep(self, keys: Collection[str]) -> None:
        """Let go of all other columns; Series of them that were handed out stay as they are."""
        for key in [key for key in self._values if key not in keys]:
            self._groups.pop(key).keys.remove(key)
            del self._values[key]

    def series(self) -> dict[str, Series]:
        """Every column as it is now."""
        starts = {id(group): tuple(group.starts) for group in self._each_group()}
        return {
            key: Series(self._groups[key].steps, values, len(values), starts[id(self._groups[key])])
            for key, values in self._values.items()
        }

    def _each_group(self) -> list[_Group]:
        return list({id(group): group for group in self._groups.values()}.values())

    def _reached(self, key: str) -> float:
        group = self._groups.get(key)
        if group is None or len(group.steps) == group.starts[-1]:
            return float("-inf")
        return group.steps[-1]

    def _group_of(self, keys: list[str]) -> _Group:
        """The group of exactly `keys`, which come from one group or are new; split off where others stay behind."""
        group = self._groups.get(keys[0])
        if group is None:
            group = _Group(array("q"), [0] * self.passes, list(keys))
            self._values |= {key: array("d") for key in keys}
        elif len(group.keys) == len(keys):
            return group
        else:
            group.keys = [key for key in group.keys if key not in keys]
            group = _Group(array("q", group.steps), list(group.starts), list(keys))
        self._groups |= dict.fromkeys(keys, group)
        return group


def _numbers(values: Sequence[Any], plain: bool) -> tuple[array[float], tuple[int, ...] | None]:
    """The numbers among `values`, and where they are; None for everywhere."""
    if plain:
        try:
            return array("d", values), None
        except TypeError:  # a gap, or something else that is no number
            return _numbers(values, plain=False)
    kinds = list(map(type, values))
    if kinds.count(float) + kinds.count(int) == len(kinds):
        return array("d", values), None
    present = tuple(compress(range(len(kinds)), map(NUMBERS.__contains__, kinds)))
    return array("d", [values[index] for index in present]), present
