"""Asks the server in the background what it still holds, and keeps what it said; nothing here waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from stealthrl_tui.settings import Settings
from stealthrl_tui.text import age, clean, duration, plural, size
from stealthrl_tui.ui.children import Children, Event, log_of
from stealthrl_tui.ui.known import NO_ANSWER, NO_KEY, NOT_ASKED, OFF, Known, Save, half_of, has_key, in_sandbox, unix
from stealthrl_tui.ui.presenter import Piece, Pieces

if TYPE_CHECKING:
    from stealthrl_tui.actions.child import Child

LOG = "server"
_NO_KEY = ("no_key", "No Tinker API key is set.", "Set TINKER_API_KEY, or run `tinker auth login`.")
_WORDS: dict[str, tuple[str, str]] = {
    "no_key": ("○ no key", "dim"),
    "rejected_key": ("✗ key rejected", "bad"),
    "unreachable": ("✗ offline", "bad"),
    "timeout": ("✗ no answer", "bad"),
    "billing": ("✗ billing", "bad"),
}
# What a save is called that nothing is known of for that reason; its column is narrow.
_UNKNOWN = {
    "no_key": NOT_ASKED,
    "rejected_key": "bad key",
    "unreachable": "offline",
    "timeout": "no answer",
    "billing": "billing",
}
_ANY_ERROR = ("✗ server error", "bad")
_LONGEST_REASON = 48


class ServerTold(Message):
    """The server's state is another; `news` when it answered or failed, `by_hand` when a person had asked."""

    def __init__(self, *, news: bool = False, by_hand: bool = False) -> None:
        super().__init__()
        self.news, self.by_hand = news, by_hand


