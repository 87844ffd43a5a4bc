"""The line over the panes: the filter while it is typed, the badge while one is on, the tally otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Piece, tally
from stealthrl_tui.ui.widgets.pieces import content

# Typing paints at once; the list follows when the fingers rest this long.
_SETTLE_SECONDS = 0.03
_LEAVING = ("enter", "escape", "down")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the badge says: the filter, what is wrong with it, how many runs it leaves, marks and modes."""

    query: str = ""
    problem: str = ""
    shown: int = 0
    total: int = 0
    marked: int = 0
    following: bool = False


class Badge(Widget):
    """`/ reward>0.6   3 of 11 runs   Esc clears`."""

    DEFAULT_CSS = "Badge { height: 1; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="badge")
        self.typing = False
        self._said = Narrowed()

    def show(self, said: Narrowed) -> None:
        """Say it, once."""
        if said != self._said:
            self._said = said
            self.refresh()

    def render(self) -> Content:
        said = self._said
        pieces: list[Piece] = []
        if said.query and not self.typing:
            pieces += [("/ ", "best bold"), (clean(said.query, 60), "best"), ("   ", "text")]
        if said.query or self.typing:
            pieces.append((tally(said.shown, said.total, said.marked), "text" if said.shown else "warning"))
        elif said.marked:
            pieces.append((f"{said.marked} marked", "text"))
        if said.following:
            pieces.append(("   following the newest", "alive"))
        if said.problem:
            pieces.append((f"   ! {clean(said.problem)}", "warning"))
        if said.query or self.typing:
            pieces.append(("   Esc clears", "dim"))
        return content(pieces)


class FilterBar(Horizontal):
    """Posts `Changed` as the filter is typed, and `Closed` when it is done with."""

    DEFAULT_CSS = """
    FilterBar { height: 1; padding: 0 1; }
    FilterBar Input { width: 40; height: 1; border: none; padding: 0; background: $panel; margin: 0 2 0 0;
        &:focus { border: none; background: $panel; } }
    """

    class Changed(Message):
        """The text typed so far."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The fingers left the filter; it stays on."""

    def __init__(self) -> None:
        super().__init__(id="filter")
        self._settle: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Badge()

    def show(self, said: Narrowed) -> None:
        """Bring the badge up to date."""
        self.query_one(Badge).show(said)

    async def open(self, text: str) -> None:
        """Let the filter be typed, beginning with `text`."""
        badge = self.query_one(Badge)
        if not badge.typing:
            badge.typing = True
            await self.mount(
                Input(text, placeholder="words  status:running  reward>0.6  age<2d", compact=True), before=badge
            )
        self.query_one(Input).focus()

    async def take(self, event: events.Key) -> bool:
        """Take a key that went elsewhere while the input was being made; False when nothing is typed here."""
        if not self.query_one(Badge).typing:
            return False
        if event.key in _LEAVING:
            await self._leave_by(event.key)
        elif event.is_printable and event.character is not None:
            self.query_one(Input).insert_text_at_cursor(event.character)
        else:
            return False
        return True

    async def close(self) -> None:
        """Put the input away; the badge says what is on."""
        self.query_one(Badge).typing = False
        await self.query(Input).remove()
        self.query_one(Badge).refresh()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._settle is not None:
            self._settle.stop()
        text = event.value
        self._settle = self.set_timer(_SETTLE_SECONDS, lambda: self.post_message(self.Changed(text)))

    async def on_key(self, event: events.Key) -> None:
        """Esc takes the filter off, down goes into the list as Enter does."""
        if event.key in _LEAVING and self.query_one(Badge).typing:
            event.stop()
            event.prevent_default()
            await self._leave_by(event.key)

    async def _leave_by(self, key: str) -> None:
        await self._leave("" if key == "escape" else self.query_one(Input).value)

    async def _leave(self, text: str) -> None:
        if self._settle is not None:
            self._settle.stop()
        await self.close()
        self.post_message(self.Changed(text))
        self.post_message(self.Closed())
