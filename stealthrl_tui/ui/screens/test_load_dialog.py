"""Load the sampler weights of a checkpoint and sample from them: the proof that it works."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from stealthrl_tui.actions import prompts, trials
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean, duration, number, plural
from stealthrl_tui.ui.children import Children, Event
from stealthrl_tui.ui.known import Known, tested_pieces
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.child_dialog import NOT_REMEMBERED, ChildDialog, command_row
from stealthrl_tui.ui.screens.dialog import Panel, Words, keys_line

if TYPE_CHECKING:
    from stealthrl_tui.actions.trials import Outcome

_PHASES = ("connect", "load", "tokenizer", "sample")
_TEXT_LINES = 8
_MOST_IDS = 48
_LONGEST_PROMPT_SHOWN = 160


class TestLoadDialog(ChildDialog[None]):
    """Enter loads and samples, Tab edits the prompt, Esc cancels what is going on.

    The prompt is remembered in `kept` by the run's kind, the outcome in `known` (and by the child, on the disk).
    `copy` takes what a text is called and the text.
    """

    __test__ = False
    log_name = "test-load"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "load", show=False),
        Binding("tab,shift+tab", "edit", show=False, priority=True),
        Binding("c", "copy_command", show=False),
    ]
    DEFAULT_CSS = """
    TestLoadDialog TextArea { height: auto; max-height: 7; min-height: 1; scrollbar-size-vertical: 1; border: none;
        padding: 0 1; margin: 0 0 1 0; background: $background; &:focus { border: none; } }
    TestLoadDialog #where { margin: 0 0 1 0; }
    TestLoadDialog #phases, TestLoadDialog #says, TestLoadDialog #command { margin: 0 0 1 0; }
    """

    def __init__(
        self,
        run: Run,
        checkpoint: Checkpoint,
        children: Children,
        known: Known,
        kept: MutableMapping[str, str],
        copy: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(children)
        self._run, self._checkpoint, self._known, self._kept, self._copy = run, checkpoint, known, kept, copy
        self._clock = clock
        self._uri = checkpoint.sampler_uri or ""
        self._usual = prompts.asked(run).text
        self._result: Event | None = None

    @property
    def prompt(self) -> str:
        """What will be asked."""
        return self.query_one(TextArea).text.strip() or self._usual

    @property
    def arguments(self) -> list[str]:
        """The command; by the run where its name tells the save from all others, since then the run's opening goes in.

        The usual prompt is not spelled out.
        """
        name = self._checkpoint.name
        alone = sum(each.name == name for each in self._run.checkpoints) == 1
        what = [self._run.path, "--checkpoint", name] if alone else [self._uri]
        usual = alone and self.prompt == self._usual
        return ["test-load", *what, *([] if usual else ["--prompt", self.prompt])]

    def compose(self) -> ComposeResult:
        with Panel():
            yield Words(
                (("Test-load", "text bold"), *save_pieces(self._run, self._checkpoint)),
                ((clean(self._uri), "sampler"),),
                id="where",
            )
            yield Words((("Asks", "dim"),), id="asks")
            yield TextArea(self._kept.get(self._run.facts.kind.value, self._usual), compact=True, soft_wrap=True)
            yield Words(id="phases")
            yield Words(id="says")
            yield Words(id="command")
            yield Words(id="help")

    def on_mount(self) -> None:
        """Say how it went the last time."""
        self.say()

    def action_load(self) -> None:
        """Load and sample, now."""
        if not self.busy:
            self._keep_prompt()
            self._result = None
            self.begin(self.arguments)

    def action_edit(self) -> None:
        """Into the prompt, and out of it."""
        area = self.query_one(TextArea)
        if area.has_focus:
            self.set_focus(None)
            self._keep_prompt()
        elif not self.busy:
            self._show_prompt(True)
            area.focus()
        self.call_after_refresh(self.say)

    def action_copy_command(self) -> None:
        """Copy the command."""
        import shlex

        self._copy("command", shlex.join(["stealthrl-tui", *self.arguments]))

    def action_cancel(self) -> None:
        """Out of the prompt, else end what goes on, else the dialog."""
        if self.query_one(TextArea).has_focus:
            self.action_edit()
        else:
            super().action_cancel()

    def hear(self, event: Event) -> None:
        """Keep the outcome."""
        kind = event.get("event")
        if kind == "result":
            self._result = event
        if kind in ("result", "error"):
            self._known.trials[self._uri] = trials.from_event(self._uri, self.prompt, event, self._clock())

    def say(self) -> None:
        """The phases and the outcome, this one's or the last one's."""
        started = self.busy or self._result is not None or self.error is not None or self.cancelled
        phases, says = self.query_one("#phases", Words), self.query_one("#says", Words)
        phases.display = started
        # On a short terminal the outcome goes before the question, which Tab brings back.
        self._show_prompt(not (started and self.has_class("-short")) or self.query_one(TextArea).has_focus)
        if started:
            phases.say(*self.phase_rows(_PHASES))
        rows = self._result_rows() or self.trouble_rows() or ([] if self.busy else self._last_rows())
        says.display = bool(rows)
        says.say(*rows)
        command = self.arguments
        if "--prompt" in command and len(self.prompt) > _LONGEST_PROMPT_SHOWN:
            command[-1] = command[-1][:_LONGEST_PROMPT_SHOWN] + "…"
        self.query_one("#command", Words).say(command_row(command))
        self.query_one("#help", Words).say(self._keys())

    def _show_prompt(self, shown: bool) -> None:
        self.query_one(TextArea).display = self.query_one("#asks").display = shown

    def _keep_prompt(self) -> None:
        kind = self._run.facts.kind.value
        if self.prompt == self._usual:
            self._kept.pop(kind, None)
        else:
            self._kept[kind] = self.prompt

    def _keys(self) -> Pieces:
        if self.query_one(TextArea).has_focus:
            return keys_line(("Tab", "done"), ("Enter", "new line"), ("Esc", "done"))
        if self.busy:
            return keys_line(("Esc", "cancel"))
        again = "again" if self._result is not None or self.error is not None else "load and sample"
        return keys_line(("Enter", again), ("Tab", "edit the prompt"), ("c", "copy command"), ("Esc", "close"))

    def _result_rows(self) -> list[Pieces]:
        found = self._result
        if found is None:
            return []
        tokens = found.get("tokens") or []
        rate = found.get("tokens_per_second")
        speed = f", {number(rate)} tokens/s" if isinstance(rate, int | float) else ""
        ended = "stopped by itself" if found.get("stop_reason") == "stop" else "cut at the most tokens allowed"
        head: Pieces = (
            ("✓ it loads and answers  ", "alive bold"),
            (f"{plural(len(tokens), 'token')}{speed}, {ended}", "text"),
        )
        about: Pieces = (
            (f"  {clean(found.get('base_model'), 60)}, {duration(found.get('seconds'))} in all, ", "dim"),
            (f"prompt as {clean(found.get('prompt_form'), 40)}", "dim"),
        )
        if not found.get("remembered", True):
            return [head, about, (NOT_REMEMBERED,), *self._text_rows(found.get("text"), tokens)]
        return [head, about, *self._text_rows(found.get("text"), tokens)]

    def _text_rows(self, text: object, tokens: Sequence[object]) -> list[Pieces]:
        if not isinstance(text, str):
            ids = " ".join(clean(token, 12) for token in tokens[:_MOST_IDS]) + (" …" if len(tokens) > _MOST_IDS else "")
            return [(("  token ids, there is no tokenizer here: ", "warning"), (ids, "text"))]
        return _quoted(text)

    def _last_rows(self) -> list[Pieces]:
        last: Outcome | None = self._known.trials.get(self._uri)
        if last is None:
            return [(("not tested yet", "dim"),)]
        rows: list[Pieces] = [tested_pieces(last, self._clock())]
        return rows + _quoted(last.text) if last.text else rows


def _quoted(text: str) -> list[Pieces]:
    """What was sampled, line by line; the model's words are anybody's."""
    found = text.strip("\n").split("\n")
    rows: list[Pieces] = [(("  │ ", "line"), (clean(line, 600), "text")) for line in found[:_TEXT_LINES]]
    if len(found) > _TEXT_LINES:
        rows.append(((f"  … {plural(len(found) - _TEXT_LINES, 'more line')}", "dim"),))
    return rows
