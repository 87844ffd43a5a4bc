"""What the screen says of changes on the server: planned ones and done ones, as plain pieces (see presenter)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stealthrl_tui.actions import manage
from stealthrl_tui.actions.manage import Action, Change
from stealthrl_tui.actions.truth import full_uri
from stealthrl_tui.runs import uri as uris
from stealthrl_tui.runs.model import Checkpoint
from stealthrl_tui.text import clean, duration, size
from stealthrl_tui.ui.children import Event
from stealthrl_tui.ui.known import half_of, unix
from stealthrl_tui.ui.presenter import Pieces


@dataclass(frozen=True, slots=True)
class Now:
    """What the server has under a URI now, as its `plan` event says (the shape of actions.truth.Held)."""

    uri: str
    run_id: str
    kind: str
    name: str
    expires_at: float | None
    size_bytes: int | None
    public: bool
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a dialog offers to do; `seconds` is the time to live that `expire` sets."""

    title: str
    action: Action
    seconds: int | None = None


CHOICES: Mapping[str, tuple[Choice, ...]] = {
    "keep": (
        Choice("for ever", Action.KEEP),
        *(Choice(f"expires in {days} d", Action.EXPIRE, days * 86400) for days in (1, 7, 30, 90)),
    ),
    "publish": (
        Choice("publish: anyone can load it", Action.PUBLISH),
        Choice("unpublish: only your account can", Action.UNPUBLISH),
    ),
    "delete": (Choice("delete for good", Action.DELETE),),
}


def full_uris(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """The paths of these saves as the server lists them, each once."""
    found = []
    for each in checkpoints:
        for text, kind in ((each.state_uri, "state"), (each.sampler_uri, "sampler")):
            full = full_uri(text, kind)
            if full is not None:
                found.append(full)
    return list(dict.fromkeys(found))


def is_state(text: str) -> bool:
    """Whether a URI names a training state."""
    parsed = uris.parse(text)
    return parsed is not None and parsed.kind == "weights"


def held_now(plan: Event) -> Now | None:
    """What the server has there; None when it has nothing."""
    half, parsed = half_of(plan.get("server")), uris.parse(str(plan.get("uri")))
    if half is None or parsed is None or not half.exists:
        return None
    kind = str(plan.get("kind"))
    return Now(parsed.text, parsed.run_id, kind, parsed.name, half.expires_at, half.size_bytes, half.public)


def deletion(plan: Event) -> Change:
    """A deletion as its `plan` event tells it: whether a state is the last one, only the command has looked up."""
    refused = clean(plan["refused"], 300) if plan.get("refused") else None
    return Change(Action.DELETE, str(plan.get("uri")), held_now(plan), clean(plan.get("effect"), 200), refused)


def effect_row(change: Change) -> Pieces:
    """Kind, size and effect, or why it is refused."""
    if change.held is None:
        return (("  ✗ ", "bad"), ("the server does not have it", "text"))
    about = f"  {manage.kind_words(change.held.kind)}, {size(change.held.size_bytes)}  "
    if change.refused:
        return ((about, "dim"), ("✗ refused: ", "bad"), (clean(change.refused), "text"))
    final = change.action is Action.DELETE
    return (
        (about, "dim"),
        ("→ ", "dim"),
        (clean(change.effect), "bad" if final else "text" if change.needed else "dim"),
    )


def outcome_row(event: Event) -> Pieces:
    """What the server shows after the change."""
    parsed = uris.parse(str(event.get("uri")))
    name = clean(event.get("uri")) if parsed is None else f"{parsed.kind}/{clean(parsed.name, 40)}"
    if not event.get("ok"):
        return (("✗ ", "bad"), (f"{name}: {clean(event.get('message'), 300)}", "text"))
    half = half_of(event.get("server"))
    if half is None or not half.exists:
        return (("✓ ", "alive"), (name, "text"), (" is gone, the server says", "dim"))
    end = unix((event.get("server") or {}).get("expires_at"))
    ends = "kept for ever" if end is None else f"expires in {duration(end - time.time())}"
    return (
        ("✓ ", "alive"),
        (name, "text"),
        (f" {ends}, {'public' if half.public else 'not public'}, the server says", "dim"),
    )
