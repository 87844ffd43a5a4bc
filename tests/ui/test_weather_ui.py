"""Bad weather on the screen: each error with its code and what to do; children that die, print, or find no disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from stealthrl_tui.actions.child import Child
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox
from tests.service.test_service_full_disk import FULL
from tests.ui.conftest import app_of, lines, press_until, screen_text, unbroken, until, words
from tests.ui.served import RUN, browsing, hold, use

API = "/api/v1/"
Start = Callable[..., None]


@pytest.fixture
def sandbox(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path / "sandbox") as running:
        use(monkeypatch, tmp_path, running.environ())
        hold(running, root / RUN)
        yield running


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Code that every child runs as it starts."""

    def put(code: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return put


def child_of(pilot: Pilot[None]) -> Child:
    """The child at work."""
    (child,) = [each for each in app_of(pilot).browse.children_at_work._started if each.running]
    return child


ROWS = [
    ("not_found", "It was deleted, expired", {"path": API + "asample", "status": 404}, {}),
    ("rejected_key", "Check TINKER_API_KEY", {}, {"TINKER_API_KEY": "tml-rejected"}),
    ("rejected_key", "Check the variable", {}, {"TINKER_API_KEY": "sk-wrong"}),
    ("no_key", "Set TINKER_API_KEY", {}, {"TINKER_API_KEY": ""}),
    ("billing", "See billing in the Tinker console", {"path": API + "create_s*", "status": 402}, {}),
    ("server_error", "Try again in a minute", {"path": API + "[!h]*", "status": 429}, {}),
    ("server_error", "Try again later", {"path": API + "retrieve_future", "status": 500}, {}),
    ("server_error", "The log has the SDK's own words", {"path": API + "asample", "status": 400}, {}),
    ("unreachable", "Check the network", {}, {"TINKER_BASE_URL": "http://127.0.0.1:9"}),
    ("unreachable", "Check the network", {"kind": "hang"}, {}),
    ("unreachable", "Check the network", {"kind": "drop", "path": API + "asample"}, {}),
    ("unreachable", "Check the network", {"kind": "die", "path": API + "asample"}, {}),
]


@pytest.mark.parametrize(("code", "hint", "fault", "more"), ROWS)
async def test_every_error_is_said_with_what_to_do_and_the_log(
    sandbox: Sandbox,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    hint: str,
    fault: dict[str, str],
    more: dict[str, str],
) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    if fault:
        sandbox.call("POST", "/sandbox/faults", {"kind": "status", **fault})
    async with browsing(root / RUN, size=(80, 24)) as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows=f"✗ {code}")
        said = words(pilot, "#says")
        assert hint in said
        assert "test-load.log" in said
        assert "Enter  again" in screen_text(pilot)


@pytest.mark.parametrize("key", ["R", "t", "K", "P"])
async def test_a_child_that_is_killed_is_said(sandbox: Sandbox, root: Path, key: str) -> None:
    sandbox.fault("hang", path=API + "[!h]*")
    async with browsing(root / RUN) as pilot:
        await pilot.press(key)
        if key in ("t", "P"):
            await press_until(pilot, "enter", shows="… connect")
        await until(pilot, lambda: app_of(pilot).browse.children_at_work._started)
        os.kill(child_of(pilot)._process.pid, signal.SIGKILL)
        await until(pilot, lambda: "killed by signal 9" in unbroken(pilot))
        assert ".log" in unbroken(pilot)


async def test_what_a_child_prints_is_in_the_log_alone(
    sandbox: Sandbox, root: Path, site: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    site("import os\nos.write(2, b'LOUD on 2\\n')\nos.write(1, b'LOUD on 1\\n')\n")
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="it loads and answers")
        assert "LOUD" not in screen_text(pilot)
        log = child_log(pilot)
    assert "LOUD on 2" in log.read_text()
    shown = capfd.readouterr()
    assert "LOUD" not in shown.out + shown.err


def child_log(pilot: Pilot[None]) -> Path:
    """Where the newest child writes."""
    return app_of(pilot).browse.children_at_work._started[-1].log


async def test_a_full_disk_is_said_and_the_answer_comes(
    sandbox: Sandbox, root: Path, site: Callable[[str], None]
) -> None:
    site(FULL)
    async with browsing(root / RUN, ask=True, size=(120, 36)) as pilot:
        await until(pilot, lambda: "● SANDBOX" in lines(pilot)[0])
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="it loads and answers")
        assert "not remembered: the disk refused it" in words(pilot, "#says")


async def test_without_a_log_that_is_said_instead_of_its_name(sandbox: Sandbox, root: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    sandbox.fault("status", path=API + "asample", status=404)
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "t", shows="not tested yet")
        await press_until(pilot, "enter", shows="✗ not_found")
        said = words(pilot, "#says")
        assert "can't be written" in said
        assert "not remembered: the disk refused it" in said
