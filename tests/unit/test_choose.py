"""Which run, which checkpoint, how good each was."""

from pathlib import Path

import pytest

from stealthrl_tui.runs.choose import (
    NotFound,
    best_checkpoint,
    choose_checkpoint,
    deltas,
    find_run,
    is_own,
    namesakes,
    values,
)
from stealthrl_tui.runs.keys import Kind
from tests.unit.built_runs import REWARD, metrics, reading, run, save

CURVE = {REWARD: [(step, step / 100) for step in range(40)]}


# ---- runs


def test_a_run_is_found_by_name_by_its_last_parts_and_by_path() -> None:
    runs = [run("a/one"), run("b/two"), run("b/deep/three")]
    assert find_run(runs, "a/one") is runs[0]
    assert find_run(runs, "two") is runs[1]
    assert find_run(runs, "deep/three/") is runs[2]
    assert find_run(runs, "/runs/b/two") is runs[1]


def test_a_path_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [run("one", path=str(tmp_path / "x" / "one")), run("two")]
    assert find_run(runs, "x/one") is runs[0]
    assert find_run(runs, "./x/one") is runs[0]


def test_a_full_name_goes_before_the_end_of_another() -> None:
    runs = [run("one"), run("old/one")]
    assert find_run(runs, "one") is runs[0]


def test_two_runs_of_one_ending_are_told_apart_by_path() -> None:
    with pytest.raises(NotFound, match="2 runs are called one: say which, /runs/a/one or /runs/b/one"):
        find_run([run("a/one"), run("b/one")], "one")


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [("mage_10k_v3", "did you mean a/mage_10k_v2"), ("10K", "a/mage_10k_v2"), ("zzz", "among 1 run: give a name")],
)
def test_a_run_that_is_not_there_names_the_close_ones(wanted: str, advice: str) -> None:
    with pytest.raises(NotFound, match=advice):
        find_run([run("a/mage_10k_v2")], wanted)


def test_no_runs_at_all_is_said() -> None:
    with pytest.raises(NotFound, match="no runs were found"):
        find_run([], "x")


# ---- one checkpoint


def test_without_a_word_the_final_one_else_the_last() -> None:
    final = save(40, "final", final=True)
    assert choose_checkpoint(run("r", save(10), final, save(40, "000040"))) is final
    assert choose_checkpoint(run("r", save(10), save(20))).name == "000020"


def test_last_passes_over_a_rolling_save_that_was_replaced() -> None:
    found = run("r", save(10), save(12, rolling=True, superseded=True))
    assert choose_checkpoint(found, "last").name == "000010"
    only = run("r", save(12, rolling=True, superseded=True))
    assert choose_checkpoint(only, "last").name == "000012"


def test_final_takes_the_newest_of_that_name_where_none_is_the_end() -> None:
    taken_up_again = run("r", save(40, "final"), save(50, run_id="b:train:0"))
    assert choose_checkpoint(taken_up_again, "final").step == 40
    assert choose_checkpoint(taken_up_again).step == 50


def test_of_one_name_the_newest_is_taken() -> None:
    first, second = save(10, run_id="a:train:0"), save(10, run_id="b:train:0")
    found = run("r", first, second)
    assert choose_checkpoint(found, "000010") is second
    assert namesakes(found, "000010") == (first, second)
    assert choose_checkpoint(found, first.state_uri) is first
    assert choose_checkpoint(found, second.sampler_uri) is second


def test_a_save_that_is_called_best_goes_before_the_word() -> None:
    named = save(5, "best")
    found = run("r", named, save(10), metrics=metrics(CURVE))
    assert choose_checkpoint(found, "best") is named


