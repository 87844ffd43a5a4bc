"""What is wrong with a run, in words: each rule at its border."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Facts, Metrics, Run, Status
from stealthrl_tui.runs.problems import MOST, find

NOW = 1_800_000_000.0


def saved(
    step: int, run_id: str = "a", *, final: bool = False, rolling: bool = False, superseded: bool = False
) -> Checkpoint:
    name = "final" if final else f"{step:06d}"
    return Checkpoint(
        name=name,
        step=step,
        state_uri=f"tinker://{run_id}/weights/{name}",
        sampler_uri=None if rolling else f"tinker://{run_id}/sampler_weights/{name}",
        training_run_id=run_id,
        final=final,
        rolling=rolling,
        superseded=superseded,
    )


def run_of(
    status: Status, step: int | None, *checkpoints: Checkpoint, total: int | None = 40, facts: Facts | None = None
) -> Run:
    ids = tuple(dict.fromkeys(checkpoint.training_run_id or "" for checkpoint in checkpoints))
    facts = facts if facts is not None else Facts(kind=Kind.STEALTHRL, save_every=5)
    run = Run(name="r", path="/r", root="/", status=status, step=step, total_steps=total, facts=facts)
    return replace(run, checkpoints=checkpoints, training_run_ids=ids)


def problems_of(run: Run, newest_write: float | None = NOW) -> tuple[str, ...]:
    return find(run, now=NOW, newest_write=newest_write)


def test_a_healthy_run_has_none() -> None:
    assert problems_of(run_of(Status.COMPLETED, 40, saved(35), saved(40, final=True))) == ()
    assert problems_of(run_of(Status.RUNNING, 10, saved(5), saved(10))) == ()
    assert problems_of(Run(name="r", path="/r", root="/")) == ()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (Status.RUNNING, "7 steps since the last save: lost if it dies now"),
        (Status.FAILED, "7 steps after the last save are lost: a resume goes on from step 10"),
        (Status.INTERRUPTED, "7 steps after the last save are lost: a resume goes on from step 10"),
        (Status.STALLED, "7 steps after the last save are lost: a resume goes on from step 10"),
    ],
)
def test_steps_since_the_last_save(status: Status, text: str) -> None:
    assert text in problems_of(run_of(status, 17, saved(5), saved(10)))


def test_one_lost_step_and_rolling_saves_that_are_gone() -> None:
    assert "1 step since the last save: lost if it dies now" in problems_of(run_of(Status.RUNNING, 11, saved(10)))
    rolling = run_of(Status.RUNNING, 14, saved(10), saved(12, rolling=True, superseded=True))
    assert problems_of(rolling) == (
        "4 steps since the last save: lost if it dies now",
        "1 rolling save is gone from the server (each is deleted after the next save)",
    )


def test_no_lost_steps_where_no_step_is_known() -> None:
    unknown = replace(saved(0), step=None)
    assert problems_of(run_of(Status.RUNNING, 70, unknown)) == ()
    assert problems_of(run_of(Status.FAILED, 7, unknown)) == (
        "no final checkpoint: use 000000, its newest, or train again",
    )


def test_sampler_weights_alone_cannot_be_resumed() -> None:
    sampler = replace(saved(10), state_uri=None)
    texts = problems_of(run_of(Status.FAILED, 12, sampler))
    assert "all 12 steps are lost for training: no state was saved to resume from" in texts
    assert "000010, the newest checkpoint, has sampler weights only: it can be sampled, not resumed" in texts
    state = replace(saved(10), sampler_uri=None)
    texts = problems_of(run_of(Status.RUNNING, 10, state))
    assert texts == ("000010, the newest checkpoint, has state only: it can be resumed, not sampled",)


def test_overdue_checkpoints() -> None:
    overdue = "no checkpoint for 15 steps, though it saves every 5: look at its log"
    assert problems_of(run_of(Status.RUNNING, 25, saved(10)))[0] == overdue
    assert overdue not in problems_of(run_of(Status.STALLED, 25, saved(10)))
    assert not any("though it saves" in text for text in problems_of(run_of(Status.RUNNING, 24, saved(10))))
    assert (
        problems_of(run_of(Status.RUNNING, 16))[0]
        == "no checkpoint for 16 steps, though it saves every 5: look at its log"
    )


def test_overdue_by_the_usual_gap_where_no_config_tells() -> None:
    silent = run_of(Status.RUNNING, 50, saved(10), saved(20), facts=Facts(kind=Kind.RL))
    assert problems_of(silent)[0] == "no checkpoint for 30 steps, though it saves every 10: look at its log"
    rolling = run_of(Status.RUNNING, 50, saved(10), saved(20), facts=Facts(save_every=100, rolling_save_every=2))
    assert problems_of(rolling)[0] == "no checkpoint for 30 steps, though it saves every 2: look at its log"


def test_overdue_in_the_newest_training_run_alone() -> None:
    again = run_of(Status.RUNNING, 20, saved(40, "old"), saved(5, "new"))
    assert problems_of(again)[0] == "no checkpoint for 15 steps, though it saves every 5: look at its log"


def test_nothing_saved_at_all() -> None:
    again = "no checkpoint is recorded, nothing of this run can be loaded: train again with save_every 10"
    assert problems_of(run_of(Status.FAILED, 3))[0] == again
    assert problems_of(run_of(Status.COMPLETED, 40))[0] == again
    assert problems_of(run_of(Status.FAILED, 3, total=None))[0] == again.removesuffix(" with save_every 10")
    stalled = problems_of(run_of(Status.STALLED, 3))
    assert stalled == ("no checkpoint is recorded: if it is dead, nothing of this run can be loaded",)


def test_no_final_checkpoint() -> None:
    texts = problems_of(run_of(Status.FAILED, 10, saved(5), saved(10)))
    assert texts == ("no final checkpoint: use 000010, its newest, or train again",)
    texts = problems_of(run_of(Status.COMPLETED, 40, saved(35)))
    assert texts == ("completed, but no final checkpoint is recorded: use 000035, its newest, or train again",)


def test_a_newest_state_that_will_not_last() -> None:
    stopped = run_of(Status.INTERRUPTED, 12, saved(10), saved(12, rolling=True))
    soon = "000012, the newest state, is a rolling save and lives 2 h: resume soon, after that 000010 is the newest"
    assert soon in problems_of(stopped)
    gone = "000012, the newest state, was a rolling save and has probably expired: resume from 000010"
    assert gone in problems_of(stopped, newest_write=NOW - 7201)
    alone = run_of(Status.STALLED, 12, replace(saved(12, rolling=True), saved_at=NOW - 9999))
    assert (
        "000012, the newest state, was a rolling save and has probably expired, and there is no other"
        in problems_of(alone)
    )
    assert problems_of(run_of(Status.RUNNING, 12, saved(10), saved(12, rolling=True))) == ()
    assert problems_of(run_of(Status.COMPLETED, 40, saved(40, final=True), saved(39, rolling=True))) == ()


def test_save_every_against_the_guide() -> None:
    long = "save_every 1000 is too large for 22 steps, no periodic checkpoint is saved: the guide advises 10"
    completed = run_of(
        Status.COMPLETED, 22, saved(22, final=True), total=22, facts=Facts(Kind.STEALTHRL, save_every=1000)
    )
    assert problems_of(completed) == (long,)
    exact = Facts(kind=Kind.STEALTHRL, save_every=22)
    assert problems_of(replace(completed, facts=exact)) == ()
    cookbook = problems_of(replace(completed, facts=replace(exact, kind=Kind.SL)))
    assert cookbook == (
        "save_every 22 is too large for 22 steps, no periodic checkpoint is saved: the guide advises 10",
    )
    off = problems_of(replace(completed, facts=replace(exact, save_every=0)))
    assert off == ("periodic checkpoints are off (save_every 0): the guide advises 10",)


def test_expiry_is_an_estimate() -> None:
    facts = Facts(kind=Kind.RL, save_every=10, ttl_seconds=604_800)
    run = run_of(Status.COMPLETED, 40, saved(30), saved(40, final=True), facts=facts)
    assert problems_of(run) == (
        "its periodic checkpoints are set to expire after 7 d (an estimate from the config's ttl_seconds): "
        "keep those you need",
    )
    assert problems_of(run, newest_write=NOW - 604_801) == (
        "its periodic checkpoints have probably expired: the config lets them live 7 d (an estimate, ask the server)",
    )
    assert problems_of(replace(run, checkpoints=run.checkpoints[1:])) == ()


def test_values_that_are_no_numbers() -> None:
    key = "env/all/reward/total"
    metrics = Metrics(keys=(key, "other"), latest={key: float("nan")}, nonfinite={key: (3, 12), "other": (9, 9)})
    run = replace(run_of(Status.RUNNING, 10, saved(10)), metrics=metrics)
    assert problems_of(run) == ("reward was NaN 3 times, last at step 12",)
    metrics = replace(metrics, latest={key: 1.0}, nonfinite={key: (1, None)})
    assert problems_of(replace(run, metrics=metrics)) == ("reward was NaN or infinite once",)


def test_repeated_steps_and_names() -> None:
    run = run_of(
        Status.COMPLETED, 12, saved(5, "a"), saved(10, "a"), saved(5, "b"), saved(10, "b"), saved(12, "b", final=True)
    )
    assert problems_of(replace(run, metrics=Metrics(passes=2))) == (
        "steps repeat: metrics.jsonl holds 2 training passes (a resume, or a run name used again); the newest is shown",
        "2 names saved more than once (000005, 000010): tell them apart by URI",
    )


def test_the_parts_own_problems_are_gathered_and_cleaned() -> None:
    odd = [replace(saved(step), problems=("state_path is no tinker:// URI",)) for step in (5, 10, 15, 20)]
    run = run_of(Status.RUNNING, 20, *odd, replace(saved(20), name="odd", problems=("no \x1b path",)))
    run = replace(
        run,
        facts=replace(run.facts, problems=("config.json is broken",)),
        metrics=Metrics(problems=("line 3 is torn",)),
        problems=("the ledger's line 2 is torn",),
    )
    assert problems_of(run) == (
        "config.json is broken",
        "the ledger's line 2 is torn",
        "state_path is no tinker:// URI (4 checkpoints, 000005, 000010, 000015, …)",
        "no \N{REPLACEMENT CHARACTER} path (odd)",
        "line 3 is torn",
    )


def test_a_dozen_at_most() -> None:
    run = run_of(Status.FAILED, 3, facts=Facts(problems=tuple(f"problem {index}" for index in range(40))))
    assert len(problems_of(run)) == MOST
    assert problems_of(run)[0].startswith("no checkpoint is recorded")
