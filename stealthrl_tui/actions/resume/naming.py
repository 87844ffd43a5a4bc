"""The new run's name and directory: beside the original, never one that is taken."""

from __future__ import annotations

import os

from stealthrl_tui.actions.resume.value import Check
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean

_LONGEST = 120


def suggest(run: Run, checkpoint: Checkpoint) -> str:
    """`<run>-from-<step>`, with a number after it where that is taken."""
    base = os.path.basename(run.path)
    mark = checkpoint.name if checkpoint.step is None else str(checkpoint.step)
    stem = f"{base}-from-{''.join(c if c.isalnum() or c in '._-' else '_' for c in mark)}"[:_LONGEST]
    folder, name, number = os.path.dirname(run.path), stem, 1
    while os.path.lexists(os.path.join(folder, name)):
        number += 1
        name = f"{stem}-{number}"
    return name


def directory_of(run: Run, name: str) -> str:
    """Where a new run of that name goes: beside the original."""
    return os.path.join(os.path.dirname(run.path), name)


def flaw(name: str) -> str | None:
    """What is wrong with `name` as a run's, in words; None when nothing is."""
    if not name or name in (".", "..") or "/" in name:
        return "is to be one folder's name"
    if name.startswith((".", "-", "iteration_", "train_iteration_")):
        return "begins like something that is no run"
    if clean(name) != name or "\N{REPLACEMENT CHARACTER}" in name:
        return "holds invisible or control characters"
    return f"is longer than {_LONGEST} characters" if len(name) > _LONGEST else None


def obstacles(run: Run, name: str) -> tuple[Check, ...]:
    """Why a new run can't be called `name`; nothing when it can."""
    problem = flaw(name)
    if problem is not None:
        return (Check("fail", "new name", f"{clean(name, 80)} {problem}", "exists"),)
    if os.path.lexists(directory_of(run, name)):
        return (
            Check("fail", "new name", f"{clean(name)} is taken: {clean(directory_of(run, name))} exists", "exists"),
        )
    return ()
