"""What to keep of what the server holds of some runs: the rule, the plan by name and size, then the word `delete`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from stealthrl_tui.runs.keys import label
from stealthrl_tui.runs.model import Run
from stealthrl_tui.text import clean, plural, size
from stealthrl_tui.ui.children import Children, Event
from stealthrl_tui.ui.memory import Measure, Memory
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.screens.child_dialog import ChildDialog, command_row
from stealthrl_tui.ui.screens.dialog import Panel, Roll, Words, keys_line

WORD = "delete"
# Beyond this one command line would be too long.
_URIS_AT_ONCE = 500
_FIELDS = (("best", "the best"), ("last", "the last"), ("every", "every nth"))


class Count(Input):
    """A number; letters are the screen's keys before they are written into it."""

    def check_consume_key(self, key: str, character: str | None) -> bool:  # noqa: ARG002  # the parent's arguments
        """Whether the key is not for a binding."""
        return character is not None and character.isdecimal()


class PruneScreen(ChildDialog[list[Event]]):
    """Gives the `change` events of what was deleted, None when nothing was.

    Exactly the URIs of the plan on the screen are deleted, and the server is asked again about each.
    """

    log_name = "prune"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "choose_metric", show=False, priority=True),
        Binding("pagedown", "roll(1)", show=False, priority=True),
        Binding("pageup", "roll(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    PruneScreen Panel { height: 92%; }
    PruneScreen #rule { height: 1; margin: 1 0 0 0; }
    PruneScreen #by { margin: 0 0 1 0; }
    PruneScreen #rule Label { color: $text-muted; padding: 0 1 0 0; }
    PruneScreen #rule Input { width: 8; margin: 0 3 0 0; }
    PruneScreen Roll { height: 1fr; min-height: 3; }
    PruneScreen #sum, PruneScreen #command { margin: 1 0 0 0; }
    PruneScreen #word { margin: 1 0; }
    """

    def __init__(self, runs: Sequence[Run], children: Children, memory: Memory, roots: Sequence[str]) -> None:
        super().__init__(children)
        self._runs, self._roots = runs, [f"--root={root}" for root in roots]
        self._memory = memory
        self._plans: list[Event] = []
        self._result: Event | None = None
        self._queue: list[list[str]] = []
        self._changed: list[Event] = []
        self._deleting = False

    def compose(self) -> ComposeResult:
        one = clean(self._runs[0].name) if len(self._runs) == 1 else f"{len(self._runs)} marked runs"
        with Panel():
            yield Words((("Prune", "text bold"), ("  on the server, of ", "dim"), (one, "text")))
            with Horizontal(id="rule"):
                yield Label("Keep")
                for name, words in _FIELDS:
                    yield Label(words, markup=False)
                    yield Count("3" if name == "best" else "2" if name == "last" else "", id=name, compact=True)
            yield Words(id="by")
            with Roll():
                yield Words(id="rows")
            yield Words(id="sum")
            yield Words(id="command")
            yield Input(placeholder=f"type {WORD} to delete what goes", id="word", compact=True)
            yield Words(id="help")

    def on_mount(self) -> None:
        """Begin with the rule."""
        self.query_one("#best", Input).focus()
        self.say()

    @property
    def measure(self) -> Measure | None:
        """What the best are the best by; None where the runs differ in it, and each goes by its own."""
        found = {self._memory.measure(run) for run in self._runs}
        return found.pop() if len(found) == 1 else None

    @property
    def arguments(self) -> list[str]:
        """The command that makes the plan."""
        rule: list[str] = []
        for name, _ in _FIELDS:
            value = self.query_one(f"#{name}", Input).value.strip()
            if value:
                rule += [f"--{name}", value]
                if name == "best":
                    rule += self._measured()
        return ["prune", *(run.path for run in self._runs), *rule]

    def _measured(self) -> list[str]:
        measure = self.measure
        if measure is None or measure.key is None:
            return []
        better = {True: "higher", False: "lower"}
        return ["--metric", measure.key, *(["--better", better[measure.higher]] if measure.higher is not None else [])]

    def flaw(self) -> str:
        """Why there is no such rule; empty when there is."""
        values = [self.query_one(f"#{name}", Input).value.strip() for name, _ in _FIELDS]
        if not any(values):
            return "say what to keep: the final checkpoint always stays"
        wrong = [value for value in values if value and not (value.isdecimal() and int(value) >= 1)]
        return f"{clean(wrong[0], 20)} is no number from 1 on" if wrong else ""

    @on(Input.Changed)
    def _rewritten(self, event: Input.Changed) -> None:
        if event.input.id != "word":
            self._forget_plan()
        self.say()

    def _forget_plan(self) -> None:
        # The plan on show is the plan that is carried out: another rule has none yet.
        if self._plans and not self._deleting:
            self._plans, self._result = [], None

    def action_roll(self, pages: int) -> None:
        """Through the plan."""
        roll = self.query_one(Roll)
        (roll.scroll_page_down if pages > 0 else roll.scroll_page_up)(animate=False)

    def action_choose_metric(self) -> None:
        """Choose what the best are the best by, as for the timeline."""
        run = self._runs[0]
        if self.busy or self._deleting or not run.metrics.keys:
            return
        from stealthrl_tui.ui.screens.metric_dialog import MetricDialog

        def chosen(measure: Measure | None) -> None:
            if measure is not None:
                for each in self._runs:
                    self._memory.choose(each, measure)
                self._forget_plan()
                self.say()

        self.app.push_screen(MetricDialog(run, self._memory.measure(run).key, self._memory.higher), chosen)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if self.busy:
            return
        if event.input.id != "word":
            if not self.flaw():
                self._plans, self._result, self._changed, self._deleting = [], None, [], False
                self.begin(self.arguments)
        elif event.value.strip().lower() == WORD and self._can_delete:
            self._delete()

    def _delete(self) -> None:
        gone = [uri for plan in self._plans for verdict in plan["delete"] for uri in verdict["uris"]]
        self._queue = [gone[at : at + _URIS_AT_ONCE] for at in range(0, len(gone), _URIS_AT_ONCE)]
        if self._queue:
            self._deleting = True
            self._next()

    def _next(self) -> None:
        self.begin(["delete", *self._queue.pop(0), *self._roots, "--yes"])

    def action_cancel(self) -> None:
        """End what goes on; what was deleted meanwhile is told."""
        if self.busy or not self._changed:
            super().action_cancel()
        else:
            self.dismiss(self._changed)

    def hear(self, event: Event) -> None:
        """Take the plan or what was deleted."""
        kind = event.get("event")
        if kind == "plan" and not self._deleting:
            self._plans.append(event)
        elif kind == "change":
            self._changed.append(event)
        elif kind == "result" and self._deleting and self._queue:
            self._next()
        elif kind == "result" and not self._deleting:
            self._result = event
            word = self.query_one("#word", Input)
            word.display = self._can_delete
            if word.display:
                word.focus()

    @property
    def _can_delete(self) -> bool:
        return self._result is not None and self._result["delete"]["count"] > 0 and not self._deleting

    def say(self) -> None:
        """Everything, as it stands."""
        self.query_one("#by", Words).say(self._by_row())
        self.query_one("#rows", Words).say(*self._plan_rows())
        self.query_one("#sum", Words).say(*self._sum_rows())
        self.query_one("#word", Input).display = self._can_delete
        command = self.query_one("#command", Words)
        command.say(command_row(self.arguments), (("  --script writes the commands, --yes does it", "dim"),))
        self.query_one("#help", Words).say(self._keys())

    def _by_row(self) -> Pieces:
        measure = self.measure
        if measure is None:
            return (("the best by each run's own metric, ", "dim"), ("v", "best bold"), (" chooses one for all", "dim"))
        way = {True: "higher is better", False: "lower is better", None: "neither way is better"}[measure.higher]
        name = clean(label(measure.key)) if measure.key else "no metric"
        return (("the best by ", "dim"), (name, "text"), (f", {way}  ", "dim"), ("v", "best bold"), (" chooses", "dim"))

    def _plan_rows(self) -> list[Pieces]:
        rows: list[Pieces] = []
        for plan in self._plans:
            go, stay = plan["delete"], plan["keep"]
            words = f"{len(go)} go, {size(plan['delete_bytes'])}; {len(stay)} stay, {size(plan['keep_bytes'])}"
            rows.append(((clean(plan["run"]), "text bold"), (f"  {words}", "text")))
            rows += [_verdict_row("✗ goes ", "bad", verdict) for verdict in go]
            rows += [_verdict_row("✓ stays", "alive", verdict) for verdict in stay]
            for name, word in (("gone", "gone already"), ("unrecorded", "in no ledger, left alone")):
                if plan.get(name):
                    rows.append(((f"  {plan[name]} {word}", "dim"),))
            rows += [(("! ", "warning"), (clean(note), "text")) for note in plan.get("notes", ())]
        return rows

    def _sum_rows(self) -> list[Pieces]:
        flaw = self.flaw()
        if flaw:
            return [(("! ", "warning"), (flaw, "text"))]
        if self.busy:
            return self.phase_rows(("connect", "look", "delete", "check") if self._deleting else ("connect", "ask"))
        if self._deleting and not self.cancelled:
            gone = sum(bool(each.get("ok")) for each in self._changed)
            told = f"{gone} of {plural(len(self._changed), 'path')} gone, the server says"
            done: list[Pieces] = [(("✓ " if self.error is None else "! ", "alive"), (told, "text"))]
            return [*done, *self.trouble_rows()]
        if self.error is not None or self.cancelled:
            return self.trouble_rows()
        if self._result is None:
            return [
                (("the final checkpoint, public ones and the newest state of an unfinished run always stay", "dim"),)
            ]
        goes, stays = _sum(self._result["delete"]), _sum(self._result["keep"])
        if not self._result["delete"]["count"]:
            return [(("✓ nothing goes: ", "alive"), (f"{stays} stay", "text bold"))]
        runs = f"  of {plural(len(self._plans), 'run')}"
        return [
            (
                ("✗ ", "bad"),
                (f"{goes} go", "text bold"),
                ("   ✓ ", "alive"),
                (f"{stays} stay", "text bold"),
                (runs, "dim"),
            )
        ]

    def _keys(self) -> Pieces:
        if self.busy:
            return keys_line(("Esc", "cancel"))
        if self._can_delete:
            return keys_line((f"{WORD} Enter", "delete what goes"), ("Tab", "another rule"), ("Esc", "close"))
        return keys_line(("Enter", "show the plan"), ("Tab", "next"), ("v", "metric"), ("Esc", "close"))


def _verdict_row(word: str, role: str, verdict: dict[str, Any]) -> Pieces:
    step = "" if verdict["step"] is None else f"step {verdict['step']}"
    why = ", ".join(clean(reason) for reason in verdict["reasons"])
    return (
        (f"  {word} ", role),
        (f" {clean(verdict['name'], 20):<10} {step:<10} {size(verdict['size_bytes']):>8}  ", "text"),
        (why, "dim"),
    )


def _sum(counts: dict[str, Any]) -> str:
    more = f" and {counts['unsized']} of unknown size" if counts.get("unsized") else ""
    return f"{plural(counts['count'], 'checkpoint')}, {size(counts['size_bytes'])}{more}"
