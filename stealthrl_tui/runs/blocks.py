"""Blocks of metrics rows parsed into columns, at little more than the cost of parsing them.

Rows are parsed one at a time and let go at once, while they are in the processor's cache; what a block leaves is one
flat list of the wanted values. Only a block with a line that orjson refuses (NaN, garbage) is read with more care.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson

from stealthrl_tui.runs import rows
from stealthrl_tui.runs.progress import PROGRESS_KEYS, is_training

STEP = "step"
MOST_KEYS = 4096
_LEARN = 64
_NEVER = -1


@dataclass(frozen=True, slots=True)
class Block:
    """`count` rows as columns; `steps` has the `step` of every row as it stands in the file, None where it has none.

    `columns` has an item a row for each of the keys that most rows have. `rare` has the other keys, with an item for
    each of the rows at `places` only (ascending); no other row has any of them. What is no number is a gap.
    `beside` are the places of the rows that are no training steps: they carry no progress key (progress.py).
    """

    count: int
    steps: Sequence[object]
    columns: Mapping[str, Sequence[object]]
    beside: Collection[int] = ()
    places: Sequence[int] = ()
    rare: Mapping[str, Sequence[object]] = field(default_factory=dict)

    def column(self, key: str) -> Sequence[object]:
        """The values of `key` with an item a row."""
        if key in self.columns:
            return self.columns[key]
        column: list[object] = [None] * self.count
        for place, value in zip(self.places, self.rare.get(key, [None] * len(self.places)), strict=True):
            column[place] = value
        return column


class BlockParser:
    """Parses the lines of one metrics file, block by block, and keeps what is true of the whole of it.

    `wanted` says which keys to make columns of; `nonfinite` maps a key to how many NaN or infinite values it had and
    the step of the last; `unreadable` are the lines that are no rows; `crowded` that there were too many keys.

    Nearly all rows have the same keys, the usual ones. When all of those are wanted, a row with as many keys that has
    them is known to be usual. When only some are, the number of keys alone tells, and the last of each block is
    checked: if it has others, or if the first rows did, no row counts as usual any more, and each is looked through.
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
            block = self._parse_fast(lines)
            if len(lines) >= _LEARN and len(block.places) * 2 > len(lines):
                self.learn(lines)  # what was usual is so no more
            return block
        except (ValueError, TypeError, AttributeError):  # a line that orjson refuses, or that is no object
            return self._parse_carefully(lines, first, passed_over)

    def _parse_fast(self, lines: Sequence[bytes]) -> Block:
        # Of one key alone itemgetter would give no tuple.
        frequent, length = self._frequent if len(self._frequent) > 1 else (STEP, STEP), self._length
        fetch = itemgetter(*frequent)
        flat: list[Any] = []
        others: dict[int, rows.Row] = {}
        usual: rows.Row | None = None
        for row in map(orjson.loads, lines):
            try:
                flat += fetch(row)
                if len(row) == length:
                    usual = row
                    continue
            except KeyError:
                flat += map(row.get, frequent)
            others[len(flat) // len(frequent) - 1] = row
        if usual is not None and usual.keys() != self._usual:
            self._ambiguous = True
            self.choose()
            return self._parse_fast(lines)
        merged = _merge(others, usual, len(lines))
        self._admit(merged)
        columns = {key: flat[index :: len(frequent)] for index, key in enumerate(frequent) if key != STEP}
        rare = {key: [row.get(key) for row in others.values()] for key in self._rare}
        beside = self._beside(others, len(lines))
        block = Block(len(lines), flat[:: len(frequent)], columns, beside, tuple(others), rare)
        self._note_latest(merged, block)
        return block

    def _beside(self, others: dict[int, rows.Row], count: int) -> Collection[int]:
        beside = {index for index, row in others.items() if not is_training(row)}
        if self._usual.isdisjoint(PROGRESS_KEYS):
            beside |= set(range(count)) - others.keys()
        return beside

    def _note_latest(self, merged: rows.Row, block: Block) -> None:
        for key, value in merged.items():
            found = rows.number(value)
            if found is None:  # the newest is no number: perhaps an older one is
                found = next((x for x in map(rows.number, reversed(block.column(key))) if x is not None), None)
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
        return Block(len(found), [row.get(STEP) for row in found], columns, beside)

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
