"""What every dialog is: a panel over the browser that answers in one order."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from stealthrl_tui.ui.bindings import Where, bindings
from stealthrl_tui.ui.presenter import Piece, Pieces
from stealthrl_tui.ui.widgets.pieces import lines

Result = TypeVar("Result")
_BREAKPOINTS: list[tuple[int, str]] = [(0, "-short"), (30, "-tall")]


class Dialog(ModalScreen[Result | None]):
    """A panel in the middle; Esc gives None. Subclasses compose their parts into a `Panel`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.DIALOG)]
    # On a short terminal the answer matters more than the air around it.
    VERTICAL_BREAKPOINTS = _BREAKPOINTS
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog OptionList { height: auto; max-height: 14; border: none; padding: 0; margin: 1 0; background: $panel;
        &:focus { border: none; background-tint: $foreground 0%; } }
    Dialog.-short Panel { padding: 0 2; max-height: 100%; }
    Dialog Input { border: none; padding: 0; height: 1; background: $background; &:focus { border: none; } }
    """

    def action_cancel(self) -> None:
        """Close; nothing happens."""
        self.dismiss(None)


class Panel(VerticalScroll, can_focus=False):
    """The ground that a dialog stands on."""

    DEFAULT_CSS = """
    Panel { width: 90%; max-width: 104; height: auto; max-height: 92%; background: $panel; border: solid $line;
        padding: 1 3; }
    """


class Roll(VerticalScroll, can_focus=False):
    """Lines of which there may be more than there is room."""

    DEFAULT_CSS = "Roll { height: auto; scrollbar-size-vertical: 1; }"


class Choices(OptionList):
    """A list to choose from, with the keys that move in every list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G", "last", show=False),
    ]


class Words(Static):
    """Lines of pieces; what a person may want is on the screen as text that can be selected."""

    DEFAULT_CSS = "Words { height: auto; width: 1fr; }"

    def __init__(self, *rows: Pieces, id: str | None = None) -> None:  # noqa: A002
        super().__init__(lines(rows), id=id, markup=False)

    def say(self, *rows: Pieces) -> None:
        """Say this instead."""
        self.update(lines(rows))


def keys_line(first: tuple[str, str], *others: tuple[str, str]) -> Pieces:
    """`Enter start   Esc cancel`, the first of them the one that does it."""
    pieces: list[Piece] = [(f" {first[0]} ", "alive bold reverse"), (f" {first[1]}   ", "text")]
    for key, word in others:
        pieces += [(key, "best bold"), (f" {word}   ", "dim")]
    return tuple(pieces)
