"""The shipped samples are the recorded ones, and are placed where and when they are looked at."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest

from stealthrl_tui.sandbox import held, samples
from stealthrl_tui.sandbox.held import HELD, LIVE

DATA = Path(__file__).parents[1] / "data"
NOW = 1_900_000_000.0


def test_the_shipped_samples_are_the_recorded_ones(tmp_path: Path) -> None:
    samples.build(DATA, tmp_path / "samples.zip")
    with zipfile.ZipFile(tmp_path / "samples.zip") as built, zipfile.ZipFile(samples.ARCHIVE) as shipped:
        assert [(e.filename, e.CRC) for e in built.infolist()] == [(e.filename, e.CRC) for e in shipped.infolist()]


def test_two_builds_of_the_samples_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        samples.build(DATA, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "two.zip"]


def test_samples_that_are_not_there_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert samples.main(["build", str(tmp_path / "nothing")]) == 1
    assert "could not be packed" in capsys.readouterr().err
    assert list(samples.ARCHIVE.parent.glob("*.tmp")) == []
    assert samples.main([]) == 2


def test_a_run_is_dated_by_its_own_log_or_by_its_age(tmp_path: Path) -> None:
    root = samples.unpack(tmp_path, NOW)
    log = root / "tiny_baseline" / "training.log"
    crashed = root / "cookbook" / "tiny_rl" / "words_rolling" / "metrics.jsonl"
    assert log.stat().st_mtime == time.mktime(time.strptime("2026-11-23 16:57:14", "%Y-%m-%d %H:%M:%S"))
    assert crashed.stat().st_mtime == NOW - 50 * 60
    assert {(root / run.name / "metrics.jsonl").stat().st_mtime for run in HELD} == {NOW - run.age for run in HELD}


def test_what_the_service_keeps_is_as_old_as_the_run_and_named_as_its_ledger_names_it(tmp_path: Path) -> None:
    root = samples.unpack(tmp_path, NOW)
    service = samples.unpack_service(tmp_path, NOW)
    for run in HELD:
        kept = service / "runs" / run.training_run_id
        told = json.loads((kept / "run.json").read_text())
        assert (told["id"], told["base_model"], told["lora"]["rank"]) == (run.training_run_id, held.MODEL, run.rank)
        assert told["last_request"] == NOW - run.age
        rows = [json.loads(line) for line in (root / run.name / "checkpoints.jsonl").open()]
        for row in rows:
            for path in (row["state_path"], row["sampler_path"]):
                place = kept / path.removeprefix(f"tinker://{run.training_run_id}/")
                save = json.loads(place.with_suffix(".json").read_text())
                assert place.with_suffix(".npz").stat().st_size == save["size_bytes"]
                assert NOW - run.age - 600 < save["created"] <= NOW - run.age
                assert save["expires_at"] is None or 0 < save["expires_at"] - save["created"] <= 7 * 86400


def test_paths_in_the_files_are_those_of_the_place(tmp_path: Path) -> None:
    root = samples.unpack(tmp_path / "a 'folder'", NOW)
    config = json.loads((root / LIVE.name / "config.json").read_text())
    assert config["log_path"] == str(root / LIVE.name)
    log = (root / LIVE.name / "logs.log").read_text()
    assert "@" not in log
    assert str(held.TRAINER) in log
