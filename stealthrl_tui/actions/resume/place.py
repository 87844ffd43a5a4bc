"""Where a resume is started, and what of that can be told before: is tmux there, can the launcher be used."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from stealthrl_tui.actions.resume.fill import Unfillable, fields_of, fill
from stealthrl_tui.actions.resume.value import Check, Plan
from stealthrl_tui.text import clean

Where = Literal["here", "tmux", "launcher"]
LAUNCHER_WORDS = ("command", "script", "name", "directory", "cwd", "log")
SCRIPT = "resume.sh"
NO_TMUX = "tmux is not installed: start it here instead"


def check(plan: Plan, where: Where, launcher: str | None, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """The line of the checklist about the place; nothing where it is this machine, detached, or nothing is started."""
    if not plan.ready:
        return
    path = environ.get("PATH")
    if where == "tmux":
        there = shutil.which("tmux", path=path) is not None
        yield Check("ok", where, "installed") if there else Check("fail", where, NO_TMUX, "no_trainer")
    elif where == "launcher":
        try:
            program = launcher_argv(plan, launcher)[0][0]
        except Unfillable as problem:
            yield Check("fail", where, f"the one in the settings {problem}", "no_trainer")
            return
        if shutil.which(program, path=path) is None:
            yield Check("fail", where, f"{clean(program, 120)} is not on this machine, or can't be run", "no_trainer")
        else:
            yield Check("ok", where, clean(launcher, 160))


def launcher_argv(plan: Plan, launcher: str | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """The launcher's words, and the files (path -> text) that it wants beside the plan's own. Raises Unfillable.

    `launcher` is a template with LAUNCHER_WORDS in braces: `{command}` is one shell text, `{script}` a file that holds
    it, and the file is put last where neither is named.
    """
    if launcher is None:
        raise Unfillable("is not set (resume.launcher)")
    line = f"{plan.shell_line} >> {shlex.quote(plan.log)} 2>&1 < /dev/null"
    script = _free(os.path.join(plan.directory, SCRIPT))
    values: dict[str, Any] = dict(
        zip(LAUNCHER_WORDS, (line, script, plan.name, plan.directory, plan.cwd, plan.log), strict=True)
    )
    asked = fields_of(launcher)
    argv = fill(launcher, values)
    if "command" in asked and "script" not in asked:
        return argv, {}
    return argv if "script" in asked else (*argv, script), {script: f"#!/bin/sh\n{line}\n"}


def _free(path: str) -> str:
    stem, extension = os.path.splitext(path)
    number = 1
    while os.path.lexists(path):
        number += 1
        path = f"{stem}-{number}{extension}"
    return path
