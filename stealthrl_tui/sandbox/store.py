"""What the service keeps: training runs and their checkpoints, in a folder that survives a restart.

    <folder>/runs/<training run id>/run.json
                                    weights/<name>.npz and .json
                                    sampler_weights/<name>.npz and .json

A checkpoint exists when its .json does: it is written last and removed first, each file beside itself and then moved.
"""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from stealthrl_tui.sandbox.errors import ServiceError
from stealthrl_tui.sandbox.model import Floats, Ints, LoraConfig

STATE, SAMPLER = "weights", "sampler_weights"
KINDS = (STATE, SAMPLER)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_SHORTEST_TTL, _LONGEST_TTL = 3600, 10 * 366 * 86400


@dataclass(frozen=True)
class Place:
    """Where a checkpoint is: the three parts of its URI."""

    run_id: str
    kind: str
    name: str

    @property
    def uri(self) -> str:
        return f"tinker://{self.run_id}/{self.kind}/{self.name}"


def parse_place(uri: str, *, two_part: bool = False) -> Place:
    """The parts of a `tinker://` URI, or 400.

    With `two_part`, `tinker://<run>/<name>` is taken as sampler weights: the older form, which only sampling accepts.
    """
    scheme, _, rest = uri.partition("://")
    parts = rest.split("/")
    if scheme == "tinker" and two_part and len(parts) == 2:
        parts.insert(1, SAMPLER)
    if scheme != "tinker" or len(parts) != 3 or parts[1] not in KINDS:
        raise ServiceError(400, f"not a checkpoint path: {uri!r}")
    return make_place(*parts)


def make_place(run_id: str, kind: str, name: str) -> Place:
    """A place whose parts are safe as file names, or 400."""
    if not _RUN_ID.fullmatch(run_id) or kind not in KINDS or not _NAME.fullmatch(name):
        raise ServiceError(400, f"not a checkpoint path: {run_id}/{kind}/{name}")
    return Place(run_id, kind, name)


@dataclass(frozen=True)
class Checkpoint:
    """One save of one kind. Times are Unix seconds; `expires_at` None means it is kept for ever."""

    place: Place
    created: float
    size_bytes: int
    public: bool = False
    expires_at: float | None = None
    user_metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class TrainingRun:
    """What the service knows of a training run beside its checkpoints."""

    id: str
    base_model: str
    lora: LoraConfig
    last_request: float
    corrupted: bool = False
    user_metadata: dict[str, str] | None = None
    checkpoints: dict[tuple[str, str], Checkpoint] = field(default_factory=dict, compare=False)


