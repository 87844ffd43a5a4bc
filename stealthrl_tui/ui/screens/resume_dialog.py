"""Resume from a checkpoint's state: the plan, the checklist as it comes, and the start, all of it done by the verb."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from stealthrl_tui.actions.child import Child, Event
from stealthrl_tui.actions.resume import naming
from stealthrl_tui.actions.resume.script import write_script
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.settings import Settings, state_dir
from stealthrl_tui.text import clean
from stealthrl_tui.ui import resuming
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.resuming import Resumed, Told
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.dialog import Dialog, Panel, Words, keys_line

_WIDE = 100
_BREAKPOINTS: list[tuple[int, str]] = [(0, "-short"), (resuming.NAMED_LINES, "-tall")]


class News(Message):
    """An event of the child with that number; earlier children have nothing to say any more."""

    def __init__(self, number: int, event: Event) -> None:
        super().__init__()
        self.number, self.event = number, event


class Written(Message):
    """Where the script went, or why it went nowhere."""

    def __init__(self, path: Path | None, problem: str = "") -> None:
        super().__init__()
        self.path, self.problem = path, problem


class ResumeDialog(Dialog[Resumed]):
    """Gives what was started, None when the person thought better of it."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", show=False),
        Binding("c", "copy_commands", show=False),
        Binding("w", "write", show=False),
        Binding("e", "edit", show=False),
        Binding("r", "check_again", show=False),
        Binding("up,pageup", "scroll_panel(-1)", show=False),
        Binding("down,pagedown", "scroll_panel(1)", show=False),
        Binding("left", "elsewhere(-1)", show=False),
        Binding("right", "elsewhere(1)", show=False),
    ]
    DEFAULT_CSS = """
    ResumeDialog Panel { max-height: 96%; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    ResumeDialog #checked, ResumeDialog #plan, ResumeDialog #command, ResumeDialog #says { margin: 1 0 0 0; }
    ResumeDialog #says { display: none; }
    ResumeDialog #plan { height: 1; }
    ResumeDialog #goes, ResumeDialog #label { width: auto; margin: 0 4 0 0; }
    ResumeDialog #label { margin: 0 2 0 0; }
    ResumeDialog #name { width: 1fr; background: $panel; &:focus { background: $background; } }
    ResumeDialog #keys { dock: bottom; height: auto; padding: 1 0 0 0; background: $panel; }
    ResumeDialog.-short Panel { width: 96%; max-height: 100%; padding: 0 2; }
    ResumeDialog.-short #command, ResumeDialog.-short #says { margin: 0; }
    """
    VERTICAL_BREAKPOINTS = _BREAKPOINTS

    def __init__(self, run: Run, checkpoint: Checkpoint, settings: Settings) -> None:
        super().__init__()
        self._run, self._checkpoint = run, checkpoint
        self._places = resuming.places(settings)
        self._place = "launcher" if settings.resume_launcher else "here"
        self._wanted: str | None = None
        self._told = Told()
        self._begun: Told | None = None
        self._child: Child | None = None
        self._number = 0
        self._note = ""

    def compose(self) -> ComposeResult:
        title: Pieces = (("Resume", "text bold"), *save_pieces(self._run, self._checkpoint))
        state = self._checkpoint.state_uri
        with Panel():
            yield Words(title, ((clean(state), "state") if state else ("no training state was saved", "warning"),))
            yield Words(id="checked")
            with Horizontal(id="plan"):
                yield Words(id="goes")
                yield Words((("New run", "dim"),), id="label")
                yield Input(compact=True, id="name")
            yield Words(id="runs")
            yield Words(id="command")
            yield Words(id="says")
            yield Words(id="keys")

    def on_mount(self) -> None:
        """Begin to check."""
        self.look()

    def on_unmount(self) -> None:
        """A check that nobody waits for ends; a start goes on."""
        if self._child is not None and self._begun is None:
            self._child.cancel()

    def on_resize(self) -> None:
        """Wrap anew, once the words have their new width."""
        self.call_after_refresh(self.draw)

    # The child

    def look(self) -> None:
        """Plan and check; nothing is started."""
        if self._child is not None:
            self._child.cancel()
        self._told, self._begun, self._note = Told(), None, ""
        name = [] if self._wanted is None else [f"--name={self._wanted}"]
        self._send(["--dry-run", *name])
        self.draw()

    def _send(self, more: list[str]) -> None:
        self._number += 1
        number = self._number
        where = "here" if self._place == resuming.PRINT else self._place
        words = ["resume", self._run.path, f"--checkpoint={self._checkpoint.key}", f"--where={where}", *more]
        try:
            self._child = Child(
                words, lambda event: self.post_message(News(number, event)), log=state_dir() / "resume.log"
            )
        except (OSError, ValueError) as error:
            # ValueError: what a path in a ledger holds may be no argument, a NUL for one.
            self._child = None
            event = {"event": "error", "message": f"The check could not be begun: {error}.", "hint": ""}
            self.post_message(News(number, event))

    @on(News)
    def _heard(self, news: News) -> None:
        news.stop()
        if news.number != self._number:
            return
        told = self._told if self._begun is None else self._begun
        told.take(news.event)
        if self._begun is not None and self._begun.result is not None:
            self._finish(self._begun.result)
            return
        if news.event.get("event") == "plan" and self._begun is None:
            self.query_one("#name", Input).value = clean(resuming.new_name(news.event))
        self.draw()

    def _finish(self, result: Event) -> None:
        self.dismiss(Resumed(result["path"], result["pid"], started=result.get("started", True)))

    @property
    def starting(self) -> bool:
        """Whether a start is under way."""
        return self._begun is not None and not self._begun.ended

    # The words

    def draw(self) -> None:
        """Say what is known by now."""
        told, width = self._told, self.query_one("#checked").size.width or 96
        plan = told.plan
        by_hand = self._place == resuming.PRINT
        # The commands, and the last lines of a start, need the room more than what is well.
        brief = by_hand or self._begun is not None
        height = min(self.size.height, resuming.NAMED_LINES) if brief else self.size.height
        self._say("checked", *resuming.check_rows(told, width, height))
        self._say("goes", resuming.goes_on(plan, self._run))
        self._say("runs", resuming.where_pieces(self._place, self._places, width))
        self._say("command", *(resuming.script_rows(plan) if by_hand else resuming.command_rows(plan, width)))
        name = self.query_one("#name", Input)
        name.placeholder = "none: its own directory" if plan and plan["in_place"] else ""
        begun = self._begun
        rows = resuming.outcome_rows(told, width) if begun is None else resuming.start_rows(begun, width)
        if self._note:
            rows.append(((clean(self._note), "dim"),))
        self.query_one("#says").display = bool(rows)
        self._say("says", *rows)
        self._say("keys", self._keys())
        if rows:
            self.call_after_refresh(self.query_one(Panel).scroll_end, animate=False)

    def _say(self, name: str, *rows: Pieces) -> None:
        self.query_one(f"#{name}", Words).say(*rows)

    def _keys(self) -> Pieces:
        if self.query_one("#name", Input).has_focus:
            return keys_line(("Enter", "check it under this name"), ("Esc", "as before"))
        if self.starting:
            return (("it can be stopped once it runs", "dim"),)
        if self._told.can_start:
            copy, write = ("copy", "script") if self.size.width < _WIDE else ("copy commands", "write script only")
            rest = (("w", write), ("e", "name"), ("Esc", "cancel"))
            if self._place == resuming.PRINT:
                return keys_line(("Enter", copy), *rest)
            return keys_line(("Enter", "start"), ("c", copy), *rest)
        if self._told.refusal:
            return keys_line(("r", "check again"), ("e", "name"), ("Esc", "cancel"))
        return keys_line(("Esc", "cancel"))

    def _tell(self, note: str) -> None:
        self._note = note
        self.draw()

    # The keys

    def action_start(self) -> None:
        """Start what was checked, under the very name that is on the screen."""
        plan = self._told.plan
        if self.starting:
            return
        if not self._told.can_start or plan is None:
            self._tell("" if self._told.refusal else "the checks are not through yet")
            return
        if self._place == resuming.PRINT:
            self.action_copy_commands()
            return
        self._note, self._begun = "", Told()
        name = resuming.new_name(plan)
        self._send([f"--name={name}"] if name else [])
        self.draw()

    def action_scroll_panel(self, by: int) -> None:
        """Half a panel up or down, where it doesn't fit the terminal."""
        panel = self.query_one(Panel)
        panel.scroll_relative(y=by * max(1, panel.size.height // 2), animate=False)

    def action_check_again(self) -> None:
        """Go through the checklist once more."""
        if self._told.ended and not self.starting:
            self.look()

    def action_elsewhere(self, by: int) -> None:
        """Another place to run: what it needs is checked anew."""
        if self.starting:
            return
        before = self._place
        self._place = self._places[(self._places.index(before) + by) % len(self._places)]
        if {before, self._place} == {"here", resuming.PRINT}:
            self.draw()
        else:
            self.look()

    def action_edit(self) -> None:
        """Another name for the new run."""
        if not self.starting:
            # At once: the next key is for the name.
            self.set_focus(self.query_one("#name", Input))
            self.draw()

    @on(Input.Submitted)
    def _named(self, event: Input.Submitted) -> None:
        event.stop()
        name = event.value.strip() or None
        flaw = None if name is None else naming.flaw(name)
        if flaw is not None:
            self._tell(f"{clean(name)} {flaw}")
            return
        self.set_focus(None)
        self._wanted = name
        self.look()

    def action_cancel(self) -> None:
        """Leave the name as it was, else the dialog; a start that is under way is waited for."""
        name = self.query_one("#name", Input)
        if name.has_focus:
            name.value = clean(resuming.new_name(self._told.plan)) if self._told.plan else ""
            self.set_focus(None)
            self._tell("")
        elif not self.starting:
            self.dismiss(None)

    def _script(self) -> str | None:
        """The shell commands, where the checks found nothing against them."""
        plan = self._told.plan
        if plan is None or not self._told.can_start or self.starting:
            return None
        return str(plan["script"])

    def action_copy_commands(self) -> None:
        """Copy what does the same in a shell: the files and the command."""
        script = self._script()
        if script is None:
            return
        if any(clean(line) != line for line in script.splitlines()):
            self._tell("the commands hold characters that a terminal would obey: write the script instead")
            return
        self.dismiss(Resumed(copied=script))

    def action_write(self) -> None:
        """Write the same as a file beside the run's own."""
        script = self._script()
        if script is not None and self._told.plan is not None:
            self._write(script, resuming.new_name(self._told.plan) or "in-place")

    @work(thread=True, exclusive=True, group="script", exit_on_error=False)
    def _write(self, script: str, name: str) -> None:
        try:
            self.post_message(Written(write_script(script, self._run.path, name)))
        except (OSError, ValueError) as error:
            self.post_message(Written(None, str(error)))

    @on(Written)
    def _wrote(self, event: Written) -> None:
        event.stop()
        self._tell(f"✓ wrote {event.path}" if event.path else f"✗ not written: {event.problem}")
