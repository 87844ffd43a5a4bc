"""Whatever a file holds and however it was written, the readers say what a plain reading of the whole file says."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.ledger import LedgerReader
from stealthrl_tui.runs.metrics import ColumnsReader, summarize
from stealthrl_tui.runs.model import Metrics
from stealthrl_tui.runs.progress import PROGRESS_KEYS, Progress
from stealthrl_tui.runs.tail import Tail

# The same examples every time, and no limit on how long one may take.
PLAIN = settings(deadline=None, derandomize=True)
MAX_LINE = 12
CONTENT = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc", b"0123456789", b"\x00\xff", b"{}", b"\n\n"]), max_size=12
).map(b"".join)


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


# ---- the tail


def plainly(content: bytes) -> tuple[list[bytes], set[int]]:
    """The lines of a whole file and the numbers of those that are too long, the plain way."""
    *whole, rest = content.split(b"\n")
    long = {number for number, line in enumerate([*whole, rest], 1) if len(line) > MAX_LINE}
    return [b"" if number in long else line.removesuffix(b"\r") for number, line in enumerate(whole, 1)], long


class Follower:
    """What somebody knows who only ever looks at what a Tail brings."""

    def __init__(self, path: Path) -> None:
        self.tail = Tail(str(path), max_line=MAX_LINE)
        self.lines: list[bytes] = []
        self.long: set[int] = set()

    def look(self, limit: int | None = None) -> None:
        more = True
        while more:
            grown = self.tail.read(limit)
            more = grown.more
            if grown.replaced:
                self.lines, self.long = [], set()
            assert grown.first == len(self.lines) + 1
            self.lines += grown.lines
            self.long |= set(grown.oversize)


@PLAIN
@given(
    pieces=st.lists(CONTENT, max_size=8),
    limits=st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=8, max_size=8),
)
def test_any_pieces_give_the_lines_of_the_whole(pieces: list[bytes], limits: list[int | None]) -> None:
    with scratch() as directory:
        path = directory / "file"
        follower = Follower(path)
        content = b""
        for piece, limit in zip(pieces, limits, strict=False):
            content += piece
            path.write_bytes(content)
            follower.look(limit)
        follower.look()
        assert (follower.lines, follower.long) == plainly(content)
        rest = content.rpartition(b"\n")[2]
        assert follower.tail.pending == (rest if len(rest) <= MAX_LINE else b"")


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), CONTENT),
        st.tuples(st.just("cut"), st.integers(0, 40)),
        st.tuples(st.just("replace"), CONTENT),
        st.tuples(st.just("remove"), st.none()),
    ),
    max_size=10,
)


def change(path: Path, what: str, how: Any) -> None:
    content = path.read_bytes() if path.exists() else b""
    if what == "remove":
        path.unlink(missing_ok=True)
    elif what == "replace":
        other = path.with_name("other")
        other.write_bytes(how)
        other.replace(path)
    else:
        path.write_bytes(content[:how] if what == "cut" else content + how)


@PLAIN
@given(changes=CHANGES, limit=st.one_of(st.none(), st.integers(1, 9)))
def test_any_changes_give_the_lines_of_the_final_file(changes: list[tuple[str, Any]], limit: int | None) -> None:
    with scratch() as directory:
        path = directory / "file"
        follower = Follower(path)
        for what, how in changes:
            change(path, what, how)
            follower.look(limit)
        content = path.read_bytes() if path.exists() else b""
        assert (follower.lines, follower.long) == plainly(content)


# ---- the ledger


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
PATHS = st.one_of(
    st.sampled_from(["tinker://r1/weights/a", "tinker://r1/weights/b", "tinker://r2/weights/a", "tinker://r1/a"]),
    st.sampled_from(["tinker://r1/sampler_weights/a", "tinker://r2/sampler_weights/b", "/tmp/x", "", None, 5]),
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from(["a", "000005", "final"]), JSON),
        "state_path": PATHS,
        "sampler_path": PATHS,
        "batch": st.one_of(st.integers(0, 9), JSON),
        "epoch": JSON,
        "rolling": st.booleans(),
        "final": st.booleans(),
        "note": JSON,
    },
)
LINES = st.lists(st.one_of(RECORDS.map(lambda row: json.dumps(row).encode()), st.binary(max_size=9)), max_size=8)


@settings(PLAIN, max_examples=150)
@given(
    lines=LINES,
    other=LINES,
    info=st.one_of(JSON, st.fixed_dictionaries({"checkpoints": JSON})),
    cut=st.integers(0, 400),
)
def test_ledgers_in_pieces_and_at_once(lines: list[bytes], other: list[bytes], info: object, cut: int) -> None:
    content = b"\n".join(lines)
    with scratch() as directory:
        (directory / "checkpoints").mkdir()
        ledger = directory / "checkpoints.jsonl"
        reader = LedgerReader(str(directory))
        ledger.write_bytes(content[:cut])
        reader.refresh(1.0)
        (directory / "checkpoints" / "checkpoints.jsonl").write_bytes(b"\n".join(other))
        (directory / "checkpoints" / "final_checkpoint_info.json").write_text(json.dumps(info))
        ledger.write_bytes(content)
        reader.refresh(2.0)
        again = LedgerReader(str(directory))
        again.refresh(3.0)
        for kind in (Kind.RL, Kind.SL):
            found = reader.checkpoints(kind, 9, 8, {})
            timeless = [repr((c.key, c.step, c.final, c.superseded, c.problems, c.extra)) for c in found]
            whole = again.checkpoints(kind, 9, 8, {})
            assert timeless == [repr((c.key, c.step, c.final, c.superseded, c.problems, c.extra)) for c in whole]
        assert reader.problems == again.problems
        keys = [checkpoint.key for checkpoint in found]
        assert len(set(keys)) == len(keys)
        assert sum(checkpoint.final for checkpoint in found) <= 1
        recorded = {path for c in found for path in (c.state_uri, c.sampler_uri) if path is not None}
        assert reader.training_run_ids == tuple(dict.fromkeys(c.training_run_id for c in found if c.training_run_id))
        for line in (*lines, *other):
            assert recorded >= paths_of(line)


def paths_of(line: bytes) -> set[str]:
    try:
        row = json.loads(line)
    except ValueError:
        return set()
    found = (row.get("state_path"), row.get("sampler_path")) if isinstance(row, dict) else ()
    return {path for path in found if isinstance(path, str) and path}


# ---- the metrics


VALUES = st.one_of(
    st.floats(), st.integers(-9, 9), st.booleans(), st.none(), st.just("text"), st.just({"a": 1}), st.just(2**66)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "step": st.one_of(st.integers(0, 6), st.integers(0, 6), st.sampled_from([True, None, "1", 2.0, 2.5])),
            "progress": st.floats(0, 1),
            "a": VALUES,
            "b": VALUES,
            "c": st.floats(allow_nan=False, allow_infinity=False),
            "time/total": st.floats(0, 9),
        },
    ),
    max_size=12,
)


def number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def step_of(row: Mapping[str, Any]) -> int | None:
    found = number(row.get("step"))
    return int(found) if found is not None and found == int(found) else None


def plain_series(rows: Sequence[Mapping[str, Any]]) -> tuple[int, dict[str, list[list[tuple[int, float]]]]]:
    """Passes and, for each key, the points of each pass: the rules of `passes.Passes`, row by row."""
    stepped = any(step_of(row) is not None for row in rows)
    passes, last, last_beside, trained = 1, -1, -1, False
    series: dict[str, list[tuple[int, int, float]]] = {}
    for index, row in enumerate(rows):
        step = step_of(row) if stepped else index
        if step is None:
            continue
        beside = not any(key in row for key in PROGRESS_KEYS)
        late = step < last and beside and trained and step >= last_beside
        if step < last and not late:
            passes, last_beside = passes + 1, -1
        last = last if late else step
        last_beside = step if beside else last_beside
        trained = trained or not beside
        for key, value in row.items():
            found = number(value)
            before = [point for point in series.get(key, []) if point[0] == passes]
            if key == "step" or found is None or not math.isfinite(found) or (late and before and before[-1][1] > step):
                continue
            series.setdefault(key, []).append((passes, step, found))
    split = {
        key: [[point[1:] for point in found if point[0] == number] for number in range(1, passes + 1)]
        for key, found in series.items()
    }
    return passes, split


def check(read: Metrics, rows: Sequence[Mapping[str, Any]]) -> None:
    passes, series = plain_series(rows)
    assert (read.rows, read.passes) == (len(rows), passes)
    found = {
        key: [[(column.steps[i], column.values[i]) for i in range(*span)] for span in column.spans()]
        for key, column in read.columns.items()
    }
    assert found == series
    latest: dict[str, float] = {}
    for row in rows:
        latest |= {key: value for key in row if key != "step" and (value := number(row[key])) is not None}
    assert {key: repr(float(value)) for key, value in read.latest.items()} == {k: repr(v) for k, v in latest.items()}
    progress = Progress()
    for index, row in enumerate(rows):
        step = step_of(row) if any(step_of(other) is not None for other in rows) else index
        if step is not None:
            progress.add(step, row)
    assert (read.last_step, read.steps_done) == (progress.last_step, progress.steps_done)
    assert (read.total_steps, read.step_seconds) == (progress.total_steps, progress.step_seconds)


@settings(PLAIN, max_examples=300)
@given(rows=ROWS, repeat=st.integers(1, 3), sizes=st.lists(st.integers(1, 200), min_size=1, max_size=6))
def test_columns_in_pieces_and_at_once(rows: list[dict[str, Any]], repeat: int, sizes: list[int]) -> None:
    rows = rows * repeat
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    with scratch() as directory:
        path = directory / "metrics.jsonl"
        reader = ColumnsReader(str(path))
        end = 0
        for size in sizes:
            end += size
            path.write_bytes(content[:end])
            while reader.refresh(limit=64):
                pass
            reader.snapshot()
        path.write_bytes(content)
        while reader.refresh():
            pass
        check(reader.snapshot(), rows)
        whole = ColumnsReader(str(path))
        assert not whole.refresh()
        check(whole.snapshot(), rows)
        summary = summarize(str(path))
        assert (summary.steps_done, summary.total_steps) == (whole.snapshot().steps_done, whole.snapshot().total_steps)
        assert set(summary.keys) == set(whole.snapshot().keys)


@PLAIN
@given(content=st.binary(max_size=300), cut=st.integers(0, 300))
def test_any_bytes_are_read_without_a_traceback(content: bytes, cut: int) -> None:
    with scratch() as directory:
        path = directory / "metrics.jsonl"
        path.write_bytes(content[:cut])
        reader = ColumnsReader(str(path))
        reader.refresh()
        path.write_bytes(content)
        reader.refresh()
        again = ColumnsReader(str(path))
        again.refresh()
        assert reader.snapshot().problems == again.snapshot().problems
        assert summarize(str(path)).rows == again.snapshot().rows
