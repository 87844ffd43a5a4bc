"""Where `export` must not write: over pipes and devices, or to what no file is meant by."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from stealthrl_tui.cli import main

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "stealthrl" / "stealthrl_tiny_sync"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    shutil.copytree(SAMPLE, folder)
    return folder


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_pipe_stays_a_pipe(run: Path, capsys: Captured, force: tuple[str, ...]) -> None:
    pipe = run.parent / "pipe"
    os.mkfifo(pipe)
    assert main(["export", str(run), "--output", str(pipe), *force]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err == f"stealthrl-tui: {pipe} is no regular file, and a script would take its place: name another file\n"
    )
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_users_link_is_only_replaced_by_force_and_what_it_leads_to_stays(run: Path, capsys: Captured) -> None:
    users = run.parent / "mine.py"
    users.write_text("mine\n")
    script = run / "inference.py"
    script.unlink(missing_ok=True)
    script.symlink_to(users)
    assert main(["export", str(run)]) == 1
    assert "is not an export" in capsys.readouterr().err
    assert script.is_symlink()
    assert main(["export", str(run), "--force"]) == 0
    assert users.read_text() == "mine\n"
    assert not script.is_symlink()


@pytest.mark.parametrize("output", ["", "-"])
def test_no_file_is_meant(run: Path, capsys: Captured, output: str) -> None:
    assert main(["export", str(run), "--output", output]) == 2
    assert capsys.readouterr().err == (
        "stealthrl-tui: --output takes a file or a folder: --print says the script on standard output\n"
    )
    assert not (run.parent / "-").exists()
    assert not (run.parent / "inference.py").exists()


@pytest.mark.parametrize("verb", ["show", "uri", "export"])
def test_an_empty_name_is_not_the_folder_one_stands_in(
    run: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(run)
    assert main([verb, ""]) == 2
    assert capsys.readouterr().err == "stealthrl-tui: RUN is empty: give a name that `ls` shows, or a path\n"