def test_what_is_asked_for_has_the_wanted_half() -> None:
    found = run("r", save(10), save(20), save(30, sampler_uri=None), metrics=metrics(CURVE))
    assert choose_checkpoint(found, half="sampler").step == 20
    assert choose_checkpoint(found, "last", half="state").step == 30
    assert choose_checkpoint(found, "best", half="sampler").step == 20
    with pytest.raises(NotFound, match="none of the 1 checkpoint of r has sampler weights"):
        choose_checkpoint(run("r", save(30, sampler_uri=None)), half="sampler")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("final", "no final checkpoint \\(it is running, written 9 s ago\\): take --checkpoint last"),
        ("best", "no metric that says which is best"),
        ("000099", "no checkpoint 000099: it has 000010, 000020; or last, best, final"),
    ],
)
def test_what_is_not_there_is_refused_with_the_reason(word: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        choose_checkpoint(run("r", save(10), save(20)), word)


def test_a_run_without_checkpoints_says_so() -> None:
    with pytest.raises(NotFound, match="r has no checkpoint yet"):
        choose_checkpoint(run("r"), "last")


def test_many_names_are_not_all_listed() -> None:
    with pytest.raises(NotFound, match=r"000000, .*000004, …, 000095"):
        choose_checkpoint(run("r", *(save(step) for step in range(100))), "x")


# ---- how good


def test_a_value_is_the_newest_at_or_before_the_step() -> None:
    first, last = save(10), save(40, "final")
    found = run("r", first, last, metrics=metrics(CURVE))
    assert values(found, REWARD) == {first.key: reading(0.1, 10), last.key: reading(0.39, 39)}
    assert values(found, "unknown") == {}


@pytest.mark.parametrize(("step", "measured", "own"), [(10, 10, True), (10, 9, True), (10, 8, False), (None, 8, False)])
def test_a_reading_is_its_own_at_the_step_or_the_one_before(step: int | None, measured: int, own: bool) -> None:
    assert is_own(save(step, "x"), reading(1.0, measured)) is own


def test_deltas_are_from_the_save_before_in_the_same_training_run() -> None:
    a, b = save(10, run_id="a:train:0"), save(20, run_id="a:train:0")
    c, d = save(15, run_id="b:train:0"), save(25, run_id="b:train:0")
    found = deltas(run("r", a, b, c, d, metrics=metrics(CURVE)), REWARD)
    assert found == {b.key: pytest.approx(0.1), d.key: pytest.approx(0.1)}


def test_two_saves_with_one_reading_have_no_change() -> None:
    found = run("r", save(40), save(40, "final"), metrics=metrics(CURVE))
    assert deltas(found, REWARD) == {}


def test_the_best_is_the_highest_or_the_lowest_as_the_metric_has_it() -> None:
    rising = {"loss": [(step, step / 100) for step in range(40)]}
    high, low = save(30), save(10)
    assert best_checkpoint(run("r", low, high, metrics=metrics(CURVE))) is high
    assert best_checkpoint(run("r", low, high, metrics=metrics(rising))) is low
    assert best_checkpoint(run("r", low, high, metrics=metrics(CURVE)), higher=False) is low
    assert best_checkpoint(run("r", low, high, metrics=metrics({**CURVE, **rising})), "loss") is low


def test_of_equals_the_newest_is_the_best() -> None:
    flat = {REWARD: [(step, 0.5) for step in range(40)]}
    saves = [save(10), save(20), save(40, "final", final=True)]
    assert best_checkpoint(run("r", *saves, metrics=metrics(flat))) is saves[2]


def test_what_is_gone_or_was_not_measured_is_not_the_best() -> None:
    rare = {REWARD: [(0, 0.1), (10, 0.2), (20, 0.9)]}
    measured, between, gone = save(10), save(18), save(20, rolling=True, superseded=True)
    assert best_checkpoint(run("r", measured, between, gone, metrics=metrics(rare))) is measured


def test_no_direction_no_metric_no_best() -> None:
    rate = {"optim/lr": [(step, 1e-4) for step in range(40)]}
    assert best_checkpoint(run("r", save(10), metrics=metrics(rate, latest={}))) is None
    assert best_checkpoint(run("r", save(10))) is None
    assert best_checkpoint(run("r", metrics=metrics(CURVE), facts={"kind": Kind.RL})) is None
