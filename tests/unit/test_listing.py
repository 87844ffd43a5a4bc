"""The walk in a process of its own finds what the walk here finds, and its loss is made good."""

import os
import signal
from pathlib import Path

import pytest

from stealthrl_tui.runs.discovery import Search
from stealthrl_tui.runs.listing import Listing
from tests.unit.live_runs import make_run

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def names(listing: Listing) -> list[str]:
    return sorted(found.name for batch in listing.batches() for found in batch)


def test_it_finds_what_the_walk_here_finds() -> None:
    listing = Listing([str(SAMPLES)])
    assert names(listing) == sorted(found.name for found in Search([str(SAMPLES)]).find())
    assert listing.unreadable == ()


def test_of_many_runs_the_newest_that_were_found_come_first(tmp_path: Path) -> None:
    for index in range(1100):
        (tmp_path / f"run_{index}").mkdir()
        (tmp_path / f"run_{index}" / "checkpoints.jsonl").touch()
        os.utime(tmp_path / f"run_{index}" / "checkpoints.jsonl", (index, index))
    batches = list(Listing([str(tmp_path)]).batches())
    assert sorted(found.updated_at or 0.0 for batch in batches for found in batch) == [float(n) for n in range(1100)]
    for batch in batches:
        assert batch == sorted(batch, key=lambda found: found.updated_at or 0.0, reverse=True)


def test_names_of_any_bytes_come_through(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[2J")
    make_run(tmp_path / name)
    assert names(Listing([str(tmp_path)])) == [name]


def test_a_walk_that_dies_is_done_again_here(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    listing = Listing([str(tmp_path)])
    os.kill(listing._child, signal.SIGKILL)
    assert set(names(listing)) == {"a"}  # what it had handed over comes again


def test_without_a_process_it_walks_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    make_run(tmp_path / "a")
    assert names(Listing([str(tmp_path)])) == ["a"]
