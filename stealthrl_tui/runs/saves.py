"""What the ledgers and the final info record, joined into saves: one a step, with the state and the sampler weights.

The rules are FORMATS.md's ("The ledger", "URIs"): records are told apart by URI, never by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stealthrl_tui.runs import uri
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import EMPTY
from stealthrl_tui.runs.rows import shallow, whole
from stealthrl_tui.text import clean

FINAL = "final"
# Only this project's recorder writes them (stealthrl_tui/recorder.py): its `batch` is the steps done, in any loop.
_RECORDER_KEYS = ("saved_at", "expires_at")
_STATE, _SAMPLER = "weights", "sampler_weights"
_HANDLED = frozenset(("name", "batch", "epoch", "final", "rolling", "state_path", "sampler_path"))
_SHOWN = 200
# A ledger that repeats itself for ever says so a few times.
_MOST_NOTES = 12


@dataclass(slots=True)
class Save:
    """One record, or several joined; `ends` marks one that says the training is over (`final`, the final info).

    `batch`, `epoch` and `row_step` are the row's own numbers; what they mean depends on the training loop (`step_of`).
    `in_ledger` and `in_info` tell where it was recorded.
    """

    name: str
    state: str | None
    sampler: str | None
    run_id: str | None
    batch: int | None = None
    epoch: int | None = None
    row_step: int | None = None
    rolling: bool = False
    ends: bool = False
    in_ledger: bool = False
    in_info: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    problems: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The URIs, or whatever stands in their place."""
        return tuple(dict.fromkeys(path for path in (self.state, self.sampler) if path is not None))

    @property
    def keys(self) -> tuple[str, ...]:
        """What the save is known by: its paths, or its name where it has none (model.Checkpoint.key)."""
        return self.paths or (self.name,)

    def absorb(self, other: Save) -> None:
        """Take in what another record of the same save says; the later record's numbers count."""
        self.state = self.state if self.state is not None else other.state
        self.sampler = self.sampler if self.sampler is not None else other.sampler
        self.run_id = self.run_id if self.run_id is not None else other.run_id
        self.batch = other.batch if other.batch is not None else self.batch
        self.epoch = other.epoch if other.epoch is not None else self.epoch
        self.row_step = other.row_step if other.row_step is not None else self.row_step
        self.rolling = self.rolling and other.rolling
        self.ends = self.ends or other.ends
        self.in_ledger = self.in_ledger or other.in_ledger
        self.in_info = self.in_info or other.in_info
        if other.extra:
            self.extra = {**self.extra, **other.extra}
        self.problems = tuple(dict.fromkeys((*self.problems, *other.problems)))


def from_row(row: Mapping[str, Any], line: int) -> Save:
    """The record of a ledger row, which stands in line number `line` (the name of a row that has nothing better)."""
    row = shallow(row)
    paths = _paths(row, "state_path", "sampler_path")
    extra = {key: value for key, value in row.items() if key not in _HANDLED}
    extra |= {key: row[key] for key in paths.odd}
    name = row.get("name")
    if not isinstance(name, str) or not name:
        if name is not None:
            extra["name"] = name
        name = _last_part(paths.state) or _last_part(paths.sampler) or f"line {line}"
    return Save(
        name,
        paths.state,
        paths.sampler,
        paths.run_id,
        batch=_count(row.get("batch")),
        epoch=_count(row.get("epoch")),
        row_step=_count(row.get("step")),
        rolling=row.get("rolling") is True,
        ends=name == FINAL or row.get("final") is True,
        in_ledger=True,
        extra=extra or EMPTY,
        problems=paths.problems,
    )


def from_info(info: Mapping[str, Any]) -> Save | None:
    """The record of a `final_checkpoint_info.json`; None when it names no weights."""
    recorded = shallow(info.get("checkpoints"))
    if not isinstance(recorded, Mapping):
        return None
    paths = _paths(recorded, "final_state", "sampler_weights")
    if paths.state is None and paths.sampler is None:
        return None
    return Save(FINAL, paths.state, paths.sampler, paths.run_id, ends=True, in_info=True, problems=paths.problems)


