"""What looks at a run tell, each thing once."""

from __future__ import annotations

import math
from typing import Any

from stealthrl_tui.runs.happenings import Story
from stealthrl_tui.runs.model import Run, Status
from tests.unit.built_runs import REWARD, metrics, run, save

SINCE = "steps since the last save: lost if it dies now"
TESTED = "test/env/all/reward/total"


def told(*looks: Run) -> list[dict[str, Any]]:
    """What the last of `looks` tells."""
    story = Story()
    return [story.news(each) for each in looks][-1]


def kinds(*looks: Run) -> list[str]:
    return [event["event"] for event in told(*looks)]


def test_a_new_run_is_told_with_all_it_has() -> None:
    found = run("a", save(5), step=7, total_steps=20, metrics=metrics({REWARD: [(6, 0.5)]}), problems=("torn line 3",))
    who = {"run": "a", "path": "/runs/a"}
    assert told(found) == [
        {"event": "run_added", **who, "status": "running"},
        {"event": "checkpoint", **who, "name": "000005", "step": 5, "uris": [save(5).state_uri, save(5).sampler_uri]},
        {"event": "progress", **who, "step": 7, "total_steps": 20, "metrics": {REWARD: 0.5}},
        {"event": "problem", **who, "text": "torn line 3"},
    ]


def test_nothing_new_is_nothing_told() -> None:
    found = run("a", save(5), step=7, metrics=metrics({REWARD: [(6, math.nan)]}), problems=("torn line 3",))
    again = run("a", save(5), step=7, metrics=metrics({REWARD: [(6, -math.nan)]}), problems=("torn line 3",))
    assert kinds(found, again) == []


def test_a_checkpoint_is_told_again_when_its_other_half_comes() -> None:
    whole = save(5)
    for half in (save(5, sampler_uri=None), save(5, state_uri=None)):
        (event,) = told(run("a", half), run("a", whole))
        assert event["uris"] == [whole.state_uri, whole.sampler_uri]
        assert kinds(run("a", half), run("a", whole), run("a", half), run("a", whole)) == []


def test_checkpoints_that_go_and_come_back_are_not_told_again() -> None:
    assert kinds(run("a", save(5)), run("a"), run("a", save(5))) == []
    (event,) = told(run("a", save(5)), run("a"), run("a", save(5), save(10)))
    assert event["name"] == "000010"


def test_two_saves_of_one_name_are_two_and_one_without_uris_is_told() -> None:
    both = run("a", save(5, run_id="b:train:0"), save(5, run_id="c:train:0"))
    assert kinds(run("a"), both) == ["checkpoint", "checkpoint"]
    bare = run("a", save(5, state_uri=None, sampler_uri=None))
    (event,) = told(run("a"), bare)
    assert (event["name"], event["uris"]) == ("000005", [])
    assert kinds(run("a"), bare, bare) == []


def test_progress_is_told_when_a_step_or_an_evaluation_came() -> None:
    one = run("a", step=7, metrics=metrics({REWARD: [(6, 0.5)]}))
    evaluated = run("a", step=7, metrics=metrics({REWARD: [(6, 0.5)], TESTED: [(6, 0.7)]}))
    (event,) = told(one, evaluated)
    assert (event["step"], event["metrics"]) == (7, {REWARD: 0.5, TESTED: 0.7})
    (event,) = told(evaluated, run("a", step=8, metrics=evaluated.metrics))
    assert event["step"] == 8
    assert kinds(run("a"), run("a", metrics=one.metrics)) == []


def test_a_status_has_its_reason() -> None:
    failed = run("a", status=Status.FAILED, status_reason="Training failed: no memory")
    (event,) = told(run("a"), failed)
    assert (event["from"], event["to"], event["reason"]) == ("running", "failed", "Training failed: no memory")
    assert kinds(run("a"), run("a", status_reason="written 12 s ago")) == []


def test_a_problem_is_told_once_whatever_is_counted_in_it() -> None:
    one, two = run("a", problems=("1 step since the last save: lost",)), run("a", problems=(f"2 {SINCE}",))
    saved = run("a", save(5))
    assert kinds(run("a"), one) == ["problem"]
    assert kinds(run("a", problems=(f"4 {SINCE}",)), two) == []
    assert kinds(run("a", save(5), problems=(f"4 {SINCE}",)), saved, run("a", save(5), problems=(f"1 {SINCE}",))) == []
    once = run("a", problems=("reward was NaN once, last at step 9",))
    assert kinds(once, run("a", problems=("reward was NaN 12 times, last at step 40",))) == []


def test_another_line_is_another_problem() -> None:
    texts = tuple(f"checkpoints.jsonl line {line} is torn" for line in (12, 13, 112))
    before, after = run("a", problems=texts[:1]), run("a", problems=texts)
    assert [event["text"] for event in told(before, after)] == list(texts[1:])


def test_only_a_run_that_was_seen_can_go() -> None:
    story = Story()
    assert list(story.end()) == []
    story.news(run("a"))
    assert list(story.end()) == [{"event": "run_removed", "run": "a", "path": "/runs/a"}]
