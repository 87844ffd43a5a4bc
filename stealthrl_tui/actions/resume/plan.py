"""Which way a run is taken up from a checkpoint, and the plan for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from stealthrl_tui.actions.resume import cookbook, scaffold, stealthrl
from stealthrl_tui.actions.resume.value import Plan, Preferences, Way
from stealthrl_tui.runs.model import Checkpoint, Run

_Planner = Callable[[Run, Checkpoint, str | None, Preferences], Plan]
_PLANNERS: Mapping[Way, _Planner] = MappingProxyType(
    {
        Way.COOKBOOK: cookbook.plan,
        Way.RECORDER: cookbook.plan,
        Way.STEALTHRL: stealthrl.plan,
        Way.OWN: scaffold.own_plan,
        Way.SCAFFOLD: scaffold.scaffold_plan,
    }
)


def ways(run: Run, preferences: Preferences) -> tuple[Way, ...]:
    """The ways in which `run` can be taken up, the one that carries over most first; a scaffold always can."""
    found = []
    if stealthrl.recorded_arguments(run):
        found.append(Way.STEALTHRL)
    elif run.facts.command is not None:
        found.append(Way.COOKBOOK)
    if preferences.command:
        found.append(Way.OWN)
    return (*found, Way.SCAFFOLD)


def plan(
    run: Run,
    checkpoint: Checkpoint,
    *,
    name: str | None = None,
    way: Way | None = None,
    preferences: Preferences | None = None,
) -> Plan:
    """What would be started to go on from `checkpoint`; nothing is written.

    `name` is the new run's (its folder's, beside the original), one that is free without it. `way` is one of `ways`,
    the first of them without it. Whatever stands in the way is in the plan's `obstacles`.
    """
    wanted = preferences or Preferences()
    chosen = way or ways(run, wanted)[0]
    return _PLANNERS[chosen](run, checkpoint, name, wanted)
