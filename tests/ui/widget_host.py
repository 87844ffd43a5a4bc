"""A bare application around one widget, in the project's themes, and series to show in it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from textual.app import App, ComposeResult
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.theme import THEMES


class WidgetHost(App[None]):
    """Shows `widget` alone, focused; `received` are the messages it posted."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.received: list[Message] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_mount(self) -> None:
        self.widget.focus()

    def hook(self, message: Message) -> None:
        """For `run_test(message_hook=...)`."""
        if message.control is self.widget and message not in self.received:
            self.received.append(message)

    def of(self, kind: type[Message]) -> list[Message]:
        """The messages of one kind, oldest first."""
        return [message for message in self.received if type(message) is kind]

    def keys(self, kind: type[Message]) -> list[object]:
        """The keys that the messages of one kind named."""
        return [getattr(message, "key", None) for message in self.of(kind)]

    def strips(self) -> list[Strip]:
        """The widget's lines as they are sent to the screen."""
        return [self.widget.render_line(y) for y in range(self.widget.size.height)]

    def lines(self) -> list[str]:
        """The widget's lines as text."""
        return [strip.text.rstrip() for strip in self.strips()]


def series(values: Sequence[float], steps: Sequence[int] | None = None, passes: tuple[int, ...] = (0,)) -> Series:
    """A series of `values`, at the steps 0, 1, 2 ... unless told otherwise."""
    return Series(
        array("q", steps if steps is not None else range(len(values))), array("d", values), len(values), passes
    )


def curve(count: int, value: Callable[[int], float]) -> Series:
    """A series of `count` steps."""
    return series([value(step) for step in range(count)])
