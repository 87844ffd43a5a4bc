"""Facts from the configuration files: the samples, other shapes of config, and files that are broken."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.runs.facts import LARGEST, FactsReader
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.log import LogFacts, LogReader
from stealthrl_tui.runs.model import Facts

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Naive times are local times, so the tests say where they are."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def read(
    directory: Path,
    log: LogFacts | None = None,
    keys: Collection[str] = (),
    final_info: Mapping[str, Any] | None = None,
) -> Facts:
    reader = FactsReader(str(directory))
    reader.refresh()
    return reader.facts(log, keys, final_info or {})


def sample(name: str, log_name: str) -> Facts:
    log = LogReader(str(SAMPLES / name / log_name))
    log.refresh(True)
    return read(SAMPLES / name, log.facts)


def write(directory: Path, name: str, content: object) -> Path:
    path = directory / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_stealthrl_run() -> None:
    facts = sample("stealthrl/run_20261123_170500", "training.log")
    assert facts.kind is Kind.STEALTHRL
    assert (facts.base_model, facts.lora_rank, facts.renderer) == ("/home/user/train/model/tiny-qwen3", 8, "qwen3")
    assert (facts.save_every, facts.eval_every, facts.total_steps) == (1000, 5, 22)
    assert (facts.run_name, facts.recorded_status, facts.few_shot) == ("run_20261123_170500", "completed", None)
    assert facts.started_at == datetime(2026, 11, 23, 17, 5, 0, 708540, UTC).timestamp()
    assert facts.ended_at == datetime(2026, 11, 23, 17, 12, 29, 872631, UTC).timestamp()
    assert list(facts.config) == ["run_metadata.json", "training_config.json"]
    assert facts.config["training_config.json"]["reward.detectors.names"] == ["fast_detectgpt"]
    assert facts.problems == ()


def test_save_every_is_not_the_command_line_s_default() -> None:
    facts = sample("stealthrl/same_name_twice", "training.log")
    assert facts.config["training_config.json"]["run_info.command_line_args.save_every"] == 10
    assert facts.save_every == 5


@pytest.mark.parametrize(
    ("name", "kind", "renderer", "save_every", "rolling", "total"),
    [
        ("cookbook-0.5.5/sl_tiny_055", Kind.SL, "role_colon", 10, 3, 40),
        ("cookbook-0.6.1/sl_tiny", Kind.SL, "role_colon", 10, 3, 60),
        ("cookbook-0.6.1/dpo_probe", Kind.DPO, "qwen3", 10, 0, 40),
        ("cookbook-0.6.1/rl_tiny_resumed", Kind.RL, "qwen3", 5, 0, 30),
        ("cookbook-0.6.1/rl_tiny_crash", Kind.RL, "qwen3", 5, 2, 30),
    ],
)
def test_cookbook_runs(name: str, kind: Kind, renderer: str, save_every: int, rolling: int, total: int) -> None:
    facts = sample(name, "logs.log")
    assert (facts.kind, facts.renderer, facts.save_every, facts.rolling_save_every) == (
        kind,
        renderer,
        save_every,
        rolling,
    )
    assert (facts.lora_rank, facts.ttl_seconds, facts.total_steps) == (8, 604_800, total)
    assert facts.command is not None
    assert facts.command.startswith("cb/")


@pytest.mark.parametrize(
    ("config", "renderer"),
    [
        ({"dataset_builder": {"renderer_name": "a"}}, "a"),
        ({"dataset_builder": {"common_config": {"renderer_name": "b"}}}, "b"),
        ({"renderer_name": None, "dataset_builder": {"common_config": {"renderer_name": "c"}}}, "c"),
        ({"renderer_name": "<class 'x'>", "dataset_builder": {"renderer_name": "d"}}, "d"),
        ({"model": {"renderer_name": "e"}}, "e"),
        ({"model_name": "m"}, None),
    ],
)
def test_where_the_renderer_sits(tmp_path: Path, config: dict[str, Any], renderer: str | None) -> None:
    write(tmp_path, "config.json", config)
    assert read(tmp_path).renderer == renderer


def test_a_nested_config(tmp_path: Path) -> None:
    nested = {"model": {"model_name": "m", "lora_rank": 32.0}, "train": {"save_every": 20, "deep": {"save_every": 7}}}
    write(tmp_path, "config.json", nested)
    facts = read(tmp_path)
    assert (facts.base_model, facts.lora_rank, facts.save_every) == ("m", 32, 20)


def test_what_else_knows_model_and_rank(tmp_path: Path) -> None:
    log = LogFacts(model="of the log", lora_rank=4)
    assert (read(tmp_path, log).base_model, read(tmp_path, log).lora_rank) == ("of the log", 4)
    facts = read(tmp_path, log, final_info={"base_model": "of the info", "lora_rank": 16})
    assert (facts.base_model, facts.lora_rank, facts.problems) == ("of the info", 16, ())


def test_a_final_info_that_contradicts_the_config(tmp_path: Path) -> None:
    write(tmp_path, "config.json", {"model_name": "one", "lora_rank": 8})
    facts = read(tmp_path, final_info={"base_model": "two", "lora_rank": 8})
    assert facts.base_model == "one"
    assert facts.problems == ("the final info names base model two, the configuration one",)
    facts = read(tmp_path, final_info={"base_model": "one", "lora_rank": 9})
    assert facts.problems == ("the final info names LoRA rank 9, the configuration 8",)
    assert read(tmp_path, final_info={"base_model": 3, "lora_rank": []}).problems == ()


@pytest.mark.parametrize(
    ("config", "keys", "kind"),
    [
        (None, (), Kind.UNKNOWN),
        ({"model_name": "m"}, (), Kind.SL),
        ({"model_name": "m", "loss_fn": "ppo"}, (), Kind.RL),
        ({"dataset_builder": {"group_size": 4}}, (), Kind.RL),
        ({"model_name": "m", "dpo_beta": 0.1}, ("train_mean_nll",), Kind.DPO),
        (None, ("dpo_loss", "train_mean_nll"), Kind.DPO),
        (None, ("train_mean_nll", "progress"), Kind.SL),
        (None, ("progress/batch",), Kind.RL),
        (None, ("test/env/all/reward/total",), Kind.RL),
        ({"model_name": "m"}, ("env/all/reward/total",), Kind.RL),
        (None, ("progress",), Kind.UNKNOWN),
    ],
)
def test_kinds(tmp_path: Path, config: dict[str, Any] | None, keys: tuple[str, ...], kind: Kind) -> None:
    if config is not None:
        write(tmp_path, "config.json", config)
    assert read(tmp_path, keys=keys).kind is kind


@pytest.mark.parametrize("name", ["training.log", "run_metadata.json", "training_config.json"])
def test_one_file_of_its_own_makes_it_stealthrl(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, {})
    assert read(tmp_path, keys=("train_mean_nll",)).kind is Kind.STEALTHRL


@pytest.mark.parametrize(
    ("config", "announced", "total"),
    [
        ({"max_steps": 60}, 72, 60),
        ({"max_steps": None}, 72, 72),
        ({"max_steps": 100}, 72, 72),
        ({"max_steps": 60}, None, 60),
        ({"dataset_builder": {"n_batches": 30}, "num_epochs": 2}, None, 60),
        ({"dataset_builder": {"n_batches": 30}, "max_steps": 12}, None, 12),
        ({"dataset_builder": {"n_batches": 30}}, 25, 25),
        ({}, None, None),
    ],
)
def test_totals(tmp_path: Path, config: dict[str, Any], announced: int | None, total: int | None) -> None:
    write(tmp_path, "config.json", config)
    assert read(tmp_path, LogFacts("logs", total_steps=announced)).total_steps == total


def test_wrong_types_are_left_out_and_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        "config.json",
        {"model_name": ["x"], "lora_rank": "eight\x1b[2J", "save_every": True, "eval_every": -1},
    )
    write(tmp_path, "run_metadata.json", {"start_time": "yesterday", "status": 7})
    facts = read(tmp_path)
    assert (facts.base_model, facts.lora_rank, facts.save_every, facts.eval_every) == (None, None, None, None)
    assert (facts.started_at, facts.recorded_status) == (None, None)
    assert len(facts.problems) == 6
    assert 'config.json: lora_rank is no count: "eight\\u001b[2J"' in facts.problems
    assert 'run_metadata.json: start_time is no time: "yesterday"' in facts.problems


@pytest.mark.parametrize("content", ['{"status": "runn', "", "\x00\x01", "[" * 100_000, '{"a": 1e', "[1, 2]", "null"])
def test_garbage_never_raises(tmp_path: Path, content: str) -> None:
    write(tmp_path, "run_metadata.json", content)
    facts = read(tmp_path)
    assert facts.kind is Kind.STEALTHRL
    assert len(facts.problems) == 1
    assert facts.problems[0].startswith("run_metadata.json ")


def test_a_half_written_file_keeps_its_last_good_content(tmp_path: Path) -> None:
    path = write(tmp_path, "run_metadata.json", {"status": "running"})
    reader = FactsReader(str(tmp_path))
    assert reader.refresh()
    assert not reader.refresh()
    path.write_text('{"status": "comp')
    assert reader.refresh()
    facts = reader.facts(None, (), {})
    assert facts.recorded_status == "running"
    assert facts.problems == (
        "run_metadata.json is not valid JSON, perhaps half-written; its last whole content is shown",
    )
    write(tmp_path, "run_metadata.json", {"status": "completed"})
    assert reader.refresh()
    assert (reader.facts(None, (), {}).recorded_status, reader.facts(None, (), {}).problems) == ("completed", ())
    path.unlink()
    assert reader.refresh()
    assert reader.facts(None, (), {}) == Facts()
    assert reader.mtime is None


def test_what_is_too_large_or_no_file(tmp_path: Path) -> None:
    write(tmp_path, "config.json", " " * (LARGEST + 1))
    os.mkfifo(tmp_path / "training_config.json")
    (tmp_path / "run_metadata.json").mkdir()
    assert read(tmp_path).problems == (
        "run_metadata.json is not a file",
        "training_config.json is not a file",
        f"config.json is too large to be a configuration ({LARGEST + 1} bytes)",
    )


def test_odd_but_legal_json(tmp_path: Path) -> None:
    deep: dict[str, Any] = {"leaf": 1}
    for _ in range(200):
        deep = {"a": deep}
    text = json.dumps({"model_name": "\ud800 x", "lr": float("nan"), "none": {}, "deep": deep})
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    facts = read(tmp_path)
    assert facts.base_model == "? x"
    assert facts.config["config.json"]["none"] == {}
    assert facts.problems == ()


def test_the_log_s_troubles_are_problems(tmp_path: Path) -> None:
    log = LogFacts(heartbeat="the service has not answered for 2 min", problem="cannot read training.log: no")
    assert read(tmp_path, log).problems == ("the service has not answered for 2 min", "cannot read training.log: no")


def test_few_shot_and_older_times(tmp_path: Path) -> None:
    run_info = {"run_name": "r", "start_time": "2026-01-02T03:04:05"}
    write(tmp_path, "training_config.json", {"dataset": {"few_shot": "standard"}, "run_info": run_info})
    facts = read(tmp_path)
    assert (facts.few_shot, facts.run_name) == ("standard", "r")
    assert facts.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert read(tmp_path, LogFacts(started_at=5.0)).started_at == facts.started_at
