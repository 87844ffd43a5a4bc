"""Writing `resume.json` (runs/lineage.py tells what it is): the newest resume, older ones beside it."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from stealthrl_tui.actions.atomic import write_text
from stealthrl_tui.actions.resume.value import Plan
from stealthrl_tui.runs.lineage import NAME
from stealthrl_tui.text import iso


def record(plan: Plan, where: str, *, now: float | None = None) -> dict[str, Any]:
    """What is known of the resume before it starts; `pid` and `process` come after."""
    return {
        "parent_run": plan.parent_name,
        "parent_path": plan.parent,
        "parent_uri": plan.state_uri,
        "checkpoint": plan.checkpoint,
        "step": plan.step,
        "way": str(plan.way),
        "command": list(plan.argv),
        "cwd": plan.cwd,
        "environment": dict(plan.environment),
        "interpreter": plan.interpreter.path,
        "started_at": iso(time.time() if now is None else now),
        "where": where,
        "host": socket.gethostname(),
        "pid": None,
        "process": None,
        "log": plan.log,
    }


def text(content: dict[str, Any]) -> str:
    """The file's text; what UTF-8 can't hold is escaped."""
    return json.dumps(content, indent=2) + "\n"


def write(directory: str, content: dict[str, Any]) -> None:
    """Put the record in place, whole or not at all. Raises OSError."""
    write_text(Path(directory, NAME), text(content))


def set_aside(directory: str) -> str | None:
    """Give the record that is there the next free number; its new path, None when there was none. Raises OSError."""
    path = os.path.join(directory, NAME)
    number = 1
    while os.path.lexists(f"{path}.{number}"):
        number += 1
    try:
        os.replace(path, f"{path}.{number}")
    except FileNotFoundError:
        return None
    return f"{path}.{number}"


def take_back(directory: str, aside: str | None) -> None:
    """Undo a record and its setting aside. Raises OSError."""
    path = os.path.join(directory, NAME)
    if aside is not None:
        os.replace(aside, path)
    elif os.path.lexists(path):
        os.unlink(path)
