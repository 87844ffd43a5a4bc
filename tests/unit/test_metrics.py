"""Metrics files read whole, as columns: gaps, passes, late evaluations, odd values, files that grow and change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs import blocks, metrics
from stealthrl_tui.runs.metrics import ColumnsReader, metrics_path
from stealthrl_tui.runs.model import Metrics, Reading, Series

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
REWARD = "env/all/reward/total"


class File:
    """A metrics file written piece by piece."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *rows: Mapping[str, Any] | bytes) -> None:
        with self.path.open("ab") as file:
            for row in rows:
                file.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")

    def read(self) -> Metrics:
        return drain(ColumnsReader(str(self.path)))


def drain(reader: ColumnsReader, limit: int = 8 << 20) -> Metrics:
    while reader.refresh(limit):
        pass
    return reader.snapshot()


def points(series: Series | None) -> list[list[tuple[int, float]]]:
    assert series is not None
    return [[(series.steps[i], series.values[i]) for i in range(*span)] for span in series.spans()]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "metrics.jsonl")


def training(step: int, total: int = 10, **more: Any) -> dict[str, Any]:
    return {"step": step, "progress/batch": step, "progress/done_frac": (step + 1) / total, "r": float(step), **more}


# ---- series


def test_series_with_gaps(file: File) -> None:
    file.append({"step": 0, "a": 1.5, "b": 2}, {"step": 1, "a": 2.5}, {"step": 2, "a": 3.5, "b": 4, "c": -1})
    read = file.read()
    assert read.keys == ("a", "b", "c")
    assert points(read.series("a")) == [[(0, 1.5), (1, 2.5), (2, 3.5)]]
    assert points(read.series("b")) == [[(0, 2.0), (2, 4.0)]]
    assert points(read.series("c")) == [[(2, -1.0)]]
    assert (read.rows, read.last_step, read.steps_done, read.passes, read.unread) == (3, 2, 3, 1, 0.0)
    assert read.latest == {"a": 3.5, "b": 4, "c": -1}


def test_keys_of_the_same_rows_share_their_steps(file: File) -> None:
    file.append({"step": 0, "a": 1, "b": 2}, {"step": 1, "a": 1, "b": 2, "c": 3})
    columns = file.read().columns
    assert columns["a"].steps is columns["b"].steps
    assert columns["a"].steps is not columns["c"].steps


def test_only_numbers_make_series(file: File) -> None:
    row = {"step": 0, "yes": True, "text": "1", "none": None, "nested": {"a": 1}, "list": [1], "big": 2**70, "n": 1}
    file.append(row, {"step": 1, "yes": 1, "n": False})
    read = file.read()
    assert read.keys == ("yes", "big", "n")
    assert points(read.series("yes")) == [[(1, 1.0)]]
    assert points(read.series("big")) == [[(0, 2.0**70)]]
    assert points(read.series("n")) == [[(0, 1.0)]]
    assert read.latest == {"yes": 1, "big": 2.0**70, "n": 1}


def test_nan_and_infinity_are_counted_not_drawn(file: File) -> None:
    file.append({"step": 0, "kl": math.nan, "a": 1}, {"step": 1, "kl": 0.5}, {"step": 2, "kl": -math.inf, "a": 2})
    file.append({"kl": math.nan})
    read = file.read()
    assert points(read.series("kl")) == [[(1, 0.5)]]
    assert read.nonfinite == {"kl": (3, None)}
    assert math.isnan(read.latest["kl"])
    assert points(read.series("a")) == [[(0, 1.0), (2, 2.0)]]
    assert read.problems == ()


def test_an_infinite_integer(file: File) -> None:
    file.append(b'{"step": 0, "a": 1' + b"0" * 400 + b"}\n")
    read = file.read()
    assert read.nonfinite == {"a": (1, 0)}
    assert read.latest == {"a": math.inf}


# ---- passes


def test_a_falling_step_begins_a_pass_for_every_key(file: File) -> None:
    file.append({"step": 0, "a": 1, "b": 1}, {"step": 1, "a": 2}, {"step": 0, "a": 3}, {"step": 1, "a": 4, "c": 9})
    read = file.read()
    assert read.passes == 2
    assert points(read.series("a")) == [[(0, 1.0), (1, 2.0)], [(0, 3.0), (1, 4.0)]]
    assert points(read.series("b")) == [[(0, 1.0)], []]
    assert points(read.series("c")) == [[], [(1, 9.0)]]
    b = read.columns["b"]
    assert (b.at(5, 0), b.at(5, 1)) == (Reading(1.0, 0), None)


def test_late_evaluations_begin_no_pass(file: File) -> None:
    file.append({"step": 0, "e": 0, "time/total": 1}, *(training(step) for step in range(8)))
    file.append({"step": 5, "e": 1, "time/total": 1}, training(8), {"step": 8, "e": 2})
    read = file.read()
    assert (read.passes, read.last_step, read.steps_done, read.total_steps) == (1, 8, 9, 10)
    assert points(read.series("e")) == [[(0, 0.0), (5, 1.0), (8, 2.0)]]
    assert [step for step, _ in points(read.series("r"))[0]] == list(range(9))


