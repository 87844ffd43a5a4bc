"""Stop a run that a resume started: interrupt it, wait, and terminate it only when asked again."""

from __future__ import annotations

import shlex
import time
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from stealthrl_tui.actions.resume import stop
from stealthrl_tui.runs.lineage import Lineage
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean, duration
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.screens.dialog import Dialog, Panel, Words, keys_line

# A thread holds up quitting for as long as it waits.
_LOOK_SECONDS = 0.5
_LONGEST = 400  # of the command
_STARTED = {"here": "detached", "tmux": "in a tmux window", "launcher": "by a launcher", "by hand": "by hand"}


class Looked(Message):
    """Whether the process lives; None when that can't be told from here."""

    def __init__(self, alive: bool | None) -> None:
        super().__init__()
        self.alive = alive


class StopDialog(Dialog[stop.Stopped]):
    """Gives what the stop came to; None when the run was left alone, or still runs."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "go", show=False, priority=True)]
    DEFAULT_CSS = """
    StopDialog #says { margin: 1 0; }
    """

    def __init__(self, run: Run, lineage: Lineage) -> None:
        super().__init__()
        self._run, self._lineage = run, lineage
        self._alive: bool | None = None
        self._looked = False
        self._interrupted_at: float | None = None
        self._terminated = False

    def compose(self) -> ComposeResult:
        started = _STARTED.get(self._lineage.where or "", _STARTED["here"])
        process = f"process {self._lineage.pid} and what it started, " if self._lineage.pid else "started "
        with Panel():
            yield Words((("Stop", "text bold"), ("  ", "dim"), (clean(self._run.name), "text")))
            yield Words(
                ((f"{process}{started} on {clean(self._lineage.host or 'an unknown machine')}", "dim"),),
                (("$ ", "dim"), (clean(shlex.join(self._lineage.command), _LONGEST), "alive")),
            )
            yield Words(id="says")
            yield Words(id="keys")

    def on_mount(self) -> None:
        """Look whether it lives, now and until it doesn't."""
        self.look()
        self.set_interval(_LOOK_SECONDS, self.look)
        self.draw()

    @work(thread=True, exclusive=True, group="stop", exit_on_error=False)
    def look(self) -> None:
        """Ask the system for the process."""
        self.post_message(Looked(stop.running(self._lineage)))

    def on_looked(self, event: Looked) -> None:
        """Done once it is gone after it was asked to go."""
        event.stop()
        self._alive, self._looked = event.alive, True
        if not event.alive and self._interrupted_at is not None:
            self.dismiss(stop.Stopped.TERMINATED if self._terminated else stop.Stopped.INTERRUPTED)
        else:
            self.draw()

    def draw(self) -> None:
        """Say what would happen, or what is being waited for."""
        says: Pieces
        if not self._looked:
            says, keys = (("… ", "dim"), ("looking for the process", "dim")), keys_line(("Esc", "cancel"))
        elif not self._alive:
            says, keys = self._nothing_to_stop(), keys_line(("Esc", "back"))
        elif self._interrupted_at is None:
            words = "Interrupts it, as Ctrl-C would. What was not saved since the last checkpoint is lost."
            says, keys = (("! ", "warning"), (words, "text")), keys_line(("Enter", "stop it"), ("Esc", "cancel"))
        elif self._terminated:
            says = (("… ", "dim"), ("terminated; waiting for its end", "text"))
            keys = keys_line(("Esc", "stop waiting"))
        else:
            waited = duration(time.monotonic() - self._interrupted_at)
            words = f"interrupted; waiting for its end for {waited}: it may be saving"
            says = (("… ", "dim"), (words, "text"))
            keys = keys_line(("Enter", "terminate it at once"), ("Esc", "stop waiting"))
        self.query_one("#says", Words).say(says)
        self.query_one("#keys", Words).say(keys)

    def _nothing_to_stop(self) -> Pieces:
        if self._alive is None:
            words = "Nothing here tells which process it is, or whether it runs. Stop it where it runs."
            return (("✗ ", "bad"), (words, "text"))
        return (("✓ ", "done"), ("It runs no more.", "text"))

    def action_go(self) -> None:
        """Interrupt it; once that was done, terminate it."""
        if not self._alive:
            return
        if self._interrupted_at is None:
            stop.interrupt(self._lineage)
            self._interrupted_at = time.monotonic()
        elif not self._terminated:
            stop.terminate(self._lineage)
            self._terminated = True
        self.draw()
