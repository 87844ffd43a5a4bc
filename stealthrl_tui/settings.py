"""The user's settings file and where things are kept; what it gets wrong is said in words and never stops anything.

theme = "light"                     # or "dark"; what was chosen last without it
smoothing = 0.9                     # of curves: 0 (none) to below 1

[keys]                              # a command's name -> its keys
copy = "y"

[metric]                            # a kind of run -> the metric that says how good it is
stealthrl = "test/env/all/reward/total"

[better]                            # a metric -> which way is better
"my/metric" = "lower"               # or "higher"

[server]
ask = true                          # ask the Tinker service what still exists, by itself
interval = 300                      # seconds between two questions

[export]
template = "sdk"

[resume]
python = "~/train/.venv/bin/python"  # the training environment's; the training project's .venv without it
cwd = "~/train"                     # the training project's folder; looked for without it
command = "{python} my.py --state {state_uri} --from {step} --out {new_run}"  # for runs that record no command
launcher = "sbatch {script}"        # starts resumes elsewhere
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stealthrl_tui.text import clean

APP = "stealthrl-tui"
CONFIG_VARIABLE = "STEALTHRL_TUI_CONFIG"
STATE_VARIABLE = "STEALTHRL_TUI_STATE"
THEMES = ("dark", "light")
# Below this the service is asked more often than anything there changes.
SHORTEST_INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose; None and empty where nothing was chosen.

    `keys` maps a command's name to its keys, comma separated. `metrics` maps a kind of run to a metric key, `higher`
    a metric key to whether higher is better. `server_interval` is in seconds. `problems` says what in the file at
    `path` could not be used.
    """

    path: Path
    theme: str | None = None
    smoothing: float | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    higher: Mapping[str, bool] = field(default_factory=dict)
    server_ask: bool = True
    server_interval: float = 300.0
    template: str | None = None
    resume_python: str | None = None
    resume_cwd: str | None = None
    resume_command: str | None = None
    resume_launcher: str | None = None
    problems: tuple[str, ...] = ()


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings file's word, or the defaults; `$STEALTHRL_TUI_CONFIG` names another file than the usual one."""
    import tomllib

    path = config_path(environ)
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        named = bool(environ.get(CONFIG_VARIABLE))
        return Settings(path, problems=(f"${CONFIG_VARIABLE} names no file: {clean(path)}",) if named else ())
    except OSError as error:
        return Settings(path, problems=(f"cannot read {clean(path)}: {error.strerror}",))
    except (ValueError, RecursionError) as error:
        return Settings(path, problems=(f"{clean(path)} is no TOML, so none of it is used: {clean(error)}",))
    return _checked(path, table)


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the settings file is, whether or not it exists."""
    named = environ.get(CONFIG_VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    from platformdirs import user_config_path

    return user_config_path(APP, appauthor=False) / "settings.toml"


def state_dir() -> Path:
    """Where what is remembered from one start to the next is kept; it may not exist yet.

    `$STEALTHRL_TUI_STATE` names another folder than the system's usual one.
    """
    named = os.environ.get(STATE_VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    from platformdirs import user_state_path

    return user_state_path(APP, appauthor=False)


def _checked(path: Path, table: dict[str, Any]) -> Settings:
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, found in table.items():
        if name in _VALUES:
            _take(values, problems, name, found, _VALUES[name])
        elif name in _TABLES and isinstance(found, dict):
            _TABLES[name](values, problems, found)
        elif name in _TABLES:
            problems.append(f"{name} is to be a table, [{name}]")
        else:
            problems.append(f"unknown setting {clean(name, 60)}")
    return Settings(path, **values, problems=tuple(problems))


@dataclass(frozen=True, slots=True)
class _Rule:
    """The Settings field that a value goes to, what it is to be (in words), and its usable form, None when unusable."""

    target: str
    wanted: str
    usable: Callable[[Any], Any]


def _take(values: dict[str, Any], problems: list[str], name: str, found: Any, rule: _Rule) -> None:
    usable = rule.usable(found)
    if usable is None:
        problems.append(f"{name} is to be {rule.wanted}, not {clean(repr(found), 60)}")
    else:
        values[rule.target] = usable


def _section(rules: Mapping[str, _Rule], title: str) -> Callable[[dict[str, Any], list[str], dict[str, Any]], None]:
    """A table with fixed names."""

    def read(values: dict[str, Any], problems: list[str], table: dict[str, Any]) -> None:
        for name, found in table.items():
            if name in rules:
                _take(values, problems, f"{title}.{name}", found, rules[name])
            else:
                problems.append(f"unknown setting {title}.{clean(name, 60)}")

    return read


def _mapping(rule: _Rule, title: str) -> Callable[[dict[str, Any], list[str], dict[str, Any]], None]:
    """A table whose names are the user's."""

    def read(values: dict[str, Any], problems: list[str], table: dict[str, Any]) -> None:
        taken: dict[str, Any] = {}
        for name, found in table.items():
            one: dict[str, Any] = {}
            _take(one, problems, f"{title}.{clean(name, 60)}", found, rule)
            if one:
                taken[name] = one[rule.target]
        values[rule.target] = taken

    return read


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) and found.strip() else None


def _theme(found: Any) -> str | None:
    return found if found in THEMES else None


def _flag(found: Any) -> bool | None:
    return found if isinstance(found, bool) else None


def _number(lowest: float, below: float) -> Callable[[Any], float | None]:
    def usable(found: Any) -> float | None:
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None
        return float(found) if lowest <= found < below else None

    return usable


def _keys(found: Any) -> str | None:
    keys = found if isinstance(found, list) else [found]
    if not keys or not all(isinstance(key, str) and key.strip() for key in keys):
        return None
    return ",".join(key.strip() for key in keys)


def _direction(found: Any) -> bool | None:
    return {"higher": True, "lower": False}.get(found) if isinstance(found, str) else None


_VALUES = {
    "theme": _Rule("theme", '"dark" or "light"', _theme),
    "smoothing": _Rule("smoothing", "a number from 0 to below 1", _number(0, 1)),
}
_TABLES = {
    "keys": _mapping(_Rule("keys", "a key or a list of keys, as text", _keys), "keys"),
    "metric": _mapping(_Rule("metrics", "a metric's name", _text), "metric"),
    "better": _mapping(_Rule("higher", '"higher" or "lower"', _direction), "better"),
    "server": _section(
        {
            "ask": _Rule("server_ask", "true or false", _flag),
            "interval": _Rule(
                "server_interval", f"seconds, {SHORTEST_INTERVAL:.0f} or more", _number(SHORTEST_INTERVAL, math.inf)
            ),
        },
        "server",
    ),
    "export": _section({"template": _Rule("template", "a template's name", _text)}, "export"),
    "resume": _section(
        {
            "python": _Rule("resume_python", "a Python interpreter, as text", _text),
            "cwd": _Rule("resume_cwd", "a folder, as text", _text),
            "command": _Rule("resume_command", "a command, as text", _text),
            "launcher": _Rule("resume_launcher", "a command, as text", _text),
        },
        "resume",
    ),
}
