"""How the commands that talk to Tinker tell their news: as JSON events, a line each, or as lines for people."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from stealthrl_tui.text import clean
from stealthrl_tui.verbs.console import DONE, FAILED, PROGRAM

if TYPE_CHECKING:
    from stealthrl_tui.service.events import Event, ServiceError

SDK_LOG = "sdk.log"
Words = Callable[["Event"], Iterable[str]]


class Teller:
    """Tells events; the first `result` or `error` is the last word, and what comes after it is dropped (`ended`).

    `words` turns an event into the lines that people read. `log` is the file for what the SDK says, None where that is
    standard error. Any thread may tell.
    """

    def __init__(self, as_json: bool, words: Words, *, log: Path | None) -> None:
        self.as_json = as_json
        self.status = FAILED
        self._words = words
        self.log = log
        self._lock = threading.RLock()
        self.ended = False
        self._out: TextIO | None = None
        self._err: TextIO | None = None

    def tell(self, event: Event) -> None:
        """One event, at once. An error is one line on standard error as well, whatever the form."""
        from stealthrl_tui.runs.report import sanitized

        with self._lock:
            if self.ended:
                return
            kind = event.get("event")
            self.ended = kind in ("result", "error")
            if kind == "result":
                self.status = DONE if event.get("ok") else FAILED
            if self.as_json:
                self._write(json.dumps(sanitized(event), ensure_ascii=True, allow_nan=False))
            elif kind != "error":
                for line in self._words(event):
                    self._write(line)
            if kind == "error":
                self.note(f"{event['message']} {event['hint']}".strip())

    def note(self, text: object) -> None:
        """One line on standard error; lost where that can't be written, as a child's log on a full disk."""
        with self._lock, contextlib.suppress(OSError):
            stream = self._err or sys.stderr
            stream.write(f"{PROGRAM}: {clean(text)}\n")
            stream.flush()

    def ask(self, question: str) -> str:
        """What the person at the terminal answers; empty at the end of the input."""
        stream = self._err or sys.stderr
        stream.write(question)
        stream.flush()
        return sys.stdin.readline()

    @property
    def parted(self) -> bool:
        """Whether the SDK was let in: `part_streams` goes before it."""
        return self._out is not None

    def part_streams(self) -> None:
        """Keep what the SDK says out of the answer; from here on Ctrl-C ends the process at once."""
        from stealthrl_tui.service.events import part_streams

        if self._out is None:
            self._out, self._err = part_streams(self.log)
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def end(self, failure: ServiceError) -> NoReturn:
        """Tell the failure, unless the last word was said, and end the process whatever its threads are doing."""
        try:
            self.tell(failure.event())
        finally:
            os._exit(self.status)

    def _write(self, line: str) -> None:
        stream = self._out or sys.stdout
        try:
            stream.write(line + "\n")
            stream.flush()
        except OSError as error:
            if not self.parted:
                raise
            # Nobody hears the rest, and the SDK's threads would hold the process: whoever noticed ends it.
            if not isinstance(error, BrokenPipeError):
                self.note(f"standard output: {error.strerror}")
            os._exit(FAILED)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The --json argument."""
    parser.add_argument("--json", action="store_true", help="events as JSON, one object a line")


def add_root(parser: argparse.ArgumentParser) -> None:
    """The --root argument, for the commands whose arguments are something else than roots."""
    parser.add_argument(
        "--root", action="append", default=[], metavar="ROOT", help="a folder to look for runs in; may be repeated"
    )


def run_telling(arguments: argparse.Namespace, words: Words, work: Callable[[Teller], None]) -> int:
    """Do `work`, which tells its result or raises ServiceError; the exit status.

    Where the SDK was used the process ends here: its threads would hold it open.
    """
    from stealthrl_tui.actions.child import PARENT_VARIABLE
    from stealthrl_tui.service.events import ServiceError
    from stealthrl_tui.service.lifeline import follow_parent
    from stealthrl_tui.settings import state_dir

    # A child's standard error is its own log already.
    log = None if follow_parent(PARENT_VARIABLE) else state_dir() / SDK_LOG
    teller = Teller(arguments.json, words, log=log)
    try:
        work(teller)
    except ServiceError as failure:
        teller.tell(failure.event())
    except Exception as error:
        if not teller.parted:
            raise
        _tell_surprise(error, teller)
    if teller.parted:
        os._exit(teller.status)
    return teller.status


def _tell_surprise(error: Exception, teller: Teller) -> None:
    """What nobody thought of is an error like any other: told in a line, the rest of it in the log."""
    import traceback

    from stealthrl_tui.service.events import ServiceError

    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    why = f"{type(error).__name__}: {clean(error, 300)}."
    teller.tell(ServiceError("server_error", why, f"The log tells more: {teller.log}." if teller.log else "").event())
