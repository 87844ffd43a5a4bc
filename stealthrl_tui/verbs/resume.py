"""`resume`: check everything that can be checked, then start a run that goes on from a checkpoint's state."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stealthrl_tui.text import clean
from stealthrl_tui.verbs import state_word, targets, uri
from stealthrl_tui.verbs.console import USAGE, Refusal
from stealthrl_tui.verbs.telling import Teller, add_json, add_root, run_telling

if TYPE_CHECKING:
    from stealthrl_tui.actions.resume.place import Where
    from stealthrl_tui.actions.resume.start import Started
    from stealthrl_tui.actions.resume.value import Plan, Preferences
    from stealthrl_tui.runs.model import Checkpoint, Run
    from stealthrl_tui.service.events import Event

_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}
_PLACES = ("here", "tmux", "launcher")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `resume`."""
    parser.add_argument("run", metavar="RUN", help="a run's name below the roots, or a path")
    parser.add_argument(
        "--checkpoint",
        metavar="NAME|URI|last|best|final",
        help="which save, by its URI where others have its name; the last that has a state without it",
    )
    parser.add_argument("--name", metavar="NEW", help="the new run's name; a free one beside the original without it")
    parser.add_argument(
        "--where", choices=_PLACES, help="here, detached; in a new tmux window; or by the launcher of the settings"
    )
    parser.add_argument("--dry-run", action="store_true", help="the plan and the checklist; 1 when it would be refused")
    parser.add_argument("--print", action="store_true", help="check, then say the shell commands and start nothing")
    add_root(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, check, start, and watch the first seconds."""
    if arguments.dry_run and arguments.print:
        raise Refusal("--dry-run and --print are two different things: take one of them", USAGE)
    return run_telling(arguments, _words, lambda teller: _resume(arguments, teller))


def _resume(arguments: argparse.Namespace, teller: Teller) -> None:
    from stealthrl_tui.actions.resume import plan as planning

    wanted = preferences()
    where: Where = arguments.where or ("launcher" if wanted.launcher else "here")
    found, checkpoint = _target(arguments)
    plan = planning.plan(found, checkpoint, name=arguments.name, preferences=wanted)
    quiet = arguments.print and not arguments.json
    if not quiet:
        teller.tell(_plan_event(plan, found))
    _check(plan, found, checkpoint, where, wanted.launcher, teller, quiet)
    if arguments.dry_run:
        teller.tell(_result(plan, found, pid=None, dry_run=True))
    elif arguments.print:
        teller.tell(_result(plan, found, pid=None, script=_script(plan, arguments.json)))
    else:
        _start(plan, found, where, wanted, teller)


def preferences() -> Preferences:
    """What the settings file says of resuming."""
    from stealthrl_tui.actions.resume.value import Preferences
    from stealthrl_tui.settings import load

    chosen = load()
    return Preferences(chosen.resume_python, chosen.resume_cwd, chosen.resume_command, chosen.resume_launcher)


def _target(arguments: argparse.Namespace) -> tuple[Run, Checkpoint]:
    from stealthrl_tui.service.events import ServiceError

    found = targets.named_run(arguments.run, arguments.root)
    try:
        return found, uri.chosen(found, arguments.checkpoint or "last", half="state")
    except Refusal as refusal:
        only_sampler = bool(found.checkpoints) and not any(each.state_uri for each in found.checkpoints)
        raise ServiceError("wrong_kind" if only_sampler else "no_checkpoint", f"{refusal}.") from refusal


def _check(
    plan: Plan, run: Run, checkpoint: Checkpoint, where: Where, launcher: str | None, teller: Teller, quiet: bool
) -> None:
    """Tell the checklist; raises ServiceError for the first line that stops the start."""
    from stealthrl_tui.actions.resume import place, preflight
    from stealthrl_tui.service.events import ServiceError

    word = None
    if checkpoint.state_uri is not None and preflight.askable(checkpoint):
        word = state_word.ask(checkpoint.state_uri, (lambda _: None) if quiet else teller.tell)
    with _phase(teller, "imports", quiet):
        probed = preflight.probe(plan)
    checks = (
        *preflight.check(plan, run, checkpoint, word, probed, time.time(), elsewhere=where == "launcher"),
        *place.check(plan, where, launcher),
    )
    for line in checks:
        if not quiet:
            teller.tell({"event": "check", "level": line.level, "what": line.what, "reason": line.reason})
        elif line.level == "warn":
            teller.note(f"{line.what}: {line.reason}")
    refused = preflight.refusal(checks)
    if refused is not None:
        raise ServiceError(refused.code, f"Not resumed: {refused.what}: {refused.reason}.")


def _start(plan: Plan, run: Run, where: Where, wanted: Preferences, teller: Teller) -> None:
    from stealthrl_tui.actions.resume import start
    from stealthrl_tui.service.events import ServiceError

    try:
        if not plan.ready:
            start.write_only(plan)
            teller.tell(_result(plan, run, pid=None, started=False))
            return
        with _phase(teller, "start", False):
            started = start.start(plan, where, launcher=wanted.launcher)
        with _phase(teller, "watch", False):
            started.watch()
    except start.StartFailed as failure:
        for line in failure.lines:
            teller.tell({"event": "output", "text": line})
        raise ServiceError(failure.code, f"Not resumed: {failure}.") from failure
    _tell_started(started, plan, run, teller)


def _tell_started(started: Started, plan: Plan, run: Run, teller: Teller) -> None:
    if started.note:
        teller.note(started.note)
    teller.tell(_result(plan, run, pid=started.pid, where=started.where))


def _script(plan: Plan, as_json: bool) -> str:
    from stealthrl_tui.actions.resume.script import script
    from stealthrl_tui.service.events import ServiceError

    text = script(plan)
    if not as_json and any(clean(line) != line for line in text.splitlines()):
        raise ServiceError("no_trainer", "The commands hold characters that a terminal would obey.", "Take --json.")
    return text


@contextmanager
def _phase(teller: Teller, name: str, quiet: bool) -> Iterator[None]:
    from stealthrl_tui.service.events import phase

    began = time.monotonic()
    yield
    if not quiet:
        teller.tell(phase(name, time.monotonic() - began))


def _plan_event(plan: Plan, run: Run) -> Event:
    from stealthrl_tui.actions.resume.script import script

    return {
        "event": "plan",
        "way": str(plan.way),
        "run": _name(plan, run),
        "path": plan.directory,
        "in_place": plan.in_place,
        "parent_run": run.name,
        "parent_uri": plan.state_uri,
        "checkpoint": plan.checkpoint,
        "step": plan.step,
        "argv": list(plan.argv),
        "command": plan.shell_line,
        "cwd": plan.cwd,
        "environment": dict(plan.environment),
        "interpreter": plan.interpreter.path,
        "interpreter_why": plan.interpreter.why,
        "files": dict(plan.files),
        "script": script(plan),
        "lost": list(plan.lost),
        "ready": plan.ready,
    }


def _name(plan: Plan, run: Run) -> str:
    return run.name if plan.in_place else os.path.join(os.path.dirname(run.name), plan.name)


def _result(plan: Plan, run: Run, *, pid: int | None, **more: Any) -> Event:
    from stealthrl_tui.service.events import result

    return result(
        run=_name(plan, run),
        path=plan.directory,
        pid=pid,
        command=plan.shell_line,
        log=plan.log,
        parent_uri=plan.state_uri,
        **more,
    )


def _words(event: Event) -> Iterator[str]:
    kind = event["event"]
    if kind == "plan":
        yield from _plan_words(event)
    elif kind == "check":
        yield f"{_MARKS[event['level']]} {event['what']:<17} {clean(event['reason'])}"
    elif kind == "output":
        yield f"  {clean(event['text'])}"
    elif kind == "waiting":
        yield f"… {clean(event['message'])}"
    elif kind == "result":
        yield from _result_words(event)


def _plan_words(event: Event) -> Iterator[str]:
    step = "?" if event["step"] is None else event["step"]
    yield f"from     {clean(event['parent_run'])}, checkpoint {clean(event['checkpoint'])}, step {step}"
    yield f"state    {clean(event['parent_uri']) if event['parent_uri'] else 'none'}"
    yield f"to       {clean(event['path'])}{' (the run goes on in its own directory)' if event['in_place'] else ''}"
    yield f"way      {event['way']}"
    yield f"command  {clean(event['command'])}"
    for path in event["files"]:
        yield f"writes   {clean(path)}"
    for lost in event["lost"]:
        yield f"loses    {clean(lost)}"


def _result_words(event: Event) -> Iterator[str]:
    if "script" in event:
        yield event["script"].rstrip("\n")
    elif event.get("dry_run"):
        yield "it would start"
    elif event.get("started") is False:
        yield f"written, not started: complete {clean(event['path'])}, then: {clean(event['command'])}"
    elif event["pid"] is None:
        yield f"handed to the launcher; output in {clean(event['log'])}"
    else:
        yield f"started as process {event['pid']}; output in {clean(event['log'])}"
