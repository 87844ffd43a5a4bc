"""`resume.json`: where a run was resumed from."""

import json
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.resume import lineage
from stealthrl_tui.runs.lineage import LARGEST, read_lineage
from tests.unit.resume_runs import cookbook_run, planned, project


def test_what_a_start_records_is_read_back(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path, "000005")
    Path(made.directory).mkdir()
    lineage.write(made.directory, {**lineage.record(made, "here", now=1_800_000_000.0), "pid": 7, "process": "mark"})
    found = read_lineage(made.directory)
    assert found is not None
    assert (found.parent, found.uri, found.step, found.checkpoint) == (str(path), made.state_uri, 5, "000005")
    assert (found.way, found.command, found.cwd, found.interpreter) == (
        "cookbook",
        made.argv,
        made.cwd,
        made.interpreter.path,
    )
    assert (found.started_at, found.where, found.pid, found.process) == (1_800_000_000.0, "here", 7, "mark")
    assert not found.in_place


def test_older_records_are_kept_with_numbers(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path)
    for step in (1, 2, 3):
        lineage.set_aside(str(path))
        lineage.write(str(path), {**lineage.record(made, "here"), "step": step})
    found = read_lineage(str(path))
    assert found is not None
    assert (found.step, found.in_place) == (3, True)
    assert [json.loads((path / f"resume.json.{number}").read_text())["step"] for number in (1, 2)] == [1, 2]
    lineage.take_back(str(path), str(path / "resume.json.2"))
    assert json.loads((path / "resume.json").read_text())["step"] == 2


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'{"parent_path": 3}', b'{"parent_path": "relative"}',
        b'{"parent_path": "/a\\u0000b"}', b'{"parent_path": ""}', b"\xff\xfe", b"[" * 100_000, b" " * (LARGEST + 1),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_record_that_cannot_be_used_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "resume.json").write_bytes(content)
    assert read_lineage(str(tmp_path)) is None


def test_a_record_that_is_no_file_is_none(tmp_path: Path) -> None:
    assert read_lineage(str(tmp_path)) is None
    (tmp_path / "resume.json").mkdir()
    assert read_lineage(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", -1), ("step", 2**70), ("step", True), ("step", "5"), ("pid", 0), ("pid", -9), ("pid", 1.5),
        ("started_at", "yesterday"), ("started_at", 12), ("parent_uri", ["x"]), ("process", {}), ("host", "\0"),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_not_known(tmp_path: Path, key: str, value: Any) -> None:
    (tmp_path / "resume.json").write_text(json.dumps({"parent_path": "/a", key: value}))
    found = read_lineage(str(tmp_path))
    assert found is not None
    assert getattr(found, {"parent_uri": "uri"}.get(key, key)) is None


def test_half_a_surrogate_pair_can_be_encoded_again(tmp_path: Path) -> None:
    (tmp_path / "resume.json").write_text('{"parent_path": "/a", "checkpoint": "\\ud800", "command": ["\\ud800", "b"]}')
    found = read_lineage(str(tmp_path))
    assert found is not None
    assert (found.checkpoint, found.command) == ("?", ("?", "b"))
    (tmp_path / "resume.json").write_text('{"parent_path": "/a", "command": ["a", 3]}')
    mixed = read_lineage(str(tmp_path))
    assert mixed is not None
    assert mixed.command == ()


def test_a_run_that_goes_on_in_its_own_directory_keeps_its_origin(tmp_path: Path) -> None:
    path = cookbook_run(project(tmp_path) / "runs/one")
    made = planned(path, "000005")
    child = cookbook_run(Path(made.directory))
    lineage.write(str(child), lineage.record(made, "here"))
    for step in (7, 9):
        lineage.set_aside(str(child))
        lineage.write(str(child), {**lineage.record(planned(child), "here"), "step": step})
    found = read_lineage(str(child))
    assert found is not None
    assert found.origin is not None
    assert (found.step, found.in_place) == (9, True)
    assert (found.origin.parent, found.origin.step, found.origin.in_place) == (str(path), 5, False)
