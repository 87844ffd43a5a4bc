"""A dialog whose work is done by a child process: its phases with seconds, its last word, its end at any moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.timer import Timer

from stealthrl_tui.text import clean, duration
from stealthrl_tui.ui.children import Children, Event, log_of
from stealthrl_tui.ui.presenter import Piece, Pieces
from stealthrl_tui.ui.screens.dialog import Dialog, Result

if TYPE_CHECKING:
    from stealthrl_tui.actions.child import Child

_TICK_SECONDS = 0.25


NOT_REMEMBERED: Piece = ("  not remembered: the disk refused it", "warning")


class Heard(Message):
    """An event of the dialog's `turn`th child."""

    def __init__(self, turn: int, event: Event) -> None:
        super().__init__()
        self.turn, self.event = turn, event


class ChildDialog(Dialog[Result]):
    """Subclasses `begin` a verb, take its events in `hear`, and draw in `say`; Esc ends the child, then the dialog.

    `log_name` is the name of the file for what the child says besides.
    """

    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    ChildDialog.-short Panel { width: 100%; }
    ChildDialog.-short Panel Words { margin: 0; }
    ChildDialog.-short Panel OptionList { max-height: 3; }
    ChildDialog.-short Panel TextArea { max-height: 3; }
    """
    log_name = "child"

    def __init__(self, children: Children) -> None:
        super().__init__()
        self._children = children
        self._child: Child | None = None
        self._turn = 0
        self._began = 0.0
        self._ticker: Timer | None = None
        self._phases: list[tuple[str, float]] = []
        self._waiting = ""
        self._log_problem: str | None = None
        self.error: Event | None = None
        self.cancelled = False

    @property
    def busy(self) -> bool:
        """Whether a child is at work."""
        return self._child is not None

    def begin(self, arguments: Sequence[str]) -> None:
        """Run `stealthrl-tui ARGUMENTS --json`."""
        self._end_child()
        self._turn += 1
        turn = self._turn
        self._phases, self._waiting, self.error, self.cancelled = [], "", None, False
        self._began = time.monotonic()
        self._child = self._children.start(
            arguments, lambda event: self.post_message(Heard(turn, event)), self.log_name
        )
        self._log_problem = None if self._child is None else self._child.log_problem
        if self._ticker is None:
            self._ticker = self.set_interval(_TICK_SECONDS, self.say)
        self._ticker.resume()
        self.say()

    def say(self) -> None:
        """Draw how it stands."""
        raise NotImplementedError

    def hear(self, event: Event) -> None:
        """Take an event of the verb; phases, waiting and errors were taken before."""
        raise NotImplementedError

    @on(Heard)
    def _heard(self, heard: Heard) -> None:
        event = heard.event
        if heard.turn != self._turn or self.cancelled:
            return
        kind = event.get("event")
        if kind == "phase":
            self._phases.append((clean(event.get("phase"), 20), float(event.get("seconds") or 0.0)))
            self._began, self._waiting = time.monotonic(), ""
        elif kind == "waiting":
            self._waiting = clean(event.get("message"), 80)
        if kind in ("result", "error"):
            self._rest()
            self._child = None
            self.error = event if kind == "error" else None
        self.hear(event)
        self.say()

    def action_cancel(self) -> None:
        """End the child when one is at work, else the dialog."""
        if not self.busy:
            self.dismiss(None)
            return
        self._end_child()
        self.cancelled = True
        self.say()

    def on_unmount(self) -> None:
        """No child goes on without its dialog."""
        self._end_child()

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.cancel()
            self._child = None
        self._rest()

    def _rest(self) -> None:
        if self._ticker is not None:
            self._ticker.pause()

    # In words

    def phase_rows(self, names: Sequence[str]) -> list[Pieces]:
        """`✓ connect 0.91 s   … load 1.2 s`: the phases of `names` that are done, the one at work, those to come."""
        done = dict(self._phases)
        pieces: list[Piece] = []
        now = next((name for name in names if name not in done), names[-1])
        for name in names:
            if name in done:
                pieces += [("✓ ", "alive"), (name, "text"), (f" {done[name]:.2f} s   ", "dim")]
            elif name == now and self.busy:
                pieces += [("… ", "best"), (name, "text"), (f" {duration(time.monotonic() - self._began)}   ", "best")]
            elif name == now and self.error is not None:
                pieces += [("✗ ", "bad"), (f"{name}   ", "text")]
            else:
                pieces.append((f"  {name}   ", "dim"))
        rows: list[Pieces] = [tuple(pieces)]
        if self.busy and self._waiting:
            rows.append(((f"  {self._waiting}", "warning"),))
        return rows

    def trouble_rows(self) -> list[Pieces]:
        """The error: its code, one sentence, what to do, and the file that has the rest."""
        if self.cancelled:
            return [(("■ ", "dim"), ("cancelled; nothing is left running", "text"))]
        if self.error is None:
            return []
        code, message, hint = (clean(self.error.get(name, ""), 400) for name in ("code", "message", "hint"))
        rows: list[Pieces] = [(("✗ ", "bad"), (f"{code}  ", "bad"), (message, "text"))]
        if hint:
            rows.append((("  ", "text"), (hint, "text")))
        if self.error.get("remembered") is False:
            rows.append((NOT_REMEMBERED,))
        rows.append((("  log  ", "dim"), (clean(self._log_problem or log_of(self.log_name)), "dim")))
        return rows


def command_row(arguments: Sequence[str]) -> Pieces:
    """`$ stealthrl-tui ...`, as a person can type it."""
    import shlex

    return (("$ ", "dim"), (clean(shlex.join(["stealthrl-tui", *arguments])), "alive"))
