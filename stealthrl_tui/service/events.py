"""What a child process tells (DESIGN.md, "JSON"), and the streams that keep the SDK's own words out of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

from stealthrl_tui.text import clean

Event = dict[str, Any]
Emit = Callable[[Event], None]
_LOG_LIMIT = 1_000_000


class ServiceError(Exception):
    """Why it could not be done: a code of DESIGN.md's list, one sentence, and what to do about it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def event(self) -> Event:
        """The error event, without any key that a server or the SDK may have quoted."""
        return {
            "event": "error",
            "code": self.code,
            "message": redact(clean(self.message, 500)),
            "hint": redact(clean(self.hint, 500)),
        }


# Tells why it could not be done, unless the outcome was told before, and ends the process at once.
End = Callable[[ServiceError], NoReturn]


def phase(name: str, seconds: float) -> Event:
    """A phase is done, `seconds` after it began."""
    return {"event": "phase", "phase": name, "seconds": round(seconds, 3)}


def waiting(doing: str, seconds: float, message: str) -> Event:
    """Nothing came back for `seconds` while `doing`, and what is known of the reason."""
    return {"event": "waiting", "phase": doing, "seconds": round(seconds, 1), "message": message}


def result(**fields: Any) -> Event:
    """It was done."""
    return {"event": "result", "ok": True, **fields}


def redact(text: str) -> str:
    """`text` without the API key, should anyone have quoted it."""
    key = os.environ.get("TINKER_API_KEY", "")
    return text.replace(key, "<key>") if len(key) >= 8 else text


def part_streams(log: Path | None) -> tuple[TextIO, TextIO]:
    """Private standard output and standard error; whatever else writes to the usual ones goes to `log` from now on.

    The SDK, its warnings and transformers talk at any time, also from C code, so the file descriptors themselves are
    moved. Without `log` they all go to standard error, and nowhere when `log` can't be written.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    out = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding or "utf-8", errors="backslashreplace")
    err = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding or "utf-8", errors="backslashreplace")
    if log is None:
        os.dup2(2, 1)
        return out, err
    noise = _open_log(log)
    os.dup2(noise, 1)
    os.dup2(noise, 2)
    os.close(noise)
    return out, err


def _open_log(log: Path) -> int:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        known = log.stat().st_size if log.exists() else 0
        return os.open(log, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if known > _LOG_LIMIT else os.O_APPEND), 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
