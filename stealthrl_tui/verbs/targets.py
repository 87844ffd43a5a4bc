"""The URIs and runs that the commands about the server are given: refused here when no call could do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stealthrl_tui.text import clean
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import Refusal

if TYPE_CHECKING:
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.runs.uri import TinkerUri

_FORM = "A Tinker URI looks like tinker://<run>/sampler_weights/<name>."


def require_uri(text: str) -> TinkerUri:
    """`text` taken apart; raises ServiceError: wrong_kind for a kind that nobody knows, else bad_uri."""
    from stealthrl_tui.runs.uri import KINDS, SCHEME, flaw, parse
    from stealthrl_tui.service.events import ServiceError

    parsed = parse(text)
    if parsed is not None:
        return parsed
    parts = text.removeprefix(SCHEME).split("/")
    unknown_kind = text.startswith(SCHEME) and len(parts) == 3 and all(parts) and parts[1] not in KINDS
    raise ServiceError("wrong_kind" if unknown_kind else "bad_uri", f"{clean(text, 200)} {flaw(text)}.", _FORM)


def require_sampler(text: str) -> str:
    """`text` when it can name sampler weights, the two-part form included; raises ServiceError."""
    from stealthrl_tui.service.events import ServiceError

    parsed = require_uri(text)
    if parsed.kind not in (None, "sampler_weights"):
        what = "training state" if parsed.kind == "weights" else f"{parsed.kind}"
        hint = "Take the sampler_weights of the same save."
        raise ServiceError("wrong_kind", f"{clean(text)} is {what}, which can't be sampled from.", hint)
    return text


def require_listed(text: str) -> str:
    """`text` as the server lists it, the two-part form as sampler weights; raises ServiceError."""
    from stealthrl_tui.actions.truth import SAMPLER, full_uri

    require_uri(text)
    return full_uri(text, SAMPLER) or text


def named_run(text: str, given_roots: Sequence[str]) -> Run:
    """The run that RUN names; raises ServiceError (not_found)."""
    from stealthrl_tui.service.events import ServiceError

    try:
        return places.the_run(text, places.roots(given_roots))
    except Refusal as refusal:
        raise ServiceError("not_found", f"{refusal}.".replace("..", ".")) from refusal


def require_roots(given_roots: Sequence[str]) -> None:
    """Raises ServiceError (not_found) for a root that is no folder."""
    from stealthrl_tui.service.events import ServiceError

    try:
        places.require_folders(given_roots)
    except Refusal as refusal:
        raise ServiceError("not_found", f"{refusal}.") from refusal


def runs_below(given_roots: Sequence[str]) -> list[Run]:
    """All runs below the roots, newest activity first; raises ServiceError for a root that is no folder."""
    from stealthrl_tui.runs.library import Library
    from stealthrl_tui.runs.model import Depth

    require_roots(given_roots)
    return Library(places.roots(given_roots)).load_all(Depth.SUMMARY)
