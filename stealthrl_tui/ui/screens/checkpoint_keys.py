"""What the keys do to the checkpoint under the cursor: copy, export, and by which metric it is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.screen import Screen

from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.memory import Measure, Memory
from stealthrl_tui.ui.widgets.detail import Detail
from stealthrl_tui.ui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from stealthrl_tui.actions.snippets import Choice


class Copied(Message):
    """Where a text was sent; `what` is what it is called."""

    def __init__(self, what: str, text: str, sentence: str) -> None:
        super().__init__()
        self.what, self.text, self.sentence = what, text, sentence


class Exported(Message):
    """How an export ended: the path written, a refusal, or a file of the user's that stands in the way."""

    def __init__(self, *, path: Path | None = None, refusal: str = "", in_the_way: bool = False) -> None:
        super().__init__()
        self.path, self.refusal, self.in_the_way = path, refusal, in_the_way


class CheckpointKeys(Screen[None]):
    """Mixed into the browser; needs its `detail`, `memory`, and `settle`."""

    memory: Memory
    template = "sdk"

    if TYPE_CHECKING:

        @property
        def detail(self) -> Detail: ...
        def settle(self) -> None: ...

    def meant(self) -> tuple[Run, Checkpoint] | None:
        """The run and the save under the cursor, as they are on the screen by now; tells when there is none."""
        self.settle()
        run, checkpoint = self.detail.shown, self.detail.checkpoint
        if run is None or checkpoint is None:
            self.notify("there is no checkpoint here" if run else "there is no run here", markup=False)
            return None
        return run, checkpoint

    # Copy

    def action_copy(self) -> None:
        """Copy the URI that loads it."""
        found = self.meant()
        if found is None:
            return
        uri = found[1].uri
        if uri is None:
            self.notify(f"{clean(found[1].name)} has no path in the ledger, there is nothing to copy", markup=False)
            return
        kind = "sampler URI" if found[1].sampler_uri else "state URI (it has no sampler weights)"
        self.copy(f"{clean(found[1].name)}: {kind}", clean(uri))

    def action_copy_other(self) -> None:
        """Choose what to copy."""
        found = self.meant()
        if found is None:
            return
        from stealthrl_tui.ui.screens.copy_dialog import CopyDialog

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self.copy(choice.title, choice.text)

        self.app.push_screen(CopyDialog(*found), chosen)

    def copy(self, what: str, text: str) -> None:
        """Send `text` by every way there is."""
        self.app.copy_to_clipboard(text)
        self._send(what, text)

    @work(thread=True, exclusive=True, group="copy", exit_on_error=False)
    def _send(self, what: str, text: str) -> None:
        from stealthrl_tui.actions.copy import copy

        self.post_message(Copied(what, text, copy(text).sentence))

    @on(Copied)
    def _copied(self, event: Copied) -> None:
        first, *rest = event.text.splitlines() or [""]
        more = f"  (+{len(rest)} lines)" if rest else ""
        self.query_one(StatusLine).say(
            (("✓ ", "alive"), (f"{event.what} {event.sentence}  ", "dim")), ((clean(first), "sampler"), (more, "dim"))
        )

    # Export

    def action_export(self) -> None:
        """Write the script of the default template into the run's directory."""
        found = self.meant()
        if found is not None:
            self._export(*found)

    @work(thread=True, exclusive=True, group="export", exit_on_error=False)
    def _export(self, run: Run, checkpoint: Checkpoint) -> None:
        from stealthrl_tui.actions import export

        try:
            plan = export.plan(run, checkpoint, template=self.template)
            if plan.overwrites == "users":
                self.post_message(Exported(in_the_way=True))
                return
            self.post_message(Exported(path=export.write(plan)))
        except export.ExportRefused as refusal:
            self.post_message(Exported(refusal=str(refusal)))

    def action_export_other(self) -> None:
        """Choose template and file."""
        found = self.meant()
        if found is None:
            return
        from stealthrl_tui.ui.screens.export_dialog import ExportDialog

        def written(path: Path | None) -> None:
            if path is not None:
                self.post_message(Exported(path=path))

        self.app.push_screen(ExportDialog(*found, self.template), written)

    @on(Exported)
    def _exported(self, event: Exported) -> None:
        if event.in_the_way:
            self.action_export_other()
        elif event.path is not None:
            self.query_one(StatusLine).say((("✓ ", "alive"), ("wrote  ", "dim"), (clean(event.path), "text")))
        else:
            self.query_one(StatusLine).say((("✗ not exported: ", "bad"), (clean(event.refusal), "text")))

    # The metric

    def action_choose_metric(self) -> None:
        """Choose the metric that the timeline shows, and its direction."""
        self.settle()
        run = self.detail.shown
        if run is None or not run.metrics.keys:
            self.notify("this run has no metrics yet", markup=False)
            return
        from stealthrl_tui.ui.screens.metric_dialog import MetricDialog

        def chosen(measure: Measure | None) -> None:
            if measure is not None:
                self.memory.choose(run, measure)
                self.detail.show(self.detail.shown)

        self.app.push_screen(MetricDialog(run, self.memory.measure(run).key, self.memory.higher), chosen)
