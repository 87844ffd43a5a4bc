"""A few pictures of the real screens; the pilot tests in tests/ui say what must be on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from stealthrl_tui.settings import Settings
from stealthrl_tui.ui.app import Browser
from tests.ui.conftest import NOW, app_of, read, stealthrl_samples, until

Compare = Any


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The StealthRL samples under a name that is the same on every machine."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TINKER_API_KEY", "TINKER_BASE_URL", "TINKER_CREDENTIAL_CMD"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    stealthrl_samples(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    yield "runs"
    monkeypatch.undo()
    time.tzset()


def browser(root: str) -> Browser:
    return Browser([root], Settings(Path("settings.toml"), server_ask=False), clock=lambda: NOW)


async def ready(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: read(app_of(pilot)))


@pytest.mark.parametrize("size", [(160, 40), (120, 36), (80, 24)])
def test_browse(root: str, snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(browser(root), terminal_size=size, run_before=ready)


def test_detail_on_a_small_terminal(root: str, snap_compare: Compare) -> None:
    async def inside(pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("G", "enter")
        await ready(pilot)

    assert snap_compare(browser(root), terminal_size=(80, 24), run_before=inside)


def test_help(root: str, snap_compare: Compare) -> None:
    async def helped(pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("question_mark")

    assert snap_compare(browser(root), terminal_size=(120, 36), run_before=helped)
