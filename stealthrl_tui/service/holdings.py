"""What the service still holds: checkpoints and training runs, as plain values; and what can be done to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from stealthrl_tui.service.errors import explain
from stealthrl_tui.service.events import Emit, End, ServiceError, phase
from stealthrl_tui.service.weather import Watch, begin

if TYPE_CHECKING:
    import tinker

PAGE = 100
CALL_SECONDS = 30.0
# What people and DESIGN.md call the SDK's kinds.
_KINDS = {"training": "state", "sampler": "sampler", "external": "external"}


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint on the server; `kind` is "state", "sampler" or "external".

    Times are Unix seconds; `expires_at` None means never, `size_bytes` None that the server does not say.
    """

    uri: str
    run_id: str
    kind: str
    name: str
    created_at: float | None
    expires_at: float | None
    size_bytes: int | None
    public: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """A training run as the server knows it; `corrupted` is the server's own word."""

    run_id: str
    base_model: str | None
    lora_rank: int | None
    corrupted: bool


class Holdings:
    """Asks the service through one RestClient. Every method raises ServiceError; for a child process only."""

    def __init__(self, client: tinker.RestClient, watch: Watch) -> None:
        self._client = client
        self.watch = watch

    def checkpoints(self) -> list[Held]:
        """All checkpoints of the account, newest first, page by page."""
        pages = self._pages(self._client.list_user_checkpoints, "checkpoints")
        return list({item.tinker_path: as_held(item) for item in pages}.values())

    def origins(self) -> list[Origin]:
        """All training runs of the account, page by page."""
        pages = self._pages(self._client.list_training_runs, "training_runs")
        return list({item.training_run_id: _as_origin(item) for item in pages}.values())

    def checkpoints_of(self, run_id: str) -> list[Held]:
        """The checkpoints of one training run; none when the server doesn't know it."""
        answer = self._ask_for(lambda: self._client.list_checkpoints(run_id))
        return [] if answer is None else [as_held(item) for item in answer.checkpoints]

    def origin(self, run_id: str) -> Origin | None:
        """The training run's base model and rank, None when the server doesn't know it."""
        found = self._ask_for(lambda: self._client.get_training_run(run_id))
        return None if found is None else _as_origin(found)

    def find(self, uris: Iterable[str]) -> dict[str, Held]:
        """What the server holds under these URIs now."""
        wanted = set(uris)
        run_ids = {uri.removeprefix("tinker://").split("/")[0] for uri in wanted}
        held = [each for run_id in sorted(run_ids) for each in self.checkpoints_of(run_id)]
        return {each.uri: each for each in held if each.uri in wanted}

    def set_ttl(self, uri: str, seconds: int | None) -> None:
        """Let `uri` expire in `seconds` from now, None for never."""
        self._ask(lambda: self._client.set_checkpoint_ttl_from_tinker_path(uri, seconds), uri)

    def publish(self, uri: str) -> None:
        """Let anyone load `uri`."""
        self._ask(lambda: self._client.publish_checkpoint_from_tinker_path(uri), uri)

    def unpublish(self, uri: str) -> None:
        """Take `uri` back from the public."""
        self._ask(lambda: self._client.unpublish_checkpoint_from_tinker_path(uri), uri)

    def delete(self, uri: str) -> None:
        """Delete `uri` for good."""
        self._ask(lambda: self._client.delete_checkpoint_from_tinker_path(uri), uri)

    def _pages(self, call: Callable[..., Any], name: str) -> list[Any]:
        found: list[Any] = []
        while True:
            answer = self._ask(partial(call, limit=PAGE, offset=len(found)))
            page = getattr(answer, name)
            found += page
            total = answer.cursor.total_count if answer.cursor else None
            if not page or (len(page) < PAGE if total is None else len(found) >= total):
                return found

    def _ask_for(self, call: Callable[[], Any]) -> Any:
        try:
            return self._ask(call)
        except ServiceError as error:
            if error.code in ("not_found", "expired"):
                return None
            raise

    def _ask(self, call: Callable[[], Any], uri: str | None = None) -> Any:
        try:
            return call().result(timeout=CALL_SECONDS)
        except Exception as error:
            raise explain(error, uri) from error


def open_holdings(emit: Emit, end: End, *, uri: str | None = None) -> Holdings:
    """Connect to the service, watched over from now on; raises ServiceError when it can't be asked."""
    started = time.monotonic()
    watch = begin(emit, end, stall=CALL_SECONDS, uri=uri)
    try:
        import tinker

        client = tinker.RestClient()
    except Exception as error:
        raise explain(error, uri) from error
    watch.tell(phase("connect", time.monotonic() - started))
    return Holdings(client, watch)


def as_held(item: Any) -> Held:
    """The SDK's Checkpoint as a Held; its times are naive from some servers and then mean UTC."""
    return Held(
        uri=item.tinker_path,
        run_id=item.tinker_path.removeprefix("tinker://").split("/")[0],
        kind=_KINDS.get(item.checkpoint_type, item.checkpoint_type),
        name=item.checkpoint_id.split("/")[-1],
        created_at=_timestamp(item.time),
        expires_at=_timestamp(item.expires_at),
        size_bytes=item.size_bytes,
        public=item.public,
    )


def _as_origin(item: Any) -> Origin:
    return Origin(item.training_run_id, item.base_model, item.lora_rank, item.corrupted)


def _timestamp(time: datetime | None) -> float | None:
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
