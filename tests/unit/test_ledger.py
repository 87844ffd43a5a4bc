"""Ledger rows and final infos become checkpoints: one a save, with honest steps, marks and problems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.ledger import LedgerReader
from stealthrl_tui.runs.model import Checkpoint

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
RESUME_STOPS = ": the cookbook's own resume stops on it"


def state(name: str, run: str = "run1") -> str:
    return f"tinker://{run}/weights/{name}"


def sampler(name: str, run: str = "run1") -> str:
    return f"tinker://{run}/sampler_weights/{name}"


def row(name: str, run: str = "run1", **more: Any) -> dict[str, Any]:
    return {"name": name, "state_path": state(name, run), "sampler_path": sampler(name, run), **more}


def rolling(name: str, run: str = "run1", **more: Any) -> dict[str, Any]:
    return {"name": name, "state_path": state(name, run), "rolling": True, **more}


class Directory:
    """A run directory whose ledger files are written piece by piece, and a reader of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "checkpoints").mkdir()
        self.reader = LedgerReader(str(path))

    def append(self, *rows: Mapping[str, Any] | bytes, file: str = "checkpoints.jsonl") -> None:
        with (self.path / file).open("ab") as ledger:
            for item in rows:
                ledger.write(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n")

    def final_info(self, content: object) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / "checkpoints" / "final_checkpoint_info.json").write_text(text)

    def read(
        self,
        kind: Kind = Kind.RL,
        total: int | None = None,
        done: int | None = None,
        saved: Mapping[str, float] | None = None,
        now: float = 1.0,
    ) -> tuple[Checkpoint, ...]:
        self.reader.refresh(now)
        return self.reader.checkpoints(kind, total, done, saved or {})


@pytest.fixture
def run(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def info(run: str = "run1", **more: Any) -> dict[str, Any]:
    checkpoints = {"final_state": state("final", run), "sampler_weights": sampler("final_sampler", run)}
    return {"model_id": run, "base_model": "Qwen/Q", "lora_rank": 8, "checkpoints": checkpoints, **more}


# ---- what a save is


def test_a_row_is_a_checkpoint_with_two_paths(run: Directory) -> None:
    run.append(row("000005", batch=5, epoch=2, elapsed_tokens=7, cumulative_tokens={"sampled": 1}))
    (checkpoint,) = run.read()
    assert checkpoint == Checkpoint(
        name="000005",
        step=5,
        state_uri=state("000005"),
        sampler_uri=sampler("000005"),
        training_run_id="run1",
        epoch=2,
        extra={"elapsed_tokens": 7, "cumulative_tokens": {"sampled": 1}},
    )


def test_both_ledgers_merge_by_uri_in_order(run: Directory) -> None:
    run.append(row("000010"), row("000020"))
    run.append(row("000005"), row("000010"), row("000015"), row("000020"), file="checkpoints/checkpoints.jsonl")
    run.append(row("000025"), file="checkpoints/checkpoints.jsonl")
    assert [checkpoint.name for checkpoint in run.read()] == ["000005", "000010", "000015", "000020", "000025"]


def test_halves_of_one_save_are_one_checkpoint(run: Directory) -> None:
    run.append({"name": "a", "state_path": state("a"), "batch": 3}, {"name": "a", "sampler_path": sampler("a")})
    (checkpoint,) = run.read()
    assert (checkpoint.state_uri, checkpoint.sampler_uri, checkpoint.step) == (state("a"), sampler("a"), 3)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "a", "sampler_path": sampler("a", "run2")},
        {"name": "b", "sampler_path": sampler("a")},
        {"name": "a", "sampler_path": sampler("a"), "batch": 4},
        {"name": "a", "sampler_path": sampler("a"), "rolling": True},
    ],
)
def test_halves_of_two_saves_stay_apart(run: Directory, other: Mapping[str, Any]) -> None:
    run.append({"name": "a", "state_path": state("a"), "batch": 3}, other)
    assert len(run.read()) == 2


