"""What counts as a checkpoint's own measurement, read from files (README, "show --json")."""

import json
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.choose import best_checkpoint
from stealthrl_tui.runs.discovery import Found
from stealthrl_tui.runs.model import Depth, Run
from stealthrl_tui.runs.report import run_json
from stealthrl_tui.runs.run import RunReader
from tests.unit.built_runs import NOW

REWARD = "env/all/reward/total"
NAN = float("nan")


def _row(step: int, total: int = 20, **more: Any) -> dict[str, Any]:
    progress = {"step": step, "progress/batch": step, "progress/done_frac": (step + 1) / total}
    return {**progress, REWARD: step / 100, **more}


def _read(folder: Path, rows: list[dict[str, Any]], steps: list[int]) -> Run:
    saves = [
        {"name": f"{step:06d}", "batch": step, "sampler_path": f"tinker://r/sampler_weights/{step}"} for step in steps
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(save) + "\n" for save in saves))
    return RunReader(Found(str(folder), "run", str(folder.parent), None)).read(Depth.FULL, NOW)


def _own(found: Run) -> list[float | str | None]:
    saves = run_json(found, checkpoints=True)["checkpoints"]
    return [save["metrics"].get(REWARD, "left out") for save in saves]


def _best(found: Run) -> str | None:
    best = best_checkpoint(found)
    return best.name if best is not None else None


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
def test_nan_at_a_checkpoints_step_is_null_and_never_the_best(tmp_path: Path, value: float) -> None:
    rows = [_row(step, **({REWARD: value} if step == 15 else {})) for step in range(16)]
    found = _read(tmp_path, rows, [5, 15])
    assert _own(found) == [0.05, None]
    assert _best(found) == "000005"


def test_nan_where_no_other_metric_tells_of_the_row(tmp_path: Path) -> None:
    rows = [{"step": step, REWARD: NAN if step == 5 else step / 100} for step in range(8)]
    assert _own(_read(tmp_path, rows, [4, 5])) == [0.04, None]


@pytest.mark.parametrize("missing", [{"step": 5}, {"step": 5, REWARD: None}, {"step": 5, REWARD: "high"}])
def test_a_row_without_the_metric_is_not_filled_from_the_row_before(tmp_path: Path, missing: dict[str, Any]) -> None:
    rows = [{"step": step, REWARD: step / 100} for step in range(5)] + [missing]
    found = _read(tmp_path, rows, [5])
    assert _own(found) == ["left out"]


def test_an_evaluation_one_step_before_the_save_tells_which_is_best(tmp_path: Path) -> None:
    # A supervised save of batch 10 has 11 steps done; the evaluation is in row 10.
    rows = [{"step": step, "train_mean_nll": 3.0} for step in range(32)]
    for step, value in ((10, 2.5), (20, 2.1), (30, 2.3)):
        rows[step]["test/nll"] = value
    found = _read(tmp_path, rows, [10, 20, 30])
    best = best_checkpoint(found, "test/nll")
    assert [save.step for save in found.checkpoints] == [11, 21, 31]
    assert best is not None
    assert best.name == "000020"
    assert all("test/nll" not in save["metrics"] for save in run_json(found, checkpoints=True)["checkpoints"])


def test_a_metric_that_was_nan_is_not_taken_from_the_step_before(tmp_path: Path) -> None:
    rows = [{"step": step, REWARD: NAN if step == 5 else step / 100} for step in range(6)]
    assert _best(_read(tmp_path, rows, [5])) is None


def test_the_final_save_has_the_row_of_the_last_step(tmp_path: Path) -> None:
    found = _read(tmp_path, [_row(step) for step in range(20)], [10, 20])
    assert _own(found) == [0.1, 0.19]
    assert _best(found) == "000020"


def test_nan_in_the_last_row_is_the_final_saves_too(tmp_path: Path) -> None:
    rows = [_row(step, **({REWARD: NAN} if step == 19 else {})) for step in range(20)]
    assert _own(_read(tmp_path, rows, [20])) == [None]


def test_an_older_row_is_nobodys_own(tmp_path: Path) -> None:
    assert _own(_read(tmp_path, [_row(step) for step in range(10)], [12])) == ["left out"]


def test_each_training_pass_has_its_own_rows(tmp_path: Path) -> None:
    # The name was used again: row 5 of the second pass has no reward, that of the first is not its own.
    first = [_row(step) for step in range(8)]
    second = [_row(step, **({REWARD: None} if step == 5 else {})) for step in range(7)]
    found = _read(tmp_path, [*first, *second], [5])
    assert found.metrics.passes == 2
    assert _own(found) == ["left out"]


def test_rows_that_arrive_later_are_taken_in(tmp_path: Path) -> None:
    found = Found(str(tmp_path), "run", str(tmp_path.parent), None)
    (tmp_path / "checkpoints.jsonl").write_text(
        '{"name": "000005", "batch": 5, "state_path": "tinker://r/weights/5"}\n'
    )
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(_row(step)) + "\n" for step in range(5)))
    reader = RunReader(found)
    before = reader.read(Depth.FULL, NOW)
    assert _own(before) == [0.04]
    with metrics.open("a") as file:
        file.write(json.dumps(_row(5, **{REWARD: NAN})) + "\n")
    assert _own(reader.read(Depth.FULL, NOW)) == [None]
    assert _own(before) == [0.04]
