"""The top line: where, how many runs and how they are, and at the right how their files and the service are watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widget import Widget

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Piece, Pieces, length, root_text
from stealthrl_tui.ui.widgets.pieces import spread

_GAP: Piece = ("   ", "text")
_ROOT_LEAST = 8
_REASON_LEAST = 12


@dataclass(frozen=True, slots=True)
class TopFacts:
    """What the top line says; `counts` are pieces of the presenter, `service` those of the service's state.

    `service_reasoned` and `service_short` say it in fewer words.
    """

    roots: Sequence[str] = ()
    counts: Pieces = ()
    total: int = 0
    read: int = 0
    discovered: bool = False
    watching: str = "off"
    badge: str = ""
    service: Pieces = (("○ tinker ", "dim"), ("not asked", "dim"))
    service_reasoned: Pieces = (("○ tinker", "dim"),)
    service_short: Pieces = (("○ tinker", "dim"),)


class TopBar(Widget):
    """One line; redrawn only when what it says is different."""

    DEFAULT_CSS = "TopBar { height: 1; padding: 0 1; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(id="top")
        self._facts = TopFacts()

    def show(self, facts: TopFacts) -> None:
        """Say `facts`."""
        if facts != self._facts:
            self._facts = facts
            self.refresh()

    def render(self) -> Content:
        """The line at the present width: the last answer's time and the feed give way first, then the counts' words."""
        facts, width = self._facts, self.content_size.width
        feed = self._feed()
        title: Pieces = (("stealthrl", "text bold"),)
        badge: Pieces = ((f"  {clean(facts.badge)}", "best"),) if facts.badge else ()
        short = facts.service_short
        must = (*feed, _GAP, *short) if facts.watching.startswith("polling") else short
        counts = _spaced(facts.counts)
        why = facts.service_reasoned
        needed = max(length(must) + 2, length(why) + 4 + _ROOT_LEAST if why != short else 0)
        if length((*title, *badge, *counts)) + needed > width:
            counts = _spaced(tuple((text.rsplit(" ", 1)[0], role) for text, role in facts.counts))
        why = _cut(why, width - length((*title, *badge, *counts)) - 4 - _ROOT_LEAST)
        for right in ((*feed, _GAP, *facts.service), facts.service, (*feed, _GAP, *why), why, must):
            room = width - length((*title, *badge, *counts, *right)) - 4
            if room >= _ROOT_LEAST or right is must:
                break
        root = root_text(facts.roots, room) if room >= _ROOT_LEAST else ""
        return spread((*title, (f"  {root}" if root else "", "dim"), *badge, *counts), right, width)

    def _feed(self) -> Pieces:
        facts = self._facts
        if not facts.discovered:
            return ((f"looking … {facts.total}", "dim"),)
        if facts.read < facts.total:
            return ((f"reading {facts.read} of {facts.total}", "dim"),)
        if facts.watching.startswith("polling"):
            return (("◌ polling", "warning"),)
        return (("◉ watching", "dim"),) if facts.watching == "events" else ((clean(facts.watching), "dim"),)


def _cut(pieces: Pieces, width: int) -> Pieces:
    """`pieces` with the last of them cut to what there is room for; left as they are where too little is left of it."""
    over = length(pieces) - width
    text, role = pieces[-1]
    if over <= 0 or len(text) - over < _REASON_LEAST:
        return pieces
    return (*pieces[:-1], (clean(text, len(text) - over), role))


def _spaced(counts: Pieces) -> Pieces:
    return tuple(piece for count in counts for piece in (_GAP, count))
