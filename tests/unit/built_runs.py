"""Runs and checkpoints as values, for tests that need no file."""

from array import array
from collections.abc import Sequence
from typing import Any

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Facts, Metrics, Reading, Run, Series, Status

REWARD = "env/all/reward/total"
NOW = 1_800_000_000.0
ID = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"


def save(step: int | None, name: str | None = None, run_id: str = ID, **more: Any) -> Checkpoint:
    """A checkpoint with both halves unless `state_uri` or `sampler_uri` say otherwise."""
    name = name or f"{step:06d}"
    fields: dict[str, Any] = {
        "state_uri": f"tinker://{run_id}/weights/{name}",
        "sampler_uri": f"tinker://{run_id}/sampler_weights/{name}",
        "training_run_id": run_id,
        **more,
    }
    return Checkpoint(name, step, **fields)


def series(points: Sequence[tuple[int, float]], passes: tuple[int, ...] = (0,)) -> Series:
    """A series of (step, value)."""
    steps, values = array("q", (step for step, _ in points)), array("d", (value for _, value in points))
    return Series(steps, values, len(points), passes)


def metrics(columns: dict[str, Sequence[tuple[int, float]]], **more: Any) -> Metrics:
    """Metrics whose latest values are the last points."""
    latest = {key: points[-1][1] for key, points in columns.items()}
    return Metrics(
        tuple(columns), {**latest, **more.pop("latest", {})}, {k: series(p) for k, p in columns.items()}, **more
    )


def run(name: str = "grp/run_1", *checkpoints: Checkpoint, facts: dict[str, Any] | None = None, **more: Any) -> Run:
    """A running StealthRL run."""
    fields: dict[str, Any] = {
        "root": "/runs",
        "path": f"/runs/{name}",
        "status": Status.RUNNING,
        "status_reason": "written 9 s ago",
        "training_run_ids": tuple(dict.fromkeys(c.training_run_id for c in checkpoints if c.training_run_id)),
        "facts": Facts(**{"kind": Kind.STEALTHRL, "base_model": "Qwen/Qwen3-4B", "lora_rank": 16, **(facts or {})}),
        **more,
    }
    if "metrics" in fields:
        fields.setdefault("main_metric", next(iter(fields["metrics"].keys), None))
    return Run(name=name, checkpoints=checkpoints, **fields)


def reading(value: float, step: int) -> Reading:
    """A reading."""
    return Reading(value, step)
