"""The program behind a recorded command line: FORMATS.md, "A recorded cookbook command is the program's argv without
interpreter, working directory or environment"; so those three are looked for, and the checklist says what was found."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stealthrl_tui.actions.resume.interpreter import ancestors, imports_of
from stealthrl_tui.actions.resume.value import Check
from stealthrl_tui.text import clean

_MARKS = (".git", "pyproject.toml", ".venv", "setup.py")
LOG_PATH, BEHAVIOR = "log_path", "behavior_if_log_dir_exists"


@dataclass(frozen=True, slots=True)
class Program:
    """What to give an interpreter: `words` (a file, or `-m` and a module), the arguments, and where to run it.

    `path` is the program's file, absolute where it was found. `import_path` is what Python puts before everything else.
    """

    words: tuple[str, ...]
    arguments: tuple[str, ...]
    cwd: str
    path: str | None = None
    modules: tuple[str, ...] = ()
    import_path: str = ""
    problem: Check | None = None


def locate(recorded: str, run_path: str, cwd_setting: str | None) -> Program:
    """The program of a recorded command line (shell-quoted argv); `problem` says why it can't be started again."""
    try:
        words = shlex.split(recorded)
    except ValueError as error:
        return _lost((), (), run_path, f"the recorded command can't be read: {error}")
    if not words or words[0] in ("-c", "-m", "-", ""):
        return _lost(words[:1], words[1:], run_path, "the recorded command names no program file")
    if any("\0" in word for word in words):
        return _lost((), (), run_path, "the recorded command holds a NUL")
    name, arguments = words[0], tuple(words[1:])
    places = tuple(_working_folders(arguments, run_path, cwd_setting))
    if os.path.isabs(name):
        return _absolute(name, arguments, places, cwd_setting)
    cwd = next((place for place in places if os.path.isfile(os.path.join(place, name))), None)
    if cwd is None:
        why = f"{clean(name, 120)} is not below {clean(places[0], 120)} or the folders that were tried"
        return _lost((name,), arguments, places[0], f"{why}: start in the training project's folder, or set resume.cwd")
    return _script((name,), os.path.join(cwd, name), arguments, cwd)


def _lost(words: Sequence[str], arguments: Sequence[str], cwd: str, why: str) -> Program:
    return Program(tuple(words), tuple(arguments), cwd, problem=Check("fail", "training program", why, "no_trainer"))


def _working_folders(arguments: Sequence[str], run_path: str, setting: str | None) -> Iterator[str]:
    if setting:
        yield os.path.abspath(os.path.expanduser(setting))
        return
    yield from _by_log_path(arguments, run_path)
    yield from ancestors(os.path.dirname(run_path))
    yield os.getcwd()


def _by_log_path(arguments: Sequence[str], run_path: str) -> Iterator[str]:
    """A relative `log_path=` tells where the program ran: what is before it in the run's own path."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key.rpartition(".")[2] == LOG_PATH and value and not os.path.isabs(value):
            ending = "/" + os.path.normpath(value)
            if run_path.endswith(ending):
                yield run_path.removesuffix(ending) or "/"


def _absolute(path: str, arguments: tuple[str, ...], places: Sequence[str], setting: str | None) -> Program:
    module = module_of(path)
    told = list(_by_told(places, setting, arguments))
    if module is None:
        cwd = next(iter(told), None) or _project(path) or os.path.dirname(path)
        return _script((path,), path, arguments, cwd)
    folder, name = module
    installed = "site-packages" in folder.split(os.sep)
    cwd = next(iter(told), None) or (os.getcwd() if installed else folder)
    problem = _missing(path)
    return Program(("-m", name), arguments, cwd, path, imports_of(path), cwd, problem)


def _by_told(places: Sequence[str], setting: str | None, arguments: Sequence[str]) -> Iterator[str]:
    relative = any(
        argument.partition("=")[0].rpartition(".")[2] == LOG_PATH and not os.path.isabs(argument.partition("=")[2])
        for argument in arguments
    )
    if (setting or relative) and places:
        yield places[0]


def _script(words: tuple[str, ...], path: str, arguments: tuple[str, ...], cwd: str) -> Program:
    return Program(words, arguments, cwd, path, imports_of(path), os.path.dirname(path), _missing(path))


def _missing(path: str) -> Check | None:
    if os.path.isfile(path):
        return None
    return Check("fail", "training program", f"{clean(path, 200)} is gone", "no_trainer")


def _project(path: str) -> str | None:
    for folder in ancestors(os.path.dirname(path)):
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
            return folder
    return None


def module_of(path: str) -> tuple[str, str] | None:
    """The folder and the dotted name of a program file inside a package, None for a script.

    `python -m package.module` records the file's absolute path: started as a file it would find other modules.
    """
    stem, extension = os.path.splitext(path)
    folder = os.path.dirname(path)
    if extension != ".py" or not os.path.isfile(os.path.join(folder, "__init__.py")):
        return None
    parts = [] if os.path.basename(stem) == "__main__" else [os.path.basename(stem)]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    return folder, ".".join(parts)


def told_to_resume(arguments: Sequence[str], directory: str) -> tuple[str, ...]:
    """The arguments with `log_path` set to `directory` and the answer `resume`, in place of what was recorded.

    The cookbook's own question (`ask`, its default) would wait on standard input for ever.
    """
    wanted = {LOG_PATH: directory, BEHAVIOR: "resume"}
    kept, prefix = [], ""
    for argument in arguments:
        path, dot, last = argument.partition("=")[0].rpartition(".")
        if "=" in argument and last in wanted:
            prefix = path + dot if last == LOG_PATH else prefix
        else:
            kept.append(argument)
    return (*kept, *(f"{prefix}{key}={value}" for key, value in wanted.items()))
