"""Every key and what it does, from the table of bindings."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from stealthrl_tui.ui.bindings import by_place, display
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.screens.dialog import Dialog, Words, keys_line

_LEGEND: tuple[tuple[str, str, str], ...] = (
    ("◆ state", "state", "full training state: training can go on from it"),
    ("◆ sampler", "sampler", "sampler weights: to sample from"),
    ("◇", "state", "a rolling save: it lives two hours, and goes when the next is made"),
    ("★", "best", "the best save by the metric on show"),
    ("≈", "text", "an estimate, from what the run was configured with"),
    ("?", "dim", "unknown: nothing on this disk says it"),
    (".612 @465", "dim", "the value at step 465, an older step than the save's"),
    ("#2", "dim", "saved by the second training run in this directory"),
)


def help_lines(keys: Mapping[str, str], width: int) -> list[Pieces]:
    """The table of keys as lines of at most `width` cells; `keys` are the user's own, by command name."""
    rows: list[Pieces] = []
    for place, commands in by_place():
        rows += [((place.value, "text bold"),)]
        for command in commands:
            rows += _entry(display(keys.get(command.name, command.keys)), "best", command.description, width)
        rows.append(())
    rows.append((("On the screen", "text bold"),))
    for glyph, role, meaning in _LEGEND:
        rows += _entry(glyph, role, meaning, width)
    return rows


def _entry(left: str, role: str, meaning: str, width: int) -> list[Pieces]:
    """A key and what it does, the second line of which begins under the first."""
    first, *others = wrap(meaning, max(_LEAST, width - _INDENT)) or [""]
    rows: list[Pieces] = [((f"  {left:<{_INDENT - 2}}", role), (first, "text"))]
    return rows + [((" " * _INDENT + other, "text"),) for other in others]


_INDENT, _LEAST = 16, 20


class HelpScreen(Dialog[None]):
    """The keys under their headings; scrolls where the terminal is short."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,enter", "cancel", show=False),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen > VerticalScroll { width: 84; max-width: 96%; height: auto; max-height: 94%; background: $panel;
        border: solid $line; padding: 1 1 0 3; scrollbar-size-vertical: 1; }
    HelpScreen #keys { dock: bottom; padding: 0 0 1 0; height: 2; background: $panel; }
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Words(id="keys")
            yield Words(id="table")

    def on_mount(self) -> None:
        """Say how to get out, whatever is in view."""
        self.query_one("#keys", Words).say(keys_line(("Esc", "close"), ("↑ ↓ PgUp PgDn", "scroll")))

    def on_resize(self) -> None:
        """Break the lines for this width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        table = self.query_one("#table", Words)
        table.say(*help_lines(self._keys, table.size.width))

    def action_scroll(self, way: str) -> None:
        """One line on."""
        pane = self.query_one(VerticalScroll)
        (pane.scroll_down if way == "down" else pane.scroll_up)(animate=False)
