"""Browsing: what happens without a command, and the demo."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from stealthrl_tui.runs.listing import Listing
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import Refusal

if TYPE_CHECKING:
    from stealthrl_tui.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Open the browser on the roots; one that doesn't exist yet is watched for."""
    return open_browser([os.path.abspath(root) for root in places.roots(arguments.roots)])


def open_browser(
    roots: Sequence[str],
    beside: AbstractContextManager[Callable[[], None] | None] | None = None,
    *,
    badge: str | None = None,
    settings: Settings | None = None,
) -> int:
    """Browse `roots` until the user quits. `settings` are the file's when None.

    `beside` is entered for that time, and what it gives is called when the runs are on the screen. Raises Refusal where
    there is no terminal to draw on.
    """
    require_terminal()
    gc.disable()  # a collection would look through all that is imported; the browser allows it after its first paint
    listing = Listing(roots)  # walks in a process of its own while the imports below take their time
    with beside or nullcontext() as shown:
        from stealthrl_tui.settings import load
        from stealthrl_tui.ui.app import browse

        return browse(roots, settings or load(), badge=badge, listing=listing, shown=shown)


def require_terminal() -> None:
    """Raises Refusal unless the browser has keys to read and a screen to draw on (it draws on standard error)."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refusal("browsing needs a terminal, and there is none here: take `stealthrl-tui ls` or `ls --json`")
