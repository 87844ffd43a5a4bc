"""Pictures of the real app on the demo's runs: `python -m stealthrl_tui.sandbox.pictures screenshots/`.

Everything that changes by itself stands still (the clock, the live run, the caret), so the same program makes the same
bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.demo import PREFIX

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from stealthrl_tui.ui.app import Browser

USAGE = "usage: python -m stealthrl_tui.sandbox.pictures DIRECTORY"
# Some minutes after the last of the recorded runs; local time, as in their logs.
NOW = "2026-11-23 17:43:00"

# rich names everything in an SVG by a checksum of all of it: one changed letter would change every line.
_IDS = re.compile(r"terminal-\d+")
_WEB_FONTS = re.compile(r"\s*@font-face \{.*?\n    \}", re.DOTALL)
_POLL_SECONDS, _QUIET_POLLS, _PATIENCE_SECONDS = 0.08, 6, 30.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A screen: the size of the terminal in columns and rows, and the keys that lead there."""

    name: str
    columns: int
    rows: int
    keys: tuple[str, ...] = ()


TO_BASELINE = ("G", *"kkkkkk")
PICTURES = (
    Picture("browse", 120, 36),
    Picture("metrics", 120, 36, (*TO_BASELINE, "m")),
    Picture("log", 120, 36, (*TO_BASELINE, "l")),
    Picture("export", 120, 36, (*TO_BASELINE, "E")),
    Picture("help", 120, 36, ("question_mark",)),
    Picture("browse-80x24", 80, 24),
)


def make(directory: Path) -> list[Path]:
    """Draw all PICTURES into `directory` as SVG; the files, in that order. Raises OSError and TimeoutError."""
    directory.mkdir(parents=True, exist_ok=True)
    now = time.mktime(time.strptime(NOW, "%Y-%m-%d %H:%M:%S"))
    made = []
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, _home(folder):
        root = samples.unpack(Path(folder), now)
        for picture in PICTURES:
            drawn = asyncio.run(_draw(picture, root, now))
            path = directory / f"{picture.name}.svg"
            _write(path, _steady(drawn, Path(folder).name))
            made.append(path)
    return made


@contextlib.contextmanager
def _home(folder: str) -> Iterator[None]:
    """Have `folder` be the user's home, which the screen calls `~`: its own name is another each time."""
    before = os.environ.get("HOME")
    os.environ["HOME"] = folder
    try:
        yield
    finally:
        os.environ.pop("HOME")
        if before is not None:
            os.environ["HOME"] = before


async def _draw(picture: Picture, root: Path, now: float) -> str:
    from stealthrl_tui.settings import Settings
    from stealthrl_tui.ui.app import Browser

    app = Browser([str(root)], Settings(path=Path(os.devnull), server_ask=False), badge="SANDBOX", clock=lambda: now)
    app.animation_level = "none"
    async with app.run_test(size=(picture.columns, picture.rows)) as pilot:
        await _rest(app, pilot)
        await pilot.press(*picture.keys)
        _stop_blinking(app)
        await _rest(app, pilot)
        return app.export_screenshot()


async def _rest(app: Browser, pilot: Pilot[None]) -> None:
    """Until everything is read and the screen has stayed the same for a while. Raises TimeoutError."""
    end = time.monotonic() + _PATIENCE_SECONDS
    before, quiet = "", 0
    while quiet < _QUIET_POLLS:
        if time.monotonic() > end:
            raise TimeoutError(f"the screen did not come to rest in {_PATIENCE_SECONDS:.0f} s")
        await pilot.pause(_POLL_SECONDS)
        state, screen = app.feed.state, app.export_screenshot()
        busy = not state.discovered or state.read < state.total or len(app.workers) > 0
        quiet = 0 if busy or screen != before else quiet + 1
        before = screen


def _stop_blinking(app: Browser) -> None:
    from textual.widgets import Input

    for field in app.screen.query(Input):
        field.cursor_blink = False


def _steady(svg: str, folder: str) -> str:
    """The picture without what differs from one making to the next, and without fonts from the network."""
    svg = _WEB_FONTS.sub("", _IDS.sub("screen", svg))
    # As long as the real name, so that nothing moves.
    return svg.replace(folder, PREFIX + "pictures".ljust(len(folder) - len(PREFIX), "-"))


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def main(arguments: Sequence[str]) -> int:
    """`DIRECTORY`; the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    for variable in ("NO_COLOR", "TEXTUAL_THEME"):
        os.environ.pop(variable, None)
    try:
        made = make(Path(arguments[0]))
    except (OSError, TimeoutError) as error:
        sys.stderr.write(f"the pictures could not be made: {error}\n")
        return 1
    sys.stdout.writelines(f"{path}\n" for path in made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
