"""Choose the template and the file of an inference script; a file of the user's is replaced only when asked twice."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from stealthrl_tui.actions import export
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import save_pieces
from stealthrl_tui.ui.screens.dialog import Choices, Dialog, Panel, Words, keys_line
from stealthrl_tui.ui.widgets.pieces import content


class Planned(Message):
    """What an export would do, or why it is refused."""

    def __init__(self, plan: export.Export | None, refusal: str = "") -> None:
        super().__init__()
        self.plan = plan
        self.refusal = refusal


class Written(Message):
    """The script is there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


class ExportDialog(Dialog[Path]):
    """Gives the path of the script that was written, None without one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "write", show=False, priority=True)]
    DEFAULT_CSS = """
    ExportDialog #says { margin: 1 0; }
    """

    def __init__(self, run: Run, checkpoint: Checkpoint, template: str) -> None:
        super().__init__()
        self._run, self._checkpoint, self._template = run, checkpoint, template
        self._title: Pieces = (("Export", "text bold"), *save_pieces(run, checkpoint))
        self._plan: export.Export | None = None
        self._asked = ""

    def compose(self) -> ComposeResult:
        width = max(map(len, export.TEMPLATES))
        rows = (((f"  {name:<{width}}  ", "text"), (about, "dim")) for name, about in export.TEMPLATES.items())
        with Panel():
            yield Words(self._title, ((clean(self._checkpoint.sampler_uri or "no sampler weights"), "sampler"),))
            yield Choices(*(Option(content(row), id=name) for row, name in zip(rows, export.TEMPLATES, strict=True)))
            yield Words((("File, or folder; empty for the run's own", "dim"),))
            yield Input(compact=True)
            yield Words(id="says")
            yield Words(keys_line(("Enter", "write"), ("↑ ↓", "template"), ("Tab", "file"), ("Esc", "cancel")))

    def on_mount(self) -> None:
        """Begin with the template that `e` writes."""
        self.query_one(OptionList).highlighted = list(export.TEMPLATES).index(self._template)

    @on(OptionList.OptionHighlighted)
    def _other_template(self, event: OptionList.OptionHighlighted) -> None:
        self._template = event.option_id or self._template
        self._look()

    @on(Input.Changed)
    def _other_file(self) -> None:
        self._look()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()

    @work(thread=True, exclusive=True, group="export", exit_on_error=False)
    def _look(self) -> None:
        """Plan: it looks at the file that is there, so not on this thread."""
        output = self.query_one(Input).value.strip() or None
        try:
            plan = export.plan(self._run, self._checkpoint, template=self._template, output=output)
        except export.ExportRefused as refusal:
            self.post_message(Planned(None, str(refusal)))
        else:
            self.post_message(Planned(plan))

    @on(Written)
    def _done(self, event: Written) -> None:
        self.dismiss(event.path)

    @on(Planned)
    def _say(self, event: Planned) -> None:
        plan = self._plan = event.plan
        says: list[Pieces] = [(("! ", "bad"), (clean(event.refusal), "text"))] if event.refusal else []
        if plan is not None:
            says.append((("Writes  ", "dim"), (clean(plan.path), "text")))
            words = {
                "ours": "replaces the script exported before",
                "users": "a file of yours is there: Enter asks again",
            }
            if plan.overwrites in words:
                says.append(
                    (("        ", "dim"), (words[plan.overwrites], "warning" if plan.overwrites == "users" else "dim"))
                )
            says += [(("! ", "warning"), (warning, "text")) for warning in plan.warnings]
        self.query_one("#says", Words).say(*says)

    def action_write(self) -> None:
        """Write what was planned; where a file of the user's is there, only at the second Enter."""
        plan = self._plan
        if plan is None:
            return
        if plan.overwrites == "users" and self._asked != str(plan.path):
            self._asked = str(plan.path)
            self.query_one("#says", Words).say(
                (("! ", "warning"), (f"{clean(plan.path)} is yours.", "text")),
                (
                    ("  ", "text"),
                    ("Enter", "best bold"),
                    (" once more replaces it, ", "dim"),
                    ("Esc", "best bold"),
                    (" leaves it.", "dim"),
                ),
            )
            return
        self._write(plan)

    @work(thread=True, exclusive=True, group="export", exit_on_error=False)
    def _write(self, plan: export.Export) -> None:
        try:
            path = export.write(plan, force=plan.overwrites == "users")
        except export.ExportRefused as refusal:
            self.post_message(Planned(None, str(refusal)))
        else:
            self.post_message(Written(path))
