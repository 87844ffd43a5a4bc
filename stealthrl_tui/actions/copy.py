"""The clipboard, by every way that may get through.

OSC 52 reaches the terminal of whoever is looking, over ssh too, but its sender never learns whether it arrived: tmux
drops it by default and macOS Terminal knows none. So a local clipboard program is asked as well when there is no ssh in
between, and tmux under tmux. The escape sequence itself belongs to whoever owns the screen; this module does the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

TIMEOUT_SECONDS = 2.0
Runner = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a text went. `ways` are the programs that took it, `failed` those that were asked and did not.

    `osc52` asks the owner of the screen to write the escape sequence too; it is always worth trying.
    """

    ways: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    osc52: bool = True

    @property
    def sentence(self) -> str:
        """What to say: *sent*, not *copied*, since nothing tells whether a terminal took it."""
        said = f"sent to {_listed(('the terminal (OSC 52)', *self.ways))}"
        return f"{said}; {_listed(self.failed)} failed" if self.failed else said


def copy(text: str, *, environ: Mapping[str, str] = os.environ, run: Runner = subprocess.run) -> Sent:
    """Hand `text` to tmux and to a local clipboard program, where there are any.

    It waits for children, `TIMEOUT_SECONDS` at most for each, so it belongs off the UI thread. A program that fails or
    hangs is reported in the result and is no error.
    """
    ways: list[str] = []
    failed: list[str] = []
    for name, commands in _ladder(environ):
        worked = any(_send(command, text, environ, run) for command in commands)
        (ways if worked else failed).append(name)
        if worked and name != "tmux":
            break
    return Sent(tuple(ways), tuple(failed))


def _ladder(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    """(name, commands to try in turn) for tmux, then for the local programs, the likeliest first."""
    candidates: list[tuple[str, bool, tuple[tuple[str, ...], ...]]] = [
        # -w passes the text on to the outer terminal; tmux before 3.2 does not know it.
        ("tmux", bool(environ.get("TMUX")), (("load-buffer", "-w", "-"), ("load-buffer", "-"))),
    ]
    if not (environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")):
        candidates += [
            ("wl-copy", bool(environ.get("WAYLAND_DISPLAY")), ((),)),
            ("pbcopy", True, ((),)),
            ("xclip", bool(environ.get("DISPLAY")), (("-selection", "clipboard"),)),
            ("xsel", bool(environ.get("DISPLAY")), (("--clipboard", "--input"),)),
            ("clip.exe", True, ((),)),
        ]
    for name, usable, arguments in candidates:
        program = shutil.which(name, path=environ.get("PATH", os.defpath)) if usable else None
        if program is not None:
            yield name, tuple((program, *each) for each in arguments)


def _send(command: tuple[str, ...], text: str, environ: Mapping[str, str], run: Runner) -> bool:
    # Windows' own program reads UTF-16; all others read UTF-8. A lone surrogate has no encoding anywhere.
    encoding = "utf-16" if command[0].endswith("clip.exe") else "utf-8"
    try:
        done = run(
            command,
            input=text.encode(encoding, "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=TIMEOUT_SECONDS,
            env=dict(environ),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
