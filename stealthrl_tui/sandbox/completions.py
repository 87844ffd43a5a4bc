"""The OpenAI-compatible door: completions and chat completions from sampler weights, without session or tokenizer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.model import Network, base_network
from stealthrl_tui.sandbox.samplers import Samplers, fresh_seed
from stealthrl_tui.sandbox.sampling import Sequence, check_prompt, draw, read_params
from stealthrl_tui.sandbox.tokenizer import decode, encode, render_chat, token_bytes

_MOST_SAMPLES = 16


class Completions:
    """`/oai/api/v1`: the model is a sampler URI or a base model's name."""

    def __init__(self, samplers: Samplers) -> None:
        self._samplers = samplers

    def completions(self, body: Fields) -> dict[str, Any]:
        """`completions`: the prompt is a text or a list of token ids."""
        prompt = body.raw("prompt")
        tokens = encode(prompt) if isinstance(prompt, str) else prompt
        answer, samples = self._answer(body, tokens)
        choices = [{"text": _text(sample, body), **_choice(index, sample)} for index, sample in samples]
        return {**answer, "object": "text_completion", "choices": choices}

    def chat_completions(self, body: Fields) -> dict[str, Any]:
        """`chat/completions`: the messages are rendered as the tokenizer's chat template does it."""
        messages = [_message(item) for item in body.items("messages")]
        answer, samples = self._answer(body, render_chat(messages))
        choices = [
            {"message": {"role": "assistant", "content": _text(sample, body)}, **_choice(index, sample)}
            for index, sample in samples
        ]
        return {**answer, "object": "chat.completion", "choices": choices}

    def _answer(self, body: Fields, tokens: object) -> tuple[dict[str, Any], list[tuple[int, Sequence]]]:
        if body.flag("stream", False):
            raise ServiceError(400, "the sandbox does not stream")
        params = read_params(body)
        if params.stop_texts:
            # Unlike the SDK's, this interface's stop strings come on top of the marks that end a turn.
            params = replace(params, stop_tokens=type(params)().stop_tokens)
        prompt = check_prompt(tokens, params)
        model = body.text("model")
        network = self._network(model)
        seed, count = fresh_seed(params), body.integer("n", 1)
        if not 1 <= count <= _MOST_SAMPLES:
            raise ServiceError(400, f"'n' must be from 1 to {_MOST_SAMPLES}")
        samples = [draw(network, prompt, params, seed + index) for index in range(count)]
        drawn = sum(len(sample.tokens) for sample in samples)
        usage = {"prompt_tokens": len(prompt), "completion_tokens": drawn, "total_tokens": len(prompt) + drawn}
        answer = {"id": f"cmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model, "usage": usage}
        return answer, list(enumerate(samples))

    def _network(self, model: str) -> Network:
        if model.startswith("tinker://"):
            return self._samplers.network_of(self._samplers.sampler_place(model))
        self._samplers.known_base_model(model)
        return base_network()


def _message(item: object) -> Mapping[str, str]:
    message = Fields(item, "a message")
    return {"role": message.text("role"), "content": message.text("content")}


def _choice(index: int, sample: Sequence) -> dict[str, Any]:
    return {"index": index, "finish_reason": "stop" if sample.stopped else "length", "logprobs": None}


def _text(sample: Sequence, body: Fields) -> str:
    # The stop itself is left out of the text, as this interface has it.
    text = decode(sample.tokens)
    stop = body.raw("stop")
    if sample.stopped and stop is not None:
        written = b"".join(map(token_bytes, sample.tokens)).decode("utf-8", "replace")
        for word in [stop] if isinstance(stop, str) else stop:
            if isinstance(word, str) and written.endswith(word) and text.endswith(word):
                return text[: -len(word)]
    return text
