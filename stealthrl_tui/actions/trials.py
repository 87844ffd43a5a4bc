"""How the last test-load of each checkpoint went: in the user's state folder, never in the run.

A small JSON file each, `<folder>/trials/<digest of the URI>.json`, so that two tests at once can't undo each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stealthrl_tui.actions.atomic import write_text

FOLDER = "trials"
_LARGEST_FILE = 1 << 20
_LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test-load at Unix time `at`: with `ok` what was sampled, else the error's `code`, `message` and `hint`.

    `seconds` is all of it. `text` is None without a tokenizer; `tokens` is how many there were.
    """

    uri: str
    at: float
    ok: bool
    prompt: str = ""
    code: str | None = None
    message: str = ""
    hint: str = ""
    seconds: float | None = None
    base_model: str | None = None
    text: str | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    stop_reason: str | None = None


def from_event(uri: str, prompt: str, event: Mapping[str, Any], at: float) -> Outcome:
    """The outcome that a `result` or `error` event of `test-load` tells, of `uri`, at Unix time `at`."""
    if event.get("event") != "result":
        message, hint = (str(event.get(name, "")) for name in ("message", "hint"))
        return Outcome(uri, at, False, prompt, str(event.get("code")), message, hint)
    text = event.get("text")
    return Outcome(
        uri,
        at,
        True,
        prompt,
        seconds=event.get("seconds"),
        base_model=event.get("base_model"),
        text=text[:_LONGEST_TEXT] if isinstance(text, str) else None,
        tokens=len(event.get("tokens", ())),
        tokens_per_second=event.get("tokens_per_second"),
        stop_reason=event.get("stop_reason"),
    )


def remember(folder: Path, outcome: Outcome) -> None:
    """Keep `outcome` as the last one of its URI, in place of what was there at once. Raises OSError."""
    path = _path(folder, outcome.uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(outcome), indent=1), mode=0o600)


def recall(folder: Path, uri: str) -> Outcome | None:
    """The last outcome of `uri`; None when it was never tested, or when what was kept can't be read."""
    found = _read(_path(folder, uri))
    return found if found is not None and found.uri == uri else None


def recall_all(folder: Path) -> dict[str, Outcome]:
    """The last outcome of every URI."""
    return {outcome.uri: outcome for outcome in _outcomes(folder / FOLDER)}


def _outcomes(folder: Path) -> Iterator[Outcome]:
    try:
        paths = sorted(folder.glob("*.json"))
    except OSError:
        return
    for path in paths:
        outcome = _read(path)
        if outcome is not None:
            yield outcome


def _path(folder: Path, uri: str) -> Path:
    digest = hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()
    return folder / FOLDER / f"{digest[:40]}.json"


def _read(path: Path) -> Outcome | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kept = {field.name: found[field.name] for field in fields(Outcome) if _fits(field.type, found.get(field.name))}
    try:
        return Outcome(**kept)
    except TypeError:
        return None


_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "float": (int, float), "bool": (bool,), "int": (int,)}


def _fits(declared: Any, value: object) -> bool:
    name = str(declared).removesuffix(" | None")
    return isinstance(value, _TYPES[name]) and (name == "bool" or not isinstance(value, bool))
