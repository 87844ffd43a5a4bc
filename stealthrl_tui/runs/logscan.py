"""Records in the bytes of a log: where they begin, when they were written, what they say.

Two writers (FORMATS.md): StealthRL's training.log, `asctime - logger - LEVEL - message`, and the cookbook's logs.log,
`logger:line [LEVEL] message`, which has no time. A message may hold anything, line breaks and control bytes included.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from stealthrl_tui.text import clean, duration

LogKind = Literal["training", "logs"]

# Three groups each: the time (empty where there is none), the logger, the level.
_LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
TRAINING_PREFIX = rf"^(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}}) - ([\w.-]{{1,200}}) - ({_LEVELS}) - "
COOKBOOK_PREFIX = rf"^()([\w.-]{{1,200}}):\d{{1,9}} \[({_LEVELS})\] "
PREFIXES: Mapping[LogKind, re.Pattern[bytes]] = {
    "training": re.compile(TRAINING_PREFIX.encode(), re.MULTILINE),
    "logs": re.compile(COOKBOOK_PREFIX.encode(), re.MULTILINE),
}
COMMAND = b"Command line invocation: "

_LONGEST_PREFIX = 400
_LONGEST_COMMAND = 256 * 1024
_TRACEBACK = b"\nTraceback (most recent call last):\n  File "
_EXCEPTION = re.compile(rb"[A-Za-z_][\w.]*(?:: |:?$)")
_HEARTBEAT = re.compile(rb"Session heartbeat failed for (\d{1,9}(?:\.\d{1,20})?) seconds")
# So little follows a heartbeat warning only while no step gets done: the SDK repeats it every 10 to 20 s.
_HEARTBEAT_TAIL = 4096


def decoded(raw: bytes) -> str:
    """The text of `raw`; bytes that are no UTF-8 become U+FFFD."""
    return raw.decode("utf-8", "replace")


def local_time(raw: bytes) -> float | None:
    """Unix seconds of an asctime, taken as local time of this machine; None when there is none."""
    if not raw:
        return None
    try:
        return datetime.fromisoformat(decoded(raw)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def end_of_records(data: bytes, prefix: re.Pattern[bytes]) -> int:
    """Where the last whole record line ends; a prefix whose message begins on the next line waits for that line."""
    cut = data.rfind(b"\n") + 1
    last = data.rfind(b"\n", 0, max(0, cut - 1)) + 1
    head = prefix.match(data, last, cut) if cut - last < _LONGEST_PREFIX else None
    return last if head is not None and head.end() == cut - 1 else cut


def lines_with(data: bytes, mark: bytes) -> Iterator[int]:
    """Where the lines begin that hold `mark` near their beginning, where a record's prefix would be."""
    found = data.find(mark)
    while found >= 0:
        lowest = max(0, found - _LONGEST_PREFIX)
        start = data.rfind(b"\n", lowest, found) + 1
        if start or not lowest:
            yield start
        found = data.find(mark, found + len(mark))


def last_record(data: bytes, prefix: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """The prefix of the last record that has a time, None when there is none."""
    end = len(data)
    while end > 0:
        end = data.rfind(b"\n2", 0, end)
        found = prefix.match(data, end + 1)
        if found is not None:
            return found
    return None


def message_of(data: bytes, head: re.Match[bytes], prefix: re.Pattern[bytes]) -> bytes:
    """The first line of the message that is not empty; of a recorded command all lines (arguments may hold them)."""
    start = head.end()
    if data.startswith(COMMAND, start):
        following = prefix.search(data, start, start + _LONGEST_COMMAND)
        return data[start : following.start() if following else start + _LONGEST_COMMAND].strip()
    end = data.find(b"\n", start)
    if end == start:
        end = data.find(b"\n", start + 1)
    return data[start : end if end >= 0 else len(data)].strip()


def trailing_traceback(tail: bytes, prefix: re.Pattern[bytes]) -> str | None:
    """The last line of the traceback that ends the log; one with records after it was survived."""
    start = tail.rfind(_TRACEBACK) + 1
    if not start or prefix.search(tail, start) is not None:
        return None
    owner = deque(prefix.finditer(tail, 0, start), maxlen=1)
    if owner and owner[0][2].startswith(b"tinker.") and owner[0][3] != b"INFO":
        return None  # the SDK logs errors that it goes on to deal with
    lines = tail[start:].split(b"\n")[1:]
    last = next((line for line in lines if line and not line.startswith((b" ", b"\t"))), b"")
    return clean(decoded(last[:2000]).strip(), 500) if _EXCEPTION.match(last) else None


def heartbeat_trouble(tail: bytes, prefix: re.Pattern[bytes]) -> str | None:
    """The SDK's newest heartbeat warning in words, None when there is none or the log has gone on since.

    A lost server raises nothing for minutes; this warning is its only sign (FORMATS.md, "Is it running?").
    """
    text = tail[-_HEARTBEAT_TAIL:]
    at = text.rfind(b"Session heartbeat failed for ")
    if at < 0:
        return None
    head = prefix.match(text, text.rfind(b"\n", 0, at) + 1)
    found = _HEARTBEAT.match(text, at)
    if head is None or found is None or head.end() != at or not head[2].startswith(b"tinker."):
        return None
    if b"Wrote metrics" in text[at:]:
        return None
    warning = decoded(text[at:].split(b"\n", 1)[0])
    reason = clean(warning.partition("Last exception: ")[2].rstrip(". "), 160)
    return f"the service has not answered for {duration(float(found[1]))}" + (f" ({reason})" if reason else "")
