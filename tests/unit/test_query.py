"""The filter language and the orders."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.runs.query import DEFAULT_SORT, SORTS, parse, sort_runs
from stealthrl_tui.text import clean
from tests.unit.built_runs import ID, NOW, REWARD, metrics, run, save

RUN = run(
    "ablations/det1.0_sem0.2",
    save(10),
    save(20),
    save(30),
    save(40),
    step=96,
    total_steps=400,
    updated_at=NOW - 3 * 3600,
    eta_seconds=5400.0,
    problems=("7 steps since the last save",),
    facts={"renderer": "qwen3", "save_every": 10},
    metrics=metrics(
        {
            REWARD: [(95, 0.61)],
            "test/env/all/reward/total": [(90, 0.55)],
            "kl_policy_base": [(95, 0.02)],
            "optim/lr": [(95, 1e-4)],
            "env/all/parse_success": [(95, 0.9)],
            "my/own/score": [(95, 12_000.0)],
            "nan/loss": [(95, float("nan"))],
        }
    ),
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "det1",
        "DET1.0",
        "abl sem0",
        "adsm",
        "qwen3-4b",
        "running",
        f"tinker://{ID}/sampler_weights/000010",
        "beed4114",
        '"ablations/det1.0"',
        "status:running",
        "status:run",
        "status=running",
        "status!=failed",
        "model:qwen",
        "renderer:qwen3",
        "renderer:",
        "kind:stealth",
        "problem:save",
        "rank:16",
        "rank=16",
        "rank!=8",
        "step>=96",
        "step<100",
        "total:400",
        "progress<25%",
        "progress>0.2",
        "checkpoints>3",
        "save_every<=10",
        "age<1d",
        "age<181min",
        "age>2h",
        "age:1w",
        "eta<=1.5h",
        "reward>0.6",
        "reward > 0.6",
        "reward>=.61",
        "reward:0.61",
        '"test reward">0.5',
        "test/env/all/reward/total>0.5",
        'kl_policy_base<0.1 "kl to base"<0.1',
        "optim/lr<=1e-4",
        "lr=1e-4",
        "parse_success>0.8",
        "score>=12k",
        "-failed",
        "!failed",
        "-status:failed",
        "-reward>0.7",
        '-"other name"',
        "status:run model:qwen rank:16 reward>0.6 step>=50 age<2d checkpoints>3 -sl",
        "-rank:",
        "reward>",
    ],
)
def test_it_matches(text: str) -> None:
    query = parse(text)
    assert query.matches(RUN, NOW)
    assert query.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "smda",
        "det3",
        "llama",
        '"det1 sem0"',
        "det1 failed",
        "status:failed",
        "status=run",
        "status!=running",
        "model=qwen",
        "kind:rl",
        "rank:8",
        "rank!=16",
        "step>96",
        "progress>25%",
        "checkpoints>4",
        "age<2h",
        "age>3h",
        "eta<1h",
        "reward>0.61",
        "kl<0.1",
        '"test reward">0.6',
        "unheard/of>0",
        "loss<1",
        "loss>1",
        "-running",
        "-det1",
        "!status:running",
        "-reward>0.6",
        "beef4114",
    ],
)
def test_it_does_not_match(text: str) -> None:
    query = parse(text)
    assert not query.matches(RUN, NOW)
    assert query.notes == ()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("age<2", "age takes a number with s, m, h, d or w"),
        ("rank>big", "rank > big compares with no number"),
        ("status>running", "status is a text"),
        ("colour:red", "colour is no field"),
        (">5", ">5 compares nothing"),
        ("-age<soon", "age takes a number"),
    ],
)
def test_a_malformed_condition_is_a_word_and_is_told(text: str, note: str) -> None:
    query = parse(text)
    assert len(query.notes) == 1
    assert note in query.notes[0]
    assert query.matches(RUN, NOW) is text.startswith("-")
    named_so = run(f"x {text.removeprefix('-')}")
    assert query.matches(named_so, NOW) is not text.startswith("-")


def test_what_is_unknown_meets_no_condition() -> None:
    listed = Run("x", "/x", "/")
    for text in ("step>0", "step<=0", "age<9w", "age>0s", "eta<1d", "reward<1", "rank:16", "progress<1"):
        assert not parse(text).matches(listed, NOW), text
    assert parse("rank!=16 -step>0").matches(listed, NOW)


def test_kl_is_the_label_of_the_key() -> None:
    found = run("x", metrics=metrics({"optim/kl_sample_train_v1": [(1, 0.02)]}))
    assert parse("kl<0.1").matches(found, NOW)


@given(st.text(max_size=60) | st.text('-!:=<>" \tabc019.', max_size=60))
def test_any_text_is_a_filter(text: str) -> None:
    query = parse(text)
    assert query.text == text
    assert query.matches(RUN, NOW) in (True, False)
    assert all(clean(note) == note for note in query.notes)


def test_a_long_word_does_not_run_away() -> None:
    query = parse("a" * 200)
    assert not query.matches(run("a" * 199 + "b" * 5000), NOW)


# ---- orders


def _named(*runs: Run) -> list[str]:
    return [each.name for each in runs]


def test_the_first_order_is_newest_activity_first() -> None:
    runs = [run("unknown"), run("old", updated_at=1.0), run("new", updated_at=2.0)]
    assert next(iter(SORTS)) == DEFAULT_SORT == "age"
    assert _named(*sort_runs(runs)) == ["new", "old", "unknown"]
    assert _named(*sort_runs(runs, reverse=True)) == ["old", "new", "unknown"]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("name", ["a", "b", "c"]),
        ("status", ["b", "c", "a"]),
        ("step", ["b", "a", "c"]),
        ("metric", ["a", "b", "c"]),
        ("checkpoints", ["a", "b", "c"]),
        ("eta", ["b", "a", "c"]),
        ("model", ["a", "b", "c"]),
        ("rank", ["b", "a", "c"]),
    ],
)
def test_each_order_has_what_one_looks_for_first(key: str, order: list[str]) -> None:
    runs = [
        run(
            "c",
            status=Status.FAILED,
            facts={"base_model": None, "lora_rank": None},
            metrics=metrics({REWARD: [(1, float("nan"))]}),
        ),
        run(
            "a",
            save(1),
            save(2),
            status=Status.COMPLETED,
            step=5,
            eta_seconds=60.0,
            facts={"base_model": "a", "lora_rank": 8},
            metrics=metrics({REWARD: [(1, 0.9)]}),
        ),
        run(
            "b",
            save(1),
            status=Status.RUNNING,
            step=9,
            eta_seconds=5.0,
            facts={"base_model": "B", "lora_rank": 32},
            metrics=metrics({REWARD: [(1, 0.1)]}),
        ),
    ]
    assert _named(*sort_runs(runs, key)) == order
    unknown = [each for each in order if SORTS[key].key(next(r for r in runs if r.name == each))[0]]
    turned = [name for name in reversed(order) if name not in unknown] + unknown
    assert _named(*sort_runs(runs, key, reverse=True)) == turned


def test_of_a_loss_the_lowest_is_the_first_and_metrics_do_not_mix() -> None:
    runs = [
        run("bad", metrics=metrics({"train_mean_nll": [(1, 2.0)]}), facts={"kind": Kind.SL}),
        run("rl", metrics=metrics({REWARD: [(1, 1.5)]})),
        run("good", metrics=metrics({"train_mean_nll": [(1, 1.0)]}), facts={"kind": Kind.SL}),
    ]
    assert _named(*sort_runs(runs, "metric")) == ["good", "bad", "rl"]


def test_every_order_can_sort_any_runs() -> None:
    dice = random.Random(1)
    runs = [
        Run(
            str(index),
            "/",
            "/",
            step=dice.choice([None, 1, 2]),
            updated_at=dice.choice([None, 5.0]),
            status=dice.choice(list(Status)),
        )
        for index in range(50)
    ]
    for key in SORTS:
        assert len(sort_runs(runs, key)) == 50
    with pytest.raises(KeyError):
        sort_runs(runs, "colour")
