"""metrics.jsonl at a glance: its first rows, its last rows and a few between, whatever its size."""

from __future__ import annotations

import json
import os
import stat
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from stealthrl_tui.runs import keys as names
from stealthrl_tui.runs import rows
from stealthrl_tui.runs.model import Metrics, Series
from stealthrl_tui.runs.progress import Progress, is_training

SAMPLES = 24
# Up to this size a file is read whole, and only the parsing is by samples.
_SMALL = 256 << 10
_TAIL = 64 << 10
_LONGEST = 1 << 20
_PROBE = 8 << 10
# How far before the tail a key is looked for that only some rows have, as those of evaluations.
_OLDER = 1 << 20
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Summary(Metrics):
    """Metrics as a summary has them, and the `stamp` of the file that they were read from."""

    stamp: Stamp | None = None


def metrics_path(directory: str) -> str:
    """The metrics file of a run: `metrics.jsonl`, or the one in the folder of that name (very old runs)."""
    path = os.path.join(directory, "metrics.jsonl")
    return os.path.join(path, "metrics.jsonl") if os.path.isdir(path) else path


def summarize(path: str, previous: Metrics | None = None) -> Summary:
    """What the metrics file at `path` says, from samples; `previous` itself when the file has not changed since.

    `keys` are those of the rows that were read. Everything about progress comes from the last 64 kB, and `latest` too;
    what is not in them is looked for in the 1 MB before. `columns` holds the candidates for the main metric at a few
    dozen steps of the last training pass. `rows` is 0 unless every row was read. A missing file is an empty summary, an
    unreadable one says so in `problems`.
    """
    try:
        found = os.stat(path)
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if isinstance(previous, Summary) and previous.stamp == stamp:
            return previous
        if not stat.S_ISREG(found.st_mode):
            return Summary(problems=(f"{os.path.basename(path)} is not a regular file",), stamp=stamp)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            lines = _Lines.pick(descriptor, found.st_size)
            summary = _summary(lines, os.path.basename(path), stamp)
            older = _grown(previous, stamp, lines.begin)
            if older is None:
                sparse = [key for key in summary.keys if key not in summary.latest]
                older = _find_older(descriptor, lines.begin, sparse) if sparse else {}
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return Summary()
    except OSError as error:
        return Summary(problems=(f"{os.path.basename(path)} cannot be read: {error.strerror or error}",))
    if older.keys() <= summary.latest.keys():
        return summary
    keys = _shared(tuple(dict.fromkeys((*summary.keys, *older))))
    return replace(summary, keys=keys, latest={**older, **summary.latest})


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines to parse: `early` ones thinned, then all of the `tail`; `unread` is the share of bytes left out.

    `even` are the places, in both together, of those that are spread evenly over the file. `numbers` are the lines'
    indices in the file, None when they are not known. The tail begins at the offset `begin`.
    """

    early: list[bytes]
    tail: list[bytes]
    even: list[int]
    unread: float
    numbers: list[int] | None
    begin: int

    @classmethod
    def pick(cls, descriptor: int, size: int) -> _Lines:
        if size > _SMALL:
            return cls._probe(descriptor, size)
        lines = os.pread(descriptor, size, 0).split(b"\n")[:-1]
        start, left = len(lines), _TAIL
        while start and left > len(lines[start - 1]):
            start -= 1
            left -= len(lines[start]) + 1
        step = max(1.0, (len(lines) - 1) / (SAMPLES - 1))
        wanted = sorted({round(index * step) for index in range(SAMPLES) if round(index * step) < len(lines)})
        early = [index for index in wanted if index < start]
        numbers = [*early, *range(start, len(lines))]
        even = [*range(len(early)), *(len(early) + index - start for index in wanted if index >= start)]
        before = sum(map(len, lines[:start]))
        unread = before - sum(len(lines[index]) for index in early)
        begin = before + start
        return cls([lines[index] for index in early], lines[start:], even, unread / max(1, size), numbers, begin)

    @classmethod
    def _probe(cls, descriptor: int, size: int) -> _Lines:
        tail = _tail(descriptor, size)
        begin = size - sum(map(len, tail)) - len(tail)
        found: dict[int, bytes] = {}
        for index in range(SAMPLES):
            line = _line_at(descriptor, index * (size - 1) // SAMPLES, begin)
            if line is not None:
                found[line[0]] = line[1]
        early = [found[offset] for offset in sorted(found)]
        even = [*range(len(early)), len(early) + len(tail) - 1] if tail else list(range(len(early)))
        read = sum(map(len, early)) + size - begin
        return cls(early, tail, even, max(0.0, 1 - read / size), None, begin)


def _tail(descriptor: int, size: int) -> list[bytes]:
    """The complete lines of the file's last 64 kB, of more where that is not one line."""
    length = _TAIL
    while length <= _LONGEST:
        lines = os.pread(descriptor, length, size - length).split(b"\n")[1:-1]
        if lines:
            return lines
        length *= 4
    return []


def _line_at(descriptor: int, offset: int, end: int) -> tuple[int, bytes] | None:
    """The first whole line that begins at or after `offset` and before `end`, with its own offset."""
    for length in (_PROBE, _TAIL):
        data = os.pread(descriptor, length, max(0, offset - 1))
        start = data.find(b"\n") + 1 if offset else 0
        stop = data.find(b"\n", start)
        if stop >= 0 and (start or not offset):
            begin = max(0, offset - 1) + start
            return (begin, data[start:stop]) if begin < end else None
    return None


