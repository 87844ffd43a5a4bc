"""Runs and plans for the tests of resuming."""

import json
import shlex
import time
from pathlib import Path
from typing import Any

from stealthrl_tui.actions.resume.plan import plan
from stealthrl_tui.actions.resume.value import Check, Plan, Preferences
from stealthrl_tui.runs.discovery import Search
from stealthrl_tui.runs.model import Checkpoint, Depth, Run
from stealthrl_tui.runs.run import RunReader

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
ID = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"


def read(path: Path) -> Run:
    found = Search([str(path)]).at(str(path))
    assert found is not None
    *_, run = RunReader(found).pieces(Depth.FULL, time.time())
    return run


def ledger_line(name: str, batch: int, **more: Any) -> str:
    row = {"name": name, "batch": batch, "state_path": f"tinker://{ID}/weights/{name}", **more}
    return json.dumps({**row, "sampler_path": f"tinker://{ID}/sampler_weights/{name}"}) + "\n"


def project(folder: Path) -> Path:
    """A training project: a folder with a trainer that needs nothing."""
    (folder / "my recipes").mkdir(parents=True)
    (folder / "my recipes" / "train.py").write_text("import json\nimport sys\n")
    return folder


def cookbook_run(path: Path, *arguments: str, program: str = "my recipes/train.py", rows: int = 2) -> Path:
    """An RL run of the cookbook that stopped between two saves."""
    path.mkdir(parents=True)
    config = {"model_name": "Qwen/Qwen3-4B", "lora_rank": 16, "log_path": str(path), "group_size": 4}
    (path / "config.json").write_text(json.dumps(config))
    ledger = "".join(ledger_line(f"{5 * count:06d}", 5 * count) for count in range(1, rows + 1))
    (path / "checkpoints.jsonl").write_text(ledger)
    metrics = [{"step": step, "progress/batch": step, "progress/done_frac": (step + 1) / 20} for step in range(12)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    command = shlex.join([program, *(arguments or (f"log_path={path}", "n_batches=20"))])
    (path / "logs.log").write_text(f"root:791 [INFO] Command line invocation: {command}\n")
    return path


def planned(path: Path, checkpoint: str | int = -1, **more: Any) -> Plan:
    run = read(path)
    return plan(run, chosen(run, checkpoint), **more)


def chosen(run: Run, checkpoint: str | int) -> Checkpoint:
    if isinstance(checkpoint, int):
        return run.checkpoints[checkpoint]
    return next(each for each in run.checkpoints if each.name == checkpoint)


def failing(checks: tuple[Check, ...]) -> list[tuple[str, str]]:
    return [(line.what, line.code) for line in checks if line.level == "fail"]


def here(folder: Path, **more: str) -> Preferences:
    return Preferences(cwd=str(folder), **more)
