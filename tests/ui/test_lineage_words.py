"""What list and header say of a run's relatives, and what the resume dialog makes of the verb's events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stealthrl_tui.runs.lineage import Lineage
from stealthrl_tui.runs.model import Run
from stealthrl_tui.ui import resuming
from stealthrl_tui.ui.lineage import children_of, earlier_series, lineage_pieces, listed_name
from stealthrl_tui.ui.presenter import plain
from stealthrl_tui.ui.resuming import Told
from tests.unit.built_runs import REWARD, metrics, run

PARENT = run("a/one", metrics=metrics({REWARD: [(0, 0.1), (5, 0.5)]}))


def resumed(name: str, parent: str = PARENT.path, **more: Any) -> Run:
    fields: dict[str, Any] = {"step": 5, "checkpoint": "000005", **more}
    child = run(name)
    return replace(child, lineage=Lineage(child.path, parent, **fields))


def words(shown: Run, *others: Run, width: int = 200) -> str:
    return plain(lineage_pieces(shown, {each.path: each for each in (shown, *others)}, width))


def test_a_run_without_relatives_has_no_words_and_no_mark() -> None:
    assert words(PARENT, run("a/two")) == ""
    assert plain(listed_name(PARENT, 40)) == "a/one"


def test_a_run_says_where_it_comes_from_and_what_came_of_it() -> None:
    child = resumed("a/two")
    grandchild = resumed("a/three", child.path)
    assert words(child, PARENT, grandchild) == "↳ resumed from a/one at step 5   resumed as a/three"
    assert plain(listed_name(child, 40)) == "↳ a/two"
    assert children_of(PARENT, [PARENT, child, grandchild]) == (child,)


def test_many_children_are_counted() -> None:
    children = [resumed(f"c{number}") for number in range(5)]
    assert words(PARENT, *children) == "↳ resumed as c0, c1 and 3 others"


def test_a_run_resumed_in_its_own_directory_is_not_its_own_child() -> None:
    again = resumed("a/two", "/runs/a/two")
    assert words(again) == "↳ resumed in its own directory at step 5"
    assert plain(listed_name(again, 40)) == "a/two"


def test_a_parent_that_is_gone_is_named_and_an_unknown_step_is_the_save() -> None:
    assert words(resumed("b", "/else/where\x1b[2J/", step=None)).startswith("↳ resumed from ")
    assert words(resumed("b", "/else/where", step=None)) == "↳ resumed from where at 000005"
    assert "\x1b" not in words(resumed("b", "/else/\x1b[2Jx"))
    assert words(resumed("b"), width=12) == "↳ resumed f…"


def test_the_parents_curve_is_drawn_behind_where_there_is_one() -> None:
    child = resumed("a/two")
    assert earlier_series(child, {PARENT.path: PARENT}, REWARD) == (PARENT.metrics.series(REWARD),)
    assert earlier_series(child, {}, REWARD) == ()
    assert earlier_series(child, {PARENT.path: PARENT}, None) == ()
    between = replace(child, metrics=metrics({REWARD: [(5, 0.6)]}))
    grandchild = resumed("a/three", child.path)
    runs = {each.path: each for each in (PARENT, between, grandchild)}
    curves = (PARENT.metrics.series(REWARD), between.metrics.series(REWARD))
    assert earlier_series(grandchild, runs, REWARD) == curves


def test_a_run_resumed_again_in_its_own_directory_still_says_where_it_began() -> None:
    child = resumed("a/two")
    again = replace(child, lineage=Lineage(child.path, child.path, step=9, origin=child.lineage))
    assert words(again, PARENT) == "↳ resumed from a/one at step 5   resumed in its own directory at step 9"
    assert plain(listed_name(again, 40)) == "↳ a/two"
    assert words(PARENT, again) == "↳ resumed as a/two"
    assert earlier_series(again, {PARENT.path: PARENT}, REWARD) == (PARENT.metrics.series(REWARD),)


def told(*levels: str, **last: Any) -> Told:
    heard = Told()
    plan = {"path": "/runs/new", "in_place": False, "step": 5, "argv": ["python", "a b"], "files": {}, "ready": True}
    heard.take({"event": "plan", "lost": ["the random state", "the metrics"], **plan})
    for number, level in enumerate(levels):
        heard.take({"event": "check", "level": level, "what": f"check {number}", "reason": "why \x1b[2J"})
    heard.take(last)
    return heard


def test_the_checklist_is_in_order_and_what_is_lost_comes_last() -> None:
    heard = told("ok", "warn", event="result")
    shown = [plain(row) for row in resuming.check_rows(heard, 80, resuming.WHOLE_LINES)]
    assert [line[2:12].rstrip() for line in shown[1:]] == ["✓ check 0", "! check 1", "! not carr", "! not carr"]
    assert "\x1b" not in "".join(shown)
    named = [plain(row) for row in resuming.check_rows(heard, 80, resuming.NAMED_LINES)]
    assert named[1] == "  ✓ 1 check passed     check 0"
    brief = [plain(row) for row in resuming.check_rows(heard, 80, 24)]
    assert brief[1].rstrip() == "  ✓ 1 check passed"
    assert brief[-1].endswith("the random state; the metrics")


def test_only_a_result_lets_it_start() -> None:
    assert told("ok", event="result").can_start
    refused = told("ok", "fail", event="error", message="Not resumed: it is so.", hint="")
    assert not refused.can_start
    assert [plain(row) for row in resuming.outcome_rows(refused, 80)] == ["✗ It can't be started: check 1"]
    assert [plain(row) for row in resuming.start_rows(refused, 80)] == ["✗ Not resumed: it is so."]
    checking = told("ok", event="waiting", message="the service is slow")
    assert plain(resuming.check_rows(checking, 80, 40)[-1]) == "  … the service is slow"


def test_a_long_command_breaks_between_words_only() -> None:
    plan = {"argv": ["python", "x" * 30, "two words", "y" * 30], "files": {"/runs/new/checkpoints.jsonl": ""}}
    shown = [plain(row) for row in resuming.command_rows(plan, 40)]
    assert shown[:3] == ["$ python \\", f"    {'x' * 30} \\", "    'two words' \\"]
    assert shown[-1] == "  writes before it  checkpoints.jsonl"
