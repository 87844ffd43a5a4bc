"""A model in training: losses, gradients that add up until a step, Adam, and a state that can be saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stealthrl_tui.sandbox.errors import ServiceError
from stealthrl_tui.sandbox.model import Floats, Ints, LoraConfig, Network, contexts_of, gradient, merge, new_adapter

_SLICE = 8192  # positions computed at once: 8 MB of probabilities


@dataclass(frozen=True)
class Datum:
    """One training text: its (N,) input tokens, and the loss function's inputs by name, each of length N."""

    tokens: Ints
    inputs: Mapping[str, Floats | Ints]

    def column(self, name: str, default: float | None = None) -> Floats:
        """The loss input `name`; without one and without a default the request is refused."""
        value = self.inputs.get(name)
        if value is None:
            if default is None:
                raise ServiceError(400, f"loss_fn_inputs lacks {name!r}")
            return np.full(len(self.tokens), default, dtype=np.float32)
        if value.shape != self.tokens.shape:
            raise ServiceError(400, f"{name!r} has shape {list(value.shape)}, the input has {len(self.tokens)} tokens")
        return value.astype(np.float32)

    @property
    def targets(self) -> Ints:
        """(N,) the token to be predicted at each place."""
        value = self.inputs.get("target_tokens")
        if value is None or value.shape != self.tokens.shape:
            raise ServiceError(400, "'target_tokens' must hold one token for each input token")
        return value.astype(np.int64)


@dataclass(frozen=True)
class AdamParams:
    """One optimizer step, as the SDK sends it; weight decay is decoupled, a clip norm of 0 means no clipping."""

    learning_rate: float = 0.0001
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0


def loss_and_slopes(
    loss_fn: str, datum: Datum, logprobs: Floats, settings: Mapping[str, float]
) -> tuple[float, Floats]:
    """The summed loss of one text, and its derivative by the log probability of each target.

    `logprobs` (N,) are the model's now; the datum's own `logprobs` are those it was sampled with.
    """
    if loss_fn == "cross_entropy":
        weights = datum.column("weights", 1.0)
        return float(-(weights * logprobs).sum()), -weights
    if loss_fn not in ("importance_sampling", "ppo", "cispo"):
        raise ServiceError(400, f"the sandbox has no loss function {loss_fn!r}")
    advantages = datum.column("advantages") * datum.column("mask", 1.0)
    ratio = np.exp(logprobs - datum.column("logprobs"))
    if loss_fn == "importance_sampling":
        return float(-(ratio * advantages).sum()), -ratio * advantages
    low = settings.get("clip_low_threshold", 0.8)
    clipped = np.clip(ratio, low, settings.get("clip_high_threshold", 1.2))
    if loss_fn == "cispo":
        return float(-(clipped * advantages * logprobs).sum()), -clipped * advantages
    gain = np.minimum(ratio * advantages, clipped * advantages)
    # Where the clipped term is the smaller one the loss no longer depends on the model.
    moving = ratio * advantages <= clipped * advantages
    return float(-gain.sum()), -np.where(moving, ratio * advantages, 0.0).astype(np.float32)


