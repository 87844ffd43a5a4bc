"""`watch`: what happens to the runs below the roots, as it happens."""

from __future__ import annotations

import argparse
import json
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
    from stealthrl_tui.runs.model import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `watch`."""
    places.add_roots(parser)
    parser.add_argument("--json", action="store_true", help="events as JSON, one object a line")


def run(arguments: argparse.Namespace) -> int:
    """Tell what happens until the process is ended; a root that doesn't exist yet is waited for."""
    from stealthrl_tui.runs.live import LiveLibrary

    news = threading.Event()
    live = LiveLibrary(places.roots(arguments.roots), news.set)
    live.painted()  # there is no screen to wait for
    live.start()
    try:
        for event in _happenings(live, news):
            _tell(event, arguments.json)
    finally:
        live.stop()
    return DONE


def _happenings(live: LiveLibrary, news: threading.Event) -> Iterator[Event]:
    """Without end: what is there at the start is the ground, and not told."""
    from stealthrl_tui.runs.happenings import added, changed, removed
    from stealthrl_tui.runs.model import Depth

    known: dict[str, Run] = {}
    grounded, said = False, ""
    while True:
        news.wait()
        news.clear()
        state = live.state  # before the changes: what they bring beyond it is read again at the next news
        changes = live.take()
        for path in changes.removed:
            gone = known.pop(path, None)
            if gone is not None and grounded:
                yield removed(gone)
        for each in changes.runs:
            if each.depth is Depth.LISTED:
                continue
            before = known.get(each.path)
            known[each.path] = each
            if grounded:
                yield from added(each) if before is None else changed(before, each)
        if state.note != said:
            said = state.note
            note(said or "every folder can be read and watched again")
        if not grounded and state.discovered and state.read == state.total == len(known):
            grounded = True
            note(f"watching {plural(len(known), 'run')} in {', '.join(state.roots)}")
            sys.stderr.flush()


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
