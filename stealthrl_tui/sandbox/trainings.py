"""Training: models that live in memory, stepped by a client, saved to and loaded from the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.model import LoraConfig
from stealthrl_tui.sandbox.promises import Outcome, Promises
from stealthrl_tui.sandbox.samplers import Sampler, Samplers
from stealthrl_tui.sandbox.sessions import Sessions
from stealthrl_tui.sandbox.store import SAMPLER, STATE, Place, Store, TrainingRun, make_place, parse_place
from stealthrl_tui.sandbox.training import AdamParams, TrainingModel
from stealthrl_tui.sandbox.wire import decode_forward_backward, encode_forward_backward

_HIGHEST_RANK = 128


class Trainings:
    """The models in training of one service. Each is touched by the one training thread alone."""

    def __init__(
        self, store: Store, sessions: Sessions, promises: Promises, samplers: Samplers, tokenizer_id: str
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._promises = promises
        self._samplers = samplers
        self._tokenizer_id = tokenizer_id
        self._lock = threading.Lock()
        self._models: dict[str, TrainingModel] = {}

    def create(self, body: Fields) -> dict[str, Any]:
        """`create_model`: a new training run on a base model."""
        session_id, run_id = self._new_run(body)
        base_model = body.text("base_model")
        lora = _read_lora(body.inner("lora_config") if "lora_config" in body else Fields({"rank": 32}))
        user_metadata = body.mapping("user_metadata")

        def work() -> Outcome:
            self._samplers.known_base_model(base_model)
            self._start(session_id, run_id, base_model, TrainingModel(lora), user_metadata)
            return {"model_id": run_id, "type": "create_model"}

        return self._promise((run_id, 0), work)

    def _new_run(self, body: Fields) -> tuple[str, str]:
        session_id = self._sessions.check(body.text("session_id"))
        return session_id, f"{session_id}:train:{body.integer('model_seq_id')}"

    def _start(
        self, session_id: str, run_id: str, base_model: str, model: TrainingModel, user_metadata: dict[str, str] | None
    ) -> None:
        run = TrainingRun(run_id, base_model, model.config, self._store.now(), user_metadata=user_metadata)
        self._store.put_run(run)
        with self._lock:
            self._models[run_id] = model
        self._sessions.note_run(session_id, run_id)

    def _promise(self, key: tuple[str, int], work: Callable[[], Outcome]) -> dict[str, Any]:
        return {"request_id": self._promises.submit("training", key, work), "model_id": key[0]}

    def _model(self, run_id: str) -> TrainingModel:
        with self._lock:
            model = self._models.get(run_id)
        if model is None:
            raise ServiceError(404, f"no model {run_id!r} is loaded")
        self._sessions.check(run_id.partition(":train:")[0])
        self._store.touch(run_id)
        return model

    def info(self, body: Fields) -> dict[str, Any]:
        """`get_info`."""
        run = self._store.run(body.text("model_id"))
        data = {"arch": "tiny-byte-model", "model_name": run.base_model, "tokenizer_id": self._tokenizer_id}
        return {
            "type": "get_info",
            "model_id": run.id,
            "model_data": data,
            "model_name": run.base_model,
            "is_lora": True,
            "lora_rank": run.lora.rank,
        }

    def forward_backward(self, body: bytes) -> dict[str, Any]:
        """`forward_backward`, whose body is protobuf; with `forward_only` nothing is added to the gradient."""
        request = decode_forward_backward(body)
        model = self._model(request.model_id)

        def work() -> bytes:
            loss, logprobs = model.forward_backward(
                request.data, request.loss_fn, request.settings, backward=not request.forward_only
            )
            return encode_forward_backward(loss, logprobs)

        return self._promise((request.model_id, request.seq_id), work)

    def optim_step(self, body: Fields) -> dict[str, Any]:
        """`optim_step`."""
        model = self._model(body.text("model_id"))
        if "adam_params" not in body:
            raise ServiceError(400, "the sandbox has Adam only")
        sent = body.inner("adam_params")
        params = AdamParams(**{field.name: sent.number(field.name, field.default) for field in fields(AdamParams)})  # type: ignore[arg-type]  # every default is a float
        return self._promise(_key(body), lambda: {"metrics": model.optim_step(params)})

    def save_state(self, body: Fields) -> dict[str, Any]:
        """`save_weights`: the full state under a name; an existing name needs `overwrite`."""
        model = self._model(body.text("model_id"))
        place = _place(body, STATE)
        expires_at = self._store.expiry(body.optional_integer("ttl_seconds"))
        overwrite, user_metadata = body.flag("overwrite", False), body.mapping("user_metadata")

        def work() -> Outcome:
            if not overwrite:
                self._refuse_taken(place)
            self._store.save(place, model.state_arrays(), expires_at=expires_at, user_metadata=user_metadata)
            return {"path": place.uri, "type": "save_weights"}

        return self._promise(_key(body), work)

    def save_sampler(self, body: Fields) -> dict[str, Any]:
        """`save_weights_for_sampler`: under a name, or for one sampling session that no path leads to."""
        model = self._model(body.text("model_id"))
        if "path" not in body and "sampling_session_seq_id" in body:
            return self._save_for_session(model, body)
        place = _place(body, SAMPLER)
        expires_at = self._store.expiry(body.optional_integer("ttl_seconds"))
        user_metadata = body.mapping("user_metadata")

        def work() -> Outcome:
            self._refuse_taken(place)
            self._store.save(place, model.sampler_arrays(), expires_at=expires_at, user_metadata=user_metadata)
            return {"path": place.uri, "type": "save_weights_for_sampler"}

        return self._promise(_key(body), work)

    def _save_for_session(self, model: TrainingModel, body: Fields) -> dict[str, Any]:
        run = self._store.run(body.text("model_id"))
        if body.text("kind", "snapshot") != "snapshot":
            raise ServiceError(400, "the sandbox has no inflight sampling clients")
        session_id = run.id.partition(":train:")[0]
        sampler_id = f"{session_id}:sample:{body.integer('sampling_session_seq_id')}"

        def work() -> Outcome:
            self._samplers.add(Sampler(sampler_id, session_id, run.base_model, network=model.network()))
            return {"sampling_session_id": sampler_id, "type": "save_weights_for_sampler"}

        return self._promise(_key(body), work)

    def _refuse_taken(self, place: Place) -> None:
        if any(checkpoint.place == place for checkpoint in self._store.checkpoints(place.run_id)):
            raise ServiceError(400, f"checkpoint {place.uri} already exists")

    def load(self, body: Fields) -> dict[str, Any]:
        """`load_weights`: into a model that exists, or as the first request of a new one."""
        place = parse_place(body.text("path"))
        self._store.checkpoint(place)
        if "model_id" not in body:
            return self._load_new(place, body)
        run_id, optimizer = body.text("model_id"), body.flag("optimizer")
        model = self._model(run_id)

        def work() -> Outcome:
            source = self._loadable(place)
            if source.base_model != self._store.run(run_id).base_model:
                raise ServiceError(400, f"the base model of {place.uri} is {source.base_model}")
            if source.lora.rank != model.config.rank:
                raise ServiceError(
                    400, f"the LoRA rank of {place.uri} is {source.lora.rank}, that of the model {model.config.rank}"
                )
            model.load(self._store.load(place), optimizer=optimizer)
            return {"path": place.uri, "model_id": run_id, "type": "load_weights"}

        return self._promise(_key(body), work)

    def _load_new(self, place: Place, body: Fields) -> dict[str, Any]:
        session_id, run_id = self._new_run(body)
        base_model, optimizer = body.optional_text("base_model"), body.flag("optimizer")
        user_metadata = body.mapping("user_metadata")

        def work() -> Outcome:
            source = self._loadable(place)
            if base_model not in (None, source.base_model):
                raise ServiceError(400, f"the base model of {place.uri} is {source.base_model}, not {base_model}")
            model = TrainingModel(source.lora)
            model.load(self._store.load(place), optimizer=optimizer)
            self._start(session_id, run_id, source.base_model, model, user_metadata)
            return {"path": place.uri, "model_id": run_id, "type": "load_weights"}

        return self._promise((run_id, 0), work)

    def _loadable(self, place: Place) -> TrainingRun:
        if place.kind != STATE:
            raise ServiceError(400, f"{place.uri} is sampler weights, not training state")
        return self._store.run(place.run_id)


def _key(body: Fields) -> tuple[str, int]:
    return body.text("model_id"), body.integer("seq_id")


def _place(body: Fields, kind: str) -> Place:
    # A save without a name is named by its request, which no other of the run shares.
    return make_place(body.text("model_id"), kind, body.text("path", f"{body.integer('seq_id'):06d}"))


def read_rank(body: Fields, name: str, default: int | None = None) -> int:
    """A LoRA rank that the service has, or 400."""
    rank = body.integer(name, default)
    if not 1 <= rank <= _HIGHEST_RANK:
        raise ServiceError(400, f"{name!r} must be from 1 to {_HIGHEST_RANK}")
    return rank


def _read_lora(body: Fields) -> LoraConfig:
    flags = {f"train_{name}": body.flag(f"train_{name}", True) for name in ("attn", "mlp", "unembed")}
    return LoraConfig(rank=read_rank(body, "rank"), seed=body.integer("seed", 0) % 2**63, **flags)
