"""The filter: live as it is typed, with a badge while it is on, and off with Esc."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from textual import events
from textual.widgets import Input

from stealthrl_tui.ui.widgets.run_list import RunList
from tests.ui.conftest import SAMPLES, Open, app_of, lines, press_until, screen_text, until


async def test_the_list_narrows_while_one_types(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"ctrl")
        await until(pilot, lambda: [run.name for run in browse.runs.rows] == ["ctrl_c_async"])
        assert "1 of 6 runs" in lines(pilot)[1]
        assert isinstance(browse.focused, Input)
        await pilot.press(*["backspace"] * 4)
        await until(pilot, lambda: len(browse.runs.rows) == 6)


async def test_enter_keeps_the_filter_and_a_badge_says_so(root: Path, open_browser: Open) -> None:
    async with open_browser(root, size=(80, 24)) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"status:failed", "enter")
        await until(pilot, lambda: isinstance(browse.focused, RunList))
        assert "/ status:failed" in lines(pilot)[1]
        assert "1 of 6 runs" in lines(pilot)[1]
        assert "Esc clears" in lines(pilot)[1]
        await pilot.press("escape")
        await until(pilot, lambda: len(browse.runs.rows) == 6)
        assert "status:failed" not in screen_text(pilot)


async def test_escape_while_typing_takes_the_filter_off(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"zzzz")
        await until(pilot, lambda: not browse.runs.rows)
        assert "no run matches the filter" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: len(browse.runs.rows) == 6 and isinstance(browse.focused, RunList))


async def test_down_goes_from_the_filter_into_the_list(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"midrun", "down")
        await until(pilot, lambda: isinstance(browse.focused, RunList) and len(browse.runs.rows) == 2)


async def test_metric_and_number_conditions_work(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"reward>0.9 rank:8", "enter")
        await until(pilot, lambda: [run.name for run in browse.runs.rows] == ["stealthrl_tiny_sync"])


async def test_what_is_not_understood_is_said(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        await press_until(pilot, "slash", *"age<soon", shows="age takes a number")


async def test_a_run_that_begins_to_match_appears_and_the_selection_stays(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"status:completed", "enter")
        await until(pilot, lambda: len(browse.runs.rows) == 3 and isinstance(browse.focused, RunList))
        await pilot.press("j")
        path = browse.runs.cursor_key
        metadata = root / "ctrl_c_async" / "run_metadata.json"
        metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"status": "completed"}))
        await until(pilot, lambda: len(browse.runs.rows) == 4)
        assert browse.runs.cursor_key == path


async def test_a_new_run_that_does_not_match_stays_out(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.press("slash", *"midrun", "enter")
        await until(pilot, lambda: len(browse.runs.rows) == 2)
        shutil.copytree(SAMPLES / "cookbook-0.6.1" / "sl_tiny", root / "other")
        await until(pilot, lambda: len(browse.roster.runs) == 7)
        assert len(browse.runs.rows) == 2
        await until(pilot, lambda: "2 of 7 runs" in lines(pilot)[1])


async def test_keys_typed_in_one_burst_all_belong_to_the_filter(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        for key, character in (("slash", "/"), *((each, each) for each in "crash"), ("enter", "\r")):
            pilot.app.post_message(events.Key(key, character))
        await until(pilot, lambda: browse.roster.query_text == "crash" and isinstance(browse.focused, RunList))
        assert "/ crash" in lines(pilot)[1]
        assert not browse.query(Input)
