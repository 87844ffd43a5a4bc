"""Drawing tokens from a network: temperature, top-k, nucleus, stop strings and tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.model import Floats, Network
from stealthrl_tui.sandbox.tokenizer import CONTEXT_LENGTH, END_OF_TEXT, TURN_END, VOCABULARY, token_bytes

_DEFAULT_TOKENS = 256


@dataclass(frozen=True)
class SamplingParams:
    """How to draw. Temperature 0 takes the likeliest token; `seed` None means a fresh draw each time."""

    max_tokens: int = _DEFAULT_TOKENS
    seed: int | None = None
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0
    stop_texts: tuple[bytes, ...] = ()
    stop_tokens: frozenset[int] = frozenset((TURN_END, END_OF_TEXT))


@dataclass(frozen=True)
class Sequence:
    """One sample: its tokens, the log probability of each under the model, and whether a stop ended it."""

    tokens: list[int]
    logprobs: list[float]
    stopped: bool


def read_params(fields: Fields) -> SamplingParams:
    """Sampling parameters as JSON has them; 400 for values no model could follow."""
    texts, tokens = _stops(fields.raw("stop"))
    params = SamplingParams(
        max_tokens=fields.integer("max_tokens", _DEFAULT_TOKENS),
        seed=fields.optional_integer("seed"),
        temperature=fields.number("temperature", 1.0),
        top_k=fields.integer("top_k", -1),
        top_p=fields.number("top_p", 1.0),
        stop_texts=texts,
        stop_tokens=tokens,
    )
    if params.max_tokens < 1:
        raise ServiceError(400, "'max_tokens' must be at least 1")
    if not params.temperature >= 0 or not 0 < params.top_p <= 1:
        raise ServiceError(400, "'temperature' must be at least 0 and 'top_p' above 0 and at most 1")
    return params


def _stops(value: object) -> tuple[tuple[bytes, ...], frozenset[int]]:
    # None keeps the marks that end a turn; an empty list switches every stop off (the SDK's SamplingParams.stop).
    if value is None:
        return (), SamplingParams().stop_tokens
    items = [value] if isinstance(value, str) else value
    if isinstance(items, list) and all(isinstance(item, str) and item for item in items):
        return tuple(item.encode("utf-8", "replace") for item in items), frozenset()
    if isinstance(items, list) and all(type(item) is int for item in items):
        return (), frozenset(items)
    raise ServiceError(400, "'stop' must be a string, a list of strings or a list of token ids")


def check_prompt(tokens: object, params: SamplingParams) -> list[int]:
    """`tokens` as a prompt that leaves room for the answer, or 400."""
    if not isinstance(tokens, list) or not all(type(token) is int and 0 <= token < VOCABULARY for token in tokens):
        raise ServiceError(400, f"prompt tokens must be integers from 0 to {VOCABULARY - 1}")
    if len(tokens) + params.max_tokens > CONTEXT_LENGTH:
        raise ServiceError(
            400, f"{len(tokens)} prompt tokens and {params.max_tokens} new ones exceed the context of {CONTEXT_LENGTH}"
        )
    return tokens


def draw(network: Network, prompt: list[int], params: SamplingParams, seed: int) -> Sequence:
    """One continuation of `prompt`; equal seeds give equal samples."""
    random = np.random.default_rng(seed)
    text, tokens, logprobs = bytearray(), list(prompt), []
    for _ in range(params.max_tokens):
        distribution = network.next_token(tokens)
        token = _choose(distribution, params, random)
        tokens.append(token)
        logprobs.append(float(distribution[token]))
        text += token_bytes(token)
        if token in params.stop_tokens or any(text.endswith(stop) for stop in params.stop_texts):
            return Sequence(tokens[len(prompt) :], logprobs, True)
    return Sequence(tokens[len(prompt) :], logprobs, False)


def _choose(distribution: Floats, params: SamplingParams, random: np.random.Generator) -> int:
    if params.temperature == 0:
        return int(distribution.argmax())
    scaled = distribution.astype(np.float64) / params.temperature
    weights = np.exp(scaled - scaled.max())
    if 0 < params.top_k < len(weights):
        weights[np.argsort(-weights, kind="stable")[params.top_k :]] = 0.0
    if params.top_p < 1:
        order = np.argsort(-weights, kind="stable")
        before = np.cumsum(weights[order]) - weights[order]
        weights[order[before >= params.top_p * weights.sum()]] = 0.0
    edges = np.cumsum(weights)
    return int(min(np.searchsorted(edges, random.random() * edges[-1], side="right"), len(edges) - 1))
