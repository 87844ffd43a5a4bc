"""Metrics files at a glance: bounded reading, honest figures, the same answers as the whole file where it can."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.metrics import ColumnsReader, metrics_path, summarize
from stealthrl_tui.runs.model import Metrics
from stealthrl_tui.runs.progress import Progress

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
REWARD = "env/all/reward/total"
EVERY_SAMPLE = sorted(str(path.parent.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*/metrics.jsonl"))


def write(path: Path, *rows: Mapping[str, Any] | bytes) -> str:
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    return str(path)


def training(step: int, total: int, **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "progress/batch": step,
        "progress/done_frac": (step + 1) / total,
        REWARD: step / total,
        **more,
    }


@pytest.mark.parametrize("sample", EVERY_SAMPLE)
def test_samples_agree_with_the_whole_file(sample: str) -> None:
    path = metrics_path(str(SAMPLES / sample))
    summary = summarize(path)
    reader = ColumnsReader(path)
    assert not reader.refresh()
    whole = reader.snapshot()
    for name in ("keys", "latest", "last_step", "steps_done", "total_steps", "step_seconds", "nonfinite", "problems"):
        assert getattr(summary, name) == getattr(whole, name), name
    assert (summary.passes, summary.rows) == (1, 0 if summary.unread else whole.rows)
    for key, series in summary.columns.items():
        full = whole.columns[key]
        start = full.passes[-1]
        last = dict(zip(full.steps[start:], full.values[start:], strict=True))
        assert all(last[series.steps[i]] == series.values[i] for i in range(series.length))
        assert series.steps[-1] == full.steps[-1]


def test_a_large_file_is_sampled_evenly(tmp_path: Path) -> None:
    count = 4000
    path = write(
        tmp_path / "m", *(training(step, count, **{"time/total": 2.0, "pad": "x" * 300}) for step in range(count))
    )
    summary = summarize(path)
    assert (summary.rows, summary.last_step, summary.steps_done) == (0, count - 1, count)
    assert (summary.total_steps, summary.step_seconds) == (count, 2.0)
    assert summary.unread > 0.9
    series = summary.columns[REWARD]
    steps = list(series.steps)
    assert 20 <= series.length <= 30
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert max(later - earlier for earlier, later in pairwise(steps)) < count / 10
    assert all(value == step / count for step, value in zip(steps, series.values, strict=True))


def test_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m", *(training(step, 20_000, pad="x" * 300) for step in range(20_000)))
    read = 0
    pread = os.pread

    def counting(descriptor: int, length: int, offset: int) -> bytes:
        nonlocal read
        data = pread(descriptor, length, offset)
        read += len(data)
        return data

    monkeypatch.setattr(os, "pread", counting)
    summarize(path)
    assert 0 < read < 512 << 10


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "m", training(0, 5))
    first = summarize(path)
    assert summarize(path, first) is first
    assert summarize(path, Metrics()) == first
    write(tmp_path / "m", training(0, 5), training(1, 5))
    assert summarize(path, first).steps_done == 2


def test_lines_longer_than_the_probes(tmp_path: Path) -> None:
    path = write(tmp_path / "m", *(training(step, 9, pad="x" * 200_000) for step in range(9)))
    summary = summarize(path)
    assert (summary.steps_done, summary.total_steps) == (9, 9)
    giant = write(tmp_path / "g", training(0, 9), training(1, 9, pad="x" * (3 << 20)))
    assert summarize(giant).steps_done is None


def test_missing_empty_and_refused(tmp_path: Path) -> None:
    assert summarize(str(tmp_path / "none")).problems == ()
    assert summarize(write(tmp_path / "m", b"")).keys == ()
    assert summarize(str(tmp_path)).problems == (f"{tmp_path.name} is not a regular file",)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert summarize(str(tmp_path / "loop")).problems[0].startswith("loop cannot be read: ")


def test_garbage_and_torn_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "m", b"\x00\xff\n", training(0, 5, kl=math.nan), b"\n", b"[1]\n", b'{"step": 1')
    summary = summarize(path)
    assert summary.problems == ("m line 1 is not UTF-8", "m line 4 is not a JSON object")
    assert (summary.rows, summary.steps_done, summary.nonfinite) == (1, 1, {"kl": (1, 0)})


def test_only_the_last_pass_is_drawn(tmp_path: Path) -> None:
    rows = [training(step, 12) for step in range(12)] + [training(step, 12) for step in range(5)]
    series = summarize(write(tmp_path / "m", *rows)).columns[REWARD]
    assert list(series.steps) == [0, 1, 2, 3, 4]


def test_late_evaluations_and_summaries(tmp_path: Path) -> None:
    late = {"step": 2, "test/nll": 1.0}
    path = write(tmp_path / "m", *(training(step, 9) for step in range(6)), late, {"summary": 4})
    summary = summarize(path)
    assert list(summary.columns[REWARD].steps) == [0, 1, 2, 3, 4, 5]
    assert (summary.last_step, summary.latest["summary"]) == (5, 4)


def test_a_main_metric_that_nobody_knows(tmp_path: Path) -> None:
    path = write(tmp_path / "m", *({"step": step, "lr": 1, "my_accuracy": 0.5, "x/accuracy": 0.1} for step in range(3)))
    assert list(summarize(path).columns) == ["my_accuracy"]


def test_rows_without_any_step(tmp_path: Path) -> None:
    summary = summarize(write(tmp_path / "m", {"reward": 1}, {"reward": 2}))
    assert (list(summary.columns["reward"].steps), summary.steps_done) == ([0, 1], 2)


# ---- progress


def told(*rows: Mapping[str, Any]) -> Progress:
    progress = Progress()
    for row in rows:
        progress.add(row["step"], row)
    return progress


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        ([{"step": 3, "progress/batch": 3, "progress/done_frac": 0.1}], 40),
        ([{"step": 8, "progress/done_frac": 0.225}], 40),
        ([{"step": 2, "progress/batch": 2, "progress/done_frac": 0.0}], None),
        ([{"step": 0, "progress": 0.0}], None),
        ([{"step": 0, "progress": 0.0}, {"step": 1, "progress": 1 / 40}], 40),
        ([{"step": 0, "progress": 1 / 60}], 60),
        ([{"step": 38, "progress": 38 / 40}, {"step": 39, "progress": 39 / 40}], 40),
        ([{"step": 39, "progress": 39 / 40}], 40),
        ([{"step": 29, "progress": 30 / 40}, {"step": 30, "progress": 31 / 60}], 60),
        ([{"step": 19, "progress": 20 / 40}, {"step": 20, "progress": 21 / 30}], 30),
        ([{"step": 1, "progress": math.nan}, {"step": 2, "progress": "x"}, {"step": 3, "progress": -1}], None),
        ([{"step": 1, "progress": 1e-320}], None),
        ([{"step": 1, "progress/batch": math.inf, "progress/done_frac": 1e-320}], None),
    ],
)
def test_totals(rows: list[Mapping[str, Any]], total: int | None) -> None:
    assert told(*rows).total_steps == total


def test_rows_beside_the_training_are_no_steps() -> None:
    progress = told(
        {"step": 9, "time/total": 99}, {"step": 4, "progress": 0.5, "time/total": 2}, {"step": 10, "time/total": 99}
    )
    assert (progress.steps_done, progress.last_step, progress.step_seconds) == (5, 10, 2)


def test_seconds_a_step() -> None:
    assert told({"step": 0, "time/total": 9, "time/step": 1}, {"step": 1, "time/total": math.nan}).step_seconds == 9
    assert told(*({"step": i, "time/total": i} for i in range(100))).step_seconds == 89.5
    assert told({"step": 0, "time/step": 0.0}, {"step": 1, "time/step": 3.0}).step_seconds == 1.5
    pipelined = {"time/step": 0.0, "time/submit_batch": 0.5, "time/finish_batch": 1.5}
    assert told({"step": 0, **pipelined}, {"step": 1, **pipelined, "time/finish_batch": 3.5}).step_seconds == 3.0
    assert told({"step": 0, "time/total": -1}, {"step": 1, "batch_time": True}).step_seconds is None
