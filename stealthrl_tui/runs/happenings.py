"""What is new about a run since the last look at it, as the events of `watch --json` (DESIGN.md, "JSON")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stealthrl_tui.runs.keys import watched
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.runs.report import sanitized

Event = dict[str, Any]
# A count, with what is counted. The number of a line tells one problem from another.
_COUNT = re.compile(r"\bonce\b|(?<!line )(?<!\d)\d+( \w+)?")


class Story:
    """What was told of one run, so that each thing is told once.

    A comparison with the last look alone would tell it again whenever it went and came back: "1 step since the last
    save" does with every save, and all checkpoints do when a ledger is written anew.
    """

    def __init__(self) -> None:
        self._last: Run | None = None
        self._saves: set[str] = set()
        self._problems: set[str] = set()
        self._progress: Event = {}

    def news(self, run: Run) -> list[Event]:
        """What `run` says that was not told yet; at the first look that it is there, and all that it has."""
        last, self._last = self._last, run
        events = [] if last else [_event("run_added", run, status=str(run.status))]
        events += self._checkpoints(run)
        events += self._steps(run)
        if last and last.status is not run.status:
            reason = run.status_reason
            events.append(_event("status", run, **{"from": str(last.status)}, to=str(run.status), reason=reason))
        events += self._wrong(run)
        return events

    def end(self) -> Iterator[Event]:
        """That the run is gone from the disk; nothing of a run that was never looked at."""
        if self._last:
            yield _event("run_removed", self._last)

    def _checkpoints(self, run: Run) -> Iterator[Event]:
        """Once each, and once more when the other half comes, with both URIs."""
        for save in run.checkpoints:
            uris = _uris(save)
            new = set(uris or (save.name,)) - self._saves
            if new:
                self._saves |= new
                yield _event("checkpoint", run, name=save.name, step=save.step, uris=uris)

    def _steps(self, run: Run) -> Iterator[Event]:
        if run.step is None:
            return
        event = _progress(run)
        without_nan = sanitized(event)  # NaN differs from itself
        if without_nan != self._progress:
            self._progress = without_nan
            yield event

    def _wrong(self, run: Run) -> Iterator[Event]:
        """Once each, whatever is counted in it: "5 steps since the last save" is no news after "4 steps"."""
        for text in run.problems:
            gist = _COUNT.sub("#", text)
            if gist not in self._problems:
                self._problems.add(gist)
                yield _event("problem", run, text=text)


def _event(kind: str, run: Run, **fields: object) -> Event:
    return {"event": kind, "run": run.name, "path": run.path, **fields}


def _uris(save: Checkpoint) -> list[str]:
    return [uri for uri in (save.state_uri, save.sampler_uri) if uri is not None]


def _progress(run: Run) -> Event:
    latest = run.metrics.latest
    keys = dict.fromkeys((*((run.main_metric,) if run.main_metric else ()), *watched(run.facts.kind, latest)))
    metrics = {key: latest[key] for key in keys if key in latest}
    return _event("progress", run, step=run.step, total_steps=run.total_steps, metrics=metrics)
