"""Every key of the table does what it says, in the footer, the help, the palette and after rebinding."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.command import CommandPalette

from stealthrl_tui.settings import Settings
from stealthrl_tui.ui import bindings
from stealthrl_tui.ui.bindings import COMMANDS, Where, display
from stealthrl_tui.ui.presenter import plain
from stealthrl_tui.ui.screens.chart_screen import ChartScreen
from stealthrl_tui.ui.screens.help import HelpScreen, help_lines
from stealthrl_tui.ui.widgets.log_view import LogView
from stealthrl_tui.ui.widgets.metric_grid import MetricGrid
from stealthrl_tui.ui.widgets.run_list import RunList
from tests.ui.conftest import Open, app_of, lines, press_until, screen_text, until


def test_names_are_unique_and_no_place_has_a_key_twice() -> None:
    assert len(bindings.BY_NAME) == len(COMMANDS)
    for place in Where:
        keys = [
            key for command in COMMANDS if command.where is place and command.keys for key in command.keys.split(",")
        ]
        assert len(keys) == len(set(keys)), place


def test_the_help_says_every_key() -> None:
    text = "\n".join(plain(line) for line in help_lines({}, 200))
    for command in COMMANDS:
        if command.keys:
            assert display(command.keys) in text
            assert command.description in text


def test_the_help_says_the_users_own_keys() -> None:
    text = "\n".join(plain(line) for line in help_lines({"copy": "y,ctrl+y"}, 200))
    assert "y Ctrl+Y" in text


async def test_number_keys_open_the_tabs_and_the_list_keeps_the_keys(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "stealthrl_tiny_sync") as pilot:
        browse = app_of(pilot).browse
        await press_until(pilot, "2", shows="test reward")
        await press_until(pilot, "3", shows="following")
        await press_until(pilot, "4", shows="training_config.json")
        await press_until(pilot, "1", shows="HAS")
        assert isinstance(browse.focused, RunList)


async def test_l_and_m_go_into_the_log_and_the_metrics(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "stealthrl_tiny_sync") as pilot:
        browse = app_of(pilot).browse
        await pilot.press("l")
        await until(pilot, lambda: isinstance(browse.focused, LogView) and "Training complete" in screen_text(pilot))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(browse.focused, MetricGrid))


async def test_tab_enter_and_escape_move_between_the_panes(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        for there, back in (("tab", "shift+tab"), ("enter", "escape"), ("shift+tab", "tab")):
            await pilot.press(there)
            assert browse.inside
            await pilot.press(back)
            assert isinstance(browse.focused, RunList)


async def test_s_goes_through_every_column_and_shift_s_turns_it_round(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        seen = [browse.roster.sort]
        for _ in range(20):
            await pilot.press("s")
            if browse.roster.sort in seen:
                break
            seen.append(browse.roster.sort)
            assert len(browse.runs.rows) == len(browse.roster.runs)
            assert any("▾" in line for line in lines(pilot))
        assert {"age", "name", "step", "metric", "status", "model", "rank"} <= set(seen)
        await pilot.press("s")
        assert browse.roster.sort == "name"
        forth = [run.name for run in browse.runs.rows]
        await pilot.press("S")
        assert [run.name for run in browse.runs.rows] == forth[::-1]


async def test_space_marks_and_the_badge_counts(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        await press_until(pilot, "space", "space", shows="2 marked")
        assert len(app_of(pilot).browse.runs.marked) == 2
        await pilot.press("k")
        await press_until(pilot, "space", shows="1 marked")


async def test_a_clicked_title_sorts(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        await pilot.click("#runs", offset=(6, 0))
        await until(pilot, lambda: browse.roster.sort == "name" and not browse.roster.reverse)
        await pilot.click("#runs", offset=(6, 0))
        await until(pilot, lambda: browse.roster.reverse)


async def test_enter_on_a_metric_shows_it_full_screen(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "stealthrl_tiny_sync") as pilot:
        app = app_of(pilot)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.browse.focused, MetricGrid))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChartScreen))
        await press_until(pilot, "plus", shows="smoothed 0.95")
        await press_until(pilot, "minus", "minus", "minus", "minus", "minus", shows="not smoothed")
        await press_until(pilot, "left", shows="at 000040")
        await press_until(pilot, "right_square_bracket", shows="test reward")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.browse)


async def test_the_log_is_searched_and_narrowed(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "exception_midrun") as pilot:
        await pilot.press("l")
        await until(pilot, lambda: "following" in screen_text(pilot))
        await press_until(pilot, "slash", *"CUDA", "enter", shows="/CUDA")
        await press_until(pilot, "w", shows="warning and above")
        await press_until(pilot, "w", shows="error and above")
        await pilot.press("w")
        await until(pilot, lambda: "and above" not in screen_text(pilot))


async def test_the_config_is_narrowed(root: Path, open_browser: Open) -> None:
    async with open_browser(root / "stealthrl_tiny_sync") as pilot:
        await press_until(pilot, "4", "tab", shows="training_config.json")
        await pilot.press("slash", *"rank")
        await until(pilot, lambda: "lora.rank" in screen_text(pilot) and "group_size" not in screen_text(pilot))
        await press_until(pilot, "escape", shows="group_size")
        assert app_of(pilot).browse.inside


async def test_help_opens_and_closes(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "question_mark", shows="Runs")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.browse)


async def test_the_palette_knows_the_commands_and_runs_them(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        app = app_of(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await press_until(pilot, *"next column", shows="Sort by the next column")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is app.browse and app.browse.roster.sort == "name")


async def test_settings_rebind_a_key_in_footer_and_help(root: Path, open_browser: Open, tmp_path: Path) -> None:
    chosen = Settings(tmp_path / "s.toml", keys={"sort": "z", "copy": "y", "fly": "x"})
    async with open_browser(root, with_settings=chosen) as pilot:
        app = app_of(pilot)
        assert "y Copy URI" in lines(pilot)[-1]
        assert "no command is called fly" in screen_text(pilot)
        await pilot.press("s")
        assert app.browse.roster.sort == "age"
        await pilot.press("z")
        assert app.browse.roster.sort == "name"
        await press_until(pilot, "question_mark", shows="Sort by the next column")
        assert any(line.split("│")[1].split()[:2] == ["z", "Sort"] for line in lines(pilot) if "Sort by" in line)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
async def test_the_footer_always_leaves_room_for_help_and_quit(root: Path, open_browser: Open, width: int) -> None:
    async with open_browser(root, size=(width, 20)) as pilot:
        assert lines(pilot)[-1].endswith("? Help   q Quit")


async def test_q_quits(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)
