"""Stopping from the browser: asked first, interrupted, waited for, and terminated only when asked again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from stealthrl_tui.actions.resume import processes
from stealthrl_tui.ui.screens.stop_dialog import StopDialog
from tests.ui.conftest import Open, app_of, press_until, screen_text, until

# Does as it is told with an interrupt, and says what came.
PROGRAM = """
import signal, sys, time
how, said = sys.argv[1], open(sys.argv[2], "a", buffering=1)
def interrupted(number, frame):
    print("interrupted", file=said)
    if how == "saves":
        time.sleep(0.3)
        print("saved", file=said)
    if how != "stubborn":
        sys.exit(0)
signal.signal(signal.SIGINT, interrupted)
print("ready", file=said)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def started(root: Path, tmp_path: Path) -> Iterator[Any]:
    """`started(how)`: a run whose record names a process that lives, what that says, and the process."""
    processes_of_test: list[subprocess.Popen[bytes]] = []

    def start(how: str) -> tuple[Path, Path, subprocess.Popen[bytes]]:
        run, said = root / "sigkill_midrun", tmp_path / "said"
        command = [sys.executable, "-c", PROGRAM, how, str(said)]
        process = subprocess.Popen(command, start_new_session=True)
        processes_of_test.append(process)
        record = {
            "parent_path": str(root / "ctrl_c_async"),
            "step": 5,
            "command": command,
            "host": socket.gethostname(),
            "where": "here",
            "pid": process.pid,
            "process": processes.mark(process.pid),
        }
        (run / "resume.json").write_text(json.dumps(record))
        return run, said, process

    yield start
    for process in processes_of_test:
        process.kill()
        process.wait()


def lines(said: Path) -> list[str]:
    return said.read_text().splitlines() if said.exists() else []


async def ask(pilot: Pilot[None], run: Path) -> None:
    """Open the dialog on that run."""
    browse = app_of(pilot).browse
    browse.runs.select(str(run))
    await until(pilot, lambda: browse.detail.shown is not None and browse.detail.shown.path == str(run))
    browse.action_stop_run()
    await until(pilot, lambda: isinstance(pilot.app.screen, StopDialog))


@pytest.mark.parametrize("how", ["obeys", "saves"])
async def test_an_interrupt_is_enough_and_is_waited_for(root: Path, open_browser: Open, started: Any, how: str) -> None:
    run, said, process = started(how)
    async with open_browser(root) as pilot:
        await until(pilot, lambda: lines(said) == ["ready"])
        await ask(pilot, run)
        await press_until(pilot, shows="Enter  stop it")
        assert f"process {process.pid} and what it started, detached on " in screen_text(pilot)
        assert "What was not saved since the last checkpoint is lost" in screen_text(pilot)
        assert lines(said) == ["ready"]
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is app_of(pilot).browse)
        await until(pilot, lambda: "■ interrupted" in screen_text(pilot))
    assert lines(said) == ["ready", "interrupted", *(["saved"] if how == "saves" else [])]
    assert process.wait() == 0


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_who_ignores_it_is_terminated_when_asked_again(
    root: Path, open_browser: Open, started: Any, size: tuple[int, int]
) -> None:
    run, said, process = started("stubborn")
    async with open_browser(root, size=size) as pilot:
        await until(pilot, lambda: lines(said) == ["ready"])
        await ask(pilot, run)
        await press_until(pilot, shows="Enter  stop it")
        await press_until(pilot, "enter", shows="Enter  terminate it at once")
        assert "interrupted; waiting for its end" in screen_text(pilot)
        await until(pilot, lambda: lines(said) == ["ready", "interrupted"])
        assert process.poll() is None
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is app_of(pilot).browse)
        await until(pilot, lambda: "■ terminated" in screen_text(pilot))
    assert process.wait() == -15


async def test_thinking_better_of_it_leaves_it_alone(root: Path, open_browser: Open, started: Any) -> None:
    run, said, process = started("obeys")
    async with open_browser(root) as pilot:
        await until(pilot, lambda: lines(said) == ["ready"])
        await ask(pilot, run)
        await press_until(pilot, shows="Enter  stop it")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is app_of(pilot).browse)
    assert (lines(said), process.poll()) == (["ready"], None)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"process": "1@an-earlier-boot"}, "It runs no more."),
        ({"host": "another-machine"}, "detached on another-machine"),
        ({"host": "another-machine"}, "Stop it where it runs."),
        ({"pid": None, "process": None, "where": "launcher", "host": "login-1"}, "started by a launcher on login-1"),
        ({"pid": 2**22 + 5}, "It runs no more."),
    ],
)
async def test_a_process_that_is_not_the_one_that_was_started_is_never_touched(
    root: Path, open_browser: Open, started: Any, changes: dict[str, Any], why: str
) -> None:
    run, said, process = started("obeys")
    record = json.loads((run / "resume.json").read_text())
    (run / "resume.json").write_text(json.dumps({**record, **changes}))
    async with open_browser(root) as pilot:
        await until(pilot, lambda: lines(said) == ["ready"])
        await ask(pilot, run)
        await press_until(pilot, shows=why)
        await pilot.press("enter", "enter")
        assert isinstance(pilot.app.screen, StopDialog)
        await pilot.press("escape")
    assert (lines(said), process.poll()) == (["ready"], None)
    os.kill(process.pid, 0)
