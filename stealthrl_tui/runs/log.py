"""The milestones and times in a run's log (FORMATS.md: training.log of StealthRL, logs.log of the cookbook).

Logs are mostly model output, so a milestone counts only where it is the message of a real record: a line that begins
with the writer's own prefix and comes from a logger that speaks for the training loop. The bytes are searched for a
few literals, and only lines that hold one are looked at; the file is never held in memory.

Times in training.log are naive local times of the machine that trained. They are read as local times of this one,
so a log from another time zone is off by the difference.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from stealthrl_tui.runs.discovery import TRAINING_LOG
from stealthrl_tui.runs.logscan import (
    COMMAND,
    PREFIXES,
    LogKind,
    decoded,
    end_of_records,
    heartbeat_trouble,
    last_record,
    lines_with,
    local_time,
    message_of,
    trailing_traceback,
)
from stealthrl_tui.runs.model import EMPTY
from stealthrl_tui.text import clean

# What a line must hold to be looked at. The trainer is `__main__` as a program, itself when a launcher calls it.
_MARKS: Mapping[LogKind, tuple[bytes, ...]] = {
    "training": (b" - __main__ - ", b" - stealthrl.tinker.train - ", b" - INFO - Saved checkpoints: "),
    "logs": (b" [INFO] " + COMMAND, b" [INFO] Training ", b" [INFO] Will train "),
}
_TRAINERS = (b"__main__", b"stealthrl.tinker.train")
_URI = re.compile(rb"tinker://[^\s'\"{},]+")
_TOTALS = (
    re.compile(rb"Starting training: (\d{1,9}) iterations"),
    re.compile(rb"Training for .* = (\d{1,9}) steps"),
    re.compile(rb"Training for (\d{1,9}) (?:batches|steps)$"),
    re.compile(rb"Will train (?:on|for) (\d{1,9}) (?:batches|steps)"),
)
_COMPLETE = (b"Training complete!", b"Training completed successfully", b"Training was already complete; nothing to do")

FIRST_LOOK = 128 * 1024
_CHUNK = 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_TAIL = 64 * 1024
_FINGERPRINT = 64


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log says. `complete`, `failed` and `interrupted` are of the last start alone.

    `started_at` is the time of the last start line and `starts` how many were seen; `first_time` and `last_time` are
    those of the first and last record (None in logs.log, which has no times). `saved` maps a checkpoint's URI to the
    time it was saved. `total_steps` is what the log announced: the cookbook's supervised loop announces the whole
    dataset and may be stopped earlier by its `max_steps`. `traceback` is the last line of a traceback that ends the
    log, `heartbeat` says in words that the service has not answered lately, `problem` why the log cannot be read.
    """

    kind: LogKind = "training"
    starts: int = 0
    started_at: float | None = None
    first_time: float | None = None
    last_time: float | None = None
    complete: bool = False
    failed: str | None = None
    interrupted: bool = False
    traceback: str | None = None
    total_steps: int | None = None
    model: str | None = None
    lora_rank: int | None = None
    saved: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    command: str | None = None
    heartbeat: str | None = None
    problem: str | None = None

    @property
    def failure(self) -> str | None:
        """Why it failed, as one sentence; None when the log does not say that it did."""
        if self.failed is not None:
            return f"Training failed: {self.failed or self.traceback or 'no reason given'}"
        return self.traceback