def test_names_repeat_across_training_runs() -> None:
    reader = LedgerReader(str(SAMPLES / "stealthrl" / "same_name_twice"))
    reader.refresh(1.0)
    checkpoints = reader.checkpoints(Kind.STEALTHRL, 12, 12, {})
    assert [(checkpoint.name, checkpoint.step, checkpoint.final) for checkpoint in checkpoints] == [
        ("000005", 5, False), ("000010", 10, False), ("000005", 5, False), ("000010", 10, False), ("final", 12, True),
    ]  # fmt: skip
    assert len({checkpoint.key for checkpoint in checkpoints}) == 5
    assert [uri[:8] for uri in reader.training_run_ids] == ["d31ae6fb", "96475d3f"]


def test_one_path_with_two_partners_is_told_and_counted_once(run: Directory) -> None:
    run.append(row("a"), {"name": "b", "state_path": state("a"), "sampler_path": sampler("b")})
    first, second = run.read()
    assert (first.state_uri, first.sampler_uri) == (state("a"), sampler("a"))
    assert first.problems == (f"recorded again together with {sampler('b')}",)
    assert (second.state_uri, second.sampler_uri) == (None, sampler("b"))
    assert second.problems == ("its other path was recorded before, with another save",)


def test_a_row_that_joins_two_halves_leaves_one_checkpoint(run: Directory) -> None:
    run.append({"name": "s", "state_path": state("a")}, {"name": "w", "sampler_path": sampler("a")}, row("a"))
    (checkpoint,) = run.read()
    assert (checkpoint.state_uri, checkpoint.sampler_uri) == (state("a"), sampler("a"))


# ---- the end


def test_final_info_is_a_save_of_its_own(run: Directory) -> None:
    run.append(row("000040", batch=40))
    run.final_info(info())
    periodic, final = run.read(Kind.STEALTHRL, 40, 40)
    assert (periodic.final, periodic.step) == (False, 40)
    assert (final.name, final.final, final.step) == ("final", True, 40)
    assert (final.state_uri, final.sampler_uri) == (state("final"), sampler("final_sampler"))
    assert run.reader.final_info == {"model_id": "run1", "base_model": "Qwen/Q", "lora_rank": 8}
    assert (run.reader.has_final_info, run.reader.has_final_row) == (True, False)


def test_final_info_merges_with_its_own_row(run: Directory) -> None:
    run.append({"name": "final", "batch": 30, "state_path": state("final"), "sampler_path": sampler("final_sampler")})
    run.final_info(info())
    (final,) = run.read(Kind.STEALTHRL, 99, 98)
    assert (final.final, final.step) == (True, 30)
    assert run.reader.has_final_info
    assert run.reader.has_final_row


def test_only_the_newest_training_run_is_final(run: Directory) -> None:
    run.append(row("final", batch=10), row("000012", "run2", batch=12))
    checkpoints = run.read()
    assert [checkpoint.final for checkpoint in checkpoints] == [False, False]
    assert not run.reader.has_final_row
    run.append(row("final", "run2", batch=20))
    checkpoints = run.read()
    assert [(checkpoint.name, checkpoint.step, checkpoint.final) for checkpoint in checkpoints] == [
        ("final", 10, False), ("000012", 12, False), ("final", 20, True),
    ]  # fmt: skip


def test_old_final_info_goes_with_its_own_training_run(run: Directory) -> None:
    run.append(row("000005", batch=5), row("000005", "run2", batch=5))
    run.final_info(info("run1"))
    checkpoints = run.read(Kind.STEALTHRL, 10, 6)
    assert [(checkpoint.name, checkpoint.training_run_id) for checkpoint in checkpoints] == [
        ("000005", "run1"), ("final", "run1"), ("000005", "run2"),
    ]  # fmt: skip
    assert (checkpoints[1].final, checkpoints[1].step) == (False, None)
    assert not run.reader.has_final_info


def test_final_flag_in_a_row(run: Directory) -> None:
    run.append(row("000040", batch=40, final=True))
    (checkpoint,) = run.read()
    assert (checkpoint.final, checkpoint.step) == (True, 40)


