"""`watch`: what two looks at a run tell, and the real program on runs that grow on the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs import happenings
from stealthrl_tui.runs.model import Status
from tests.unit.built_runs import REWARD, metrics, run, save
from tests.unit.live_runs import append, ledger_row, make_run, metrics_row, wait_until

Event = dict[str, Any]


def kinds(events: Iterator[Event]) -> list[str]:
    return [event["event"] for event in events]


def test_nothing_new_is_nothing_told() -> None:
    before = run("a", save(5), step=5, problems=("torn line 3",))
    assert kinds(happenings.changed(before, before)) == []


def test_a_new_run_is_told_with_all_it_has() -> None:
    found = run("a", save(5), step=7, total_steps=20, metrics=metrics({REWARD: [(6, 0.5)]}), problems=("torn line 3",))
    events = list(happenings.added(found))
    uris = [save(5).state_uri, save(5).sampler_uri]
    assert events == [
        {"event": "run_added", "run": "a", "path": "/runs/a", "status": "running"},
        {"event": "checkpoint", "run": "a", "name": "000005", "step": 5, "uris": uris},
        {"event": "progress", "run": "a", "step": 7, "total_steps": 20, "metrics": {REWARD: 0.5}},
        {"event": "problem", "run": "a", "text": "torn line 3"},
    ]  # fmt: skip


def test_a_checkpoint_is_told_again_when_its_other_half_comes() -> None:
    half, whole = save(5, sampler_uri=None), save(5)
    (event,) = happenings.changed(run("a", half), run("a", whole))
    assert event["uris"] == [whole.state_uri, whole.sampler_uri]


def test_a_status_has_its_reason() -> None:
    after = run("a", status=Status.FAILED, status_reason="Training failed: no memory")
    (event,) = happenings.changed(run("a"), after)
    assert (event["from"], event["to"], event["reason"]) == ("running", "failed", "Training failed: no memory")


def test_a_problem_whose_number_grows_is_told_once() -> None:
    texts = [
        ("4 steps since the last save: lost if it dies now",),
        ("5 steps since the last save: lost if it dies now",),
    ]
    before, after = (run("a", problems=each) for each in texts)
    assert kinds(happenings.changed(run("a"), before)) == ["problem"]
    assert kinds(happenings.changed(before, after)) == []


class Program:
    """`stealthrl-tui watch` as a process, its lines read as they come."""

    def __init__(self, root: Path, *options: str) -> None:
        command = [sys.executable, "-m", "stealthrl_tui", "watch", str(root), *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=Path(__file__).parents[2])
        self.lines: list[str] = []
        self.notes: list[str] = []
        for stream, into in ((self.process.stdout, self.lines), (self.process.stderr, self.notes)):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream, into), daemon=True).start()

    @staticmethod
    def _read(stream: Any, into: list[str]) -> None:
        into.extend(stream)

    @property
    def events(self) -> list[Event]:
        return [json.loads(line) for line in list(self.lines)]

    def told(self, **wanted: object) -> list[Event]:
        return [event for event in self.events if wanted.items() <= event.items()]


@pytest.fixture
def started() -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(root: Path, *options: str) -> Program:
        programs.append(Program(root, *options))
        assert wait_until(lambda: any("watching" in line for line in programs[-1].notes)), programs[-1].notes
        return programs[-1]

    yield start
    for each in programs:
        each.process.kill()
        each.process.wait()


def test_a_run_from_its_first_file_to_its_end(tmp_path: Path, started: Callable[..., Program]) -> None:
    root = tmp_path / "runs"
    make_run(root / "old")
    program = started(root, "--json")
    new = make_run(root / "new")
    assert wait_until(lambda: bool(program.told(event="checkpoint", run="new", name="000005")))
    assert program.events[0]["event"] == "run_added"
    row = ledger_row(10)
    append(new / "checkpoints.jsonl", row[:30])
    append(new / "metrics.jsonl", metrics_row(9, reward=float("nan")))
    assert wait_until(lambda: bool(program.told(event="progress", run="new", step=10)))
    append(new / "checkpoints.jsonl", row[30:])
    assert wait_until(lambda: bool(program.told(event="checkpoint", run="new", name="000010")))
    append(new / "checkpoints.jsonl", ledger_row(20, name="final", final=True))
    assert wait_until(lambda: bool(program.told(event="status", run="new", to="completed")))
    shutil.rmtree(new)
    assert wait_until(lambda: bool(program.told(event="run_removed", run="new")))
    for name in ("000005", "000010", "final"):
        assert len(program.told(event="checkpoint", name=name)) == 1
    assert program.told(run="old") == []
    assert program.told(event="progress", step=10)[0]["metrics"][REWARD] is None


def test_a_root_that_comes_later_is_waited_for(tmp_path: Path, started: Callable[..., Program]) -> None:
    program = started(tmp_path / "later", "--json")
    make_run(tmp_path / "later" / "a")
    assert wait_until(lambda: bool(program.told(event="run_added", run="a")))


def test_lines_for_people_are_clean(tmp_path: Path, started: Callable[..., Program]) -> None:
    (tmp_path / "runs").mkdir()
    program = started(tmp_path / "runs")
    make_run(tmp_path / "runs" / "a\x1b[2J")
    assert wait_until(lambda: any("checkpoint 000005" in line for line in program.lines))
    assert "\x1b" not in "".join(program.lines)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_ends_quietly(tmp_path: Path, started: Callable[..., Program], number: int, status: int) -> None:
    program = started(tmp_path, "--json")
    program.process.send_signal(number)
    assert program.process.wait(10) == status
    time.sleep(0.1)
    assert "Traceback" not in "".join(program.notes)


def test_a_reader_that_goes_ends_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "stealthrl_tui", "watch", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True) as program:
        os.close(writing)
        assert program.stderr is not None
        assert "watching" in program.stderr.readline()
        os.close(reading)
        make_run(tmp_path / "a")
        assert program.wait(15) == 141
        assert program.stderr.read() == ""