@dataclass(slots=True)
class _Seen:
    """What the records so far have said."""

    starts: int = 0
    started_at: float | None = None
    first_time: float | None = None
    last_time: float | None = None
    complete: bool = False
    failed: str | None = None
    interrupted: bool = False
    total_steps: int | None = None
    model: str | None = None
    lora_rank: int | None = None
    saved: dict[str, float] = field(default_factory=dict)
    command: str | None = None

    def start(self, at: float | None) -> None:
        self.starts += 1
        self.started_at = at
        self.complete, self.failed, self.interrupted, self.total_steps = False, None, False, None

    def note(self, logger: bytes, at: float | None, message: bytes) -> None:
        """Take in one record of the kind that may be a milestone."""
        if logger.startswith(b"tinker_cookbook."):
            self._note_cookbook(at, message)
        elif logger == b"root" and message.startswith(COMMAND):
            self.start(at)
            self.command = decoded(message.removeprefix(COMMAND))
        elif logger in _TRAINERS:
            self._note_trainer(at, message)

    def _note_cookbook(self, at: float | None, message: bytes) -> None:
        if message.startswith(b"Saved checkpoints: "):
            self._save(at, message)
        else:
            self._note_progress(message)

    def _note_trainer(self, at: float | None, message: bytes) -> None:
        if message.startswith(b"Starting run: "):
            self.start(at)
        elif message.startswith(b"Training failed:"):
            self.failed = clean(decoded(message.removeprefix(b"Training failed:")).strip(), 500)
        elif message == b"Training interrupted by user":
            self.interrupted = True
        elif message.startswith(b"Model: "):
            self.model = decoded(message.removeprefix(b"Model: "))
        elif message.startswith(b"LoRA rank: "):
            digits = message.removeprefix(b"LoRA rank: ")
            self.lora_rank = int(digits) if digits.isdigit() and len(digits) < 9 else self.lora_rank
        elif b"checkpoint saved to: tinker://" in message:
            self._save(at, message)
        else:
            self._note_progress(message)

    def _note_progress(self, message: bytes) -> None:
        if message in _COMPLETE:
            self.complete = True
            return
        for pattern in _TOTALS:
            found = pattern.match(message)
            if found is not None:
                self.total_steps = int(found[1])

    def _save(self, at: float | None, message: bytes) -> None:
        uris = [decoded(uri) for uri in _URI.findall(message)]
        if at is not None and uris:
            self.saved.update(dict.fromkeys(uris, at))