class Server:
    """The service's state, and the question that is on its way.

    `error` is (code, message, hint) of the last question that failed, `answered_at` the Unix time of the last answer,
    `counts` its result event.
    """

    def __init__(
        self,
        known: Known,
        children: Children,
        settings: Settings,
        post: Callable[[Message], object],
        clock: Callable[[], float],
    ) -> None:
        self._known, self._children, self._settings, self._post = known, children, settings, post
        self._clock = clock
        self._child: Child | None = None
        self._by_hand = False
        self.sandbox = in_sandbox()
        self.error: tuple[str, str, str] | None = None
        self.answered_at: float | None = None
        self.counts: Event = {}
        self.waiting = ""

    @property
    def asking(self) -> bool:
        """Whether a question is on its way."""
        return self._child is not None

    def ask_by_itself(self, roots: Sequence[str]) -> None:
        """Ask unless a setting says not to."""
        if self._settings.server_ask and not self.asking:
            self.ask(roots)

    def ask(self, roots: Sequence[str], *, by_hand: bool = False) -> None:
        """Ask about all runs below `roots`; a question on its way is begun anew when a person asks."""
        self.stop()
        self._by_hand = by_hand
        there = [root for root in roots if os.path.isdir(root)]
        if not has_key():
            self._fail(*_NO_KEY)
        elif there:
            hearing = _Hearing(self)
            arguments = ["server", *(f"--root={root}" for root in there)]
            self._child = hearing.child = self._children.start(arguments, hearing.hear, LOG)
        self._post(ServerTold())

    def stop(self) -> None:
        """Ask no longer."""
        if self._child is not None:
            self._child.cancel()
            self._child = None
        self.waiting = ""

    def take(self, hearing: _Hearing, last: Event) -> None:
        """The whole answer, or why there is none; called on the UI's thread."""
        if hearing.child is not self._child:
            return
        self._child, self.waiting = None, ""
        if last.get("event") == "result":
            known = self._known
            known.saves, known.problems, known.only_there = hearing.saves, hearing.problems, hearing.only_there
            known.unknown = NOT_ASKED
            self.error, self.answered_at, self.counts = None, self._clock(), last
            self._post(ServerTold(news=True, by_hand=self._by_hand))
        else:
            self._fail(*(clean(last.get(name, ""), 300) for name in ("code", "message", "hint")))

    def post(self, message: Message) -> None:
        """From the child's thread to the UI's."""
        self._post(message)

    def _fail(self, code: str, message: str, hint: str) -> None:
        news = self._by_hand or self.error is None or self.error[0] != code
        self.error = (code, message, hint)
        self._known.unknown = _UNKNOWN.get(code, "error")
        self._post(ServerTold(news=news, by_hand=self._by_hand))

    def changed(self, events: Sequence[Event]) -> None:
        """Take in what the server showed after a change of it (`change` events)."""
        halves = {str(event.get("uri")): half for event in events if (half := half_of(event.get("server"))) is not None}
        self._known.saves = {
            key: replace(
                save,
                state=halves.get(save.state_uri, save.state),
                sampler=halves.get(save.sampler_uri, save.sampler),
            )
            for key, save in self._known.saves.items()
        }

    # In words

    def short(self) -> Pieces:
        """Glyph and word: `● tinker`, `● SANDBOX`, `✗ offline`, `✗ offline SANDBOX`."""
        place = "SANDBOX" if self.sandbox else "tinker"
        if self.error is not None:
            word = _WORDS.get(self.error[0], _ANY_ERROR)
            return (word, (f" {place}", "best")) if self.sandbox else (word,)
        if self.asking and self.answered_at is None:
            return ((f"◌ {place}", "best" if self.sandbox else "dim"),)
        if self.answered_at is not None:
            return ((f"● {place}", "best" if self.sandbox else "alive"),)
        return ((f"○ {place}", "dim"),)

    def reasoned(self) -> Pieces:
        """The same, with the reason where something is wrong: `✗ offline: connection refused`."""
        if self.asking and self.waiting:
            return (*self.short(), (f": {self.waiting}", "warning"))
        if self.error is None or self.error[0] == "no_key":
            return self.short()
        _, _, reason = self.error[1].partition(": ")
        return (*self.short(), (f": {clean((reason or self.error[1]).rstrip('.'), _LONGEST_REASON)}", "text"))

    def pieces(self) -> Pieces:
        """The same, with the time of the last answer."""
        if self.error is not None and self.error[0] == "no_key":
            return NO_KEY
        answered = self.answered_at
        ago = "" if answered is None else age(max(0.0, self._clock() - answered))
        when = "" if answered is None else "now" if ago == "now" else f"{ago} ago"
        if self.asking:
            words = "" if self.waiting else "asking …"
        elif self.error is not None:
            words = f"last answer {when}" if when else "R asks again"
        elif when:
            words = f"asked {when}"
        else:
            return NO_ANSWER if self._settings.server_ask else OFF
        return (*self.reasoned(), (f"{',' if self.error and not self.asking else ''} {words}".rstrip(), "dim"))

    def sentence(self) -> Pieces:
        """How the last question went, as a person who pressed R wants to know it."""
        if self.error is not None:
            _, message, hint = self.error
            log = "" if self.error[0] == "no_key" else f"  log: {clean(log_of(LOG))}"
            return (("✗ ", "bad"), (f"{message} ", "text"), (f"{hint}{log}", "dim"))
        counts = self.counts
        words = [plural(counts.get("recorded", 0), "checkpoint") + " recorded"]
        for name, word in (("gone", "gone"), ("expiring", "expiring within 48 h"), ("unrecorded", "unrecorded")):
            if counts.get(name):
                words.append(f"{counts[name]} {word}")
        held = f"{size(counts.get('size_bytes'))} on the server"
        mark: Piece = ("✓ ", "alive")
        return (mark, (", ".join(words), "text"), (f"  {held}, asked in {duration(counts.get('seconds'))}", "dim"))


class _Hearing:
    """Collects one child's events on the child's thread; only the end of them goes to the UI's."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.child: Child | None = None
        self.saves: dict[str, Save] = {}
        self.problems: dict[str, list[str]] = {}
        self.only_there: dict[str, list[str]] = {}

    def hear(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "checkpoint":
            self._checkpoint(event)
        elif kind == "problem":
            self.problems.setdefault(str(event.get("path")), []).append(str(event.get("text")))
        elif kind == "waiting":
            self._server.post(ServerWaits(clean(event.get("message"), 60)))
        elif kind in ("result", "error"):
            self._server.post(ServerAnswered(self, event))

    def _checkpoint(self, event: Event) -> None:
        if not event.get("recorded"):
            if event.get("path"):
                self.only_there.setdefault(str(event["path"]), []).append(str(event.get("name")))
            return
        server = event.get("server")
        if isinstance(server, dict):
            key = event.get("state_uri") or event.get("sampler_uri")
            state, sampler = half_of(server.get("state")), half_of(server.get("sampler"))
            self.saves[str(key)] = Save(
                state, sampler, unix(event.get("saved_at")), _full(event, "state"), _full(event, "sampler")
            )


class ServerAnswered(Message):
    """A child's last word, with all that came before it."""

    def __init__(self, hearing: _Hearing, last: Event) -> None:
        super().__init__()
        self.hearing, self.last = hearing, last


class ServerWaits(Message):
    """The server lets a question wait, in words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


def _full(event: Event, kind: str) -> str:
    from stealthrl_tui.actions.truth import full_uri

    return full_uri(event.get(f"{kind}_uri"), kind) or ""
