"""A root without runs: what is said, and that it changes by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ui.conftest import SAMPLES, Open, app_of, lines, screen_text, unbroken, until


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_it_says_what_was_looked_for_where_and_how_to_begin(
    tmp_path: Path, open_browser: Open, size: tuple[int, int]
) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.mkdir()
    async with open_browser(there, gone, size=size) as pilot:
        text = screen_text(pilot)
        flat = text.replace("\n", " ")
        assert "checkpoints.jsonl" in flat
        assert str(there) in unbroken(pilot)
        assert "no run in it yet" in flat
        assert "does not exist" in flat
        assert "stealthrl-tui demo" in flat
        assert "stealthrl-tui PATH" in flat
        assert lines(pilot)[-1].split() == ["?", "Help", "q", "Quit"]


async def test_a_run_that_appears_replaces_it(tmp_path: Path, open_browser: Open) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    async with open_browser(root) as pilot:
        browse = app_of(pilot).browse
        shutil.copytree(SAMPLES / "stealthrl" / "ctrl_c_async", root / "first")
        await until(pilot, lambda: "first" in screen_text(pilot) and "1 Timeline" in screen_text(pilot))
        assert browse.selected is not None
        await until(pilot, lambda: browse.detail.shown is not None and browse.detail.shown.checkpoints)
        assert browse.focused is browse.runs


async def test_the_keys_do_no_harm_where_there_is_no_run(tmp_path: Path, open_browser: Open) -> None:
    async with open_browser(tmp_path) as pilot:
        for key in ("j", "enter", "c", "C", "e", "E", "v", "s", "S", "space", "f", "f", "l", "m", "1", "tab", "escape"):
            await pilot.press(key)
        assert pilot.app.is_running
        assert "No runs yet" in screen_text(pilot)