def test_evaluations_that_fall_among_themselves_begin_a_pass(file: File) -> None:
    file.append({"step": 0, "e": 0}, *(training(step) for step in range(8)), {"step": 5, "e": 1})
    file.append({"step": 0, "e": 2}, training(0))
    read = file.read()
    assert read.passes == 2
    assert points(read.series("e")) == [[(0, 0.0), (5, 1.0)], [(0, 2.0)]]


def test_a_file_that_falls_for_ever_is_bounded(file: File) -> None:
    file.append(*({"step": step, "a": 1} for _ in range(400) for step in (1, 0)))
    read = file.read()
    assert read.passes == 256
    assert any("the step falls 256 times and more" in text for text in read.problems)


def test_samples_with_a_name_used_twice() -> None:
    read = drain(ColumnsReader(str(SAMPLES / "stealthrl" / "same_name_twice" / "metrics.jsonl")))
    assert (read.passes, read.rows, read.steps_done, read.total_steps) == (2, 24, 12, 12)
    assert [len(part) for part in points(read.series(REWARD))] == [12, 12]


# ---- steps


def test_rows_without_a_step_are_no_steps_where_others_have_one(file: File) -> None:
    file.append({"a": 1}, {"step": 3, "a": 2}, {"a": 7, "summary": 1})
    read = file.read()
    assert points(read.series("a")) == [[(3, 2.0)]]
    assert read.series("summary") is None
    assert (read.latest["a"], read.latest["summary"], read.last_step, read.steps_done) == (7, 1, 3, 4)


def test_without_any_step_the_index_is_the_step(file: File) -> None:
    reader = ColumnsReader(str(file.path))
    file.append({"a": 1}, {"a": 2, "time/total": 3.0})
    before = drain(reader)
    assert points(before.series("a")) == [[(0, 1.0), (1, 2.0)]]
    assert (before.last_step, before.steps_done, before.step_seconds) == (1, 2, 3.0)
    file.append({"step": 9, "a": 3})
    after = drain(reader)
    assert points(after.series("a")) == [[(9, 3.0)]]
    assert (after.last_step, after.steps_done, after.step_seconds) == (9, 10, None)
    assert points(before.series("a")) == [[(0, 1.0), (1, 2.0)]]


@pytest.mark.parametrize("step", [True, "3", 2.5, None, 2**63, math.nan])
def test_odd_steps_are_none(file: File, step: object) -> None:
    file.append({"step": 1, "a": 1}, {"step": step, "a": 2}, {"step": 5.0, "a": 3})
    assert points(file.read().series("a")) == [[(1, 1.0), (5, 3.0)]]


# ---- broken and changing files


def test_lines_that_are_no_rows_are_one_problem_a_kind(file: File) -> None:
    file.append(
        b"{torn\n", {"step": 0, "a": 1}, b"[]\n", b"\n", b"\xff\xfe\n", b"[[1, 2]]\n", b"3\n", {"step": 1, "a": 2}
    )
    read = file.read()
    assert read.problems == (
        "metrics.jsonl line 1 is not JSON",
        "metrics.jsonl line 3 is not a JSON object (and 2 more)",
        "metrics.jsonl line 5 is not UTF-8",
    )
    assert (read.rows, points(read.series("a"))) == (2, [[(0, 1.0), (1, 2.0)]])


def test_a_torn_row_counts_once_it_is_whole(file: File) -> None:
    reader = ColumnsReader(str(file.path))
    file.append({"step": 0, "a": 1}, b'{"step": 1, "a"')
    assert drain(reader).rows == 1
    file.append(b": 2}")
    assert drain(reader).rows == 1
    file.append(b"\n")
    assert points(drain(reader).series("a")) == [[(0, 1.0), (1, 2.0)]]


def test_a_line_too_long_is_told(file: File) -> None:
    file.append(b"x" * (9 << 20), b"\n", {"step": 0, "a": 1})
    read = file.read()
    assert (read.rows, read.problems) == (1, ("metrics.jsonl line 1 is too long to be a row",))


def test_a_resume_that_cuts_the_file_starts_new_series(file: File) -> None:
    reader = ColumnsReader(str(file.path))
    file.append(*(training(step) for step in range(6)))
    before = drain(reader)
    other = File(file.path.with_name("cut"))
    other.append(*(training(step, r=-1.0) for step in range(3)))
    other.path.replace(file.path)
    after = drain(reader)
    assert points(after.series("r")) == [[(0, -1.0), (1, -1.0), (2, -1.0)]]
    assert (after.rows, after.passes, after.steps_done) == (3, 1, 3)
    assert points(before.series("r")) == [[(step, float(step)) for step in range(6)]]
    file.path.unlink()
    assert drain(reader) == Metrics()


