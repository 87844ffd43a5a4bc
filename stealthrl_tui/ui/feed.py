"""The live library as the app sees it: a message when something changed, and what it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual.message import Message

from stealthrl_tui.runs.listing import Listing
from stealthrl_tui.runs.live import LiveLibrary


class LibraryChanged(Message):
    """There is something to take from the feed; a burst of these is one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LibraryChanged)


class Feed(LiveLibrary):
    """A LiveLibrary that posts LibraryChanged through `post` (App.post_message, safe from any thread)."""

    def __init__(
        self,
        roots: Sequence[str],
        post: Callable[[Message], object],
        clock: Callable[[], float] = time.time,
        listing: Listing | None = None,
    ) -> None:
        super().__init__(roots, lambda: post(LibraryChanged()), clock, listing)
