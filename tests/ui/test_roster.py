"""Order and filter of the list, bare."""

from __future__ import annotations

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Facts, Run, Status
from stealthrl_tui.ui.roster import Roster

NOW = 1000.0


def run(
    name: str, updated: float | None = None, status: Status = Status.COMPLETED, started: float | None = None
) -> Run:
    facts = Facts(kind=Kind.RL, started_at=started)
    return Run(name, f"/r/{name}", "/r", status=status, updated_at=updated, facts=facts, main_metric="reward")


def filled(*runs: Run) -> Roster:
    roster = Roster()
    roster.update(runs, (), NOW)
    return roster


def shown(roster: Roster) -> list[str]:
    return [roster.runs[path].name for path in roster.shown]


def test_newest_first_and_the_unknown_last_whichever_way_round() -> None:
    roster = filled(run("a", 1), run("b", 3), run("c"), run("d", 2))
    assert shown(roster) == ["b", "d", "a", "c"]
    roster.sort_by("age", True, NOW)
    assert shown(roster) == ["a", "d", "b", "c"]


def test_only_what_moves_the_order_counts_as_moved() -> None:
    roster = filled(run("a", 1), run("b", 3))
    assert not roster.update([run("a", 1)], (), NOW)
    assert roster.update([run("a", 4)], (), NOW)
    assert shown(roster) == ["a", "b"]
    assert roster.update((), ["/r/b"], NOW)
    assert not roster.update((), ["/r/b"], NOW)
    assert shown(roster) == ["a"]


def test_a_filter_lets_runs_in_and_out_as_they_change() -> None:
    roster = filled(run("a", 1, Status.RUNNING), run("b", 3))
    roster.filter("status:running", NOW)
    assert shown(roster) == ["a"]
    assert roster.update([run("b", 3, Status.RUNNING)], (), NOW)
    assert shown(roster) == ["b", "a"]
    assert roster.update([run("a", 1, Status.FAILED)], (), NOW)
    assert shown(roster) == ["b"]
    roster.filter("", NOW)
    assert len(roster) == 2


def test_counts_follow_every_change() -> None:
    roster = filled(run("a", status=Status.RUNNING), run("b"), run("c"))
    roster.update([run("a", status=Status.FAILED)], ["/r/b"], NOW)
    assert {status: count for status, count in roster.statuses.items() if count} == {
        Status.FAILED: 1,
        Status.COMPLETED: 1,
    }
    assert roster.metrics["reward"] == 2


def test_an_unknown_sort_is_the_default() -> None:
    roster = filled(run("a"))
    roster.sort_by("no such column", False, NOW)
    assert roster.sort == "age"


def test_following_prefers_the_live_run_that_started_last_and_stays_with_it() -> None:
    old, new = run("old", 9, Status.RUNNING, 1), run("new", 5, Status.RUNNING, 2)
    roster = filled(old, new, run("done", 99))
    assert roster.newest() == "/r/new"
    tied = filled(run("x", 5, Status.RUNNING), run("y", 6, Status.RUNNING))
    assert tied.newest("/r/x") == "/r/x"
    assert tied.newest() == "/r/y"
    assert filled(run("a", 1), run("b", 2)).newest("/r/a") == "/r/b"
    assert Roster().newest() is None
