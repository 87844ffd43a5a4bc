"""A disk that takes nothing any more: the answer comes all the same, and says what could not be kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stealthrl_tui.actions.child import Child, Event
from stealthrl_tui.sandbox.process import Sandbox
from tests.service.verbs import SECONDS, environ, tell

pytestmark = pytest.mark.usefixtures("good")

# Every write to a file fails in the process that imports this at its start, as on a full disk.
FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"


@pytest.fixture
def full(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """The environment of a program for which the disk is full."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FULL)
    return environ(tmp_path, sandbox, PYTHONPATH=str(site))


URI = "tinker://sandbox:train:0/sampler_weights/good"
COMMANDS = [
    (("test-load", URI, "--max-tokens", "3"), "result", 0),
    (("test-load", URI.replace("good", "bad")), "error", 1),
    (("server",), "result", 0),
    (("keep", URI, "--yes"), "result", 0),
]


@pytest.mark.parametrize(("command", "last", "status"), COMMANDS)
def test_the_command_line_answers(full: dict[str, str], command: tuple[str, ...], last: str, status: int) -> None:
    said = tell(full, *command)
    assert (said.status, said.last["event"]) == (status, last)
    if command[0] == "test-load":
        assert said.last["remembered"] is False
        assert "can't be remembered" in said.err


@pytest.mark.parametrize(("command", "last", "status"), COMMANDS)
def test_a_child_answers_though_its_log_takes_nothing(
    full: dict[str, str], tmp_path: Path, command: tuple[str, ...], last: str, status: int
) -> None:
    events: list[Event] = []
    log = tmp_path / "child.log"
    child = Child(command, events.append, log=log, environ=full)
    assert child.wait(SECONDS)
    assert events[-1]["event"] == last
    assert events[-1].get("code") != "server_error"
    assert log.read_bytes() == b""
    assert child._process.wait() == status


def test_an_answer_that_cannot_be_written_is_one_line_and_an_end(full: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as nowhere:
        command = [sys.executable, "-m", "stealthrl_tui", "server", "--json"]
        done = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, text=True, env=full, timeout=SECONDS)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1


SURPRISE = """
import argparse
from stealthrl_tui.verbs.telling import run_telling
def work(teller):
    teller.part_streams()
    print("lost words")
    raise KeyError("surprise")
run_telling(argparse.Namespace(json=True), lambda event: [], work)
"""


def test_what_nobody_thought_of_is_told_and_the_rest_is_in_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SURPRISE]
    done = subprocess.run(command, capture_output=True, text=True, env=environ(tmp_path), timeout=SECONDS)
    assert done.returncode == 1
    assert '"code": "server_error"' in done.stdout
    assert "surprise" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    log = tmp_path / "state" / "stealthrl-tui" / "sdk.log"
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text()
    assert "lost words" in log.read_text()
