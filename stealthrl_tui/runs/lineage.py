"""Where a run was resumed from: `resume.json`, which the start of a resume writes into the new run's directory.

No trainer says where its state came from (FORMATS.md, "Resuming"), so this record is all there is. The newest resume
is `resume.json`; a run resumed in its own directory more than once keeps the older ones as `resume.json.1`, `.2`, ...,
the oldest first.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

NAME = "resume.json"
LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Lineage:
    """One resume, as it was recorded; None and empty where the record does not say. Nothing in it is cleaned.

    `parent` is the original run's directory, `uri` the state, `step` the steps done then, `checkpoint` that save's
    name. `started_at` is Unix seconds. `pid` leads a process group on `host`; `process` is the mark that tells the
    process from a later one of the same number. `where` is "here", "tmux", "launcher" or "by hand". `origin` is the
    resume that began a run which was later resumed in its own directory.
    """

    directory: str
    parent: str
    uri: str | None = None
    step: int | None = None
    checkpoint: str | None = None
    way: str | None = None
    command: tuple[str, ...] = ()
    cwd: str | None = None
    interpreter: str | None = None
    started_at: float | None = None
    where: str | None = None
    host: str | None = None
    pid: int | None = None
    process: str | None = None
    origin: Lineage | None = None

    @property
    def in_place(self) -> bool:
        """The run goes on in its own directory: it is its own parent."""
        return os.path.normpath(self.parent) == os.path.normpath(self.directory)


def read_lineage(directory: str) -> Lineage | None:
    """The newest resume of the run in `directory`; None when it was not resumed, or its record can't be used."""
    newest = _read(directory, NAME)
    if newest is None or not newest.in_place:
        return newest
    # The first resume of all is the one that can have been from another run.
    first = _read(directory, f"{NAME}.1")
    return newest if first is None or first.in_place else replace(newest, origin=first)


def _read(directory: str, name: str) -> Lineage | None:
    path = os.path.join(directory, name)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return None
        with open(path, "rb") as file:
            content = json.loads(file.read(LARGEST).decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return None
    return _lineage(directory, content) if isinstance(content, dict) else None


def _lineage(directory: str, content: Mapping[str, Any]) -> Lineage | None:
    parent = _text(content, "parent_path")
    if parent is None or not os.path.isabs(parent):
        return None
    command = content.get("command")
    words = command if isinstance(command, list) else []
    return Lineage(
        directory=directory,
        parent=parent,
        uri=_text(content, "parent_uri"),
        step=_count(content, "step"),
        checkpoint=_text(content, "checkpoint"),
        way=_text(content, "way"),
        command=tuple(map(_safe, words)) if all(isinstance(word, str) for word in words) else (),
        cwd=_text(content, "cwd"),
        interpreter=_text(content, "interpreter"),
        started_at=_time(_text(content, "started_at")),
        where=_text(content, "where"),
        host=_text(content, "host"),
        pid=_count(content, "pid") or None,
        process=_text(content, "process"),
    )


def _text(content: Mapping[str, Any], key: str) -> str | None:
    value = content.get(key)
    return _safe(value) if isinstance(value, str) and value and "\0" not in value else None


def _safe(text: str) -> str:
    # Half a surrogate pair is legal in JSON and can't be encoded again.
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(content: Mapping[str, Any], key: str) -> int | None:
    value = content.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
