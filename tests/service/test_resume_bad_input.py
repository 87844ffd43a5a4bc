"""What is no good for a resume, through the command line: said in words, with its code, and nothing is left."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.resume import processes
from stealthrl_tui.sandbox.process import Sandbox
from tests.service.verbs import Said, environ, tell, words

ROOT = os.geteuid() == 0


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    (home / "state").mkdir(parents=True)
    return environ(home, sandbox, STEALTHRL_TUI_CONFIG=str(settings(home, python=sys.executable)))


def settings(home: Path, **resume: str) -> Path:
    path = home / "settings.toml"
    path.write_text("[resume]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in resume.items()))
    return path


def make(
    folder: Path, sandbox: Sandbox, rows: list[dict[str, Any]], *, rank: int = 8, command: str | None = "PROGRAM"
) -> Path:
    """A run that stopped at step 6 of 20, of a program that would leave a mark if it were started."""
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(f"open({str(folder / 'started')!r}, 'w')\n")
    config = {"model_name": str(sandbox.model_dir), "lora_rank": rank, "group_size": 2}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    row = {"step": 5, "progress/batch": 5, "progress/done_frac": 0.3}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    if command is not None:
        command = command.replace("PROGRAM", shlex.quote(f"{folder}/train.py"))
        (folder / "logs.log").write_text(f"root:1 [INFO] Command line invocation: {command}\n")
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    return folder


def saved(sandbox: Sandbox, name: str, **more: Any) -> dict[str, Any]:
    uri = sandbox.save(f"tinker://{name}:train:0/weights/000005", **more)
    return {"name": "000005", "batch": 5, "state_path": uri}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(env: dict[str, str], run: Path, *arguments: str) -> Said:
    """A dry run and a start, which are refused alike; nothing on the disk is another, nothing was started."""
    before = snapshot(run.parent), sorted(run.parent.rglob("*"))
    dry = tell(env, "resume", str(run), *arguments, "--dry-run")
    told = tell(env, "resume", str(run), *arguments)
    spoken = words(env, "resume", str(run), *arguments)
    printed = words(env, "resume", str(run), *arguments, "--print")
    for said in (dry, told, spoken, printed):
        assert said.status == 1, said.out
        assert "Traceback" not in said.out + said.err
        assert "\x1b" not in said.out + said.err
        assert len(said.err.splitlines()) == 1 or said is printed
    assert (dry.last["event"], dry.last["code"]) == ("error", told.last["code"])
    assert told.last["event"] == "error"
    assert ": ".join(told.last["message"].split(": ")[:2]) in spoken.err
    assert printed.out == ""
    assert (snapshot(run.parent), sorted(run.parent.rglob("*"))) == before
    return told


def test_sampler_weights_alone(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    sampler = sandbox.save("tinker://sampler:train:0/sampler_weights/000005")
    run = make(tmp_path / "runs/one", sandbox, [{"name": "000005", "batch": 5, "sampler_path": sampler}])
    assert refused(env, run).last["code"] == "wrong_kind"
    said = refused(env, run, "--checkpoint", "000005")
    assert said.last["code"] == "wrong_kind"
    assert "only its sampler weights were saved" in said.last["message"]


def test_an_expired_state(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    soon = make(tmp_path / "soon/one", sandbox, [saved(sandbox, "soon", expires_at=time.time() + 110)])
    said = refused(env, soon)
    assert said.last["code"] == "expired"
    assert "before a trainer has opened it: keep it" in said.last["message"]
    gone = make(tmp_path / "gone/one", sandbox, [saved(sandbox, "gone", expires_at=1e9)])
    assert refused(env, gone).last["code"] in ("expired", "not_found")


def test_a_deleted_state(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    row = saved(sandbox, "deleted")
    deleted = words(env, "delete", row["state_path"], "--yes", "--force")
    assert deleted.status == 0, deleted.err
    said = refused(env, make(tmp_path / "runs/one", sandbox, [row]))
    assert said.last["code"] == "not_found"
    assert "deleted, expired, or another key's" in said.last["message"]


@pytest.mark.parametrize(
    ("more", "rank", "code"),
    [({"base_model": "other/model"}, 8, "base_model_mismatch"), ({"lora_rank": 4}, 8, "rank_mismatch")],
)
def test_another_model(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, more: dict[str, Any], rank: int, code: str
) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, code, **more)], rank=rank)
    said = refused(env, run)
    assert said.last["code"] == code
    assert "the run had" in said.last["message"]
    assert str(next(iter(more.values()))) in said.last["message"]


def test_a_run_without_a_recorded_command_gets_a_script_to_complete(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "uncommanded")], command=None)
    dry = tell(env, "resume", str(run), "--dry-run")
    assert dry.status == 0
    assert (dry.events[0]["way"], dry.events[0]["ready"]) == ("scaffold", False)
    assert os.listdir(run.parent) == ["one"]
    said = words(env, "resume", str(run))
    assert said.status == 0, said.err
    assert "written, not started: complete" in said.out
    assert sorted(os.listdir(run.parent / "one-from-5")) == ["resume.json", "resume_loop.py"]


@pytest.mark.parametrize("command", ["train.py 'unclosed", "-c pass", "gone.py", "/gone/train.py", "''"])
def test_a_command_that_cannot_be_run_again(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, command: str
) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "command")], command=command)
    assert refused(env, run).last["code"] == "no_trainer"


def test_metacharacters_and_spaces_reach_the_program_as_words(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "it's; a $HOME `id` (folder)"
    program = "import json, sys\njson.dump(sys.argv[1:], open(sys.argv[0] + '.given', 'w'))\n"
    nasty = ["a b", "$(touch pwned)", "`touch pwned`", "; touch pwned", "&& x", "'", '"', "*", "é\\", "{step}"]
    given = [f"n{number}={word}" for number, word in enumerate(nasty)]
    run = make(folder / "runs/one", sandbox, [saved(sandbox, "words")], command=shlex.join(["my train.py", *given]))
    (folder / "my train.py").write_text(program)
    said = tell(env, "resume", str(run), "--name", "it's new; $x")
    assert said.status == 0, said.err
    found = folder / "my train.py.given"
    end = time.monotonic() + 20
    while not found.exists() or not found.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    new = folder / "runs/it's new; $x"
    assert json.loads(found.read_text()) == [*given, f"log_path={new}", "behavior_if_log_dir_exists=resume"]
    found.unlink()
    printed = words(env, "resume", str(run), "--name", "2 & 3", "--print")
    subprocess.run(["sh"], input=printed.out, text=True, check=True, env=env, cwd=tmp_path, capture_output=True)
    assert json.loads(found.read_text())[-2] == f"log_path={folder / 'runs/2 & 3'}"
    assert not list(tmp_path.rglob("pwned"))


def test_an_interpreter_that_is_gone(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "interpreter")])
    for python in ("/gone/python", str(tmp_path)):
        settings(Path(env["HOME"]), python=python)
        said = refused(env, run)
        assert said.last["code"] == "no_trainer"
        assert "is gone or can't be run" in said.last["message"]


def test_a_trainer_whose_modules_are_not_there(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "modules")])
    (run / "train.py").write_text("import no_such_package_at_all\n")
    said = refused(env, run)
    assert said.last["code"] == "no_trainer"
    assert "no_such_package_at_all is not installed" in said.last["message"]


def test_a_directory_that_cannot_be_written(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "unwritable")])
    # A file where the start wants its log: what no permission of the tester's can get around.
    (run / "resume.log").mkdir()
    before = snapshot(tmp_path / "runs")
    said = tell(env, "resume", str(run))
    assert (said.status, said.last["code"]) == (1, "no_trainer")
    assert "resume.log" in said.last["message"]
    assert "Traceback" not in said.err
    assert snapshot(tmp_path / "runs") == before
    if not ROOT:
        (run.parent).chmod(0o555)
        try:
            assert "can't be written" in refused(env, run, "--name", "new").last["message"]
        finally:
            run.parent.chmod(0o755)


def test_a_number_that_another_process_has_now(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    try:
        run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "reused")])
        record = {"parent_path": str(run), "pid": other.pid, "host": socket.gethostname(), "where": "here"}
        (run / "resume.json").write_text(json.dumps({**record, "process": processes.mark(other.pid)}))
        alive = refused(env, run)
        assert alive.last["code"] == "still_running"
        assert f"process {other.pid}" in alive.last["message"]
        (run / "resume.json").write_text(json.dumps({**record, "process": "12@an-earlier-boot"}))
        assert tell(env, "resume", str(run), "--dry-run").status == 0
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()


def test_a_name_that_is_taken_and_one_that_is_none(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "names")])
    (run.parent / "taken").mkdir()
    for name in ("taken", "one", "a/b", "..", "", "a\x1b[2Jb"):
        assert refused(env, run, f"--name={name}").last["code"] == "exists"


def test_a_service_in_trouble(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "trouble")])
    sandbox.fault("status", status=401)
    try:
        assert refused(env, run).last["code"] == "rejected_key"
    finally:
        sandbox.clear_faults()
    assert refused({**env, "TINKER_BASE_URL": "http://127.0.0.1:9"}, run).last["code"] == "unreachable"
    keyless = {name: value for name, value in env.items() if name != "TINKER_API_KEY"}
    assert refused(keyless, run).last["code"] == "no_key"


@pytest.mark.parametrize(
    ("program", "last"),
    [
        ("import sys\nprint('loading')\nsys.exit('no such model')\n", "no such model"),
        ("import os\nprint('loading', flush=True)\nos.kill(os.getpid(), 9)\n", "loading"),
        ("this is no Python\n", "SyntaxError"),
    ],
    ids=["exit", "killed", "syntax"],
)
def test_a_start_that_dies_at_once_says_its_last_lines_and_leaves_nothing(
    env: dict[str, str], sandbox: Sandbox, tmp_path: Path, program: str, last: str
) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "dies")])
    (run / "train.py").write_text(program)
    before = snapshot(tmp_path / "runs")
    for name in ([], ["--name", "new"]):
        said = tell(env, "resume", str(run), *name)
        assert (said.status, said.last["code"]) == (1, "server_error")
        assert last in said.of("output")[-1]["text"]
        after = snapshot(tmp_path / "runs")
        after.pop(str(run / "resume.log"), None)
        assert after == before
        assert os.listdir(tmp_path / "runs") == ["one"]


def test_a_disk_that_is_full(env: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    run = make(tmp_path / "runs/one", sandbox, [saved(sandbox, "full")], command=None)
    before = sorted(tmp_path.rglob("runs/**"))
    # No file may grow past so many bytes, as on a full disk: the script is larger.
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", sys.executable, "-m", "stealthrl_tui", "resume", str(run)]
    done = subprocess.run(limited, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    assert sorted(tmp_path.rglob("runs/**")) == before
