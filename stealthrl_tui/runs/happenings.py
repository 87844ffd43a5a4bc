"""What happened to a run between two looks at it, as the events of `watch --json` (DESIGN.md, "JSON")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stealthrl_tui.runs.keys import watched
from stealthrl_tui.runs.model import Checkpoint, Run

Event = dict[str, Any]
_NUMBERS = re.compile(r"\d+")


def added(run: Run) -> Iterator[Event]:
    """A run that was not there, and all that it has already."""
    yield {"event": "run_added", "run": run.name, "path": run.path, "status": str(run.status)}
    yield from _since(None, run)


def removed(run: Run) -> Event:
    """A run that is gone from the disk."""
    return {"event": "run_removed", "run": run.name, "path": run.path}


def changed(before: Run, after: Run) -> Iterator[Event]:
    """What is new in `after`: checkpoints, the status, how far it is, and what is wrong."""
    yield from _since(before, after)
    if after.status is not before.status:
        yield {
            "event": "status",
            "run": after.name,
            "from": str(before.status),
            "to": str(after.status),
            "reason": after.status_reason,
        }


def _since(before: Run | None, after: Run) -> Iterator[Event]:
    known = {} if before is None else {save.key: _uris(save) for save in before.checkpoints}
    for save in after.checkpoints:
        uris = _uris(save)
        if known.get(save.key) != uris:
            yield {"event": "checkpoint", "run": after.name, "name": save.name, "step": save.step, "uris": uris}
    if after.step is not None and (before is None or after.step != before.step):
        yield _progress(after)
    told = set() if before is None else set(map(_gist, before.problems))
    for text in after.problems:
        if _gist(text) not in told:
            yield {"event": "problem", "run": after.name, "text": text}


def _uris(save: Checkpoint) -> list[str]:
    return [uri for uri in (save.state_uri, save.sampler_uri) if uri is not None]


def _progress(run: Run) -> Event:
    latest = run.metrics.latest
    keys = dict.fromkeys((*((run.main_metric,) if run.main_metric else ()), *watched(run.facts.kind, latest)))
    return {
        "event": "progress",
        "run": run.name,
        "step": run.step,
        "total_steps": run.total_steps,
        "metrics": {key: latest[key] for key in keys if key in latest},
    }


def _gist(problem: str) -> str:
    """The problem whatever its numbers say: "5 steps since the last save" is the same news as "4 steps"."""
    return _NUMBERS.sub("#", problem)
