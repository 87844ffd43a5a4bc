"""What is wrong with a run, or soon will be, in sentences that say what to do.

The rules are those of the checkpoint guide (how often to save, its troubleshooting) and of FORMATS.md (the ledger,
"Is it running?", "How often to save").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median_low

from stealthrl_tui.runs.keys import Kind, label, main_metric, watched
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from stealthrl_tui.runs.saving import advised_save_every
from stealthrl_tui.text import clean, duration, plural

MOST = 12
OVERDUE_INTERVALS = 3
ROLLING_LIFE = 7200.0
_NAMES_SHOWN = 3

_ENDED = (Status.COMPLETED, Status.FAILED, Status.INTERRUPTED, Status.STALLED)
_STOPPED = (Status.FAILED, Status.INTERRUPTED, Status.STALLED)
_UNFINISHED = (Status.RUNNING, *_STOPPED)

# The readers' words for what is there and keeps its content to itself.
UNREADABLE = ("cannot be read", "is not a regular file")


def find(run: Run, *, now: float, newest_write: float | None) -> tuple[str, ...]:
    """The problems of `run`, the gravest first, `MOST` at most.

    `run.problems` holds those of the ledger; those of the facts, the metrics and the checkpoints are on the parts.
    `newest_write` is when a file of the run was last written (Unix seconds).
    """
    blind = tuple(text for text in run.problems if any(word in text for word in UNREADABLE))
    # What a ledger that can't be read says nothing of is not to be told as missing.
    saves = () if blind else (*_nothing_saved(run), *_no_final(run), *_overdue(run), *_lost_steps(run))
    texts = (
        *blind,
        *saves,
        *run.facts.problems,
        *_newest_state(run, now, newest_write),
        *_one_half(run),
        *_not_finite(run),
        *run.problems,
        *_of_checkpoints(run.checkpoints),
        *_save_every(run),
        *_expiry(run, now, newest_write),
        *run.metrics.problems,
        *_repeated(run),
        *_superseded(run),
    )
    return tuple(dict.fromkeys(clean(text) for text in texts))[:MOST]


def _nothing_saved(run: Run) -> Iterator[str]:
    if run.checkpoints or run.status not in _ENDED:
        return
    if run.status is Status.STALLED:
        yield "no checkpoint is recorded: if it is dead, nothing of this run can be loaded"
    else:
        advice = f" with save_every {advised_save_every(run.total_steps)}" if run.total_steps else ""
        yield f"no checkpoint is recorded, nothing of this run can be loaded: train again{advice}"


def _no_final(run: Run) -> Iterator[str]:
    # The guide's "Checkpoint info not found".
    if not run.checkpoints or run.status not in _ENDED or any(checkpoint.final for checkpoint in run.checkpoints):
        return
    usable = [saved for saved in run.checkpoints if saved.uri is not None]
    if not usable:
        return
    newest = next((saved for saved in reversed(usable) if not saved.rolling), usable[-1])
    ended = (
        "completed, but no final checkpoint is recorded" if run.status is Status.COMPLETED else "no final checkpoint"
    )
    yield f"{ended}: use {newest.name}, its newest, or train again"


def _overdue(run: Run) -> Iterator[str]:
    interval = _usual_interval(run)
    if run.status is not Status.RUNNING or run.step is None or not interval:
        return
    newest = _newest_training_run(run)
    steps = [checkpoint.step for checkpoint in newest if checkpoint.step is not None]
    if newest and not steps:
        return
    since = run.step - max(steps, default=0)
    if since >= OVERDUE_INTERVALS * interval:
        yield f"no checkpoint for {plural(since, 'step')}, though it saves every {interval}: look at its log"


def _usual_interval(run: Run) -> int | None:
    configured = [every for every in (run.facts.save_every, run.facts.rolling_save_every) if every]
    if configured:
        return min(configured)
    steps = [checkpoint.step for checkpoint in _newest_training_run(run) if checkpoint.step is not None]
    gaps = [later - earlier for earlier, later in pairwise(steps) if later > earlier]
    return median_low(gaps) if gaps else None


def _newest_training_run(run: Run) -> list[Checkpoint]:
    newest = run.training_run_ids[-1] if run.training_run_ids else None
    return [checkpoint for checkpoint in run.checkpoints if checkpoint.training_run_id in (newest, None)]


def _usable_states(run: Run) -> list[Checkpoint]:
    return [checkpoint for checkpoint in run.checkpoints if checkpoint.state_uri and not checkpoint.superseded]


def _lost_steps(run: Run) -> Iterator[str]:
    if run.status not in _UNFINISHED or not run.step:
        return
    states = _usable_states(run)
    known = [checkpoint.step for checkpoint in states if checkpoint.step is not None]
    if states and not known:
        return
    lost = run.step - (known[-1] if known else 0)
    if lost <= 0:
        return
    verb = "is" if lost == 1 else "are"
    since = "since the last save" if states else "and no state saved yet"
    if run.status is Status.RUNNING:
        yield f"{plural(lost, 'step')} {since}: lost if it dies now"
    elif states:
        yield f"{plural(lost, 'step')} after the last save {verb} lost: a resume goes on from step {known[-1]}"
    elif run.checkpoints:
        yield f"all {plural(lost, 'step')} {verb} lost for training: no state was saved to resume from"


def _newest_state(run: Run, now: float, newest_write: float | None) -> Iterator[str]:
    """A rolling save lives for two hours: a run that stopped must be resumed by then, or loses more steps."""
    states = _usable_states(run)
    if not states or not states[-1].rolling or run.status not in _STOPPED:
        return
    newest = states[-1]
    lasting = next((checkpoint for checkpoint in reversed(states) if not checkpoint.rolling), None)
    otherwise = f"after that {lasting.name} is the newest" if lasting else "there is no other"
    saved = newest.saved_at if newest.saved_at is not None else newest_write
    if saved is not None and now - saved > ROLLING_LIFE:
        gone = f"{newest.name}, the newest state, was a rolling save and has probably expired"
        yield f"{gone}: resume from {lasting.name}" if lasting else f"{gone}, and there is no other"
    else:
        yield f"{newest.name}, the newest state, is a rolling save and lives 2 h: resume soon, {otherwise}"


def _one_half(run: Run) -> Iterator[str]:
    newest = run.last_checkpoint
    if newest is None or newest.rolling:
        return
    if newest.state_uri is None and newest.sampler_uri is not None:
        yield f"{newest.name}, the newest checkpoint, has sampler weights only: it can be sampled, not resumed"
    elif newest.state_uri is not None and newest.sampler_uri is None:
        yield f"{newest.name}, the newest checkpoint, has state only: it can be resumed, not sampled"


def _not_finite(run: Run) -> Iterator[str]:
    metrics = run.metrics
    watching = dict.fromkeys((*watched(run.facts.kind, metrics.keys), main_metric(run.facts.kind, metrics.keys)))
    for key in watching:
        if key is None or key not in metrics.nonfinite:
            continue
        count, last = metrics.nonfinite[key]
        what = "NaN" if math.isnan(metrics.latest.get(key, 0.0)) else "NaN or infinite"
        times = "once" if count == 1 else f"{count} times"
        yield f"{label(key)} was {what} {times}" + (f", last at step {last}" if last is not None else "")


def _of_checkpoints(checkpoints: tuple[Checkpoint, ...]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for checkpoint in checkpoints:
        for text in checkpoint.problems:
            names.setdefault(text, []).append(checkpoint.name)
    for text, which in names.items():
        more = ", …" if len(which) > _NAMES_SHOWN else ""
        count = f"{len(which)} checkpoints, " if len(which) > 1 else ""
        yield f"{text} ({count}{', '.join(which[:_NAMES_SHOWN])}{more})"


def _save_every(run: Run) -> Iterator[str]:
    every, total = run.facts.save_every, run.total_steps
    if every is None or not total:
        return
    # StealthRL saves after its last step too, the cookbook's loops save only before the final checkpoint.
    never = every > total if run.facts.kind is Kind.STEALTHRL else every >= total
    advice = f"the guide advises {advised_save_every(total)}"
    if every == 0:
        yield f"periodic checkpoints are off (save_every 0): {advice}"
    elif never:
        yield f"save_every {every} is too large for {plural(total, 'step')}, no periodic checkpoint is saved: {advice}"


def _expiry(run: Run, now: float, newest_write: float | None) -> Iterator[str]:
    ttl = run.facts.ttl_seconds
    if not ttl or all(checkpoint.final or checkpoint.rolling for checkpoint in run.checkpoints):
        return
    saved = max(
        (checkpoint.saved_at for checkpoint in run.checkpoints if checkpoint.saved_at is not None), default=None
    )
    newest = saved if saved is not None else newest_write
    if newest is not None and now > newest + ttl:
        yield (
            f"its periodic checkpoints have probably expired: the config lets them live {duration(ttl)} "
            "(an estimate, ask the server)"
        )
    else:
        yield (
            f"its periodic checkpoints are set to expire after {duration(ttl)} "
            "(an estimate from the config's ttl_seconds): keep those you need"
        )


def _repeated(run: Run) -> Iterator[str]:
    if run.metrics.passes > 1:
        yield (
            f"steps repeat: metrics.jsonl holds {run.metrics.passes} training passes "
            "(a resume, or a run name used again); the newest is shown"
        )
    counts = Counter(checkpoint.name for checkpoint in run.checkpoints if not checkpoint.final)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        more = ", …" if len(twice) > _NAMES_SHOWN else ""
        names = ", ".join(twice[:_NAMES_SHOWN]) + more
        yield f"{plural(len(twice), 'name')} saved more than once ({names}): tell them apart by URI"


def _superseded(run: Run) -> Iterator[str]:
    gone = sum(checkpoint.superseded for checkpoint in run.checkpoints)
    if gone:
        verb = "is" if gone == 1 else "are"
        yield f"{plural(gone, 'rolling save')} {verb} gone from the server (each is deleted after the next save)"
