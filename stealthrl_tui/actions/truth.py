"""The ledger joined with the server: what was saved, and what of it still exists (DESIGN.md, "JSON": `server`).

Pure: what the server said comes in as values, and nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from stealthrl_tui.runs import uri
from stealthrl_tui.runs.family import origin_of
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean, duration, iso

LOUD_SECONDS = 48 * 3600.0
STATE, SAMPLER, EXTERNAL = "state", "sampler", "external"
_KINDS = {STATE: "weights", SAMPLER: "sampler_weights"}


class Held(Protocol):
    """A checkpoint on the server; `kind` is "state", "sampler" or "external", times are Unix seconds."""

    @property
    def uri(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def created_at(self) -> float | None: ...
    @property
    def expires_at(self) -> float | None: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def public(self) -> bool: ...


class Origin(Protocol):
    """A training run as the server knows it."""

    @property
    def run_id(self) -> str: ...
    @property
    def base_model(self) -> str | None: ...
    @property
    def lora_rank(self) -> int | None: ...
    @property
    def corrupted(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said at Unix time `asked_at`: all that it holds of the training runs asked about, by URI and id.

    `run_ids` are those asked about; None means all of the account.
    """

    asked_at: float
    held: Mapping[str, Held]
    origins: Mapping[str, Origin]
    run_ids: frozenset[str] | None = None

    def covers(self, run_id: str | None) -> bool:
        """Whether the answer can tell what is left of a training run."""
        return run_id is not None and (self.run_ids is None or run_id in self.run_ids)


def answer(
    asked_at: float, held: Iterable[Held], origins: Iterable[Origin], run_ids: Iterable[str] | None = None
) -> Answer:
    """An Answer of lists."""
    return Answer(
        asked_at,
        {each.uri: each for each in held},
        {each.run_id: each for each in origins},
        None if run_ids is None else frozenset(run_ids),
    )


@dataclass(frozen=True, slots=True)
class Half:
    """The state or the sampler weights of a save on the server. `expires_at` None means never (where it exists)."""

    exists: bool
    uri: str
    expires_at: float | None = None
    size_bytes: int | None = None
    public: bool = False
    created_at: float | None = None

    def expires_soon(self, now: float) -> bool:
        """Whether it goes within two days."""
        return self.exists and self.expires_at is not None and self.expires_at - now <= LOUD_SECONDS


@dataclass(frozen=True, slots=True)
class Joined:
    """One save as the ledger and the server know it.

    `checkpoint` is the ledger's (None when only the server has it). `state` and `sampler` are None where there is no
    such half or where the server could not be asked about it. `saved_at` is the ledger's time, else the server's.
    """

    name: str
    checkpoint: Checkpoint | None
    state: Half | None
    sampler: Half | None
    saved_at: float | None
    problems: tuple[str, ...] = ()
    external: Half | None = None

    @property
    def halves(self) -> tuple[Half, ...]:
        """What of it was asked about."""
        return tuple(half for half in (self.state, self.sampler, self.external) if half is not None)

    @property
    def held(self) -> tuple[Half, ...]:
        """What of it exists."""
        return tuple(half for half in self.halves if half.exists)

    @property
    def gone(self) -> bool:
        """Whether it was recorded and nothing of it is left."""
        return self.checkpoint is not None and bool(self.halves) and not self.held


@dataclass(frozen=True, slots=True)
class Truth:
    """A run's saves, those of its ledger first, and what the server says of the run that its own files don't."""

    saves: tuple[Joined, ...]
    problems: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[Half, ...]:
        """The training states that exist."""
        return tuple(save.state for save in self.saves if save.state is not None and save.state.exists)


def join(run: Run, said: Answer) -> Truth:
    """The checkpoints of `run` and the server's answer about them, oldest first, then what only the server has."""
    recorded = tuple(_recorded(checkpoint, said) for checkpoint in run.checkpoints)
    known = {half.uri for save in recorded for half in save.halves}
    # A resumed run has the row of another run's state: what else that one saved is not its own.
    origin = origin_of(run)
    taken_up = None if origin is None or origin.uri is None else uri.parse(origin.uri)
    ids = set(run.training_run_ids) - ({taken_up.run_id} if taken_up is not None else set())
    others = [held for held in said.held.values() if held.run_id in ids and held.uri not in known]
    return Truth((*recorded, *unrecorded(others)), tuple(_differences(run, said)))


