"""Sampling: sessions that name their weights once, and samples drawn from them."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.model import Network, base_network, merge, prompt_log_probabilities
from stealthrl_tui.sandbox.promises import Promises
from stealthrl_tui.sandbox.sampling import SamplingParams, check_prompt, draw, read_params
from stealthrl_tui.sandbox.sessions import Sessions
from stealthrl_tui.sandbox.store import SAMPLER, Place, Store, parse_place
from stealthrl_tui.sandbox.wire import encode_samples

_MOST_SAMPLES = 64
_CACHED_NETWORKS = 8
# What the hosted service offers and this one doesn't: asked for, it is refused instead of left out of the answer.
_UNSERVED = ("topk_prompt_logprobs", "topk_sample_logprobs", "prompt_alt_tokens_k", "target_prompt_logprobs")


@dataclass(frozen=True)
class Sampler:
    """A sampling session: the weights are at `place`, or `network` itself (saved for this session alone), or base."""

    id: str
    session_id: str
    base_model: str
    place: Place | None = None
    network: Network | None = None


class Samplers:
    """The sampling sessions of one service."""

    def __init__(self, store: Store, sessions: Sessions, promises: Promises, base_models: list[str]) -> None:
        self._store = store
        self._sessions = sessions
        self._promises = promises
        self._base_models = base_models
        self._lock = threading.Lock()
        self._samplers: dict[str, Sampler] = {}
        self._networks: OrderedDict[tuple[str, float], Network] = OrderedDict()

    def create(self, body: Fields) -> dict[str, Any]:
        """`create_sampling_session`: from a checkpoint's path or from a base model."""
        session_id = self._sessions.check(body.text("session_id"))
        sampler_id = f"{session_id}:sample:{body.integer('sampling_session_seq_id')}"
        path = body.optional_text("model_path")
        if path is not None:
            place = self.sampler_place(path)
            self.network_of(place)
            sampler = Sampler(sampler_id, session_id, self._store.run(place.run_id).base_model, place)
        else:
            sampler = Sampler(sampler_id, session_id, self.known_base_model(body.text("base_model")))
        self.add(sampler)
        return {"type": "create_sampling_session", "sampling_session_id": sampler_id}

    def add(self, sampler: Sampler) -> None:
        with self._lock:
            self._samplers[sampler.id] = sampler
        self._sessions.note_sampler(sampler.session_id, sampler.id)

    def known_base_model(self, name: str) -> str:
        """`name` when the service has that base model, or 400."""
        if name not in self._base_models:
            raise ServiceError(400, f"base model {name!r} is not supported")
        return name

    def sampler_place(self, path: str) -> Place:
        """The place of sampler weights that exist: 400 for other paths, 404 for what is gone."""
        place = parse_place(path, two_part=True)
        if place.kind != SAMPLER:
            raise ServiceError(400, f"{path} is training state, not sampler weights")
        self._store.checkpoint(place)
        return place

    def network_of(self, place: Place) -> Network:
        """The dense weights of a checkpoint that exists; the last few are kept."""
        key = place.uri, self._store.checkpoint(place).created
        with self._lock:
            if key in self._networks:
                self._networks.move_to_end(key)
                return self._networks[key]
        network = merge(self._store.load(place))
        with self._lock:
            self._networks[key] = network
            while len(self._networks) > _CACHED_NETWORKS:
                self._networks.popitem(last=False)
        return network

    def _sampler(self, sampler_id: str) -> Sampler:
        with self._lock:
            sampler = self._samplers.get(sampler_id)
        if sampler is None:
            raise ServiceError(404, f"no sampling session {sampler_id!r}")
        return sampler

    def describe(self, sampler_id: str) -> dict[str, Any]:
        """`samplers/{id}`."""
        sampler = self._sampler(sampler_id)
        path = sampler.place.uri if sampler.place else None
        return {"sampler_id": sampler.id, "base_model": sampler.base_model, "model_path": path}

    def sample(self, body: Fields) -> dict[str, Any]:
        """`asample`: a promise, and an id for each sample it will hold."""
        sampler = self._sampler(body.text("sampling_session_id"))
        self._sessions.check(sampler.session_id)
        count = body.integer("num_samples", 1)
        if not 1 <= count <= _MOST_SAMPLES:
            raise ServiceError(400, f"'num_samples' must be from 1 to {_MOST_SAMPLES}")
        for name in _UNSERVED:
            if body.raw(name):
                raise ServiceError(400, f"the sandbox has no {name}")
        params = read_params(body.inner("sampling_params"))
        prompt = check_prompt(_prompt_tokens(body.inner("prompt")), params)
        network = self._network(sampler)
        key = (sampler.id, body.integer("seq_id"))
        scored = _scored(body, len(prompt))

        def work() -> bytes:
            seed = _seed(params, key)
            samples = [draw(network, prompt, params, seed + index) for index in range(count)]
            prompt_logprobs = prompt_log_probabilities(network, prompt) if scored else None
            if prompt_logprobs is not None:
                prompt_logprobs[: len(prompt) - scored] = float("nan")
            return encode_samples(samples, prompt_logprobs)

        request_id = self._promises.submit("sampling", key, work)
        return {"request_id": request_id, "sample_sequence_ids": [f"{request_id}:{index}" for index in range(count)]}

    def _network(self, sampler: Sampler) -> Network:
        if sampler.place is not None:
            return self.network_of(sampler.place)
        return sampler.network or base_network()


def _prompt_tokens(prompt: Fields) -> list[Any]:
    tokens: list[Any] = []
    for item in prompt.items("chunks"):
        chunk = Fields(item, "a prompt chunk")
        if chunk.text("type", "encoded_text") != "encoded_text":
            raise ServiceError(400, "the sandbox's model reads text only")
        tokens.extend(chunk.items("tokens"))
    return tokens


def _scored(body: Fields, length: int) -> int:
    # How many of the last prompt tokens get a log probability.
    if not body.flag("prompt_logprobs", False):
        return 0
    last = body.optional_integer("prompt_logprobs_last_n")
    if last is not None and not 1 <= last < length:
        raise ServiceError(400, "'prompt_logprobs_last_n' must be from 1 to the prompt's length less one")
    return length if last is None else last


def _seed(params: SamplingParams, key: tuple[str, int]) -> int:
    if params.seed is not None:
        return params.seed % 2**63
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6])


def fresh_seed(params: SamplingParams) -> int:
    """The seed of a request that no sampling session numbers."""
    return params.seed % 2**63 if params.seed is not None else uuid.uuid4().int % 2**48
