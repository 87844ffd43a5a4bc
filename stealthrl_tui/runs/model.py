"""What is known of a run: frozen values that readers make and everyone else only reads.

Times are Unix seconds (UTC). `None` means "not known", never a guess (DESIGN.md, "Honest").
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stealthrl_tui.runs.keys import Kind

if TYPE_CHECKING:
    from stealthrl_tui.runs.lineage import Lineage

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Status(StrEnum):
    """How a run is going; the words of DESIGN.md."""

    RUNNING = "running"
    COMPLETED = "completed"
    STALLED = "stalled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    EMPTY = "empty"


class Depth(IntEnum):
    """How much of a run's files has been read."""

    LISTED = 0  # that it exists, and when it was last written
    SUMMARY = 1  # small files whole, the metrics by samples and their tail, the tail of the log
    FULL = 2  # everything: columns of every metric, every log milestone


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One save: the state and the sampler weights of one step, either of which may be missing.

    `step` is how many training steps were done when it was saved (FORMATS.md, "The ledger"), None when no rule gives
    it. `saved_at` comes from evidence alone: a log line, the row's own word, or the moment its row was seen to
    arrive; `saved_by` says which ("log", "ledger", "seen", or "" with no time). `superseded` marks a rolling save whose
    successor was saved: the trainer deletes it on the server while its line stays.
    """

    name: str
    step: int | None
    state_uri: str | None
    sampler_uri: str | None
    training_run_id: str | None = None
    epoch: int | None = None
    final: bool = False
    rolling: bool = False
    superseded: bool = False
    saved_at: float | None = None
    saved_by: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    problems: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells this save from every other of its run: a URI, or the name where a row has no path."""
        return self.state_uri or self.sampler_uri or self.name

    @property
    def uri(self) -> str | None:
        """What `c` copies: the sampler weights, the state where there are none."""
        return self.sampler_uri or self.state_uri


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a metric, and the step whose row holds it.

    `skipped` says that the step which was asked for has a row too, in which the metric is missing or no finite number.
    """

    value: float
    step: int
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of all rows, as the first `length` items of a growing array; `passes` as in Series."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    length: int = 0
    passes: tuple[int, ...] = (0,)

    def hold(self, step: int, training_pass: int = -1) -> bool:
        """Whether one pass (the last by default) has a row of `step`."""
        index = _newest(self.steps, _spans(self.passes, self.length), step, training_pass)
        return index is not None and self.steps[index] == step


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over the steps, as the first `length` items of two growing arrays (they are never cut or rewritten).

    `steps` (array 'q') and `values` (array 'd', all finite) have one item a row that carried the key. `passes` are
    the indices where the step went backwards (a resume, a name used again), 0 first: within a pass steps never fall.
    """

    steps: array[int]
    values: array[float]
    length: int
    passes: tuple[int, ...] = (0,)

    def spans(self) -> list[tuple[int, int]]:
        """The passes as half-open index ranges, oldest first; empty where the metric has no value in a pass."""
        return _spans(self.passes, self.length)

    def at(self, step: int, training_pass: int = -1) -> Reading | None:
        """The newest value at or before `step` in one pass (the last by default); None when there is none."""
        index = _newest(self.steps, self.spans(), step, training_pass)
        return Reading(self.values[index], self.steps[index]) if index is not None else None


def _spans(passes: tuple[int, ...], length: int) -> list[tuple[int, int]]:
    starts = [min(start, length) for start in passes]
    return list(zip(starts, [*starts[1:], length], strict=True))


def _newest(steps: array[int], spans: list[tuple[int, int]], step: int, training_pass: int) -> int | None:
    """The index of the newest row at or before `step` in one pass."""
    if not -len(spans) <= training_pass < len(spans):
        return None
    start, end = spans[training_pass]
    index = bisect_right(steps, step, start, end) - 1
    return index if index >= start else None


