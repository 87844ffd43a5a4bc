"""The live library on real files with the real watcher: what is written appears, by itself, once, right."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.runs.live import LiveLibrary
from stealthrl_tui.runs.model import Depth, Run, Status
from tests.unit.live_runs import append, ledger_row, make_run, metrics_row, wait_until


class Screen:
    """Takes what changed, as the app does."""

    def __init__(self, root: Path) -> None:
        self.runs: dict[str, Run] = {}
        self.told = threading.Event()
        self.live = LiveLibrary([str(root)], self.told.set)

    def see(self) -> dict[str, Run]:
        changes = self.live.take()
        for path in changes.removed:
            self.runs.pop(path, None)
        self.runs.update({run.path: run for run in changes.runs})
        return {run.name: run for run in self.runs.values()}

    def shows(self, name: str, depth: Depth = Depth.SUMMARY) -> bool:
        run = self.see().get(name)
        return run is not None and run.depth >= depth

    def names(self, name: str) -> list[str]:
        return [checkpoint.name for checkpoint in self.see()[name].checkpoints]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def screen(root: Path) -> Iterator[Screen]:
    screen = Screen(root)
    yield screen
    screen.live.stop()


def test_runs_are_listed_then_read_then_followed(root: Path, screen: Screen) -> None:
    make_run(root / "a")
    make_run(root / "deep" / "b")
    screen.live.start()
    assert wait_until(lambda: screen.shows("a") and screen.shows("deep/b"))
    assert screen.see()["a"].status is Status.RUNNING
    assert screen.see()["a"].step == 5
    append(root / "a" / "checkpoints.jsonl", ledger_row(10))
    assert wait_until(lambda: screen.names("a") == ["000005", "000010"])
    assert screen.see()["a"].checkpoints[-1].saved_by == "seen"


def test_the_selected_run_is_read_in_full_and_its_curve_grows(root: Path, screen: Screen) -> None:
    run = make_run(root / "a")
    screen.live.start()
    screen.live.look_at([str(run)], str(run))
    assert wait_until(lambda: screen.shows("a", Depth.FULL))
    append(run / "metrics.jsonl", metrics_row(5, reward=0.9))

    def grown() -> bool:
        series = screen.see()["a"].metrics.series("env/all/reward/total")
        return series is not None and list(series.values[: series.length]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.9]

    assert wait_until(grown)


def test_a_new_run_appears_wherever_it_is_made(root: Path, screen: Screen) -> None:
    make_run(root / "a")
    screen.live.start()
    assert wait_until(lambda: screen.shows("a"))
    make_run(root / "new" / "nested" / "b")
    assert wait_until(lambda: screen.shows("new/nested/b"))
    os.rename(make_run(root.parent / "elsewhere"), root / "moved")
    assert wait_until(lambda: screen.shows("moved"))


def test_a_root_that_does_not_exist_yet(root: Path, screen: Screen) -> None:
    screen.live.start()
    assert wait_until(lambda: screen.live.state.discovered)
    assert screen.see() == {}
    make_run(root / "late")
    assert wait_until(lambda: screen.shows("late"))


def test_a_deleted_run_goes_and_a_replaced_one_starts_over(root: Path, screen: Screen) -> None:
    make_run(root / "a")
    make_run(root / "b")
    screen.live.start()
    assert wait_until(lambda: screen.shows("a") and screen.shows("b"))
    shutil.rmtree(root / "a")
    assert wait_until(lambda: set(screen.see()) == {"b"})
    shutil.rmtree(root / "b")
    make_run(root / "b", steps=3)
    assert wait_until(lambda: screen.shows("b") and screen.names("b") == ["000003"])


def test_a_torn_row_completed_later_shows_once(root: Path, screen: Screen) -> None:
    run = make_run(root / "a")
    screen.live.start()
    assert wait_until(lambda: screen.shows("a"))
    row = ledger_row(10)
    append(run / "checkpoints.jsonl", row[:40])
    assert wait_until(lambda: any("torn" in problem for problem in screen.see()["a"].problems))
    assert screen.names("a") == ["000005"]
    append(run / "checkpoints.jsonl", row[40:])
    assert wait_until(lambda: screen.names("a") == ["000005", "000010"])
    assert not any("torn" in problem for problem in screen.see()["a"].problems)


def test_a_burst_is_one_message_until_it_is_taken(root: Path, screen: Screen) -> None:
    run = make_run(root / "a")
    screen.live.start()
    assert wait_until(lambda: screen.shows("a"))
    screen.live.take()
    screen.told.clear()
    for step in range(10, 60):
        append(run / "checkpoints.jsonl", ledger_row(step))
    assert screen.told.wait(10)
    assert wait_until(lambda: len(screen.names("a")) == 51)


def test_state_counts_what_is_read(root: Path, screen: Screen) -> None:
    for index in range(30):
        make_run(root / f"run_{index}")
    screen.live.start()
    assert wait_until(lambda: screen.live.state.discovered and screen.live.state.read == 30)
    assert screen.live.state.total == 30
    assert screen.live.state.watching == "events"
    assert screen.live.state.note == ""


def test_polling_when_events_fail_and_it_is_said(root: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> object:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", refuse)
    run = make_run(root / "a")
    screen.live.start()
    assert wait_until(lambda: screen.live.state.watching == "polling")
    assert "watch limit" in screen.live.state.note
    append(run / "checkpoints.jsonl", ledger_row(10))
    assert wait_until(lambda: screen.names("a") == ["000005", "000010"])
