"""A change of what the server holds, planned before it is done: what exactly, to what, and why not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stealthrl_tui.actions.truth import STATE, Half, Held, Truth, half_json
from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.text import UNKNOWN, clean, duration, iso

# The service's own limits of a TTL, in seconds.
SHORTEST_TTL, LONGEST_TTL = 3600, 10 * 365 * 86400
_CLOCKS_SECONDS = 300.0
_SPAN = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,3})?)\s*(s|min|m|h|d|w|y)?", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


class Action(StrEnum):
    """What can be done to a checkpoint on the server; the command's own word."""

    KEEP = "keep"
    EXPIRE = "expire"
    PUBLISH = "publish"
    UNPUBLISH = "unpublish"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One action on one URI: what it will do in words (`effect`), or why it is `refused`.

    `held` is what the server has there now. `needed` is False when it is so already: then nothing will be done.
    `run` is the name of the local run it belongs to.
    """

    action: Action
    uri: str
    held: Held | None
    effect: str
    refused: str | None = None
    needed: bool = True
    run: str | None = None


def kind_words(kind: str) -> str:
    """`training state`, `sampler weights`; other kinds as they are."""
    return {STATE: "training state", "sampler": "sampler weights"}.get(kind, kind)


def ttl_flaw(seconds: int) -> str | None:
    """Why the service takes no such TTL; None when it does."""
    if SHORTEST_TTL <= seconds <= LONGEST_TTL:
        return None
    return f"{duration(seconds)} is too {'short' if seconds < SHORTEST_TTL else 'long'}: an hour to ten years"


def ttl(text: str) -> int:
    """`36h`, `7d`, `2w`, `1y` or plain seconds, as seconds that the service takes. Raises ValueError, in words."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{clean(text, 20)} is no time: write 36h, 7d, 2w or 1y")
    seconds = round(float(found[1]) * _UNITS[(found[2] or "s").lower()])
    flaw = ttl_flaw(seconds)
    if flaw is not None:
        raise ValueError(flaw)
    return seconds


def plan(
    action: Action,
    uris: Sequence[str],
    held: Mapping[str, Held],
    *,
    now: float,
    seconds: int | None = None,
    owners: Sequence[tuple[Run, Truth]] = (),
    orphan_states: Mapping[str, Collection[str]] | None = None,
    forced: bool = False,
) -> tuple[Change, ...]:
    """The changes of `uris`, in their order, each once.

    `held` is what the server has under them, `seconds` the TTL for `expire`. `owners` are the local runs that the URIs
    belong to, `orphan_states` the URIs of the states that exist of every other training run, by its id. Deleting the
    only states left of a run that is not completed is refused unless `forced`.
    """
    wanted = tuple(dict.fromkeys(uris))
    last = _last_states(wanted, held, owners, orphan_states or {}) if action is Action.DELETE else {}
    names = {run_id: run.name for run, _ in owners for run_id in run.training_run_ids}
    changes = []
    for uri in wanted:
        found = held.get(uri)
        name = names.get(found.run_id) if found else None
        if found is None:
            changes.append(Change(action, uri, None, "nothing: the server does not have it", "it is not on the server"))
            continue
        effect, needed = _effect(action, found, seconds, now)
        refused = None if forced else last.get(uri)
        changes.append(Change(action, uri, found, effect, refused, needed, name))
    return tuple(changes)


def _effect(action: Action, held: Held, seconds: int | None, now: float) -> tuple[str, bool]:
    if action is Action.KEEP:
        if held.expires_at is None:
            return "none: it is kept for ever already", False
        return f"kept for ever instead of expiring in {duration(held.expires_at - now)}", True
    if action is Action.EXPIRE:
        until = _minute(now + (seconds or 0))
        return f"expires in {duration(seconds)}, {until} (so far: {_minute(held.expires_at)})", True
    if action is Action.PUBLISH:
        return ("none: it is public already", False) if held.public else ("anyone can load it", True)
    if action is Action.UNPUBLISH:
        return ("only your account can load it", True) if held.public else ("none: it is not public", False)
    return "deleted for good" + (", also for everyone it is public to" if held.public else ""), True


def _last_states(
    wanted: Sequence[str],
    held: Mapping[str, Held],
    owners: Sequence[tuple[Run, Truth]],
    orphan_states: Mapping[str, Collection[str]],
) -> dict[str, str]:
    """Why not to delete, by URI of a state whose run would have none left."""
    doomed = {uri for uri in wanted if uri in held and held[uri].kind == STATE}
    reasons: dict[str, str] = {}
    for run, truth in owners:
        states = {half.uri for half in truth.states}
        if states & doomed and states <= doomed and run.status is not Status.COMPLETED:
            what = _only(states)
            why = f"{what} left of {clean(run.name)}, which is {run.status}: nothing could resume it"
            reasons |= dict.fromkeys(states, why)
    for run_id, uris in orphan_states.items():
        states = set(uris)
        if states & doomed and states <= doomed:
            what = _only(states)
            why = f"{what} left of training run {clean(run_id)}, and no run here says that it is completed"
            reasons |= dict.fromkeys(states, why)
    return reasons


def _only(states: Collection[str]) -> str:
    return "it is the only state" if len(states) == 1 else "they are the only states"


def _minute(timestamp: float | None) -> str:
    return "never" if timestamp is None else f"{(iso(timestamp) or UNKNOWN)[:16].replace('T', ' ')} UTC"


def change_json(change: Change) -> dict[str, Any]:
    """The plan of one change, as an event."""
    held = change.held
    now = None if held is None else Half(True, held.uri, held.expires_at, held.size_bytes, held.public)
    return {
        "event": "plan",
        "action": str(change.action),
        "uri": change.uri,
        "kind": held.kind if held else None,
        "run": change.run,
        "effect": change.effect,
        "needed": change.needed,
        "refused": change.refused,
        "server": half_json(now),
    }


def outcome_flaw(change: Change, after: Held | None, *, seconds: int | None, now: float) -> str | None:
    """What the server shows `after` the change that it should not; None when it is as asked.

    The two clocks may differ: a new expiry counts as the one asked for, an old one only when it is minutes off.
    """
    if change.action is Action.DELETE:
        return None if after is None else "the server still has it"
    if after is None:
        return "the server does not have it any more"
    if change.action is Action.KEEP:
        return None if after.expires_at is None else f"the server still says that it expires at {iso(after.expires_at)}"
    if change.action is Action.EXPIRE:
        moved = change.held is None or after.expires_at != change.held.expires_at
        near = after.expires_at is not None and abs(after.expires_at - now - (seconds or 0)) <= _CLOCKS_SECONDS
        fits = after.expires_at is not None and (moved or near)
        return None if fits else f"the server says that it expires at {iso(after.expires_at) or 'no time'}"
    public = change.action is Action.PUBLISH
    return None if after.public is public else f"the server says that it is {'not ' if public else 'still '}public"
