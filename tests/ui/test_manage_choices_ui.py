"""A chosen expiry for marked checkpoints, a forced deletion, and a change that the service refuses in the middle."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot

from stealthrl_tui.sandbox.process import Sandbox
from tests.ui.conftest import press_until, screen_text, until, words
from tests.ui.served import RUN, browsing, hold, uris
from tests.ui.test_manage_ui import app_of, held, sandbox

__all__ = ["sandbox"]
HOUR = 3600


async def mark_all(pilot: Pilot[None]) -> None:
    """Every checkpoint of the run."""
    timeline = app_of(pilot).browse.detail.timeline
    assert timeline is not None
    await pilot.press("tab", "home", "space", "space", "space")
    await until(pilot, lambda: len(timeline.table.marked) == 3)


async def test_any_time_can_be_typed_for_all_marked(sandbox: Sandbox, root: Path) -> None:
    saves = hold(sandbox, root / RUN)
    async with browsing(root / RUN) as pilot:
        await mark_all(pilot)
        await press_until(pilot, "K", shows="3 marked checkpoints of")
        await until(pilot, lambda: "6 paths on the server" in screen_text(pilot))
        assert "nothing is to be done here" in screen_text(pilot)
        await press_until(pilot, "3", shows="3 s is too short: an hour to ten years")
        await press_until(pilot, "6", "x", shows="36x is no time: write 36h, 7d, 2w or 1y")
        assert not pilot.app.screen.query_one("#commands").display
        await press_until(pilot, "backspace", "h", shows="expires in 1 d 12 h")
        assert words(pilot, "#command").endswith(f"{saves[0]['sampler']} 129600")
        await press_until(pilot, "enter", shows="Enter  close")
        assert "expires in 1 d 12 h, not public, the server says" in screen_text(pilot)
    ends = [datetime.fromisoformat(str(each["expires_at"])).timestamp() for each in held(sandbox).values()]
    assert len(ends) == 6
    assert all(abs(end - time.time() - 36 * HOUR) < 60 for end in ends)


async def test_the_arrows_go_back_from_a_typed_time(sandbox: Sandbox, root: Path) -> None:
    hold(sandbox, root / RUN)
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "K", shows="nothing is to be done here")
        await press_until(pilot, *"2w", shows="1209600")
        await press_until(pilot, "up", shows="nothing is to be done here")
        await press_until(pilot, "down", shows=" 86400")


async def test_tab_says_what_it_will_mean(sandbox: Sandbox, root: Path) -> None:
    last = hold(sandbox, root / RUN)[-1]
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "D", shows="Tab the sampler weights only")
        await press_until(pilot, "tab", shows="Tab the state only")
        assert last["state"] not in screen_text(pilot)
        await press_until(pilot, "tab", shows="Tab both paths")
        assert last["sampler"] not in screen_text(pilot)


async def test_the_only_state_goes_when_it_is_forced(sandbox: Sandbox, root: Path) -> None:
    last = uris(root / RUN)[-1]
    sandbox.save(last["state"])
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "D", shows="it is the only state left")
        await until(pilot, lambda: "type delete force" in screen_text(pilot))
        await pilot.press(*"delete", "enter")
        assert last["state"] in held(sandbox)
        await press_until(pilot, *" force", "enter", shows="is gone, the server says")
        assert last["state"] not in held(sandbox)


@pytest.mark.parametrize(("status", "code"), [(402, "billing"), (401, "rejected_key")])
async def test_a_change_that_the_service_refuses_can_be_asked_again(
    sandbox: Sandbox, root: Path, status: int, code: str
) -> None:
    last = hold(sandbox, root / RUN)[-1]
    async with browsing(root / RUN, size=(80, 24)) as pilot:
        await press_until(pilot, "p", shows="→ anyone can load it")
        sandbox.fault("status", method="POST", path="*/publish", status=status)
        await press_until(pilot, "enter", shows=f"✗ {code}")
        assert "manage.log" in words(pilot, "#says")
        assert not held(sandbox)[last["sampler"]]["public"]
        sandbox.clear_faults()
        await press_until(pilot, "enter", shows="→ anyone can load it")
        await press_until(pilot, "enter", shows="public, the server says")
