"""A verb in a child process: its events, its end, and what happens when it or its parent dies."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.actions.child import PARENT_VARIABLE, Child, Event

SECONDS = 30.0
URI = "tinker://abc:train:0/sampler_weights/000010"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own, no key, and nobody at the service's address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TINKER_")}
    return {**kept, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "TINKER_BASE_URL": "http://127.0.0.1:9"}


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A service that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_events_come_from_the_child_and_its_words_go_to_the_log(tmp_path: Path, environ: dict[str, str]) -> None:
    events: list[Event] = []
    log = tmp_path / "logs" / "child.log"
    child = Child(["test-load", "tinker://abc/states/x"], events.append, log=log, environ=environ)
    assert child.wait(SECONDS)
    assert [event["event"] for event in events] == ["error"]
    assert events[0]["code"] == "wrong_kind"
    assert child.command == "stealthrl-tui test-load tinker://abc/states/x"
    assert not child.running
    assert "states/x" in log.read_text()


def test_a_child_that_dies_without_a_word_is_an_error_that_names_the_log(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    events: list[Event] = []
    log = tmp_path / "child.log"
    child = Child(["test-load"], events.append, log=log, environ=environ)
    assert child.wait(SECONDS)
    assert [(event["event"], event["code"]) for event in events] == [("error", "server_error")]
    assert "status 2" in events[0]["message"]
    assert str(log) in events[0]["hint"]
    assert "required" in log.read_text()


def test_a_killed_child_is_said_to_be_killed(tmp_path: Path, environ: dict[str, str], silent_url: str) -> None:
    events: list[Event] = []
    environ |= {"TINKER_BASE_URL": silent_url, "TINKER_API_KEY": "tml-x"}
    child = Child(["test-load", URI], events.append, log=tmp_path / "log", environ=environ)
    os.kill(child._process.pid, signal.SIGKILL)
    assert child.wait(SECONDS)
    assert "signal 9" in events[-1]["message"]


def test_after_a_cancel_nothing_is_told_and_nothing_is_left(
    tmp_path: Path, environ: dict[str, str], silent_url: str
) -> None:
    events: list[Event] = []
    environ |= {"TINKER_BASE_URL": silent_url, "TINKER_API_KEY": "tml-x"}
    child = Child(["test-load", URI], events.append, log=tmp_path / "log", environ=environ)
    assert child.running
    child.cancel()
    assert child.wait(SECONDS)
    assert child.cancelled
    assert not child.running
    assert events == []
    child.cancel()


def test_without_room_for_a_log_the_child_works_all_the_same(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "file").write_text("")
    events: list[Event] = []
    child = Child(["test-load", URI], events.append, log=tmp_path / "file" / "child.log", environ=environ)
    assert child.wait(SECONDS)
    assert events[-1]["code"] == "no_key"
    assert child.log_problem is not None
    assert "can't be written" in child.log_problem


def test_a_long_log_is_begun_anew(tmp_path: Path, environ: dict[str, str]) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"x" * 5_000_001)
    child = Child(["test-load", URI], lambda event: None, log=log, environ=environ)
    assert child.wait(SECONDS)
    assert log.stat().st_size < 1000


FOLLOWER = f"""
import os, sys, time
from stealthrl_tui.service.lifeline import follow_parent
assert follow_parent({PARENT_VARIABLE!r})
assert {PARENT_VARIABLE!r} not in os.environ
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys, time
environ = {{**os.environ, {PARENT_VARIABLE!r}: str(os.getpid())}}
subprocess.Popen([sys.executable, "-c", {FOLLOWER!r}], env=environ, start_new_session=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether the process ended; a zombie that nobody collects did."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    deadline = time.monotonic() + SECONDS
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    environ = {**os.environ, PARENT_VARIABLE: "1"}
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWER], env=environ, capture_output=True, start_new_session=True, timeout=SECONDS
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""


def test_nobody_is_followed_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    from stealthrl_tui.service.lifeline import follow_parent

    monkeypatch.delenv(PARENT_VARIABLE, raising=False)
    threads = threading.active_count()
    assert not follow_parent(PARENT_VARIABLE)
    assert threading.active_count() == threads


def test_the_command_can_be_pasted(tmp_path: Path, environ: dict[str, str]) -> None:
    child = Child(["test-load", URI, "--prompt", "it's"], lambda event: None, log=tmp_path / "log", environ=environ)
    assert child.wait(SECONDS)
    assert child.command == f"stealthrl-tui test-load {URI} --prompt 'it'\"'\"'s'"
    assert json.dumps(child.command)
