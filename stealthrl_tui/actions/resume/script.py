"""A resume as shell text, for those who start it themselves: its files, then its command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

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


def _written(files: Mapping[str, str]) -> list[str]:
    lines = []
    for path, text in files.items():
        end = "END_OF_FILE"
        while end in text:
            end += "_"
        lines += [f"cat > {shlex.quote(path)} <<'{end}'", text.rstrip("\n"), end]
    return lines
