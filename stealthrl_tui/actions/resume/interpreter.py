"""Which Python starts the trainer, and whether it imports what the trainer needs."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stealthrl_tui.actions.resume.value import Interpreter
from stealthrl_tui.text import clean

PROBE_SECONDS = 60.0
_LARGEST_PROGRAM = 1 << 20
_VENVS = (".venv", "venv")
# Installed packages are imported for good; the project's own modules are only looked for, they may do things.
_PROBE = """
import importlib, importlib.util, json, os, sys
path, names = sys.argv[1], sys.argv[2:]
if path:
    sys.path.insert(0, path)
problems, versions = {}, {}
out = os.dup(1)
os.dup2(2, 1)
for name in names:
    try:
        spec = importlib.util.find_spec(name)
        if spec is None:
            problems[name] = "is not installed"
        elif "site-packages" in (spec.origin or ""):
            importlib.import_module(name)
    except BaseException as error:
        problems[name] = f"fails: {type(error).__name__}: {error}"
from importlib import metadata
for name in ("tinker", "tinker-cookbook"):
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
os.write(out, json.dumps({"problems": problems, "versions": versions}).encode())
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a Python can import: `problem` is why it could not be asked, `problems` maps modules to what fails."""

    problem: str | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def choose(setting: str | None, program: str | None, places: Sequence[str]) -> Interpreter:
    """The setting's; else the environment that `program` is installed in; else a `.venv` above `places`; else ours."""
    if setting:
        given = os.path.expanduser(setting)
        return Interpreter(shutil.which(given) or given, "the setting")
    if program is not None:
        for folder in ancestors(os.path.dirname(program)):
            if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
                return Interpreter(_python_in(folder), "the environment that the program is installed in")
    for place in places:
        for folder in ancestors(place):
            for name in _VENVS:
                python = _python_in(os.path.join(folder, name))
                if os.path.isfile(python):
                    return Interpreter(python, f"the training project's {name}")
    return Interpreter(sys.executable, "the one that runs this browser: the training project has no .venv")


def _python_in(venv: str) -> str:
    return os.path.join(venv, "bin", "python")


def ancestors(folder: str) -> Iterator[str]:
    """`folder` and every folder above it but the root."""
    folder = os.path.abspath(folder)
    while folder != os.path.dirname(folder):
        yield folder
        folder = os.path.dirname(folder)


def imports_of(program: str) -> tuple[str, ...]:
    """The top-level modules that a program imports at its head; none when it can't be read as Python."""
    try:
        with open(program, "rb") as file:
            tree = ast.parse(file.read(_LARGEST_PROGRAM))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    tops = dict.fromkeys(name.partition(".")[0] for name in names)
    return tuple(top for top in tops if top not in sys.stdlib_module_names)


def probe(python: str, modules: Sequence[str], cwd: str, import_path: str, seconds: float = PROBE_SECONDS) -> Probe:
    """Ask `python`, in a child, to import `modules`."""
    if not (os.path.isfile(python) and os.access(python, os.X_OK)):
        return Probe(f"{clean(python)} is gone or can't be run")
    command = [python, "-c", _PROBE, import_path, *modules]
    try:
        done = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
            env={**os.environ, "TINKER_TELEMETRY": "0"},
        )  # fmt: skip
        answer = json.loads(done.stdout)
        return Probe(None, dict(answer["problems"]), dict(answer["versions"]))
    except subprocess.TimeoutExpired:
        return Probe(f"{clean(python)} did not import them in {seconds:.0f} s")
    except OSError as error:
        return Probe(f"{clean(python)} can't be run: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        return Probe(f"{clean(python)} is no Python that works")
