"""The training half of the local service, through the unmodified SDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import tinker

from stealthrl_tui.sandbox.corpus import SENTENCES
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox

# Loading into a client that exists is deprecated, and still what older trainers do.
pytestmark = pytest.mark.filterwarnings("ignore:.*load_state.*:FutureWarning")

SECONDS = 30.0
ADAM = tinker.AdamParams(learning_rate=0.02, eps=1e-8)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(models=["org/other"]) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environ().items():
            patch.setenv(name, value)
        yield running


def rest_client(sandbox: Sandbox) -> tinker.RestClient:
    # Without arguments it would be the client of the first service that this process ever asked.
    return tinker.RestClient(base_url=sandbox.base_url, api_key=sandbox.api_key)


@pytest.fixture(scope="module")
def service(sandbox: Sandbox) -> Iterator[tinker.ServiceClient]:
    with tinker.ServiceClient() as client:
        yield client


def new_client(service: tinker.ServiceClient, sandbox: Sandbox, rank: int = 8) -> tinker.TrainingClient:
    created = service.create_lora_training_client(base_model=str(sandbox.model_dir), rank=rank, seed=1)
    return created.result(timeout=SECONDS)


def datum(text: str) -> tinker.Datum:
    tokens = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
    inputs = {"target_tokens": tinker.TensorData.from_numpy(tokens[1:])}
    return tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1].tolist()), loss_fn_inputs=inputs)


def train(client: tinker.TrainingClient, steps: Sequence[int]) -> list[float]:
    """One sentence a step, requests sent ahead of their answers; the losses."""
    pending = []
    for step in steps:
        pending.append(client.forward_backward([datum(SENTENCES[step])], "cross_entropy"))
        client.optim_step(ADAM)
    return [future.result(timeout=SECONDS).metrics["loss:sum"] for future in pending]


def test_a_new_client_knows_its_model(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox, rank=4)
    info = client.get_info()
    assert (info.lora_rank, info.is_lora, info.model_data.model_name) == (4, True, str(sandbox.model_dir))
    assert client.get_tokenizer().encode("ab") == [97, 98]
    run = rest_client(sandbox).get_training_run(info.model_id).result(timeout=SECONDS)
    assert (run.base_model, run.lora_rank, run.corrupted, run.last_checkpoint) == (
        str(sandbox.model_dir),
        4,
        False,
        None,
    )


def test_the_loss_falls_and_token_log_probabilities_add_up_to_it(
    sandbox: Sandbox, service: tinker.ServiceClient
) -> None:
    client = new_client(service, sandbox)
    data = [datum(text) for text in SENTENCES[:4]]
    losses = []
    for _ in range(12):
        answer = client.forward_backward(data, "cross_entropy").result(timeout=SECONDS)
        metrics = client.optim_step(ADAM).result(timeout=SECONDS).metrics
        assert metrics is not None
        assert metrics["grad_norm"] > 0
        losses.append(answer.metrics["loss:sum"])
        parts = [output["logprobs"].to_numpy() for output in answer.loss_fn_outputs]
        assert [len(part) for part in parts] == [len(text) - 1 for text in SENTENCES[:4]]
        assert -sum(float(part.sum()) for part in parts) == pytest.approx(losses[-1], rel=1e-4)
    assert losses[-1] < 0.7 * losses[0]


def test_a_forward_pass_changes_nothing(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox)
    train(client, [0])
    first, second = (
        client.forward([datum(SENTENCES[1])], "cross_entropy").result(timeout=SECONDS).metrics for _ in range(2)
    )
    assert first == second


def test_weights_choose_what_is_learnt(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox)
    whole = datum(SENTENCES[0])
    weights = np.zeros(whole.model_input.length, dtype=np.float32)
    weights[3] = 2.0
    inputs = {**whole.loss_fn_inputs, "weights": tinker.TensorData.from_numpy(weights)}
    weighted = tinker.Datum(model_input=whole.model_input, loss_fn_inputs=inputs)
    answer = client.forward([weighted], "cross_entropy").result(timeout=SECONDS)
    logprobs = answer.loss_fn_outputs[0]["logprobs"].to_numpy()
    assert answer.metrics["loss:sum"] == pytest.approx(-2.0 * float(logprobs[3]), rel=1e-5)


@pytest.mark.parametrize("loss_fn", ["importance_sampling", "ppo", "cispo"])
def test_rewarded_tokens_become_likelier(sandbox: Sandbox, service: tinker.ServiceClient, loss_fn: str) -> None:
    client = new_client(service, sandbox)
    plain = datum(SENTENCES[2])
    before = client.forward([plain], "cross_entropy").result(timeout=SECONDS).loss_fn_outputs[0]["logprobs"]
    advantages = np.ones(plain.model_input.length, dtype=np.float32)
    inputs = {
        **plain.loss_fn_inputs,
        "logprobs": before,
        "advantages": tinker.TensorData.from_numpy(advantages),
    }
    rewarded = tinker.Datum(model_input=plain.model_input, loss_fn_inputs=inputs)
    client.forward_backward([rewarded], loss_fn).result(timeout=SECONDS)  # type: ignore[arg-type]
    client.optim_step(ADAM).result(timeout=SECONDS)
    after = client.forward([plain], "cross_entropy").result(timeout=SECONDS).loss_fn_outputs[0]["logprobs"]
    assert after.to_numpy().sum() > before.to_numpy().sum()


def test_with_the_optimizer_a_loaded_run_goes_on_bit_for_bit_and_without_it_does_not(
    sandbox: Sandbox, service: tinker.ServiceClient
) -> None:
    client = new_client(service, sandbox)
    train(client, range(6))
    saved = client.save_state("000006").result(timeout=SECONDS).path
    unbroken = train(client, range(6, 12))
    resumed = service.create_training_client_from_state_with_optimizer(saved).result(timeout=SECONDS)
    assert train(resumed, range(6, 12)) == unbroken
    fresh = service.create_training_client_from_state(saved).result(timeout=SECONDS)
    losses = train(fresh, range(6, 12))
    assert losses[0] == unbroken[0]
    assert losses[1:] != unbroken[1:]
    assert fresh.get_info().model_id != resumed.get_info().model_id
    reused = new_client(service, sandbox)
    reused.load_state_with_optimizer(saved).result(timeout=SECONDS)
    assert train(reused, range(6, 12)) == unbroken


def test_saved_samplers_speak_as_the_model_did_then(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox)
    greedy = tinker.SamplingParams(max_tokens=30, temperature=0.0, stop=[])
    prompt = tinker.ModelInput.from_ints(list(b"The "))

    def speak(sampler: tinker.SamplingClient) -> list[int]:
        return sampler.sample(prompt, 1, greedy).result(timeout=SECONDS).sequences[0].tokens

    early = client.save_weights_for_sampler("early").result(timeout=SECONDS).path
    train(client, list(range(20)))
    unnamed = client.save_weights_and_get_sampling_client().result(timeout=SECONDS)
    late = client.save_weights_for_sampler("late").result(timeout=SECONDS).path
    spoken = [speak(service.create_sampling_client(model_path=path).result(timeout=SECONDS)) for path in (early, late)]
    assert spoken[0] != spoken[1]
    assert speak(unnamed) == spoken[1]


def test_names_are_taken_once_unless_overwritten(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox)
    client.save_state("same").result(timeout=SECONDS)
    with pytest.raises(tinker.RequestFailedError, match="already exists"):
        client.save_state("same").result(timeout=SECONDS)
    client.save_state("same", overwrite=True).result(timeout=SECONDS)
    with pytest.raises(tinker.BadRequestError, match="not a checkpoint path"):
        client.save_state("../outside").result(timeout=SECONDS)


def test_what_does_not_fit_is_refused(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    client = new_client(service, sandbox, rank=8)
    other_rank = sandbox.save("tinker://r4:train:0/weights/x", lora_rank=4)
    with pytest.raises(tinker.RequestFailedError, match=r"Error code: 400 .*rank"):
        client.load_state_with_optimizer(other_rank).result(timeout=SECONDS)
    other_base = sandbox.save("tinker://b:train:0/weights/x", base_model="org/other")
    with pytest.raises(tinker.RequestFailedError, match=r"Error code: 400 .*base model"):
        client.load_state(other_base).result(timeout=SECONDS)
    with pytest.raises(tinker.RequestFailedError, match="sampler weights"):
        client.load_state(sandbox.save_sampler("no-state")).result(timeout=SECONDS)
    gone = "tinker://gone:train:0/weights/x"
    with pytest.raises(tinker.NotFoundError):
        service.create_training_client_from_state_with_optimizer(gone).result(timeout=SECONDS)
    expired = sandbox.save(gone, expires_at=1.0)
    with pytest.raises(tinker.NotFoundError, match="expired"):
        service.create_training_client_from_state_with_optimizer(expired).result(timeout=SECONDS)
    with pytest.raises(tinker.RequestFailedError, match="not supported"):
        service.create_lora_training_client(base_model="org/unknown", rank=8).result(timeout=SECONDS)
    with pytest.raises(tinker.BadRequestError, match="rank"):
        service.create_lora_training_client(base_model="org/other", rank=4096).result(timeout=SECONDS)
    with pytest.raises(tinker.RequestFailedError, match="loss function"):
        client.forward_backward([datum("ab")], "gspo").result(timeout=SECONDS)


def test_the_run_remembers_its_metadata_and_last_checkpoints(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    created = service.create_lora_training_client(
        base_model="org/other", rank=2, user_metadata={"renderer_name": "qwen3"}, train_mlp=False
    )
    client = created.result(timeout=SECONDS)
    state = client.save_state("one", ttl_seconds=7200).result(timeout=SECONDS).path
    client.save_state("two").result(timeout=SECONDS)
    client.save_weights_for_sampler("one").result(timeout=SECONDS)
    rest = rest_client(sandbox)
    run = rest.get_training_run_by_tinker_path(state).result(timeout=SECONDS)
    assert run.user_metadata == {"renderer_name": "qwen3"}
    assert run.last_checkpoint is not None
    assert run.last_checkpoint.checkpoint_id == "weights/two"
    assert run.last_checkpoint.expires_at is None
    assert run.last_sampler_checkpoint is not None
    assert run.last_sampler_checkpoint.checkpoint_type == "sampler"
    info = rest.get_weights_info_by_tinker_path(state).result(timeout=SECONDS)
    assert (info.base_model, info.lora_rank, info.train_mlp, info.train_attn) == ("org/other", 2, False, True)
