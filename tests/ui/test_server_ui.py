"""What the server still holds, on the screen: asked beside everything else, and said when it can't be had."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.ui.known import Half, Known, Save
from tests.ui.conftest import app_of, lines, press_until, screen_text, unbroken, until
from tests.ui.served import RUN, browsing, hold, use
from tests.unit.test_child import gone

_END_SECONDS = 10.0


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    """A service that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"TINKER_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}", "TINKER_API_KEY": "tml-x"}


def await_end(pid: int) -> None:
    """The process is gone, or goes at once."""
    end = time.monotonic() + _END_SECONDS
    with contextlib.suppress(ProcessLookupError):  # it went while it was looked at
        while not gone(pid):
            assert time.monotonic() < end, f"process {pid} goes on"
            time.sleep(0.02)


async def test_it_is_asked_by_itself_and_every_row_says_what_is_left(
    sandbox: Sandbox, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, sandbox.environ())
    saves = hold(sandbox, root / RUN)
    sandbox.save(saves[0]["state"], expires_at=time.time() + 31 * 3600 + 60)
    for kind in ("state", "sampler"):
        name = saves[1][kind].partition("://")[2].split("/", 1)
        sandbox.call("DELETE", f"/api/v1/training_runs/{name[0]}/checkpoints/{name[1]}")
    sandbox.save(saves[0]["sampler"].replace("000005", "000007"))
    async with browsing(root / RUN, ask=True) as pilot:
        await until(pilot, lambda: "● SANDBOX" in lines(pilot)[0])
        text = screen_text(pilot)
        assert "asked now" in lines(pilot)[0]
        assert "✗ gone" in text
        assert "never  ✓" in text
        assert "in 31 h" in text
        assert "000005 expires in 1 d 7 h (K keeps it)" in text
        assert "the server says base model" in text
        assert "only on the server, not in the ledger: 000007" in text
        assert "on the server: state" in text
        await press_until(pilot, "R", shows="checkpoints recorded")
        assert "1 gone" in screen_text(pilot)


async def test_without_a_key_nothing_is_asked_and_r_says_what_to_do(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, {})
    async with browsing(root / RUN, ask=True) as pilot:
        assert "not asked: no key" in lines(pilot)[0]
        assert "? not asked" in screen_text(pilot)
        await press_until(pilot, "R", shows="Set TINKER_API_KEY")
        server = app_of(pilot).browse.server
        assert server is not None
        assert not server.asking


async def test_the_setting_keeps_it_from_asking_and_r_asks_all_the_same(
    sandbox: Sandbox, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, sandbox.environ())
    async with browsing(root / RUN) as pilot:
        await until(pilot, lambda: "off in the settings" in lines(pilot)[0])
        assert "? not asked" in screen_text(pilot)
        await press_until(pilot, "R", shows="checkpoints recorded")


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"TINKER_BASE_URL": "http://127.0.0.1:9", "TINKER_API_KEY": "tml-x"}, "offline"),
        ({"TINKER_BASE_URL": "http://127.0.0.1:9", "TINKER_API_KEY": "sk-secret"}, "key rejected"),
    ],
)
async def test_trouble_is_said_and_the_keys_answer(
    environ: dict[str, str], word: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, environ)
    async with browsing(root, ask=True, size=(100, 30)) as pilot:
        browse = app_of(pilot).browse
        await until(pilot, lambda: f"✗ {word}" in lines(pilot)[0])
        await pilot.press("home")
        first = browse.runs.cursor_key
        await pilot.press("j")
        assert browse.runs.cursor_key != first
        await pilot.press("R")
        await until(pilot, lambda: "server.log" in unbroken(pilot))
        assert "secret" not in screen_text(pilot)


async def test_a_silent_service_and_one_that_fails(
    sandbox: Sandbox, silent: dict[str, str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, silent)
    async with browsing(root, ask=True) as pilot:
        browse = app_of(pilot).browse
        await until(pilot, lambda: browse.server is not None and browse.server.asking)
        await pilot.press("j", "j")
        assert browse.server is not None
        assert browse.server.asking
        await until(pilot, lambda: "✗ offline" in lines(pilot)[0])
        assert "no answer" in screen_text(pilot)
        sandbox.fault("status", status=500)
        try:
            use(monkeypatch, tmp_path, sandbox.environ())
            await press_until(pilot, "R", shows="✗ server error")
        finally:
            sandbox.clear_faults()


@pytest.fixture
def stuck(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """A service that is there and answers no question: the SDK would wait for minutes, the child for half a one."""
    sandbox.fault("hang", path="/api/v1/[!h]*")
    yield sandbox.environ()
    sandbox.clear_faults()


async def test_quitting_ends_the_question(
    stuck: dict[str, str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, stuck)
    async with browsing(root, ask=True) as pilot:
        browse = app_of(pilot).browse
        await until(pilot, lambda: browse.server is not None and browse.server.waiting)
        (child,) = browse.children_at_work._started
        pid = child._process.pid
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)
    await_end(pid)


_PROGRAM = """
import sys, time
from pathlib import Path
from stealthrl_tui.settings import Settings
from stealthrl_tui.ui import app as apps

class Watched(apps.Browser):
    def on_mount(self):
        super().on_mount()
        self.set_interval(0.05, self.look)

    def look(self):
        if self.browse.server is not None and self.browse.server.waiting:
            print(self.browse.children_at_work._started[0]._process.pid, flush=True)
            if sys.argv[2] == "raise":
                raise RuntimeError("on purpose")
            time.sleep(60)

Watched([sys.argv[1]], Settings(Path("none"))).run(headless=True)
"""


@pytest.mark.parametrize("how", ["raise", "kill"])
def test_no_child_outlives_a_browser_that_dies(
    how: str, stuck: dict[str, str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, stuck)
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(root), how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as browser:
        assert browser.stdout is not None
        child = int(browser.stdout.readline())
        assert how == "raise" or not gone(child)
        if how == "kill":
            os.kill(browser.pid, signal.SIGKILL)
    await_end(child)


def test_an_expiry_since_the_answer_counts() -> None:
    save = Save(Half(True, 100.0, 5), Half(True))
    assert len(save.left(99.0)) == 2
    assert save.expires_at(99.0) == 100.0
    assert save.left(101.0) == (Half(True),)
    assert Known().unknown == "not asked"
