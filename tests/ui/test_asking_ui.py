"""The server is asked by itself, again and again, and what it said last stays with its time when it falls silent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.settings import Settings
from stealthrl_tui.ui.app import Browser
from tests.ui.conftest import app_of, lines, press_until, read, screen_text, unbroken, until
from tests.ui.served import RUN, browsing, hold
from tests.ui.test_manage_ui import sandbox

__all__ = ["sandbox"]


async def test_it_is_asked_again_by_itself_at_the_interval(sandbox: Sandbox, root: Path) -> None:
    saves = hold(sandbox, root / RUN)
    settings = Settings(Path("settings.toml"), server_ask=True, server_interval=0.3)
    app = Browser([str(root / RUN)], settings, clock=time.time)
    async with app.run_test(size=(160, 44), notifications=True) as pilot:
        await until(pilot, lambda: read(app) and "● SANDBOX" in lines(pilot)[0])
        assert "✗ gone" not in screen_text(pilot)
        for kind in ("state", "sampler"):
            run_id, rest = saves[0][kind].removeprefix("tinker://").split("/", 1)
            sandbox.call("DELETE", f"/api/v1/training_runs/{run_id}/checkpoints/{rest}")
        await until(pilot, lambda: "✗ gone" in screen_text(pilot))


async def test_what_was_said_last_stays_with_its_time_when_it_falls_silent(
    sandbox: Sandbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(sandbox, root / RUN)
    async with browsing(root / RUN, ask=True) as pilot:
        await until(pilot, lambda: "● SANDBOX asked" in lines(pilot)[0])
        monkeypatch.setenv("TINKER_BASE_URL", "http://127.0.0.1:9")
        await press_until(pilot, "R", shows="cannot be reached: connection refused")
        assert "✗ offline SANDBOX: connection refused, last answer" in lines(pilot)[0]
        assert "never  ✓" in screen_text(pilot)
        assert "server.log" in unbroken(pilot)


async def test_what_nobody_could_be_asked_about_is_unknown_with_the_reason(
    sandbox: Sandbox, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-rejected")
    async with browsing(root / RUN, ask=True) as pilot:
        await until(pilot, lambda: "✗ key rejected" in lines(pilot)[0])
        assert "key rejected: the API key is missing or was rejected" in lines(pilot)[0]
        await until(pilot, lambda: screen_text(pilot).count("? bad key") == 3)
        server = app_of(pilot).browse.server
        assert server is not None
        assert server.answered_at is None
