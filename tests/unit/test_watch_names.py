"""Names that are no UTF-8, which the watch can't hand over: events go on where they can, polling is said where not."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.runs.live import LiveLibrary
from stealthrl_tui.runs.model import Run
from tests.unit.live_runs import append, ledger_row, make_run, wait_until


class Screen:
    """Takes what changed, as the app does."""

    def __init__(self, root: Path) -> None:
        self.runs: dict[str, Run] = {}
        self.live = LiveLibrary([str(root)], lambda: None)

    def saves(self, name: str) -> int:
        self.runs.update({run.name: run for run in self.live.take().runs})
        return len(self.runs[name].checkpoints) if name in self.runs else 0


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    found = Screen(tmp_path)
    yield found
    found.live.stop()


def _hinted(screen: Screen, run: Path) -> bool:
    """Rows are appended until the screen has one: a watch takes a moment to stand."""
    before = screen.saves(run.name)
    steps = itertools.count(100 * before)

    def seen() -> bool:
        append(run / "checkpoints.jsonl", ledger_row(next(steps)))
        return screen.saves(run.name) > before

    return wait_until(seen)


def _touch(folder: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(folder), name), "wb"):
        pass


def test_events_go_on_after_a_file_with_such_a_name(tmp_path: Path, screen: Screen) -> None:
    run = make_run(tmp_path / "a")
    screen.live.start()
    assert wait_until(lambda: screen.saves("a") == 1)
    assert _hinted(screen, run)
    before = screen.saves("a")
    _touch(run, b"caf\xe9.html")
    append(run / "checkpoints.jsonl", ledger_row(50))  # in the same moment: no event tells of it
    assert wait_until(lambda: screen.saves("a") > before)
    assert _hinted(screen, run)
    assert screen.live.state.watching == "events"


def test_a_folder_with_such_a_name_is_polled_and_said(tmp_path: Path, screen: Screen) -> None:
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"caf\xe9"))
    run = make_run(tmp_path / "a")
    screen.live.start()
    assert wait_until(lambda: screen.live.state.watching == "polling")
    assert "Unable to decode path" in screen.live.state.note
    assert _hinted(screen, run)