class Store:
    """All runs and checkpoints; every method may be called from any thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Read what `folder` holds (made when missing); ValueError names a file that can't be read."""
        self._runs_folder = folder / "runs"
        self._runs_folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._ahead = 0.0
        self._lock = threading.RLock()
        self._last_created = 0.0
        self._runs = {run.id: run for run in map(_read_run, sorted(self._runs_folder.glob("*/run.json")))}

    def now(self) -> float:
        """The service's clock, in Unix seconds."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Set the service's clock forward, so that a test can see things expire."""
        self._ahead += seconds

    def runs(self) -> list[TrainingRun]:
        """All runs, the one used last first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: run.last_request, reverse=True)

    def run(self, run_id: str) -> TrainingRun:
        with self._lock:
            run = self._runs.get(run_id)
        if run is None:
            raise ServiceError(404, f"no training run {run_id!r}")
        return run

    def put_run(self, run: TrainingRun) -> None:
        """Add or change a run; its checkpoints are as they were. 400 for an id that is no file name."""
        if not _RUN_ID.fullmatch(run.id):
            raise ServiceError(400, "not a training run id")
        with self._lock:
            known = self._runs.get(run.id)
            self._runs[run.id] = replace(run, checkpoints=known.checkpoints if known else {})
            content = asdict(replace(run, checkpoints={}))
            del content["checkpoints"]
            _write(self._runs_folder / run.id / "run.json", json.dumps(content).encode())

    def touch(self, run_id: str) -> None:
        """Note that a request was made to a run; kept in memory until the next save writes it."""
        with self._lock:
            if run_id in self._runs:
                self._runs[run_id] = replace(self._runs[run_id], last_request=self.now())

    def checkpoints(self, run_id: str | None = None) -> list[Checkpoint]:
        """What exists now, of one run or of all, newest first."""
        with self._lock:
            runs = list(self._runs.values()) if run_id is None else [self.run(run_id)]
            found = [checkpoint for run in runs for checkpoint in run.checkpoints.values()]
        alive = [checkpoint for checkpoint in found if not self._expired(checkpoint)]
        return sorted(alive, key=lambda checkpoint: checkpoint.created, reverse=True)

    def checkpoint(self, place: Place) -> Checkpoint:
        """The checkpoint at `place`; 404 when there is none, saying so when it expired."""
        with self._lock:
            run = self._runs.get(place.run_id)
            checkpoint = run.checkpoints.get((place.kind, place.name)) if run else None
        if checkpoint is None:
            raise ServiceError(404, f"no checkpoint {place.uri}")
        if self._expired(checkpoint):
            raise ServiceError(404, f"checkpoint {place.uri} has expired")
        return checkpoint

    def save(
        self,
        place: Place,
        arrays: Mapping[str, Floats | Ints],
        *,
        expires_at: float | None = None,
        created: float | None = None,
        user_metadata: dict[str, str] | None = None,
    ) -> Checkpoint:
        """Write a checkpoint of an existing run, in place of one with the same name."""
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]  # numpy types its other keywords alike
        with self._lock:
            run = self.run(place.run_id)
            # Two saves within one tick of the clock still have an order.
            moment = created if created is not None else max(self.now(), self._last_created + 1e-4)
            self._last_created = max(self._last_created, moment)
            content = packed.getvalue()
            _write(self._file(place, ".npz"), content)
            checkpoint = Checkpoint(place, moment, len(content), False, expires_at, user_metadata)
            self.put_run(replace(run, last_request=self.now()))
            self._put(checkpoint)
        return checkpoint

    def load(self, place: Place) -> dict[str, Any]:
        """The arrays of a checkpoint that exists, by name; 500 when its file was lost or damaged."""
        self.checkpoint(place)
        try:
            with np.load(self._file(place, ".npz")) as arrays:
                return dict(arrays)
        except (OSError, ValueError, BadZipFile) as error:
            raise ServiceError(500, f"the file of {place.uri} can't be read") from error

    def set_ttl(self, place: Place, seconds: int | None) -> None:
        """Let a checkpoint live `seconds` from now, None for ever; 400 outside an hour to ten years."""
        checkpoint = self.checkpoint(place)
        self._put(replace(checkpoint, expires_at=self.expiry(seconds)))

    def expiry(self, seconds: int | None) -> float | None:
        """The moment `seconds` from now, None for None; 400 outside an hour to ten years."""
        if seconds is None:
            return None
        if not _SHORTEST_TTL <= seconds <= _LONGEST_TTL:
            raise ServiceError(400, f"ttl_seconds must be from {_SHORTEST_TTL} (an hour) to {_LONGEST_TTL} (ten years)")
        return self.now() + seconds

    def set_public(self, place: Place, public: bool) -> None:
        """Publish or unpublish; 409 when it is so already."""
        checkpoint = self.checkpoint(place)
        if checkpoint.public is public:
            raise ServiceError(409, f"checkpoint {place.uri} is {'already' if public else 'not'} public")
        self._put(replace(checkpoint, public=public))

    def delete(self, place: Place) -> None:
        """Remove a checkpoint for good."""
        with self._lock:
            self.checkpoint(place)
            self._file(place, ".json").unlink(missing_ok=True)
            self._file(place, ".npz").unlink(missing_ok=True)
            del self._runs[place.run_id].checkpoints[place.kind, place.name]

    def _put(self, checkpoint: Checkpoint) -> None:
        with self._lock:
            place = checkpoint.place
            self._runs[place.run_id].checkpoints[place.kind, place.name] = checkpoint
            _write(self._file(place, ".json"), json.dumps(asdict(checkpoint)).encode())

    def _expired(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.expires_at is not None and checkpoint.expires_at <= self.now()

    def _file(self, place: Place, suffix: str) -> Path:
        return self._runs_folder / place.run_id / place.kind / f"{place.name}{suffix}"


def _read_run(path: Path) -> TrainingRun:
    content = _read(path)
    try:
        lora = LoraConfig(**content.pop("lora"))
        checkpoints = [_read_checkpoint(file) for kind in KINDS for file in sorted((path.parent / kind).glob("*.json"))]
        index = {(checkpoint.place.kind, checkpoint.place.name): checkpoint for checkpoint in checkpoints}
        return TrainingRun(lora=lora, checkpoints=index, **content)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a training run of the sandbox") from error


def _read_checkpoint(path: Path) -> Checkpoint:
    content = _read(path)
    return Checkpoint(place=Place(**content.pop("place")), **content)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    os.replace(beside, path)
