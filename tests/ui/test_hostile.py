"""Names, paths, logs and configurations that would drive the terminal: none of it reaches the screen."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.ui.conftest import SAMPLES, Open, app_of, screen_text, until

EVIL = "x\x1b]52;c;ZXZpbA==\x07\x9b31m[/x][bold]\u202egnp.\u200b\u2066\r\n\x00\ud800\ufeff"
# What text.clean takes out, but for the line breaks between the lines of the screen.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
URI = "tinker://m:train:0/{kind}/" + EVIL


def make_run(root: Path, folder: str) -> Path:
    """A run whose every string is hostile."""
    run = root / folder
    shutil.copytree(SAMPLES / "stealthrl" / "sigkill_midrun", run)
    rows = [
        {
            "name": EVIL,
            "batch": 3,
            "state_path": URI.format(kind="weights"),
            "sampler_path": URI.format(kind="sampler_weights"),
        },
        {"name": "[/x]", "batch": 6, "state_path": "file:///\x1b[2J", EVIL: EVIL},
    ]
    write_lines(run / "checkpoints.jsonl", rows)
    config = {"model": {"base_model": EVIL, "renderer": EVIL}, "lora": {"rank": 4}, "run_info": {EVIL: [EVIL]}}
    (run / "training_config.json").write_text(json.dumps(config))
    (run / "run_metadata.json").write_text(json.dumps({"run_name": EVIL, "status": EVIL, "start_time": EVIL}))
    metrics = [{"step": step, "env/all/reward/total": step / 9, EVIL: step, "[/x]": 1} for step in range(9)]
    write_lines(run / "metrics.jsonl", metrics)
    with (run / "training.log").open("ab") as log:
        log.write(b"2026-11-23 17:00:00,000 - __main__ - ERROR - Training failed: \x1b[2J\x07\x9b\xff\x00[/x]\r\n")
    return run


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def assert_safe(pilot: Pilot[None]) -> None:
    found = UNSAFE.search(screen_text(pilot))
    assert found is None, repr(found)


@pytest.fixture
def evil_root(tmp_path: Path) -> Path:
    """Two runs whose folders' names are hostile too, as far as a file system takes them."""
    root = tmp_path / "ro\x1b[31mot\u202e[x]"
    root.mkdir()
    make_run(root, "a\x1b]0;title\x07[@click=app.quit]\u202e\nb")
    make_run(root, "[bold]b\x9b2J\u200b")
    return root


@pytest.mark.parametrize("size", [(160, 40), (80, 24)])
async def test_no_screen_lets_a_control_character_through(
    evil_root: Path, open_browser: Open, size: tuple[int, int]
) -> None:
    async with open_browser(evil_root, size=size) as pilot:
        browse = app_of(pilot).browse
        assert_safe(pilot)
        for keys in (["enter"], ["down"], ["2"], ["enter"], ["escape"], ["3"], ["4"], ["1"], ["c"]):
            await pilot.press(*keys)
            await until(pilot, lambda: True)
            assert_safe(pilot)
        for dialog in ("C", "E", "v", "question_mark", "ctrl+p"):
            await pilot.press(dialog)
            await until(pilot, lambda: pilot.app.screen is not browse)
            for _ in range(3):
                await pilot.press("down")
                assert_safe(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is browse)
        await pilot.press("escape", "escape", "slash", *"[/x]")
        await until(pilot, lambda: "2 runs   Esc clears" in screen_text(pilot))
        assert_safe(pilot)


async def test_notices_about_hostile_runs_are_safe_too(evil_root: Path, open_browser: Open) -> None:
    async with open_browser(evil_root) as pilot:
        run = app_of(pilot).browse.selected
        assert run is not None
        shutil.rmtree(run.path)
        await until(pilot, lambda: "no longer on the disk" in screen_text(pilot))
        assert_safe(pilot)


async def test_an_empty_hostile_root_is_named_safely(tmp_path: Path, open_browser: Open) -> None:
    root = tmp_path / "no\x1b[2Jthing[bold]\u202e"
    root.mkdir()
    async with open_browser(root, root / "\x9bgone") as pilot:
        assert "No runs yet" in screen_text(pilot)
        assert_safe(pilot)


async def test_what_is_copied_holds_no_control_character(evil_root: Path, open_browser: Open) -> None:
    async with open_browser(evil_root) as pilot:
        app = app_of(pilot)
        await pilot.press("enter", "end", "c")
        await until(pilot, lambda: "sent to" in screen_text(pilot))
        assert app.clipboard
        assert UNSAFE.search(app.clipboard) is None
