"""What stays and what goes of a run's checkpoints."""

from typing import Any

import pytest

from stealthrl_tui.actions.prune import Policy, RunPlan, add_up, choose, plan_json
from stealthrl_tui.actions.truth import answer, join
from stealthrl_tui.runs.lineage import Lineage
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from stealthrl_tui.service.holdings import Held
from tests.unit.built_runs import NOW, REWARD, metrics, run, save
from tests.unit.test_truth import held

STEPS = (10, 20, 30, 40, 50)
REWARDS = {10: 0.1, 20: 0.9, 30: 0.5, 40: 0.7, 50: 0.2}


def finished(*checkpoints: Checkpoint, **more: Any) -> Run:
    """A completed run with a reward at each of its saves."""
    points = [(step, REWARDS[step]) for step in STEPS]
    fields = {"status": Status.COMPLETED, "metrics": metrics({REWARD: points}), **more}
    return run("grp/a", *(checkpoints or [save(step) for step in STEPS]), **fields)


def everything(of: Run) -> list[Held]:
    return [held(each.name, kind) for each in of.checkpoints for kind in ("state", "sampler")]


def planned(of: Run, policy: Policy, found: list[Held] | None = None) -> RunPlan:
    return choose(of, join(of, answer(NOW, everything(of) if found is None else found, ())), policy)


def kept(plan: RunPlan) -> list[int | None]:
    return [verdict.checkpoint.step for verdict in plan.keeps]


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        (Policy(best=1), [20]),
        (Policy(best=2), [20, 40]),
        (Policy(best=9), [10, 20, 30, 40, 50]),
        (Policy(best=1, higher=False), [10]),
        (Policy(last=2), [40, 50]),
        (Policy(last=99), [10, 20, 30, 40, 50]),
        (Policy(every=2), [10, 30, 50]),
        (Policy(every=99), [10]),
        (Policy(best=1, last=1, every=4), [10, 20, 50]),
    ],
)
def test_the_policies(policy: Policy, steps: list[int]) -> None:
    plan = planned(finished(), policy)
    assert kept(plan) == steps
    assert sorted([*steps, *(verdict.checkpoint.step or 0 for verdict in plan.deletes)]) == list(STEPS)


def test_both_halves_of_what_goes_are_named_and_counted() -> None:
    plan = planned(finished(), Policy(last=4))
    (goes,) = plan.deletes
    assert goes.uris == tuple(each.uri for each in everything(plan.run)[:2])
    assert goes.size_bytes == 168_000_000
    assert str(add_up(plan.deletes)) == "1 checkpoint, 168 MB"
    assert str(add_up(plan.keeps)) == "4 checkpoints, 672 MB"


def test_an_unknown_size_is_said() -> None:
    of = finished(save(10), save(20))
    plan = planned(of, Policy(last=1), [held("000010", "state", size_bytes=None), held("000020", "state")])
    assert str(add_up(plan.deletes)) == "1 checkpoint, 0 B and 1 of unknown size"


def test_the_final_one_stays_whatever_the_policy() -> None:
    plan = planned(finished(save(10, final=True), save(20), save(30, "final")), Policy(best=1))
    assert kept(plan) == [10, 20, 30]


def test_what_is_public_stays() -> None:
    of = finished(save(10), save(20))
    plan = planned(of, Policy(last=1), [held("000010", "sampler", public=True), held("000020", "state")])
    assert kept(plan) == [10, 20]


def test_what_is_gone_or_unrecorded_is_left_alone() -> None:
    of = finished()
    plan = planned(of, Policy(last=1), [held("000040", "state"), held("000030", "state"), held("tmp", "state")])
    assert [verdict.checkpoint.step for verdict in plan.deletes] == [30]
    assert kept(plan) == [40]
    assert (plan.gone, plan.unrecorded) == (3, 1)


def test_an_unfinished_run_keeps_its_newest_state() -> None:
    of = finished(status=Status.INTERRUPTED)
    found = [held("000010", "state"), held("000030", "state"), held("000050", "sampler")]
    plan = planned(of, Policy(last=1), found)
    assert kept(plan) == [30, 50]
    assert "newest state, the run is interrupted" in plan.keeps[0].reasons[0]
    assert kept(planned(finished(), Policy(last=1), found)) == [50]


def test_a_kept_state_is_enough_for_an_unfinished_run() -> None:
    assert kept(planned(finished(status=Status.RUNNING), Policy(best=1))) == [20]


@pytest.mark.parametrize(
    ("of", "policy", "why"),
    [
        (run("a", save(10), save(20), status=Status.COMPLETED), Policy(best=1), "has no metric"),
        (finished(), Policy(best=1, metric="nothing/like/it"), "way"),
        (finished(), Policy(best=1, metric="some/reward"), "no value of some/reward"),
    ],
)
def test_a_run_that_cannot_be_judged_keeps_everything(of: Run, policy: Policy, why: str) -> None:
    plan = planned(of, policy)
    assert plan.deletes == ()
    assert why in plan.notes[0]


def test_every_nth_stays_the_same_when_some_are_gone() -> None:
    of = finished()
    some = [each for each in everything(of) if each.name not in ("000010", "000020")]
    assert kept(planned(of, Policy(every=2), some)) == [30, 50]


def test_checkpoints_without_a_value_are_mentioned() -> None:
    of = finished(save(None, "odd"), *(save(step) for step in STEPS))
    plan = planned(of, Policy(best=1))
    assert kept(plan) == [20]
    assert "1 checkpoint without a value" in plan.notes[0]


def test_the_event_says_what_goes_what_stays_and_why() -> None:
    event = plan_json(planned(finished(), Policy(best=1)))
    assert (event["event"], event["run"], event["delete_bytes"]) == ("plan", "grp/a", 672_000_000)
    assert [each["name"] for each in event["delete"]] == ["000010", "000030", "000040", "000050"]
    assert event["keep"][0]["reasons"] == ("best reward 0.900",)


def test_the_state_that_a_run_took_over_is_its_parents_and_stays() -> None:
    began = Lineage("/runs/grp/a", "/runs/grp/parent", save(20).state_uri)
    again = Lineage("/runs/grp/a", "/runs/grp/a", save(40).state_uri, origin=began)
    for lineage in (began, again):
        plan = planned(finished(lineage=lineage), Policy(last=1))
        assert kept(plan) == [20, 50]
        assert plan.keeps[0].reasons == ("its parent's own",)
