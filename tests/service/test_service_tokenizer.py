"""A model whose tokenizer can't be had: its weights are sampled from all the same, and token ids are shown."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.sandbox.process import Sandbox, running_sandbox
from tests.service.verbs import environ, tell

HUBLESS = "nowhere/without-a-tokenizer"
URI = "tinker://hubless:train:0/sampler_weights/old"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(models=[HUBLESS]) as running:
        running.save(URI, base_model=HUBLESS)
        yield running


@pytest.fixture
def silent_hub() -> Iterator[dict[str, str]]:
    """A hub that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"HF_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}", "HF_HUB_OFFLINE": "0"}


def test_a_silent_hub_gets_a_quarter_of_the_time(sandbox: Sandbox, tmp_path: Path, silent_hub: dict[str, str]) -> None:
    said = tell(environ(tmp_path, sandbox, **silent_hub), "test-load", URI, "--max-tokens", "5", "--timeout", "18")
    assert (said.status, said.last["event"], said.err) == (0, "result", "")
    assert (said.last["text"], said.last["prompt_form"]) == (None, "token ids")
    assert 0 < len(said.last["tokens"]) <= 5
    (waited,) = [event for event in said.of("phase") if event["phase"] == "tokenizer"]
    assert 4.4 < waited["seconds"] < 18
    assert "token ids after 4.5 s" in said.of("waiting")[0]["message"]


def test_a_hub_that_is_refused_or_off_limits_costs_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    refused = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    for more in ({}, refused):
        said = tell(environ(tmp_path, sandbox, **more), "test-load", URI, "--max-tokens", "5")
        assert (said.status, said.last["text"]) == (0, None)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "state").rglob("trials/*.json")]
    assert [(each["ok"], each["text"], each["tokens"]) for each in kept] == [(True, None, len(said.last["tokens"]))]
