"""Recording what the unmodified SDK trains, against the local service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import tinker

from stealthrl_tui.recorder import FINAL_INFO, LEDGER, Outcome, Recorder
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.ledger import LedgerReader
from stealthrl_tui.sandbox.corpus import SENTENCES
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox

SECONDS = 30.0
RANK = 4


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environ().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def service(sandbox: Sandbox) -> Iterator[tinker.ServiceClient]:
    with tinker.ServiceClient() as client:
        yield client


@pytest.fixture
def client(service: tinker.ServiceClient, sandbox: Sandbox) -> tinker.TrainingClient:
    created = service.create_lora_training_client(base_model=str(sandbox.model_dir), rank=RANK, seed=1)
    return created.result(timeout=SECONDS)


def train(client: tinker.TrainingClient) -> None:
    """One step on one sentence."""
    tokens = np.frombuffer(SENTENCES[0].encode(), dtype=np.uint8).astype(np.int64)
    inputs = {"target_tokens": tinker.TensorData.from_numpy(tokens[1:])}
    datum = tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1].tolist()), loss_fn_inputs=inputs)
    client.forward_backward([datum], "cross_entropy")
    client.optim_step(tinker.AdamParams(learning_rate=0.02)).result(timeout=SECONDS)


def test_what_a_training_loop_records_is_what_the_service_has(
    sandbox: Sandbox, service: tinker.ServiceClient, client: tinker.TrainingClient, tmp_path: Path
) -> None:
    model = str(sandbox.model_dir)
    with Recorder(
        client, tmp_path, base_model=model, lora_rank=RANK, total_steps=5, save_every=2, ttl_seconds=7200
    ) as recorder:
        for step in range(5):
            train(client)
            recorder.step(step + 1)
    assert recorder.failures == []
    reader = LedgerReader(str(tmp_path))
    reader.refresh(0.0)
    found = reader.checkpoints(Kind.STEALTHRL, 5, 5, {})
    assert [(c.name, c.step, c.final, c.problems) for c in found] == [
        ("000002", 2, False, ()),
        ("000004", 4, False, ()),
        ("final", 5, True, ()),
    ]
    run_id = client.get_info().model_id
    assert (reader.problems, reader.training_run_ids) == ((), (run_id,))
    assert reader.final_info == {"base_model": model, "lora_rank": RANK, "model_id": run_id}

    rest = tinker.RestClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
    held = {c.tinker_path: c for c in rest.list_checkpoints(run_id).result(timeout=SECONDS).checkpoints}
    assert set(held) == {uri for c in found for uri in (c.state_uri, c.sampler_uri)}
    for checkpoint in found:
        expires = held[checkpoint.state_uri or ""].expires_at
        told = checkpoint.extra["expires_at"]
        if expires is None or told is None:
            assert expires is told is None
        else:
            assert abs((datetime.fromisoformat(told) - expires).total_seconds()) < 60

    assert found[-1].sampler_uri is not None
    assert found[0].state_uri is not None
    sampler = service.create_sampling_client(model_path=found[-1].sampler_uri).result(timeout=SECONDS)
    prompt, params = tinker.ModelInput.from_ints([97]), tinker.SamplingParams(max_tokens=2)
    sampled = sampler.sample(prompt=prompt, num_samples=1, sampling_params=params).result(timeout=SECONDS)
    assert len(sampled.sequences[0].tokens) > 0
    again = service.create_training_client_from_state_with_optimizer(found[0].state_uri).result(timeout=SECONDS)
    assert again.get_info().lora_rank == RANK


def test_a_name_that_is_taken_is_a_failed_save_and_the_next_step_has_its_own(
    sandbox: Sandbox, client: tinker.TrainingClient, tmp_path: Path
) -> None:
    taken = client.save_state("000001").result(timeout=SECONDS).path
    recorder = Recorder(client, tmp_path, base_model=str(sandbox.model_dir), lora_rank=RANK, save_every=1)
    outcome = recorder.step(1)
    assert outcome is not None
    assert outcome.state_path is None
    assert len(outcome.failures) == 1
    assert f"checkpoint {taken} already exists" in outcome.failures[0]
    assert recorder.step(2) == Outcome(
        "000002", 2, taken.replace("000001", "000002"), f"tinker://{client.model_id}/sampler_weights/000002", ()
    )
    rows = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    assert [("state_path" in row, "sampler_path" in row) for row in rows] == [(False, True), (True, True)]
    assert not (tmp_path / FINAL_INFO).exists()
