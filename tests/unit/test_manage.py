"""Changes of what the server holds: planned, refused, and judged by what the server shows afterwards."""

from dataclasses import replace
from typing import Any

import pytest

from stealthrl_tui.actions.manage import (
    LONGEST_TTL,
    SHORTEST_TTL,
    Action,
    change_json,
    outcome_flaw,
    plan,
    ttl,
    ttl_flaw,
)
from stealthrl_tui.actions.truth import answer, join
from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.service.holdings import Held
from tests.unit.built_runs import ID, NOW, run, save
from tests.unit.test_truth import OTHER, held

STATE = held("000010", "state")
SAMPLER = held("000010", "sampler")


def planned(action: Action, *found: Held, uris: list[str] | None = None, **more: Any) -> list[Any]:
    wanted = [each.uri for each in found] if uris is None else uris
    return list(plan(action, wanted, {each.uri: each for each in found}, now=NOW, **more))


def owner(of: Run, *found: Held) -> list[Any]:
    return [(of, join(of, answer(NOW, found, ())))]


@pytest.mark.parametrize(
    ("action", "more", "effect", "needed"),
    [
        (Action.KEEP, {}, "already", False),
        (Action.KEEP, {"expires_at": NOW + 7200}, "instead of expiring in 2 h", True),
        (Action.EXPIRE, {}, "expires in 1 h, 2027-01-15 09:00 UTC (so far: never)", True),
        (Action.PUBLISH, {}, "anyone can load it", True),
        (Action.PUBLISH, {"public": True}, "already", False),
        (Action.UNPUBLISH, {"public": True}, "only your account", True),
        (Action.UNPUBLISH, {}, "not public", False),
        (Action.DELETE, {}, "deleted for good", True),
        (Action.DELETE, {"public": True}, "everyone", True),
    ],
)
def test_the_effect_is_said(action: Action, more: dict[str, Any], effect: str, needed: bool) -> None:
    (change,) = planned(action, replace(SAMPLER, **more), seconds=3600)
    assert effect in change.effect
    assert (change.needed, change.refused) == (needed, None)


def test_what_the_server_does_not_have_is_refused_and_each_uri_counts_once() -> None:
    changes = planned(Action.KEEP, SAMPLER, uris=[SAMPLER.uri, STATE.uri, SAMPLER.uri])
    assert [(change.uri, change.refused is None) for change in changes] == [(SAMPLER.uri, True), (STATE.uri, False)]
    assert change_json(changes[1])["server"] is None


def test_the_only_state_of_an_unfinished_run_is_not_deleted_unless_forced() -> None:
    owners = owner(run("grp/a", save(10)), STATE, SAMPLER)
    state, sampler = planned(Action.DELETE, STATE, SAMPLER, owners=owners)
    assert state.refused is not None
    assert "only state left of grp/a, which is running" in state.refused
    assert (sampler.refused, sampler.run) == (None, "grp/a")
    assert planned(Action.DELETE, STATE, owners=owners, forced=True)[0].refused is None


def test_two_states_that_are_the_last_are_refused_together_but_one_of_them_is_not() -> None:
    later = held("000020", "state")
    owners = owner(run("a", save(10), save(20)), STATE, later)
    assert all(change.refused for change in planned(Action.DELETE, STATE, later, owners=owners))
    assert planned(Action.DELETE, STATE, owners=owners)[0].refused is None


def test_a_completed_run_may_lose_its_last_state() -> None:
    owners = owner(run("a", save(10), status=Status.COMPLETED), STATE)
    assert planned(Action.DELETE, STATE, owners=owners)[0].refused is None


def test_a_state_of_another_training_run_of_the_same_run_counts() -> None:
    later = held("000020", "state", OTHER)
    owners = owner(run("a", save(10), save(20, run_id=OTHER)), STATE, later)
    assert planned(Action.DELETE, STATE, owners=owners)[0].refused is None


def test_the_only_state_of_a_training_run_that_no_run_here_knows_is_refused() -> None:
    refused = planned(Action.DELETE, STATE, orphan_states={ID: [STATE.uri]})[0].refused
    assert refused is not None
    assert ID in refused
    assert planned(Action.DELETE, STATE, orphan_states={ID: [STATE.uri, "another"]})[0].refused is None


def test_other_actions_on_the_last_state_are_not_refused() -> None:
    owners = owner(run("a", save(10)), STATE)
    assert planned(Action.EXPIRE, STATE, owners=owners, seconds=3600)[0].refused is None


@pytest.mark.parametrize(
    ("seconds", "fits"), [(SHORTEST_TTL, True), (SHORTEST_TTL - 1, False), (LONGEST_TTL, True), (-1, False)]
)
def test_a_ttl_is_from_an_hour_to_ten_years(seconds: int, fits: bool) -> None:
    assert (ttl_flaw(seconds) is None) == fits
    assert ttl_flaw(LONGEST_TTL + 1) is not None


@pytest.mark.parametrize(
    ("action", "after", "fine"),
    [
        (Action.DELETE, None, True),
        (Action.DELETE, {}, False),
        (Action.KEEP, {}, True),
        (Action.KEEP, {"expires_at": NOW + 1}, False),
        (Action.KEEP, None, False),
        (Action.EXPIRE, {"expires_at": NOW + 3600}, True),
        (Action.EXPIRE, {"expires_at": NOW + 9000}, True),
        (Action.EXPIRE, {"expires_at": NOW + 100_000}, False),
        (Action.EXPIRE, {}, False),
        (Action.PUBLISH, {"public": True}, True),
        (Action.PUBLISH, {}, False),
        (Action.UNPUBLISH, {}, True),
        (Action.UNPUBLISH, {"public": True}, False),
    ],
)
def test_the_outcome_is_what_the_server_shows(action: Action, after: dict[str, Any] | None, fine: bool) -> None:
    (change,) = planned(action, replace(SAMPLER, expires_at=NOW + 100_000), seconds=3600)
    now_there = None if after is None else replace(SAMPLER, **after)
    assert (outcome_flaw(change, now_there, seconds=3600, now=NOW) is None) == fine


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3600", 3600), ("36h", 129_600), (" 7 d ", 604_800), ("90min", 5400), ("90m", 5400), ("2W", 1_209_600),
        ("1.5d", 129_600), ("10y", LONGEST_TTL),
    ],
)  # fmt: skip
def test_a_time_to_live_as_people_write_it(text: str, seconds: int) -> None:
    assert ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "36", "59min", "11y", "-1d", "1e9", "7 days", "\x1b[2J", "9" * 400])
def test_what_is_no_time_to_live_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"too short|too long|is no time"):
        ttl(text)
