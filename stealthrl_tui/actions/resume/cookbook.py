"""Taking up a run whose command line is recorded, as the cookbook's recipes do (FORMATS.md, "Resuming").

The last state of the ledger is resumed in the run's own directory. Any other gets a new directory whose ledger holds
that one row: the recipe then takes it for the last. The original ledger is never written.
"""

from __future__ import annotations

import os

from stealthrl_tui.actions.resume import interpreter, ledger, naming
from stealthrl_tui.actions.resume.program import Program, locate, told_to_resume
from stealthrl_tui.actions.resume.recorder_loop import SANDBOX_TRAINER, written_by_recorder
from stealthrl_tui.actions.resume.value import NO_ADDITIONS, Check, Plan, Preferences, Way
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.ledger import LEDGERS
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean

_SAME_DATA = "what the program keeps outside its checkpoints (random state, running statistics)"
_STRICT = "the cookbook's own resume stops on it"


def plan(run: Run, checkpoint: Checkpoint, name: str | None, preferences: Preferences) -> Plan:
    """The recorded command, told to resume; with `name` always in a new directory."""
    program = locate(run.facts.command or "", run.path, preferences.cwd)
    own, found = _ledger(run)
    in_place = name is None and own.flaw is None and own.resumes_from == checkpoint.state_uri
    if name is None:
        name = os.path.basename(run.path) if in_place else naming.suggest(run, checkpoint)
    way = _way(program, checkpoint)
    directory = run.path if in_place else naming.directory_of(run, name)
    python = interpreter.choose(preferences.python, program.path, (program.cwd, run.path))
    obstacles = [*found, program.problem or _folder(program)]
    if not in_place:
        obstacles += [*naming.obstacles(run, name), *([_new_because(own)] if own.flaw else [])]
    files, unread = (NO_ADDITIONS, ()) if in_place else _files(run, checkpoint, directory)
    return Plan(
        way=way,
        parent=run.path,
        parent_name=run.name,
        checkpoint=checkpoint.name,
        state_uri=checkpoint.state_uri,
        step=checkpoint.step,
        name=name,
        directory=directory,
        in_place=in_place,
        argv=(python.path, *program.words, *told_to_resume(program.arguments, directory)),
        cwd=program.cwd,
        interpreter=python,
        files=files,
        modules=program.modules,
        import_path=program.import_path,
        lost=_lost(run, way, in_place),
        obstacles=(*obstacles, *unread),
    )


def _way(program: Program, checkpoint: Checkpoint) -> Way:
    ours = written_by_recorder(checkpoint) or program.words == ("-m", SANDBOX_TRAINER)
    return Way.RECORDER if ours else Way.COOKBOOK


def _ledger(run: Run) -> tuple[ledger.Ledger, tuple[Check, ...]]:
    try:
        return ledger.read(os.path.join(run.path, LEDGERS[0])), ()
    except OSError as error:
        return ledger.Ledger(flaw="can't be read"), (_unreadable(error),)


def _unreadable(error: OSError) -> Check:
    return Check("fail", "ledger", f"the run's ledger can't be read: {error.strerror}", "no_checkpoint")


def _new_because(own: ledger.Ledger) -> Check:
    return Check("warn", "ledger", f"checkpoints.jsonl {own.flaw}, {_STRICT}: a new directory gets the one row instead")


def _files(run: Run, checkpoint: Checkpoint, directory: str) -> tuple[dict[str, str], tuple[Check, ...]]:
    try:
        return {os.path.join(directory, LEDGERS[0]): ledger.one_row(run.path, checkpoint)}, ()
    except OSError as error:
        return {}, (_unreadable(error),)


def _folder(program: Program) -> Check:
    """The record holds neither folder nor environment: what is taken for them is said."""
    return Check(
        "ok", "working folder", f"{clean(program.cwd, 200)}; environment variables are this terminal's, not the run's"
    )


def _lost(run: Run, way: Way, in_place: bool) -> tuple[str, ...]:
    lost = [_SAME_DATA]
    if run.facts.kind is Kind.SL and way is Way.COOKBOOK:
        lost.append("one batch: the cookbook's supervised loop repeats the one that was saved after")
    if not in_place:
        lost.append("the metrics so far: they stay with the original run")
    return tuple(lost)
