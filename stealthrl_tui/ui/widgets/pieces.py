"""A presenter's pieces as what Textual draws; roles are those of `roles.py`, resolved by the theme at the time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from textual.content import Content

from stealthrl_tui.ui.presenter import Piece, Pieces, length
from stealthrl_tui.ui.widgets.roles import ROLES


@cache
def style(role: str) -> str:
    """A role, such as `alive bold`, in the words of Textual's styles."""
    word, *modifiers = role.split()
    return " ".join((*modifiers, "$" + ROLES[word]))


def content(pieces: Iterable[Piece]) -> Content:
    """The pieces in a row."""
    return Content.assemble(*((text, style(role)) for text, role in pieces))


def lines(rows: Iterable[Pieces]) -> Content:
    """One line for each."""
    return Content("\n").join([content(row) for row in rows])


def spread(left: Pieces, right: Pieces, width: int) -> Content:
    """`left` at the left, `right` at the right; where both don't fit, `right` gives way."""
    gap = width - length(left) - length(right)
    if gap < 2:
        return content(left)
    return content((*left, (" " * gap, "text"), *right))
