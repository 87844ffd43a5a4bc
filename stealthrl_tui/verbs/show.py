"""`show`: one run and its checkpoints."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stealthrl_tui.text import UNKNOWN, age, clean, duration, plural
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import DONE, coloured, paint, say, say_json, table

if TYPE_CHECKING:
    from stealthrl_tui.runs.model import Checkpoint, Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `show`."""
    parser.add_argument("run", metavar="RUN", help="a run's name below the roots, or a path")
    parser.add_argument("--json", action="store_true", help="the run and its checkpoints as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Say who the run is, how it goes, what it saved and what is wrong."""
    from stealthrl_tui.runs.report import run_json
    from stealthrl_tui.settings import load

    found = places.the_run(arguments.run, places.roots(()))
    metric, higher = places.preferences(found, load())
    if arguments.json:
        say_json(run_json(found, checkpoints=True, metric=metric, higher=higher))
        return DONE
    now = time.time()
    _say_facts(found, now)
    if found.checkpoints:
        say()
        _say_checkpoints(found, metric, higher, now)
    for problem in _problems(found):
        say(paint((("! ", "warning"), (clean(problem), "text")), coloured()))
    return DONE


def _say_facts(run: Run, now: float) -> None:
    from stealthrl_tui.ui.presenter import status_pieces

    gap = ("  ", "text")
    reason = (clean(run.status_reason), "text")
    say(paint(((clean(run.name), "bold"), gap, *status_pieces(run), gap, reason), coloured()))
    for name, value in _facts(run, now):
        say(paint(((f"{name:<14}", "dim"), (clean(value), "text")), coloured()))


def _facts(run: Run, now: float) -> Iterator[tuple[str, object]]:
    from stealthrl_tui.ui.presenter import step_text

    facts = run.facts
    yield "path", run.path
    yield "base model", facts.base_model or UNKNOWN
    yield "LoRA rank", UNKNOWN if facts.lora_rank is None else facts.lora_rank
    yield "renderer", facts.renderer or UNKNOWN
    yield "step", step_text(run)
    if run.eta_seconds is not None:
        yield "ETA", f"≈ {duration(run.eta_seconds)}"
    yield "saves every", UNKNOWN if facts.save_every is None else plural(facts.save_every, "step")
    yield "last write", UNKNOWN if run.updated_at is None else _ago(now - run.updated_at)
    for id_ in run.training_run_ids:
        yield "training run", id_
    yield "checkpoints", len(run.checkpoints)


def _ago(seconds: float) -> str:
    words = age(max(0.0, seconds))
    return words if words == "now" else f"{words} ago"


def _say_checkpoints(run: Run, metric: str | None, higher: bool | None, now: float) -> None:
    """The checkpoints, newest first."""
    from stealthrl_tui.runs.keys import label
    from stealthrl_tui.ui import saves

    title = clean(label(metric)).upper() if metric else "METRIC"
    rows = [
        (
            saves.step_pieces(row.checkpoint),
            ((clean(row.checkpoint.name), "text"),),
            saves.has_pieces(row.checkpoint),
            saves.reading_pieces(row.checkpoint, row.reading, row.best),
            saves.change_pieces(row.change, row.higher),
            ((saves.saved_text(row.checkpoint, now), "dim"),),
            ((_remark(run, row.checkpoint), "dim"),),
        )
        for row in saves.save_rows(run, metric, higher)
    ]
    table(("STEP", "NAME", "HAS", title, "Δ", "SAVED", ""), rows, ("STEP", title, "Δ", "SAVED"))


def _remark(run: Run, checkpoint: Checkpoint) -> str:
    """What tells it from others of its name, and whether it is still there."""
    words = []
    if checkpoint.final and checkpoint.name != "final":
        words.append("final")
    if checkpoint.rolling:
        words.append("rolling, replaced" if checkpoint.superseded else "rolling")
    if len(run.training_run_ids) > 1 and checkpoint.training_run_id in run.training_run_ids:
        words.append(f"training run {run.training_run_ids.index(checkpoint.training_run_id) + 1}")
    return ", ".join(words)


def _problems(run: Run) -> Iterator[str]:
    yield from run.problems
    for checkpoint in run.checkpoints:
        for problem in checkpoint.problems:
            yield f"{checkpoint.name}: {problem}"
