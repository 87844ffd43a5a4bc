"""`tinker://` URIs: which save of which training run they name (FORMATS.md, "URIs")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

WeightsKind = Literal["weights", "sampler_weights", "external_weights"]
SCHEME = "tinker://"
KINDS: tuple[WeightsKind, ...] = get_args(WeightsKind)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class TinkerUri:
    """`text`, taken apart: `tinker://<run_id>/<kind>/<name>`, or the older `tinker://<run_id>/<name>`, kind None.

    `kind` is "weights" (full state, to train on), "sampler_weights" (to sample only) or "external_weights".
    """

    text: str
    run_id: str
    kind: WeightsKind | None
    name: str

    @property
    def two_part(self) -> bool:
        """The older form: a sampling client takes it, every REST call on a path refuses it."""
        return self.kind is None


def parse(text: str) -> TinkerUri | None:
    """`text` taken apart; None when it is no URI that anything could load (`flaw` says why)."""
    if flaw(text) is not None:
        return None
    parts = text.removeprefix(SCHEME).split("/")
    kind = next((known for known in KINDS if len(parts) == 3 and known == parts[1]), None)
    return TinkerUri(text, parts[0], kind, parts[-1])


def flaw(text: str) -> str | None:
    """What is wrong with `text` as a URI, as the end of a sentence that it begins; None when nothing is.

    The rules are those of the SDK's own parser (three parts, three kinds), with the two-part form let through and
    whatever a terminal or a URL could stumble over kept out.
    """
    if not text.startswith(SCHEME):
        return "is not a tinker:// URI"
    if _CONTROL.search(text):
        return "holds control characters"
    if not text.isprintable() or _SPACE.search(text):
        return "holds spaces or invisible characters"
    parts = text.removeprefix(SCHEME).split("/")
    if len(parts) not in (2, 3):
        return f"has {len(parts)} parts after {SCHEME}, not the three of run, kind and name"
    if not all(parts):
        return "has an empty part"
    if len(parts) == 3 and parts[1] not in KINDS:
        return "is of a kind that is none of " + ", ".join(KINDS)
    if len(parts) == 2 and parts[1] in KINDS:
        return "names no checkpoint"
    return None