@dataclass(frozen=True, slots=True)
class Metrics:
    """What metrics.jsonl says, as far as it was read.

    `keys` are all numeric keys in the order they first appeared. `latest` is the newest value of each (NaN and
    infinities kept). `columns` holds the series that were read: all keys at Depth.FULL, the main one thinned to a
    few dozen points at Depth.SUMMARY. `row_steps` are the steps of all rows, none at Depth.SUMMARY. `unread` is the
    fraction (0 to 1) of the file still to be read. `nonfinite` maps a key to how many NaN or infinite values it had and
    the step of the last. `passes` counts the training passes (see Series).
    """

    keys: tuple[str, ...] = ()
    latest: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    columns: Mapping[str, Series] = field(default_factory=lambda: EMPTY)
    row_steps: Steps = field(default_factory=Steps)
    rows: int = 0
    last_step: int | None = None
    steps_done: int | None = None
    total_steps: int | None = None
    step_seconds: float | None = None
    passes: int = 1
    unread: float = 0.0
    nonfinite: Mapping[str, tuple[int, int | None]] = field(default_factory=lambda: EMPTY)
    problems: tuple[str, ...] = ()

    def series(self, key: str) -> Series | None:
        """The series of `key`, None when it was not read or never appeared."""
        return self.columns.get(key)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the run was started with, from its own files; None and empty where they do not say.

    `config` is every configuration value, flattened to dotted keys grouped by file, in file order:
    {"training_config.json": {"model.base_model": ..., ...}, ...}.
    `command` is the recorded command line (cookbook: the program's argv; StealthRL: its arguments as a mapping is in
    `config`). `started_at` and `ended_at` are the run's own words.
    """

    kind: Kind = Kind.UNKNOWN
    base_model: str | None = None
    lora_rank: int | None = None
    renderer: str | None = None
    save_every: int | None = None
    eval_every: int | None = None
    rolling_save_every: int | None = None
    ttl_seconds: int | None = None
    total_steps: int | None = None
    run_name: str | None = None
    few_shot: str | None = None
    recorded_status: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    command: str | None = None
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One run directory at one moment.

    `name` is its path below its root (its own name when the root is the run); `path` is absolute. `step` is how many
    training steps are done, `total_steps` how many there will be, `step_seconds` the recent median of one.
    `spark` is the main metric thinned to at most 8 values, oldest first. `log_path` is the run's log, None without.
    `lineage` is the run's newest resume, None where it was never resumed.
    """

    name: str
    path: str
    root: str
    depth: Depth = Depth.LISTED
    status: Status = Status.EMPTY
    status_reason: str = "not read yet"
    facts: Facts = field(default_factory=Facts)
    step: int | None = None
    total_steps: int | None = None
    step_seconds: float | None = None
    eta_seconds: float | None = None
    updated_at: float | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    main_metric: str | None = None
    spark: tuple[float, ...] = ()
    training_run_ids: tuple[str, ...] = ()
    log_path: str | None = None
    problems: tuple[str, ...] = ()
    lineage: Lineage | None = None

    @property
    def last_checkpoint(self) -> Checkpoint | None:
        """The newest save, None when there is none."""
        return self.checkpoints[-1] if self.checkpoints else None

    def value_at(self, checkpoint: Checkpoint, key: str) -> Reading | None:
        """How good `checkpoint` was by `key`: the newest value at or before its step, in its own training pass.

        A row at step S was measured with the weights after S steps, the very ones of a checkpoint with S steps done;
        the reading says which step it is from, since evaluations are rare and the final save has no row of its own.
        """
        series = self.metrics.series(key)
        if series is None or checkpoint.step is None:
            return None
        reading = series.at(checkpoint.step, self._pass_of(checkpoint))
        if reading is None or reading.step == checkpoint.step:
            return reading
        return replace(reading, skipped=self._has_row(checkpoint, checkpoint.step))

    def own_step(self, checkpoint: Checkpoint) -> int | None:
        """The step of the row that was measured for `checkpoint`: its own, or the one before where it has none."""
        if checkpoint.step is None:
            return None
        return next((step for step in (checkpoint.step, checkpoint.step - 1) if self._has_row(checkpoint, step)), None)

    def _has_row(self, checkpoint: Checkpoint, step: int) -> bool:
        return self.metrics.row_steps.hold(step, self._pass_of(checkpoint))

    def _pass_of(self, checkpoint: Checkpoint) -> int:
        # Only where every training run has a pass of its own can one be told from the other.
        if len(self.training_run_ids) == self.metrics.passes and checkpoint.training_run_id in self.training_run_ids:
            return self.training_run_ids.index(checkpoint.training_run_id)
        return -1
