"""`keep`, `expire`, `publish`, `unpublish`, `delete`: changes on the server, shown before, read back after."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stealthrl_tui.text import clean, duration, plural
from stealthrl_tui.verbs import targets
from stealthrl_tui.verbs.telling import Teller, add_json, add_root, run_telling

if TYPE_CHECKING:
    from stealthrl_tui.actions.manage import Action, Change
    from stealthrl_tui.actions.truth import Truth
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.service.events import Event, ServiceError
    from stealthrl_tui.service.holdings import Held, Holdings

# After these nothing further can be done, on whatever URI.
_ENDS_ALL = ("no_key", "rejected_key", "unreachable", "timeout", "billing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command that `parser` is for (its default `command`)."""
    command = parser.get_default("command")
    if command == "expire":
        parser.add_argument("uris", nargs="+", metavar="URI", help="tinker:// URIs of checkpoints")
        parser.add_argument(
            "seconds", type=_ttl, metavar="SECONDS", help="from now, also as 36h, 7d, 2w, 1y: an hour to ten years"
        )
    else:
        parser.add_argument("uris", nargs="+", metavar="URI", help="tinker:// URIs of checkpoints")
    if command == "delete":
        parser.add_argument(
            "--force", action="store_true", help="even the only state left of a run that is not completed"
        )
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, do nothing")
    add_root(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the plan, ask, do it, read it back."""
    from stealthrl_tui.actions.manage import Action

    action = Action(arguments.command)
    return run_telling(arguments, _words, lambda teller: _manage(action, arguments, teller))


def _ttl(text: str) -> int:
    from stealthrl_tui.actions.manage import ttl

    try:
        return ttl(text)
    except ValueError as flaw:
        raise argparse.ArgumentTypeError(str(flaw)) from flaw


def _manage(action: Action, arguments: argparse.Namespace, teller: Teller) -> None:
    from stealthrl_tui.actions import manage
    from stealthrl_tui.service.events import ServiceError, result
    from stealthrl_tui.verbs.asking import connect

    uris = [targets.require_listed(text) for text in arguments.uris]
    targets.require_roots(arguments.root)
    may_ask = sys.stdin is not None and sys.stdin.isatty() and not teller.as_json
    if not (arguments.yes or arguments.dry_run or may_ask):
        raise ServiceError("refused", "Nothing was done: nobody can be asked here.", "Add --yes to do it unasked.")
    holdings = connect(teller)
    plan = _plan(action, uris, arguments, holdings)
    for change in plan:
        teller.tell(manage.change_json(change))
    possible = [change for change in plan if change.refused is None]
    if arguments.dry_run:
        teller.tell(result(action=str(action), done=[], planned=[change.uri for change in possible], dry_run=True))
        return
    _require_possible(plan, possible)
    if not arguments.yes and any(change.needed for change in possible):
        _ask(action, possible, holdings, teller)
    failed = _do(action, possible, arguments, holdings, teller)
    refused = [(change, _refusal(change)) for change in plan if change.refused is not None]
    _tell_end(action, plan, [*refused, *failed], teller)


def _plan(action: Action, uris: Sequence[str], arguments: argparse.Namespace, holdings: Holdings) -> tuple[Change, ...]:
    from stealthrl_tui.actions import manage

    with holdings.watch.phase("look"):
        held = holdings.find(uris)
    owners: list[tuple[Run, Truth]] = []
    orphans: dict[str, list[str]] = {}
    if action is manage.Action.DELETE:
        owners, orphans = _states_left(held, arguments.root, holdings)
    return manage.plan(
        action,
        uris,
        held,
        now=time.time(),
        seconds=getattr(arguments, "seconds", None),
        owners=owners,
        orphan_states=orphans,
        forced=getattr(arguments, "force", False),
    )


def _states_left(
    held: Mapping[str, Held], roots: Sequence[str], holdings: Holdings
) -> tuple[list[tuple[Run, Truth]], dict[str, list[str]]]:
    """The runs here that the held checkpoints belong to, joined with the server, and the states of all others."""
    from stealthrl_tui.actions.truth import STATE, join
    from stealthrl_tui.verbs.asking import ask

    touched = {each.run_id for each in held.values() if each.kind == STATE}
    if not touched:
        return [], {}
    runs = [run for run in targets.runs_below(roots) if touched & set(run.training_run_ids)]
    owned = {run_id for run in runs for run_id in run.training_run_ids}
    said = ask(holdings, sorted(touched | owned))
    states = [each for each in said.held.values() if each.kind == STATE]
    orphans = {id_: [each.uri for each in states if each.run_id == id_] for id_ in touched - owned}
    return [(run, join(run, said)) for run in runs], orphans


def _require_possible(plan: Sequence[Change], possible: Sequence[Change]) -> None:
    if not possible:
        raise _refusal(plan[0])


def _refusal(change: Change) -> ServiceError:
    from stealthrl_tui.service.events import ServiceError

    if change.held is None:
        hint = "It was deleted, expired, or is another key's: see `stealthrl-tui server`."
        return ServiceError("not_found", f"The service does not have {clean(change.uri)}.", hint)
    why = f"{clean(change.uri)} is not deleted: {change.refused}."
    return ServiceError("refused", why, "Add --force to delete it all the same.")


def _ask(action: Action, changes: Sequence[Change], holdings: Holdings, teller: Teller) -> None:
    from stealthrl_tui.service.events import ServiceError

    word = "delete" if action == "delete" else "yes"
    count = plural(sum(change.needed for change in changes), "checkpoint")
    with holdings.watch.idle():
        said = teller.ask(f"{str(action).capitalize()} {count}? Type {word} to do it: ")
    if said.strip().lower() not in {word, *(["y"] if word == "yes" else [])}:
        raise ServiceError("refused", "Nothing was done.")


def _do(
    action: Action, changes: Sequence[Change], arguments: argparse.Namespace, holdings: Holdings, teller: Teller
) -> list[tuple[Change, ServiceError]]:
    """Do what is needed, then tell each change by what the server has afterwards; those that failed."""
    from stealthrl_tui.actions.manage import outcome_flaw
    from stealthrl_tui.service.events import ServiceError

    seconds = getattr(arguments, "seconds", None)
    failures: dict[str, ServiceError] = {}
    with holdings.watch.phase(str(action)):
        for change in changes:
            try:
                _call(action, change, seconds, holdings)
            except ServiceError as failure:
                if failure.code in _ENDS_ALL:
                    raise
                failures[change.uri] = failure
    with holdings.watch.phase("check"):
        after = holdings.find(change.uri for change in changes)
    for change in changes:
        flaw = outcome_flaw(change, after.get(change.uri), seconds=seconds, now=time.time())
        if flaw is None:
            # Whatever the call said, the server shows what was wanted.
            failures.pop(change.uri, None)
        elif change.uri not in failures:
            failures[change.uri] = ServiceError("server_error", f"{clean(change.uri)}: {flaw}.", "Try again.")
        teller.tell(_change_event(change, after.get(change.uri), failures.get(change.uri)))
    return [(change, failures[change.uri]) for change in changes if change.uri in failures]


def _call(action: Action, change: Change, seconds: int | None, holdings: Holdings) -> None:
    from stealthrl_tui.actions.manage import Action

    if not change.needed:
        return
    if action in (Action.KEEP, Action.EXPIRE):
        holdings.set_ttl(change.uri, seconds)
    else:
        calls = {Action.PUBLISH: holdings.publish, Action.UNPUBLISH: holdings.unpublish, Action.DELETE: holdings.delete}
        calls[action](change.uri)


def _tell_end(
    action: Action, plan: Sequence[Change], failed: Sequence[tuple[Change, ServiceError]], teller: Teller
) -> None:
    from stealthrl_tui.service.events import ServiceError, result

    bad = {change.uri for change, _ in failed}
    if not failed:
        teller.tell(result(action=str(action), done=[change.uri for change in plan], dry_run=False))
        return
    first = failed[0][1]
    if len(plan) == 1:
        raise first
    done = len(plan) - len(bad)
    raise ServiceError(first.code, f"{action}: {done} of {len(plan)} done; {first.message}", first.hint)


def _change_event(change: Change, after: Held | None, failure: ServiceError | None) -> Event:
    from stealthrl_tui.actions.truth import Half, half_json

    half = Half(True, after.uri, after.expires_at, after.size_bytes, after.public) if after else Half(False, change.uri)
    return {
        "event": "change",
        "action": str(change.action),
        "uri": change.uri,
        "ok": failure is None,
        "changed": failure is None and change.needed,
        "server": half_json(half),
        "code": failure.code if failure else None,
        "message": failure.message if failure else "",
    }


def _words(event: Event) -> Iterator[str]:
    kind = event["event"]
    if kind == "waiting":
        yield f"… {duration(event['seconds'])}: {clean(event['message'])}"
    elif kind == "plan":
        yield from plan_words(event)
    elif kind == "change":
        yield change_words(event)
    elif kind == "result" and event["dry_run"]:
        yield f"nothing was done; {plural(len(event['planned']), 'change')} would be possible"


def plan_words(event: Event) -> Iterator[str]:
    """What a change will do: the full URI, kind and size, effect or refusal."""
    from stealthrl_tui.actions.manage import kind_words
    from stealthrl_tui.text import size

    yield f"{event['action']} {clean(event['uri'])}"
    if event["server"] is not None:
        whose = f", run {clean(event['run'])}" if event["run"] else ""
        yield f"  what     {kind_words(event['kind'])}, {size(event['server']['size_bytes'])}{whose}"
    yield f"  effect   {clean(event['effect'])}"
    if event["refused"]:
        yield f"  refused  {clean(event['refused'])}"


def change_words(event: Event) -> str:
    """How a change went, as the server shows it."""
    if not event["ok"]:
        return f"failed: {clean(event['uri'])}: {clean(event['message'])}"
    server = event["server"]
    if not server["exists"]:
        return f"done: {clean(event['uri'])} is gone"
    ends = f"expires {server['expires_at']}" if server["expires_at"] else "kept for ever"
    return f"{'done' if event['changed'] else 'so already'}: {clean(event['uri'])}: {ends}" + (
        ", public" if server["public"] else ", not public"
    )
