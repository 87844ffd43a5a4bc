"""A run that nothing tells how to start again: a script whose loop the user writes, or the user's own command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from string import Template

from stealthrl_tui.actions.resume import interpreter, naming
from stealthrl_tui.actions.resume.fill import Unfillable, fill
from stealthrl_tui.actions.resume.value import Check, Interpreter, Plan, Preferences, Way
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.runs.saving import advised_save_every

SCRIPT = "resume_loop.py"
MARK = "YOUR TRAINING LOOP"
_USUAL_SAVE_EVERY = 10


def own_plan(run: Run, checkpoint: Checkpoint, name: str | None, preferences: Preferences) -> Plan:
    """The user's command template, filled in word by word: no value can become another word or a shell's command.

    `{run}` and `{new_run}` are the directories of the original and of the new run.
    """
    name = naming.suggest(run, checkpoint) if name is None else name
    directory = naming.directory_of(run, name)
    cwd = os.path.abspath(os.path.expanduser(preferences.cwd)) if preferences.cwd else os.getcwd()
    python = interpreter.choose(preferences.python, None, (cwd, run.path))
    values = {
        "state_uri": checkpoint.state_uri,
        "base_model": run.facts.base_model,
        "lora_rank": run.facts.lora_rank,
        "step": checkpoint.step,
        "run": run.path,
        "new_run": directory,
        "python": python.path,
    }
    plan = _plan(Way.OWN, run, checkpoint, name, cwd, python, naming.obstacles(run, name))
    plan = replace(plan, lost=("what the command does not carry over",))
    try:
        return replace(plan, argv=fill(preferences.command or "", values))
    except Unfillable as problem:
        bad = Check("fail", "command template", f"the one in the settings {problem}", "no_trainer")
        return replace(plan, obstacles=(bad, *plan.obstacles))


def scaffold_plan(run: Run, checkpoint: Checkpoint, name: str | None, preferences: Preferences) -> Plan:
    """A script that opens the state with its optimizer, checks the model and saves with the recorder; no loop."""
    name = naming.suggest(run, checkpoint) if name is None else name
    # Our own Python has the recorder; a training environment may not.
    python = interpreter.choose(preferences.python, None, ()) if preferences.python else _ours()
    cwd = os.path.abspath(os.path.expanduser(preferences.cwd)) if preferences.cwd else os.path.dirname(run.path)
    plan = _plan(Way.SCAFFOLD, run, checkpoint, name, cwd, python, (*_why(run), *naming.obstacles(run, name)))
    script = os.path.join(plan.directory, SCRIPT)
    return replace(
        plan,
        argv=(python.path, script),
        files={script: scaffold_text(run, checkpoint, plan.directory)},
        modules=("tinker", "stealthrl_tui"),
        lost=("the training loop and its data: they are yours to write at the marked place",),
        ready=False,
    )


def _ours() -> Interpreter:
    return Interpreter(sys.executable, "the one that runs this browser, which has the recorder")


def _why(run: Run) -> Iterator[Check]:
    recorded = "its files record no command line" if run.facts.command is None else "it was not asked for"
    yield Check("warn", "training program", f"{recorded}: a script is written, and its loop is yours to write")


def scaffold_text(run: Run, checkpoint: Checkpoint, directory: str) -> str:
    """The script; every value in it is a Python literal."""
    total = run.total_steps
    save_every = run.facts.save_every or (advised_save_every(total) if total else _USUAL_SAVE_EVERY)
    template = files("stealthrl_tui.actions.resume") / "templates" / "resume_loop.py.tmpl"
    return Template(template.read_text(encoding="utf-8")).substitute(
        state_uri=repr(checkpoint.state_uri),
        run_dir=repr(directory),
        base_model=repr(run.facts.base_model),
        lora_rank=repr(run.facts.lora_rank),
        start_step=repr(checkpoint.step or 0),
        total_steps=repr(total),
        save_every=repr(save_every),
        mark=MARK,
    )


def _plan(
    way: Way, run: Run, checkpoint: Checkpoint, name: str, cwd: str, python: Interpreter, obstacles: tuple[Check, ...]
) -> Plan:
    return Plan(
        way=way,
        parent=run.path,
        parent_name=run.name,
        checkpoint=checkpoint.name,
        state_uri=checkpoint.state_uri,
        step=checkpoint.step,
        name=name,
        directory=naming.directory_of(run, name),
        in_place=False,
        argv=(),
        cwd=cwd,
        interpreter=python,
        obstacles=obstacles,
    )
