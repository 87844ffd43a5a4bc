"""The arrows of the house (DESIGN.md): which room may know which, and what an import must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stealthrl_tui

PACKAGE = Path(stealthrl_tui.__file__).parent
NAME = "stealthrl_tui"
ANYONES = {"text", "settings"}
# Which rooms of the project the modules of a room may import, at their head or inside a function.
ROOMS = {
    "text": set(),
    "settings": set(),
    "runs": set(),
    "actions": {"runs"},
    "service": set(),
    "sandbox": set(),
    # A training loop as anyone's, so it saves with the recorder.
    "sandbox/trainer": {"sandbox", "recorder"},
    # A tool that photographs the real app for the README; nothing imports it.
    "sandbox/pictures": {"sandbox", "ui"},
    # What training loops import: the half of the project that saves.
    "recorder": {"actions", "runs", "service"},
    "ui": {"actions", "runs"},
    "cli": {"verbs"},
    "verbs": {"ui", "actions", "runs", "service", "sandbox"},
    "__init__": set(),
    "__main__": {"cli"},
}
# Which rooms know a library, or a part of one.
LIBRARIES = {
    "textual": {"ui", "sandbox/pictures"},
    "tinker": {"service", "sandbox", "sandbox/trainer"},
    "tinker_cookbook": set[str](),
    "rich": {"ui", "verbs"},
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    below = path.relative_to(PACKAGE)
    own = str(below.with_suffix(""))
    return own if own in ROOMS else below.parts[0]


def _imports(path: Path) -> Iterator[str]:
    """Every module that `path` names in an import, `from package import name` as both."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_is_known_here() -> None:
    assert {_room(path) for path in _modules()} <= set(ROOMS)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_knows_only_what_its_arrows_allow(path: Path) -> None:
    room = _room(path)
    allowed = ROOMS[room] | ANYONES | {room, "__version__"}
    for name in _imports(path):
        top, _, rest = name.partition(".")
        if top == NAME:
            assert rest.replace(".", "/") not in {"sandbox/pictures"} - {room}, f"{path} imports {name}"
            assert rest.partition(".")[0] in allowed, f"{path} imports {name}"
        elif top in LIBRARIES:
            assert room in LIBRARIES[top], f"{path} imports {name}"


def _loaded(module: str) -> set[str]:
    """All modules that are loaded after importing every module below `module` in a fresh interpreter."""
    program = (
        "import importlib, pkgutil, sys\n"
        f"room = importlib.import_module({module!r})\n"
        "for found in pkgutil.walk_packages(getattr(room, '__path__', []), room.__name__ + '.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("room", "foreign"),
    [
        ("runs", {"tinker", "textual", "rich", "platformdirs", "asyncio", "http.client", "urllib.request", "ssl"}),
        ("actions", {"tinker", "textual", "rich", "http.client", "urllib.request", "ssl"}),
        ("ui", {"tinker", "numpy", "transformers", "urllib.request"}),
        (
            "cli",
            {
                "tinker",
                "textual",
                "rich",
                "orjson",
                "numpy",
                "platformdirs",
                "tomllib",
                "json",
                "asyncio",
                "subprocess",
            },
        ),
        (
            "verbs",
            {"tinker", "textual", "rich", "orjson", "numpy", "platformdirs", "asyncio", "subprocess", "urllib.request"},
        ),
        ("text", {"tinker", "textual", "orjson"}),
        ("settings", {"tinker", "textual", "platformdirs", "tomllib"}),
    ],
)
def test_a_room_loads_nothing_foreign(room: str, foreign: set[str]) -> None:
    assert not _loaded(f"{NAME}.{room}") & foreign


def test_listing_runs_loads_neither_the_ui_library_nor_the_sdk(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom stealthrl_tui.cli import main\n"
        f"assert main(['ls', {str(tmp_path)!r}]) == 0 and main(['ls', {str(tmp_path)!r}, '--json']) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
    assert not set(done.stderr.split()) & {"tinker", "textual", "asyncio", "numpy"}
