"""Resuming through the command line, against the sandbox with the SDK as it is: trained, killed, taken up again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.resume import stop
from stealthrl_tui.runs.lineage import read_lineage
from stealthrl_tui.sandbox.process import Sandbox

HERE = Path(__file__).parent
SECONDS = 60.0
STEPS = 16


@pytest.fixture
def environ(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[resume]\npython = {json.dumps(sys.executable)}\n")
    (tmp_path / "state").mkdir()
    places = {"STEALTHRL_TUI_CONFIG": str(settings), "XDG_STATE_HOME": str(tmp_path / "state")}
    return {**os.environ, **sandbox.environ(), **places}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def losses(run: Path, key: str) -> dict[int, float]:
    return {row["step"]: row[key] for row in rows(run / "metrics.jsonl")}


def wait_for(check: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def saves(run: Path) -> list[str]:
    return [row["name"] for row in rows(run / "checkpoints.jsonl")]


def kill_after_two_saves(command: Sequence[str], run: Path, environ: dict[str, str], cwd: Path) -> None:
    """Train until two checkpoints are there and some steps more are done, then SIGKILL."""
    child = subprocess.Popen(command, env=environ, cwd=cwd)
    wait_for(lambda: len(saves(run)) >= 2 and len(rows(run / "metrics.jsonl")) > 11)
    child.kill()
    assert child.wait() == -signal.SIGKILL


def resume(environ: dict[str, str], *arguments: str, cwd: Path | None = None) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "stealthrl_tui", "resume", *arguments, "--json"],
        env=environ, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (0 if events[-1]["event"] == "result" else 1), done.stderr
    return events


def started(events: list[dict[str, Any]]) -> dict[str, Any]:
    last = events[-1]
    assert (last["event"], last["ok"]) == ("result", True), events
    assert isinstance(last["pid"], int)
    assert not [event for event in events if event["event"] == "check" and event["level"] == "fail"]
    return last


def test_a_killed_sandbox_run_goes_on_as_if_nothing_had_happened(environ: dict[str, str], tmp_path: Path) -> None:
    def command(run: Path, *more: str) -> list[str]:
        trainer = [sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *more]
        return [*trainer, f"log_path={run}", f"max_steps={STEPS}", "save_every=5"]

    runs = tmp_path / "my runs"
    unbroken = subprocess.Popen(command(runs / "unbroken"), env=environ)
    killed = runs / "killed"
    kill_after_two_saves(command(killed, "--delay", "0.1"), killed, environ, tmp_path)
    assert unbroken.wait(SECONDS) == 0
    before = (killed / "checkpoints.jsonl").read_text()

    older = started(resume(environ, str(killed), "--checkpoint", "000005", "--name", "older"))
    assert older["path"] == str(runs / "older")
    assert (killed / "checkpoints.jsonl").read_text() == before
    last = started(resume(environ, str(killed)))
    assert last["path"] == str(killed)
    assert (killed / "checkpoints.jsonl").read_text().startswith(before)

    wait_for(lambda: all("final" in saves(run) for run in (killed, runs / "older")))
    expected = losses(runs / "unbroken", "train_mean_nll")
    assert losses(killed, "train_mean_nll") == expected
    assert losses(runs / "older", "train_mean_nll") == {step: expected[step] for step in range(5, STEPS)}
    lineage = read_lineage(str(runs / "older"))
    assert lineage is not None
    assert (lineage.parent, lineage.uri, lineage.step) == (str(killed), older["parent_uri"], 5)
    wait_for(lambda: stop.running(lineage) is False)
    refused = resume(environ, str(killed))
    assert refused[-1]["code"] == "exists"
    assert losses(killed, "train_mean_nll") == expected


def test_a_recipe_of_ones_own_goes_on_and_can_be_stopped(environ: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "it's a project"
    project.mkdir()
    shutil.copy(HERE / "small_trainer.py", project / "train it.py")
    killed = project / "runs/killed"
    given = [f"steps={STEPS}", "save_every=5", "note=$HOME; `id`"]
    command = [sys.executable, "train it.py", "log_path=runs/killed", *given]
    unbroken = subprocess.Popen(
        [sys.executable, "train it.py", "log_path=runs/unbroken", *given], env=environ, cwd=project
    )
    kill_after_two_saves(command, killed, {**environ, "DELAY": "0.1"}, project)
    assert unbroken.wait(SECONDS) == 0

    began = started(resume({**environ, "DELAY": "3"}, str(killed), "--checkpoint", "000005", cwd=tmp_path))
    older = Path(began["path"])
    assert older == project / "runs/killed-from-5"
    lineage = read_lineage(str(older))
    assert lineage is not None
    again = resume(environ, str(older), cwd=tmp_path)
    assert again[-1]["code"] == "still_running"
    assert stop.stop(lineage) is stop.Stopped.INTERRUPTED
    shown = losses(older, "env/all/reward/total")
    expected = losses(project / "runs/unbroken", "env/all/reward/total")
    assert shown == {step: expected[step] for step in shown}
    assert min(shown) == 5

    printed = subprocess.run(
        [sys.executable, "-m", "stealthrl_tui", "resume", "killed", "--root", str(project / "runs"), "--print"],
        env=environ, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert not (killed / "resume.json").exists()
    subprocess.run(["sh"], input=printed.stdout, env=environ, text=True, timeout=SECONDS, check=True)
    assert losses(killed, "env/all/reward/total") == expected


def test_a_stealthrl_run_goes_on_through_its_launcher(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    shutil.copytree(HERE / "stand_in/trainer", tmp_path, dirs_exist_ok=True)
    small = {"model": str(sandbox.model_dir), "rank": 8, "seed": 3, "batches": STEPS}
    (tmp_path / "small.json").write_text(json.dumps(small))
    environ = {**environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(HERE.parent.parent)])}
    command = [
        sys.executable,
        "-m",
        "stealthrl.tinker.train",
        "--config=small.json",
        "--num-epochs=1",
        "--save-every=5",
    ]
    unbroken = subprocess.Popen([*command, "--run-name", "unbroken"], env=environ, cwd=tmp_path)
    killed = tmp_path / "outputs/runs/killed"
    slow = {**environ, "STAND_IN_DELAY": "0.2"}
    kill_after_two_saves([*command, "--run-name", "killed", "--training-mode=async"], killed, slow, tmp_path)
    assert unbroken.wait(SECONDS) == 0

    began = started(resume(environ, str(killed), "--name", "second"))
    second = tmp_path / "outputs/runs/second"
    assert began["path"] == str(second)
    wait_for(lambda: (second / "run_metadata.json").exists())
    expected = losses(tmp_path / "outputs/runs/unbroken", "env/all/reward/total")
    assert losses(second, "env/all/reward/total") == {step: expected[step] for step in range(10, STEPS)}
    recorded = json.loads((second / "training_config.json").read_text())["run_info"]["command_line_args"]
    assert (recorded["run_name"], recorded["training_mode"]) == ("second", "async")


def make_run(path: Path, state_uri: str, model: str, rank: int = 8, command: str | None = "train.py") -> Path:
    path.mkdir()
    (path / "train.py").write_text("import json\n")
    (path / "config.json").write_text(json.dumps({"model_name": model, "lora_rank": rank, "group_size": 2}))
    (path / "checkpoints.jsonl").write_text(json.dumps({"name": "000005", "batch": 5, "state_path": state_uri}) + "\n")
    row = {"step": 5, "progress/batch": 5, "progress/done_frac": 0.3}
    (path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    if command is not None:
        (path / "logs.log").write_text(f"root:1 [INFO] Command line invocation: {path}/{command}\n")
    return path


LOOP = """
    import numpy
    for step in range(START_STEP, 12):
        tokens = tinker.TensorData.from_numpy(numpy.arange(1, 9))
        inputs = {"target_tokens": tokens, "weights": tinker.TensorData.from_numpy(numpy.ones(8, numpy.float32))}
        datum = tinker.Datum(model_input=tinker.ModelInput.from_ints(list(range(8))), loss_fn_inputs=inputs)
        trained = client.forward_backward([datum], "cross_entropy")
        client.optim_step(tinker.AdamParams(learning_rate=0.01)).result()
        trained.result()
        recorder.step(step + 1)
