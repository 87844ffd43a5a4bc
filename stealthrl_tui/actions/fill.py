"""Fills the script templates, so that no word from outside can become code.

A template is `templates/<name>.py.tmpl`; files whose name starts with an underscore are parts that several templates
hold in common. Every value enters as a Python literal or as cleaned text of the docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from stealthrl_tui.text import clean

# Where the service is unless TINKER_BASE_URL says otherwise; the SDK holds the same.
SERVICE_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
_WIDTH = 88  # of a line, to the formatters
_PARTS = ("constants", "checks", "prompt", "sync")


def literal(value: str | None) -> str:
    """`value` as a Python literal in the quotes that formatters like; anything invisible in it is escaped."""
    written = repr(value)
    if value is None or "'" in value or '"' in value:
        return written
    return f'"{written[1:-1]}"'


def prose(value: object) -> str:
    """One line of outside text that can stand in a docstring: it can neither end nor continue it."""
    return clean(value, limit=400).replace("\\", "\\\\").replace('"', '\\"')


def fill(name: str, about: str, constants: Mapping[str, str | None]) -> str:
    """The script `name` with `about` (made of `prose`) as its docstring and `constants` by their Python names.

    Raises KeyError for a constant that the template needs and was not given.
    """
    assigned = {key: _assignment(key, value) for key, value in {"DEFAULT_URL": SERVICE_URL, **constants}.items()}
    parts = {part: Template(_read(f"_{part}")).substitute(assigned).rstrip("\n") + "\n" for part in _PARTS}
    return Template(_read(name)).substitute({**assigned, **parts, "about": about})


def _assignment(name: str, value: str | None) -> str:
    # Broken as the formatters break it: in brackets where that makes it fit, on one line where nothing does.
    written = literal(value)
    if len(name) + len(" = ") + len(written) > _WIDTH >= len("    ") + len(written):
        return f"{name} = (\n    {written}\n)"
    return f"{name} = {written}"


def _read(name: str) -> str:
    template = files("stealthrl_tui.actions") / "templates" / f"{name}.py.tmpl"
    return template.read_text(encoding="utf-8")
