"""The log of a run: follows its end, is searched, and leaves out what is below a level."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.reactive import reactive
from textual.strip import Strip

from stealthrl_tui.runs.logview import LEVELS, Level, LogLine
from stealthrl_tui.text import clean, plural
from stealthrl_tui.ui.bindings import BY_NAME
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import fit, width_of
from stealthrl_tui.ui.widgets.scrolling import LineScroll

_ROLES: dict[Level | None, str] = {"critical": "bad", "error": "bad", "warning": "warning", "debug": "dim"}
_RANKS: dict[Level | None, int] = {level: rank for rank, level in enumerate(LEVELS.values())}


class LogView(LineScroll):
    """Lines of a log under a line that says whether it follows the end, what is left out and what is searched.

    It follows while its end is in view: scrolling up pauses it, coming back to the end goes on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [BY_NAME["next_match"].binding(), BY_NAME["previous_match"].binding()]
    head = 1
    following = reactive(True, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: list[LogLine] = []
        self._shown: Sequence[int] = ()
        self._minimum: Level | None = None
        self._pattern = ""
        self._matches: list[int] = []
        self._at: int | None = None
        self._problem: str | None = None

    def set_lines(self, lines: Sequence[LogLine], problem: str | None = None) -> None:
        """Show another log, or one that started over, from its end; `problem` says why it cannot be read."""
        self._problem, self._at = problem, None
        self.following = True
        self._take(lines)

    def appended(self, lines: Sequence[LogLine], dropped: int = 0) -> None:
        """Show the same log after it grew: `lines` are all of it now, `dropped` were lost at its beginning.

        A paused view stays on the lines it shows.
        """
        gone = bisect_left(self._shown, dropped)
        self._at = None if self._at is None or self._at < dropped else self._at - dropped
        top = self.top
        self._take(lines)
        if not self.following:
            self.go_to(top - gone)

    def set_minimum(self, level: Level | None) -> None:
        """Leave out what is below `level`; a line without one belongs to no record and goes too. None shows all."""
        top = self._shown[self.top] if self.top < len(self._shown) else 0
        self._minimum = level
        self._take(self._lines)
        if not self.following:
            self.go_to(bisect_left(self._shown, top))

    def search(self, pattern: str) -> bool:
        """Highlight `pattern` (plain text, upper and lower case alike) and go to its next match; False without any.

        The empty pattern ends the search.
        """
        self._pattern, self._at = clean(pattern), None
        self._find()
        self.refresh()
        if self._matches:
            self._jump(bisect_left(self._matches, self.top))
        return bool(self._matches)

    def action_next_match(self) -> None:
        """To the match below, round the end."""
        self._jump(bisect_right(self._matches, self._place()))

    def action_previous_match(self) -> None:
        """To the match above, round the beginning."""
        self._jump(bisect_left(self._matches, self._place()) - 1)

    def render_line(self, y: int) -> Strip:
        """The state, then the lines."""
        if y == 0:
            return self._strip(fit(self._state(), self.scrollable_content_region.width))
        place = y - self.head + self.top
        if place >= len(self._shown):
            return self._strip([])
        return self._strip(self._line_pieces(place), int(self.scroll_offset.x))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Away from the end pauses, back at the end follows."""
        super().watch_scroll_y(old_value, new_value)
        self.following = self.top >= self.max_scroll_y

    def watch_following(self, following: bool) -> None:
        """Following begins at the end."""
        if following:
            self.action_last()
        self.refresh()

    def on_resize(self) -> None:
        """The end stays in view."""
        if self.following:
            self.action_last()

    def watch_show_horizontal_scrollbar(self) -> None:
        """The end stays in view over a scrollbar that came for a long line, which is no resize."""
        if self.following:
            self.call_after_refresh(self.action_last)

    def _take(self, lines: Sequence[LogLine]) -> None:
        # A copy, because a reader in another thread goes on with its own list.
        self._lines = list(lines)
        least = _RANKS.get(self._minimum, 0)
        if self._minimum is None:
            self._shown = range(len(self._lines))
        else:
            self._shown = [i for i, line in enumerate(self._lines) if _RANKS.get(line.level, -1) >= least]
        self._find()
        self._extent(len(self._shown), 1 + self._longest())
        if self.following:
            self.action_last()
        self.refresh()

    def _longest(self) -> int:
        texts = [line.text for line in self._lines]
        longest = max(map(len, texts), default=0)
        wide = [text for text in texts if not text.isascii() and 2 * len(text) > longest]
        return max(longest, max(map(width_of, wide), default=0))

    def _find(self) -> None:
        wanted = self._pattern.casefold()
        lines = self._lines
        self._matches = [
            place for place, index in enumerate(self._shown) if wanted and wanted in lines[index].text.casefold()
        ]

    def _place(self) -> int:
        """Where the search stands: the line it went to last, while that is in view, else the first line in view."""
        if self._at is not None:
            place = bisect_left(self._shown, self._at)
            if self.top <= place < self.top + self.lines_in_view:
                return place
        return self.top - 1

    def _jump(self, number: int) -> None:
        if not self._matches:
            return
        place = self._matches[number % len(self._matches)]
        self._at = self._shown[place]
        if not self.top <= place < self.top + self.lines_in_view:
            self.go_to(place - self.lines_in_view // 3)
        self.refresh()

    def _state(self) -> list[Piece]:
        pieces: list[Piece] = [("● following", "alive") if self.following else ("‖ paused", "warning")]
        if self._problem:
            return [("! ", "bad"), (self._problem, "text")]
        count = plural(len(self._shown), "line")
        pieces.append((f"  {count}" + (f" of {len(self._lines)}" if self._minimum else ""), "dim"))
        if self._minimum:
            pieces.append((f"  {self._minimum} and above", "warning"))
        if self._pattern:
            pieces.append((f"  /{self._pattern}  ", "best"))
            pieces.append((self._standing(), "dim"))
        return pieces

    def _standing(self) -> str:
        if not self._matches:
            return "no match"
        if self._at is None:
            return plural(len(self._matches), "match") if len(self._matches) == 1 else f"{len(self._matches)} matches"
        return f"{bisect_left(self._matches, bisect_left(self._shown, self._at)) + 1} of {len(self._matches)}"

    def _line_pieces(self, place: int) -> list[Piece]:
        index = self._shown[place]
        line = self._lines[index]
        role = _ROLES.get(line.level, "text")
        bar: Piece = ("▌", "best") if index == self._at else (" ", "text")
        return [bar, *highlighted(clean(line.text), self._pattern, role)]


def highlighted(text: str, pattern: str, role: str) -> list[Piece]:
    """`text` in `role`, with every place where it holds `pattern` turned round; lower and upper case are alike."""
    lowered, wanted = text.lower(), pattern.lower()
    if not wanted or len(lowered) != len(text):
        return [(text, role)]
    pieces: list[Piece] = []
    at = 0
    while (found := lowered.find(wanted, at)) >= 0:
        pieces += [(text[at:found], role), (text[found : found + len(wanted)], "best reverse")]
        at = found + len(wanted)
    return [*pieces, (text[at:], role)]
