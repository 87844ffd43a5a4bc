"""Pieces cleaned, cut and padded to an exact number of terminal cells, for widgets that draw line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Piece

Align: TypeAlias = Literal["left", "right", "center"]
Cut: TypeAlias = Literal["end", "start"]


def width_of(text: str) -> int:
    """How many terminal cells a clean text takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, side: Cut = "end") -> str:
    """At most `width` cells of a clean `text`, an ellipsis where something was left out at that side."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    return _ellipsed(text, width, side)


def _chop(text: str, width: int, side: Cut) -> str:
    kept = text[:width] if side == "end" else text[max(0, len(text) - width) :]
    while width_of(kept) > width:
        kept = kept[:-1] if side == "end" else kept[1:]
    return kept


def fit(pieces: Sequence[Piece], width: int, align: Align = "left", side: Cut = "end") -> list[Piece]:
    """`pieces` cleaned and made exactly `width` cells wide."""
    fitted, used = _cut_pieces([(clean(text), role) for text, role in pieces], width, side)
    spare = width - used
    if spare <= 0:
        return fitted
    left = {"left": 0, "right": spare, "center": spare // 2}[align]
    before = [(" " * left, "text")] if left else []
    after = [(" " * (spare - left), "text")] if spare > left else []
    return [*before, *fitted, *after]


def _cut_pieces(pieces: list[Piece], width: int, side: Cut) -> tuple[list[Piece], int]:
    """The pieces that fit, and their width: the ellipsis takes the role of what it stands for."""
    used = sum(width_of(text) for text, _ in pieces)
    if used <= width:
        return pieces, used
    kept: list[Piece] = []
    used = 0
    for text, role in pieces if side == "end" else reversed(pieces):
        size = width_of(text)
        if used + size > width - 1:
            short = _ellipsed(text, width - used, side) if width > used else ""
            kept.append((short, role))
            used += width_of(short)
            break
        kept.append((text, role))
        used += size
    return kept if side == "end" else kept[::-1], used


def _ellipsed(text: str, width: int, side: Cut) -> str:
    kept = _chop(text, width - 1, side)
    return kept + "…" if side == "end" else "…" + kept


def segments(pieces: Iterable[Piece], style: Callable[[str], Style]) -> list[Segment]:
    """`pieces` as Rich segments, with `style` giving the style of a role.

    Neighbours that look the same, and blanks beside anything, are one segment: every segment costs the terminal (and
    the ssh before it) 30 bytes of colours.
    """
    joined: list[Piece] = []
    for text, role in pieces:
        if not text:
            continue
        before, role_before = joined[-1] if joined else ("", "")
        if before and (role == role_before or (_blank(text, role) and _plain(role_before))):
            joined[-1] = (before + text, role_before)
        elif before and _blank(before, role_before) and _plain(role):
            joined[-1] = (before + text, role)
        else:
            joined.append((text, role))
    return [Segment(text, style(role)) for text, role in joined]


def _blank(text: str, role: str) -> bool:
    return text.isspace() and _plain(role)


def _plain(role: str) -> bool:
    """Whether a blank in this role shows nothing."""
    return "underline" not in role and "reverse" not in role
