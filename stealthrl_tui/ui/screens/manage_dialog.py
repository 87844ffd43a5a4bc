"""Keep, expire, publish or delete what the server holds: what exactly, with which effect, then a question."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from stealthrl_tui.actions import manage
from stealthrl_tui.actions.manage import Action, Change
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean, duration, plural, size
from stealthrl_tui.ui.changes import CHOICES, Choice, deletion, effect_row, full_uris, held_now, is_state, outcome_row
from stealthrl_tui.ui.children import Children, Event
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.child_dialog import ChildDialog, command_row
from stealthrl_tui.ui.screens.dialog import Choices, Panel, Roll, Words, keys_line
from stealthrl_tui.ui.widgets.pieces import content

_TITLES = {"keep": "Keep", "publish": "Publish", "delete": "Delete"}
_HALVES = {"both": "both paths", "sampler": "the sampler weights only", "state": "the state only"}
WORD, FORCED = "delete", "delete force"


class ManageDialog(ChildDialog[list[Event]]):
    """`verb` is "keep", "publish" or "delete"; gives the `change` events of what was done, None when nothing was.

    It asks the server first (a dry run), shows each URI with kind, size and effect, and does it at Enter, or when the
    word `delete` is typed. Then it says what the server shows afterwards.
    """

    log_name = "manage"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", show=False),
        Binding("tab,shift+tab", "next_half", show=False, priority=True),
        Binding("pagedown", "roll(1)", show=False, priority=True),
        Binding("pageup", "roll(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ManageDialog Roll { margin: 0 0 1 0; max-height: 12; }
    ManageDialog #commands { max-height: 6; }
    ManageDialog.-short Roll { max-height: 6; }
    ManageDialog.-short #commands { max-height: 3; }
    ManageDialog OptionList { margin: 0; max-height: 6; }
    ManageDialog.-short Panel OptionList { max-height: 5; }
    ManageDialog Input { margin: 0 0 1 0; }
    ManageDialog #says, ManageDialog #title { margin: 0 0 1 0; }
    """

    def __init__(
        self,
        verb: str,
        run: Run,
        checkpoints: Sequence[Checkpoint],
        children: Children,
        roots: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(children)
        self._verb, self._run, self._checkpoints, self._clock = verb, run, checkpoints, clock
        self._roots = [f"--root={root}" for root in roots]
        self._at = 0
        self._all = full_uris(checkpoints)
        kinds = {is_state(each) for each in self._all}
        self._halves = list(_HALVES) if len(kinds) > 1 else ["both"]
        self._plans: dict[str, Event] = {}
        self._planned = self._doing = self._done = False
        self._changed: list[Event] = []
        self._outcomes: list[Event] = []

    def compose(self) -> ComposeResult:
        count = f"  {plural(len(self._checkpoints), 'marked checkpoint')} of "
        which: Pieces = ((count, "dim"), (clean(self._run.name), "text"))
        if len(self._checkpoints) == 1:
            which = save_pieces(self._run, self._checkpoints[0])
        with Panel():
            yield Words(((_TITLES[self._verb], "text bold"), *which), id="title")
            with Roll():
                yield Words(id="what")
            if self._verb != "delete":
                rows = (content(((f"  {each.title}", "text"),)) for each in CHOICES[self._verb])
                yield Choices(*(Option(row) for row in rows))
            if self._verb == "keep":
                yield Input(placeholder="  or type a time: 36h, 7d, 2w", compact=True, select_on_focus=False)
            if self._verb == "delete":
                yield Input(placeholder=f"type the word {WORD}", compact=True)
            yield Words(id="says")
            with Roll(id="commands"):
                yield Words(id="command")
            yield Words(id="help")

    def on_mount(self) -> None:
        """Ask the server what is there."""
        self._look()

    def _look(self) -> None:
        self._planned = self._doing = self._done = False
        self._plans.clear()
        self._outcomes.clear()
        self.begin([self._verb, *self._all, *self._rooted(), "--dry-run"])
        self.query_one(Input if self._verb == "delete" else OptionList).focus()

    def _rooted(self) -> list[str]:
        # Only deleting asks which runs here still need a state.
        return self._roots if self._verb == "delete" else []

    # What would be done

    @property
    def _uris(self) -> list[str]:
        """The URIs that are meant, by the half chosen with Tab."""
        wanted = self._halves[0]
        return [each for each in self._all if wanted == "both" or (is_state(each) == (wanted == "state"))]

    @property
    def _typed(self) -> str:
        return "" if self._verb == "publish" else self.query_one(Input).value.strip()

    def choice(self) -> Choice:
        """What is chosen: a time that was typed, else the line of the list. Raises ValueError for what is no time."""
        if self._verb == "keep" and self._typed:
            seconds = manage.ttl(self._typed)
            return Choice(f"expires in {duration(seconds)}", Action.EXPIRE, seconds)
        return CHOICES[self._verb][self._at]

    def changes(self) -> list[Change]:
        """What would be done, as far as the server has told. Raises ValueError as `choice` does."""
        plans = [self._plans[each] for each in self._uris if each in self._plans]
        if self._verb == "delete":
            return [deletion(each) for each in plans]
        held = {each["uri"]: now for each in plans if (now := held_now(each)) is not None}
        meant, choice = [each["uri"] for each in plans], self.choice()
        return list(manage.plan(choice.action, meant, held, now=self._clock(), seconds=choice.seconds))

    def _command(self, *, forced: bool = False) -> list[str]:
        """What Enter does; empty when there is nothing to do, or when what was typed is no time."""
        try:
            choice, changes = self.choice(), self.changes()
        except ValueError:
            return []
        wanted = [each.uri for each in changes if each.held and each.needed and (forced or each.refused is None)]
        if not wanted:
            return []
        seconds = [] if choice.seconds is None else [str(choice.seconds)]
        return [str(choice.action), *wanted, *seconds, *self._rooted(), *(["--force"] if forced else [])]

    # Keys

    @on(OptionList.OptionHighlighted)
    def _other_choice(self, event: OptionList.OptionHighlighted) -> None:
        self._at = event.option_index
        self.say()

    @on(Input.Changed)
    def _rewritten(self) -> None:
        self.say()

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_go()

    def on_key(self, event: events.Key) -> None:
        """A number begins a time of one's own, the arrows go back to the list."""
        if self._verb != "keep" or self._doing:
            return
        typed, choices = self.query_one(Input), self.query_one(OptionList)
        if event.is_printable and event.character and (event.character.isdecimal() or typed.value):
            # What was typed right behind the number was sent to the list before the line had the focus.
            event.stop()
            self.set_focus(typed)
            typed.insert_text_at_cursor(event.character)
        elif typed.has_focus and event.key in ("up", "down"):
            event.stop()
            typed.clear()
            choices.focus()

    def action_next_half(self) -> None:
        """Both, the sampler weights, the state."""
        if not self._doing:
            self._halves.append(self._halves.pop(0))
            self.say()

    def action_roll(self, pages: int) -> None:
        """Through the paths, where they are many."""
        for roll in self.query(Roll):
            (roll.scroll_page_down if pages > 0 else roll.scroll_page_up)(animate=False)

    def action_go(self) -> None:
        """Do it; ask again where the server did not answer; close when it is done."""
        if self.busy:
            return
        if self._done:
            self.dismiss(self._changed)
        elif self._stopped:
            self._look()
        elif self._verb != "delete":
            self._do(self._command())
        elif self._typed.lower() in (WORD, FORCED):
            self._do(self._command(forced=self._typed.lower() == FORCED))

    @property
    def _stopped(self) -> bool:
        """Whether the server did not answer, or was not let."""
        return not self._planned or self.error is not None or self.cancelled

    def action_cancel(self) -> None:
        """End what goes on; what was done meanwhile is told."""
        if self.busy or not self._changed:
            super().action_cancel()
        else:
            self.dismiss(self._changed)

    def _do(self, command: list[str]) -> None:
        if command:
            self._doing = True
            self.begin([*command, "--yes"])

    def hear(self, event: Event) -> None:
        """Take the plan, what was changed, and the end."""
        kind = event.get("event")
        if kind == "plan" and not self._doing:
            self._plans[str(event.get("uri"))] = event
        elif kind == "change":
            self._changed.append(event)
            self._outcomes.append(event)
        elif kind == "result":
            self._planned, self._done = True, self._doing
            servers = [each["server"] for each in self._plans.values() if each.get("server")]
            if self._verb == "publish" and not self._doing and servers and all(each.get("public") for each in servers):
                self.query_one(OptionList).highlighted = 1  # what is public already is offered to be unpublished

    # In words

    def say(self) -> None:
        """Everything, as it stands."""
        self.query_one("#what", Words).say(*self._what_rows())
        for each in self.query("OptionList, Input"):
            each.display = not self._doing
        rows = self._says_rows()
        says = self.query_one("#says", Words)
        says.display = bool(rows)
        says.say(*rows)
        command = self._command() if self._planned else []
        self.query_one("#commands").display = bool(command)
        self.query_one("#command", Words).say(command_row(command))
        self.query_one("#help", Words).say(self._keys())

    def _what_rows(self) -> list[Pieces]:
        if self._outcomes:
            return [outcome_row(each) for each in self._outcomes]
        try:
            known = {each.uri: each for each in self.changes()}
        except ValueError:
            known = {}
        meant = self._uris
        rows: list[Pieces] = []
        for each in meant:
            rows.append(((clean(each), "state" if is_state(each) else "sampler"),))
            if each in known:
                rows.append(effect_row(known[each]))
        if len(meant) > 2 and known:
            held = [change.held for change in known.values() if change.held is not None]
            total = f"{plural(len(held), 'path')} on the server, {size(sum(each.size_bytes or 0 for each in held))}"
            rows.insert(0, ((f"{total}; PgDn shows the rest", "dim"),))
        return rows

    def _says_rows(self) -> list[Pieces]:
        if self.busy:
            doing = (str(self.choice().action), "check") if self._doing else ()
            return self.phase_rows(("connect", "look", *(("ask",) if self._verb == "delete" else ()), *doing))
        if self.cancelled or self.error is not None:
            return self.trouble_rows()
        return self._undoable_rows() if self._planned and not self._done and not self._command() else []

    def _undoable_rows(self) -> list[Pieces]:
        """Why Enter would do nothing."""
        try:
            changes = self.changes()
        except ValueError as flaw:
            return [(("! ", "warning"), (clean(flaw), "text"))]
        if any(each.refused and each.held for each in changes):
            again = f"; to do it all the same, type {FORCED}"
            return [(("nothing of this can be done", "warning"), (again, "text"))]
        return [(("nothing is to be done here", "warning"),)]

    def _keys(self) -> Pieces:
        if self.busy:
            return keys_line(("Esc", "cancel"))
        if self._done:
            return keys_line(("Enter", "close"))
        if self._stopped:
            return keys_line(("Enter", "ask again"), ("Esc", "close"))
        half = (("Tab", _HALVES[self._halves[1]]),) if len(self._halves) > 1 else ()
        if self._verb == "delete":
            return keys_line((f"{WORD} Enter", "delete for good"), *half, ("Esc", "cancel"))
        does = str(self.choice().action) if self._command() else "–"
        return keys_line(("Enter", does), ("↑ ↓", "choose"), *half, ("Esc", "cancel"))
