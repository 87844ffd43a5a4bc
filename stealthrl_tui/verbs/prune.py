"""`prune`: what to keep of what the server holds of some runs; the plan, the commands for it, or the deed."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from stealthrl_tui.text import clean, duration, plural, size
from stealthrl_tui.verbs import places, targets
from stealthrl_tui.verbs.console import PROGRAM, USAGE, Refusal
from stealthrl_tui.verbs.telling import Teller, add_json, run_telling

if TYPE_CHECKING:
    from stealthrl_tui.actions.prune import Policy, RunPlan
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.service.events import Event
    from stealthrl_tui.service.holdings import Holdings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `prune`."""
    parser.add_argument("targets", nargs="+", metavar="RUN|ROOT", help="runs, or folders with runs")
    parser.add_argument("--best", type=_count, metavar="K", help="keep the K best checkpoints of each run")
    parser.add_argument("--metric", metavar="KEY", help="what says how good; the run's main metric without it")
    parser.add_argument(
        "--better", choices=("higher", "lower"), help="which way that metric is better; by its name without"
    )
    parser.add_argument("--last", type=_count, metavar="K", help="keep the K newest")
    parser.add_argument("--every", type=_count, metavar="N", help="keep every Nth save, counted from the first")
    deed = parser.add_mutually_exclusive_group()
    deed.add_argument("--dry-run", action="store_true", help="show the plan, do nothing (this is the default)")
    deed.add_argument("--script", action="store_true", help="write the commands that would do it")
    deed.add_argument("--yes", action="store_true", help="do it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Choose, and show, write or do it. The final checkpoint always stays."""
    if arguments.best is None and arguments.last is None and arguments.every is None:
        raise Refusal("say what to keep: --best K, --last K or --every N (the final checkpoint always stays)", USAGE)
    if arguments.metric is not None and arguments.best is None:
        raise Refusal("--metric says which are the best: give --best K with it", USAGE)
    if arguments.better is not None and arguments.metric is None:
        raise Refusal("--better is of a metric: give --metric KEY with it", USAGE)
    if arguments.script and arguments.json:
        raise Refusal("--script writes commands, --json events: take one of them", USAGE)
    words = _script_words if arguments.script else _words
    return run_telling(arguments, words, lambda teller: _prune(arguments, teller))


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _prune(arguments: argparse.Namespace, teller: Teller) -> None:
    from stealthrl_tui.actions.prune import choose, plan_json
    from stealthrl_tui.actions.truth import join
    from stealthrl_tui.verbs.asking import ask, connect

    runs = _runs(arguments)
    holdings = connect(teller)
    said = ask(holdings, sorted({run_id for run in runs for run_id in run.training_run_ids}))
    plans = [choose(run, join(run, said), _policy(run, arguments)) for run in runs if run.checkpoints]
    for plan in plans:
        teller.tell(plan_json(plan))
    deleted = _delete(plans, holdings, teller) if arguments.yes else 0
    _tell_result(plans, deleted, not arguments.yes, teller)


def _runs(arguments: argparse.Namespace) -> list[Run]:
    from stealthrl_tui.runs.library import Library
    from stealthrl_tui.runs.model import Depth

    depth = Depth.SUMMARY if arguments.best is None else Depth.FULL
    found: dict[str, Run] = {}
    for target in arguments.targets:
        below = Library([target]).load_all(depth) if os.path.isdir(target) else []
        for each in below or [targets.named_run(target, ())]:
            found[each.path] = each
    return list(found.values())


def _policy(run: Run, arguments: argparse.Namespace) -> Policy:
    from stealthrl_tui.actions.prune import Policy
    from stealthrl_tui.settings import load

    settings = load()
    metric, higher = arguments.metric, settings.higher.get(arguments.metric or "")
    if metric is None:
        metric, higher = places.preferences(run, settings)
    elif arguments.better is not None:
        higher = arguments.better == "higher"
    return Policy(arguments.best, metric, higher, arguments.last, arguments.every)


def _delete(plans: Sequence[RunPlan], holdings: Holdings, teller: Teller) -> int:
    """Delete what goes, then tell each by what the server has afterwards; how many checkpoints are gone."""
    from stealthrl_tui.service.events import ServiceError

    going = [verdict for plan in plans for verdict in plan.deletes]
    failure: ServiceError | None = None
    with holdings.watch.phase("delete"):
        for uri in (uri for verdict in going for uri in verdict.uris):
            try:
                holdings.delete(uri)
            except ServiceError as error:
                if error.code != "not_found":
                    failure = error
                    break
    with holdings.watch.phase("check"):
        left = holdings.find(uri for verdict in going for uri in verdict.uris)
    for verdict in going:
        for uri in verdict.uris:
            teller.tell({"event": "change", "action": "delete", "uri": uri, "ok": uri not in left})
    gone = sum(not any(uri in left for uri in verdict.uris) for verdict in going)
    if failure is not None:
        raise ServiceError(failure.code, f"{gone} of {len(going)} checkpoints deleted: {failure.message}", failure.hint)
    if left:
        why = f"{gone} of {len(going)} checkpoints deleted: the server still has {clean(next(iter(left)))}."
        raise ServiceError("server_error", why, "Try again.")
    return gone


def _tell_result(plans: Sequence[RunPlan], deleted: int, dry_run: bool, teller: Teller) -> None:
    from stealthrl_tui.actions.prune import add_up
    from stealthrl_tui.service.events import result

    goes = add_up(verdict for plan in plans for verdict in plan.deletes)
    stays = add_up(verdict for plan in plans for verdict in plan.keeps)
    teller.tell(
        result(
            action="prune",
            dry_run=dry_run,
            runs=len(plans),
            delete=asdict(goes),
            keep=asdict(stays),
            deleted=deleted,
        )
    )


def _words(event: Event) -> Iterator[str]:
    kind = event["event"]
    if kind == "waiting":
        yield f"… {duration(event['seconds'])}: {clean(event['message'])}"
    elif kind == "plan":
        yield from _plan_words(event)
    elif kind == "change":
        yield f"{'deleted' if event['ok'] else 'still there'}: {clean(event['uri'])}"
    elif kind == "result":
        yield from _result_words(event)


def _plan_words(event: Event) -> Iterator[str]:
    goes, stays = len(event["delete"]), len(event["keep"])
    yield f"{clean(event['run'])}: {goes} go, {size(event['delete_bytes'])}; {stays} stay, {size(event['keep_bytes'])}"
    for word, verdicts in (("delete", event["delete"]), ("keep", event["keep"])):
        for verdict in verdicts:
            why = f"  ({clean(', '.join(verdict['reasons']))})" if verdict["reasons"] else ""
            yield f"  {word:<7} {_verdict_words(verdict)}{why}"
            yield from (f"            {clean(uri)}" for uri in verdict["uris"] if word == "delete")
    for name, words in (("gone", "gone already"), ("unrecorded", "on the server but in no ledger, left alone")):
        if event[name]:
            yield f"  {event[name]} {words}"
    yield from (f"  ! {clean(note)}" for note in event["notes"])


def _verdict_words(verdict: Event) -> str:
    step = "" if verdict["step"] is None else f", step {verdict['step']}"
    return f"{clean(verdict['name'])}{step}, {size(verdict['size_bytes'])}"


def _result_words(event: Event) -> Iterator[str]:
    verb = "would go" if event["dry_run"] else "are gone"
    goes = f"{_sum_words(event['delete'])} {verb}" if event["delete"]["count"] else "nothing goes"
    yield f"of {plural(event['runs'], 'run')}: {goes}; {_sum_words(event['keep'])} stay"
    if event["dry_run"] and event["delete"]["count"]:
        yield "nothing was done: --script writes the commands, --yes does it"


def _script_words(event: Event) -> Iterator[str]:
    """The commands, one a checkpoint, each of which checks again for itself."""
    if event["event"] == "plan" and event["delete"]:
        yield f"# {clean(event['run'])}: {len(event['delete'])} go, {len(event['keep'])} stay"
        for verdict in event["delete"]:
            uris = " ".join(shlex.quote(uri) for uri in verdict["uris"])
            root = shlex.quote(event["path"])
            yield f"{PROGRAM} delete --yes --root={root} {uris}  # {_verdict_words(verdict)}"
    elif event["event"] == "result":
        yield f"# {_sum_words(event['delete'])} in all; {_sum_words(event['keep'])} stay"


def _sum_words(counts: Event) -> str:
    from stealthrl_tui.actions.prune import Sum

    return str(Sum(**counts))
