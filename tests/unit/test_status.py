"""The judge of FORMATS.md, "Is it running?": every rule, and what real runs left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stealthrl_tui.runs.log import LogFacts, LogReader
from stealthrl_tui.runs.model import Status
from stealthrl_tui.runs.status import Evidence, judge, last_activity, running_window

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
NOW = 1_800_000_000.0
HOUR = 3600.0
ALIVE = Evidence(has_anything=True, newest_write=NOW - 9, step_seconds=22.0)


def test_running_and_stalled_by_the_age_of_the_last_write() -> None:
    assert judge(ALIVE, NOW) == (Status.RUNNING, "a step each 22 s, last write 9 s ago")
    assert judge(replace(ALIVE, step_seconds=None), NOW + 300) == (Status.RUNNING, "last write 5 min ago")
    assert judge(ALIVE, NOW + 3 * HOUR) == (Status.STALLED, "last write 3 h ago, nothing says it ended")


def test_slow_steps_widen_the_window() -> None:
    assert (running_window(None), running_window(10.0), running_window(600.0)) == (600.0, 600.0, 3000.0)
    assert judge(ALIVE, NOW + 1000)[0] is Status.STALLED
    assert judge(replace(ALIVE, step_seconds=600.0), NOW + 1000)[0] is Status.RUNNING


def test_empty_and_untimed() -> None:
    assert judge(Evidence(has_anything=False), NOW) == (Status.EMPTY, "nothing written yet")
    assert judge(Evidence(has_anything=True), NOW) == (Status.STALLED, "no file tells when it was last written")


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (replace(ALIVE, recorded_status="completed"), "run_metadata.json says completed"),
        (replace(ALIVE, final_info_at=NOW), "final checkpoint saved"),
        (replace(ALIVE, has_final_row=True), "the ledger ends with a final checkpoint"),
        (replace(ALIVE, log=LogFacts(complete=True)), "the log says that training is complete"),
        (Evidence(has_anything=False, final_info_at=NOW), "final checkpoint saved"),
    ],
)
def test_completed(evidence: Evidence, reason: str) -> None:
    assert judge(evidence, NOW) == (Status.COMPLETED, reason)


def test_failed_and_interrupted_beat_a_fresh_write() -> None:
    failed = replace(ALIVE, recorded_status="running", log=LogFacts(failed="CUDA out of memory", last_time=NOW - 9))
    assert judge(failed, NOW) == (Status.FAILED, "Training failed: CUDA out of memory")
    silent = replace(ALIVE, log=LogFacts(failed="", traceback="KeyError"))
    assert judge(silent, NOW) == (Status.FAILED, "Training failed: KeyError")
    assert judge(replace(ALIVE, log=LogFacts(traceback="KeyError: 3")), NOW) == (Status.FAILED, "KeyError: 3")
    assert judge(replace(ALIVE, log=LogFacts(interrupted=True)), NOW) == (Status.INTERRUPTED, "stopped with Ctrl-C")


def test_the_end_is_stronger_than_a_failure_after_it() -> None:
    assert judge(replace(ALIVE, log=LogFacts(complete=True, traceback="OSError: late")), NOW)[0] is Status.COMPLETED


def test_a_final_info_of_an_earlier_start_does_not_count() -> None:
    again = replace(ALIVE, recorded_status="running", started_at=NOW - 100, final_info_at=NOW - 500)
    assert judge(again, NOW)[0] is Status.RUNNING
    assert judge(replace(again, started_at=None, log=LogFacts(started_at=NOW - 100)), NOW)[0] is Status.RUNNING
    assert judge(replace(again, final_info_at=NOW - 50), NOW)[0] is Status.COMPLETED
    assert judge(replace(again, final_info_at=NOW - 101), NOW)[0] is Status.COMPLETED


def test_a_copied_final_info_of_a_name_used_again() -> None:
    log = LogFacts(starts=2, started_at=NOW - 9 * HOUR, last_time=NOW - 8 * HOUR)
    copied = Evidence(has_anything=True, final_info_at=NOW, newest_write=NOW, log=log)
    status, reason = judge(copied, NOW)
    assert status is Status.STALLED
    assert reason.startswith("last write 8 h ago, nothing says it ended (by the log; the files are dated just now")
    saved = replace(log, saved={"tinker://a/weights/final": NOW - 8 * HOUR})
    assert judge(replace(copied, log=saved), NOW)[0] is Status.COMPLETED
    earlier = replace(log, saved={"tinker://a/weights/final": NOW - 10 * HOUR})
    assert judge(replace(copied, log=earlier), NOW)[0] is Status.STALLED
    assert judge(replace(copied, log=replace(log, starts=1)), NOW)[0] is Status.COMPLETED


def test_file_times_that_lie_after_a_copy() -> None:
    log = LogFacts(last_time=NOW - 3 * HOUR)
    status, reason = judge(replace(ALIVE, log=log), NOW)
    assert status is Status.STALLED
    assert reason == (
        "last write 3 h ago, nothing says it ended "
        "(by the log; the files are dated 9 s ago: a copy, or another time zone?)"
    )


def test_a_log_from_a_clock_ahead() -> None:
    status, reason = judge(replace(ALIVE, log=LogFacts(last_time=NOW + 2 * HOUR)), NOW)
    assert status is Status.RUNNING
    assert reason == "a step each 22 s, last write 9 s ago (the log's times are 2 h ahead: another time zone?)"


def test_a_lost_server_is_in_the_reason() -> None:
    log = LogFacts(last_time=NOW - 9, heartbeat="the service has not answered for 4 min")
    assert judge(replace(ALIVE, log=log), NOW) == (
        Status.RUNNING,
        "a step each 22 s, last write 9 s ago, the service has not answered for 4 min",
    )


def test_last_activity() -> None:
    assert last_activity(None, None) is None
    assert last_activity(5.0, None) == 5.0
    assert last_activity(None, 5.0) == 5.0
    assert last_activity(NOW, NOW - 60) == NOW
    assert last_activity(NOW - 60, NOW) == NOW
    assert last_activity(NOW, NOW - 2 * HOUR) == NOW - 2 * HOUR


@pytest.mark.parametrize(
    ("sample", "status", "reason"),
    [
        ("stealthrl_tiny_sync", Status.COMPLETED, "the log says that training is complete"),
        ("run_20261123_170500", Status.COMPLETED, "the log says that training is complete"),
        ("same_name_twice", Status.COMPLETED, "the log says that training is complete"),
        ("exception_midrun", Status.FAILED, "Training failed: CUDA out of memory."),
        ("ctrl_c_async", Status.INTERRUPTED, "stopped with Ctrl-C"),
        ("sigkill_midrun", Status.RUNNING, "last write 10 s ago"),
    ],
)
def test_what_the_logs_of_real_runs_tell(sample: str, status: Status, reason: str) -> None:
    log = LogReader(str(SAMPLES / "stealthrl" / sample / "training.log"))
    log.refresh(False)
    assert log.facts.last_time is not None
    verdict, words = judge(
        Evidence(has_anything=True, recorded_status="running", log=log.facts), log.facts.last_time + 10
    )
    assert verdict is status
    assert words.startswith(reason)
