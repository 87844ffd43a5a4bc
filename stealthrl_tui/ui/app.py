"""The app: the library's feed, the settings and the memory, and the browser on top of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from stealthrl_tui.runs.listing import Listing
from stealthrl_tui.settings import Settings, state_dir
from stealthrl_tui.text import clean
from stealthrl_tui.ui import memory as memories
from stealthrl_tui.ui.bindings import COMMANDS, Where, bindings, keymap, unknown_names
from stealthrl_tui.ui.feed import Feed, LibraryChanged
from stealthrl_tui.ui.screens.browse import BrowseScreen
from stealthrl_tui.ui.theme import DARK, LIGHT, THEMES, variable_defaults

# After a burst the screen rests for this many times as long as it took to draw: keys come first.
_REST_FACTOR = 2.0
_SWITCH_SECONDS = 0.0005


class Browser(App[None]):
    """Browses the runs below `roots`.

    `clock` gives Unix seconds. `layout` is the file that the layout is remembered in, None to remember nothing.
    `badge` is a word for the top line (what kind of roots these are), `listing` the first walk over them if begun.
    `shown` is called when the first paint is done.
    """

    TITLE = "stealthrl-tui"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.ANYWHERE)]
    CSS = """
    Toast { background: $panel; }
    """

    def __init__(
        self,
        roots: Sequence[str],
        settings: Settings,
        *,
        badge: str | None = None,
        clock: Callable[[], float] = time.time,
        layout: Path | None = None,
        listing: Listing | None = None,
        shown: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.clock, self._shown = settings, clock, shown
        self._layout_file = layout
        self.memory = memories.Memory() if layout is None else memories.load(layout)
        self._obey_settings()
        for theme in THEMES:  # before the first paint: another theme later means parsing all styles again
            self.register_theme(theme)
        self.theme = self.memory.theme if self.memory.theme in (DARK.name, LIGHT.name) else DARK.name
        self.feed = Feed(roots, self._post_when_running, clock, listing)
        self.browse = BrowseScreen(self.feed, self.memory, clock, badge=badge or "", template=settings.template)
        self.browse.settings = settings
        self._due: Timer | None = None
        self._rested_at = 0.0

    def get_default_screen(self) -> Screen[None]:
        """The browser."""
        return self.browse

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The role colours, for Textual's own themes."""
        return variable_defaults(self.current_theme.dark)

    def on_mount(self) -> None:
        """Say what the settings got wrong."""
        self.set_keymap(keymap(self.settings.keys))
        problems = [f"no command is called {clean(name)}" for name in unknown_names(self.settings.keys)]
        for problem in (*self.settings.problems, *problems):
            self.notify(problem, title="Settings", severity="warning", markup=False)
        if self._shown is not None:
            self.call_after_refresh(self._shown)

    def _post_when_running(self, message: Message) -> bool:
        """From the library's thread; what comes before the screen is there, the screen takes as it mounts."""
        return self.is_running and self.post_message(message)

    async def _on_key(self, event: events.Key) -> None:
        """Keys typed right behind the `/` were sent to the list before the filter had the focus: they belong to it."""
        if await self.browse.filter_takes(event):
            event.prevent_default()  # Textual's own handler, which would look for a binding

    def on_library_changed(self, _event: LibraryChanged) -> None:
        """Take what changed, at once when the screen is rested."""
        wait = self._rested_at - time.monotonic()
        if wait <= 0:
            self.take()
        elif self._due is None:
            self._due = self.set_timer(wait, self.take)

    def take(self) -> None:
        """Hand the browser what changed since the last time."""
        self._due = None
        if not (self.browse.is_mounted and self.browse.is_running):
            return  # as it mounts, the screen takes what is there
        begun = time.monotonic()
        self.browse.take(self.feed.take())
        ended = time.monotonic()
        self._rested_at = ended + _REST_FACTOR * (ended - begun)

    def action_help(self) -> None:
        """Every key."""
        from stealthrl_tui.ui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.settings.keys))

    def action_help_quit(self) -> None:
        """Ctrl+C: Textual's word for it names a key that is not ours."""
        self.notify("q quits", markup=False)

    def action_next_theme(self) -> None:
        """Dark or light."""
        self.theme = self.memory.theme = LIGHT.name if self.current_theme.dark else DARK.name

    def action_reset_layout(self) -> None:
        """Forget sort, tab, metrics, smoothing and theme."""
        self.memory.forget()
        self._obey_settings()
        self.theme = self.memory.theme or DARK.name
        self.browse.obey_memory()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette's commands: the table's, as far as they work where the person is."""
        reachable = (screen.focused, screen, self)
        for command in COMMANDS:
            if command.where not in _IN_PALETTE:
                continue
            node = next((node for node in reachable if node is not None and _can(node, command.action)), None)
            if node is not None:
                yield SystemCommand(
                    command.description, command.name.replace("_", " "), _runner(self, node, command.action)
                )

    async def on_unmount(self) -> None:
        """Stop looking, keep the layout."""
        self.feed.stop()
        if self._layout_file is not None:
            try:
                memories.save(self.memory, self._layout_file)
            except OSError as error:
                self.log.warning(f"the layout could not be kept: {error}")

    def _obey_settings(self) -> None:
        """What the settings file says goes before what was remembered."""
        settings, memory = self.settings, self.memory
        memory.metrics.update(settings.metrics)
        memory.higher.update(settings.higher)
        if settings.smoothing is not None:
            memory.smoothing = settings.smoothing
        if settings.theme is not None:
            memory.theme = f"stealthrl-{settings.theme}"


_IN_PALETTE = (Where.ANYWHERE, Where.RUNS, Where.DETAIL, Where.CHECKPOINT)


def _can(node: DOMNode, action: str) -> bool:
    return hasattr(node, "action_" + action.partition("(")[0])


def _runner(app: Browser, node: DOMNode, action: str) -> Callable[[], Awaitable[bool]]:
    return lambda: app.run_action(action, node)


def browse(
    roots: Sequence[str],
    settings: Settings,
    *,
    badge: str | None = None,
    listing: Listing | None = None,
    shown: Callable[[], None] | None = None,
) -> int:
    """Run the browser until it is quit; the exit status. The arguments are the Browser's."""
    # The library's thread is busy while it reads; it hands over to the keys sooner than Python's 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = Browser(roots, settings, badge=badge, layout=state_dir() / "layout.json", listing=listing, shown=shown)
    app.feed.start()  # the first list is then there for the first paint
    try:
        app.run()
    finally:
        app.browse.children_at_work.cancel_all()
    return app.return_code or 0
