"""What can't be read is said, where a command would otherwise say that there is nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stealthrl_tui.cli import main
from stealthrl_tui.runs.library import Library
from stealthrl_tui.runs.model import Depth
from tests.unit.live_runs import make_run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TINKER_COOKBOOK_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "a")
    return tmp_path / "runs"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Root may read everything, so for root it is a link that leads to itself."""
    if os.geteuid() != 0:
        path.chmod(0)
        try:
            yield
        finally:
            path.chmod(0o755)
        return
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    path.symlink_to(path.name)
    yield
    path.unlink()
    away.rename(path)


def _refused(capsys: Captured, *arguments: str) -> str:
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    return said.err


def test_a_ledger_that_cannot_be_read_is_not_called_empty(root: Path, capsys: Captured) -> None:
    with _locked(root / "a" / "checkpoints.jsonl"):
        said = _refused(capsys, "uri", "a")
    assert said.startswith("stealthrl-tui: a has no checkpoint: checkpoints.jsonl cannot be read: ")


def test_a_ledger_that_is_none_is_not_called_empty(root: Path, capsys: Captured) -> None:
    (root / "a" / "checkpoints.jsonl").write_bytes(b"\x80garbage\n")
    assert "a has no checkpoint: checkpoints.jsonl line 1 is not UTF-8" in _refused(capsys, "export", "a")


def test_what_is_no_file_hides_the_saves_and_is_told_first(root: Path) -> None:
    ledger = root / "a" / "checkpoints.jsonl"
    ledger.unlink()
    os.mkfifo(ledger)
    (found,) = Library([str(root)]).load_all(Depth.FULL)
    assert found.problems[0] == "checkpoints.jsonl is not a regular file"
    assert not any("lost if it dies" in text for text in found.problems)


def test_a_root_that_cannot_be_read_is_refused(root: Path, capsys: Captured) -> None:
    with _locked(root):
        said = _refused(capsys, "ls", str(root), "--json")
    assert said.startswith(f"stealthrl-tui: {root} cannot be read (")
    assert "name the folder" in said


def test_a_run_may_be_in_a_folder_that_cannot_be_read(
    root: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refuse(path: str) -> "os._ScandirIterator[str]":
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    (root / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    assert f"cannot read {root / 'locked'}: Permission denied" in _refused(capsys, "show", "b")
