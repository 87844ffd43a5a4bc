"""Runs and steps that the tests of resuming on the screen have in common."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from stealthrl_tui.actions.resume import stop
from stealthrl_tui.runs.lineage import Lineage
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.ui.widgets.checkpoint_table import CheckpointTable
from tests.ui.conftest import app_of

SECONDS = 60.0
READY = "Enter  start"


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that may not be there yet, a line that is being written left out."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def saves(run: Path) -> list[str]:
    return [row["name"] for row in rows(run / "checkpoints.jsonl")]


def wait_for(check: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def trainer(run: Path, steps: int, *more: str) -> list[str]:
    """The sandbox trainer's command."""
    head = [sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *more]
    return [*head, f"log_path={run}", f"max_steps={steps}", "save_every=5"]


def kill_after_two_saves(command: Sequence[str], run: Path, **more: Any) -> Path:
    """Train until two checkpoints are there and some steps more are done, then SIGKILL."""
    child = subprocess.Popen(command, **more)
    wait_for(lambda: len(saves(run)) >= 2 and len(rows(run / "metrics.jsonl")) > 11)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    return run


def configure(folder: Path, **resume: str) -> None:
    """Write the settings file: this Python trains, and what else is wanted of [resume]."""
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in {"python": sys.executable, **resume}.items()]
    (folder / "settings.toml").write_text("[resume]\n" + "".join(lines))


async def choose(pilot: Pilot[None], name: str) -> None:
    """Put the cursor on a save."""
    table = app_of(pilot).browse.query_one(CheckpointTable)
    table.select(next(row.checkpoint.key for row in table.rows if row.checkpoint.name == name))
    await pilot.pause()


def end(lineage: Lineage | None) -> None:
    """No trainer outlives its test."""
    if lineage is not None and lineage.pid is not None and stop.running(lineage):
        os.killpg(lineage.pid, signal.SIGKILL)


def built(run: Path, sandbox: Sandbox, program: str, **row: str) -> Path:
    """A run of a recipe whose program does what is wanted; its two saves have one name."""
    run.mkdir(parents=True)
    (run / "train.py").write_text(program)
    config = {"model_name": str(sandbox.model_dir), "lora_rank": 8, "group_size": 2}
    (run / "config.json").write_text(json.dumps(config))
    first, second = (sandbox.save(f"tinker://{name}-{run.name}:train:0/weights/000005") for name in ("one", "two"))
    saves = [{"name": "000005", "batch": 5, "state_path": uri} for uri in (first, second)]
    (run / "checkpoints.jsonl").write_text(
        "".join(json.dumps(save) + "\n" for save in [*saves, *([row] if row else [])])
    )
    (run / "metrics.jsonl").write_text(json.dumps({"step": 5, "progress/batch": 5, "progress/done_frac": 0.3}) + "\n")
    (run / "logs.log").write_text(f"root:1 [INFO] Command line invocation: {run}/train.py\n")
    os.utime(run / "metrics.jsonl", (1e9, 1e9))
    return run
