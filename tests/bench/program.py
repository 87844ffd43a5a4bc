"""The programs under measurement: the browser as a user starts it, and the floor; both on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.floor import WORD
from tests.bench.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]
COLUMNS, ROWS = 160, 40
# Where the list is, without what changes in it by itself.
LIST_COLUMNS = range(30)
_KEPT = ("PATH", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR", "LD_LIBRARY_PATH")
_LISTED = re.compile(r"(?:run_\d{5}|live_\w+|huge)\b")
_LOOKING = re.compile(r"looking …")
_READING = re.compile(r"looking …|reading \d+ of \d+")
# So many names in the list mean that its first screen is filled.
FILLED = 20


@dataclass(frozen=True, slots=True)
class Home:
    """A user of its own for the program: no settings, no key, nothing remembered."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """What the program is started with."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        places = {
            "HOME": self.folder,
            "XDG_CONFIG_HOME": self.folder / "config",
            "XDG_STATE_HOME": self.folder / "state",
            "XDG_CACHE_HOME": self.folder / "cache",
        }
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        return kept | {name: str(path) for name, path in places.items()} | terminal


def _start(arguments: Sequence[str], home: Home, more: Mapping[str, str]) -> Terminal:
    command = [sys.executable, "-m", *arguments]
    environment = {**home.environment(), **more}
    return Terminal(command, columns=COLUMNS, rows=ROWS, environment=environment, directory=REPOSITORY)


def start_floor(home: Home) -> tuple[Terminal, float]:
    """The bare app, and how many seconds it took until its word was on the screen."""
    terminal = _start(["tests.bench.floor"], home, {})
    return terminal, terminal.wait_for(WORD) - terminal.started


def start_browser(root: Path, home: Home, more: Mapping[str, str] | None = None) -> Terminal:
    """The browser on `root`, just started; `more` is what its environment has besides."""
    return _start(["stealthrl_tui", str(root)], home, more or {})


def names_on(terminal: Terminal) -> list[str]:
    """The runs that the screen names, top to bottom."""
    return _LISTED.findall(terminal.text())


def wait_first_rows(terminal: Terminal, count: int = FILLED) -> float:
    """The stamp at which `count` runs were on the screen."""
    return terminal.wait(lambda: len(names_on(terminal)) >= count, f"{count} runs")


def wait_listed(terminal: Terminal) -> float:
    """The stamp at which every run was listed (names, not yet their numbers)."""
    wait_first_rows(terminal, 1)
    return terminal.wait(lambda: not _LOOKING.search(terminal.text()), "all runs listed")


def wait_read(terminal: Terminal) -> float:
    """The stamp at which every run was read."""
    wait_first_rows(terminal, 1)
    stamp = terminal.wait(lambda: not _READING.search(terminal.text()), "all runs read", 300.0)
    terminal.settle(0.5, 20.0)
    return stamp
