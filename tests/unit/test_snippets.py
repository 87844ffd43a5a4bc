"""What `C` offers to copy, and that none of it can be more than it looks."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from stealthrl_tui.actions.snippets import choices
from stealthrl_tui.runs.model import Checkpoint, Facts, Run

RUN_ID = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"
STATE = f"tinker://{RUN_ID}/weights/000085"
SAMPLER = f"tinker://{RUN_ID}/sampler_weights/000085"
BOTH = Checkpoint("000085", 85, STATE, SAMPLER, training_run_id=RUN_ID)
RUN = Run(
    name="it's a run", path="/runs/it's a run", root="/runs", facts=Facts(base_model="Qwen/Qwen3-8B", lora_rank=16)
)


def texts(checkpoint: Checkpoint, run: Run = RUN) -> dict[str, str]:
    found = {choice.key: choice.text for choice in choices(run, checkpoint)}
    assert len(found) == len(choices(run, checkpoint))
    assert all(choice.title.isprintable() for choice in choices(run, checkpoint))
    return found


def test_all_there_is_for_a_whole_checkpoint() -> None:
    found = texts(BOTH)
    assert list(found) == ["sampler", "state", "python", "resume", "openai", "info", "download", "export", "uri"]
    assert found["sampler"] == SAMPLER
    assert found["state"] == STATE


def test_a_missing_half_leaves_its_choices_out() -> None:
    assert list(texts(replace(BOTH, sampler_uri=None))) == ["state", "resume", "info", "download", "uri"]
    assert list(texts(replace(BOTH, state_uri=None))) == ["sampler", "python", "openai", "info", "export", "uri"]
    assert texts(replace(BOTH, sampler_uri=None, state_uri=None)) == {}


def test_the_python_is_python_and_names_the_right_half() -> None:
    found = texts(BOTH)
    for key, uri in (("python", SAMPLER), ("resume", STATE)):
        strings = [node.value for node in ast.walk(ast.parse(found[key])) if isinstance(node, ast.Constant)]
        assert uri in strings
    assert "create_training_client_from_state_with_optimizer" in found["resume"]
    assert "Qwen/Qwen3-8B" in found["resume"]
    assert "rank 16" in found["resume"]


def test_the_commands_are_words_that_a_shell_reads_back() -> None:
    found = texts(BOTH)
    assert shlex.split(found["info"]) == ["tinker", "checkpoint", "info", SAMPLER]
    assert shlex.split(found["download"]) == ["tinker", "checkpoint", "download", STATE]
    assert shlex.split(found["export"]) == ["stealthrl-tui", "export", RUN.path, "--checkpoint=000085"]
    assert shlex.split(found["uri"]) == ["stealthrl-tui", "uri", RUN.path, "--checkpoint=000085", "--kind=sampler"]


def test_the_call_without_the_sdk_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-very-secret")
    found = texts(BOTH)
    assert not any("tml-" in text for text in found.values())
    words = shlex.split(found["openai"])
    assert words[0] == "curl"
    assert "Authorization: Bearer $TINKER_API_KEY" in words
    assert json.loads(words[-1])["model"] == SAMPLER


def test_the_state_alone_is_the_uri_that_is_asked_for() -> None:
    assert texts(replace(BOTH, sampler_uri=None))["uri"].endswith("--kind=state")


def test_the_two_part_form_is_offered_where_it_works() -> None:
    found = texts(replace(BOTH, state_uri=None, sampler_uri="tinker://model_8bd1721f/000040"))
    assert list(found) == ["sampler", "python", "openai", "export", "uri"]


@pytest.mark.parametrize(
    "path", ["/ckpt/000085", "", "tinker://a b/'; rm -rf ~; '", "tinker://r/weights/x\x1b[201~\nls"]
)
def test_what_is_no_tinker_uri_gets_no_code(path: str) -> None:
    found = texts(replace(BOTH, state_uri=None, sampler_uri=path))
    assert not {"python", "openai", "info", "export"} & set(found)
    assert all(text.isprintable() for text in found.values())


def test_state_in_the_samplers_place_is_not_sampled_from() -> None:
    assert "python" not in texts(replace(BOTH, state_uri=None, sampler_uri=STATE))


def test_a_run_that_a_terminal_would_obey_is_not_pasted(tmp_path: Path) -> None:
    found = texts(BOTH, replace(RUN, path="/runs/a\x1b[201~\nrm -rf ~"))
    assert "export" not in found
    assert "uri" not in found
    assert found["sampler"] == SAMPLER
