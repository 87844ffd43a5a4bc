"""`watch`: the real program on runs that grow on the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.built_runs import REWARD
from tests.unit.live_runs import append, ledger_row, make_run, metrics_row, wait_until

Event = dict[str, Any]


class Program:
    """`stealthrl-tui watch` as a process, its lines read as they come."""

    def __init__(self, *arguments: str | Path, **environment: str) -> None:
        command = [sys.executable, "-m", "stealthrl_tui", "watch", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        self.notes: list[str] = []
        streams = ((self.process.stdout, self.lines), (self.process.stderr, self.notes))
        self._readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in streams]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, into: list[str]) -> None:
        into.extend(stream)

    def ended(self) -> int:
        """The exit status, when all that it said has been read."""
        status = self.process.wait(15)
        for reader in self._readers:
            reader.join(15)
        return status

    @property
    def events(self) -> list[Event]:
        return [json.loads(line, parse_constant=pytest.fail) for line in list(self.lines)]

    def told(self, **wanted: object) -> list[Event]:
        return [event for event in self.events if wanted.items() <= event.items()]

    def tells(self, **wanted: object) -> bool:
        return wait_until(lambda: bool(self.told(**wanted)))


Start = Callable[..., Program]


@pytest.fixture
def started() -> Iterator[Start]:
    programs: list[Program] = []

    def start(*arguments: str | Path, **environment: str) -> Program:
        programs.append(Program(*arguments, **environment))
        assert wait_until(lambda: any("watching" in line for line in programs[-1].notes)), programs[-1].notes
        return programs[-1]

    yield start
    for each in programs:
        each.process.kill()
        each.ended()


def test_a_run_from_its_first_file_to_its_end(tmp_path: Path, started: Start) -> None:
    root = tmp_path / "runs"
    make_run(root / "old")
    program = started(root, "--json")
    new = make_run(root / "new")
    assert program.tells(event="checkpoint", run="new", name="000005")
    assert program.events[0] == {"event": "run_added", "run": "new", "path": str(new), "status": ANY}
    row = ledger_row(10)
    append(new / "checkpoints.jsonl", row[:30])
    append(new / "metrics.jsonl", metrics_row(9, reward=float("nan")))
    assert program.tells(event="progress", run="new", step=10)
    append(new / "checkpoints.jsonl", row[30:])
    assert program.tells(event="checkpoint", run="new", name="000010")
    append(new / "checkpoints.jsonl", ledger_row(20, name="final", final=True))
    assert program.tells(event="status", run="new", to="completed")
    shutil.rmtree(new)
    assert program.tells(event="run_removed", run="new", path=str(new))
    for name in ("000005", "000010", "final"):
        assert len(program.told(event="checkpoint", name=name)) == 1
    assert program.told(run="old") == []
    assert program.told(event="progress", step=10)[0]["metrics"][REWARD] is None


def test_a_run_that_was_there_grows_row_by_row(tmp_path: Path, started: Start) -> None:
    run = make_run(tmp_path / "runs" / "a")
    program = started(tmp_path / "runs", "--json")
    for step in range(5, 10):
        append(run / "metrics.jsonl", metrics_row(step))
        assert program.tells(event="progress", step=step + 1, total_steps=100)
    halves = [f"tinker://b:train:0/{kind}/000010" for kind in ("weights", "sampler_weights")]
    for key, uri in zip(("state_path", "sampler_path"), halves, strict=True):
        row = {"name": "000010", "batch": 10, key: uri}
        append(run / "checkpoints.jsonl", json.dumps(row).encode() + b"\n")
        assert program.tells(event="checkpoint", name="000010", uris=halves[: halves.index(uri) + 1])
    ledger = (run / "checkpoints.jsonl").read_bytes()
    (run / "checkpoints.jsonl").write_bytes(b"")
    append(run / "metrics.jsonl", metrics_row(10))
    assert program.tells(event="progress", step=11)
    append(run / "checkpoints.jsonl", ledger + ledger_row(15))
    assert program.tells(event="checkpoint", name="000015")
    assert [event["step"] for event in program.told(event="progress")] == [6, 7, 8, 9, 10, 11]
    assert [event["name"] for event in program.told(event="checkpoint")] == ["000010", "000010", "000015"]


def test_runs_of_one_name_below_two_roots_are_told_apart(tmp_path: Path, started: Start) -> None:
    program = started(tmp_path / "x", tmp_path / "y", "--json")
    for root in ("x", "y"):
        make_run(tmp_path / root / "a")
        assert program.tells(event="checkpoint", run="a", path=str(tmp_path / root / "a"))


def test_a_root_that_comes_later_is_waited_for(tmp_path: Path, started: Start) -> None:
    program = started(tmp_path / "later", "--json")
    assert any("not there yet" in line for line in program.notes)
    make_run(tmp_path / "later" / "a")
    assert program.tells(event="run_added", run="a")


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "stealthrl_tui", "watch", str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "is a file, not a folder" in done.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_names_from_outside_reach_no_terminal_as_they_are(
    tmp_path: Path, started: Start, options: tuple[str, ...]
) -> None:
    (tmp_path / "runs").mkdir()
    program = started(tmp_path / "runs", *options)
    make_run(tmp_path / "runs" / "a\x1b[2J\n\u202eb")
    assert wait_until(lambda: any("000005" in line for line in program.lines))
    assert "\x1b" not in "".join(program.lines)
    assert "\u202e" not in "".join(program.lines)
    if options:
        assert program.told(event="run_added", run="a\x1b[2J\n\u202eb")


def test_it_needs_neither_the_ui_library_nor_the_sdk(tmp_path: Path, started: Start) -> None:
    program = started(tmp_path, "--json", PYTHONPROFILEIMPORTTIME="1")
    make_run(tmp_path / "a")
    assert program.tells(event="checkpoint", run="a")
    loaded = {line.rpartition("|")[2].strip() for line in program.notes}
    assert "stealthrl_tui.runs.live" in loaded
    assert not loaded & {"tinker", "textual", "asyncio", "numpy"}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_ends_quietly(tmp_path: Path, started: Start, number: int, status: int) -> None:
    program = started(tmp_path, "--json")
    program.process.send_signal(number)
    assert program.ended() == status
    assert len(program.notes) == 1


def test_a_reader_that_goes_ends_it_though_nothing_happens(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "stealthrl_tui", "watch", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True) as program:
        os.close(writing)
        assert program.stderr is not None
        assert "watching" in program.stderr.readline()
        os.close(reading)
        ended = wait_until(lambda: program.poll() is not None)
        program.kill()
        assert ended
        assert program.returncode == 141
        assert program.stderr.read() == ""
