"""Run directories that a test writes piece by piece, as a trainer would."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path


def ledger_row(step: int, run_id: str = "b:train:0", **more: object) -> bytes:
    row = {
        "name": f"{step:06d}",
        "batch": step,
        "state_path": f"tinker://{run_id}/weights/{step:06d}",
        "sampler_path": f"tinker://{run_id}/sampler_weights/{step:06d}",
        **more,
    }
    return json.dumps(row).encode() + b"\n"


def metrics_row(step: int, total: int = 100, reward: float = 0.5, **more: object) -> bytes:
    row = {
        "step": step,
        "progress/batch": step,
        "progress/done_frac": (step + 1) / total,
        "env/all/reward/total": reward,
        "time/total": 10.0,
        **more,
    }
    return json.dumps(row).encode() + b"\n"


def append(path: Path, data: bytes) -> None:
    """One write, as the trainers append their rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def make_run(path: Path, steps: int = 5) -> Path:
    """A live RL run: some metrics and one checkpoint at the last step."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_name": "m/base", "lora_rank": 8, "save_every": 5}))
    for step in range(steps):
        append(path / "metrics.jsonl", metrics_row(step, reward=step / 10))
    append(path / "checkpoints.jsonl", ledger_row(steps))
    return path


def wait_until(check: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether `check` became true; asked often, so that a passing test is fast."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.01)
    return check()
