"""What the keys ask of the server: test-load, keep, publish, delete, prune, and what it still holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message

from stealthrl_tui.runs import uri as uris
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean
from stealthrl_tui.ui.children import Children, Event
from stealthrl_tui.ui.feed import Feed
from stealthrl_tui.ui.known import NO_ANSWER, NO_KEY, OFF, Known, has_key
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.roster import Roster
from stealthrl_tui.ui.screens.checkpoint_keys import CheckpointKeys
from stealthrl_tui.ui.widgets.run_list import RunList
from stealthrl_tui.ui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from stealthrl_tui.actions.trials import Outcome
    from stealthrl_tui.settings import Settings
    from stealthrl_tui.ui.server import Server, ServerAnswered, ServerTold, ServerWaits

# The first question waits until the runs are on the screen.
_FIRST_ASK_SECONDS = 1.0


class TrialsRead(Message):
    """How the last tests went, by URI."""

    def __init__(self, trials: dict[str, Outcome]) -> None:
        super().__init__()
        self.trials = trials


class TinkerKeys(CheckpointKeys):
    """Mixed into the browser; what it learns is in `known`, and no child of `children` outlives it.

    `settings` None means never to ask by itself.
    """

    feed: Feed
    roster: Roster
    settings: Settings | None = None

    if TYPE_CHECKING:
        clock: Callable[[], float]

        @property
        def runs(self) -> RunList: ...
        def say_state(self) -> None: ...

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.known = Known()
        self.children_at_work = Children()
        self.server: Server | None = None

    def on_mount(self) -> None:
        """The server and the last tests come when the runs are on the screen."""
        self.set_timer(_FIRST_ASK_SECONDS, self._begin_asking)

    def on_unmount(self) -> None:
        """Whatever is still at work ends with the screen."""
        self.children_at_work.cancel_all()

    # The server

    def _begin_asking(self) -> None:
        self._recall()
        if self.settings is not None:
            server = self._the_server()
            roots = self.feed.state.roots
            if self.settings.server_ask:
                server.ask_by_itself(roots)
                self.set_interval(self.settings.server_interval, lambda: server.ask_by_itself(self.feed.state.roots))
        self.say_state()

    def _the_server(self) -> Server:
        if self.server is None:
            from stealthrl_tui.settings import load
            from stealthrl_tui.ui.server import Server

            settings = self.settings or load()
            self.server = Server(self.known, self.children_at_work, settings, self.post_message, self.clock)
        return self.server

    def action_ask_server(self) -> None:
        """Ask the server what it still holds, now."""
        self.app.clear_notifications()  # an older word of the server's would cover the answer
        self.query_one(StatusLine).say((("… ", "best"), ("asking the server", "text")))
        self._the_server().ask(self.feed.state.roots, by_hand=True)

    def on_server_waits(self, event: ServerWaits) -> None:
        """It takes its time, in words."""
        if self.server is not None and self.server.asking:
            self.server.waiting = event.words
            self.say_state()

    def on_server_answered(self, event: ServerAnswered) -> None:
        """All that it said."""
        if self.server is not None:
            self.server.take(event.hearing, event.last)

    def on_server_told(self, event: ServerTold) -> None:
        """Draw what is known by now."""
        if event.news and self.server is not None:
            self.show_known()
            error = self.server.error
            if event.by_hand:
                self.query_one(StatusLine).say(self.server.sentence())
            elif error is not None and error[0] != "no_key":
                words = f"{error[1]} {error[2]}"
                self.notify(words, title="Tinker", severity="warning", markup=False)
        self.say_state()

    def service_pieces(self) -> tuple[Pieces, Pieces, Pieces]:
        """The service's state for the top line: in full, with the reason alone, and in short."""
        if self.server is not None:
            return self.server.pieces(), self.server.reasoned(), self.server.short()
        if self.settings is not None and not self.settings.server_ask:
            return OFF, OFF[:1], OFF[:1]
        no_key: Pieces = (("○ no key", "dim"),)
        return (NO_ANSWER, NO_ANSWER[:1], NO_ANSWER[:1]) if has_key() else (NO_KEY, no_key, no_key)

    def show_known(self) -> None:
        """What is known is another: draw the run on show again."""
        self.detail.show(self.detail.shown)

    # Test-load

    def action_test_load(self) -> None:
        """Load the sampler weights and sample from them."""
        found = self.meant()
        if found is None:
            return
        flaw = not_to_load(found[1])
        if flaw:
            self.query_one(StatusLine).say((("✗ not loaded: ", "bad"), (flaw, "text")))
            return
        from stealthrl_tui.ui.screens.test_load_dialog import TestLoadDialog

        run, checkpoint = found
        self.app.push_screen(
            TestLoadDialog(
                run, checkpoint, self.children_at_work, self.known, self.memory.prompts, self.copy, self.clock
            ),
            lambda _nothing: self.show_known(),
        )

    @work(thread=True, exclusive=True, group="trials", exit_on_error=False)
    def _recall(self) -> None:
        from stealthrl_tui.actions.trials import recall_all
        from stealthrl_tui.settings import state_dir

        self.post_message(TrialsRead(recall_all(state_dir())))

    @on(TrialsRead)
    def _recalled(self, event: TrialsRead) -> None:
        self.known.trials = {**event.trials, **self.known.trials}
        if self.known.trials:
            self.show_known()

    # Managing

    def action_keep(self) -> None:
        """Keep for ever, or until a day."""
        self._manage("keep")

    def action_publish(self) -> None:
        """Publish, or no longer."""
        self._manage("publish")

    def action_delete(self) -> None:
        """Delete for good."""
        self._manage("delete")

    def _manage(self, verb: str) -> None:
        found = self.meant()
        if found is None:
            return
        run, checkpoints = found[0], self._marked_saves() or [found[1]]
        with_path = [each for each in checkpoints if uris.parse(each.uri or "") is not None]
        if not with_path:
            words = f"{clean(found[1].name)} has no Tinker path in the ledger"
            self.query_one(StatusLine).say((("✗ nothing to do: ", "bad"), (words, "text")))
            return
        from stealthrl_tui.ui.screens.manage_dialog import ManageDialog

        dialog = ManageDialog(verb, run, with_path, self.children_at_work, self._roots_there(), self.clock)
        self.app.push_screen(dialog, self._managed)

    def _marked_saves(self) -> list[Checkpoint]:
        table = None if self.detail.timeline is None else self.detail.timeline.table
        rows = [] if table is None else [table.row(key) for key in table.marked]
        return [row.checkpoint for row in rows if row is not None]

    def _managed(self, events: list[Event] | None) -> None:
        if not events:
            return
        if self.detail.timeline is not None:
            self.detail.timeline.table.set_marked(())
        server = self._the_server()
        server.changed(events)
        self.show_known()
        server.ask(self.feed.state.roots)

    # Prune

    def action_prune(self) -> None:
        """Choose what to keep of the marked runs, else of the one on show."""
        marked = [self.roster.runs[path] for path in self.runs.marked if path in self.roster.runs]
        shown = self.detail.shown
        runs: list[Run] = marked or ([] if shown is None else [shown])
        if not runs:
            self.notify("there is no run here", markup=False)
            return
        from stealthrl_tui.ui.screens.prune_screen import PruneScreen

        dialog = PruneScreen(runs, self.children_at_work, self.memory, self._roots_there())
        self.app.push_screen(dialog, self._managed)

    def _roots_there(self) -> list[str]:
        import os

        return [root for root in self.feed.state.roots if os.path.isdir(root)]


def not_to_load(checkpoint: Checkpoint) -> str:
    """Why no call could load its sampler weights, in words; empty when one could."""
    name = clean(checkpoint.name, 40)
    if checkpoint.sampler_uri is None:
        return f"{name} has no sampler weights" + (
            ", only its training state was saved" if checkpoint.state_uri else ""
        )
    flaw = uris.flaw(checkpoint.sampler_uri)
    parsed = uris.parse(checkpoint.sampler_uri)
    if flaw is not None or parsed is None:
        return f"the path of {name} {clean(flaw, 200)}"
    if parsed.kind not in (None, "sampler_weights"):
        return f"the path of {name} names {parsed.kind}, which can't be sampled from"
    return ""
