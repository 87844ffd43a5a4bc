"""The sandbox's own trainer: a run directory from first step to final, interrupted and taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.sandbox.lifeline import OWNER_VARIABLE, is_left, owning
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.sandbox.trainer import read_options

SECONDS = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *arguments]


def train(sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **sandbox.environ()}
    return subprocess.run(
        command(*arguments), env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_from_first_step_to_final(sandbox: Sandbox, tmp_path: Path) -> None:
    done = train(sandbox, "--runs", str(tmp_path), "--name", "sl/live", "--steps", "25", "--save-every", "10")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run = tmp_path / "sl/live"
    config = json.loads((run / "config.json").read_text())
    assert (config["model_name"], config["lora_rank"]) == (str(sandbox.model_dir), 16)
    metrics = rows(run / "metrics.jsonl")
    assert [row["step"] for row in metrics] == list(range(25))
    assert metrics[-1]["progress"] == 1.0
    assert metrics[-1]["train_mean_nll"] < 0.75 * metrics[0]["train_mean_nll"]
    assert [row["step"] for row in metrics if "test/nll" in row] == [0, 5, 10, 15, 20]
    assert all({"learning_rate", "num_tokens", "time/total"} <= set(row) for row in metrics)
    ledger = rows(run / "checkpoints.jsonl")
    assert [(row["name"], row["batch"], row["epoch"]) for row in ledger] == [
        ("000010", 10, 0),
        ("000020", 20, 0),
        ("final", 25, 0),
    ]
    info = json.loads((run / "checkpoints/final_checkpoint_info.json").read_text())
    assert tuple(info["checkpoints"].values()) == (ledger[-1]["state_path"], ledger[-1]["sampler_path"])
    assert all(row["saved_at"] and (row["expires_at"] is None) == (row["name"] == "final") for row in ledger)
    for row in ledger:
        for path in (row["state_path"], row["sampler_path"]):
            assert sandbox.call("POST", "/api/v1/weights_info", {"tinker_path": path})["lora_rank"] == 16
    log = (run / "logs.log").read_text()
    assert "Command line invocation: " in log
    assert "Training completed successfully" in log
    assert sandbox.api_key not in log
    assert sandbox.open_sessions() == []
    again = train(sandbox, "--runs", str(tmp_path), "--name", "sl/live")
    assert again.returncode == 1
    assert "holds a run already" in again.stderr


def test_an_interrupted_run_is_taken_up_as_if_nothing_had_happened(sandbox: Sandbox, tmp_path: Path) -> None:
    unbroken = train(sandbox, f"log_path={tmp_path / 'unbroken'}", "max_steps=16", "save_every=5")
    assert unbroken.returncode == 0, unbroken.stderr
    interrupted = tmp_path / "interrupted"
    arguments = ["--delay", "0.1", f"log_path={interrupted}", "max_steps=16", "save_every=5"]
    child = subprocess.Popen(command(*arguments), env={**os.environ, **sandbox.environ()})
    deadline = time.monotonic() + SECONDS
    while not (interrupted / "checkpoints.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(SECONDS) == 130
    resumed = train(sandbox, *arguments, "behavior_if_log_dir_exists=resume")
    assert resumed.returncode == 0, resumed.stderr
    losses = [
        [row["train_mean_nll"] for row in rows(run / "metrics.jsonl")] for run in (tmp_path / "unbroken", interrupted)
    ]
    assert losses[0] == losses[1]
    ledger = rows(interrupted / "checkpoints.jsonl")
    assert [row["name"] for row in ledger] == ["000005", "000010", "000015", "final"]
    assert len({row["state_path"].split("/")[2] for row in ledger}) == 2
    assert (interrupted / "metrics.jsonl.pre_resume_000005").exists()
    before = (interrupted / "metrics.jsonl").read_bytes()
    assert train(sandbox, *arguments, "behavior_if_log_dir_exists=resume").returncode == 0
    assert (interrupted / "metrics.jsonl").read_bytes() == before
    assert rows(interrupted / "checkpoints.jsonl") == ledger


def test_a_trainer_ends_with_the_owner_of_a_folder_though_it_was_detached(sandbox: Sandbox, tmp_path: Path) -> None:
    arguments = ["--runs", str(tmp_path), "--steps", "1000", "--delay", "1"]
    environ = {**os.environ, **sandbox.environ(), OWNER_VARIABLE: str(tmp_path)}
    with owning(tmp_path, patience=SECONDS):
        child = subprocess.Popen(command(*arguments), env=environ, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + SECONDS
        while not (tmp_path / "harbour/metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_left(tmp_path)
        assert child.poll() is None
    assert child.wait(SECONDS) == 0
    assert is_left(tmp_path)
    shutil.rmtree(tmp_path)
    assert subprocess.run(command(*arguments), env=environ, timeout=SECONDS, check=False).returncode == 0
    assert not tmp_path.exists()


@pytest.mark.parametrize(
    "arguments", [["--steps", "0"], ["--save-every", "0"], ["max_steps=x"], ["colour=red"], ["--delay", "-1"]]
)
def test_senseless_arguments_are_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_without_a_key_the_trainer_says_so_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TINKER_")}
    environ |= {"HOME": str(tmp_path), "TINKER_BASE_URL": sandbox.base_url, "TINKER_TELEMETRY": "0"}
    done = subprocess.run(
        command("--runs", str(tmp_path)), env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("the trainer stopped: ")
    assert "Traceback" not in done.stderr
