"""A child that ends with its parent, however the parent ends."""

from __future__ import annotations

import os
import select
import sys
import threading


def end_with_parent() -> None:
    """From now on this process ends when its standard input closes or its parent is gone."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    # Standard input closes when the parent goes, unless something else inherited the pipe: then its id tells.
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            break
    # Not sys.exit: other threads may be stuck in the network, and no file of ours is ever half written.
    os._exit(0)
