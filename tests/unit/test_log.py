"""Milestones and times of logs: the real samples, logs that grow, and logs that lie."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stealthrl_tui.runs.log import FIRST_LOOK, LogFacts, LogReader

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
STEALTHRL = SAMPLES / "stealthrl"
MAIN = "2026-11-23 17:00:00,500 - __main__ - INFO - "
FILLER = "2026-11-23 17:00:01,000 - tinker_cookbook.utils.misc_utils - INFO - Starting train\n"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Naive times are local times, so the tests say where they are."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def read(path: Path, whole: bool = True) -> LogFacts:
    reader = LogReader(str(path))
    reader.refresh(whole)
    return reader.facts


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def written(tmp_path: Path, text: str | bytes, name: str = "training.log") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_completed_run() -> None:
    facts = read(STEALTHRL / "stealthrl_tiny_sync" / "training.log")
    assert (facts.kind, facts.starts, facts.complete) == ("training", 1, True)
    assert facts.failure is None
    assert not facts.interrupted
    assert (facts.total_steps, facts.model, facts.lora_rank) == (40, "/home/user/train/model/tiny-qwen3", 8)
    assert facts.started_at == facts.first_time == at("2026-11-23 16:52:48.762")
    assert facts.last_time == at("2026-11-23 16:57:14.534")
    assert facts.saved["tinker://model_8bd1721f/weights/000005"] == at("2026-11-23 16:54:02.974")
    assert facts.saved["tinker://model_8bd1721f/000005"] == at("2026-11-23 16:54:02.974")
    assert facts.saved["tinker://model_8bd1721f/weights/final"] == at("2026-11-23 16:57:14.129")
    assert facts.saved["tinker://model_8bd1721f/final_sampler"] == at("2026-11-23 16:57:14.531")
    assert len(facts.saved) == 18


def test_an_exception() -> None:
    facts = read(STEALTHRL / "exception_midrun" / "training.log")
    assert not facts.complete
    assert facts.failed is not None
    assert facts.failed.startswith("CUDA out of memory. Tried to allocate 512.00 MiB")
    assert facts.traceback == f"RuntimeError: {facts.failed}"
    assert facts.failure == f"Training failed: {facts.failed}"


def test_ctrl_c_stands_on_the_line_after_its_record() -> None:
    facts = read(STEALTHRL / "ctrl_c_async" / "training.log")
    assert facts.interrupted
    assert (facts.complete, facts.failure) == (False, None)


def test_a_kill_leaves_no_word() -> None:
    facts = read(STEALTHRL / "sigkill_midrun" / "training.log")
    assert (facts.complete, facts.interrupted, facts.failure) == (False, False, None)
    assert facts.last_time == at("2026-11-23 16:59:57.094")


def test_a_name_used_twice() -> None:
    facts = read(STEALTHRL / "same_name_twice" / "training.log")
    assert facts.starts == 2
    assert facts.started_at == at("2026-11-23 17:17:48.931")
    assert facts.first_time == at("2026-11-23 17:17:31.573")
    assert facts.complete
    assert len(facts.saved) == 12


def test_a_second_start_takes_back_the_end_of_the_first(tmp_path: Path) -> None:
    whole = (STEALTHRL / "same_name_twice" / "training.log").read_bytes()
    second = whole.index(b"Starting run: same_name_twice", 1000)
    facts = read(written(tmp_path, whole[: whole.index(b"\n", second) + 1]))
    assert (facts.starts, facts.complete, facts.total_steps) == (2, False, None)


@pytest.mark.parametrize(
    ("sample", "starts", "complete", "total", "ends"),
    [
        ("cookbook-0.5.5/sl_tiny_055", 1, True, 72, "cb/sl.py log_path={}/cookbook-055/sl_tiny_055 max_steps=40"),
        ("cookbook-0.6.1/sl_tiny", 1, True, 72, "cb/sl.py log_path={}/cookbook-061/sl_tiny max_steps=60"),
        ("cookbook-0.6.1/dpo_probe", 1, False, 40, "cb/dpo.py log_path={}/cookbook-061/dpo_probe"),
        (
            "cookbook-0.6.1/rl_tiny_resumed",
            2,
            True,
            30,
            "cb/rl.py log_path={}/cookbook-061/rl_tiny_cut n_batches=30 num_groups_to_log=1 "
            "behavior_if_log_dir_exists=resume",
        ),
    ],
)
def test_cookbook_logs(sample: str, starts: int, complete: bool, total: int, ends: str) -> None:
    facts = read(SAMPLES / sample / "logs.log")
    assert (facts.kind, facts.starts, facts.complete, facts.total_steps) == ("logs", starts, complete, total)
    assert facts.command == ends.format("/home/user/train/tinker-runs")
    assert (facts.last_time, facts.started_at, dict(facts.saved)) == (None, None, {})


def test_a_crashed_cookbook_run_has_no_word_of_it() -> None:
    facts = read(SAMPLES / "cookbook-0.6.1" / "rl_tiny_crash" / "logs.log")
    assert (facts.complete, facts.failure, facts.interrupted, facts.starts) == (False, None, False, 1)


def test_a_command_with_a_line_break_in_an_argument(tmp_path: Path) -> None:
    text = "root:791 [INFO] Command line invocation: rl.py 'prompt=one\ntwo' n=3\nroot:2 [INFO] Logging to: x\n"
    assert read(written(tmp_path, text, "logs.log")).command == "rl.py 'prompt=one\ntwo' n=3"


def test_model_output_cannot_forge_milestones(tmp_path: Path) -> None:
    lies = (
        "Training complete!\nTraining failed: no\n - __main__ - INFO - Training complete!\n"
        "x 2026-11-23 17:00:00,500 - __main__ - INFO - Training complete!\n"
        "2026-11-23 17:00:02,000 - tinker_cookbook.rl.train - INFO - Training interrupted by user\n"
        "2026-11-23 17:00:02,000 - stealthrl.tinker.env - INFO - Training complete!\n"
        f"{MAIN}the model said Training complete!\n"
        "2026-11-23 17:00:03,000 - stealthrl.tinker.env - INFO - Saved checkpoints: {'state_path': 'tinker://a/weights/b'}\n"
    )
    facts = read(written(tmp_path, f"{MAIN}Starting run: x\n{lies}"))
    assert (facts.complete, facts.failure, facts.interrupted, dict(facts.saved)) == (False, None, False, {})
    assert facts.starts == 1


def test_control_bytes_and_broken_text(tmp_path: Path) -> None:
    noise = b"\x00\x1b[2J\xff\xfe\r\r\n" * 50
    text = MAIN.encode() + b"Starting run: x\n" + noise + MAIN.encode() + b"Training failed: bad \x1b[31m\xff thing\n"
    facts = read(written(tmp_path, text))
    assert facts.failed == "bad \N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER} thing"


def test_times_that_do_not_exist_are_none(tmp_path: Path) -> None:
    facts = read(written(tmp_path, "2026-13-45 99:00:00,500 - __main__ - INFO - Starting run: x\n"))
    assert (facts.starts, facts.started_at, facts.last_time) == (1, None, None)


def test_times_are_local_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    facts = read(written(tmp_path, f"{MAIN}Starting run: x\n"))
    assert facts.started_at == at("2026-11-23 15:00:00.500")


def test_a_launcher_s_trainer_counts_as_the_trainer(tmp_path: Path) -> None:
    text = "2026-11-23 17:00:00,500 - stealthrl.tinker.train - INFO - Training complete!\n"
    assert read(written(tmp_path, text)).complete


def test_a_traceback_at_the_end_is_a_failure_and_one_survived_is_not(tmp_path: Path) -> None:
    traceback = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    f()\nKeyError: 3\n'
    died = read(written(tmp_path, f"{MAIN}Starting run: x\n{traceback}"))
    assert (died.traceback, died.failure, died.failed) == ("KeyError: 3", "KeyError: 3", None)
    assert read(written(tmp_path, f"{MAIN}Starting run: x\n{traceback}{FILLER}")).failure is None
    sdk = "2026-11-23 17:00:01,000 - tinker.lib.retry - ERROR - sample failed\n"
    assert read(written(tmp_path, f"{MAIN}Starting run: x\n{sdk}{traceback}")).failure is None


HEARTBEAT = (
    "2026-11-23 17:05:00,000 - tinker.lib.internal_client_holder - WARNING - Session heartbeat failed for 133.2 "
    "seconds for session abc. Last exception: ConnectError: refused.\nYour connection may be unreliable.\n"
)


def test_a_lost_server_shows_in_the_heartbeat_warnings(tmp_path: Path) -> None:
    facts = read(written(tmp_path, FILLER + HEARTBEAT))
    assert facts.heartbeat == "the service has not answered for 2 min (ConnectError: refused)"
    went_on = read(written(tmp_path, HEARTBEAT + FILLER * 60))
    assert went_on.heartbeat is None
    wrote = "2026-11-23 17:05:01,000 - tinker_cookbook.utils.ml_log - INFO - Wrote metrics to x\n"
    assert read(written(tmp_path, HEARTBEAT + wrote)).heartbeat is None
    assert read(written(tmp_path, FILLER + HEARTBEAT.partition("WARNING - ")[2])).heartbeat is None


def test_the_first_look_takes_the_end_alone(tmp_path: Path) -> None:
    start = f"{MAIN}Starting run: x\n{MAIN}Model: m\n"
    path = written(tmp_path, start + FILLER * 4000 + f"{MAIN}Training complete!\n")
    assert path.stat().st_size > 2 * FIRST_LOOK
    reader = LogReader(str(path))
    assert reader.refresh(False)
    assert (reader.facts.complete, reader.facts.starts, reader.facts.first_time) == (True, 0, None)
    assert not reader.refresh(False)
    assert reader.refresh(True)
    assert (reader.facts.starts, reader.facts.model) == (1, "m")
    assert not reader.refresh(True)
    assert not reader.refresh(False)


def test_a_line_that_begins_just_where_the_first_look_does(tmp_path: Path) -> None:
    end = f"{MAIN}Training complete!\n"
    last = end + "x" * (FIRST_LOOK - len(end) - 1) + "\n"
    assert read(written(tmp_path, FILLER * 9 + last), whole=False).complete


def test_shrinking_replacing_vanishing(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MAIN}Starting run: x\n{MAIN}Training complete!\n")
    reader = LogReader(str(path))
    reader.refresh(True)
    path.write_text(f"{MAIN}Starting run: y\n")
    assert reader.refresh(True)
    assert (reader.facts.complete, reader.facts.starts) == (False, 1)
    other = written(tmp_path, f"{MAIN}Starting run: z\n{MAIN}Training interrupted by user\n" + FILLER, "other")
    os.replace(other, path)
    assert reader.refresh(True)
    assert (reader.facts.interrupted, reader.facts.starts) == (True, 1)
    path.unlink()
    assert reader.refresh(True)
    assert reader.facts == LogFacts("training")
    assert reader.mtime is None
    assert not reader.refresh(True)
    written(tmp_path, f"{MAIN}Training complete!\n")
    assert reader.refresh(True)
    assert reader.facts.complete


def test_a_log_written_anew_and_longer_is_not_taken_for_growth(tmp_path: Path) -> None:
    path = written(tmp_path, f"{MAIN}Starting run: x\n{MAIN}Training complete!\n")
    reader = LogReader(str(path))
    reader.refresh(True)
    later = MAIN.replace("17:00", "18:30")
    path.write_text(f"{later}Starting run: x\n" + FILLER * 5)
    assert reader.refresh(True)
    assert (reader.facts.starts, reader.facts.complete) == (1, False)


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "training.log").mkdir()
    reader = LogReader(str(tmp_path / "training.log"))
    assert reader.refresh(True)
    assert reader.facts.problem == "cannot read training.log: it is not a file"
    assert not reader.refresh(True)
    fifo = tmp_path / "logs.log"
    os.mkfifo(fifo)
    assert read(fifo).problem == "cannot read logs.log: it is not a file"


def test_endless_lines_do_not_hide_what_follows(tmp_path: Path) -> None:
    text = b"y" * 2_500_000 + b"\n" + MAIN.encode() + b"Training complete!\n"
    assert read(written(tmp_path, text)).complete
    many = (b" - __main__ - " * 100_000) + b"\n" + MAIN.encode() + b"Training complete!\n"
    assert read(written(tmp_path, many)).complete


def test_a_torn_last_line_tells_the_ending_but_no_number(tmp_path: Path) -> None:
    assert read(written(tmp_path, f"{MAIN}Starting run: x\n{MAIN}Training complete!")).complete
    torn = f"{MAIN}LoRA rank: 1"
    path = written(tmp_path, torn)
    reader = LogReader(str(path))
    reader.refresh(True)
    assert reader.facts.lora_rank is None
    path.write_text(torn + "6\n")
    reader.refresh(True)
    assert reader.facts.lora_rank == 16


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 189_062), min_size=1, max_size=12),
    sample=st.sampled_from(["stealthrl/same_name_twice", "stealthrl/ctrl_c_async", "stealthrl/exception_midrun"]),
)
def test_however_a_log_grows_it_says_the_same_at_the_end(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], sample: str
) -> None:
    whole = (SAMPLES / sample / "training.log").read_bytes()
    path = tmp_path_factory.mktemp("grow") / "training.log"
    path.touch()
    reader = LogReader(str(path))
    grown = 0
    for cut in sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)}):
        with path.open("ab") as file:
            file.write(whole[grown:cut])
        reader.refresh(True)
        grown = cut
    assert reader.facts == read(SAMPLES / sample / "training.log")
