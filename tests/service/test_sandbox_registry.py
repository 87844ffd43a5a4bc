"""What exists on the local service, through the unmodified SDK: lists, expiry, publishing, deleting, a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import tinker

from stealthrl_tui.sandbox.process import Sandbox, SandboxError, running_sandbox

SECONDS = 20.0


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINKER_TELEMETRY", "0")
        yield running


@pytest.fixture
def rest(sandbox: Sandbox) -> tinker.RestClient:
    return tinker.RestClient(base_url=sandbox.base_url, api_key=sandbox.api_key)


def paths(rest: tinker.RestClient) -> list[str]:
    found = rest.list_user_checkpoints(limit=1000).result(timeout=SECONDS).checkpoints
    return [checkpoint.tinker_path for checkpoint in found]


def test_lists_are_paged_and_newest_first(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    saved = [sandbox.save_state(f"{step:06d}", run_id=f"run:train:{step % 3}") for step in range(7)]
    assert paths(rest) == saved[::-1]
    page = rest.list_user_checkpoints(limit=3, offset=2).result(timeout=SECONDS)
    assert [checkpoint.tinker_path for checkpoint in page.checkpoints] == saved[::-1][2:5]
    assert page.cursor is not None
    assert (page.cursor.offset, page.cursor.limit, page.cursor.total_count) == (2, 3, 7)
    assert rest.list_user_checkpoints(offset=99).result(timeout=SECONDS).checkpoints == []
    runs = rest.list_training_runs(limit=2).result(timeout=SECONDS)
    assert [run.training_run_id for run in runs.training_runs] == ["run:train:0", "run:train:2"]
    assert runs.cursor.total_count == 3
    own = rest.list_checkpoints("run:train:1").result(timeout=SECONDS).checkpoints
    assert [checkpoint.checkpoint_id for checkpoint in own] == ["weights/000004", "weights/000001"]
    with pytest.raises(tinker.NotFoundError):
        rest.list_checkpoints("nobody:train:0").result(timeout=SECONDS)


def test_a_checkpoint_lives_as_long_as_it_is_told(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    uri = sandbox.save_sampler("kept")
    before = datetime.now(UTC)
    rest.set_checkpoint_ttl_from_tinker_path(uri, 7200).result(timeout=SECONDS)
    (checkpoint,) = rest.list_user_checkpoints().result(timeout=SECONDS).checkpoints
    assert checkpoint.expires_at is not None
    assert timedelta(0) <= checkpoint.expires_at - before - timedelta(hours=2) < timedelta(minutes=1)
    rest.set_checkpoint_ttl_from_tinker_path(uri, None).result(timeout=SECONDS)
    assert rest.list_user_checkpoints().result(timeout=SECONDS).checkpoints[0].expires_at is None
    for seconds in (60, 10**9):
        with pytest.raises(tinker.BadRequestError, match="ttl_seconds"):
            rest.set_checkpoint_ttl_from_tinker_path(uri, seconds).result(timeout=SECONDS)


def test_what_expired_is_gone_and_says_why(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    uri, other = sandbox.save_sampler("short"), sandbox.save_state("long")
    rest.set_checkpoint_ttl_from_tinker_path(uri, 3600).result(timeout=SECONDS)
    sandbox.advance_clock(3601)
    assert paths(rest) == [other]
    for call in (
        rest.get_weights_info_by_tinker_path(uri),
        rest.set_checkpoint_ttl_from_tinker_path(uri, None),
        rest.publish_checkpoint_from_tinker_path(uri),
        rest.delete_checkpoint_from_tinker_path(uri),
    ):
        with pytest.raises(tinker.NotFoundError, match="expired"):
            call.result(timeout=SECONDS)


def test_publishing_twice_conflicts(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    uri = sandbox.save_sampler("shared")
    rest.publish_checkpoint_from_tinker_path(uri).result(timeout=SECONDS)
    assert rest.list_user_checkpoints().result(timeout=SECONDS).checkpoints[0].public
    # The SDK takes a conflict for something that passes, and asks again for minutes: so this is asked without it.
    path = "/api/v1/training_runs/sandbox:train:0/checkpoints/sampler_weights/shared/publish"
    with pytest.raises(SandboxError, match=r"409.*already"):
        sandbox.call("POST", path)
    rest.unpublish_checkpoint_from_tinker_path(uri).result(timeout=SECONDS)
    with pytest.raises(SandboxError, match=r"409.*not public"):
        sandbox.call("DELETE", path)


def test_deleting_is_for_good(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    uri, other = sandbox.save_sampler("one"), sandbox.save_state("one")
    rest.delete_checkpoint_from_tinker_path(uri).result(timeout=SECONDS)
    assert paths(rest) == [other]
    with pytest.raises(tinker.NotFoundError, match="no checkpoint"):
        rest.delete_checkpoint_from_tinker_path(uri).result(timeout=SECONDS)
    assert not list(sandbox.folder.glob("runs/*/sampler_weights/*"))


def test_a_made_run_is_what_it_was_told_to_be(sandbox: Sandbox, rest: tinker.RestClient) -> None:
    uri = sandbox.save(
        "tinker://model_9/weights/000020", base_model="org/big", lora_rank=16, created=1.7e9, corrupted=True
    )
    run = rest.get_training_run_by_tinker_path(uri).result(timeout=SECONDS)
    assert (run.base_model, run.lora_rank, run.corrupted) == ("org/big", 16, True)
    assert run.last_checkpoint is not None
    assert run.last_checkpoint.time.timestamp() == 1.7e9
    assert run.last_checkpoint.size_bytes == (sandbox.folder / "runs/model_9/weights/000020.npz").stat().st_size
    with pytest.raises(tinker.BadRequestError, match="not a checkpoint path"):
        rest.get_weights_info_by_tinker_path("tinker://model_9/final").result(timeout=SECONDS)


def test_a_restart_keeps_everything_saved(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        kept = sandbox.save("tinker://a:train:0/weights/x", lora_rank=4, base_model="org/m")
        sampler, gone = sandbox.save_sampler("s"), sandbox.save_sampler("gone")
        rest = tinker.RestClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        rest.set_checkpoint_ttl_from_tinker_path(sampler, 9999).result(timeout=SECONDS)
        rest.publish_checkpoint_from_tinker_path(kept).result(timeout=SECONDS)
        rest.delete_checkpoint_from_tinker_path(gone).result(timeout=SECONDS)
        listed = rest.list_user_checkpoints().result(timeout=SECONDS).checkpoints
        said = sandbox.call("POST", "/oai/api/v1/completions", {"model": sampler, "prompt": "a", "temperature": 0})
    with running_sandbox(tmp_path) as sandbox:
        rest = tinker.RestClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        assert rest.list_user_checkpoints().result(timeout=SECONDS).checkpoints == listed
        info = rest.get_weights_info_by_tinker_path(kept).result(timeout=SECONDS)
        assert (info.base_model, info.lora_rank) == ("org/m", 4)
        again = sandbox.call("POST", "/oai/api/v1/completions", {"model": sampler, "prompt": "a", "temperature": 0})
        assert again["choices"] == said["choices"]


def test_a_lost_weights_file_is_a_clear_refusal(sandbox: Sandbox) -> None:
    uri = sandbox.save_sampler("damaged")
    (sandbox.folder / "runs/sandbox:train:0/sampler_weights/damaged.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(SandboxError, match=r"500.*can't be read"):
        sandbox.call("POST", "/oai/api/v1/completions", {"model": uri, "prompt": "a"})


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"id": "x"})])
def test_a_folder_of_something_else_is_said_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "runs/x").mkdir(parents=True)
    (tmp_path / "runs/x/run.json").write_text(content)
    with pytest.raises(SandboxError, match=r"can't start: .*run\.json"), running_sandbox(tmp_path):
        pass
