"""A replayed run is the recorded one, byte for byte and piece for piece; the shipped samples are the recorded ones."""

from __future__ import annotations

import json
import threading
import zipfile
from pathlib import Path

import pytest

from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.replay import Growth, Replay

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
RECORDED = {
    "rl_tiny_resumed": "cookbook-0.6.1",
    "sl_tiny": "cookbook-0.6.1",
    "sigkill_midrun": "stealthrl",
    "stealthrl_tiny_sync": "stealthrl",
}


def run_of(name: str) -> Path:
    return SAMPLES / RECORDED[name] / name


def growth_of(name: str) -> Growth:
    return Growth.load(run_of(name), SAMPLES / "growth" / f"{name}.growth.jsonl")


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_growth(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", RECORDED)
def test_a_full_replay_makes_every_file_of_the_run_again(name: str, tmp_path: Path) -> None:
    replay = Replay(growth_of(name), tmp_path / "again")

    assert replay.play(0, threading.Event())

    assert replay.complete
    again = files_in(tmp_path / "again")
    assert {path: again.get(path) for path in files_in(run_of(name))} == files_in(run_of(name))


@pytest.mark.parametrize("name", RECORDED)
def test_every_file_has_its_recorded_size_after_each_piece(name: str, tmp_path: Path) -> None:
    growth = growth_of(name)
    replay = Replay(growth, tmp_path)
    later = [*(piece.at for piece in growth.pieces[1:]), float("inf")]
    for piece, following in zip(growth.pieces, later, strict=True):
        replay.skip_to(piece.at)
        path = tmp_path / piece.file
        if following > piece.at:
            assert (path.stat().st_size if path.exists() else -1) == piece.size


def test_bytes_that_a_resume_cut_off_come_back_before_it(tmp_path: Path) -> None:
    growth = growth_of("rl_tiny_resumed")
    replay = Replay(growth, tmp_path)
    cut = next(piece for piece in growth.pieces if piece.file == "metrics.jsonl" and piece.moved_from)
    replay.skip_to(cut.at - 0.0001)
    before, inode = (tmp_path / "metrics.jsonl").read_bytes(), (tmp_path / "metrics.jsonl").stat().st_ino

    replay.skip_to(cut.at)

    assert before == (run_of("rl_tiny_resumed") / "metrics.jsonl.pre_resume_000015").read_bytes()
    assert (tmp_path / "metrics.jsonl").stat().st_size == cut.size < len(before)
    assert (tmp_path / "metrics.jsonl").stat().st_ino != inode


def test_files_that_the_finished_run_no_longer_has_are_named() -> None:
    assert "iteration_000002/train_rollout_summaries.jsonl" in growth_of("rl_tiny_resumed").missing
    assert growth_of("sl_tiny").missing == ()


def test_a_stopped_replay_goes_on_where_it_was(tmp_path: Path) -> None:
    replay = Replay(growth_of("sl_tiny"), tmp_path / "run")
    stop = threading.Event()
    stop.set()
    replay.skip_to(60.0)
    before = files_in(tmp_path / "run")

    assert not replay.play(1.0, stop)
    assert files_in(tmp_path / "run") == before
    assert replay.play(0, threading.Event())
    assert files_in(tmp_path / "run") == files_in(run_of("sl_tiny"))


def test_a_restart_begins_with_nothing(tmp_path: Path) -> None:
    replay = Replay(growth_of("sl_tiny"), tmp_path / "run")
    replay.play(0, threading.Event())

    replay.restart()
    assert not (tmp_path / "run").exists()
    replay.skip_to(1.0)
    assert 0 < (tmp_path / "run" / "logs.log").stat().st_size < (run_of("sl_tiny") / "logs.log").stat().st_size


def test_deleted_overwritten_and_cut_files_are_followed(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    finished.mkdir()
    (finished / "log").write_text("abcdef")
    growth_file = write_growth(
        tmp_path / "growth.jsonl",
        {"t": 0, "file": ".", "size": 0},
        {"t": 1, "file": "log", "size": 6},
        {"t": 1, "file": "note", "size": 4, "text": "long"},
        {"t": 2, "file": "log", "size": 2},
        {"t": 2, "file": "note", "size": 1, "text": "s"},
        {"t": 3, "file": "note", "size": -1},
        {"t": 3, "file": "never", "size": -1},
    )
    replay = Replay(Growth.load(finished, growth_file), tmp_path / "again")
    seen = []
    for seconds in (1, 2, 3):
        replay.skip_to(seconds)
        seen.append(files_in(tmp_path / "again"))

    assert seen == [{"log": b"abcdef", "note": b"long"}, {"log": b"ab", "note": b"s"}, {"log": b"ab"}]


@pytest.mark.parametrize("key", ["file", "moved_from"])
@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside"])
def test_a_recording_that_leads_out_of_the_run_is_refused(key: str, path: str, tmp_path: Path) -> None:
    row: dict[str, object] = {"t": 0, "file": "inside", "size": 1, key: path}
    with pytest.raises(ValueError, match="leads out of the run"):
        Growth.load(tmp_path, write_growth(tmp_path / "growth.jsonl", row))


def test_the_shipped_samples_are_the_recorded_ones(tmp_path: Path) -> None:
    samples.build(SAMPLES, tmp_path / "samples.zip")
    with zipfile.ZipFile(tmp_path / "samples.zip") as built, zipfile.ZipFile(samples.ARCHIVE) as shipped:
        assert [(e.filename, e.CRC) for e in built.infolist()] == [(e.filename, e.CRC) for e in shipped.infolist()]


def test_two_builds_of_the_samples_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        samples.build(SAMPLES, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "two.zip"]


def test_samples_that_are_not_there_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert samples.main(["build", str(tmp_path / "nothing")]) == 1
    assert "could not be packed" in capsys.readouterr().err
    assert list(samples.ARCHIVE.parent.glob("*.tmp")) == []
    assert samples.main([]) == 2
