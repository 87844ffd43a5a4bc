"""The layout as it was left: sort, tab, chosen metrics, smoothing, theme; and the prompts of test-loads.

The filter is not kept: one that hides everything is a bad thing to come back to.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stealthrl_tui.runs.keys import higher_is_better
from stealthrl_tui.runs.model import Run

SMOOTHINGS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True, slots=True)
class Measure:
    """The metric that says how good a checkpoint is, and which way is better (None: neither)."""

    key: str | None
    higher: bool | None


@dataclass(slots=True)
class Memory:
    """What is remembered from one start to the next.

    `metrics` is the chosen metric of each kind of run, `higher` the chosen direction of a metric (True: higher is
    better). `smoothing` is the weight of the exponential moving average, 0 for none. `prompts` is what a test-load asks
    instead of the usual, by kind of run.
    """

    sort: str = ""
    reverse: bool = False
    tab: str = "timeline"
    metrics: dict[str, str] = field(default_factory=dict)
    higher: dict[str, bool] = field(default_factory=dict)
    smoothing: float = 0.9
    theme: str = ""
    prompts: dict[str, str] = field(default_factory=dict)

    def measure(self, run: Run) -> Measure:
        """The metric chosen for runs of this kind, where this one has it, else its own main metric."""
        key: str | None = self.metrics.get(run.facts.kind.value)
        if key is None or key not in run.metrics.keys:
            key = run.main_metric
        return Measure(key, None if key is None else self.higher.get(key, higher_is_better(key)))

    def choose(self, run: Run, measure: Measure) -> None:
        """Keep what was chosen, for all runs of this kind."""
        if measure.key is not None:
            self.metrics[run.facts.kind.value] = measure.key
            if measure.higher is not None:
                self.higher[measure.key] = measure.higher

    def forget(self) -> None:
        """Begin anew."""
        fresh = Memory()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def smoother(self, by: int) -> float:
        """The smoothing `by` notches further along; it is set and returned."""
        nearest = min(range(len(SMOOTHINGS)), key=lambda index: abs(SMOOTHINGS[index] - self.smoothing))
        self.smoothing = SMOOTHINGS[max(0, min(len(SMOOTHINGS) - 1, nearest + by))]
        return self.smoothing


def load(path: Path) -> Memory:
    """What was remembered; a missing, broken or foreign file is a fresh start, field by field."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Memory()
    return _checked(found) if isinstance(found, dict) else Memory()


def _checked(found: dict[str, Any]) -> Memory:
    fresh = Memory()
    for name in ("sort", "tab", "theme"):
        if isinstance(found.get(name), str):
            setattr(fresh, name, found[name])
    if isinstance(found.get("reverse"), bool):
        fresh.reverse = found["reverse"]
    for name, kind in (("metrics", str), ("higher", bool), ("prompts", str)):
        value = found.get(name)
        if isinstance(value, dict):
            setattr(fresh, name, {key: item for key, item in value.items() if isinstance(item, kind)})
    smoothing = found.get("smoothing")
    if isinstance(smoothing, int | float) and math.isfinite(smoothing) and 0 <= smoothing < 1:
        fresh.smoothing = float(smoothing)
    return fresh


def save(memory: Memory, path: Path) -> None:
    """Write `memory` to `path` in one step; raises OSError when it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(memory), file, indent=1, sort_keys=True)
        os.replace(beside, path)
    except OSError:
        Path(beside).unlink(missing_ok=True)
        raise