def _grown(previous: Metrics | None, stamp: Stamp, begin: int) -> Mapping[str, float] | None:
    """The latest values of the last look, where all that was written since is in the tail; else None."""
    if not isinstance(previous, Summary) or previous.stamp is None:
        return None
    same_file = previous.stamp[:2] == stamp[:2]
    return previous.latest if same_file and begin <= previous.stamp[2] <= stamp[2] else None


def _find_older(descriptor: int, begin: int, keys: Iterable[str]) -> dict[str, float]:
    """The newest numbers of `keys` in the rows that end before the offset `begin`, as far back as `_OLDER`."""
    length = min(begin, _OLDER)
    data = os.pread(descriptor, length, begin - length)
    missing = {key: json.dumps(key).encode() for key in keys}
    found: dict[str, float] = {}
    end = len(data)
    while True:
        places = {key: data.rfind(missing[key], 0, end) for key in missing}
        missing = {key: name for key, name in missing.items() if places[key] >= 0}
        newest = max((places[key] for key in missing), default=-1)
        start = data.rfind(b"\n", 0, max(0, newest)) + 1
        if newest < 0 or (start == 0 and length < begin):
            return found
        row = rows.parse_row(data[start : data.find(b"\n", newest)])[0] or {}
        found |= {key: value for key in missing if (value := rows.number(row.get(key))) is not None}
        missing = {key: name for key, name in missing.items() if key not in found}
        end = start


def _summary(lines: _Lines, name: str, stamp: Stamp) -> Summary:
    unreadable = rows.Unreadable(name)
    found: list[rows.Row | None] = []
    nonfinite: dict[str, tuple[int, int | None]] = {}
    for place, line in enumerate((*lines.early, *lines.tail)):
        row, flaw = rows.parse_row(line)
        found.append(row)
        if row is None and line.strip():
            unreadable.add(flaw, lines.numbers[place] + 1 if lines.numbers is not None else None)
        if row is not None and (b"NaN" in line or b"Infinity" in line):
            for key in rows.nonfinite(row):
                nonfinite[key] = (nonfinite.get(key, (0, None))[0] + 1, rows.whole(row.get("step")))
    tail = [row for row in found[len(lines.early) :] if row is not None]
    latest = _latest(tail)
    keys = _keys(found, latest)
    steps = _steps(found, lines.numbers)
    progress = Progress()
    for row, step in zip(found[len(lines.early) :], steps[len(lines.early) :], strict=True):
        if row is not None and step is not None:
            progress.add(step, row)
    return Summary(
        keys=keys,
        latest=latest,
        columns=_columns(found, steps, lines.even, keys),
        rows=sum(row is not None for row in found) if not lines.unread else 0,
        last_step=progress.last_step,
        steps_done=progress.steps_done,
        total_steps=progress.total_steps,
        step_seconds=progress.step_seconds,
        unread=lines.unread,
        nonfinite=nonfinite,
        problems=unreadable.words(),
        stamp=stamp,
    )


def _latest(tail: Sequence[rows.Row]) -> dict[str, float]:
    merged: rows.Row = {}
    for row in tail:
        merged |= row
    merged.pop("step", None)
    latest: dict[str, float] = {}
    for key, value in merged.items():
        found = rows.number(value)
        if found is None:  # newest is no number: perhaps an older one is
            found = next((x for row in reversed(tail) if (x := rows.number(row.get(key))) is not None), None)
        if found is not None:
            latest[key] = found
    return latest


def _keys(found: Sequence[rows.Row | None], latest: Iterable[str]) -> tuple[str, ...]:
    merged: rows.Row = {}
    for row in found:
        merged |= row or {}
    merged.pop("step", None)
    known = set(latest)
    return _shared(tuple(key for key, value in merged.items() if key in known or rows.number(value) is not None))


@lru_cache(maxsize=64)
def _shared(keys: tuple[str, ...]) -> tuple[str, ...]:
    """`keys` as another run of the same kind has them already: thousands of runs log the same forty."""
    return keys


def _steps(found: Sequence[rows.Row | None], numbers: Sequence[int] | None) -> Sequence[int | None]:
    """The step of each row; its index where no row has one and the index is known."""
    steps = [rows.whole(row.get("step")) if row is not None else None for row in found]
    if numbers is not None and all(step is None for step in steps):
        return numbers
    return steps


def _columns(
    found: Sequence[rows.Row | None], steps: Sequence[int | None], even: Sequence[int], keys: Sequence[str]
) -> dict[str, Series]:
    points: list[tuple[int, rows.Row]] = []
    for place in even:
        row, step = found[place], steps[place]
        if row is None or step is None:
            continue
        if points and step < points[-1][0]:
            if not is_training(row) and any(is_training(other) for _, other in points):
                continue  # an evaluation that was written late
            points = []  # the last training pass begins here
        points.append((step, row))
    columns = {}
    # Whatever kind the run turns out to be, and no more: thousands of runs are kept like this.
    for key in dict.fromkeys(names.main_metric(kind, keys) for kind in names.Kind):
        series = _series(key, points, zip(reversed(found), reversed(steps), strict=True)) if key is not None else None
        if key is not None and series is not None:
            columns[key] = series
    return columns


def _series(
    key: str, points: Iterable[tuple[int, rows.Row]], newest: Iterable[tuple[rows.Row | None, int | None]]
) -> Series | None:
    """The series of `key` at the sampled `points`, and at the newest row that has it (`newest` goes backwards)."""
    read = [(step, value) for step, row in points if (value := rows.finite(row.get(key))) is not None]
    for row, step in newest:
        value = rows.finite(row.get(key)) if row is not None else None
        if value is not None and step is not None:
            if not read or step > read[-1][0]:
                read.append((step, value))
            break
    if not read:
        return None
    return Series(array("q", [step for step, _ in read]), array("d", [value for _, value in read]), len(read))
