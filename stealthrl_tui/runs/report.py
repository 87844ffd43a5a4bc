"""Runs as JSON (DESIGN.md, "JSON"): the field names and null rules that scripts rely on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stealthrl_tui.runs.choose import best_checkpoint, is_own
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.runs.rows import DEEPEST
from stealthrl_tui.text import REPLACEMENT, iso

_SURROGATE = re.compile("[\ud800-\udfff]")


def run_json(
    run: Run, *, checkpoints: bool = False, metric: str | None = None, higher: bool | None = None
) -> dict[str, Any]:
    """One run; with `checkpoints` its checkpoints too, oldest first, the best by `metric` and `higher`.

    Everything in it can be dumped as strict JSON and encoded as UTF-8.
    """
    last = run.last_checkpoint
    found: dict[str, Any] = {
        "name": run.name,
        "path": run.path,
        "status": str(run.status),
        "status_reason": run.status_reason,
        "base_model": run.facts.base_model,
        "lora_rank": run.facts.lora_rank,
        "renderer": run.facts.renderer,
        "training_run_ids": run.training_run_ids,
        "step": run.step,
        "total_steps": run.total_steps,
        "eta_seconds": run.eta_seconds,
        "save_every": run.facts.save_every,
        "updated_at": iso(run.updated_at),
        "checkpoint_count": len(run.checkpoints),
        "last_checkpoint": last.name if last else None,
        "metrics": run.metrics.latest,
        "problems": run.problems,
    }
    if checkpoints:
        best = best_checkpoint(run, metric, higher)
        found["checkpoints"] = [checkpoint_json(run, each, best=each is best) for each in run.checkpoints]
    safe: dict[str, Any] = sanitized(found)
    return safe


def checkpoint_json(run: Run, checkpoint: Checkpoint, *, best: bool) -> dict[str, Any]:
    """One checkpoint, its metrics those of its own row (`choose.is_own`); nothing is asked of a server."""
    return {
        "name": checkpoint.name,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "final": checkpoint.final,
        "rolling": checkpoint.rolling,
        "state_uri": checkpoint.state_uri,
        "sampler_uri": checkpoint.sampler_uri,
        "saved_at": iso(checkpoint.saved_at),
        "metrics": dict(_own_metrics(run, checkpoint)),
        "best": best,
        "server": None,
        "extra": checkpoint.extra,
        "problems": checkpoint.problems,
    }


def _own_metrics(run: Run, checkpoint: Checkpoint) -> Iterator[tuple[str, float | None]]:
    """The numbers of the checkpoint's own row; None for one that may be NaN there."""
    measured = run.own_step(checkpoint) is not None
    for key in run.metrics.keys:
        reading = run.value_at(checkpoint, key)
        if reading is not None and is_own(checkpoint, reading):
            yield key, reading.value
        elif measured and key in run.metrics.nonfinite:
            yield key, None


def sanitized(value: Any, depth: int = 0) -> Any:
    """`value` as JSON holds it: no NaN or infinity (null), no lone surrogate (U+FFFD), no unknown type (its text)."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub(REPLACEMENT, value)
    if depth >= DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {sanitized(str(name)): sanitized(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [sanitized(item, depth + 1) for item in value]
    return sanitized(str(value))


def dumps(value: Any, *, ascii_only: bool = False) -> str:
    """`value` (sanitized already) as JSON text, indented for people too."""
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=2)
