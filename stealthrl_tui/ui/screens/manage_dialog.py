"""Keep, expire, publish or delete what the server holds: what exactly, with which effect, then a question."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from stealthrl_tui.actions import manage
from stealthrl_tui.actions.manage import Action, Change
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean, duration, plural, size
from stealthrl_tui.ui.changes import effect_row, full_uris, held_now, is_state, outcome_row
from stealthrl_tui.ui.children import Children, Event
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.child_dialog import ChildDialog, command_row
from stealthrl_tui.ui.screens.dialog import Choices, Panel, Words, keys_line
from stealthrl_tui.ui.widgets.pieces import content

_DAY = 86400
_TITLES = {"keep": "Keep", "publish": "Publish", "delete": "Delete"}
_HALVES = ("both", "sampler", "state")
_MOST_ROWS = 6
WORD, FORCED = "delete", "delete force"


@dataclass(frozen=True, slots=True)
class _Choice:
    title: str
    action: Action
    seconds: int | None = None


_CHOICES: Mapping[str, tuple[_Choice, ...]] = {
    "keep": (
        _Choice("for ever", Action.KEEP),
        *(_Choice(f"expires in {duration(days * _DAY)}", Action.EXPIRE, days * _DAY) for days in (1, 7, 30, 90, 365)),
    ),
    "publish": (
        _Choice("publish: anyone can load it", Action.PUBLISH),
        _Choice("unpublish: only your account can", Action.UNPUBLISH),
    ),
    "delete": (_Choice("delete for good", Action.DELETE),),
}


class ManageDialog(ChildDialog[list[Event]]):
    """`verb` is "keep", "publish" or "delete"; gives the `change` events of what was done, None when nothing was.

    It asks the server first (a dry run), shows each URI with kind, size and effect, and does it at Enter, or when the
    word `delete` is typed. Then it says what the server shows afterwards.
    """

    log_name = "manage"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", show=False),
        Binding("tab,shift+tab", "next_half", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ManageDialog #what { margin: 1 0; }
    ManageDialog OptionList { margin: 0 0 1 0; max-height: 6; }
    ManageDialog Input { margin: 0 0 1 0; }
    ManageDialog #says, ManageDialog #command { margin: 0 0 1 0; }
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
        self._choices = _CHOICES[verb]
        self._choice = self._choices[0]
        self._half = 0
        self._all = full_uris(checkpoints)
        self._plans: dict[str, Event] = {}
        self._planned = self._doing = self._done = False
        self._queue: list[list[str]] = []
        self._changed: list[Event] = []

    def compose(self) -> ComposeResult:
        first = self._checkpoints[0]
        one = len(self._checkpoints) == 1
        which = save_pieces(self._run, first) if one else self._several()
        with Panel():
            yield Words(((_TITLES[self._verb], "text bold"), *which))
            yield Words(id="what")
            if self._verb == "delete":
                yield Input(placeholder=f"type {WORD} to delete", compact=True)
            else:
                rows = (content(((f"  {each.title}", "text"),)) for each in self._choices)
                yield Choices(*(Option(row) for row in rows))
            yield Words(id="says")
            yield Words(id="command")
            yield Words(id="help")

    def on_mount(self) -> None:
        """Ask the server what is there."""
        self.query_one(Input if self._verb == "delete" else OptionList).focus()
        self._look()

    def _several(self) -> Pieces:
        return ((f"  {plural(len(self._checkpoints), 'checkpoint')} of ", "dim"), (clean(self._run.name), "text"))

    def _look(self) -> None:
        self._planned = self._doing = self._done = False
        self._plans.clear()
        self.begin([self._verb, *self._all, *self._rooted(), "--dry-run"])

    def _rooted(self) -> list[str]:
        # Only deleting asks which runs here still need a state.
        return self._roots if self._verb == "delete" else []

    # What would be done

    @property
    def _uris(self) -> list[str]:
        """The URIs that are meant, by the half chosen with Tab."""
        wanted = _HALVES[self._half]
        return [each for each in self._all if wanted == "both" or (is_state(each) == (wanted == "state"))]

    def changes(self) -> list[Change]:
        """What would be done, as far as the server has told."""
        plans = [self._plans[each] for each in self._uris if each in self._plans]
        held = {each["uri"]: now for each in plans if (now := held_now(each)) is not None}
        if self._verb == "delete":
            return [
                Change(
                    Action.DELETE,
                    each["uri"],
                    held.get(each["uri"]),
                    clean(each.get("effect"), 200),
                    clean(each["refused"], 300) if each.get("refused") else None,
                )
                for each in plans
            ]
        meant = [each["uri"] for each in plans]
        return list(manage.plan(self._choice.action, meant, held, now=self._clock(), seconds=self._choice.seconds))

    def _commands(self, *, forced: bool = False) -> list[list[str]]:
        action = str(self._choice.action)
        wanted = [each.uri for each in self.changes() if each.needed and (forced or each.refused is None)]
        if not wanted:
            return []
        if self._choice.action is Action.EXPIRE:
            return [[action, each, str(self._choice.seconds)] for each in wanted]
        return [[action, *wanted, *self._rooted(), *(["--force"] if forced else [])]]

    # Keys

    @on(OptionList.OptionHighlighted)
    def _other_choice(self, event: OptionList.OptionHighlighted) -> None:
        self._choice = self._choices[event.option_index]
        self.say()

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_go()

    def action_next_half(self) -> None:
        """Both, the sampler weights, the state."""
        if not self._doing and not self._done:
            self._half = (self._half + 1) % len(_HALVES)
            if not self._uris:
                self.action_next_half()
            self.say()

    def action_go(self) -> None:
        """Do it; ask again where the server did not answer; close when it is done."""
        if self.busy:
            return
        if self._done:
            self.dismiss(self._changed)
        elif not self._planned:
            self._look()
        elif self._verb != "delete":
            self._do(self._commands())
        else:
            typed = self.query_one(Input).value.strip().lower()
            if typed in (WORD, FORCED):
                self._do(self._commands(forced=typed == FORCED))

    def action_cancel(self) -> None:
        """End what goes on; what was done meanwhile is told."""
        if self.busy or not self._changed:
            super().action_cancel()
        else:
            self.dismiss(self._changed)

    def _do(self, commands: list[list[str]]) -> None:
        if commands:
            self._doing = True
            self._queue = commands
            self._next()

    def _next(self) -> None:
        self.begin([*self._queue.pop(0), "--yes"])

    def hear(self, event: Event) -> None:
        """Take the plan, what was changed, and the end."""
        kind = event.get("event")
        if kind == "plan" and not self._doing:
            self._plans[str(event.get("uri"))] = event
        elif kind == "change":
            self._changed.append(event)
        elif kind == "result" and not self._doing:
            self._planned = True
            self._choose()
        elif kind == "result" and self._queue:
            self._next()
        elif kind == "result":
            self._done = True

    def _choose(self) -> None:
        """What is public already is offered to be unpublished."""
        servers = [each["server"] for each in self._plans.values() if each.get("server")]
        if self._verb == "publish" and servers and all(each.get("public") for each in servers):
            self.query_one(OptionList).highlighted = 1

    # In words

    def say(self) -> None:
        """Everything, as it stands."""
        self.query_one("#what", Words).say(*self._what_rows())
        rows = self._says_rows()
        says = self.query_one("#says", Words)
        says.display = bool(rows)
        says.say(*rows)
        commands = self._commands() if self._planned else []
        line = self.query_one("#command", Words)
        line.display = bool(commands)
        line.say(*(command_row(each) for each in commands[:3]))
        self.query_one("#help", Words).say(self._keys())

    def _what_rows(self) -> list[Pieces]:
        known = {each.uri: each for each in self.changes()}
        meant = self._uris
        rows: list[Pieces] = []
        for each in meant[:_MOST_ROWS]:
            rows.append(((clean(each), "state" if is_state(each) else "sampler"),))
            if each in known:
                rows.append(effect_row(known[each]))
        if len(meant) > _MOST_ROWS:
            held = [change.held for change in known.values() if change.held is not None]
            total = size(sum(each.size_bytes or 0 for each in held))
            rows.append(((f"… and {len(meant) - _MOST_ROWS} more, {total} in all", "dim"),))
        return rows

    def _says_rows(self) -> list[Pieces]:
        if self.busy:
            final = ("ask",) if self._verb == "delete" else ()
            return self.phase_rows(
                ("connect", "look", *final, *((str(self._choice.action), "check") if self._doing else ()))
            )
        if self._changed:
            outcome: list[Pieces] = [outcome_row(each) for each in self._changed[:_MOST_ROWS]]
            return [*outcome, *self.trouble_rows()]
        if self.cancelled or self.error is not None:
            return self.trouble_rows()
        if self._planned and not self._commands():
            refused = any(each.refused and each.held for each in self.changes())
            forced = f"; to do it all the same, type {FORCED}" if refused else ""
            return [
                (
                    ("nothing of this can be done" if refused else "nothing is to be done here", "warning"),
                    (forced, "text"),
                )
            ]
        return []

    def _keys(self) -> Pieces:
        if self.busy:
            return keys_line(("Esc", "cancel"))
        if self._done:
            return keys_line(("Enter", "close"))
        if not self._planned:
            return keys_line(("Enter", "ask again"), ("Esc", "close"))
        both = len({is_state(each) for each in self._all}) > 1
        half = (("Tab", f"means {_HALVES[self._half]}"),) if both else ()
        if self._verb == "delete":
            return keys_line((f"{WORD} Enter", "delete for good"), *half, ("Esc", "cancel"))
        return keys_line(("Enter", str(self._choice.action)), ("↑ ↓", "choose"), *half, ("Esc", "cancel"))
