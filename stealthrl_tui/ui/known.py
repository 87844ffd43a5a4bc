"""What is known of checkpoints beyond their run's files: what the server said, and how their last tests went."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealthrl_tui.text import age, clean, duration, number, plural, size
from stealthrl_tui.ui.presenter import Piece, Pieces

if TYPE_CHECKING:
    from stealthrl_tui.actions.trials import Outcome
    from stealthrl_tui.runs.model import Checkpoint, Run

LOUD_SECONDS = 48 * 3600.0
NOT_ASKED = "not asked"
_NAMES = 4
# The top line before the server was asked, and why it was not.
NO_ANSWER: Pieces = (("○ tinker", "dim"), (" not asked", "dim"))
NO_KEY: Pieces = (("○ tinker", "dim"), (" not asked: no key", "dim"))
OFF: Pieces = (("○ tinker", "dim"), (" not asked: off in the settings, R asks", "dim"))


def has_key() -> bool:
    """Whether the SDK would find a key (TINKER.md, "Credentials"); the key itself is not read out."""
    if os.environ.get("TINKER_API_KEY") or os.environ.get("TINKER_CREDENTIAL_CMD"):
        return True
    return (Path(os.environ.get("HOME") or Path.home()) / ".tinker" / "credentials.json").is_file()


def in_sandbox() -> bool:
    """Whether what is asked is the project's own local service; a real key never looks like its key."""
    return os.environ.get("TINKER_API_KEY") == "tml-sandbox"


@dataclass(frozen=True, slots=True)
class Half:
    """The state or the sampler weights of a save on the server; `expires_at` (Unix seconds) None means never."""

    exists: bool
    expires_at: float | None = None
    size_bytes: int | None = None
    public: bool = False

    def there(self, now: float) -> bool:
        """Whether it still exists: an expiry since the answer counts."""
        return self.exists and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Save:
    """What the server said of a recorded save; a half that was not saved, or not asked about, is None.

    The URIs are the server's own, in full.
    """

    state: Half | None = None
    sampler: Half | None = None
    saved_at: float | None = None
    state_uri: str = ""
    sampler_uri: str = ""

    @property
    def halves(self) -> tuple[Half, ...]:
        """What was asked about."""
        return tuple(half for half in (self.state, self.sampler) if half is not None)

    def left(self, now: float) -> tuple[Half, ...]:
        """What exists."""
        return tuple(half for half in self.halves if half.there(now))

    def expires_at(self, now: float) -> float | None:
        """When the first half of it goes; None when neither does."""
        return min((half.expires_at for half in self.left(now) if half.expires_at is not None), default=None)


@dataclass(slots=True)
class Known:
    """Everything of that sort, by checkpoint key, run path and sampler URI.

    `unknown` is the word for a save that the server said nothing about. `only_there` names the saves of a run that no
    ledger has.
    """

    saves: Mapping[str, Save] = field(default_factory=dict)
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    only_there: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trials: dict[str, Outcome] = field(default_factory=dict)
    unknown: str = NOT_ASKED

    def save(self, checkpoint: Checkpoint) -> Save | None:
        """What the server said of it."""
        return self.saves.get(checkpoint.key)

    def trial(self, checkpoint: Checkpoint) -> Outcome | None:
        """How its last test-load went."""
        return self.trials.get(checkpoint.sampler_uri) if checkpoint.sampler_uri else None

    def warnings(self, run: Run, checkpoint: Checkpoint | None, now: float) -> tuple[str, ...]:
        """What the server says that a person should know: of the save under the cursor first, then of the run."""
        found = [] if checkpoint is None else self._lost(checkpoint, now)
        found += self._expiring(run, now)
        found += [clean(problem) for problem in self.problems.get(run.path, ())]
        names = self.only_there.get(run.path, ())
        if names:
            some = ", ".join(clean(name, 24) for name in names[:_NAMES]) + (" …" if len(names) > _NAMES else "")
            found.append(f"{plural(len(names), 'save')} only on the server, not in the ledger: {some}")
        return tuple(dict.fromkeys(found))

    def _lost(self, checkpoint: Checkpoint, now: float) -> list[str]:
        save = self.save(checkpoint)
        halves = () if save is None else (("state", save.state), ("sampler weights", save.sampler))
        gone = [word for word, half in halves if half is not None and not half.there(now)]
        return [f"{clean(checkpoint.name, 24)}: {' and '.join(gone)} gone from the server"] if gone else []

    def _expiring(self, run: Run, now: float) -> list[str]:
        ends: list[tuple[float, str]] = []
        for each in run.checkpoints:
            save = self.saves.get(each.key)
            end = None if save is None else save.expires_at(now)
            if end is not None and end - now < LOUD_SECONDS:
                ends.append((end, clean(each.name, 24)))
        if not ends:
            return []
        end, name = min(ends)
        first = f"{name} expires in {duration(end - now)} (K keeps it)"
        return [first if len(ends) == 1 else f"{len(ends)} checkpoints expire within 48 h, the first: {first}"]

    def notes(self, checkpoint: Checkpoint, now: float) -> tuple[Pieces, ...]:
        """Of the save under the cursor: how its last test went, and what the server has of it."""
        found = [tested_pieces(trial, now)] if (trial := self.trial(checkpoint)) is not None else []
        save = self.save(checkpoint)
        if save is not None and save.left(now):
            found.append(((held_words(save, now), "dim"),))
            if checkpoint.saved_at is None and save.saved_at is not None:
                ago = age(max(0.0, now - save.saved_at))
                found.append(((f"saved {ago} ago by the server's clock (°): no file of the run says when", "dim"),))
        return tuple(found)


def held_words(save: Save, now: float) -> str:
    """`on the server: state 42 MB, never expires; sampler 42 MB, expires in 31 h, public`."""
    words = []
    for name, half in (("state", save.state), ("sampler", save.sampler)):
        if half is not None and half.there(now):
            ends = "never expires" if half.expires_at is None else f"expires in {duration(half.expires_at - now)}"
            words.append(f"{name} {size(half.size_bytes)}, {ends}" + (", public" if half.public else ""))
    return "on the server: " + "; ".join(words)


def tested_pieces(trial: Outcome, now: float) -> Pieces:
    """`tested 2 d ago ✓ 41 tokens/s`, or the reason why it did not load."""
    ago = age(max(0.0, now - trial.at))
    when: Piece = (f"tested {'just now' if ago == 'now' else ago + ' ago'} ", "dim")
    if not trial.ok:
        return (when, ("✗ ", "bad"), (clean(trial.message, 120), "text"))
    rate = f"  {number(trial.tokens_per_second)} tokens/s" if trial.tokens_per_second is not None else ""
    return (when, ("✓ loads", "alive"), (rate, "dim"))


def half_of(found: Any) -> Half | None:
    """A half as the events tell it (DESIGN.md, "JSON"); None for what isn't one."""
    if not isinstance(found, dict):
        return None
    count = found.get("size_bytes")
    return Half(
        bool(found.get("exists")),
        unix(found.get("expires_at")),
        count if isinstance(count, int) else None,
        bool(found.get("public")),
    )


def unix(text: Any) -> float | None:
    """An ISO time of the events as Unix seconds."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
