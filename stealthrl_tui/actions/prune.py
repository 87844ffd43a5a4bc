"""What to keep of what runs have saved: a pure choice over the ledger joined with the server.

Only recorded checkpoints that the server still has are ever chosen for deletion; the final one never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stealthrl_tui.actions.truth import Joined, Truth
from stealthrl_tui.runs import keys
from stealthrl_tui.runs.choose import is_telling, values
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from stealthrl_tui.text import clean, number, plural, size


@dataclass(frozen=True, slots=True)
class Policy:
    """What stays: the `best` by `metric`, the `last`, and every `every`th save; each None when not asked for.

    `metric` None is the run's main one; `higher` None is the direction that the metric's name tells. Of all saves of a
    run in their order, `every` n keeps the first, the (n+1)th and so on, so the choice stays as the run goes on.
    """

    best: int | None = None
    metric: str | None = None
    higher: bool | None = None
    last: int | None = None
    every: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was asked for."""
        return self.best is None and self.last is None and self.every is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One checkpoint: why it stays, or no reason and it goes."""

    save: Joined
    checkpoint: Checkpoint
    reasons: tuple[str, ...]

    @property
    def keeps(self) -> bool:
        """Whether it stays."""
        return bool(self.reasons)

    @property
    def uris(self) -> tuple[str, ...]:
        """What of it is on the server."""
        return tuple(half.uri for half in self.save.held)

    @property
    def size_bytes(self) -> int | None:
        """How large that is; None when the server doesn't say."""
        sizes = [half.size_bytes for half in self.save.held]
        return None if None in sizes else sum(each for each in sizes if each is not None)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What goes and what stays of one run. `unrecorded` is how many saves only the server has: they are left alone."""

    run: Run
    verdicts: tuple[Verdict, ...]
    gone: int = 0
    unrecorded: int = 0
    notes: tuple[str, ...] = ()

    @property
    def deletes(self) -> tuple[Verdict, ...]:
        """What goes, oldest first."""
        return tuple(verdict for verdict in self.verdicts if not verdict.keeps)

    @property
    def keeps(self) -> tuple[Verdict, ...]:
        """What stays, oldest first."""
        return tuple(verdict for verdict in self.verdicts if verdict.keeps)


@dataclass(frozen=True, slots=True)
class Sum:
    """How many checkpoints, and how large: `size_bytes` of those whose size is known, `unsized` are the others."""

    count: int
    size_bytes: int
    unsized: int

    def __str__(self) -> str:
        more = f" and {self.unsized} of unknown size" if self.unsized else ""
        return f"{plural(self.count, 'checkpoint')}, {size(self.size_bytes)}{more}"


def add_up(verdicts: Iterable[Verdict]) -> Sum:
    """How much `verdicts` are together."""
    sizes = [verdict.size_bytes for verdict in verdicts]
    known = [each for each in sizes if each is not None]
    return Sum(len(sizes), sum(known), len(sizes) - len(known))


def choose(run: Run, truth: Truth, policy: Policy) -> RunPlan:
    """What of `run` goes by `policy`; `run` must have been read in full when the best are asked for."""
    recorded = [(save, save.checkpoint) for save in truth.saves if save.checkpoint is not None]
    reasons: dict[int, list[str]] = {index: [] for index, (save, _) in enumerate(recorded) if save.held}
    notes: list[str] = []
    for index, why in _asked_for([checkpoint for _, checkpoint in recorded], run, policy, reasons, notes):
        if index in reasons:
            reasons[index].append(why)
    for index, found in reasons.items():
        found += _always(run, *recorded[index])
    _spare_newest_state(run, [save for save, _ in recorded], reasons)
    verdicts = tuple(Verdict(*recorded[index], tuple(found)) for index, found in reasons.items())
    others = sum(1 for save in truth.saves if save.checkpoint is None)
    return RunPlan(run, verdicts, sum(save.gone for save in truth.saves), others, tuple(notes))


def _asked_for(
    checkpoints: Sequence[Checkpoint], run: Run, policy: Policy, there: Iterable[int], notes: list[str]
) -> list[tuple[int, str]]:
    """(index, why it stays) by the policy; the best and the last are counted among those that are `there`."""
    present = sorted(there)
    found: list[tuple[int, str]] = []
    if policy.best is not None:
        found += _best(checkpoints, run, policy, present, notes)
    if policy.last is not None:
        found += [(index, "last") for index in present[max(0, len(present) - policy.last) :]]
    if policy.every is not None:
        found += [(index, f"every {policy.every}") for index in range(0, len(checkpoints), policy.every)]
    return found


def _best(
    checkpoints: Sequence[Checkpoint], run: Run, policy: Policy, present: Sequence[int], notes: list[str]
) -> list[tuple[int, str]]:
    key = policy.metric or run.main_metric
    higher = (keys.higher_is_better(key) if policy.higher is None else policy.higher) if key else None
    readings = values(run, key) if key else {}
    judged = []
    for index in present:
        reading = readings.get(checkpoints[index].key)
        if key is not None and reading is not None and is_telling(run, key, checkpoints[index], reading):
            judged.append((reading.value if higher else -reading.value, index, reading.value))
    if key is None or higher is None or not judged:
        why = "has no metric" if key is None else f"has no value of {clean(key)} at a checkpoint"
        why = f"doesn't tell which way {clean(key)} is better" if key is not None and higher is None else why
        notes.append(f"{clean(run.name)} {why}: nothing of it goes")
        return [(index, "can't be judged") for index in present]
    judged.sort(reverse=True)
    label = clean(keys.label(key))
    best = [(index, f"best {label} {number(value)}") for _, index, value in judged[: policy.best]]
    seen = {index for _, index, _ in judged}
    unmeasured = [index for index in present if index not in seen]
    if unmeasured:
        notes.append(f"{clean(run.name)}: {plural(len(unmeasured), 'checkpoint')} without a value of {label}")
    return best


def _always(run: Run, save: Joined, checkpoint: Checkpoint) -> list[str]:
    found = ["final"] if checkpoint.final or checkpoint.name == "final" else []
    if any(half.public for half in save.held):
        found.append("public")
    if checkpoint.state_uri is not None and checkpoint.state_uri == _parents_state(run):
        found.append("its parent's own")
    return found


def _parents_state(run: Run) -> str | None:
    """The state of another run that `run` began from, whose row it took over; None where it began by itself."""
    resume = run.lineage.origin or run.lineage if run.lineage is not None else None
    return None if resume is None or resume.in_place else resume.uri


def _spare_newest_state(run: Run, saves: Sequence[Joined], reasons: dict[int, list[str]]) -> None:
    """A run that is not completed keeps a state to go on from."""
    with_state = [index for index in reasons if (half := saves[index].state) is not None and half.exists]
    if run.status is Status.COMPLETED or not with_state or any(reasons[index] for index in with_state):
        return
    reasons[with_state[-1]].append(f"the newest state, the run is {run.status}")


def plan_json(plan: RunPlan) -> dict[str, Any]:
    """A run's plan, as an event."""
    goes, stays = add_up(plan.deletes), add_up(plan.keeps)
    return {
        "event": "plan",
        "action": "prune",
        "run": plan.run.name,
        "path": plan.run.path,
        "delete": [_verdict_json(verdict) for verdict in plan.deletes],
        "keep": [_verdict_json(verdict) for verdict in plan.keeps],
        "delete_bytes": goes.size_bytes,
        "keep_bytes": stays.size_bytes,
        "gone": plan.gone,
        "unrecorded": plan.unrecorded,
        "notes": plan.notes,
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.checkpoint.name,
        "step": verdict.checkpoint.step,
        "uris": verdict.uris,
        "size_bytes": verdict.size_bytes,
        "reasons": verdict.reasons,
    }
