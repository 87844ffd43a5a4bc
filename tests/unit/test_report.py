"""Runs as JSON, to the letter of DESIGN.md."""

import json
from typing import Any

import orjson
import pytest

from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.runs.report import dumps, run_json, sanitized
from tests.unit.built_runs import ID, NOW, REWARD, metrics, run, save

RUN_FIELDS = [
    "name", "path", "status", "status_reason", "base_model", "lora_rank", "renderer", "training_run_ids", "step",
    "total_steps", "eta_seconds", "save_every", "updated_at", "checkpoint_count", "last_checkpoint", "metrics",
    "problems",
]  # fmt: skip
CHECKPOINT_FIELDS = [
    "name", "step", "epoch", "final", "rolling", "state_uri", "sampler_uri", "saved_at", "metrics", "best", "server",
    "extra", "problems",
]  # fmt: skip


def _full() -> Run:
    return run(
        "grp/run_1",
        save(5, saved_at=NOW, saved_by="log", epoch=0),
        save(
            10, sampler_uri=None, rolling=True, problems=("odd",), extra={"loss": float("nan"), "n": {"a": [1, None]}}
        ),
        save(40, "final", final=True),
        status=Status.COMPLETED,
        status_reason="final checkpoint saved",
        step=40,
        total_steps=40,
        updated_at=NOW + 0.25,
        problems=("p",),
        facts={"renderer": "qwen3", "save_every": 5},
        metrics=metrics(
            {
                REWARD: [(step, step / 100) for step in range(40)],
                "test/nll": [(0, 9.0), (10, 3.0)],
                "x": [(39, float("inf"))],
            }
        ),
    )


def test_a_run_has_every_field_in_order() -> None:
    found = run_json(_full())
    assert list(found) == RUN_FIELDS
    assert found == {
        "name": "grp/run_1",
        "path": "/runs/grp/run_1",
        "status": "completed",
        "status_reason": "final checkpoint saved",
        "base_model": "Qwen/Qwen3-4B",
        "lora_rank": 16,
        "renderer": "qwen3",
        "training_run_ids": [ID],
        "step": 40,
        "total_steps": 40,
        "eta_seconds": None,
        "save_every": 5,
        "updated_at": "2027-01-15T08:00:00.250Z",
        "checkpoint_count": 3,
        "last_checkpoint": "final",
        "metrics": {REWARD: 0.39, "test/nll": 3.0, "x": None},
        "problems": ["p"],
    }
    assert type(found["status"]) is str


def test_its_checkpoints_have_every_field_oldest_first() -> None:
    found = run_json(_full(), checkpoints=True)
    assert list(found) == [*RUN_FIELDS, "checkpoints"]
    first, second, last = found["checkpoints"]
    assert all(list(each) == CHECKPOINT_FIELDS for each in (first, second, last))
    assert first == {
        "name": "000005",
        "step": 5,
        "epoch": 0,
        "final": False,
        "rolling": False,
        "state_uri": f"tinker://{ID}/weights/000005",
        "sampler_uri": f"tinker://{ID}/sampler_weights/000005",
        "saved_at": "2027-01-15T08:00:00.000Z",
        "metrics": {REWARD: 0.05},
        "best": False,
        "server": None,
        "extra": {},
        "problems": [],
    }
    assert second["metrics"] == {REWARD: 0.1, "test/nll": 3.0}
    assert (second["sampler_uri"], second["rolling"], second["saved_at"]) == (None, True, None)
    assert (second["extra"], second["problems"]) == ({"loss": None, "n": {"a": [1, None]}}, ["odd"])
    assert (last["final"], last["best"], last["metrics"]) == (True, True, {REWARD: 0.39, "x": None})


def test_the_best_is_by_the_metric_asked_for() -> None:
    found = run_json(_full(), checkpoints=True, metric=REWARD, higher=False)
    assert [each["best"] for each in found["checkpoints"]] == [True, False, False]


def test_what_is_not_known_is_null() -> None:
    found = run_json(Run("x", "/x", "/"), checkpoints=True)
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {
        "base_model", "lora_rank", "renderer", "step", "total_steps", "eta_seconds", "save_every", "updated_at",
        "last_checkpoint",
    }  # fmt: skip
    assert (found["training_run_ids"], found["metrics"], found["checkpoints"], found["checkpoint_count"]) == (
        [],
        {},
        [],
        0,
    )


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 and \udcff",
        {"\udcff": "a\x1b[2J\u202e"},
        float("-inf"),
        2**70,
        [_deep(3), (1, 2.5), True, None],
        _deep(5000),
        {1: object},
        {"nan": [float("nan")]},
    ],
)
def test_anything_can_be_dumped_as_strict_json(value: Any) -> None:
    text = dumps(sanitized(value))
    text.encode()
    json.loads(text, parse_constant=pytest.fail)
    assert json.loads(dumps(sanitized(value), ascii_only=True)) == json.loads(text)


def test_a_hostile_run_is_strict_json_for_other_readers() -> None:
    hostile = run(
        "r\udcff\x1b]0;x\x07",
        save(1, "\ud800", extra={"deep": _deep(100), "t": "\udfff"}),
        problems=("\ud83d",),
        metrics=metrics({REWARD: [(0, float("nan"))]}),
    )
    found = orjson.loads(dumps(run_json(hostile, checkpoints=True)))
    assert found["name"] == "r\ufffd\x1b]0;x\x07"
    assert found["checkpoints"][0]["name"] == "\ufffd"
