"""The latest value of a key that few rows have, as evaluations do, in a file too large to be read whole at a glance."""

import json
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.metrics import ColumnsReader, summarize
from stealthrl_tui.runs.model import Metrics

TEST = "test/env/all/reward/total"


def _whole(path: str) -> Metrics:
    reader = ColumnsReader(path)
    while reader.refresh():
        pass
    return reader.snapshot()


def _write(path: Path, count: int, sparse: dict[int, dict[str, Any]], pad: int = 1500) -> str:
    rows = [
        {"step": step, "progress/batch": step, "r": step, "pad": "x" * pad, **sparse.get(step, {})}
        for step in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("count", [90, 150, 400, 650])
@pytest.mark.parametrize("every", [50, 100, 299])
def test_an_evaluation_far_from_the_end_is_the_latest_all_the_same(tmp_path: Path, count: int, every: int) -> None:
    path = _write(tmp_path / "metrics.jsonl", count, {step: {TEST: step / 2} for step in range(0, count, every)})
    assert summarize(path).latest == _whole(path).latest


def test_each_key_has_its_own_newest_row(tmp_path: Path) -> None:
    rows = {0: {"a": 1, "b": 1, 'é\n"': 1}, 100: {"a": 2, "b": None}, 150: {"a": True, 'é\n"': 5, "c": '"b": 9'}}
    path = _write(tmp_path / "metrics.jsonl", 400, rows)
    assert summarize(path).latest == _whole(path).latest == {"progress/batch": 399, "r": 399, "a": 2, "b": 1, 'é\n"': 5}


def test_reading_back_is_bounded(tmp_path: Path) -> None:
    path = _write(tmp_path / "metrics.jsonl", 2000, {0: {TEST: 0.5}})
    found = summarize(path)
    assert TEST in found.keys
    assert TEST not in found.latest


def test_while_the_file_grows_the_value_stays_and_a_newer_one_takes_its_place(tmp_path: Path) -> None:
    path = _write(tmp_path / "metrics.jsonl", 600, {0: {TEST: 0.1}, 500: {TEST: 0.5}})
    found = summarize(path)
    for step in range(600, 700):
        with open(path, "a") as file:
            file.write(
                json.dumps({"step": step, "r": step, "pad": "x" * 1500, **({TEST: 0.7} if step == 650 else {})}) + "\n"
            )
        found = summarize(path, found)
        assert found.latest[TEST] == (0.5 if step < 650 else 0.7)


def test_a_file_put_in_its_place_has_values_of_its_own(tmp_path: Path) -> None:
    path = _write(tmp_path / "metrics.jsonl", 400, {0: {TEST: 0.2}, 300: {TEST: 0.5}})
    found = summarize(path)
    _write(tmp_path / "new", 410, {0: {TEST: 0.2}, 200: {TEST: 0.1}})
    (tmp_path / "new").replace(path)
    assert summarize(path, found).latest[TEST] == 0.1


def test_an_evaluation_that_was_seen_to_arrive_stays_known(tmp_path: Path) -> None:
    # No row that is looked at later holds it: neither a sample nor one of the last.
    path = _write(tmp_path / "metrics.jsonl", 600, {599: {TEST: 0.5}})
    found = summarize(path)
    for step in range(600, 660):
        with open(path, "a") as file:
            file.write(json.dumps({"step": step, "r": step, "pad": "x" * 1500}) + "\n")
        found = summarize(path, found)
    assert (TEST in found.keys, found.latest[TEST]) == (True, 0.5)
