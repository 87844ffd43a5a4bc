"""Blocks of metrics rows parsed into columns, at little more than the cost of parsing them.

Rows are parsed one at a time and let go at once, while they are in the processor's cache; what a block leaves is one
flat list of the wanted values. Only a block with a line that orjson refuses (NaN, garbage) is read with more care.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

import orjson

from stealthrl_tui.runs import rows

STEP = "step"
MOST_KEYS = 4096
_LEARN = 64


@dataclass(frozen=True, slots=True)
class Block:
    """`count` rows: `columns` has one item a row for each key that is read, None (or no number) where it has none.

    `steps` are the rows' `step` values as they stand in the file, None where there is none.
    """

    count: int
    steps: Sequence[object]
    columns: dict[str, Sequence[object]]


class BlockParser:
    """Parses the lines of one metrics file, block by block, and keeps what is true of the whole of it.

    `wanted` says which keys to make columns of; `nonfinite` maps a key to how many NaN or infinite values it had and
    the step of the last; `unreadable` are the lines that are no rows; `crowded` that there were too many keys.
    """

    def __init__(self, name: str, wanted: Callable[[str], bool]) -> None:
        self.latest: dict[str, float] = {}
        self.nonfinite: dict[str, tuple[int, int | None]] = {}
        self.unreadable = rows.Unreadable(name)
        self.crowded = False
        self._wanted = wanted
        self._known: dict[str, None] = {}
        # Most rows have the frequent keys, fetched all at once; the rare ones are asked for one by one.
        self._frequent: tuple[str, ...] = ()
        self._rare: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that had a number, in the order they first appeared."""
        return tuple(key for key in self._known if key in self.latest)

    @property
    def known(self) -> Collection[str]:
        """All keys but the step, in the order they first appeared."""
        return self._known.keys()

    def choose(self) -> None:
        """Ask anew which keys are wanted."""
        self._frequent = tuple(key for key in self._frequent if key == STEP or self._wanted(key))
        self._rare = tuple(key for key in self._rare if self._wanted(key))

    def learn(self, lines: Sequence[bytes]) -> None:
        """Get to know the keys from the first lines of the file."""
        found = [row for row in (rows.parse_row(line)[0] for line in lines[:_LEARN]) if row is not None]
        counts = Counter(key for row in found for key in row)
        often = [key for key, count in counts.items() if count * 2 >= len(found) and key != STEP]
        self._admit(counts, rare=False)
        self._frequent = (STEP, *(key for key in often if key in self._known and self._wanted(key)))
        self._rare = tuple(key for key in self._known if self._wanted(key) and key not in self._frequent)

    def parse(self, lines: Sequence[bytes], first: int, passed_over: Collection[int] = ()) -> Block:
        """The rows of `lines`, of which line number `first` is the first and those `passed_over` are known as bad."""
        if not self._frequent:
            self.learn(lines)
        try:
            block, merged = self._parse_fast(lines)
            if self._admit(merged):
                block, merged = self._parse_fast(lines)
        except (ValueError, TypeError):  # a line that orjson refuses, or that is no object
            return self._parse_carefully(lines, first, passed_over)
        for key, value in merged.items():
            self._note_latest(key, value, block.columns)
        return block

    def _parse_fast(self, lines: Sequence[bytes]) -> tuple[Block, rows.Row]:
        frequent, rare = (*self._frequent, STEP), self._rare  # two keys at least: itemgetter gives a tuple
        fetch = itemgetter(*frequent)
        merged: rows.Row = {}
        flat: list[object] = []
        flat_rare: list[object] = []
        for row in map(orjson.loads, lines):
            merged |= row
            try:
                flat += fetch(row)
            except KeyError:
                flat += map(row.get, frequent)
            if rare:
                flat_rare += map(row.get, rare)
        columns: dict[str, Sequence[object]] = {
            key: flat[index :: len(frequent)] for index, key in enumerate(self._frequent)
        }
        columns |= {key: flat_rare[index :: len(rare)] for index, key in enumerate(rare)}
        return Block(len(lines), columns.pop(STEP), columns), merged

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
        self._admit(dict.fromkeys(key for row in found for key in row))
        for row in found:
            self._note_row(row)
        wanted = (*self._frequent[1:], *self._rare)
        columns: dict[str, Sequence[object]] = {key: [rows.finite(row.get(key)) for row in found] for key in wanted}
        return Block(len(found), [row.get(STEP) for row in found], columns)

    def _admit(self, keys: Collection[str], rare: bool = True) -> bool:
        """Take note of new keys; True when one of them is wanted, so that the block must be read again."""
        new = [key for key in keys if key not in self._known and key != STEP]
        room = MOST_KEYS - len(self._known)
        if len(new) > room:
            self.crowded = True
            new = new[:room]
        self._known |= dict.fromkeys(new)
        more = tuple(key for key in new if self._wanted(key)) if rare else ()
        self._rare += more
        return bool(more)

    def _note_latest(self, key: str, value: object, columns: dict[str, Sequence[object]]) -> None:
        if key not in self._known:
            return
        found = rows.number(value)
        if found is None:
            found = next((x for x in map(rows.number, reversed(columns.get(key, ()))) if x is not None), None)
        if found is not None:
            self.latest[key] = found

    def _note_row(self, row: rows.Row) -> None:
        for key, value in row.items():
            found = rows.number(value)
            if found is None or key not in self._known:
                continue
            self.latest[key] = found
            if not math.isfinite(found):
                count = self.nonfinite.get(key, (0, None))[0] + 1
                self.nonfinite[key] = (count, rows.whole(row.get(STEP)))
