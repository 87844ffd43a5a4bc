"""What exists, as the REST calls tell it: training runs, checkpoints, and what is done to a checkpoint."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stealthrl_tui.sandbox.errors import Fields, ServiceError
from stealthrl_tui.sandbox.exchange import Reply, Request
from stealthrl_tui.sandbox.model import LoraConfig
from stealthrl_tui.sandbox.practice import practised_model
from stealthrl_tui.sandbox.store import (
    SAMPLER,
    STATE,
    Checkpoint,
    Place,
    Store,
    TrainingRun,
    make_place,
    parse_place,
)
from stealthrl_tui.sandbox.trainings import read_rank

_LARGEST_PAGE = 1000


class Registry:
    """The REST face of a store."""

    def __init__(self, store: Store, default_base_model: str) -> None:
        self._store = store
        self._default_base_model = default_base_model

    def training_runs(self, request: Request) -> dict[str, Any]:
        """`training_runs`: one page, the run used last first."""
        runs = [self._run_json(run) for run in self._store.runs()]
        return _page(request, runs, "training_runs", default=20)

    def training_run(self, run_id: str) -> dict[str, Any]:
        return self._run_json(self._store.run(run_id))

    def checkpoints(self, request: Request) -> dict[str, Any]:
        """`checkpoints`: one page of all there are, newest first."""
        found = [_checkpoint_json(checkpoint) for checkpoint in self._store.checkpoints()]
        return _page(request, found, "checkpoints", default=100)

    def run_checkpoints(self, run_id: str) -> dict[str, Any]:
        return {"checkpoints": [_checkpoint_json(checkpoint) for checkpoint in self._store.checkpoints(run_id)]}

    def weights_info(self, body: Fields) -> dict[str, Any]:
        """`weights_info`: what one must know to load a checkpoint."""
        place = parse_place(body.text("tinker_path"))
        self._store.checkpoint(place)
        run = self._store.run(place.run_id)
        return {
            "base_model": run.base_model,
            "is_lora": True,
            "lora_rank": run.lora.rank,
            "train_attn": run.lora.train_attn,
            "train_mlp": run.lora.train_mlp,
            "train_unembed": run.lora.train_unembed,
        }

    def set_ttl(self, request: Request) -> Reply:
        body = request.fields()
        seconds = body.optional_integer("ttl_seconds")
        self._store.set_ttl(make_place(*request.groups), seconds)
        return Reply(204)

    def delete(self, request: Request) -> Reply:
        self._store.delete(make_place(*request.groups))
        return Reply(204)

    def publish(self, request: Request) -> Reply:
        self._store.set_public(make_place(*request.groups), request.method == "POST")
        return Reply(204)

    def seed(self, body: Fields) -> dict[str, Any]:
        """Make a checkpoint at a URI of the caller's choice, so that runs trained elsewhere have theirs here.

        `uri`, and optionally `base_model`, `lora_rank`, `created`, `expires_at` (Unix seconds; the past makes an
        expired one) and `corrupted`. A two-part URI makes sampler weights. The run is made when it is unknown.
        """
        place = parse_place(body.text("uri"), two_part=True)
        self._seed_run(place, body)
        # State and sampler weights of one save are the same model, and each save is another.
        model = practised_model(self._store.run(place.run_id).lora.rank, f"{place.run_id}/{place.name}")
        arrays = model.state_arrays() if place.kind == STATE else model.sampler_arrays()
        expires_at, created = body.optional_number("expires_at"), body.optional_number("created")
        self._store.save(place, arrays, expires_at=expires_at, created=created)
        return {"path": place.uri}

    def _seed_run(self, place: Place, body: Fields) -> None:
        try:
            known = self._store.run(place.run_id)
        except ServiceError:
            known = TrainingRun(place.run_id, self._default_base_model, LoraConfig(rank=8), self._store.now())
        lora = LoraConfig(rank=read_rank(body, "lora_rank", known.lora.rank))
        self._store.put_run(
            TrainingRun(
                known.id,
                body.text("base_model", known.base_model),
                lora,
                self._store.now(),
                corrupted=body.flag("corrupted", known.corrupted),
                user_metadata=known.user_metadata,
            )
        )

    def _run_json(self, run: TrainingRun) -> dict[str, Any]:
        checkpoints = self._store.checkpoints(run.id)

        def newest(kind: str) -> dict[str, Any] | None:
            return next((_checkpoint_json(item) for item in checkpoints if item.place.kind == kind), None)

        return {
            "training_run_id": run.id,
            "base_model": run.base_model,
            "model_owner": "sandbox",
            "is_lora": True,
            "lora_rank": run.lora.rank,
            "corrupted": run.corrupted,
            "last_request_time": _iso(run.last_request),
            "last_checkpoint": newest(STATE),
            "last_sampler_checkpoint": newest(SAMPLER),
            "user_metadata": run.user_metadata,
        }


def _checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    place = checkpoint.place
    return {
        "checkpoint_id": f"{place.kind}/{place.name}",
        "checkpoint_type": "training" if place.kind == STATE else "sampler",
        "time": _iso(checkpoint.created),
        "tinker_path": place.uri,
        "size_bytes": checkpoint.size_bytes,
        "public": checkpoint.public,
        "user_metadata": checkpoint.user_metadata,
        "expires_at": None if checkpoint.expires_at is None else _iso(checkpoint.expires_at),
    }


def _page(request: Request, items: list[dict[str, Any]], name: str, default: int) -> dict[str, Any]:
    offset, limit = request.whole_number("offset", 0), request.whole_number("limit", default)
    if limit > _LARGEST_PAGE:
        raise ServiceError(400, f"'limit' must be at most {_LARGEST_PAGE}")
    cursor = {"offset": offset, "limit": limit, "total_count": len(items)}
    return {name: items[offset : offset + limit], "cursor": cursor}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
