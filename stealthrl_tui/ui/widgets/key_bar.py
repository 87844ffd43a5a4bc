"""The bottom line: the keys that work here, taken from the bindings that are active at this moment."""

from __future__ import annotations

from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from stealthrl_tui.ui.bindings import COMMANDS, Where, display
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.pieces import content

_ALWAYS = ("help", "quit")
_OF_A_PANE = (Where.LOG, Where.METRICS, Where.CURVE)


class KeyBar(Widget):
    """`c Copy URI   e Export script ...`, in the table's order; what doesn't fit is left to `?`."""

    DEFAULT_CSS = "KeyBar { dock: bottom; height: 1; padding: 0 1; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._kept = 0

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._follow)
        self._follow(self.screen)

    def _follow(self, screen: Screen[object]) -> None:
        if isinstance(screen.focused, Input):
            self._say((("Enter", "Done"), ("Esc", "Clear")), 0)
            return
        keys: dict[str, str] = {}
        for active in screen.active_bindings.values():
            if active.enabled and active.binding.id:
                keys.setdefault(active.binding.id, active.binding.key)
        found = [each for each in COMMANDS if each.label and each.name in keys]
        found.sort(
            key=lambda each: each.where not in _OF_A_PANE
        )  # what only works here goes before what works elsewhere
        pairs = tuple((display(keys[each.name]), each.label) for each in found)
        kept = sum(each.name in _ALWAYS for each in found)
        self._say(pairs, kept)

    def _say(self, pairs: tuple[tuple[str, str], ...], kept: int) -> None:
        if (pairs, kept) != (self._pairs, self._kept):
            self._pairs, self._kept = pairs, kept
            self.refresh()

    def render(self) -> Content:
        """The keys that fit; help and quit, the table's last, always do."""
        ends = self._pairs[len(self._pairs) - self._kept :]
        room = self.content_size.width - sum(_length(pair) for pair in ends)
        shown: list[tuple[str, str]] = []
        for pair in self._pairs[: len(self._pairs) - self._kept]:
            room -= _length(pair)
            if room < 0:
                break
            shown.append(pair)
        pieces: list[Piece] = []
        for key, label in (*shown, *ends):
            pieces += [(key, "best bold"), (f" {label}   ", "dim")]
        return content(pieces)


def _length(pair: tuple[str, str]) -> int:
    return len(pair[0]) + len(pair[1]) + 4
