"""Runs that go on from others: found by their records, and read in full with the one that is looked at."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stealthrl_tui.actions.truth import join
from stealthrl_tui.runs.family import ancestors_of, parent_of
from stealthrl_tui.runs.lineage import Lineage
from stealthrl_tui.runs.live import FULL_RUNS, LiveLibrary
from stealthrl_tui.runs.model import Depth, Run
from tests.unit.built_runs import ID, run, save
from tests.unit.live_runs import make_run, wait_until
from tests.unit.test_truth import OTHER, held, said


def resumed(name: str, parent: str) -> Run:
    found = run(name)
    return replace(found, lineage=Lineage(found.path, parent, step=5))


def test_a_chain_is_followed_to_its_beginning_and_no_further_than_asked() -> None:
    runs = [run("r0"), *(resumed(f"r{number}", f"/runs/r{number - 1}/") for number in range(1, 6))]
    known = {each.path: each for each in runs}
    assert [each.name for each in ancestors_of(runs[5], known)] == ["r4", "r3", "r2", "r1", "r0"]
    assert [each.name for each in ancestors_of(runs[5], known, 2)] == ["r4", "r3"]
    del known[runs[2].path]
    assert [each.name for each in ancestors_of(runs[5], known)] == ["r4", "r3"]


def test_records_that_go_in_a_circle_end_there() -> None:
    one, two = resumed("one", "/runs/two"), resumed("two", "/runs/one")
    known = {each.path: each for each in (one, two)}
    assert ancestors_of(one, known) == (two,)
    assert ancestors_of(resumed("three", "/runs/one"), known) == (one, two)


def test_a_run_is_not_its_own_parent() -> None:
    again = resumed("one", "/runs/one")
    assert parent_of(again, {again.path: again}) is None


def test_what_the_parent_saved_beside_is_not_the_childs_to_miss() -> None:
    child = run("child", save(10), save(20, run_id=OTHER))
    answer = said(*(held(name, "state") for name in ("000010", "000020")), held("000030", "state", OTHER))
    names = [each.name for each in join(child, answer).saves]
    assert sorted(names) == ["000010", "000020", "000020", "000030"]
    lineage = Lineage(child.path, "/runs/parent", uri=f"tinker://{ID}/weights/000010", step=10)
    for record in (lineage, Lineage(child.path, child.path, origin=lineage)):
        names = [each.name for each in join(replace(child, lineage=record), answer).saves]
        assert names == ["000010", "000020", "000030"]


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """r0, r1 resumed from it, and so on: one more than are kept in full."""
    for number in range(FULL_RUNS + 1):
        path = make_run(tmp_path / f"r{number}", steps=200)
        if number:
            record = {"parent_path": str(tmp_path / f"r{number - 1}"), "step": 5}
            (path / "resume.json").write_text(json.dumps(record))
    return tmp_path


@pytest.fixture
def live(chain: Path) -> Iterator[LiveLibrary]:
    library = LiveLibrary([str(chain)], lambda: None)
    library.start()
    yield library
    library.stop()


def test_those_that_the_selected_run_goes_on_from_are_read_in_full_too(chain: Path, live: LiveLibrary) -> None:
    runs: dict[str, Run] = {}

    def in_full() -> list[str]:
        runs.update({each.name: each for each in live.take().runs})
        return sorted(each.name for each in runs.values() if each.depth is Depth.FULL)

    live.look_at([], str(chain / "r1"))
    assert wait_until(lambda: in_full() == ["r0", "r1"])
    series = runs["r0"].metrics.series("env/all/reward/total")
    assert series is not None
    assert series.length == 200
    newest = f"r{FULL_RUNS}"
    live.look_at([], str(chain / newest))
    assert wait_until(lambda: in_full() == [f"r{number}" for number in range(1, FULL_RUNS + 1)])
    live.look_at([], str(chain / "r0"))
    assert wait_until(lambda: in_full() == ["r0", *(f"r{number}" for number in range(2, FULL_RUNS + 1))])