class TrainingModel:
    """The adapter of one training run with its optimizer. Not thread-safe: one thread computes."""

    def __init__(self, config: LoraConfig) -> None:
        self.config = config
        self.adapter = new_adapter(config)
        self._reset_optimizer()

    def _reset_optimizer(self) -> None:
        self._first = {name: np.zeros_like(value) for name, value in self.adapter.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.adapter.items()}
        self._steps = 0
        self._gradient: dict[str, Floats] = {}
        self._network: Network | None = None

    def network(self) -> Network:
        """Dense weights of this moment; a later step makes new ones."""
        if self._network is None:
            self._network = merge(self.adapter)
        return self._network

    def forward_backward(
        self, data: Sequence[Datum], loss_fn: str, settings: Mapping[str, float], *, backward: bool
    ) -> tuple[float, list[Floats]]:
        """The summed loss and each text's (N,) target log probabilities; `backward` adds to the gradient."""
        if not data:
            raise ServiceError(400, "no training data")
        contexts = np.concatenate([contexts_of(datum.tokens) for datum in data])
        targets = np.concatenate([datum.targets for datum in data])
        logprobs = self._target_log_probabilities(contexts, targets)
        places = np.cumsum([len(datum.tokens) for datum in data])[:-1]
        per_text = np.split(logprobs, places)
        losses = [loss_and_slopes(loss_fn, datum, own, settings) for datum, own in zip(data, per_text, strict=True)]
        if backward:
            self._add_gradient(contexts, targets, np.concatenate([slopes for _, slopes in losses]))
        return sum(loss for loss, _ in losses), per_text

    def _target_log_probabilities(self, contexts: Ints, targets: Ints) -> Floats:
        network = self.network()
        result = np.empty(len(targets), dtype=np.float32)
        for start in range(0, len(targets), _SLICE):
            part = slice(start, start + _SLICE)
            logprobs = network.log_probabilities(network.features(contexts[part])[1])
            result[part] = logprobs[np.arange(len(logprobs)), targets[part]]
        return result

    def _add_gradient(self, contexts: Ints, targets: Ints, slopes: Floats) -> None:
        for start in range(0, len(targets), _SLICE):
            part = slice(start, start + _SLICE)
            added = gradient(
                self.network(), self.adapter, contexts[part], targets[part], slopes[part], self.config.trained
            )
            for name, value in added.items():
                self._gradient[name] = self._gradient[name] + value if name in self._gradient else value

    def pending_gradient(self) -> dict[str, Floats]:
        """What the next step will follow, by the names of the adapter's parts; empty after a step."""
        return dict(self._gradient)

    def optim_step(self, params: AdamParams) -> dict[str, float]:
        """One Adam step with the gradient so far, which starts again at zero; returns the step's metrics."""
        gradients, self._gradient = self._gradient, {}
        norm = float(np.sqrt(sum(float((value.astype(np.float64) ** 2).sum()) for value in gradients.values())))
        clip = params.grad_clip_norm / norm if 0 < params.grad_clip_norm < norm else 1.0
        self._steps += 1
        for matrix in self.config.trained:
            for name in (f"{matrix}.a", f"{matrix}.b"):
                self._update(name, gradients.get(name, np.zeros_like(self.adapter[name])) * np.float32(clip), params)
        self._network = None
        return {"grad_norm": norm, "learning_rate": params.learning_rate}

    def _update(self, name: str, slope: Floats, params: AdamParams) -> None:
        beta1, beta2 = np.float32(params.beta1), np.float32(params.beta2)
        self._first[name] = beta1 * self._first[name] + (1 - beta1) * slope
        self._second[name] = beta2 * self._second[name] + (1 - beta2) * slope * slope
        first = self._first[name] / np.float32(1 - params.beta1**self._steps)
        second = self._second[name] / np.float32(1 - params.beta2**self._steps)
        step = np.float32(params.learning_rate) * first / (np.sqrt(second) + np.float32(params.eps))
        decayed = self.adapter[name] * np.float32(1 - params.learning_rate * params.weight_decay)
        self.adapter[name] = decayed - step

    def scatter(self, key: str) -> None:
        """Differ a little from every other model, in a way that depends on `key` alone."""
        random = np.random.default_rng(list(key.encode()))
        for name, value in self.adapter.items():
            noise = random.standard_normal(value.shape).astype(np.float32)
            self.adapter[name] = value + noise * np.float32(0.2) * value.std()
        self._network = None

    def sampler_arrays(self) -> dict[str, Floats]:
        """What sampler weights hold: the adapter."""
        return dict(self.adapter)

    def state_arrays(self) -> dict[str, Floats | Ints]:
        """What a full state holds: the adapter, Adam's two moments, and its step count."""
        return {
            **self.adapter,
            **{f"first.{name}": value for name, value in self._first.items()},
            **{f"second.{name}": value for name, value in self._second.items()},
            "steps": np.array([self._steps], dtype=np.int64),
        }

    def load(self, arrays: Mapping[str, Floats | Ints], *, optimizer: bool) -> None:
        """Become the model of a saved state; without `optimizer`, Adam starts afresh."""
        self.adapter = {name: arrays[name].astype(np.float32) for name in self.adapter}
        self._reset_optimizer()
        if optimizer:
            self._first = {name: arrays[f"first.{name}"].astype(np.float32) for name in self.adapter}
            self._second = {name: arrays[f"second.{name}"].astype(np.float32) for name in self.adapter}
            self._steps = int(arrays["steps"][0])
