"""What `doctor` looks at."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stealthrl_tui.text import plural
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import PROGRAM

PATIENCE_SECONDS = 3.0
_WATCH_LIMITS = "/proc/sys/fs/inotify"
# A run's folder and those of its checkpoints, events and rollouts.
_FOLDERS_A_RUN = 10
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
_WITH_PASSWORD = re.compile(r"//[^/@]*@")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at, and in `hint` what to do about it. `ok` is False where something that is needed fails."""

    name: str
    ok: bool
    value: str
    hint: str = ""


def machine_checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """Python, the packages, the settings file, the roots and how changes in them are noticed."""
    yield Check("python", True, ".".join(map(str, sys.version_info[:3])))
    yield from _packages()
    yield _settings(environ)
    runs = 0
    for root in places.roots((), environ):
        check, found = _root(root)
        runs += found
        yield check
    if sys.platform == "linux":
        yield _watch_limits(runs)


def _packages() -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        yield Check(PROGRAM, True, version(PROGRAM))
        needed = [line for line in requires(PROGRAM) or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Check(PROGRAM, False, "not installed", f"pip install {PROGRAM}")
        return
    for line in needed:
        match = _REQUIREMENT.match(line)
        name = match[0] if match else line
        try:
            yield Check(name, True, version(name))
        except PackageNotFoundError:
            yield Check(name, False, "not installed", f"pip install {line!r}")


def _settings(environ: Mapping[str, str]) -> Check:
    from stealthrl_tui.settings import load

    settings = load(environ)
    value = str(settings.path) if settings.path.exists() else f"{settings.path} (not there: the defaults)"
    return Check("settings", not settings.problems, value, "; ".join(settings.problems))


def _root(root: str) -> tuple[Check, int]:
    from stealthrl_tui.runs.library import Library

    shown = os.path.abspath(root)
    if not os.path.isdir(root):
        return Check("runs", True, f"{shown} does not exist", f"name the folder your runs are in: {PROGRAM} ROOT"), 0
    library = Library([root])
    count = sum(1 for _ in library.discover())
    return Check("runs", True, f"{plural(count, 'run')} in {shown}", "; ".join(library.notes)), count


def _watch_limits(runs: int) -> Check:
    try:
        with open(f"{_WATCH_LIMITS}/max_user_watches", encoding="ascii") as file:
            watches = int(file.read())
    except (OSError, ValueError):
        return Check("file events", True, "limits not known", "changes are looked for every few seconds all the same")
    hint = "too few for so many folders, so changes show later: sudo sysctl fs.inotify.max_user_watches=524288"
    value = f"max_user_watches {watches}"
    return Check("file events", True, value, hint if watches < _FOLDERS_A_RUN * runs else "")


def terminal_checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """What there is to draw on, and where a copied URI can go."""
    import locale
    import shutil

    term = environ.get("TERM", "")
    size = shutil.get_terminal_size()
    words = [term or "TERM not set", environ.get("COLORTERM") or "no COLORTERM", f"{size.columns}x{size.lines}"]
    words += ["tmux"] if environ.get("TMUX") else []
    words += ["ssh"] if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY") else []
    hint = "browsing needs a terminal whose cursor moves; ls, show and uri don't" if term in ("", "dumb") else ""
    yield Check("terminal", True, ", ".join(words), hint)
    encoding = locale.getencoding()
    utf8 = bool(sys.flags.utf8_mode) or encoding.lower().replace("-", "") == "utf8"
    hint = "" if utf8 else "glyphs and curves need UTF-8: export LANG=C.UTF-8"
    yield Check("encoding", True, "UTF-8" if utf8 else encoding, hint)
    yield Check("clipboard", True, " and ".join(("the terminal (OSC 52)", *_clipboards(environ))))


def _clipboards(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The programs that a copied text would be handed to; none of them is run."""
    from subprocess import CompletedProcess

    from stealthrl_tui.actions.copy import copy

    return copy("", environ=environ, run=lambda command, **_: CompletedProcess(command, 0)).ways


def service_checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """Where a key would come from (never the key), where the Tinker service is, and whether anyone answers there."""
    from stealthrl_tui.service.account import base_url, key_source

    source = key_source(environ)
    if source is None:
        yield Check(
            "key", True, "none", "browsing needs none; to ask the service: TINKER_API_KEY or `tinker auth login`"
        )
    else:
        yield Check("key", True, f"{source} is there" if source.startswith("~") else f"{source} is set")
    url = base_url(environ)
    shown = _WITH_PASSWORD.sub("//…@", url)
    if not url.startswith(("http://", "https://")):
        yield Check("service", False, shown, "TINKER_BASE_URL is to be an http:// or https:// address")
        return
    word = _reach(url)
    if word is None:
        yield Check("service", True, f"{shown} answers")
        return
    # Only who has a key wants the service.
    hint = "check the network and TINKER_BASE_URL; browsing needs no service"
    yield Check("service", source is None, f"{shown}: {word}", hint)


def _reach(url: str) -> str | None:
    """None when the service at `url` answers, else what came instead; `PATIENCE_SECONDS` at most."""
    import threading

    from stealthrl_tui.service.account import Health, health

    found: list[Health] = []
    # In a thread: nothing bounds how long the look-up of a name takes.
    asking = threading.Thread(target=lambda: found.append(health(url, PATIENCE_SECONDS)), daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS + 0.5)
    if not found:
        return f"no answer in {PATIENCE_SECONDS:.0f} s"
    return None if found[0].ok else found[0].word
