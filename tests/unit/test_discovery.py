"""Which folders are runs, whatever the tree around them looks like."""

import os
from pathlib import Path

import pytest

from stealthrl_tui.runs.discovery import Search

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def names(*roots: Path) -> list[str]:
    return sorted(found.name for found in Search([str(root) for root in roots]).find())


def make_run(path: Path, file: str = "checkpoints.jsonl", text: str = "") -> Path:
    target = path / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return path


def test_samples_are_all_found_and_nothing_else() -> None:
    assert names(SAMPLES) == [
        "cookbook-0.5.5/sl_tiny_055",
        "cookbook-0.6.1/dpo_probe",
        "cookbook-0.6.1/rl_tiny_crash",
        "cookbook-0.6.1/rl_tiny_resumed",
        "cookbook-0.6.1/sl_tiny",
        "stealthrl/ctrl_c_async",
        "stealthrl/exception_midrun",
        "stealthrl/run_20261123_170500",
        "stealthrl/same_name_twice",
        "stealthrl/sigkill_midrun",
        "stealthrl/stealthrl_tiny_sync",
    ]


@pytest.mark.parametrize(
    "file",
    [
        "checkpoints.jsonl",
        "checkpoints/checkpoints.jsonl",
        "checkpoints/final_checkpoint_info.json",
        "run_metadata.json",
        "training_config.json",
    ],
)
def test_one_sure_file_makes_a_run(tmp_path: Path, file: str) -> None:
    make_run(tmp_path / "a" / "b", file)
    assert names(tmp_path) == ["a/b"]


@pytest.mark.parametrize(
    ("file", "text", "is_run"),
    [
        ("config.json", '{"model_name": "m", "lora_rank": 8}', True),
        ("config.json", '{"model_name": "m"}', False),
        ("config.json", '{"editor": "vim"}', False),
        ("metrics.jsonl", '{"step": 0, "env/all/reward/total": NaN}\n', True),
        ("metrics.jsonl", '{"step": 0, "train_mean_nll": 4.1}\n', True),
        ("metrics.jsonl", '{"cpu": 3}\n', False),
        ("metrics.jsonl/metrics.jsonl", '{"step": 0, "time/total": 1}\n', True),
        ("README.md", "checkpoints.jsonl", False),
    ],
)
def test_a_likely_file_needs_a_tinker_key(tmp_path: Path, file: str, text: str, is_run: bool) -> None:
    make_run(tmp_path / "x", file, text)
    assert names(tmp_path) == (["x"] if is_run else [])


def test_root_that_is_a_run_has_its_own_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "my_run")
    assert names(run) == ["my_run"]


def test_runs_below_a_run_are_found_but_not_its_own_folders(tmp_path: Path) -> None:
    outer = make_run(tmp_path / "outer")
    make_run(outer / "child")
    for own in ("checkpoints", "tensorboard", "iteration_000010", "train_iteration_000003", "wandb", ".hidden"):
        make_run(outer / own)
    assert names(tmp_path) == ["outer", "outer/child"]


def test_missing_root_is_empty_and_not_an_error(tmp_path: Path) -> None:
    search = Search([str(tmp_path / "later")])
    assert list(search.find()) == []
    assert search.unreadable == []


def test_links_in_a_circle_end_and_show_nothing_twice(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "a")
    (run / "up").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "latest").symlink_to(run)
    (tmp_path / "runs" / "self").symlink_to(tmp_path / "runs" / "self")
    assert names(tmp_path / "runs") == ["a"]


def test_linked_folder_outside_the_root_is_followed_once(tmp_path: Path) -> None:
    make_run(tmp_path / "disk" / "b")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "one").symlink_to(tmp_path / "disk")
    (tmp_path / "runs" / "two").symlink_to(tmp_path / "disk")
    assert [name.split("/")[1] for name in names(tmp_path / "runs")] == ["b"]


def test_symlinked_and_overlapping_roots(tmp_path: Path) -> None:
    make_run(tmp_path / "real" / "a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(tmp_path / "link") == ["a"]
    assert names(tmp_path / "link", tmp_path / "real", tmp_path / "real" / "a") == ["a"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"\x1b[31mred", b"new\nline", b"\xff\xfe", b"[b]"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        with open(os.path.join(folder, b"checkpoints.jsonl"), "w"):
            pass
    assert len(names(tmp_path)) == 4


def test_unreadable_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "ok")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    # chmod does not stop root, who may well be running this
    monkeypatch.setattr(os, "scandir", refuse)
    search = Search([str(tmp_path)])
    assert [found.name for found in search.find()] == ["ok"]
    assert search.unreadable == [f"cannot read {tmp_path}/locked: Permission denied"]


def test_what_appeared_later(tmp_path: Path) -> None:
    search = Search([str(tmp_path)])
    assert search.at(str(tmp_path / "a")) is None
    make_run(tmp_path / "a" / "b")
    assert search.at(str(tmp_path / "a")) is None
    found = search.at(str(tmp_path / "a" / "b"))
    assert found is not None
    assert found.name == "a/b"
    assert [run.name for run in search.below(str(tmp_path / "a"))] == ["a/b"]
    assert list(search.below("/elsewhere")) == []


@pytest.mark.parametrize(
    ("row", "is_run"),
    [
        ('{"step": 1, "accuracy": 0.5, "learning_rate": 0.1, "loss": 2.0}', False),
        ('{"step": 1, "accuracy": NaN, "num_tokens": 7}', False),
        ('{"step": 1, "accuracy": 0.5, "dpo_loss": 0.6}', True),
        ('{"step": 1, "learning_rate": 0.1, "train_mean_nll": NaN}', True),
        ('{"step": 1, "progress/done_frac": 0.1}', True),
    ],
)
def test_metrics_of_another_tool_make_no_run(tmp_path: Path, row: str, is_run: bool) -> None:
    (tmp_path / "metrics.jsonl").write_text(row + "\n")
    assert bool(list(Search([str(tmp_path)]).find())) is is_run
