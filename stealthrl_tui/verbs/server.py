"""`server`: the ledger joined with what the server still holds."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stealthrl_tui.text import NONE, clean, duration, iso, plural, size
from stealthrl_tui.verbs import targets
from stealthrl_tui.verbs.telling import Teller, add_json, add_root, run_telling

if TYPE_CHECKING:
    from stealthrl_tui.actions.truth import Answer, Joined
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.service.events import Event


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `server`."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="a run's name or path; all runs and the whole account without"
    )
    add_root(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, join and tell every checkpoint, then the counts."""
    return run_telling(arguments, _words, lambda teller: _tell_truth(arguments, teller))


@dataclass
class _Counts:
    recorded: int = 0
    gone: int = 0
    unrecorded: int = 0
    expiring: int = 0
    unknown: int = 0
    size_bytes: int = 0
    _seen: set[str] = field(default_factory=set)

    def add(self, save: Joined, now: float) -> None:
        self.recorded += save.checkpoint is not None
        self.unrecorded += save.checkpoint is None
        self.gone += save.gone
        self.unknown += not save.halves
        self.expiring += any(half.expires_soon(now) for half in save.held)
        for half in save.held:
            # Two run folders may record the same save.
            if half.uri not in self._seen:
                self._seen.add(half.uri)
                self.size_bytes += half.size_bytes or 0


def _tell_truth(arguments: argparse.Namespace, teller: Teller) -> None:
    from stealthrl_tui.service.events import result
    from stealthrl_tui.verbs.asking import ask, connect

    began = time.monotonic()
    targets.require_roots(arguments.root)
    one = None if arguments.run is None else targets.named_run(arguments.run, arguments.root)
    holdings = connect(teller)
    said = ask(holdings, None if one is None else one.training_run_ids)
    # Read after the question: ten thousand runs take a while, and trouble is to be told at once.
    runs = [one] if one is not None else targets.runs_below(arguments.root)
    counts = _Counts()
    for each in runs:
        _tell_run(each, said, counts, teller)
    if one is None:
        _tell_strangers(runs, said, counts, teller)
    teller.tell(
        result(
            asked_at=iso(said.asked_at),
            seconds=round(time.monotonic() - began, 3),
            runs=len(runs),
            recorded=counts.recorded,
            gone=counts.gone,
            unrecorded=counts.unrecorded,
            expiring=counts.expiring,
            unknown=counts.unknown,
            size_bytes=counts.size_bytes,
        )
    )


def _tell_run(run: Run, said: Answer, counts: _Counts, teller: Teller) -> None:
    from stealthrl_tui.actions.truth import join

    truth = join(run, said)
    for problem in truth.problems:
        teller.tell({"event": "problem", "run": run.name, "path": run.path, "text": problem})
    for save in truth.saves:
        counts.add(save, said.asked_at)
        teller.tell(_event(run, save))


def _tell_strangers(runs: Sequence[Run], said: Answer, counts: _Counts, teller: Teller) -> None:
    """What the server has of training runs that no run here belongs to."""
    from stealthrl_tui.actions.truth import unrecorded

    ours = {run_id for run in runs for run_id in run.training_run_ids}
    for save in unrecorded(held for held in said.held.values() if held.run_id not in ours):
        counts.add(save, said.asked_at)
        teller.tell(_event(None, save))


def _event(run: Run | None, save: Joined) -> Event:
    from stealthrl_tui.actions.truth import server_json

    checkpoint = save.checkpoint
    state_uri = checkpoint.state_uri if checkpoint else save.state and save.state.uri
    sampler_uri = checkpoint.sampler_uri if checkpoint else save.sampler and save.sampler.uri
    event: dict[str, Any] = {
        "event": "checkpoint",
        "run": run.name if run else None,
        "path": run.path if run else None,
        "name": save.name,
        "recorded": checkpoint is not None,
        "state_uri": state_uri,
        "sampler_uri": sampler_uri,
        "server": server_json(save),
        "saved_at": iso(save.saved_at),
        "problems": list(save.problems),
    }
    return event if save.external is None else {**event, "external_uri": save.external.uri}


def _words(event: Event) -> Iterator[str]:
    kind = event["event"]
    if kind == "waiting":
        yield f"… {duration(event['seconds'])}: {clean(event['message'])}"
    elif kind == "problem":
        yield f"! {clean(event['run'])}: {clean(event['text'])}"
    elif kind == "checkpoint":
        yield from _checkpoint_words(event)
    elif kind == "result":
        yield _counts_words(event)


def _checkpoint_words(event: Event) -> Iterator[str]:
    whose = clean(event["run"]) if event["run"] else "no run here"
    known = "" if event["recorded"] else "  not in the ledger"
    yield f"{whose}  {clean(event['name'])}{known}"
    server = event["server"] or {}
    for half, uri in (("state", event["state_uri"]), ("sampler", event["sampler_uri"])):
        if uri is not None:
            yield f"  {half:<8}{_half_words(server.get(half)):<40}  {clean(uri)}"
    for problem in event["problems"]:
        yield f"  ! {clean(problem)}"


def _half_words(half: dict[str, Any] | None) -> str:
    if half is None:
        return "unknown"
    if not half["exists"]:
        return "gone"
    ends = f"expires {half['expires_at'][:16].replace('T', ' ')}" if half["expires_at"] else "kept for ever"
    held = NONE if half["size_bytes"] is None else size(half["size_bytes"])
    return ", ".join([held, ends, *(["public"] if half["public"] else [])])


def _counts_words(event: Event) -> str:
    words = [f"{plural(event['recorded'], 'checkpoint')} recorded", f"{event['gone']} gone"]
    words += [f"{event[name]} {name}" for name in ("unrecorded", "expiring", "unknown") if event[name]]
    words = [word.replace("expiring", "expiring within 48 h") for word in words]
    return f"{', '.join(words)}; {size(event['size_bytes'])} on the server, asked at {event['asked_at']}"