"""


def test_a_loop_of_ones_own_is_written_at_the_marked_place(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    uri = sandbox.save("tinker://loop:train:0/weights/000005")
    run = make_run(tmp_path / "run", uri, str(sandbox.model_dir), command=None)
    written = resume(environ, str(run), "--name", "mine")[-1]
    assert (written["ok"], written["started"], written["pid"]) == (True, False, None)
    script = tmp_path / "mine/resume_loop.py"

    def start() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)

    unwritten = start()
    assert unwritten.returncode == 1
    assert "the training loop is not written yet" in unwritten.stderr
    assert saves(tmp_path / "mine") == []
    head, _, rest = script.read_text().partition('    sys.exit("the training loop')
    script.write_text(head + LOOP + rest.partition("\n")[2])
    done = start()
    assert done.returncode == 0, done.stderr
    assert saves(tmp_path / "mine") == ["000010", "final"]
    lineage = read_lineage(str(tmp_path / "mine"))
    assert lineage is not None
    assert (lineage.parent, lineage.uri, lineage.step) == (str(run), uri, 5)


@pytest.mark.parametrize(
    ("name", "saved", "rank", "code"),
    [
        ("expired", {"expires_at": 1_000_000_000.0}, 8, "not_found"),
        ("rank", {}, 16, "rank_mismatch"),
        ("corrupted", {"corrupted": True}, 8, "server_error"),
    ],
)
def test_what_the_server_knows_stops_it(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path, name: str, saved: dict[str, Any], rank: int, code: str
) -> None:
    uri = sandbox.save(f"tinker://{name}:train:0/weights/000005", **saved)
    run = make_run(tmp_path / "run", uri, str(sandbox.model_dir), rank)
    before = sorted(os.listdir(tmp_path))
    events = resume(environ, str(run), "--dry-run")
    assert (events[-1]["event"], events[-1]["code"]) == ("error", code)
    assert events[0]["event"] == "plan"
    assert sorted(os.listdir(tmp_path)) == before


def test_without_a_service_the_whole_checklist_still_comes(
    environ: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", "tinker://a:train:0/weights/000005", "m/base")
    events = resume({**environ, "TINKER_BASE_URL": "http://127.0.0.1:9"}, str(run), "--dry-run")
    assert events[-1]["code"] == "unreachable"
    assert [event["what"] for event in events if event["event"] == "check"][-2:] == ["steps", "directory"]
