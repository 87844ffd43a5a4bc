"""Keep, expire, publish, delete and prune from the screen: the effect, the question, the server's word after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from stealthrl_tui.sandbox.process import Sandbox, running_sandbox
from stealthrl_tui.ui.screens.manage_dialog import ManageDialog
from tests.ui.conftest import app_of, press_until, screen_text, until, words
from tests.ui.served import RUN, browsing, hold, use


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path / "sandbox") as running:
        use(monkeypatch, tmp_path, running.environ())
        yield running


def held(sandbox: Sandbox) -> dict[str, dict[str, object]]:
    """What the server has, by URI."""
    found = sandbox.call("GET", "/api/v1/checkpoints?limit=100&offset=0")["checkpoints"]
    return {each["tinker_path"]: each for each in found}


async def close(pilot: Pilot[None]) -> None:
    """Close the dialog whose work is done."""
    await pilot.press("enter")
    await until(pilot, lambda: pilot.app.screen is app_of(pilot).browse)


async def test_keep_expire_and_publish(sandbox: Sandbox, root: Path) -> None:
    last = hold(sandbox, root / RUN)[-1]
    sandbox.save(last["sampler"], expires_at=time.time() + 7200)
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "K", shows="kept for ever instead of expiring in")
        text = screen_text(pilot)
        assert last["sampler"] in text
        assert "it is kept for ever already" in text
        assert f"stealthrl-tui keep {last['sampler']}" in text
        await press_until(pilot, "enter", shows="kept for ever, not public, the server says")
        assert held(sandbox)[last["sampler"]]["expires_at"] is None
        await close(pilot)

        await press_until(pilot, "K", shows="nothing is to be done here")
        await press_until(pilot, "tab", "down", shows="86400")
        assert last["state"] not in screen_text(pilot)
        await press_until(pilot, "enter", shows="expires in 24 h")
        assert held(sandbox)[last["sampler"]]["expires_at"] is not None
        assert held(sandbox)[last["state"]]["expires_at"] is None
        await close(pilot)

        await press_until(pilot, "p", shows=f"stealthrl-tui publish {last['state']}")
        assert "→ anyone can load it" in screen_text(pilot)
        await press_until(pilot, "enter", shows="public, the server says")
        assert held(sandbox)[last["sampler"]]["public"]
        await close(pilot)
        await until(pilot, lambda: "never expires, public" in screen_text(pilot))

        await press_until(pilot, "p", shows="→ only your account can load it")
        await press_until(pilot, "enter", shows="not public, the server says")
        assert not held(sandbox)[last["sampler"]]["public"]


async def test_delete_wants_the_word_and_spares_the_only_state(sandbox: Sandbox, root: Path) -> None:
    first, _, last = hold(sandbox, root / RUN)
    async with browsing(root / RUN) as pilot:
        app = app_of(pilot)
        await pilot.press("tab", "down", "space")
        await until(pilot, lambda: len(app.browse.detail.timeline.table.marked) == 1)  # type: ignore[union-attr]
        await pilot.press("space")
        await press_until(pilot, "D", shows="2 marked checkpoints of")
        await until(pilot, lambda: "deleted for good" in screen_text(pilot))
        await pilot.press("enter", *"yes", "enter")
        assert isinstance(app.screen, ManageDialog)
        assert not app.screen.busy
        await pilot.press("backspace", "backspace", "backspace")
        await press_until(pilot, *"delete", "enter", shows="is gone, the server says")
        await until(pilot, lambda: "Enter  close" in screen_text(pilot))
        assert set(held(sandbox)) == {last["state"], last["sampler"]}
        await close(pilot)
        assert app.browse.detail.timeline is not None
        assert app.browse.detail.timeline.table.marked == ()

        await pilot.press("home")
        await press_until(pilot, "D", shows="it is the only state left")
        await press_until(pilot, *"delete", "enter", shows="is gone, the server says")
        assert set(held(sandbox)) == {last["state"]}
        await until(pilot, lambda: "close" in screen_text(pilot))
        assert first["state"] not in held(sandbox)


async def test_prune_shows_the_plan_and_deletes_exactly_that(sandbox: Sandbox, root: Path) -> None:
    saves = hold(sandbox, root / RUN)
    async with browsing(root / RUN, size=(120, 40)) as pilot:
        await press_until(pilot, "P", shows="always stay")
        await press_until(pilot, "backspace", "x", shows="x is no number from 1 on")
        await pilot.press("backspace", "1", "tab", "backspace")
        await press_until(pilot, "enter", shows="2 go, ")
        assert "✗ goes" in screen_text(pilot)
        assert "best reward" in screen_text(pilot)
        await press_until(pilot, *"delete", "enter", shows="4 of 4 paths gone, the server says")
        assert set(held(sandbox)) == {saves[2]["state"], saves[2]["sampler"]}
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is app_of(pilot).browse)


async def test_bad_weather_is_said_and_asked_again(
    sandbox: Sandbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(sandbox, root / RUN)
    monkeypatch.setenv("TINKER_BASE_URL", "http://127.0.0.1:9")
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "D", shows="✗ unreachable")
        assert "manage.log" in words(pilot, "#says")
        monkeypatch.setenv("TINKER_BASE_URL", sandbox.base_url)
        await press_until(pilot, "enter", shows="deleted for good")
