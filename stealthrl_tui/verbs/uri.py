"""`uri`: the URI of a checkpoint, alone on standard output."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from stealthrl_tui.text import clean
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import DONE, Refusal, note, say

if TYPE_CHECKING:
    from stealthrl_tui.runs.choose import Half
    from stealthrl_tui.runs.model import Checkpoint, Run

_WORDS: dict[Half, str] = {"sampler": "sampler weights", "state": "training state"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `uri`."""
    parser.add_argument("run", metavar="RUN", help="a run's name below the roots, or a path")
    add_checkpoint(parser)
    parser.add_argument(
        "--kind",
        choices=("sampler", "state"),
        help="which weights: sampler (to sample) or state (to train on); sampler, or state where there is no other",
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """The --checkpoint argument."""
    parser.add_argument(
        "--checkpoint",
        metavar="NAME|last|best|final",
        help="which save; the final one without it, the last where there is no final",
    )


def run(arguments: argparse.Namespace) -> int:
    """Say the URI."""
    found = places.the_run(arguments.run, places.roots(()))
    checkpoint = chosen(found, arguments.checkpoint)
    say(_safe(_uri(found, checkpoint, arguments.kind)))
    return DONE


def chosen(run: Run, which: str | None, half: Half | None = None) -> Checkpoint:
    """The checkpoint that --checkpoint means, by the user's own metric; a note when others have its name.

    `half` is what the last and the best must have. Raises Refusal when there is none.
    """
    from stealthrl_tui.runs.choose import NotFound, choose_checkpoint, namesakes
    from stealthrl_tui.settings import load

    metric, higher = places.preferences(run, load()) if which == "best" else (None, None)
    try:
        checkpoint = choose_checkpoint(run, which, half=half, metric=metric, higher=higher)
    except NotFound as problem:
        raise Refusal(str(problem)) from problem
    same = namesakes(run, checkpoint.name)
    if which == checkpoint.name and len(same) > 1:
        note(f"{len(same)} checkpoints are called {which}: this is the newest, {checkpoint.uri or 'without a path'}")
    return checkpoint


def _uri(run: Run, checkpoint: Checkpoint, kind: Half | None) -> str:
    from stealthrl_tui.runs.choose import half_of

    name = f"checkpoint {clean(checkpoint.name)} of {clean(run.name)}"
    if kind is None:
        if checkpoint.uri is None:
            raise Refusal(f"{name} has no path in its row: choose another one")
        if checkpoint.sampler_uri is None:
            note(f"{name} has no sampler weights: this is its training state")
        return checkpoint.uri
    uri = half_of(checkpoint, kind)
    if uri is None:
        raise Refusal(f"{name} has no {_WORDS[kind]}: {_others(run, kind)}")
    return uri


def _others(run: Run, kind: Half) -> str:
    from stealthrl_tui.runs.choose import half_of

    names = [clean(checkpoint.name) for checkpoint in run.checkpoints if half_of(checkpoint, kind)]
    return f"the newest that has is --checkpoint {names[-1]}" if names else "no checkpoint of this run has"


def _safe(uri: str) -> str:
    from stealthrl_tui.runs.uri import flaw

    if clean(uri) != uri:
        raise Refusal(f"the recorded path {clean(uri)} holds characters that a terminal would obey: see `show --json`")
    problem = flaw(uri)
    if problem is not None:
        note(f"the recorded path {problem}")
    return uri
