"""Choose the metric that says how good a checkpoint is, and which way is better."""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from stealthrl_tui.runs.keys import higher_is_better, label
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean, number
from stealthrl_tui.ui.memory import Measure
from stealthrl_tui.ui.presenter import Piece, Pieces, metric_order
from stealthrl_tui.ui.screens.dialog import Choices, Dialog, Panel, Words, keys_line
from stealthrl_tui.ui.widgets.pieces import content


class MetricDialog(Dialog[Measure]):
    """Type to narrow, arrows to choose, Tab to turn the direction round."""

    DEFAULT_CSS = """
    MetricDialog Panel { max-width: 84; }
    MetricDialog Input { margin: 1 0 0 0; }
    """

    def __init__(self, run: Run, chosen: str | None, directions: dict[str, bool]) -> None:
        super().__init__()
        self._run, self._chosen = run, chosen
        self._directions = dict(directions)
        self._keys = metric_order(run)
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        with Panel():
            yield Words((("Metric", "text bold"), ("  of ", "dim"), (clean(self._run.name), "text")))
            yield Input(placeholder="type to narrow", compact=True)
            yield Choices()
            yield Words(id="direction")
            yield Words(())
            yield Words(keys_line(("Enter", "choose"), ("↑ ↓", "metric"), ("Tab", "direction"), ("Esc", "cancel")))

    def on_mount(self) -> None:
        """All keys, the present one highlighted, the fingers in the input."""
        self._fill("")
        if self._chosen in self._shown:
            self.query_one(OptionList).highlighted = self._shown.index(self._chosen)
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    @on(OptionList.OptionHighlighted)
    def _moved(self) -> None:
        self._say()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _done(self) -> None:
        key = self._key()
        if key is not None:
            self.dismiss(Measure(key, self._higher(key)))

    def on_key(self, event: events.Key) -> None:
        """The keys that the input leaves to the list."""
        if event.key in ("up", "down"):
            event.stop()
            choices = self.query_one(OptionList)
            (choices.action_cursor_down if event.key == "down" else choices.action_cursor_up)()
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            key = self._key()
            if key is not None:
                self._directions[key] = not self._higher(key)
                self._say()

    def _fill(self, text: str) -> None:
        words = text.lower().split()
        self._shown = [key for key in self._keys if all(word in f"{key} {label(key)}".lower() for word in words)]
        choices = self.query_one(OptionList)
        choices.clear_options()
        choices.add_options([Option(content(self._row(key))) for key in self._shown])
        choices.highlighted = 0 if self._shown else None
        self._say()

    def _row(self, key: str) -> Pieces:
        value: Piece = (f"{number(self._run.metrics.latest.get(key)):>9}   ", "text")
        if label(key) == key:
            return (value, (clean(key), "text"))
        return (value, (f"{clean(label(key)):<18}  ", "text"), (clean(key), "dim"))

    def _key(self) -> str | None:
        at = self.query_one(OptionList).highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    def _higher(self, key: str) -> bool | None:
        return self._directions.get(key, higher_is_better(key))

    def _say(self) -> None:
        key = self._key()
        higher = None if key is None else self._higher(key)
        words = {True: "higher is better", False: "lower is better", None: "neither way is better"}[higher]
        self.query_one("#direction", Words).say((("Best  ", "dim"), (words, "best" if higher is not None else "dim")))
