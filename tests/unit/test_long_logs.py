"""Logs too long for a first look: what a run says once, at its beginning, is known all the same."""

import json
from pathlib import Path

from stealthrl_tui.runs.log import FIRST_LOOK, LogFacts, LogReader

TIME = "2026-11-23 17:00:00,500"
MAIN = f"{TIME} - __main__ - INFO - "
FILLER = f"{TIME} - tinker_cookbook.utils.misc_utils - INFO - Starting train\n" * 4000


def _start(model: str, rank: int, steps: int) -> str:
    said = (
        "Starting run: r",
        f"Model: {model}",
        f"LoRA rank: {rank}",
        f"Starting training: {steps} iterations across 2 epoch(s)",
    )
    return "".join(f"{MAIN}{line}\n" for line in said)


def _look(path: Path, whole: bool) -> LogFacts:
    reader = LogReader(str(path))
    reader.refresh(whole)
    return reader.facts


def test_the_beginning_tells_the_model_the_rank_and_the_steps(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text(_start("Qwen/Qwen3-4B", 16, 400) + FILLER)
    assert len(FILLER) > 2 * FIRST_LOOK
    facts = _look(path, whole=False)
    assert (facts.model, facts.lora_rank, facts.total_steps) == ("Qwen/Qwen3-4B", 16, 400)
    # How the newest start went is not to be had from there.
    assert (facts.starts, facts.complete, facts.failed) == (0, False, None)


def test_an_ending_at_the_beginning_is_not_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text(_start("a/b", 8, 10) + f"{MAIN}Training complete!\n" + FILLER)
    assert not _look(path, whole=False).complete


def test_a_newer_start_goes_before_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text(_start("old/model", 8, 10) + FILLER + _start("new/model", 32, 50))
    facts = _look(path, whole=False)
    assert (facts.model, facts.lora_rank, facts.total_steps) == ("new/model", 32, 50)
    assert (facts.model, facts.total_steps) == (_look(path, whole=True).model, _look(path, whole=True).total_steps)


def test_a_cookbook_log_keeps_its_command(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    command = "train.py model_name=x log_path=/tmp/y"
    line = f"tinker_cookbook.utils.misc_utils:12 [INFO] {json.dumps('x' * 60)}\n"
    path.write_text(f"root:1 [INFO] Command line invocation: {command}\n" + line * 3000)
    assert path.stat().st_size > 2 * FIRST_LOOK
    assert _look(path, whole=False).command == command


def test_it_stays_known_while_the_log_grows(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text(_start("a/b", 8, 10) + FILLER)
    reader = LogReader(str(path))
    reader.refresh(False)
    with path.open("a") as file:
        file.write(f"{MAIN}Training failed: boom\n")
    reader.refresh(False)
    assert (reader.facts.model, reader.facts.failed) == ("a/b", "boom")
