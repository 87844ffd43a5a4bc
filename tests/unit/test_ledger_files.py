"""Ledgers as files: growing, torn, blank, full of garbage, refused by the system; and the times of what arrives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint
from tests.unit.test_ledger import RESUME_STOPS, Directory, info, row, sampler, state


@pytest.fixture
def run(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


# ---- odd rows


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"state_path": "/tmp/x"}, "state_path is not a tinker:// URI: /tmp/x"),
        ({"sampler_path": "tinker://r/weights/n"}, "sampler_path holds weights/, not sampler_weights/: tinker://r/w"),
        ({"state_path": sampler("n")}, "state_path holds sampler_weights/, not weights/: "),
        ({"state_path": "tinker://r/n"}, "state_path names no kind of weights, so nothing says that it is a state"),
        ({"state_path": "tinker://r/lora/n"}, "state_path is of a kind that is none of weights, "),
        ({"state_path": 5}, "state_path is not text: 5"),
        ({}, "has no path: nothing can be loaded from it"),
        ({"state_path": state("n"), "sampler_path": sampler("n", "run2")}, "of different training runs"),
        ({"state_path": "a\x1b[31m"}, "state_path is not a tinker:// URI: a\N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_foreign_rows_are_kept_and_told(run: Directory, record: dict[str, Any], problem: str) -> None:
    run.append({"name": "n", **record})
    (checkpoint,) = run.read()
    assert any(problem in text for text in checkpoint.problems)
    if isinstance(record.get("state_path"), str):
        assert checkpoint.state_uri == record["state_path"]


def test_two_part_sampler_is_no_problem(run: Directory) -> None:
    run.append({"name": "n", "sampler_path": "tinker://model_1/000005"})
    (checkpoint,) = run.read()
    assert (checkpoint.problems, checkpoint.training_run_id) == ((), "model_1")


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"state_path": state("000007")}, "000007"),
        ({"name": "", "sampler_path": sampler("w")}, "w"),
        ({"name": 12, "state_path": "/tmp/dir/"}, "dir"),
        ({"name": None}, "line 1"),
    ],
)
def test_names_of_rows_without_one(run: Directory, record: dict[str, Any], name: str) -> None:
    run.append(record)
    assert [checkpoint.name for checkpoint in run.read()] == [name]


def test_odd_values_are_kept_in_extra(run: Directory) -> None:
    run.append({"name": 12, "state_path": ["x"], "loop_state": {"a": [1]}, "epoch": "two"})
    (checkpoint,) = run.read()
    assert checkpoint.extra == {"name": 12, "state_path": ["x"], "loop_state": {"a": [1]}}
    assert checkpoint.epoch is None


# ---- lines


def test_torn_line_is_told_then_completed(run: Directory) -> None:
    line = json.dumps(row("000010", batch=10)).encode()
    run.append(row("000005", batch=5), line[:30])
    assert len(run.read()) == 1
    assert run.reader.problems == ("checkpoints.jsonl line 2 is torn (no newline yet or cut off)",)
    run.append(line[30:] + b"\n")
    assert [checkpoint.step for checkpoint in run.read()] == [5, 10]
    assert not run.reader.problems


def test_last_row_without_newline_counts_once(run: Directory) -> None:
    run.append(json.dumps(row("000005", batch=5)).encode())
    assert [checkpoint.step for checkpoint in run.read()] == [5]
    assert not run.reader.problems
    run.append(b"\n", row("000010", batch=10))
    assert [checkpoint.step for checkpoint in run.read()] == [5, 10]


def test_lines_that_are_no_rows(run: Directory) -> None:
    run.append(b"\n", b"{no json}\n", b"[1]\n", b"[" * 100_000 + b"\n", b"{'name': 1}\n")
    run.append(b'{"name": "caf\xe9", "state_path": "tinker://r/weights/n"}\n', row("z", loss=float("nan")))
    assert [checkpoint.name for checkpoint in run.read()] == ["caf\N{REPLACEMENT CHARACTER}", "z"]
    assert run.reader.problems == (
        "checkpoints.jsonl line 1 is blank" + RESUME_STOPS,
        "checkpoints.jsonl line 2 is not JSON (and 1 more)" + RESUME_STOPS,
        "checkpoints.jsonl line 3 is not a JSON object" + RESUME_STOPS,
        "checkpoints.jsonl line 4 is nested too deeply" + RESUME_STOPS,
        "checkpoints.jsonl line 6 is not UTF-8" + RESUME_STOPS,
    )


def test_garbage_is_a_few_problems_not_thousands(run: Directory) -> None:
    run.append(bytes(range(256)) * 4000)
    assert run.read() == ()
    assert 1 <= len(run.reader.problems) <= 4


def test_huge_numbers_and_repeated_keys(run: Directory) -> None:
    run.append(b'{"name": "a", "name": "b", "batch": 1' + b"0" * 5000 + b', "state_path": "tinker://r/weights/b"}\n')
    run.append(b'{"name": "a", "name": "b", "batch": 1' + b"0" * 300 + b', "state_path": "tinker://r/weights/b"}\n')
    assert [(checkpoint.name, checkpoint.step) for checkpoint in run.read()] == [("b", None)]
    assert len(run.reader.problems) == 1


def test_line_too_long(run: Directory) -> None:
    run.append(b"x" * (9 << 20) + b"\n", row("a", batch=1))
    assert [checkpoint.name for checkpoint in run.read()] == ["a"]
    assert run.reader.problems == ("checkpoints.jsonl line 1 is too long to be a row" + RESUME_STOPS,)


# ---- the final info


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "names no weights"),
        ({"checkpoints": {"final_state": None}}, "names no weights"),
        ({"checkpoints": "tinker://r/weights/final"}, "names no weights"),
        (" " * (2 << 20), "is too large to be one"),
    ],
)
def test_broken_final_info(run: Directory, content: object, problem: str) -> None:
    run.final_info(content)
    assert run.read() == ()
    assert run.reader.problems == (f"checkpoints/final_checkpoint_info.json {problem}",)
    assert not run.reader.has_final_info
    run.final_info(info())
    assert len(run.read()) == 1
    assert not run.reader.problems


def test_half_a_final_info(run: Directory) -> None:
    run.final_info({"checkpoints": {"sampler_weights": "tinker://m/final_sampler"}, "lora_rank": "8", "base_model": 3})
    (final,) = run.read(Kind.STEALTHRL, 40, 39)
    assert (final.state_uri, final.sampler_uri, final.step) == (None, "tinker://m/final_sampler", 39)
    assert run.reader.final_info == {}


def test_files_that_are_folders(run: Directory) -> None:
    (run.path / "checkpoints.jsonl").mkdir()
    (run.path / "checkpoints" / "final_checkpoint_info.json").mkdir()
    assert run.read() == ()
    assert run.reader.problems == (
        "checkpoints.jsonl is not a regular file",
        "checkpoints/final_checkpoint_info.json is not a regular file",
    )


# ---- growth and times


def test_refresh_says_whether_anything_changed(run: Directory) -> None:
    assert run.reader.refresh(1.0)
    assert not run.reader.refresh(2.0)
    run.append(row("a"))
    assert run.reader.refresh(3.0)
    assert not run.reader.refresh(4.0)
    run.final_info(info())
    assert run.reader.refresh(5.0)
    (run.path / "checkpoints" / "final_checkpoint_info.json").unlink()
    assert run.reader.refresh(6.0)
    assert not run.reader.refresh(7.0)
    assert run.reader.mtime == (run.path / "checkpoints.jsonl").stat().st_mtime


def times(checkpoints: tuple[Checkpoint, ...]) -> list[tuple[float | None, str]]:
    return [(checkpoint.saved_at, checkpoint.saved_by) for checkpoint in checkpoints]


def test_times_come_from_the_log_or_from_being_seen(run: Directory) -> None:
    run.append(row("a"), row("b"))
    assert times(run.read(saved={sampler("b"): 7.0, state("b"): 6.0}, now=10.0)) == [(None, ""), (7.0, "log")]
    run.append(row("c"))
    run.final_info(info())
    assert times(run.read(now=20.0)) == [(None, ""), (None, ""), (20.0, "seen"), (20.0, "seen")]
    assert times(run.read(saved={state("c"): 19.0}, now=30.0))[2] == (19.0, "log")


def test_a_rewritten_ledger_keeps_the_times_of_what_was_known(run: Directory) -> None:
    run.append(row("a"))
    run.read(now=10.0)
    run.append(row("b"))
    run.read(now=20.0)
    other = Path(run.path / "new")
    other.write_text("".join(json.dumps(row(name)) + "\n" for name in "abc"))
    other.replace(run.path / "checkpoints.jsonl")
    assert times(run.read(now=30.0)) == [(None, ""), (20.0, "seen"), (30.0, "seen")]


def test_a_removed_ledger_leaves_nothing(run: Directory) -> None:
    run.append(row("a"))
    assert len(run.read()) == 1
    (run.path / "checkpoints.jsonl").unlink()
    assert run.read() == ()
    assert run.reader.mtime is None


def test_the_same_question_has_the_same_answer(run: Directory) -> None:
    run.append(row("a"))
    assert run.read() is run.read(now=9.0)


def test_a_state_recorded_with_ever_new_partners_says_so_a_few_times(run: Directory) -> None:
    run.append(*(row("x", batch=place) | {"sampler_path": sampler(str(place))} for place in range(500)))
    first, *others = run.read()
    assert len(others) == 499
    assert len(first.problems) == 12