@dataclass(frozen=True, slots=True)
class _Paths:
    state: str | None
    sampler: str | None
    run_id: str | None
    odd: tuple[str, ...]
    problems: tuple[str, ...]


def _paths(record: Mapping[str, Any], state_key: str, sampler_key: str) -> _Paths:
    found: list[str | None] = []
    ids: list[str] = []
    odd: list[str] = []
    problems: list[str] = []
    for key, wanted in ((state_key, _STATE), (sampler_key, _SAMPLER)):
        value = record.get(key)
        found.append(value if isinstance(value, str) and value else None)
        if isinstance(value, str) and value:
            parsed = uri.parse(value)
            if parsed is not None:
                ids.append(parsed.run_id)
            problem = _path_problem(value, parsed, wanted)
            if problem:
                problems.append(f"{key} {problem}: {clean(value, _SHOWN)}")
        elif value not in (None, ""):
            odd.append(key)
            problems.append(f"{key} is not text: {clean(value, _SHOWN)}")
    if len(set(ids)) > 1:
        problems.append("state and sampler weights are of different training runs")
    if found == [None, None]:
        problems.append("has no path: nothing can be loaded from it")
    return _Paths(found[0], found[1], ids[0] if ids else None, tuple(odd), tuple(problems))


def _path_problem(text: str, parsed: uri.TinkerUri | None, wanted: str) -> str | None:
    if parsed is None:
        return uri.flaw(text)
    if parsed.kind == wanted or (parsed.two_part and wanted == _SAMPLER):
        return None
    if parsed.two_part:
        return "names no kind of weights, so nothing says that it is a state"
    return f"holds {parsed.kind}/, not {wanted}/"


def _last_part(path: str | None) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1] if path else ""


def _count(value: object) -> int | None:
    found = whole(value)
    return found if found is not None and found >= 0 else None


class Saves:
    """Records in the order they were written, each save once.

    A path that was recorded before belongs to that save; a state and sampler weights of the same name and the same
    training run that were recorded apart are one save.
    """

    def __init__(self) -> None:
        self._saves: list[Save] = []
        self._by_path: dict[str, Save] = {}
        self._by_name: dict[tuple[str, str | None], Save] = {}

    def __iter__(self) -> Iterator[Save]:
        return iter(self._saves)

    def add(self, save: Save, position: int | None = None) -> None:
        """Join `save` to the one it belongs to; a new one goes to the end, or to `position`."""
        known = self._known(save)
        if len(known) == 2 and _fit(known[0], known[1]):
            known[0].absorb(known[1])
            self._saves.remove(known.pop())
        fits = len(known) == 1 and _fit(known[0], save)
        if known and not fits:
            self._contradict(known[0], save)
        elif known:
            known[0].absorb(save)
            self._index(known[0])
        else:
            copy = replace(save)
            self._saves.insert(len(self._saves) if position is None else position, copy)
            self._index(copy)

    def weave(self, saves: Sequence[Save]) -> None:
        """Add a second ledger: what only it has goes before the next save that both have."""
        waiting: list[Save] = []
        for save in saves:
            known = self._known(save)
            if known and waiting:
                position = self._saves.index(known[0])
                for offset, other in enumerate(waiting):
                    self.add(other, position + offset)
                waiting = []
            if known:
                self.add(save)
            else:
                waiting.append(save)
        for save in waiting:
            self.add(save)

    def add_after_run(self, save: Save) -> None:
        """Add the final info's save after the last one of its own training run; at the end where that has none."""
        places = [index for index, other in enumerate(self._saves) if other.run_id == save.run_id]
        self.add(save, places[-1] + 1 if places and save.run_id is not None else None)

    def _known(self, save: Save) -> list[Save]:
        by_path = {id(known): known for path in save.paths if (known := self._by_path.get(path)) is not None}
        if by_path:
            return list(by_path.values())
        namesake = self._by_name.get((save.name, save.run_id))
        if namesake is None:
            return []
        if not save.paths:
            return [namesake] if not namesake.paths else []
        return [namesake] if _halves(namesake, save) else []

    def _contradict(self, known: Save, save: Save) -> None:
        # The same weights recorded with two partners: each path stays with the first that had it.
        state = save.state if save.state not in self._by_path else None
        sampler = save.sampler if save.sampler not in self._by_path else None
        known.ends = known.ends or save.ends
        for path in (state, sampler):
            if path is not None and len(known.problems) < _MOST_NOTES:
                note = f"recorded again together with {clean(path, _SHOWN)}"
                known.problems = tuple(dict.fromkeys((*known.problems, note)))
        if state is not None or sampler is not None:
            problem = "its other path was recorded before, with another save"
            self.add(replace(save, state=state, sampler=sampler, problems=(*save.problems, problem)))

    def _index(self, save: Save) -> None:
        for path in save.paths:
            self._by_path[path] = save
        self._by_name[save.name, save.run_id] = save


