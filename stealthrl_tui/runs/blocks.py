"""Blocks of metrics rows parsed into columns, at little more than the cost of parsing them.

Rows are parsed one at a time and let go at once, while they are in the processor's cache; what a block leaves is one
flat list of the wanted values. Only a block with a line that orjson refuses (NaN, garbage) is read with more care.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson

from stealthrl_tui.runs import rows
from stealthrl_tui.runs.columns import NUMBERS
from stealthrl_tui.runs.progress import PROGRESS_KEYS, is_training

STEP = "step"
MOST_KEYS = 4096
_LEARN = 64
_NEVER = -1


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns with an item for each of the rows at `places` (ascending), for every row of the block where None.

    What is no number is a gap. `plain` ones are known to hold nothing that could be mistaken for a number.
    """

    columns: Mapping[str, Sequence[object]]
    places: Sequence[int] | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """`count` rows as columns; `steps` has the `step` of every row as it stands in the file, None where it has none.

    Each key is in one of the `sheets`, and in no row that its sheet has no item for. `beside` are the places of the
    rows that are no training steps: they carry no progress key (progress.py).
    """

    count: int
    steps: Sequence[object]
    sheets: tuple[Sheet, ...]
    beside: Collection[int]

    def columns(self, wanted: Callable[[str], bool]) -> dict[str, Sequence[object]]:
        """The columns of the `wanted` keys, all with an item a row."""
        found: dict[str, Sequence[object]] = {}
        for sheet in self.sheets:
            for key, values in sheet.columns.items():
                if wanted(key):
                    found[key] = values if sheet.places is None else self._spread(sheet.places, values)
        return found

    def _spread(self, places: Sequence[int], values: Sequence[object]) -> list[object]:
        column: list[object] = [None] * self.count
        for place, value in zip(places, values, strict=True):
            column[place] = value
        return column


