"""Outside strings made safe, and numbers as people read them.

Everything that was read from a file, a name, a log or a server goes through `clean` before it is drawn or printed:
terminals obey control bytes in cell text (DESIGN.md, "Everything read is hostile").
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

# C0, DEL, C1; bidi marks, embeddings and isolates; zero-width and invisible format characters; line and paragraph
# separators; lone surrogates; variation selectors and tags, which some terminals measure differently from Textual.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UNKNOWN = "?"
NONE = "–"

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def clean(value: object, limit: int | None = None) -> str:
    """One line of `value` that is safe to send to a terminal.

    A tab or line break becomes a space, every other control, bidi or zero-width character U+FFFD. With `limit` the
    result is cut to that many characters, the last of them an ellipsis.
    """
    text = value if isinstance(value, str) else str(value)
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: " " if match[0] in "\t\n\r" else REPLACEMENT, text)


def number(value: float | None, digits: int = 3) -> str:
    """`value` with `digits` significant digits, short enough for a table: `0.612`, `1.2k`, `-4.7e-08`, `nan`."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3:
        return f"{value:.1e}"
    if size >= 1e4:
        return _thousands(value)
    if float(value).is_integer():
        return str(int(value))
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:.{min(decimals, digits)}f}"


def _thousands(value: float) -> str:
    for unit, factor in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if abs(value) < factor * 999.5:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.1e}"


def signed(value: float | None, digits: int = 3) -> str:
    """`value` with its sign always shown; the change from one checkpoint to the next."""
    if value is None:
        return ""
    return ("+" if value > 0 else "") + number(value, digits)


def duration(seconds: float | None) -> str:
    """A span as people say it, its two largest units at most: `22 s`, `4 min`, `1 h 49 m`, `2 d 3 h`."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 10 and round(seconds, 1) % 1:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        hours, minutes = divmod(round(seconds / _MINUTE), 60)
        return f"{hours} h {minutes} m" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / _HOUR), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def age(seconds: float | None) -> str:
    """How long ago, in one unit, for a narrow column: `now`, `4 s`, `3 h`, `12 d`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 2:
        return "now"
    for unit, size, limit in (("s", 1.0, _MINUTE), ("min", _MINUTE, _HOUR), ("h", _HOUR, 2 * _DAY)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}" if seconds / size >= 1 else f"1 {unit}"
    return f"{seconds / _DAY:.0f} d"


def size(count: int | None) -> str:
    """A number of bytes: `84 MB`, in powers of 1000 as the service bills them."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}" if unit != "B" else f"{count} B"
        value /= 1000
    return f"{value:.3g} TB"


def iso(timestamp: float | None) -> str | None:
    """Unix seconds as ISO 8601 in UTC, the form of every time in the JSON; None stays None."""
    if timestamp is None or not math.isfinite(timestamp):
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return None


def plural(count: int, word: str) -> str:
    """`1 checkpoint`, `3 checkpoints`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