def _fit(one: Save, other: Save) -> bool:
    return all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in ((one.state, other.state), (one.sampler, other.sampler))
    )


def _halves(one: Save, other: Save) -> bool:
    apart = (one.state is None) != (one.sampler is None) and (other.state is None) != (other.sampler is None)
    agree = all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in ((one.batch, other.batch), (one.epoch, other.epoch))
    )
    return apart and agree and _fit(one, other) and one.rolling == other.rolling


def newest_end(saves: Sequence[Save]) -> int | None:
    """Where the final save is: the newest that says so, unless a newer training run has saved since."""
    index = next((place for place in range(len(saves) - 1, -1, -1) if saves[place].ends), None)
    if index is None:
        return None
    run_id = saves[index].run_id
    taken_up_again = any(later.run_id not in (None, run_id) for later in saves[index + 1 :])
    return None if taken_up_again else index


def superseded(saves: Sequence[Save]) -> set[int]:
    """The rolling saves whose weights the trainer has deleted: all but the newest, and all once the training ended."""
    rolling = [index for index, save in enumerate(saves) if save.rolling]
    ends = [index for index, save in enumerate(saves) if save.ends]
    ended_runs = {saves[index].run_id for index in ends} - {None}
    last_end = ends[-1] if ends else -1
    return {index for index in rolling if index != rolling[-1] or index < last_end or saves[index].run_id in ended_runs}


def recorded(extra: Mapping[str, Any]) -> bool:
    """Whether a row with these other keys is the recorder's."""
    return all(key in extra for key in _RECORDER_KEYS)


def step_of(save: Save, kind: Kind, final: bool, total: int | None, done: int | None) -> int | None:
    """How many training steps were done at `save`; None where no rule tells (FORMATS.md, "The ledger").

    RL and DPO write the next batch to run, SL the one already applied. An end has no number of its own in SL and DPO
    (`batch` 0 since March 2026) and in the final info: the `final` one is the run's end. The recorder always writes
    the steps done.
    """
    if save.batch is not None and recorded(save.extra):
        return save.batch
    digits = int(save.name) if save.name.isascii() and save.name.isdecimal() and len(save.name) < 19 else None
    if save.ends and digits is None:
        if save.batch and kind in (Kind.RL, Kind.STEALTHRL):
            return save.batch
        if not final:
            return None
        first, second = (total, done) if kind in (Kind.SL, Kind.DPO) else (done, total)
        end = first if first is not None else second
        return end if end is not None else (save.batch or None)
    if kind in (Kind.SL, Kind.DPO):
        applied = 1 if kind is Kind.SL else 0
        found = digits if digits is not None else save.batch
        return found + applied if found is not None else save.row_step
    return next((found for found in (save.batch, digits, save.row_step) if found is not None), None)
