"""Test-load from the screen: phases, the text, what is remembered, what is refused, and Esc at any moment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import TextArea

from stealthrl_tui.actions.trials import recall
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.settings import state_dir
from stealthrl_tui.ui.presenter import plain
from stealthrl_tui.ui.screens.test_load_dialog import TestLoadDialog, _quoted
from tests.ui.conftest import app_of, press_until, screen_text, until, words
from tests.ui.served import RUN, browsing, hold, use
from tests.ui.test_server_ui import await_end

API = "/api/v1/"


@pytest.fixture(autouse=True)
def _calm(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use(monkeypatch, tmp_path, sandbox.environ())
    yield
    sandbox.clear_faults()


async def test_it_loads_samples_and_is_remembered(sandbox: Sandbox, root: Path, tmp_path: Path) -> None:
    hold(sandbox, root / RUN)
    uri = json.loads((root / RUN / "checkpoints.jsonl").read_text().splitlines()[-1])["sampler_path"]
    async with browsing(root / RUN, layout=tmp_path / "layout.json") as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        assert uri in screen_text(pilot)
        assert "Please paraphrase" in screen_text(pilot)
        assert words(pilot, "#command") == f"$ stealthrl-tui test-load {root / RUN} --checkpoint 000015"
        await pilot.press("tab")
        pilot.app.screen.query_one(TextArea).text = "What is the sea?"
        await pilot.press("tab")
        await until(pilot, lambda: words(pilot, "#command").endswith("--prompt 'What is the sea?'"))
        await press_until(pilot, "enter", shows="it loads and answers")
        text = screen_text(pilot)
        for phase in ("connect", "load", "tokenizer", "sample"):
            assert f"✓ {phase} " in text
        assert "tokens/s" in text
        assert "in all, prompt as chat template" in text
        await press_until(pilot, "escape", shows="✓ loads")
        assert "tested" in screen_text(pilot)
    outcome = recall(state_dir(), uri)
    assert outcome is not None
    assert (outcome.ok, outcome.prompt) == (True, "What is the sea?")
    async with browsing(root / RUN, layout=tmp_path / "layout.json") as pilot:
        await until(pilot, lambda: "✓ loads" in screen_text(pilot))
        await press_until(pilot, "t", shows="What is the sea?")


async def test_escape_ends_a_call_that_hangs(sandbox: Sandbox, root: Path) -> None:
    hold(sandbox, root / RUN)
    sandbox.fault("hang", path=API + "asample")
    async with browsing(root / RUN) as pilot:
        browse = app_of(pilot).browse
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="… sample")
        (child,) = browse.children_at_work._started
        began = time.monotonic()
        await press_until(pilot, "escape", shows="cancelled; nothing is left running")
        await_end(child._process.pid)
        assert time.monotonic() - began < 5
        assert isinstance(pilot.app.screen, TestLoadDialog)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is browse)


async def test_closing_the_dialog_and_quitting_leave_no_child(sandbox: Sandbox, root: Path) -> None:
    sandbox.fault("hang", path=API + "create_session")
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="… connect")
        (child,) = app_of(pilot).browse.children_at_work._started
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not pilot.app.is_running)
    await_end(child._process.pid)


async def test_an_error_has_its_code_what_to_do_and_the_log(root: Path) -> None:
    async with browsing(root / "stealthrl_tiny_sync", size=(80, 24)) as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="✗ not_found")
        assert "test-load.log" in words(pilot, "#says")
        assert "It was deleted, expired" in screen_text(pilot)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"state_path": "tinker://x:train:0/weights/9"}, "only its training state was saved"),
        ({"sampler_path": "tinker://x:train:0/states/9"}, "is of a kind that is none of"),
        ({"sampler_path": "tinker://x:train:0/weights/9"}, "names weights, which can't be sampled from"),
        ({"sampler_path": "https://example.org/9"}, "is not a tinker:// URI"),
    ],
)
async def test_what_no_call_could_load_is_refused_before_any(row: dict[str, str], why: str, root: Path) -> None:
    with (root / RUN / "checkpoints.jsonl").open("a") as file:
        file.write(json.dumps({"name": "000099", "batch": 99, **row}) + "\n")
    async with browsing(root / RUN) as pilot:
        browse = app_of(pilot).browse
        await press_until(pilot, "t", shows=why)
        assert pilot.app.screen is browse
        assert browse.children_at_work._started == []


def test_what_a_model_says_cannot_reach_the_terminal() -> None:
    rows = [plain(row) for row in _quoted("a\x1b[2J\x07\n[/x]\u202e\n" + "line\n" * 20)]
    assert rows[0] == "  │ a\ufffd[2J\ufffd"
    assert "[/x]\ufffd" in rows[1]
    assert "more lines" in rows[-1]
