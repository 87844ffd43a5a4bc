"""`watch`: what happens to the runs below the roots, as it happens."""

from __future__ import annotations

import argparse
import json
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stealthrl_tui.text import UNKNOWN, clean, number, plural
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import DONE, coloured, note, paint, say

if TYPE_CHECKING:
    from stealthrl_tui.runs.happenings import Event
    from stealthrl_tui.runs.live import LiveLibrary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `watch`."""
    places.add_roots(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a line, its `event` one of run_added, run_removed, checkpoint, status, progress, problem",
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell what happens until the process is ended; a root that doesn't exist yet is waited for."""
    from stealthrl_tui.runs.live import LiveLibrary

    places.require_folders(arguments.roots, later=True)
    news, unread = threading.Event(), threading.Event()
    _notice_unread(unread, news)
    live = LiveLibrary(places.roots(arguments.roots), news.set)
    live.painted()  # there is no screen to wait for
    live.start()
    try:
        for event in _happenings(live, news, unread):
            _tell(event, arguments.json)
    finally:
        live.stop()
    return DONE


def _notice_unread(unread: threading.Event, news: threading.Event) -> None:
    """Set both when nobody reads the pipe any more: `watch | grep -m1 ...` is to end then, not at the next event."""
    pipe = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        return

    def wait() -> None:
        poll = select.poll()
        poll.register(pipe, 0)
        poll.poll()
        unread.set()
        news.set()

    threading.Thread(target=wait, name="pipe", daemon=True).start()


def _happenings(live: LiveLibrary, news: threading.Event, unread: threading.Event) -> Iterator[Event]:
    """Without end: what is there at the start is the ground, and not told. Raises BrokenPipeError once `unread`."""
    from stealthrl_tui.runs.happenings import Story
    from stealthrl_tui.runs.model import Depth

    stories: dict[str, Story] = {}
    grounded, said = False, ""
    while True:
        news.wait()
        news.clear()
        if unread.is_set():
            raise BrokenPipeError
        state = live.state  # before the changes: what they bring beyond it is read again at the next news
        changes = live.take()
        for path in changes.removed:
            story = stories.pop(path, None)
            if story is not None and grounded:
                yield from story.end()
        for each in changes.runs:
            if each.depth is Depth.LISTED:
                continue
            events = stories.setdefault(each.path, Story()).news(each)
            if grounded:
                yield from events
        if state.note != said:
            said = state.note
            note(said or "every folder can be read and watched again")
        if not grounded and state.discovered and state.read == state.total == len(stories):
            grounded = True
            note(f"watching {plural(len(stories), 'run')} in {', '.join(map(_place, state.roots))}")


def _place(root: str) -> str:
    return root if os.path.isdir(root) else f"{root} (not there yet: waiting for it)"


def _tell(event: Event, as_json: bool) -> None:
    if as_json:
        from stealthrl_tui.runs.report import sanitized

        say(json.dumps(sanitized(event), allow_nan=False))
    else:
        colour = coloured()
        pieces = ((time.strftime("%H:%M:%S  "), "dim"), (clean(event["run"]), "bold"), ("  ", "text"), *_words(event))
        say(paint(pieces, colour))
    sys.stdout.flush()


def _words(event: Event) -> Iterable[tuple[str, str]]:
    match event["event"]:
        case "run_added":
            return (("new run, ", "text"), (event["status"], "text"))
        case "run_removed":
            return (("is gone from the disk", "warning"),)
        case "checkpoint":
            name = clean(event["name"])
            return ((f"◆ checkpoint {name}  ", "state"), ("  ".join(map(clean, event["uris"])), "sampler"))
        case "status":
            return ((f"{event['from']} → {event['to']}  ", "text"), (clean(event["reason"]), "dim"))
        case "progress":
            return tuple(_progress_words(event))
        case _:
            return (("! ", "warning"), (clean(event["text"]), "text"))


def _progress_words(event: Event) -> Iterator[tuple[str, str]]:
    from stealthrl_tui.runs.keys import label

    yield f"step {event['step']}/{event['total_steps'] or UNKNOWN}", "text"
    for key, value in list(event["metrics"].items())[:3]:
        yield f"   {clean(label(key))} ", "dim"
        yield number(value), "text"