class BlockParser:
    """Parses the lines of one metrics file, block by block, and keeps what is true of the whole of it.

    `wanted` says which keys to make columns of; `nonfinite` maps a key to how many NaN or infinite values it had and
    the step of the last; `unreadable` are the lines that are no rows; `crowded` that there were too many keys.

    Nearly all rows have the same keys, the usual ones. When all of those are wanted, a row with as many keys that has
    them is known to be usual. When only some are, the number of keys alone tells, and the last of each block is
    checked: if it has others, or if the first rows did, no row counts as usual any more, and each is looked through.
    A key whose newest value in a block is a number is then taken to have no booleans in that block.
    """

    def __init__(self, name: str, wanted: Callable[[str], bool]) -> None:
        self.latest: dict[str, float] = {}
        self.nonfinite: dict[str, tuple[int, int | None]] = {}
        self.unreadable = rows.Unreadable(name)
        self.crowded = False
        self._wanted = wanted
        self._known: dict[str, None] = {}
        self._usual: frozenset[str] = frozenset()
        self._length = _NEVER
        self._ambiguous = False  # rows with as many keys as the usual ones have others
        self._frequent: tuple[str, ...] = (STEP,)  # wanted and usual
        self._rare: tuple[str, ...] = ()  # wanted and not usual

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that had a number, in the order they first appeared."""
        return tuple(key for key in self._known if key in self.latest)

    @property
    def known(self) -> Collection[str]:
        """All keys but the step, in the order they first appeared."""
        return self._known.keys()

    def learn(self, lines: Sequence[bytes]) -> None:
        """Get to know the keys from the first lines of the file."""
        found = [row for row in (rows.parse_row(line)[0] for line in lines[:_LEARN]) if row is not None]
        kinds = Counter(frozenset(row) for row in found)
        self._usual = kinds.most_common(1)[0][0] if kinds else frozenset()
        if sum(len(kind) == len(self._usual) for kind in kinds) > 1:
            self._ambiguous = True
        for row in found:
            self._admit(row)
        self.choose()

    def choose(self) -> None:
        """Ask anew which keys are wanted."""
        wanted = [key for key in self._known if self._wanted(key)]
        self._frequent = (STEP, *(key for key in wanted if key in self._usual))
        self._rare = tuple(key for key in wanted if key not in self._usual)
        exact = len(self._frequent) == len(self._usual)
        self._length = len(self._usual) if exact or not self._ambiguous else _NEVER

    def parse(self, lines: Sequence[bytes], first: int, passed_over: Collection[int] = ()) -> Block:
        """The rows of `lines`, of which line number `first` is the first and those `passed_over` are known as bad."""
        try:
            return self._parse_fast(lines)
        except (ValueError, TypeError, AttributeError):  # a line that orjson refuses, or that is no object
            return self._parse_carefully(lines, first, passed_over)

    def _parse_fast(self, lines: Sequence[bytes]) -> Block:
        # Of one key alone itemgetter would give no tuple.
        frequent, length = self._frequent if len(self._frequent) > 1 else (STEP, STEP), self._length
        fetch = itemgetter(*frequent)
        flat: list[Any] = []
        others: dict[int, rows.Row] = {}
        lacking: list[int] = []
        usual: rows.Row | None = None
        for row in map(orjson.loads, lines):
            try:
                flat += fetch(row)
                if len(row) == length:
                    usual = row
                    continue
            except KeyError:
                place = len(flat) // len(frequent) + len(lacking)
                lacking.append(place)
            else:
                place = len(flat) // len(frequent) + len(lacking) - 1
            others[place] = row
        if usual is not None and usual.keys() != self._usual:
            self._ambiguous = True
            self.choose()
            return self._parse_fast(lines)
        merged = _merge(others, usual, len(lines))
        self._admit(merged)
        steps, sheets = self._cut(flat, others, lacking, merged)
        block = Block(len(lines), steps, sheets, self._beside(others, len(lines)))
        self._note_latest(merged, block)
        if len(lines) >= _LEARN and len(others) * 2 > len(lines):
            self.learn(lines)  # what was usual is so no more
        return block

    def _cut(
        self, flat: list[Any], others: dict[int, rows.Row], lacking: list[int], merged: rows.Row
    ) -> tuple[list[Any], tuple[Sheet, ...]]:
        """The steps, and the sheets: of every row, of those that lack none of the frequent keys, and of the others."""
        width = max(2, len(self._frequent))
        steps = flat[::width]
        dense = {key: flat[index::width] for index, key in enumerate(self._frequent) if index}
        rare = {key: [row.get(key) for row in others.values()] for key in self._rare}
        plain = len(self._frequent) < len(self._usual) and all(type(merged.get(key)) in NUMBERS for key in dense)
        if not lacking:
            return steps, (Sheet(dense, plain=plain), Sheet(rare, tuple(others)))
        full = {key: dense.pop(key) for key in list(dense) if any(key in others[place] for place in lacking)}
        for place in lacking:
            steps.insert(place, others[place].get(STEP))
            for key, values in full.items():
                values.insert(place, others[place].get(key))
        gaps = frozenset(lacking)
        places = [place for place in range(len(steps)) if place not in gaps]
        return steps, (Sheet(full), Sheet(dense, places, plain), Sheet(rare, tuple(others)))

    def _beside(self, others: dict[int, rows.Row], count: int) -> Collection[int]:
        beside = {index for index, row in others.items() if not is_training(row)}
        if self._usual.isdisjoint(PROGRESS_KEYS):
            beside |= set(range(count)) - others.keys()
        return beside

    def _note_latest(self, merged: rows.Row, block: Block) -> None:
        for key, value in merged.items():
            found = rows.number(value)
            if found is None:  # the newest is no number: perhaps an older one is
                older = reversed(block.columns(key.__eq__).get(key, ()))
                found = next((x for x in map(rows.number, older) if x is not None), None)
            if found is not None and key in self._known:
                self.latest[key] = found

    def _parse_carefully(self, lines: Sequence[bytes], first: int, passed_over: Collection[int]) -> Block:
        found: list[rows.Row] = []
        for number, line in enumerate(lines, first):
            if number in passed_over or not line.strip():
                continue
            row, flaw = rows.parse_row(line)
            if row is None:
                self.unreadable.add(flaw, number)
            else:
                found.append(row)
        for row in found:
            self._admit(row)
            self._note_row(row)
        wanted = (*self._frequent[1:], *self._rare)
        columns: dict[str, Sequence[object]] = {key: [rows.finite(row.get(key)) for row in found] for key in wanted}
        beside = {index for index, row in enumerate(found) if not is_training(row)}
        return Block(len(found), [row.get(STEP) for row in found], (Sheet(columns),), beside)

    def _admit(self, keys: Iterable[str]) -> None:
        """Take note of keys that are new."""
        for key in keys:
            if key not in self._known and key != STEP:
                if len(self._known) == MOST_KEYS:
                    self.crowded = True
                    return
                self._known[key] = None
                if self._wanted(key):
                    self._rare = (*self._rare, key)

    def _note_row(self, row: rows.Row) -> None:
        for key, value in row.items():
            found = rows.number(value)
            if found is None or key not in self._known:
                continue
            self.latest[key] = found
            if not math.isfinite(found):
                count = self.nonfinite.get(key, (0, None))[0] + 1
                self.nonfinite[key] = (count, rows.whole(row.get(STEP)))


def _merge(others: dict[int, rows.Row], usual: rows.Row | None, count: int) -> rows.Row:
    """The newest value of each key in a block, of which `usual` is the newest row that is none of the `others`."""
    merged: rows.Row = {}
    place = next((index for index in range(count - 1, -1, -1) if index not in others), -1)
    for index, row in others.items():
        if index > place and usual is not None:
            merged |= usual
            usual = None
        merged |= row
    return merged | (usual or {})