# ---- steps


@pytest.mark.parametrize(
    ("kind", "record", "total", "done", "step"),
    [
        (Kind.RL, {"name": "000005", "batch": 5}, None, None, 5),
        (Kind.RL, {"name": "000005"}, None, None, 5),
        (Kind.RL, {"name": "final", "batch": 30}, 99, 99, 30),
        (Kind.RL, {"name": "final", "batch": 0}, 40, 39, 39),
        (Kind.RL, {"name": "final", "batch": 0}, None, None, None),
        (Kind.RL, {"name": "final"}, 30, 29, 29),
        (Kind.STEALTHRL, {"name": "000000", "batch": 0}, None, None, 0),
        (Kind.DPO, {"name": "000070", "batch": 20, "epoch": 1}, None, None, 70),
        (Kind.DPO, {"name": "x", "batch": 20}, None, None, 20),
        (Kind.DPO, {"name": "final", "batch": 0, "epoch": 1}, 40, 39, 40),
        (Kind.SL, {"name": "000010", "batch": 10}, None, None, 11),
        (Kind.SL, {"name": "x", "batch": 10}, None, None, 11),
        (Kind.SL, {"name": "final", "batch": 0, "epoch": 1}, None, 60, 60),
        (Kind.SL, {"name": "final", "batch": 0, "epoch": 1}, None, None, None),
        (Kind.UNKNOWN, {"name": "x", "step": 7}, None, None, 7),
        (Kind.UNKNOWN, {"name": "x", "batch": True}, None, None, None),
        (Kind.UNKNOWN, {"name": "x", "batch": -1}, None, None, None),
        (Kind.RL, {"name": "x", "batch": 5.0}, None, None, 5),
        (Kind.RL, {"name": "²", "batch": "5"}, None, None, None),
        (Kind.SL, {"name": "9" * 40}, None, None, None),
    ],
)
def test_steps(
    run: Directory, kind: Kind, record: dict[str, Any], total: int | None, done: int | None, step: int | None
) -> None:
    run.append({**record, "state_path": state("x")})
    assert [checkpoint.step for checkpoint in run.read(kind, total, done)] == [step]


# ---- rolling


def test_rolling_rows_are_superseded_by_the_next(run: Directory) -> None:
    run.append(rolling("1"), row("2"), rolling("3"))
    assert [(c.rolling, c.superseded) for c in run.read()] == [(True, True), (False, False), (True, False)]


def test_rolling_rows_end_with_the_training(run: Directory) -> None:
    run.append(rolling("1"), row("final"), rolling("2"))
    assert [c.superseded for c in run.read()] == [True, False, True]


def test_rolling_rows_of_the_sample_that_outlived_none() -> None:
    reader = LedgerReader(str(SAMPLES / "cookbook-0.6.1" / "sl_tiny"))
    reader.refresh(1.0)
    checkpoints = reader.checkpoints(Kind.SL, 60, 60, {})
    assert sum(checkpoint.superseded for checkpoint in checkpoints) == 18
    assert [checkpoint.step for checkpoint in checkpoints if not checkpoint.rolling] == [11, 21, 31, 41, 51, 60]


@pytest.mark.parametrize(
    ("value", "log", "expected"),
    [
        ("2026-01-02T03:04:05+00:00", None, (1767323045.0, "ledger")),
        ("2026-01-02T03:04:05+00:00", 7.0, (7.0, "log")),
        ("yesterday", None, (None, "")),
        (12, None, (None, "")),
        ("9" * 400, None, (None, "")),
    ],
)
def test_a_row_that_tells_its_time_is_believed_after_the_log(
    run: Directory, value: object, log: float | None, expected: tuple[float | None, str]
) -> None:
    run.append(row("000005", batch=5, saved_at=value))
    (checkpoint,) = run.read(saved={} if log is None else {state("000005"): log})
    assert (checkpoint.saved_at, checkpoint.saved_by) == expected
