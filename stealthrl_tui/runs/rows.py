"""One line of a JSON-lines file, read so that nothing in it can end in a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

Row = dict[str, Any]
_BOM = b"\xef\xbb\xbf"
_INT64 = 1 << 63
# A trainer's own fields are flat or nearly so; what is deeper was made to break a reader.
DEEPEST = 32

NOT_JSON = "not JSON"
NOT_OBJECT = "not a JSON object"
NOT_UTF8 = "not UTF-8"
TOO_DEEP = "nested too deeply"
TOO_LONG = "too long to be a row"
BLANK = "blank"


def parse_row(line: bytes) -> tuple[Row | None, str]:
    """The object on `line`, and what is wrong with the line ("" when nothing is).

    NaN, Infinity and -Infinity are read as Python's json writes them; bytes that are not UTF-8 become U+FFFD, with
    the object still given; of a key that occurs twice the last counts, as in both parsers.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _parse_leniently(line)
    return (value, "") if type(value) is dict else (None, NOT_OBJECT)


def _parse_leniently(line: bytes) -> tuple[Row | None, str]:
    line = line.removeprefix(_BOM)
    flaw = ""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text, flaw = line.decode(errors="replace"), NOT_UTF8
    try:
        value = json.loads(text)
    except RecursionError:
        return None, TOO_DEEP
    except ValueError:  # not JSON, or an integer of more digits than Python converts
        return None, flaw or NOT_JSON
    return (value, flaw) if type(value) is dict else (None, NOT_OBJECT)


def number(value: object) -> float | None:
    """`value` when it is a number, as it is; integers beyond 64 bits as floats; None for all else, booleans too."""
    if type(value) is float:
        return value
    if type(value) is not int:
        return None
    if -_INT64 <= value < _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def finite(value: object) -> float | None:
    """`value` as `number` gives it, None for NaN and the infinities too."""
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def whole(value: object) -> int | None:
    """`value` as a whole number that fits 64 bits, 5.0 as 5; None for all else."""
    found = finite(value)
    if found is None or found != math.floor(found):
        return None
    return int(found) if -_INT64 <= found < _INT64 else None


def shallow(value: Any, levels: int = DEEPEST) -> Any:
    """`value` with what is nested below `levels` replaced by a word; whatever shows it recurses."""
    if type(value) is list:
        return [shallow(item, levels - 1) for item in value] if levels else TOO_DEEP
    if type(value) is dict:
        return {key: shallow(item, levels - 1) for key, item in value.items()} if levels else TOO_DEEP
    return value


def nonfinite(row: Mapping[str, Any]) -> Iterator[str]:
    """The keys of `row` whose numbers are NaN or infinite."""
    for key, value in row.items():
        found = number(value)
        if found is not None and not math.isfinite(found):
            yield key


class Unreadable:
    """Lines that could not be read, counted by what is wrong with them: garbage is one problem, not thousands."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[str, tuple[int, int | None]] = {}

    def add(self, flaw: str, line: int | None) -> None:
        """Line number `line` (from 1, None when that is not known) has `flaw`."""
        count, first = self._found.get(flaw, (0, line))
        self._found[flaw] = (count + 1, first)

    def words(self, consequence: str = "") -> tuple[str, ...]:
        """One text a flaw, with the first line's number and how many more there are; `consequence` ends each."""
        texts = []
        for flaw, (count, line) in self._found.items():
            more = f" (and {count - 1} more)" if count > 1 else ""
            where = f"line {line} is" if line is not None else "has a line that is"
            texts.append(f"{self._name} {where} {flaw}{more}{': ' if consequence else ''}{consequence}")
        return tuple(texts)
