"""The demo has a service and a trainer of its own, touches nothing of the user's, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from stealthrl_tui.runs.library import Library
from stealthrl_tui.runs.model import Depth, Run, Status
from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.demo import PREFIX, Begin, run_demo
from stealthrl_tui.sandbox.held import HELD, LIVE
from stealthrl_tui.sandbox.lifeline import owning
from stealthrl_tui.settings import config_path, state_dir

SECONDS = 60.0
DATA = Path(__file__).parents[1] / "data"
# Steps of the live run before it goes on.
RECORDED = len((DATA / LIVE.name / "metrics.jsonl").read_text().splitlines())
# A browser that resumes another run, detached as a real one does it, and then ends in its own way.
PROGRAM = """
import os, subprocess, sys, time
from pathlib import Path
from stealthrl_tui.sandbox.demo import run_demo
from stealthrl_tui.sandbox.held import HELD, LIVE

def steps(root, run):
    return (Path(root) / run.name / "metrics.jsonl").read_text().count("\\n")

def browser(roots, beside):
    with beside as begin:
        before = [steps(roots[0], run) for run in HELD]
        begin()
        arguments = [*HELD[1].arguments(roots[0]), "behavior_if_log_dir_exists=resume"]
        subprocess.Popen([sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *arguments], start_new_session=True)
        while not all(steps(roots[0], run) > was for run, was in list(zip(HELD, before))[:2]):
            time.sleep(0.05)
        print("alive", flush=True)
        if sys.argv[1] == "raise":
            raise RuntimeError("on purpose")
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(60)

run_demo(browser)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def runs_below(roots: Sequence[str]) -> dict[str, Run]:
    return {run.name: run for run in Library(roots).load_all(Depth.SUMMARY)}


def closed(_roots: Sequence[str], beside: AbstractContextManager[Begin]) -> int:
    with beside:
        return 0


def wait_for(check: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


def processes_of(folder: Path) -> list[str]:
    """What still runs and was told of that folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if str(folder).encode() in words and int(process.name) != os.getpid():
                found.append(words.replace(b"\0", b" ").decode())
    return found


def test_the_runs_are_there_before_anything_begins_and_nothing_is_left(temporary: Path) -> None:
    seen: dict[str, Run] = {}

    def browser(roots: Sequence[str], beside: AbstractContextManager[Begin]) -> int:
        with beside:
            seen.update(runs_below(roots))
            assert processes_of(temporary) == []
        return 3

    assert run_demo(browser) == 3
    assert set(seen) == {run.name for run in (*HELD, *samples.ELSEWHERE)}
    assert {run.status for run in seen.values()} == set(Status) - {Status.EMPTY}
    assert [run.name for run in seen.values() if run.status is Status.RUNNING] == [LIVE.name]
    assert (seen[LIVE.name].step, seen[LIVE.name].total_steps) == (RECORDED, LIVE.steps)
    assert list(temporary.iterdir()) == []


def test_one_run_really_trains_and_the_account_is_the_sandboxs(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {"TINKER_API_KEY": "tml-mine", "TINKER_BASE_URL": "http://127.0.0.1:9", "TINKER_CREDENTIAL_CMD": "false"}
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)

    def browser(roots: Sequence[str], beside: AbstractContextManager[Begin]) -> int:
        with beside as begin:
            begin()
            wait_for(lambda: (runs_below(roots)[LIVE.name].step or 0) > RECORDED)
            live = runs_below(roots)[LIVE.name]
            assert live.status is Status.RUNNING
            assert len(processes_of(temporary)) == 2
            assert os.environ["TINKER_API_KEY"] == "tml-sandbox"
            assert os.environ["TINKER_BASE_URL"].startswith("http://127.0.0.1:")
            assert os.environ["TINKER_BASE_URL"] != mine["TINKER_BASE_URL"]
            assert "TINKER_CREDENTIAL_CMD" not in os.environ
            assert all(temporary.resolve() in path.parents for path in (state_dir(), config_path()))
        return 0

    assert run_demo(browser) == 0
    assert dict(os.environ) == before
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_browser_that_dies_leaves_nothing(error: type[BaseException], temporary: Path) -> None:
    def browser(_roots: Sequence[str], beside: AbstractContextManager[Begin]) -> int:
        with beside as begin:
            begin()
            wait_for(lambda: processes_of(temporary))
            raise error

    with pytest.raises(error):
        run_demo(browser)
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.fixture
def ended(temporary: Path) -> Iterator[Callable[[object], int]]:
    """`ended(how)` runs a demo that ends so while two runs train; its exit status."""

    def end(how: object) -> int:
        environ = {**os.environ, "TMPDIR": str(temporary)}
        command = [sys.executable, "-c", PROGRAM, str(how)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.stdout == "alive\n", done.stderr
        return done.returncode

    yield end
    assert processes_of(temporary) == []


@pytest.mark.parametrize(
    ("how", "status"), [("raise", 1), (int(signal.SIGTERM), 128 + 15), (int(signal.SIGHUP), 128 + 1)]
)
def test_an_exception_and_a_closed_terminal_end_service_trainers_and_resumed_runs(
    how: object, status: int, ended: Callable[[object], int], temporary: Path
) -> None:
    assert ended(how) == status
    assert processes_of(temporary) == []
    assert list(temporary.iterdir()) == []


def test_after_a_sigkill_all_end_and_the_next_demo_deletes_what_was_left(
    ended: Callable[[object], int], temporary: Path
) -> None:
    assert ended(int(signal.SIGKILL)) == -signal.SIGKILL
    wait_for(lambda: not processes_of(temporary))
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
    # A process that is just ending has no command line any more, and still holds the lock.
    wait_for(lambda: run_demo(closed) == 0 and not list(temporary.iterdir()))


def test_the_folder_of_a_demo_that_still_runs_is_left_alone(temporary: Path) -> None:
    held = temporary / f"{PREFIX}held"
    held.mkdir()
    with owning(held, patience=0.0):
        run_demo(closed)
        assert held.is_dir()
    run_demo(closed)
    assert not held.exists()


def test_only_what_a_demo_made_is_deleted(temporary: Path) -> None:
    (temporary / f"{PREFIX}notes").mkdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    with owning(elsewhere, patience=0.0):
        pass
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)

    run_demo(closed)

    assert sorted(path.name for path in temporary.iterdir()) == ["elsewhere", f"{PREFIX}link", f"{PREFIX}notes"]
    assert len(list(elsewhere.iterdir())) == 2
