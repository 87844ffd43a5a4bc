"""The sampling half of the local service, through the unmodified SDK and the OpenAI-compatible door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tinker

from stealthrl_tui.sandbox.process import Sandbox, SandboxError, running_sandbox
from stealthrl_tui.sandbox.server import REJECTED_KEY

SECONDS = 20.0
PROMPT = tinker.ModelInput.from_ints(list(b"The boats come"))
CHAT = [{"role": "user", "content": "Tell me something about the harbour."}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(models=["org/known-model"]) as running, pytest.MonkeyPatch.context() as patch:
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


@pytest.fixture(scope="module")
def uri(sandbox: Sandbox) -> str:
    return sandbox.save_sampler("spoken")


def sampled(client: tinker.SamplingClient, **params: object) -> list[int]:
    chosen = tinker.SamplingParams(**{"max_tokens": 24, "temperature": 1.0, "seed": 7, **params})  # type: ignore[arg-type]
    return client.sample(PROMPT, 1, chosen).result(timeout=SECONDS).sequences[0].tokens


def test_the_capabilities_name_the_base_models(sandbox: Sandbox) -> None:
    models = rest_client(sandbox).get_server_capabilities().result(timeout=SECONDS).supported_models
    assert [model.model_name for model in models] == [str(sandbox.model_dir), "org/known-model"]


def test_a_checkpoint_is_sampled_with_its_tokenizer(sandbox: Sandbox, service: tinker.ServiceClient, uri: str) -> None:
    client = service.create_sampling_client(model_path=uri).result(timeout=SECONDS)
    assert client.get_base_model() == str(sandbox.model_dir)
    tokenizer = client.get_tokenizer()
    assert tokenizer.decode(tokenizer.encode("Grüße <|im_end|>")) == "Grüße <|im_end|>"
    params = tinker.SamplingParams(max_tokens=30, temperature=0.8, seed=1, stop="<|im_end|>")
    response = client.sample(PROMPT, 3, params, include_prompt_logprobs=True).result(timeout=SECONDS)
    assert len({tuple(sequence.tokens) for sequence in response.sequences}) == 3
    assert len({sequence.sequence_id for sequence in response.sequences}) == 3
    for sequence in response.sequences:
        assert sequence.logprobs is not None
        assert len(sequence.tokens) == len(sequence.logprobs)
        assert sequence.stop_reason == ("stop" if sequence.tokens[-1] == 258 else "length")
    assert response.prompt_logprobs is not None
    assert response.prompt_logprobs[0] is None
    assert all(value is not None and value < 0 for value in response.prompt_logprobs[1:])


def test_sampling_parameters_are_followed(service: tinker.ServiceClient, uri: str) -> None:
    client = service.create_sampling_client(model_path=uri).result(timeout=SECONDS)
    assert sampled(client) == sampled(client)
    assert sampled(client) != sampled(client, seed=8)
    assert sampled(client, temperature=0.0, seed=1) == sampled(client, temperature=0.0, seed=2)
    assert len(sampled(client, stop=[], max_tokens=50)) == 50
    first = sampled(client, stop=[])[3]
    assert sampled(client, stop=[first])[-1] == first


def test_log_probabilities_of_the_last_tokens(service: tinker.ServiceClient, uri: str) -> None:
    client = service.create_sampling_client(model_path=uri).result(timeout=SECONDS)
    whole = client.compute_logprobs(PROMPT).result(timeout=SECONDS)
    last = client.compute_logprobs(PROMPT, prompt_logprobs_last_n=3).result(timeout=SECONDS)
    assert last == [None] * (len(whole) - 3) + whole[-3:]


def test_the_base_model_and_another_name_of_it(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    clients = [
        service.create_sampling_client(base_model=name).result(timeout=SECONDS)
        for name in (str(sandbox.model_dir), "org/known-model")
    ]
    assert sampled(clients[0]) == sampled(clients[1])


def test_a_two_part_path_is_sampler_weights(sandbox: Sandbox, service: tinker.ServiceClient) -> None:
    three_part = sandbox.save("tinker://model_1/final", base_model="org/somewhere", lora_rank=4)
    assert three_part == "tinker://model_1/sampler_weights/final"
    clients = [
        service.create_sampling_client(model_path=path).result(timeout=SECONDS)
        for path in ("tinker://model_1/final", three_part)
    ]
    assert sampled(clients[0]) == sampled(clients[1])
    assert clients[0].get_base_model() == "org/somewhere"


def test_what_can_not_be_sampled_is_refused(sandbox: Sandbox, service: tinker.ServiceClient, uri: str) -> None:
    def create(path: str) -> None:
        service.create_sampling_client(model_path=path).result(timeout=SECONDS)

    with pytest.raises(tinker.NotFoundError, match="no checkpoint"):
        create("tinker://nobody:train:0/sampler_weights/x")
    with pytest.raises(tinker.BadRequestError, match="training state"):
        create(sandbox.save_state("spoken"))
    with pytest.raises(tinker.BadRequestError, match="not a checkpoint path"):
        create("tinker://a/b/c/d")
    with pytest.raises(tinker.NotFoundError, match="expired"):
        create(sandbox.save("tinker://old:train:0/sampler_weights/x", expires_at=1.0))
    with pytest.raises(tinker.BadRequestError, match="not supported"):
        service.create_sampling_client(base_model="org/unknown").result(timeout=SECONDS)
    client = service.create_sampling_client(model_path=uri).result(timeout=SECONDS)
    for wrong in ({"max_tokens": 0}, {"temperature": -1.0}, {"max_tokens": 40_000}, {"top_p": 0.0}):
        with pytest.raises(tinker.BadRequestError):
            sampled(client, **wrong)
    with pytest.raises(tinker.BadRequestError, match="prompt tokens"):
        client.sample(tinker.ModelInput.from_ints([999]), 1, tinker.SamplingParams()).result(timeout=SECONDS)


def test_a_checkpoint_deleted_under_a_sampler_is_missed_at_the_next_sample(
    sandbox: Sandbox, service: tinker.ServiceClient
) -> None:
    path = sandbox.save_sampler("short-lived")
    client = service.create_sampling_client(model_path=path).result(timeout=SECONDS)
    assert sampled(client)
    rest_client(sandbox).delete_checkpoint_from_tinker_path(path).result(timeout=SECONDS)
    with pytest.raises(tinker.NotFoundError):
        sampled(client)


def test_a_rejected_key_is_401_and_a_session_ends_when_closed(sandbox: Sandbox, uri: str) -> None:
    with pytest.raises(tinker.AuthenticationError):
        tinker.RestClient(base_url=sandbox.base_url, api_key=REJECTED_KEY)
    before = set(sandbox.open_sessions())
    with tinker.ServiceClient() as own:
        client = own.create_sampling_client(model_path=uri).result(timeout=SECONDS)
        (session_id,) = set(sandbox.open_sessions()) - before
        assert client.holder.get_session_id() == session_id
    assert set(sandbox.open_sessions()) == before


def test_completions_without_the_sdk(sandbox: Sandbox, uri: str) -> None:
    wanted = {"model": uri, "prompt": "The boats", "max_tokens": 16, "seed": 3, "n": 2}
    first, again = (sandbox.call("POST", "/oai/api/v1/completions", wanted) for _ in range(2))
    assert first["choices"] == again["choices"]
    assert [choice["index"] for choice in first["choices"]] == [0, 1]
    assert first["usage"]["prompt_tokens"] == len("The boats")
    by_tokens = sandbox.call("POST", "/oai/api/v1/completions", {**wanted, "prompt": list(b"The boats")})
    assert by_tokens["choices"] == first["choices"]


def test_a_stop_word_is_left_out_of_a_completion(sandbox: Sandbox, uri: str) -> None:
    wanted = {"model": uri, "prompt": "The boats", "max_tokens": 200, "seed": 3}
    text = sandbox.call("POST", "/oai/api/v1/completions", wanted)["choices"][0]["text"]
    word = text[4:7]
    stopped = sandbox.call("POST", "/oai/api/v1/completions", {**wanted, "stop": word})["choices"][0]
    assert stopped["text"] == text[: text.index(word)]
    assert stopped["finish_reason"] == "stop"


def test_chat_completions_without_the_sdk(sandbox: Sandbox, uri: str) -> None:
    wanted = {"model": uri, "messages": CHAT, "max_tokens": 60, "temperature": 0}
    choice = sandbox.call("POST", "/oai/api/v1/chat/completions", wanted)["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"].startswith("The")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "tinker://nobody:train:0/sampler_weights/x"}, 404),
        ({"model": "org/unknown"}, 400),
        ({"stream": True}, 400),
        ({"n": 0}, 400),
        ({"prompt": 5}, 400),
        ({"stop": [1, "a"]}, 400),
    ],
)
def test_completions_that_are_refused(sandbox: Sandbox, uri: str, change: dict[str, object], status: int) -> None:
    wanted = {"model": uri, "prompt": "The", **change}
    with pytest.raises(SandboxError, match=f"HTTP {status}.*error"):
        sandbox.call("POST", "/oai/api/v1/completions", wanted)
