"""Taking up a StealthRL run, which has no resume of its own (FORMATS.md, "Resuming").

A launcher runs the trainer as it was run, but hands it a training client made from the state with its optimizer, and
passes the batch to start with. Everything that it replaces is checked before anything is trained.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Template
from typing import Any

from stealthrl_tui.actions.resume import interpreter, naming
from stealthrl_tui.actions.resume.value import Check, Plan, Preferences, Way
from stealthrl_tui.runs.discovery import TRAINING_CONFIG
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean

MODULE = "stealthrl.tinker.train"
LAUNCHER = "resume_launcher.py"
# Runs of today's trainer were written for this one; others move what the launcher replaces.
COOKBOOK = "0.1."
_PROGRAM = os.path.join("stealthrl", "tinker", "train.py")
_ARGUMENTS = "run_info.command_line_args."
# Parsed and ignored by the trainer, or set anew.
_REPLACED = ("run_name", "output_dir", "resume_from")
_NEEDED = ("stealthrl", "tinker", "tinker_cookbook")


def recorded_arguments(run: Run) -> Mapping[str, Any]:
    """The trainer's own arguments as it parsed them, without what is replaced; empty where none were recorded."""
    values = run.facts.config.get(TRAINING_CONFIG, {})
    return {key.removeprefix(_ARGUMENTS): value for key, value in values.items() if key.startswith(_ARGUMENTS)}


def plan(run: Run, checkpoint: Checkpoint, name: str | None, preferences: Preferences) -> Plan:
    """The launcher with the original arguments and a new run name, in the training project's folder."""
    arguments = recorded_arguments(run)
    name = naming.suggest(run, checkpoint) if name is None else name
    directory = naming.directory_of(run, name)
    cwd, lost_folder = _project(run, arguments, preferences.cwd)
    python = interpreter.choose(preferences.python, None, (cwd, run.path))
    program = os.path.join(cwd, _PROGRAM)
    launcher = os.path.join(directory, LAUNCHER)
    words = (*as_words(arguments), "--output-dir", os.path.dirname(directory), "--run-name", name)
    return Plan(
        way=Way.STEALTHRL,
        parent=run.path,
        parent_name=run.name,
        checkpoint=checkpoint.name,
        state_uri=checkpoint.state_uri,
        step=checkpoint.step,
        name=name,
        directory=directory,
        in_place=False,
        argv=(python.path, launcher, *words),
        cwd=cwd,
        interpreter=python,
        files={launcher: launcher_text(run, checkpoint)},
        modules=tuple(dict.fromkeys((*_NEEDED, *interpreter.imports_of(program)))),
        import_path=cwd,
        data=tuple(_data(run, arguments, cwd)),
        lost=tuple(_lost(run)),
        obstacles=(*lost_folder, *_stepless(checkpoint), *naming.obstacles(run, name)),
    )


def launcher_text(run: Run, checkpoint: Checkpoint) -> str:
    """The launcher of that checkpoint; every value in it is a Python literal."""
    template = files("stealthrl_tui.actions.resume") / "templates" / "stealthrl_launcher.py.tmpl"
    return Template(template.read_text(encoding="utf-8")).substitute(
        state_uri=repr(checkpoint.state_uri),
        start_batch=repr(checkpoint.step),
        base_model=repr(run.facts.base_model),
        lora_rank=repr(run.facts.lora_rank),
        module=repr(MODULE),
    )


def as_words(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Parsed arguments as the command line that gives them: a flag for True, nothing for False and None."""
    for key, value in arguments.items():
        option = "--" + key.replace("_", "-")
        if key in _REPLACED or value is None or value is False:
            continue
        if value is True:
            yield option
        elif isinstance(value, list):
            yield from (option, *map(str, value))
        else:
            # In one word, since a value may begin with a dash.
            yield f"{option}={value}"


def _project(run: Run, arguments: Mapping[str, Any], setting: str | None) -> tuple[str, tuple[Check, ...]]:
    """The folder that the recorded relative paths start from."""
    if setting:
        folder = os.path.abspath(os.path.expanduser(setting))
        return folder, () if os.path.isdir(folder) else (_no_project(f"{clean(folder)} (resume.cwd) is no folder"),)
    marks = [_PROGRAM, *_relative(arguments, "config")]
    for needed in (marks, marks[:1], marks[1:]):
        for folder in (*interpreter.ancestors(run.path), os.getcwd()):
            if needed and all(os.path.exists(os.path.join(folder, mark)) for mark in needed):
                return folder, ()
    why = f"no folder above {clean(run.path, 200)} holds {' and '.join(clean(mark, 100) for mark in marks)}"
    return os.getcwd(), (_no_project(f"{why}: start in the training project's folder, or set resume.cwd"),)


def _no_project(why: str) -> Check:
    return Check("fail", "training project", why, "no_trainer")


def _relative(arguments: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = arguments.get(key)
    return (value,) if isinstance(value, str) and value and not os.path.isabs(value) else ()


def _data(run: Run, arguments: Mapping[str, Any], cwd: str) -> Iterator[str]:
    # The data path among the arguments is often a default that the configuration file overrides.
    for value in (arguments.get("config"), run.facts.config.get(TRAINING_CONFIG, {}).get("dataset.path")):
        if isinstance(value, str) and value and "\0" not in value:
            yield os.path.join(cwd, value)


def _stepless(checkpoint: Checkpoint) -> tuple[Check, ...]:
    if checkpoint.step is not None:
        return ()
    return (Check("fail", "step", "nothing tells after how many steps it was saved", "no_checkpoint"),)


def _lost(run: Run) -> Iterator[str]:
    yield "the metrics so far: they stay with the original run"
    yield "the sampler's random state: the rollouts after the resume are other ones"
    config = run.facts.config.get(TRAINING_CONFIG, {})
    if config.get("reward.normalization.enabled", True) and config.get("reward.normalization.detector_zscore", True):
        yield "the running mean and deviation of the detector reward: they start over"
    if config.get("training.training_mode") == "async":
        yield "trajectories that were under way (asynchronous mode)"
