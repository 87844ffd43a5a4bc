"""The browser on real runs: what it shows, and what stays put while things change beneath it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from stealthrl_tui.runs.model import Run
from stealthrl_tui.ui import memory
from stealthrl_tui.ui.widgets.checkpoint_table import CheckpointTable
from tests.ui.conftest import NOW, SAMPLES, Open, app_of, lines, press_until, screen_text, until


def names(runs: list[Run] | tuple[Run, ...]) -> list[str]:
    return [run.name for run in runs]


async def test_the_newest_run_is_selected_and_its_timeline_shown_newest_first(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        updated = [run.updated_at or 0.0 for run in browse.runs.rows]
        assert updated == sorted(updated, reverse=True)
        assert browse.selected is browse.runs.rows[0]
        assert browse.detail.shown is not None
        assert browse.detail.shown.path == browse.runs.rows[0].path
        text = screen_text(pilot)
        for word in (
            "stealthrl",
            "completed",
            "interrupted",
            "failed",
            "1 Timeline",
            "STEP",
            "HAS",
            "tinker not asked",
        ):
            assert word in text


async def test_checkpoints_have_steps_values_and_one_star(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "stealthrl_tiny_sync") as pilot:
        table = app_of(pilot).browse.query_one(CheckpointTable)
        steps = [row.checkpoint.step for row in table.rows]
        assert steps == sorted(steps, key=lambda step: step or 0, reverse=True)
        assert sum(row.best for row in table.rows) == 1
        assert all(row.reading for row in table.rows)
        assert "★" in screen_text(pilot)
        assert "≈" in screen_text(pilot) or "?" in screen_text(pilot)


@pytest.mark.parametrize("size", [(160, 40), (120, 36), (80, 24)])
async def test_moving_goes_from_run_to_run_and_the_detail_follows(
    root: Path, open_browser: Open, size: tuple[int, int]
) -> None:
    async with open_browser(root, size=size) as pilot:
        browse = app_of(pilot).browse
        wanted = browse.runs.rows[3].path
        await pilot.press("j", "down", "j")
        await until(pilot, lambda: browse.detail.shown is not None and browse.detail.shown.path == wanted)
        await pilot.press("G")
        await until(
            pilot, lambda: browse.detail.shown is browse.runs.rows[-1] or browse.selected is browse.runs.rows[-1]
        )
        await pilot.press("g", "k")
        assert browse.selected is browse.runs.rows[0]


async def test_narrow_list_and_detail_take_turns(root: Path, open_browser: Open) -> None:
    async with open_browser(root, size=(80, 24)) as pilot:
        assert "1 Timeline" not in screen_text(pilot)
        name = app_of(pilot).browse.runs.rows[0].name
        await press_until(pilot, "enter", shows="1 Timeline")
        text = screen_text(pilot)
        assert name in text
        assert "AGE" not in text
        for word in ("STEP", "HAS", "SAVED", "Copy URI", "Help"):
            assert word in text
        await press_until(pilot, "escape", shows="AGE")
        assert "1 Timeline" not in screen_text(pilot)


async def test_the_table_of_checkpoints_says_less_before_it_leaves_something_out(
    root: Path, open_browser: Open
) -> None:
    async with open_browser(root / "stealthrl_tiny_sync", size=(160, 40)) as pilot:
        assert "? not asked" in screen_text(pilot)
        assert "◆ state ◆ sampler" in screen_text(pilot)
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: "◆◆ both" in screen_text(pilot))
        assert "SERVER" in screen_text(pilot)
        await pilot.resize_terminal(60, 30)
        await press_until(pilot, "enter", shows="1 Timeline")
        assert "SERVER" not in screen_text(pilot)
        assert "◆◆ both" in screen_text(pilot)


async def test_resizing_keeps_the_selection(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("j", "j")
        path = browse.runs.cursor_key
        for width, height in ((80, 24), (200, 50), (40, 10), (120, 36)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert browse.runs.cursor_key == path
        assert len(lines(pilot)) == 36


async def test_a_new_run_appears_and_selection_and_scroll_stay(root: Path, open_browser: Open) -> None:
    async with open_browser(root, size=(120, 12)) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("j", "j", "j")
        path = browse.runs.cursor_key
        shutil.copytree(SAMPLES / "cookbook-0.6.1" / "sl_tiny", root / "a_new_one")
        await until(pilot, lambda: any(run.name == "a_new_one" and run.depth for run in browse.runs.rows))
        assert browse.runs.cursor_key == path


async def test_a_ledger_row_appears_and_the_cursor_stays_on_its_save(root: Path, open_browser: Open) -> None:
    run = root / "sigkill_midrun"
    async with open_browser(run) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("enter")
        table = browse.query_one(CheckpointTable)
        key, count = table.cursor_key, len(table.rows)
        row = {"name": "000012", "batch": 12, "state_path": "tinker://x:train:0/weights/000012"}
        with (run / "checkpoints.jsonl").open("a") as ledger:
            ledger.write(json.dumps(row) + "\n")
        await until(pilot, lambda: len(table.rows) == count + 1)
        assert table.cursor_key == key
        assert table.rows[0].checkpoint.name == "000012"
        assert "000012" in screen_text(pilot)


async def test_following_stays_on_the_newest_run_and_its_newest_save(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("G", "f")
        await until(pilot, lambda: browse.runs.cursor_key == browse.roster.newest())
        assert "following" in screen_text(pilot)
        run = root / "zz_live"
        shutil.copytree(SAMPLES / "stealthrl" / "sigkill_midrun", run)
        metadata = json.loads((run / "run_metadata.json").read_text())
        metadata["start_time"] = "2026-11-24T17:59:00"
        (run / "run_metadata.json").write_text(json.dumps(metadata))
        for file in run.iterdir():
            os.utime(file, (NOW, NOW))
        await until(pilot, lambda: browse.runs.cursor_key == str(run) and browse.following)
        row = {"name": "000012", "batch": 12, "state_path": "tinker://x:train:0/weights/000012"}
        with (run / "checkpoints.jsonl").open("a") as ledger:
            ledger.write(json.dumps(row) + "\n")
        await until(pilot, lambda: getattr(browse.detail.checkpoint, "name", "") == "000012")
        await pilot.press("down")
        await until(pilot, lambda: not browse.following)


async def test_a_run_deleted_while_selected_hands_over_to_its_neighbour(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("j")
        lost, neighbour = browse.runs.rows[1], browse.runs.rows[2]
        shutil.rmtree(lost.path)
        await until(pilot, lambda: browse.runs.cursor_key == neighbour.path)
        await until(pilot, lambda: "no longer on the disk" in screen_text(pilot))
        await until(pilot, lambda: browse.detail.shown is not None and browse.detail.shown.path == neighbour.path)


async def test_the_last_run_deleted_leaves_the_empty_screen(root: Path, open_browser: Open, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(root / "ctrl_c_async", alone / "run")
    async with open_browser(alone) as pilot:
        shutil.rmtree(alone / "run")
        await until(pilot, lambda: "No runs yet" in screen_text(pilot))
        await until(pilot, lambda: app_of(pilot).browse.detail.shown is None)


async def test_the_problems_of_a_run_are_said_in_words(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "run_20261123_170500") as pilot:
        run = app_of(pilot).browse.selected
        assert run is not None
        assert run.problems
        assert any(line.strip().startswith("!") for line in (each.rpartition("│")[2] for each in lines(pilot)))


async def test_sort_tab_and_metric_are_remembered_and_forgotten(root: Path, open_browser: Open, tmp_path: Path) -> None:
    layout = tmp_path / "state" / "layout.json"
    async with open_browser(root, layout=layout) as pilot:
        await pilot.press("s", "S")
        await press_until(pilot, "4", shows="training_config.json")
    kept = memory.load(layout)
    assert (kept.sort, kept.reverse, kept.tab) == ("name", True, "config")
    async with open_browser(root, layout=layout) as pilot:
        browse = app_of(pilot).browse
        assert names(list(browse.runs.rows)) == sorted(names(list(browse.runs.rows)), reverse=True)
        assert browse.detail.tab == "config"
        app_of(pilot).action_reset_layout()
        await pilot.pause()
        assert browse.roster.sort == "age"


def test_a_broken_layout_file_is_a_fresh_start(tmp_path: Path) -> None:
    layout = tmp_path / "layout.json"
    for content in ("", "[]", '{"sort": 3, "metrics": {"rl": 4, "sl": "x"}, "smoothing": 7}', "\x00"):
        layout.write_text(content)
        found = memory.load(layout)
        assert found.sort == ""
        assert found.smoothing == memory.Memory().smoothing
        assert set(found.metrics) <= {"sl"}


def test_a_layout_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    layout = tmp_path / "deep" / "layout.json"
    kept = memory.Memory("step", True, "log", {"rl": "x"}, {"x": False}, 0.5, "stealthrl-light")
    memory.save(kept, layout)
    assert memory.load(layout) == kept
    assert [each.name for each in layout.parent.iterdir()] == ["layout.json"]
