"""Pipes, devices, sockets, folders and looping links where a run's files are expected: said, and never waited for."""

import json
import os
import socket
from pathlib import Path

import pytest

from stealthrl_tui.runs.discovery import Search
from stealthrl_tui.runs.library import Library
from stealthrl_tui.runs.model import Depth, Run, Status

FILES = [
    "checkpoints.jsonl", "metrics.jsonl", "training.log", "logs.log", "run_metadata.json", "training_config.json",
    "config.json", "resume.json", "checkpoints/checkpoints.jsonl", "checkpoints/final_checkpoint_info.json",
    "metrics.jsonl/metrics.jsonl",
]  # fmt: skip
ROW = {"name": "000002", "batch": 2, "state_path": "tinker://r/weights/000002"}


def _folder(root: Path, file: str) -> Path:
    """A run with one good file, and the place for a bad one."""
    folder = root / "run"
    path = folder / file
    path.parent.mkdir(parents=True)
    if file == "checkpoints.jsonl":
        (folder / "metrics.jsonl").write_text('{"step": 1, "env/all/reward/total": 0.5}\n')
    else:
        (folder / "checkpoints.jsonl").write_text(json.dumps(ROW) + "\n")
    return path


def _read(root: Path) -> Run:
    (found,) = Library([str(root)]).load_all(Depth.FULL)
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_pipe_is_never_waited_for(tmp_path: Path, file: str) -> None:
    os.mkfifo(_folder(tmp_path, file))
    found = _read(tmp_path)
    assert (found.step, found.status is Status.COMPLETED) == (2, False)
    assert file == "resume.json" or any(os.path.basename(file) in text for text in found.problems)


@pytest.mark.parametrize("file", FILES)
def test_a_link_to_an_endless_device_is_not_read(tmp_path: Path, file: str) -> None:
    _folder(tmp_path, file).symlink_to("/dev/zero")
    found = _read(tmp_path)
    assert (found.step, found.status is Status.COMPLETED) == (2, False)


@pytest.mark.parametrize("file", [name for name in FILES if not name.startswith("metrics")])
def test_a_folder_in_a_files_place(tmp_path: Path, file: str) -> None:
    _folder(tmp_path, file).mkdir()
    found = _read(tmp_path)
    assert (found.step, found.status is Status.COMPLETED) == (2, False)


@pytest.mark.parametrize("file", FILES)
def test_a_link_that_leads_to_itself(tmp_path: Path, file: str) -> None:
    path = _folder(tmp_path, file)
    path.symlink_to(path.name)
    assert _read(tmp_path).step == 2


def test_a_socket_is_no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _folder(tmp_path, "checkpoints.jsonl")
    monkeypatch.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)
        assert "checkpoints.jsonl is not a regular file" in _read(tmp_path).problems


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.json"])
def test_a_pipe_alone_makes_no_run(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert list(Search([str(tmp_path)]).find()) == []
