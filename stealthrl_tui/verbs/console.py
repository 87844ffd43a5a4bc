"""What the commands say: answers on standard output, remarks on standard error, refusals as one clear line."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TextIO

from stealthrl_tui.text import clean

PROGRAM = "stealthrl-tui"
DONE, FAILED, USAGE = 0, 1, 2

# By role, as the screen's pieces have them; the sixteen colours, which suit whatever ground the terminal has.
_COLOURS = {
    "alive": "32", "done": "34", "warning": "33", "bad": "31", "best": "1;33", "state": "35", "sampler": "36",
    "dim": "2", "bold": "1",
}  # fmt: skip
Pieces = Sequence[tuple[str, str]]


class Refusal(Exception):  # noqa: N818  it is an answer, not a fault
    """It can't be done; the message says what, why, and what to do. `status` is the exit status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def say(text: str = "") -> None:
    """One line of the answer."""
    sys.stdout.write(text + "\n")


def note(text: object) -> None:
    """One line beside the answer, on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"{PROGRAM}: {clean(text)}\n")


def say_json(value: Any) -> None:
    """The answer as JSON, and nothing else."""
    from stealthrl_tui.runs.report import dumps

    # Outside UTF-8 every other character is escaped: the JSON is the same.
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    say(dumps(value, ascii_only=encoding != "utf8"))


def coloured(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether colour belongs on `stream`: on a terminal, unless NO_COLOR or a dumb terminal speaks against it."""
    stream = stream or sys.stdout
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def paint(pieces: Pieces, colour: bool) -> str:
    """Pieces of text, each in the colour of its role."""
    return "".join(
        f"\x1b[{_COLOURS[role]}m{text}\x1b[0m" if colour and role in _COLOURS and text.strip() else text
        for text, role in pieces
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Pieces]], right: Collection[str] = ()) -> None:
    """Say `rows` in columns under their headings, two spaces apart; the columns of `right` are set to the right."""
    from rich.cells import cell_len

    colour = coloured()
    lines: list[Sequence[Pieces]] = [[((heading, "dim"),) for heading in headings], *rows]
    lengths = [[sum(cell_len(text) for text, _ in cell) for cell in line] for line in lines]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    for line, taken in zip(lines, lengths, strict=True):
        pieces = []
        for heading, cell, length, width in zip(headings, line, taken, widths, strict=True):
            gap, painted = " " * (width - length), paint(cell, colour)
            pieces.append(gap + painted if heading in right else painted + gap)
        say("  ".join(pieces).rstrip())