def test_too_many_keys_are_bounded(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_KEYS", 10)
    file.append(*({"step": step, f"k{step}": 1} for step in range(30)))
    read = file.read()
    assert len(read.keys) == len(read.columns) == 10
    assert any("different keys" in text for text in read.problems)


# ---- reading in pieces, and only some keys


def test_partial_snapshots(file: File) -> None:
    file.append(*(training(step, 5000) for step in range(5000)))
    reader = ColumnsReader(str(file.path))
    assert reader.refresh(1 << 16)
    first = reader.snapshot()
    assert 0 < first.rows < 5000
    assert 0 < first.unread < 1
    assert first is reader.snapshot()
    last = drain(reader, 1 << 16)
    assert (last.rows, last.unread, last.steps_done, last.total_steps) == (5000, 0.0, 5000, 5000)
    assert points(first.series("r"))[0] == points(last.series("r"))[0][: first.rows]
    assert not reader.refresh()
    assert reader.snapshot() is last


def test_chosen_keys_only(file: File) -> None:
    file.append(*(training(step, b=2) for step in range(3)))
    reader = ColumnsReader(str(file.path), wanted=["b"])
    read = drain(reader)
    assert list(read.columns) == ["b"]
    assert read.keys == ("progress/batch", "progress/done_frac", "r", "b")
    assert (read.latest["r"], read.total_steps) == (2.0, 10)
    reader.want("r")
    assert set(drain(reader).columns) == {"b", "r"}
    reader.want("later")
    file.append({"step": 3, "later": 1})
    assert points(drain(reader).series("later")) == [[(3, 1.0)]]


def test_a_huge_file_keeps_the_watched_keys(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "WHOLE_LIMIT", 2000)
    reader = ColumnsReader(str(file.path))
    file.append(*(training(step) | {REWARD: 0.5, "x": 1} for step in range(2)))
    assert set(drain(reader).columns) == {"progress/batch", "progress/done_frac", "r", REWARD, "x"}
    file.append(*(training(step) | {REWARD: 0.5, "x": 1, "test/nll": 2} for step in range(2, 200)))
    read = drain(reader)
    assert set(read.columns) == {REWARD, "test/nll"}
    assert read.columns[REWARD].length == 200
    assert read.latest["x"] == 1
    reader.want("x")
    assert drain(reader).columns["x"].length == 200


def test_gaps_where_only_some_keys_are_kept(file: File) -> None:
    odd: dict[int, dict[str, Any]] = {3: {"b": None}, 5: {"b": "text"}, 7: {"eval": 1, "b": math.nan}}
    file.append(*(training(step, **{"b": 2, **odd.get(step, {})}) for step in range(10)))
    file.append({"step": 10, "eval": 2}, training(10, b=3), {"step": 11, "eval": 3, "b": 4})
    read = drain(ColumnsReader(str(file.path), wanted=["b", "r", "eval"]))
    assert points(read.series("b")) == [[*((step, 2.0) for step in (0, 1, 2, 4, 6, 8, 9)), (10, 3.0), (11, 4.0)]]
    assert points(read.series("r")) == [[(step, float(step)) for step in range(11)]]
    assert points(read.series("eval")) == [[(7, 1.0), (10, 2.0), (11, 3.0)]]
    assert (read.nonfinite, read.latest["b"]) == ({"b": (1, 7)}, 4)


def test_rows_of_one_length_and_other_keys(file: File) -> None:
    file.append(*(training(step, x=1) for step in range(100)), *(training(step, w=1) for step in range(100, 200)))
    reader = ColumnsReader(str(file.path), wanted=["r", "w"])
    read = drain(reader)
    assert [series.length for series in read.columns.values()] == [200, 100]
    assert read.keys[-2:] == ("x", "w")


# ---- where it is


def test_metrics_path(tmp_path: Path) -> None:
    assert metrics_path(str(tmp_path)) == str(tmp_path / "metrics.jsonl")
    (tmp_path / "metrics.jsonl").mkdir()
    assert metrics_path(str(tmp_path)) == str(tmp_path / "metrics.jsonl" / "metrics.jsonl")


@pytest.mark.parametrize(
    ("sample", "rows", "done", "total"),
    [
        ("stealthrl/stealthrl_tiny_sync", 40, 40, 40),
        ("stealthrl/sigkill_midrun", 13, 13, 40),
        ("stealthrl/ctrl_c_async", 11, 9, 40),
        ("cookbook-0.6.1/rl_tiny_resumed", 32, 30, 30),
        ("cookbook-0.6.1/rl_tiny_crash", 12, 12, 30),
        ("cookbook-0.6.1/sl_tiny", 60, 60, 60),
        ("cookbook-0.6.1/dpo_probe", 40, 40, 40),
        ("cookbook-0.5.5/sl_tiny_055", 40, 40, 40),
    ],
)
def test_samples(sample: str, rows: int, done: int, total: int) -> None:
    read = drain(ColumnsReader(metrics_path(str(SAMPLES / sample))))
    assert (read.rows, read.steps_done, read.total_steps, read.passes) == (rows, done, total, 1)
    assert read.problems == ()
    assert set(read.columns) == set(read.keys) == set(read.latest)
