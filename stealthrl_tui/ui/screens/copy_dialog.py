"""Choose what of a checkpoint to copy: a URI, a snippet, a command, a call."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from stealthrl_tui.actions.snippets import Choice, choices
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.dialog import Choices, Dialog, Panel, Words, keys_line
from stealthrl_tui.ui.widgets.pieces import content

_PREVIEW_LINES = 12


class CopyDialog(Dialog[Choice]):
    """Gives the Choice to copy, None when the person thought better of it."""

    DEFAULT_CSS = """
    CopyDialog #preview { margin: 0 0 1 0; max-height: 12; }
    """

    def __init__(self, run: Run, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._title = (("Copy", "text bold"), *save_pieces(run, checkpoint))
        self._choices = choices(run, checkpoint)

    def compose(self) -> ComposeResult:
        with Panel():
            yield Words(self._title)
            yield Choices(*(Option(content((("  " + clean(each.title), "text"),))) for each in self._choices))
            yield Words(id="preview")
            yield Words(keys_line(("Enter", "copy"), ("↑ ↓", "choose"), ("Esc", "cancel")))

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        self.query_one("#preview", Words).say(*preview(self._choices[event.option_index].text))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index])


def preview(text: str) -> list[Pieces]:
    """The first lines of what would be copied, and how many follow."""
    found = text.splitlines()
    rows: list[Pieces] = [((clean(line), "alive"),) for line in found[:_PREVIEW_LINES]]
    if len(found) > _PREVIEW_LINES:
        rows[-1] = ((f"… {len(found) - _PREVIEW_LINES + 1} more lines", "dim"),)
    return rows
