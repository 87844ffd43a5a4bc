"""Starting and stopping, with small programs in place of trainers."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stealthrl_tui.actions.child import PARENT_VARIABLE
from stealthrl_tui.actions.resume import processes, start, stop
from stealthrl_tui.actions.resume.start import StartFailed
from stealthrl_tui.actions.resume.stop import Stopped
from stealthrl_tui.actions.resume.value import Plan
from stealthrl_tui.runs.lineage import Lineage, read_lineage
from tests.unit.live_runs import wait_until
from tests.unit.resume_runs import cookbook_run, planned, project

# Says that it began, then trains until it is interrupted.
TRAINER = """
import os, signal, sys, time
def interrupted(number, frame):
    print("interrupted", flush=True); sys.exit(0)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
else:
    signal.signal(signal.SIGINT, interrupted)
print("began", os.getcwd(), os.environ.get("EXTRA"), os.environ.get("STEALTHRL_TUI_PARENT"), flush=True)
while True: time.sleep(0.05)
"""
SECONDS = 20.0


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return cookbook_run(project(tmp_path / "a project") / "runs/one")


def trainer(plan: Plan, program: str = TRAINER, *arguments: str) -> Plan:
    return replace(plan, argv=(sys.executable, "-c", program, *arguments), environment={"EXTRA": "a b"})


def record_of(plan: Plan) -> Lineage:
    found = read_lineage(plan.directory)
    assert found is not None
    return found


def said(plan: Plan, word: str) -> bool:
    return wait_until(lambda: word in Path(plan.log).read_text())


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Process groups that end with the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_a_start_is_detached_and_recorded(run_path: Path, ended: list[int]) -> None:
    plan = trainer(planned(run_path, "000005"))
    started = start.start(plan, environ={**os.environ, PARENT_VARIABLE: str(os.getpid())})
    assert started.pid is not None
    ended.append(started.pid)
    assert said(plan, f"began {plan.cwd} a b None")
    assert (os.getsid(started.pid), os.getpgid(started.pid)) == (started.pid, started.pid)
    found = record_of(plan)
    assert (found.pid, found.process, found.host) == (started.pid, processes.mark(started.pid), socket.gethostname())
    assert (found.parent, found.command, found.where) == (str(run_path), plan.argv, "here")
    assert sorted(os.listdir(plan.directory)) == ["checkpoints.jsonl", "resume.json", "resume.log"]
    started.watch(0.2)
    assert stop.running(found) is True
    assert processes.writer_of(plan.directory) == started.pid
    assert stop.stop(found) is Stopped.INTERRUPTED
    assert said(plan, "interrupted")
    assert (stop.running(found), stop.stop(found)) == (False, Stopped.NOT_RUNNING)


def test_who_ignores_an_interrupt_is_terminated(run_path: Path, ended: list[int]) -> None:
    plan = trainer(planned(run_path, "000005"), TRAINER, "stubborn")
    started = start.start(plan)
    assert started.pid is not None
    ended.append(started.pid)
    assert said(plan, "began")
    assert stop.stop(record_of(plan), patience=0.2) is Stopped.TERMINATED


def test_a_number_that_was_used_again_is_nobodys(tmp_path: Path, ended: list[int]) -> None:
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    ended.append(other.pid)
    there = Lineage(str(tmp_path), "/parent", host=socket.gethostname(), pid=other.pid, process="1@another-boot")
    assert stop.running(there) is False
    assert stop.stop(there) is Stopped.NOT_RUNNING
    elsewhere = replace(there, host="another-machine", process=processes.mark(other.pid))
    assert (stop.running(elsewhere), stop.stop(elsewhere)) == (None, Stopped.ELSEWHERE)
    assert other.poll() is None


def test_going_on_in_place_keeps_the_older_record_and_log(run_path: Path, ended: list[int]) -> None:
    before = (run_path / "checkpoints.jsonl").read_bytes()
    for count in (1, 2):
        plan = trainer(planned(run_path), f"print('start {count}', flush=True)")
        start.start(plan).watch(SECONDS)
    assert (run_path / "resume.log").read_text() == "start 1\nstart 2\n"
    assert json.loads((run_path / "resume.json").read_text())["pid"]
    assert json.loads((run_path / "resume.json.1").read_text())["pid"]
    assert (run_path / "checkpoints.jsonl").read_bytes() == before


def test_never_twice(run_path: Path, ended: list[int]) -> None:
    plan = trainer(planned(run_path))
    started = start.start(plan)
    assert started.pid is not None
    ended.append(started.pid)
    record = (run_path / "resume.json").read_bytes()
    with pytest.raises(StartFailed, match="still alive") as refused:
        start.start(plan)
    assert refused.value.code == "still_running"
    assert (run_path / "resume.json").read_bytes() == record
    assert not (run_path / "resume.json.1").exists()
    other = trainer(planned(run_path, "000005"), "pass")
    start.start(other).watch(SECONDS)
    with pytest.raises(StartFailed, match="is taken") as taken:
        start.start(other)
    assert taken.value.code == "exists"
    assert (Path(other.directory) / "checkpoints.jsonl").exists()


def test_a_start_that_dies_at_once_says_its_last_lines_and_leaves_nothing(run_path: Path) -> None:
    program = "import sys; print('\\x1b[31mloading'); sys.exit('no such\\tmodel')"
    plan = trainer(planned(run_path, "000005"), program)
    with pytest.raises(StartFailed, match="ended with status 1 within seconds: no such model") as died:
        start.start(plan).watch(SECONDS)
    assert len(died.value.lines) == 2
    assert "\x1b" not in "".join(died.value.lines)
    assert not Path(plan.directory).exists()


def test_a_start_in_place_that_dies_at_once_leaves_the_run_as_it_was(run_path: Path) -> None:
    start.start(trainer(planned(run_path), "print(1)")).watch(SECONDS)
    before = {path.name: path.read_bytes() for path in run_path.iterdir() if path.name != "resume.log"}
    with pytest.raises(StartFailed):
        start.start(trainer(planned(run_path), "raise SystemExit(3)")).watch(SECONDS)
    assert {path.name: path.read_bytes() for path in run_path.iterdir() if path.name != "resume.log"} == before


def test_what_a_trainer_wrote_before_it_died_stays(run_path: Path) -> None:
    plan = trainer(planned(run_path, "000005"), "import sys; open(sys.argv[1] + '/metrics.jsonl', 'w'); sys.exit(2)")
    plan = replace(plan, argv=(*plan.argv, plan.directory))
    with pytest.raises(StartFailed, match=r"its output is in .*resume\.log"):
        start.start(plan).watch(SECONDS)
    assert sorted(os.listdir(plan.directory)) == ["checkpoints.jsonl", "metrics.jsonl", "resume.json", "resume.log"]


@pytest.mark.parametrize("broken", ["argv", "cwd", "parent"])
def test_a_start_that_cannot_be_made_leaves_nothing(run_path: Path, broken: str) -> None:
    plan = trainer(planned(run_path, "000005"))
    if broken == "argv":
        plan = replace(plan, argv=("/gone/python",))
    elif broken == "cwd":
        plan = replace(plan, cwd="/gone/folder")
    else:
        plan = replace(plan, directory="/gone/folder/one", files={})
    before = sorted(os.listdir(run_path.parent))
    with pytest.raises(StartFailed, match="gone") as failed:
        start.start(plan)
    assert failed.value.code == "no_trainer"
    assert sorted(os.listdir(run_path.parent)) == before


def test_a_plan_to_be_completed_is_written_and_not_started(run_path: Path) -> None:
    from stealthrl_tui.actions.resume.value import Way

    plan = planned(run_path, "000005", way=Way.SCAFFOLD)
    with pytest.raises(StartFailed, match="completed first"):
        start.start(plan)
    start.write_only(plan)
    assert sorted(os.listdir(plan.directory)) == ["resume.json", "resume_loop.py"]
    assert record_of(plan).pid is None
    with pytest.raises(StartFailed, match="is taken"):
        start.write_only(plan)


@pytest.mark.parametrize(
    ("launcher", "scripts"),
    [
        ("sh {script}", ["resume.sh"]),
        ("sh", ["resume.sh"]),
        ("sh -c {command}", []),
        ("env NAME={name} sh -c {command}", []),
    ],
)
def test_a_launcher_starts_it_elsewhere(run_path: Path, launcher: str, scripts: list[str]) -> None:
    plan = trainer(planned(run_path, "000005"), "import os; print(os.getcwd(), os.environ['EXTRA'])")
    started = start.start(plan, "launcher", launcher=launcher)
    assert started.pid is None
    assert said(plan, f"{plan.cwd} a b\n")
    started.watch(SECONDS)
    assert [name for name in os.listdir(plan.directory) if name.endswith(".sh")] == scripts
    found = record_of(plan)
    assert (found.where, found.pid, stop.stop(found)) == ("launcher", None, Stopped.ELSEWHERE)


@pytest.mark.parametrize(
    ("launcher", "why"), [("", "is empty"), ("sbatch {scrip}", "unknown field"), ("/gone/sbatch", "/gone/sbatch")]
)
def test_a_launcher_that_cannot_be_used_leaves_nothing(run_path: Path, launcher: str, why: str) -> None:
    plan = trainer(planned(run_path, "000005"))
    with pytest.raises(StartFailed, match=why):
        start.start(plan, "launcher", launcher=launcher)
    assert not Path(plan.directory).exists()


# For machines without tmux: what `new-window -d -P -F #{pane_pid} -n NAME COMMAND...` does to a process.
STAND_IN = f"""#!{sys.executable}
import subprocess, sys
if sys.argv[1] == "has-session": sys.exit(0)
assert sys.argv[1:6] == ["new-window", "-d", "-P", "-F", "#{{pane_pid}}"] and sys.argv[6] == "-n"
nowhere = subprocess.DEVNULL
print(subprocess.Popen(sys.argv[8:], start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere).pid)
"""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a tmux server of the test's own, or of a stand-in for it."""
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
    if shutil.which("tmux") is None:
        (tmp_path / "tmux").write_text(STAND_IN)
        (tmp_path / "tmux").chmod(0o755)
        yield {**environ, "PATH": f"{tmp_path}:{environ['PATH']}"}
        return
    with tempfile.TemporaryDirectory(prefix="tmux-") as sockets:  # tmp_path may be too long for a socket
        environ["TMUX_TMPDIR"] = sockets
        subprocess.run(["tmux", "-f", "/dev/null", "new-session", "-d", "-s", "s"], env=environ, check=True)
        yield environ
        subprocess.run(["tmux", "kill-server"], env=environ, check=False, capture_output=True)


