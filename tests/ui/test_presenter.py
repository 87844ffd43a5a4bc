"""What the screen says of a run and its saves, as text; no app."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Depth, Facts, Metrics, Reading, Run, Series, Status
from stealthrl_tui.ui import presenter, saves
from stealthrl_tui.ui.presenter import plain

NOW = 1_000_000.0
REWARD = "env/all/reward/total"


def make_series(values: dict[int, float]) -> Series:
    return Series(array("q", values), array("d", values.values()), len(values))


def make_run(**changes: object) -> Run:
    readings = {step: step / 100 for step in range(50)}
    metrics = Metrics(
        keys=(REWARD,), latest={REWARD: 0.49}, columns={REWARD: make_series(readings)}, rows=50, total_steps=80
    )
    run = Run(
        name="ablations/det1.0",
        path="/r/ablations/det1.0",
        root="/r",
        depth=Depth.FULL,
        status=Status.RUNNING,
        status_reason="written 9 s ago",
        facts=Facts(kind=Kind.STEALTHRL, base_model="Qwen/Qwen3-4B", lora_rank=16, renderer="qwen3", save_every=10),
        step=50,
        total_steps=80,
        step_seconds=22.0,
        eta_seconds=660.0,
        updated_at=NOW - 9,
        metrics=metrics,
        main_metric=REWARD,
        training_run_ids=("a:train:0",),
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def save(name: str, step: int | None, **changes: object) -> Checkpoint:
    uri = f"tinker://a:train:0/weights/{name}"
    made = Checkpoint(name, step, uri, uri.replace("/weights/", "/sampler_weights/"), training_run_id="a:train:0")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_header_says_who_it_is_and_how_it_goes() -> None:
    run = make_run()
    title = plain(presenter.title_pieces(run, NOW, 100))
    assert title == "ablations/det1.0   ● running  a step each 22 s, last 9 s ago"
    assert plain(presenter.facts_pieces(run, 100)) == "Qwen/Qwen3-4B  rank 16  renderer qwen3  saves every 10"
    done, words = presenter.progress(run)
    assert done == 50 / 80
    assert plain(words) == "50/80  62 %  ETA 11 min"


def test_a_narrow_header_keeps_the_status_and_the_runs_own_name() -> None:
    title = plain(presenter.title_pieces(make_run(), NOW, 30))
    assert title == "ablations/det1.0   ● running"
    assert plain(presenter.title_pieces(make_run(), NOW, 24)) == "…/det1.0   ● running"


def test_an_unknown_total_and_a_missing_step_are_said() -> None:
    assert presenter.progress(make_run(total_steps=None))[0] is None
    assert "unknown total" in plain(presenter.progress(make_run(total_steps=None))[1])
    assert plain(presenter.progress(make_run(step=None))[1]) == "no step yet"
    assert presenter.step_text(make_run(step=None)) == "–"


def test_a_run_that_is_over_gives_its_reason() -> None:
    run = make_run(status=Status.STALLED, status_reason="last write 3 h ago")
    assert presenter.how_it_goes(run, NOW) == "last write 3 h ago"


def test_counts_carry_glyph_and_word() -> None:
    found = {Status.FAILED: 1, Status.RUNNING: 2, Status.EMPTY: 0}
    assert [text for text, _role in presenter.counts(found)] == ["● 2 running", "✗ 1 failed"]


def test_wide_characters_are_measured_in_cells() -> None:
    run = make_run(name="实验/模型模型模型")
    for width in range(4, 20):
        assert presenter.length(presenter.name_pieces(run, width)) <= width


def test_a_name_is_cleaned() -> None:
    assert "\x1b" not in plain(presenter.name_pieces(make_run(name="x\x1b]0;own\x07/y\x9b"), 80))


def test_save_rows_are_newest_first_with_change_and_one_best() -> None:
    run = make_run(checkpoints=(save("000010", 10), save("000020", 20), save("000030", 30)))
    rows = saves.save_rows(run, REWARD, True)
    assert [row.checkpoint.name for row in rows] == ["000030", "000020", "000010"]
    assert [row.best for row in rows] == [True, False, False]
    assert plain(saves.reading_pieces(rows[0].checkpoint, rows[0].reading, rows[0].best)) == "★ .300"
    assert plain(saves.change_pieces(rows[0].change, True)) == "+.100"
    assert plain(saves.change_pieces(rows[2].change, True)) == ""
    lower = saves.save_rows(run, REWARD, False)
    assert [row.best for row in lower] == [False, False, True]
    assert not any(row.best for row in saves.save_rows(run, REWARD, None))


def test_a_reading_of_an_older_step_says_so() -> None:
    older = saves.reading_pieces(save("000470", 470), Reading(0.612, 465), best=False)
    assert older == ((".612", "dim"), (" @465", "dim"))
    one_before = saves.reading_pieces(save("final", 40), Reading(0.5, 39), best=False)
    assert one_before == ((".500", "text"), (" @39", "dim"))
    assert plain(saves.reading_pieces(save("x", 1), None, best=False)) == "–"


def test_a_missing_half_shows_as_one() -> None:
    assert plain(saves.has_pieces(save("x", 1, sampler_uri=None))).split() == ["◆", "state", "—"]
    assert plain(saves.has_pieces(save("x", 1, state_uri=None))).split() == ["—", "◆", "sampler"]


def test_expiry_is_an_estimate_or_unknown_never_invented() -> None:
    week = make_run(facts=replace(make_run().facts, ttl_seconds=604_800))
    saved = save("000010", 10, saved_at=NOW - 86_400)
    assert plain(saves.expires_pieces(week, saved, NOW)) == "≈ in 6 d"
    assert plain(saves.expires_pieces(week, replace(saved, saved_at=NOW - 700_000), NOW)) == "≈ expired"
    assert plain(saves.expires_pieces(week, replace(saved, saved_at=None), NOW)) == "?"
    assert plain(saves.expires_pieces(week, replace(saved, final=True), NOW)) == "?"
    assert plain(saves.expires_pieces(make_run(), saved, NOW)) == "?"
    assert plain(saves.expires_pieces(make_run(), replace(saved, rolling=True, saved_at=NOW), NOW)) == "≈ in 2 h"
    assert plain(saves.expires_pieces(make_run(), replace(saved, superseded=True), NOW)) == "≈ gone"


def test_namesakes_are_told_apart_by_their_training_run() -> None:
    run = make_run(training_run_ids=("a:train:0", "b:train:0"))
    second = save("000010", 10, training_run_id="b:train:0")
    assert plain(saves.checkpoint_name(run, second)) == "000010 #2"
    assert plain(saves.checkpoint_name(make_run(), save("000012", 12))) == "000012"


def test_a_rolling_save_is_hollow() -> None:
    assert plain(saves.has_pieces(save("000012", 12, rolling=True, sampler_uri=None))).split() == ["◇", "state", "—"]


def test_problems_say_how_many_more_there_are() -> None:
    shown = presenter.problem_pieces(["one", "two", "three"], 1, 80)
    assert [plain(each) for each in shown] == ["! one (+2 more)"]
    assert [plain(each) for each in presenter.problem_pieces(["one", "two"], 4, 80)] == ["! one", "! two"]
    long = presenter.problem_pieces(["x" * 100, "two"], 1, 40)
    assert plain(long[0]).endswith("… (+1 more)")
    assert presenter.length(long[0]) <= 40


def test_the_checkpoints_own_problem_comes_first() -> None:
    run = make_run(problems=("no save for 30 steps", "a foreign path (x)"))
    assert presenter.problem_lines(run, save("x", 1, problems=("a foreign path",))) == (
        "x: a foreign path",
        "no save for 30 steps",
    )


def test_an_empty_root_says_where_it_looked_and_how_to_begin() -> None:
    text = "\n".join(plain(line) for line in presenter.nothing_found([("/a/b", True), ("/c", False)]))
    assert "no run in it yet  /a/b" in text
    assert "! does not exist  /c" in text
    assert "stealthrl-tui demo" in text
    assert "checkpoints.jsonl" in text


def test_roots_fit_their_room() -> None:
    assert presenter.root_text(["/a", "/b"], 20) == "/a  /b"
    assert presenter.root_text(["/long/one", "/long/two"], 14) == "/long/one  +1"
    assert len(presenter.root_text(["/a/very/long/way/down"], 10)) == 10


def test_roots_are_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert presenter.root_text([str(here / "outputs" / "runs"), str(home / "runs")], 40) == "outputs/runs  ~/runs"
    assert presenter.root_text([str(here)], 400) == str(here)
