"""Copying, exporting and choosing the metric: what the dialogs say and what comes of them."""

from __future__ import annotations

import json
from pathlib import Path

from textual.widgets import Input, OptionList

from stealthrl_tui.actions import export
from stealthrl_tui.ui.screens.copy_dialog import CopyDialog
from stealthrl_tui.ui.screens.export_dialog import ExportDialog
from stealthrl_tui.ui.screens.metric_dialog import MetricDialog
from stealthrl_tui.ui.widgets.checkpoint_table import CheckpointTable
from tests.ui.conftest import Open, app_of, press_until, screen_text, until, words

RUN = "stealthrl_tiny_sync"


async def test_c_sends_the_sampler_uri_and_keeps_it_on_the_screen(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        checkpoint = app.browse.detail.checkpoint
        assert checkpoint is not None
        assert checkpoint.sampler_uri
        await press_until(pilot, "c", shows="sent to")
        assert app.clipboard == checkpoint.sampler_uri
        assert checkpoint.sampler_uri in screen_text(pilot)


async def test_c_copies_of_the_run_just_moved_to(root: Path, open_browser: Open) -> None:
    async with open_browser(root) as pilot:
        app = app_of(pilot)
        await pilot.press("j", "c")
        await until(pilot, lambda: "sent to" in screen_text(pilot))
        run = app.browse.selected
        assert run is not None
        assert app.clipboard in [each.uri for each in run.checkpoints]


async def test_c_says_when_there_is_only_state(root: Path, open_browser: Open) -> None:
    ledger = root / RUN / "checkpoints.jsonl"
    uri = "tinker://x:train:0/weights/000099"
    with ledger.open("a") as file:
        file.write(json.dumps({"name": "000099", "batch": 99, "state_path": uri}) + "\n")
    (root / RUN / "checkpoints" / "final_checkpoint_info.json").unlink()
    async with open_browser(root / RUN) as pilot:
        await press_until(pilot, "c", shows="it has no sampler weights")
        assert app_of(pilot).clipboard == uri


async def test_a_run_without_checkpoints_says_so(root: Path, open_browser: Open, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "run_metadata.json").write_text('{"run_name": "bare"}')
    async with open_browser(bare) as pilot:
        await press_until(pilot, "c", shows="there is no checkpoint here")
        assert "no checkpoint yet" in screen_text(pilot)


async def test_the_copy_dialog_offers_and_previews_every_choice(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "C", shows="sampler weights URI")
        assert isinstance(app.screen, CopyDialog)
        for word in ("training state URI", "OpenAI", "Python", "stealthrl-tui", "Enter", "cancel"):
            assert word in screen_text(pilot)
        await press_until(pilot, "down", shows="/weights/")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.browse and "/weights/" in app.clipboard)
        await press_until(pilot, shows="training state URI sent to")


async def test_escape_copies_nothing(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "C", shows="sampler weights URI")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.browse)
        assert app.clipboard == ""


async def test_enter_on_a_save_opens_its_copy_choices(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        await pilot.press("enter", "down")
        await press_until(pilot, "enter", shows="checkpoint 000040")


async def test_e_writes_the_script_and_says_where(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        script = root / RUN / "inference.py"
        await press_until(pilot, "e", shows="wrote")
        assert script.exists()
        assert str(script) in screen_text(pilot).replace("\n", "")
        assert export.whose(script) == "ours"


async def test_e_asks_before_it_replaces_a_file_of_the_users(root: Path, open_browser: Open) -> None:
    script = root / RUN / "inference.py"
    script.write_text("print('mine')\n")
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "e", shows="a file of yours is there")
        assert isinstance(app.screen, ExportDialog)
        await press_until(pilot, "enter", shows="once more replaces it")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.browse)
        assert script.read_text() == "print('mine')\n"
        await press_until(pilot, "e", shows="a file of yours is there")
        await press_until(pilot, "enter", shows="once more replaces it")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.browse and "wrote" in screen_text(pilot))
        assert export.whose(script) == "ours"


async def test_the_export_dialog_takes_template_and_file(root: Path, open_browser: Open, tmp_path: Path) -> None:
    wanted = tmp_path / "chat.py"
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "E", shows="Writes")
        for template, about in export.TEMPLATES.items():
            assert template in screen_text(pilot)
            assert about in screen_text(pilot)
        await pilot.press("down", "down")
        assert app.screen.query_one(OptionList).highlighted == list(export.TEMPLATES).index("chat")
        await pilot.press("tab")
        app.screen.query_one(Input).value = str(wanted)
        await until(pilot, lambda: f"Writes  {wanted}" in words(pilot, "#says"))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.browse and wanted.exists())
        assert "template chat" in wanted.read_text()


async def test_a_refused_export_gives_its_reason(root: Path, open_browser: Open) -> None:
    ledger = root / RUN / "checkpoints.jsonl"
    with ledger.open("a") as file:
        file.write(json.dumps({"name": "000099", "batch": 99, "state_path": "tinker://x:train:0/weights/9"}) + "\n")
    (root / RUN / "checkpoints" / "final_checkpoint_info.json").unlink()
    async with open_browser(root / RUN) as pilot:
        await press_until(pilot, "e", shows="has no sampler weights")
        await press_until(pilot, "E", shows="only training state was saved")


async def test_the_metric_and_its_direction_are_chosen(root: Path, open_browser: Open) -> None:
    async with open_browser(root / RUN) as pilot:
        app = app_of(pilot)
        best = {row.checkpoint.name for row in app.browse.query_one(CheckpointTable).rows if row.best}
        await press_until(pilot, "v", shows="higher is better")
        assert isinstance(app.screen, MetricDialog)
        await press_until(pilot, "tab", shows="lower is better")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.browse)
        now = {row.checkpoint.name for row in app.browse.query_one(CheckpointTable).rows if row.best}
        assert now
        assert now != best
        await pilot.press("v", *"entropy", "enter")
        await until(pilot, lambda: "ENTROPY" in screen_text(pilot))
        await press_until(pilot, "v", *"no such metric", shows="neither way is better")
        await pilot.press("enter", "escape")
        await until(pilot, lambda: app.screen is app.browse)
        assert "ENTROPY" in screen_text(pilot)
