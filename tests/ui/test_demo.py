"""The demo shows every kind of run, one of them growing, and leaves nothing behind however it ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from stealthrl_tui.runs.library import Library
from stealthrl_tui.runs.model import Depth, Run, Status
from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.demo import PREFIX, run_demo

KILLED = """
import os, sys
from stealthrl_tui.sandbox.demo import run_demo
run_demo(lambda roots: os.kill(os.getpid(), int(sys.argv[1])))
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def runs_below(roots: Sequence[str]) -> dict[str, Run]:
    return {run.name: run for run in Library(roots).load_all(Depth.SUMMARY)}


def test_the_demo_opens_the_browser_on_all_samples_and_cleans_up(temporary: Path) -> None:
    seen: dict[str, Run] = {}

    def browser(roots: Sequence[str]) -> int:
        seen.update(runs_below(roots))
        return 3

    assert run_demo(browser) == 3
    assert set(seen) == {samples.LIVE.name, *(sample.name for sample in samples.ENDED)}
    assert {run.status for run in seen.values()} == set(Status) - {Status.EMPTY}
    assert list(temporary.iterdir()) == []


def test_one_run_is_alive_and_has_a_past(temporary: Path) -> None:
    seen: dict[str, Run] = {}

    def browser(roots: Sequence[str]) -> int:
        seen.update(runs_below(roots))
        return 0

    run_demo(browser)
    alive = [run for run in seen.values() if run.status is Status.RUNNING]
    assert [run.name for run in alive] == [samples.LIVE.name]
    assert alive[0].total_steps == 60
    assert 20 < (alive[0].step or 0) < 60
    assert len(alive[0].checkpoints) > 5


def test_the_live_run_trains_to_its_end() -> None:
    def browser(roots: Sequence[str]) -> int:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if runs_below(roots)[samples.LIVE.name].status is Status.COMPLETED:
                return 0
            time.sleep(0.02)
        return 1

    assert run_demo(browser, speed=1000.0) == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_browser_that_dies_leaves_nothing(error: type[BaseException], temporary: Path) -> None:
    def browser(roots: Sequence[str]) -> int:
        raise error

    with pytest.raises(error):
        run_demo(browser)
    assert list(temporary.iterdir()) == []


def killed_demo(temporary: Path, number: signal.Signals) -> int:
    command = [sys.executable, "-c", KILLED, str(int(number))]
    return subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}, timeout=60, check=False).returncode


def test_what_a_killed_demo_left_is_deleted_by_the_next(temporary: Path) -> None:
    assert killed_demo(temporary, signal.SIGKILL) == -signal.SIGKILL
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1

    run_demo(lambda roots: 0)

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_whose_terminal_is_closed_leaves_nothing(number: signal.Signals, temporary: Path) -> None:
    assert killed_demo(temporary, number) == 128 + number
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_demo_that_still_runs_is_left_alone(temporary: Path) -> None:
    held = temporary / f"{PREFIX}held"
    held.mkdir()
    with open(held / "lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_demo(lambda roots: 0)
        assert held.is_dir()


def test_only_what_a_demo_made_is_deleted(temporary: Path) -> None:
    (temporary / f"{PREFIX}notes").mkdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)

    run_demo(lambda roots: 0)

    assert sorted(path.name for path in temporary.iterdir()) == ["elsewhere", f"{PREFIX}link", f"{PREFIX}notes"]
    assert (elsewhere / "lock").exists()


def test_an_ended_run_is_dated_by_its_own_log_and_the_others_by_their_age(temporary: Path) -> None:
    unpacked = samples.unpack(temporary / "here", now=1_900_000_000.0)
    log = unpacked.root / "tiny_baseline" / "training.log"
    crashed = unpacked.root / "cookbook" / "tiny_rl" / "words_rolling" / "metrics.jsonl"
    recorded = time.mktime(time.strptime("2026-11-23 16:57:14", "%Y-%m-%d %H:%M:%S"))
    assert log.stat().st_mtime == recorded
    assert crashed.stat().st_mtime == 1_900_000_000.0 - 50 * 60
    assert not unpacked.live.exists()
