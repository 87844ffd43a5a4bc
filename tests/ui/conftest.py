"""A browser on real run directories, its clock held still."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from stealthrl_tui.runs.model import Depth
from stealthrl_tui.settings import Settings
from stealthrl_tui.ui.app import Browser
from stealthrl_tui.ui.screens.dialog import Words

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
# A day after the samples were written: 2026-11-24 18:00 UTC.
NOW = 1795543200.0
Open = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The logs' naive times are read in one zone everywhere; nothing of the user's terminal or account gets in."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "TEXTUAL_THEME", "TMUX", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TINKER_API_KEY", "TINKER_BASE_URL", "TINKER_CREDENTIAL_CMD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    monkeypatch.setenv("PATH", "/nonexistent")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def set_times(folder: Path, when: float) -> None:
    """Every file below `folder` was last written at `when`."""
    for path in folder.rglob("*"):
        os.utime(path, (when, when))


def stealthrl_samples(runs: Path) -> Path:
    """The StealthRL samples as the folder `runs`, with times of their own: a checkout's say when it was made."""
    shutil.copytree(SAMPLES / "stealthrl", runs)
    for hours, run in enumerate(sorted(runs.iterdir())):
        set_times(run, NOW - 3600.0 * (hours + 1))
    return runs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The StealthRL samples, each an hour older than the one before in the alphabet."""
    return stealthrl_samples(tmp_path / "runs")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing chosen."""
    return Settings(tmp_path / "settings.toml", server_ask=False)


@pytest.fixture
def open_browser(settings: Settings) -> Open:
    """`async with open_browser(root, size=(160, 40)) as pilot`: the runs are read when it begins."""

    @asynccontextmanager
    async def opened(
        *roots: Path,
        size: tuple[int, int] = (160, 40),
        with_settings: Settings | None = None,
        layout: Path | None = None,
    ) -> AsyncIterator[Pilot[None]]:
        app = Browser([str(each) for each in roots], with_settings or settings, clock=lambda: NOW, layout=layout)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: read(app))
            yield pilot

    return opened


def read(app: Browser) -> bool:
    """Whether all that was found is read, taken and drawn."""
    state, browse = app.feed.state, app.browse
    if not state.discovered or state.read < state.total or len(browse.roster.runs) != state.total:
        return False
    run, shown = browse.selected, browse.detail.shown
    if run is not None and browse.detail.timeline is None:
        return False
    if browse.runs.follow and len(browse.roster.runs) > 0:
        return False
    return run is None or (shown is not None and shown.path == run.path and run.depth is Depth.FULL)


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `condition` holds; says what the screen showed when it never did."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to this:\n" + screen_text(pilot)
        await pilot.pause()
        await asyncio.sleep(0.01)
    await pilot.pause()


def app_of(pilot: Pilot[None]) -> Browser:
    """The app, by its own type."""
    assert isinstance(pilot.app, Browser)
    return pilot.app


def lines(pilot: Pilot[None]) -> list[str]:
    """What is on the screen, line by line."""
    return [strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips()]


def screen_text(pilot: Pilot[None]) -> str:
    """What is on the screen."""
    return "\n".join(lines(pilot))


def unbroken(pilot: Pilot[None]) -> str:
    """What is on the screen, its lines one after another: where a long path breaks depends on the test's folder."""
    return "".join(line.strip() for line in lines(pilot))


def words(pilot: Pilot[None], selector: str) -> str:
    """What a part of the dialog says, however the screen breaks it."""
    return str(pilot.app.screen.query_one(selector, Words).content)


async def press_until(pilot: Pilot[None], *keys: str, shows: str) -> None:
    """Type, then wait for a text to be on the screen."""
    await pilot.press(*keys)
    await until(pilot, lambda: shows in screen_text(pilot))