def test_a_tmux_window_shows_it_and_a_stop_reaches_it(run_path: Path, tmux: dict[str, str]) -> None:
    plan = trainer(planned(run_path, "000005"))
    started = start.start(plan, "tmux", environ=tmux)
    assert said(plan, f"began {plan.cwd} a b")
    found = record_of(plan)
    assert (found.where, found.pid, stop.running(found)) == ("tmux", started.pid, True)
    assert stop.stop(found) is Stopped.INTERRUPTED
    assert Path(plan.log).read_text().endswith("interrupted\n[ended with status 0]\n")
    started.watch(SECONDS)


def test_a_tmux_window_that_closes_at_once_says_its_last_lines(run_path: Path, tmux: dict[str, str]) -> None:
    plan = trainer(planned(run_path, "000005"), "raise SystemExit('no model')")
    with pytest.raises(StartFailed, match="status 1") as died:
        start.start(plan, "tmux", environ=tmux).watch(SECONDS)
    assert died.value.lines == ("no model", "[ended with status 1]")
    assert not Path(plan.directory).exists()


@pytest.mark.parametrize(("tmux_says", "why"), [("echo no server >&2; exit 1", "no server"), (None, "not installed")])
def test_a_tmux_that_opens_no_window_leaves_nothing(
    run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmux_says: str | None, why: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if tmux_says is not None:
        (folder / "tmux").write_text(f"#!/bin/sh\n{tmux_says}\n")
        (folder / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    plan = trainer(planned(run_path, "000005"))
    with pytest.raises(StartFailed, match=why):
        start.start(plan, "tmux")
    assert not Path(plan.directory).exists()


def test_the_mark_of_a_process_that_is_gone() -> None:
    child = subprocess.Popen(["true"])
    assert wait_until(lambda: processes.mark(child.pid) is None)  # a zombie has ended
    child.wait()
    assert processes.mark(child.pid) is None
    assert processes.mark(os.getpid()) == processes.mark(os.getpid())
    assert processes.mark(2**22 + 5) is None


def test_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "resume.log"
    log.write_bytes(b"old\n" + b"\n".join(b"%d" % number for number in range(10_000)) + b"\n\n\xff\x1b[0m")
    assert start.last_lines(str(log), 4, 2)[0] == "9999"
    assert start.last_lines(str(tmp_path / "none")) == ()
