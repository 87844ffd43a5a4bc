"""`r`: the dialog, a start through it against the sandbox, lineage, and the stop."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from textual.widgets import Input

from stealthrl_tui.actions.resume import stop
from stealthrl_tui.runs.lineage import read_lineage
from stealthrl_tui.runs.model import Run
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.ui.screens.resume_dialog import ResumeDialog
from stealthrl_tui.ui.screens.stop_dialog import StopDialog
from stealthrl_tui.ui.widgets.checkpoint_table import CheckpointTable
from tests.ui.conftest import Open, app_of, press_until, screen_text, until
from tests.ui.resumed import READY, built, choose, configure, end, kill_after_two_saves, rows, trainer

# So many that a busy machine gets to the stop before the run gets to its end.
STEPS = 400


@pytest.fixture(autouse=True)
def _service(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path)
    (tmp_path / "state").mkdir()
    places = {"STEALTHRL_TUI_CONFIG": str(tmp_path / "settings.toml"), "XDG_STATE_HOME": str(tmp_path / "state")}
    for name, value in {**sandbox.environ(), **places}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run of the sandbox trainer, killed some steps after its second save."""
    run = tmp_path / "my runs" / "killed"
    return kill_after_two_saves(trainer(run, STEPS, "--delay", "0.2"), run)


def step_of(run: Run | None) -> int:
    return 0 if run is None else run.step or 0


async def test_a_killed_run_goes_on_from_an_older_save_and_is_stopped(killed: Path, open_browser: Open) -> None:
    child = killed.with_name("killed-from-5")
    try:
        async with open_browser(killed.parent) as pilot:
            app = app_of(pilot)
            await choose(pilot, "000005")
            await press_until(pilot, "r", shows=READY)
            assert "✓ on the server" in screen_text(pilot)
            assert f"Goes on at  step 5 of {STEPS}" in screen_text(pilot)
            assert not child.exists()
            await press_until(pilot, "enter", shows="started as process")
            await until(pilot, lambda: app.browse.selected is not None and app.browse.selected.path == str(child))
            await until(pilot, lambda: "↳ resumed from killed at step 5" in screen_text(pilot))
            await until(pilot, lambda: step_of(app.browse.detail.shown) > 8)
            app.browse.runs.select(str(killed))
            await until(pilot, lambda: "↳ resumed as killed-from-5" in screen_text(pilot))
            app.browse.runs.select(str(child))
            await pilot.press("ctrl+p", *"stop this")
            await until(pilot, lambda: "Stop this run" in screen_text(pilot))
            await press_until(pilot, "enter", shows="Enter  stop it")
            assert isinstance(app.screen, StopDialog)
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is app.browse and "interrupted" in screen_text(pilot))
        lineage = read_lineage(str(child))
        assert lineage is not None
        assert (lineage.parent, lineage.step, stop.running(lineage)) == (str(killed), 5, False)
        assert [row["step"] for row in rows(child / "metrics.jsonl")][:3] == [5, 6, 7]
    finally:
        end(read_lineage(str(child)))


async def test_the_last_save_goes_on_in_the_runs_own_directory(killed: Path, open_browser: Open) -> None:
    before = len(rows(killed / "metrics.jsonl"))
    try:
        async with open_browser(killed, size=(80, 24)) as pilot:
            browse = app_of(pilot).browse
            await pilot.press("enter")
            await press_until(pilot, "r", shows=READY)
            assert "New run  none: its own directory" in screen_text(pilot)
            await press_until(pilot, "enter", shows="started as process")
            await until(pilot, lambda: step_of(browse.detail.shown) > before)
            assert "↳ resumed in its own directory at step 10" in screen_text(pilot)
    finally:
        end(read_lineage(str(killed)))
    assert sorted(os.listdir(killed.parent)) == ["killed"]


async def test_of_two_saves_of_one_name_the_one_under_the_cursor_is_resumed_and_its_death_is_shown(
    sandbox: Sandbox, tmp_path: Path, open_browser: Open
) -> None:
    run = built(tmp_path / "runs/one", sandbox, "import json, sys\nprint('all was well')\nsys.exit('out of memory')\n")
    async with open_browser(run) as pilot:
        app = app_of(pilot)
        app.browse.query_one(CheckpointTable).select("tinker://one-one:train:0/weights/000005")
        await press_until(pilot, "r", shows=READY)
        assert "tinker://one-one:train:0/weights/000005" in screen_text(pilot)
        assert "✓ training state     weights/: the full state, with its optimizer" in screen_text(pilot)
        await pilot.press("e", *"second")
        await press_until(pilot, "enter", shows=READY)
        assert app.screen.query_one(Input).value == "second"
        await press_until(pilot, "enter", shows="out of memory")
        await until(pilot, lambda: READY in screen_text(pilot))
        assert "all was well" in screen_text(pilot)
        assert isinstance(app.screen, ResumeDialog)
        assert not (tmp_path / "runs/second").exists()
        await press_until(pilot, "w", shows="✓ wrote")
        text = (run / "resume-second.sh").read_text()
        assert "tinker://one-one:train:0/weights/000005" in text
        await pilot.press("c")
        await until(pilot, lambda: app.screen is app.browse)
        assert app.clipboard == text


async def test_what_is_refused_says_why_and_does_not_start(
    sandbox: Sandbox, tmp_path: Path, open_browser: Open
) -> None:
    run = built(
        tmp_path / "runs/one", sandbox, "import json\n",
        name="000009", batch="9", sampler_path="tinker://one-one:train:0/sampler_weights/000009",
    )  # fmt: skip
    (run.parent / "taken").mkdir()
    with (run / "checkpoints.jsonl").open("a") as ledger:
        ledger.write(json.dumps({"name": "000010", "batch": 10, "state_path": "tinker://\0:train:0/weights/9"}) + "\n")
    before = sorted(os.listdir(run.parent))
    async with open_browser(run) as pilot:
        app = app_of(pilot)
        await choose(pilot, "000009")
        await press_until(pilot, "r", shows="It can't be started: training state")
        assert "only its sampler weights were saved" in screen_text(pilot)
        await pilot.press("enter", "c", "w")
        assert isinstance(app.screen, ResumeDialog)
        await pilot.press("escape")
        await choose(pilot, "000010")
        await press_until(pilot, "r", shows="The check could not be begun")
        await pilot.press("escape")
        await choose(pilot, "000005")
        await press_until(pilot, "r", shows=READY)
        await pilot.press("e", *"taken")
        await press_until(pilot, "enter", shows="It can't be started: new name")
        await press_until(pilot, "e", *"a/b", "enter", shows="is to be one folder's name")
        await pilot.press("escape")
        assert app.screen.query_one(Input).value == "taken"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.browse)
    assert sorted(os.listdir(run.parent)) == before


async def test_a_run_that_no_resume_started_is_not_stopped(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        app = app_of(pilot)
        app.browse.action_stop_run()
        await until(pilot, lambda: "only a run that a resume started" in screen_text(pilot))
        assert app.screen is app.browse