def unrecorded(held: Iterable[Held]) -> tuple[Joined, ...]:
    """Saves that no ledger has, the state and the sampler weights of one name as one, oldest first."""
    found: dict[tuple[str, str], Joined] = {}
    for each in sorted(held, key=lambda each: (each.created_at or 0.0, each.uri)):
        place = (each.run_id, each.name)
        save = found.get(place) or Joined(each.name, None, None, None, each.created_at)
        if each.kind in (STATE, SAMPLER, EXTERNAL):
            half: dict[str, Any] = {each.kind: _half(each, None)}
            found[place] = replace(save, **half)
    return tuple(found.values())


def full_uri(text: str | None, kind: str) -> str | None:
    """The server's name for `text`, which stands where a path of `kind` ("state" or "sampler") is expected.

    The older two-part form names no kind. None for what is no Tinker URI.
    """
    parsed = uri.parse(text) if text else None
    if parsed is None:
        return None
    return parsed.text if parsed.kind else f"{uri.SCHEME}{parsed.run_id}/{_KINDS[kind]}/{parsed.name}"


def _recorded(checkpoint: Checkpoint, said: Answer) -> Joined:
    state = _look_up(checkpoint.state_uri, STATE, said)
    sampler = _look_up(checkpoint.sampler_uri, SAMPLER, said)
    halves = [half for half in (state, sampler) if half is not None]
    created = max((half.created_at for half in halves if half.created_at is not None), default=None)
    saved_at = created if checkpoint.saved_at is None else checkpoint.saved_at
    problems = tuple(_troubles((("state", state), ("sampler weights", sampler)), said.asked_at))
    return Joined(checkpoint.name, checkpoint, state, sampler, saved_at, problems)


def _look_up(text: str | None, kind: str, said: Answer) -> Half | None:
    full = full_uri(text, kind)
    parsed = uri.parse(full) if full else None
    if full is None or parsed is None or not said.covers(parsed.run_id):
        return None
    held = said.held.get(full)
    return Half(False, full) if held is None else _half(held, said.asked_at)


def _half(held: Held, now: float | None) -> Half:
    expired = now is not None and held.expires_at is not None and held.expires_at <= now
    return Half(not expired, held.uri, held.expires_at, held.size_bytes, held.public, held.created_at)


def _troubles(halves: Iterable[tuple[str, Half | None]], now: float) -> Iterator[str]:
    for word, half in halves:
        if half is None:
            continue
        if not half.exists:
            yield f"{word} gone: the server does not have {'it' if word == 'state' else 'them'}"
        elif half.expires_soon(now) and half.expires_at is not None:
            yield f"{word} will expire in {duration(half.expires_at - now)}"


def _differences(run: Run, said: Answer) -> Iterator[str]:
    for run_id in run.training_run_ids:
        origin = said.origins.get(run_id)
        if origin is None:
            if said.covers(run_id):
                yield f"the server does not know training run {clean(run_id, 80)} (deleted, or another key's)"
            continue
        model, rank = run.facts.base_model, run.facts.lora_rank
        if model and origin.base_model and model != origin.base_model:
            yield f"the server says base model {clean(origin.base_model, 80)}, the run's files {clean(model, 80)}"
        if rank is not None and origin.lora_rank is not None and rank != origin.lora_rank:
            yield f"the server says LoRA rank {origin.lora_rank}, the run's files {rank}"
        if origin.corrupted:
            yield f"the server calls training run {clean(run_id, 80)} corrupted"


def half_json(half: Half | None) -> dict[str, Any] | None:
    """DESIGN.md's {exists, expires_at, size_bytes, public}; null where there is no such half."""
    if half is None:
        return None
    return {
        "exists": half.exists,
        "expires_at": iso(half.expires_at),
        "size_bytes": half.size_bytes,
        "public": half.public,
    }


def server_json(save: Joined) -> dict[str, Any] | None:
    """DESIGN.md's `server` object; null when nothing of the save was asked about."""
    if not save.halves:
        return None
    return {"state": half_json(save.state), "sampler": half_json(save.sampler)}
