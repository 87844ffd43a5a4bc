"""A language model small enough to train while you watch: the next byte from the last eight.

Embedded bytes -> one hidden layer -> softmax over 259 tokens. The base weights are random features from a fixed seed
with an English letter frequency as the output bias; what is trained is a low-rank update of each of the three
matrices, as LoRA does it. All arithmetic is float32 on one thread, so equal histories give equal bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stealthrl_tui.sandbox.tokenizer import END_OF_TEXT, TURN_END, VOCABULARY

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]

CONTEXT, EMBEDDING, HIDDEN = 8, 16, 64
ALPHA = 32.0  # a low-rank update counts ALPHA / rank times
_NO_TEXT = VOCABULARY  # the embedding row of the places before a text begins
_LETTERS = "eeeeeeeeeeeettttttttaaaaaaaoooooooiiiiiiinnnnnnnssssshhhhhrrrrrddddlllluuucccmmmwwffggyyppbbvk"

# (rows, columns) of the three matrices, by the name of the service's flag that trains each.
SHAPES = {"attn": (VOCABULARY + 1, EMBEDDING), "mlp": (CONTEXT * EMBEDDING, HIDDEN), "unembed": (HIDDEN, VOCABULARY)}


@dataclass(frozen=True)
class Network:
    """Dense weights, ready to compute with: embedding, hidden and output matrices, and the output bias."""

    embedding: Floats
    hidden: Floats
    output: Floats
    bias: Floats

    def features(self, contexts: Ints) -> tuple[Floats, Floats]:
        """(N, CONTEXT) token ids -> the (N, 128) input and the (N, 64) activations of the hidden layer."""
        inputs = self.embedding[contexts].reshape(len(contexts), CONTEXT * EMBEDDING)
        return inputs, np.tanh(inputs @ self.hidden)

    def log_probabilities(self, activations: Floats) -> Floats:
        """(N, 64) activations -> (N, VOCABULARY) natural-log probabilities of the next token."""
        logits: Floats = activations @ self.output + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits

    def next_token(self, tokens: list[int]) -> Floats:
        """(VOCABULARY,) log probabilities of the token after `tokens`."""
        tail = tokens[-CONTEXT:]
        context = np.array([[_NO_TEXT] * (CONTEXT - len(tail)) + tail], dtype=np.int64)
        logprobs: Floats = self.log_probabilities(self.features(context)[1])[0]
        return logprobs


@lru_cache(maxsize=1)
def base_network() -> Network:
    """The base model: the same weights in every process."""
    random = np.random.default_rng(20240501)
    embedding, hidden, output = (
        (random.standard_normal(SHAPES[name]) * scale).astype(np.float32)
        for name, scale in (("attn", 1.0), ("mlp", 0.12), ("unembed", 0.1))
    )
    return Network(embedding, hidden, output, _letter_bias())


def _letter_bias() -> Floats:
    # Without it the untrained model would speak in control bytes and broken UTF-8.
    counts = np.full(VOCABULARY, 1e-4)
    counts[0x20:0x7F] = 0.02
    for letter in _LETTERS:
        counts[ord(letter)] += 1.0
    counts[ord(" ")] += 18.0
    counts[[ord("."), ord(",")]] += 0.8
    counts[TURN_END] += 0.5
    counts[END_OF_TEXT] = 1e-4
    bias: Floats = np.log(counts / counts.sum()).astype(np.float32)
    return bias


@dataclass(frozen=True)
class LoraConfig:
    """What `create_model` fixes for a training run: the rank, the seed of the first weights, what is trained."""

    rank: int
    seed: int = 0
    train_attn: bool = True
    train_mlp: bool = True
    train_unembed: bool = True

    @property
    def trained(self) -> tuple[str, ...]:
        """The matrices that learn, by their names in SHAPES."""
        return tuple(name for name in SHAPES if getattr(self, f"train_{name}"))


def new_adapter(config: LoraConfig) -> dict[str, Floats]:
    """The low-rank update before any step: `<matrix>.a` random, `<matrix>.b` zero, so that nothing changes yet."""
    adapter: dict[str, Floats] = {}
    for index, (name, (rows, columns)) in enumerate(SHAPES.items()):
        random = np.random.default_rng([config.seed, index])
        adapter[f"{name}.a"] = (random.standard_normal((rows, config.rank)) / np.sqrt(rows)).astype(np.float32)
        adapter[f"{name}.b"] = np.zeros((config.rank, columns), dtype=np.float32)
    return adapter


def merge(adapter: dict[str, Floats]) -> Network:
    """The base model with `adapter` worked in."""
    base = base_network()
    scale = np.float32(ALPHA / adapter["mlp.a"].shape[1])
    delta = {name: scale * (adapter[f"{name}.a"] @ adapter[f"{name}.b"]) for name in SHAPES}
    return Network(
        base.embedding + delta["attn"], base.hidden + delta["mlp"], base.output + delta["unembed"], base.bias
    )


def contexts_of(tokens: Ints) -> Ints:
    """(N,) tokens of one text -> the (N, CONTEXT) tokens that end at each place."""
    padded = np.concatenate([np.full(CONTEXT - 1, _NO_TEXT, dtype=np.int64), tokens])
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT)


def prompt_log_probabilities(network: Network, tokens: list[int]) -> Floats:
    """(N,) log probability of each token given those before it; NaN for the first."""
    ids = np.array(tokens, dtype=np.int64)
    result = np.full(len(ids), np.nan, dtype=np.float32)
    if len(ids) > 1:
        logprobs = network.log_probabilities(network.features(contexts_of(ids[:-1]))[1])
        result[1:] = logprobs[np.arange(len(ids) - 1), ids[1:]]
    return result


def gradient(
    network: Network,
    adapter: dict[str, Floats],
    contexts: Ints,
    targets: Ints,
    slopes: Floats,
    trained: tuple[str, ...],
) -> dict[str, Floats]:
    """The gradient of a loss by the trained parts of `adapter`.

    `slopes` (N,) is the derivative of the loss by the log probability of each target.
    """
    inputs, activations = network.features(contexts)
    errors = np.exp(network.log_probabilities(activations)) * -slopes[:, None]
    errors[np.arange(len(targets)), targets] += slopes
    dense: dict[str, Floats] = {"unembed": activations.T @ errors}
    hidden_errors: Floats = (errors @ network.output.T) * (np.float32(1) - activations**2)
    dense["mlp"] = inputs.T @ hidden_errors
    if "attn" in trained:
        rows: Floats = np.zeros(SHAPES["attn"], dtype=np.float32)
        np.add.at(rows, contexts.ravel(), (hidden_errors @ network.hidden.T).reshape(-1, EMBEDDING))
        dense["attn"] = rows
    scale = np.float32(ALPHA / adapter["mlp.a"].shape[1])
    result: dict[str, Floats] = {}
    for name in trained:
        result[f"{name}.a"] = scale * (dense[name] @ adapter[f"{name}.b"].T)
        result[f"{name}.b"] = scale * (adapter[f"{name}.a"].T @ dense[name])
    return result
