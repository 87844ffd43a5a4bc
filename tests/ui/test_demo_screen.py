"""The demo as a person sees it, the real program on a pseudo-terminal: what asks the service works in it."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.sandbox.demo import PREFIX
from tests.bench.program import Home
from tests.bench.terminal import Terminal
from tests.ui.test_demo import processes_of, wait_for

SECRET = "tml-of-the-user"


@pytest.fixture
def account() -> Iterator[socket.socket]:
    """The user's own service, which nobody is to call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def open_demo(folder: Path, account: socket.socket, columns: int, rows: int) -> Terminal:
    temporary, home = folder / "temporary", folder / "home"
    temporary.mkdir()
    home.mkdir()
    mine = {
        "TMPDIR": str(temporary),
        "TINKER_API_KEY": SECRET,
        "TINKER_BASE_URL": f"http://127.0.0.1:{account.getsockname()[1]}",
        "HTTP_PROXY": f"http://127.0.0.1:{account.getsockname()[1]}",
    }
    command = [sys.executable, "-m", "stealthrl_tui", "demo"]
    environment = {**Home(home).environment(), **mine}
    return Terminal(command, columns=columns, rows=rows, environment=environment, directory=Path(__file__).parents[2])


def leave(terminal: Terminal, folder: Path, account: socket.socket) -> None:
    """Quit; nothing is left, nothing was touched."""
    assert SECRET not in terminal.text()
    terminal.type("q")
    wait_for(lambda: not processes_of(folder / "temporary"))
    wait_for(lambda: not list((folder / "temporary").iterdir()))
    assert [path for path in (folder / "home").rglob("*") if path.is_file()] == []
    with pytest.raises(BlockingIOError):
        account.accept()


def test_load_keep_resume_and_quit(tmp_path: Path, account: socket.socket) -> None:
    with open_demo(tmp_path, account, 140, 40) as terminal:
        terminal.wait_for(r"SANDBOX .*● 1 running")
        terminal.wait_for(r"harbour +6[2-9]/300")
        terminal.wait_for(r"● SANDBOX")
        terminal.type("R")
        terminal.wait_for(r"checkpoints recorded, \d+ gone, \d+ expiring within 48 h")
        terminal.type("/")
        terminal.wait_for("words  status:running")
        terminal.type("rank8")
        terminal.wait_for(r"sandbox/harbour_rank8 +! stalled")
        terminal.type("\r")
        terminal.wait_for(r"/ rank8 +2 of 14 runs")
        terminal.type("t")
        terminal.wait_for("not tested yet")
        terminal.type("\r")
        terminal.wait_for("it loads and answers")
        assert "sandbox/tiny-byte-model" in terminal.text()
        terminal.type("\x1b")
        terminal.wait_for("✓ loads")
        terminal.type("K")
        terminal.wait_for("instead of expiring")
        terminal.type("\r")
        terminal.wait_for(r"weights/000040 kept for ever.*the server says")
        terminal.type("\r")
        terminal.wait_for("never expires")
        terminal.type("r")
        terminal.wait_for("Enter  start")
        assert "as long as the sandbox runs" in terminal.text()
        terminal.type("\r")
        # The list can be seen beside the dialog, whose child watches the start for some seconds.
        terminal.wait_for("started as process")
        terminal.wait_for(r"harbour_rank8 +● running")
        terminal.wait_for(r"4[2-9]/120")
        assert len(processes_of(next((tmp_path / "temporary").glob(f"{PREFIX}*")))) == 3
        leave(terminal, tmp_path, account)


def test_a_narrow_terminal_says_sandbox_too_and_quitting_at_once_is_fine(
    tmp_path: Path, account: socket.socket
) -> None:
    with open_demo(tmp_path, account, 80, 24) as terminal:
        terminal.wait_for("SANDBOX")
        terminal.wait_for("harbour")
        began = time.monotonic()
        leave(terminal, tmp_path, account)
        assert time.monotonic() - began < 20
