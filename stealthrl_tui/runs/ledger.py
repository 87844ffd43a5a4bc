"""The checkpoints of one run: both ledgers and the final info, followed as they grow (FORMATS.md, "The ledger")."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from stealthrl_tui.runs import rows, saves
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import EMPTY, Checkpoint
from stealthrl_tui.runs.saves import Save, Saves
from stealthrl_tui.runs.tail import Tail

LEDGERS = ("checkpoints.jsonl", "checkpoints/checkpoints.jsonl")
FINAL_INFO = "checkpoints/final_checkpoint_info.json"
_PIECE = 1 << 20
_INFO_LIMIT = 1 << 20
_RESUME_STOPS = "the cookbook's own resume stops on it"


class LedgerReader:
    """Follows the files of `directory` that record checkpoints; missing ones are no problem, broken ones are told.

    `final_info` holds `base_model`, `lora_rank` and `model_id` where the final info has them; `final_info_mtime` is
    None without one.
    """

    __slots__ = (
        "_alone", "_checkpoints", "_files", "_final", "_given", "_info", "_joined", "_known", "_saves", "_seen",
        "_superseded", "_taken", "training_run_ids",
    )  # fmt: skip

    def __init__(self, directory: str) -> None:
        self._files = tuple(_LedgerFile(directory, name) for name in LEDGERS)
        self._info = _InfoFile(os.path.join(directory, FINAL_INFO))
        self._known: set[str] | None = None
        self._seen: dict[str, float] = {}
        self._joined = Saves()
        self._alone = -1  # which generation of the first ledger `_joined` is all made of
        self._taken = 0
        self._saves: list[Save] = []
        self._final: int | None = None
        self._superseded: set[int] = set()
        self._given: tuple[object, ...] = ()
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self.training_run_ids: tuple[str, ...] = ()

    def refresh(self, now: float) -> bool:
        """Read what was appended; True when checkpoints or problems may have changed.

        `now` (Unix seconds) becomes the time of the saves that arrive after the first call.
        """
        changed = [file.refresh() for file in self._files]
        changed.append(self._info.refresh())
        if self._known is not None and not any(changed):
            return False
        keys = {key for save in self._join() for key in save.keys}
        if self._known is None:
            self._known = set()
        else:
            self._seen |= dict.fromkeys(keys - self._known, now)
        self._known |= keys
        return True

    def _join(self) -> list[Save]:
        """Bring the saves up to date; the records that were taken in, some of them perhaps not for the first time."""
        main, other = self._files
        alone = not other.saves and self._info.save is None and not main.tentative
        # Rows that were appended to the only ledger go on from where it was; anything else is joined anew.
        if not (alone and self._alone == main.generation):
            self._joined, self._taken = Saves(), 0
        self._alone = main.generation if alone else -1
        new = main.saves[self._taken :]
        self._taken += len(new)
        for save in new:
            self._joined.add(save)
        self._joined.weave(other.saves)
        if self._info.save is not None:
            self._joined.add_after_run(self._info.save)
        self._saves = list(self._joined)
        self._final = saves.newest_end(self._saves)
        self._superseded = saves.superseded(self._saves)
        self.training_run_ids = tuple(dict.fromkeys(save.run_id for save in self._saves if save.run_id is not None))
        self._given = ()
        return [*new, *other.saves, *([self._info.save] if self._info.save is not None else [])]

    def checkpoints(
        self, kind: Kind, total_steps: int | None, steps_done: int | None, saved: Mapping[str, float]
    ) -> tuple[Checkpoint, ...]:
        """The saves, oldest first; `saved` maps URIs to the times (Unix seconds) that the log gives them."""
        given = (kind, total_steps, steps_done, dict(saved))
        if given != self._given:
            self._checkpoints = tuple(
                self._checkpoint(index, save, kind, total_steps, steps_done, saved)
                for index, save in enumerate(self._saves)
            )
            self._given = given
        return self._checkpoints

    def _checkpoint(
        self, index: int, save: Save, kind: Kind, total: int | None, done: int | None, saved: Mapping[str, float]
    ) -> Checkpoint:
        final = index == self._final
        saved_at, saved_by = self._saved(save, saved)
        return Checkpoint(
            name=save.name,
            step=saves.step_of(save, kind, final, total, done),
            state_uri=save.state,
            sampler_uri=save.sampler,
            training_run_id=save.run_id,
            epoch=save.epoch,
            final=final,
            rolling=save.rolling,
            superseded=index in self._superseded,
            saved_at=saved_at,
            saved_by=saved_by,
            extra=save.extra,
            problems=save.problems,
        )

    def _saved(self, save: Save, saved: Mapping[str, float]) -> tuple[float | None, str]:
        """When it was saved, and who says so: the log, the row (the recorder's do), or our own eyes."""
        witnesses = (
            ("log", [saved[key] for key in save.paths if key in saved]),
            ("ledger", _own_time(save.extra.get("saved_at"))),
            ("seen", [self._seen[key] for key in save.keys if key in self._seen]),
        )
        return next(((max(times), who) for who, times in witnesses if times), (None, ""))

    @property
    def has_final_row(self) -> bool:
        """A ledger row says that the training is over, and no newer training run has saved since."""
        return self._final is not None and self._saves[self._final].in_ledger

    @property
    def has_final_info(self) -> bool:
        """A final info names weights, and no newer training run has saved since."""
        return self._final is not None and self._saves[self._final].in_info

    @property
    def final_info(self) -> Mapping[str, Any]:
        """What the final info says of the model."""
        return self._info.facts

    @property
    def final_info_mtime(self) -> float | None:
        """When the final info was written (Unix seconds)."""
        return self._info.mtime

    @property
    def mtime(self) -> float | None:
        """When the newest of the files was written (Unix seconds); None when there is none."""
        times = (*(file.tail.mtime for file in self._files), self._info.mtime)
        return max((time for time in times if time is not None), default=None)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files, in words; what is wrong with one save stands in its own `problems`."""
        return (*(text for file in self._files for text in file.problems()), *self._info.problems)


class _LedgerFile:
    """One ledger: its records in file order, and the lines that are none."""

    __slots__ = (
        "_long", "_name", "_pending", "_problem", "_rows", "_tentative", "_torn", "_unreadable", "generation", "tail",
    )  # fmt: skip

    def __init__(self, directory: str, name: str) -> None:
        self._name = name
        self.tail = Tail(os.path.join(directory, name))
        self._problem = ""
        self.generation = 0
        self._clear()

    def _clear(self) -> None:
        self.generation += 1
        self._rows: list[Save] = []
        self._unreadable = rows.Unreadable(self._name)
        self._long: set[int] = set()
        self._pending = b""
        self._tentative: Save | None = None
        self._torn = 0

    @property
    def tentative(self) -> bool:
        """Whether the last of `saves` may still change."""
        return self._tentative is not None

    @property
    def saves(self) -> list[Save]:
        # A last row without its line end counts as long as it is whole, and is read again when the line end comes.
        return self._rows if self._tentative is None else [*self._rows, self._tentative]

    def refresh(self) -> bool:
        """Read what was appended; True when something was, or when the file was replaced, lost or found."""
        changed = False
        more = True
        while more:
            grown = self.tail.read(_PIECE)
            more = grown.more
            if grown.replaced:
                self._clear()
            for number in grown.oversize:
                self._unreadable.add(rows.TOO_LONG, number)
                self._long.add(number)
            for number, line in enumerate(grown.lines, grown.first):
                self._take(line, number)
            changed = changed or grown.replaced or bool(grown.lines) or bool(grown.oversize)
        if changed or self.tail.pending != self._pending:
            self._take_pending(grown.first + len(grown.lines))
            changed = True
        changed = changed or self.tail.problem != self._problem
        self._problem = self.tail.problem
        return changed

    def _take(self, line: bytes, number: int) -> None:
        if number in self._long:
            return
        row, flaw = rows.parse_row(line) if line.strip() else (None, rows.BLANK)
        if flaw:
            self._unreadable.add(flaw, number)
        if row is not None:
            self._rows.append(saves.from_row(row, number))

    def _take_pending(self, number: int) -> None:
        self._pending = self.tail.pending
        row, flaw = rows.parse_row(self._pending) if self._pending.strip() else (None, "")
        self._tentative = saves.from_row(row, number) if row is not None else None
        self._torn = number if flaw and row is None else 0

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file and its lines, in words."""
        texts = self._unreadable.words(_RESUME_STOPS)
        if self._torn:
            texts = (*texts, f"{self._name} line {self._torn} is torn (no newline yet or cut off)")
        return (f"{self._name} {self._problem}", *texts) if self._problem else texts


class _InfoFile:
    """`final_checkpoint_info.json`, written when training is complete, and again if the run's name is used again."""

    __slots__ = ("_path", "_stamp", "facts", "mtime", "problems", "save")

    def __init__(self, path: str) -> None:
        self._path = path
        self._clear()

    def _clear(self) -> None:
        self._stamp: tuple[int, int, int] | None = None
        self.mtime: float | None = None
        self.facts: Mapping[str, Any] = EMPTY
        self.save: Save | None = None
        self.problems: tuple[str, ...] = ()

    def refresh(self) -> bool:
        """Read the file again when it changed; True when it did, or was lost or found."""
        before = (self._stamp, self.problems)
        try:
            found = os.stat(self._path)
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return False
            self._clear()
            flaw = self._read(found)
            self._stamp = stamp
        except (FileNotFoundError, NotADirectoryError):
            flaw = ""
            self._clear()
        except OSError as error:
            flaw = f"cannot be read: {error.strerror or error}"
        self.problems = (f"{FINAL_INFO} {flaw}",) if flaw else ()
        return before != (self._stamp, self.problems)

    def _read(self, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "is not a regular file"
        self.mtime = found.st_mtime
        if found.st_size > _INFO_LIMIT:
            return "is too large to be one"
        with open(self._path, "rb") as file:
            content = file.read(_INFO_LIMIT)
        info, flaw = rows.parse_row(content) if content.strip() else (None, "empty")
        if info is None:
            return f"is {flaw}"
        self.save = saves.from_info(info)
        self.facts = MappingProxyType(_facts(info))
        return "" if self.save is not None else "names no weights"


def _facts(info: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        key: info[key] for key in ("base_model", "model_id") if isinstance(info.get(key), str) and info[key]
    }
    rank = rows.whole(info.get("lora_rank"))
    return facts | {"lora_rank": rank} if rank is not None and rank > 0 else facts


def _own_time(value: object) -> list[float]:
    """The ISO time of a row, as a list of at most one: a row may say anything."""
    if not isinstance(value, str):
        return []
    try:
        return [datetime.fromisoformat(value).timestamp()]
    except (ValueError, OverflowError, OSError):
        return []
