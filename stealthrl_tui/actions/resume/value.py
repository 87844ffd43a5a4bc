"""What a resume is, as values: the plan, its checklist, what the user prefers."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

Level = Literal["ok", "warn", "fail"]
NO_ADDITIONS: Mapping[str, str] = MappingProxyType({})
# So that resume.log shows a line when it is written, not kilobytes later.
UNBUFFERED: Mapping[str, str] = MappingProxyType({"PYTHONUNBUFFERED": "1"})


class Way(StrEnum):
    """How a run is taken up again."""

    COOKBOOK = "cookbook"  # its recorded command line, told to resume
    RECORDER = "recorder"  # the same, for a loop that saves with this project's recorder
    STEALTHRL = "stealthrl"  # a launcher around the StealthRL trainer
    OWN = "own"  # the user's command template
    SCAFFOLD = "scaffold"  # a script whose loop the user writes


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. A `fail` stops the start, and `code` is then one of DESIGN.md's error codes."""

    level: Level
    what: str
    reason: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the user's settings say of resuming; None where they don't.

    `python` is an interpreter, `cwd` the training project's folder. `command` is the template of a command that takes
    up any run, `launcher` one that starts a command elsewhere (`place.LAUNCHER_WORDS`).
    """

    python: str | None = None
    cwd: str | None = None
    command: str | None = None
    launcher: str | None = None


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and in words why it was chosen."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be started. `edited` makes another one.

    `parent` is the original run's directory and `directory` the new run's; `in_place` says that they are one. `files`
    (absolute path -> text) are written before the start. `environment` is added to the one at hand. `modules` are what
    the trainer imports, found from `import_path` before anything else. `data` are files it reads, absolute. `lost`
    says what can't be carried over, `obstacles` what the planning itself found. A plan that is not `ready` is written
    for the user to complete and not started. `edited_by_user` marks one that is no longer as planned.
    """

    way: Way
    parent: str
    parent_name: str
    checkpoint: str
    state_uri: str | None
    step: int | None
    name: str
    directory: str
    in_place: bool
    argv: tuple[str, ...]
    cwd: str
    interpreter: Interpreter
    environment: Mapping[str, str] = field(default_factory=lambda: UNBUFFERED)
    files: Mapping[str, str] = field(default_factory=lambda: NO_ADDITIONS)
    modules: tuple[str, ...] = ()
    import_path: str = ""
    data: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    obstacles: tuple[Check, ...] = ()
    ready: bool = True
    edited_by_user: bool = False

    @property
    def command(self) -> str:
        """The command alone, quoted for a shell."""
        return shlex.join(self.argv)

    @property
    def shell_line(self) -> str:
        """The command from anywhere: its folder, its environment, then itself in the shell's place."""
        added = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        words = ["exec", "env", *added, self.command] if added else ["exec", self.command]
        return f"cd {shlex.quote(self.cwd)} && {' '.join(words)}"

    @property
    def log(self) -> str:
        """Where the output of the start goes."""
        return os.path.join(self.directory, "resume.log")

    def edited(self, *, argv: Sequence[str] | None = None, cwd: str | None = None) -> Plan:
        """The same plan with another command or folder; the checklist then warns where it can no longer tell."""
        return replace(
            self, argv=self.argv if argv is None else tuple(argv), cwd=self.cwd if cwd is None else cwd,
            edited_by_user=True,
        )  # fmt: skip