class LogReader:
    """Reads one log by what was appended to it; `facts` are those of the last `refresh`."""

    __slots__ = ("_fingerprint", "_kind", "_offset", "_path", "_seen", "_signature", "_skipping", "_whole", "facts")

    def __init__(self, path: str) -> None:
        self._path = path
        self._kind: LogKind = "training" if os.path.basename(path) == TRAINING_LOG else "logs"
        self._signature: tuple[int, int, int, int] | None = None
        self.facts = LogFacts(self._kind)
        self._restart()

    def _restart(self, offset: int = 0) -> None:
        self._seen = _Seen()
        # One byte earlier, so that a line which begins just there is known to be whole.
        self._offset = max(0, offset - 1)
        self._skipping = self._offset > 0
        self._whole = self._offset == 0
        self._fingerprint = b""

    @property
    def path(self) -> str:
        """The log's path, as it was given."""
        return self._path

    @property
    def mtime(self) -> float | None:
        """When the log was last written (its file time), None without a log."""
        return None if self._signature is None else self._signature[3] / 1e9

    def refresh(self, whole: bool) -> bool:
        """Read what is new; True when the file was written, replaced or removed since the last look.

        With `whole` everything is read, the first time from the beginning; else the first look takes the last
        `FIRST_LOOK` bytes alone, and the facts at the beginning where no start is in them.
        """
        try:
            status = os.stat(self._path)
            signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if signature == self._signature and (self._whole or not whole):
                return False
            if not stat.S_ISREG(status.st_mode):
                return self._unreadable("it is not a file")
            with open(self._path, "rb", buffering=0) as file:
                self._follow(file, signature, whole)
        except (FileNotFoundError, NotADirectoryError):
            return self._forget(LogFacts(self._kind))
        except OSError as error:
            return self._unreadable(error.strerror or str(error))
        return True

    def _unreadable(self, why: str) -> bool:
        name = clean(os.path.basename(self._path))
        return self._forget(LogFacts(self._kind, problem=f"cannot read {name}: {why}"))

    def _forget(self, facts: LogFacts) -> bool:
        changed = facts != self.facts
        self.facts, self._signature = facts, None
        self._restart()
        return changed

    def _follow(self, file: BinaryIO, signature: tuple[int, int, int, int], whole: bool) -> None:
        size = signature[2]
        known = self._signature
        anew = known is None or self._replaced(file, known, signature) or (whole and not self._whole)
        if anew:
            self._restart(0 if whole else size - FIRST_LOOK)
        self._signature = signature
        torn = self._read(file, size)
        if anew and not self._whole and not self._seen.starts:
            self._look_at_head(file)
        self._fingerprint = _at(file, max(0, self._offset - _FINGERPRINT), self._offset)
        self.facts = self._summary(torn, _at(file, max(0, size - _TAIL), size))

    def _look_at_head(self, file: BinaryIO) -> None:
        """Take from the beginning what a run says there once: a long log's end holds none of it."""
        head = _Seen()
        data = _at(file, 0, _TAIL)
        self._scan(head, data[: data.rfind(b"\n") + 1])
        seen = self._seen
        seen.model, seen.lora_rank = seen.model or head.model, seen.lora_rank or head.lora_rank
        seen.total_steps, seen.command = seen.total_steps or head.total_steps, seen.command or head.command

    def _replaced(self, file: BinaryIO, known: tuple[int, int, int, int], now: tuple[int, int, int, int]) -> bool:
        if known[:2] != now[:2] or now[2] < known[2]:
            return True
        start = max(0, self._offset - _FINGERPRINT)
        return _at(file, start, start + len(self._fingerprint)) != self._fingerprint

    def _read(self, file: BinaryIO, size: int) -> bytes:
        """Scan from where the last look ended up to `size`; the unfinished last line, which is read again next time."""
        position, rest = self._offset, b""
        file.seek(position)
        while position < size:
            block = file.read(min(_CHUNK, size - position))
            if not block:
                break
            position += len(block)
            data = self._skip(rest + block)
            cut = end_of_records(data, PREFIXES[self._kind])
            if cut:
                self._scan(self._seen, data[:cut])
            rest = data[cut:]
            if len(rest) > _LONGEST_LINE:
                rest, self._skipping = b"", True
        self._offset = position - len(rest)
        return rest

    def _skip(self, data: bytes) -> bytes:
        if not self._skipping:
            return data
        newline = data.find(b"\n")
        if newline < 0:
            return b""
        self._skipping = False
        return data[newline + 1 :]

    def _scan(self, seen: _Seen, data: bytes) -> None:
        prefix = PREFIXES[self._kind]
        starts = {start for mark in _MARKS[self._kind] for start in lines_with(data, mark)}
        for start in sorted(starts):
            head = prefix.match(data, start)
            if head is not None:
                seen.note(head[2], local_time(head[1]), message_of(data, head, prefix))
        if self._kind == "training":
            self._note_times(seen, data, prefix)

    def _note_times(self, seen: _Seen, data: bytes, prefix: re.Pattern[bytes]) -> None:
        if seen.first_time is None and self._whole:
            first = prefix.search(data, 0, _TAIL)
            seen.first_time = None if first is None else local_time(first[1])
        last = last_record(data, prefix)
        if last is not None:
            seen.last_time = local_time(last[1]) or seen.last_time

    def _summary(self, torn: bytes, tail: bytes) -> LogFacts:
        seen, ending = self._seen, self._seen
        if torn and len(torn) < _TAIL and not self._skipping:
            # A copied log may lack its last line break: an ending that the torn line tells counts, its numbers don't.
            ending = replace(seen, saved={})
            self._scan(ending, torn + b"\n")
        return LogFacts(
            kind=self._kind,
            starts=ending.starts,
            started_at=ending.started_at,
            first_time=seen.first_time,
            last_time=seen.last_time,
            complete=ending.complete,
            failed=ending.failed,
            interrupted=ending.interrupted,
            traceback=trailing_traceback(tail, PREFIXES[self._kind]),
            total_steps=seen.total_steps,
            model=seen.model,
            lora_rank=seen.lora_rank,
            saved=dict(seen.saved),
            command=seen.command,
            heartbeat=None if ending.complete else heartbeat_trouble(tail, PREFIXES[self._kind]),
        )


def _at(file: BinaryIO, start: int, end: int) -> bytes:
    return os.pread(file.fileno(), end - start, start)
