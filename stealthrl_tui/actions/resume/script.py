"""A resume as shell text, for those who start it themselves: its files, then its command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from stealthrl_tui.actions.atomic import write_text
from stealthrl_tui.actions.resume import lineage
from stealthrl_tui.actions.resume.value import Plan
from stealthrl_tui.runs.lineage import NAME


def script(plan: Plan) -> str:
    """Text to paste into a POSIX shell: the command alone where nothing is to be written, else all of it in brackets.

    It refuses, as a start does, when the new directory exists. The output goes to the terminal.
    """
    if plan.in_place:
        return f"({plan.shell_line})\n"
    files = {**plan.files, os.path.join(plan.directory, NAME): lineage.text(lineage.record(plan, "by hand"))}
    lines = ["(", "set -e", f"mkdir -- {shlex.quote(plan.directory)}", *_written(files)]
    last = (
        plan.shell_line if plan.ready else f"echo {shlex.quote(f'to be completed, then started with: {plan.command}')}"
    )
    return "\n".join([*lines, last, ")"]) + "\n"


def write_script(text: str, directory: str, name: str) -> Path:
    """Put a script into the original run's directory, to be started with `sh`; its path. Raises OSError.

    It is called after the new run, with a number where a file of that name is there.
    """
    stem = os.path.join(directory, f"resume-{name}")
    path, number = f"{stem}.sh", 1
    while os.path.lexists(path):
        number += 1
        path = f"{stem}-{number}.sh"
    write_text(Path(path), text)
    return Path(path)


def _written(files: Mapping[str, str]) -> list[str]:
    lines = []
    for path, text in files.items():
        end = "END_OF_FILE"
        while end in text:
            end += "_"
        lines += [f"cat > {shlex.quote(path)} <<'{end}'", text.rstrip("\n"), end]
    return lines
