"""The ledger as the cookbook's own resume reads it: strictly, every line, the last row with a state (FORMATS.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stealthrl_tui.runs.ledger import LEDGERS
from stealthrl_tui.runs.model import Checkpoint

_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """A ledger line that holds a JSON object, and that object."""

    line: str
    values: dict[str, Any]

    @property
    def state(self) -> object:
        return self.values.get("state_path")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows of one ledger file; `flaw` is why the cookbook's strict parser would stop on it."""

    rows: tuple[Row, ...] = ()
    flaw: str | None = None

    @property
    def resumes_from(self) -> object:
        """The state that the cookbook takes: the last row's that has one."""
        return next((row.state for row in reversed(self.rows) if "state_path" in row.values), None)


def read(path: str) -> Ledger:
    """The ledger at `path`, an empty one when there is none. Raises OSError when it can't be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Ledger()
    if len(data) > _LARGEST:
        return Ledger(flaw="is too large to be one")
    rows, flaw = [], None
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        row = _row(line)
        if row is None:
            flaw = flaw or f"has a line that is no row (line {number})"
        else:
            rows.append(row)
    return Ledger(tuple(rows), flaw)


def _row(line: bytes) -> Row | None:
    try:
        text = line.decode("utf-8")
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Row(text, values) if isinstance(values, dict) else None


def one_row(run_path: str, checkpoint: Checkpoint) -> str:
    """A ledger that holds only the row of `checkpoint`: its own line, or one made where no ledger has it.

    Raises OSError when a ledger can't be read.
    """
    for row in _rows(run_path):
        if row.state == checkpoint.state_uri:
            return row.line + "\n"
    made: dict[str, Any] = {"name": checkpoint.name, "batch": checkpoint.step, "state_path": checkpoint.state_uri}
    if checkpoint.sampler_uri is not None:
        made["sampler_path"] = checkpoint.sampler_uri
    return json.dumps(made) + "\n"


def _rows(run_path: str) -> Iterator[Row]:
    for name in LEDGERS:
        yield from reversed(read(os.path.join(run_path, name)).rows)
