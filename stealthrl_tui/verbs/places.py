"""Where runs are looked for, and the one that a RUN on the command line means."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stealthrl_tui.text import clean
from stealthrl_tui.verbs.console import USAGE, Refusal

if TYPE_CHECKING:
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.settings import Settings

LOCAL_ROOT = os.path.join("outputs", "runs")
COOKBOOK_VARIABLE = "TINKER_COOKBOOK_RUNS_DIR"
HOME_ROOT = os.path.join("~", "tinker-runs")


def add_roots(parser: argparse.ArgumentParser) -> None:
    """The ROOT arguments."""
    parser.add_argument("roots", nargs="*", metavar="ROOT", help="folders to look for runs in")


def roots(given: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """The folders given; else outputs/runs when it exists; else the cookbook's; else ~/tinker-runs."""
    if given:
        return list(given)
    if os.path.isdir(LOCAL_ROOT):
        return [LOCAL_ROOT]
    return [os.path.expanduser(environ.get(COOKBOOK_VARIABLE) or HOME_ROOT)]


def require_folders(given: Sequence[str], *, later: bool = False) -> None:
    """Raises Refusal for a root that the user named and that is no folder, or one that can't be read.

    With `later` one that doesn't exist may still come.
    """
    for root in given:
        try:
            os.scandir(root).close()
        except FileNotFoundError:
            if later:
                continue
            what = "does not exist"
        except NotADirectoryError:
            what = "is a file, not a folder"
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
        else:
            continue
        raise Refusal(f"{clean(root)} {what}: name the folder that the runs are in")


def the_run(text: str, within: Sequence[str]) -> Run:
    """The run of that name below the roots, or of that path, read in full. Raises Refusal when there is none."""
    from stealthrl_tui.runs.choose import NotFound, find_run
    from stealthrl_tui.runs.discovery import Search
    from stealthrl_tui.runs.library import Library
    from stealthrl_tui.runs.model import Depth
    from stealthrl_tui.runs.run import RunReader

    if not text:
        raise Refusal("RUN is empty: give a name that `ls` shows, or a path", USAGE)
    path = os.path.abspath(os.path.expanduser(text))
    named = [] if text.startswith((".", "~", "/")) else [os.path.abspath(os.path.join(root, text)) for root in within]
    for place in (*named, path):
        found = Search(within).at(place) or Search([place]).at(place)
        if found is not None:
            return RunReader(found).read(Depth.FULL, time.time())
    library = Library(within)
    listed = list(library.discover())
    if not listed and not os.path.exists(path):
        where = " or ".join(clean(root) for root in within)
        raise Refusal(f"there is no run {clean(text)}: {where} has no runs, and it is no path of one")
    try:
        run = find_run(listed, text)
    except NotFound as problem:
        if os.path.isdir(path):
            raise Refusal(f"{clean(text)} is a folder but no run: {_content(path)}") from problem
        # Perhaps it is in a folder that could not be looked into.
        raise Refusal("; ".join((str(problem), *library.notes[:3]))) from problem
    return library.read(run.path, Depth.FULL) or run


def _content(path: str) -> str:
    from itertools import islice

    from stealthrl_tui.runs.library import Library

    names = [clean(run.name) for run in islice(Library([path]).discover(), 3)]
    return f"runs below it are {', '.join(names)}" if names else "nothing in it was written by a training run"


def preferences(run: Run, settings: Settings) -> tuple[str | None, bool | None]:
    """The metric that says how good a checkpoint of `run` is, and whether higher is better: the user's, else the usual.

    None where there is no such metric, or where neither direction is better.
    """
    from stealthrl_tui.runs.keys import higher_is_better

    metric = settings.metrics.get(run.facts.kind)
    if metric not in run.metrics.keys:
        metric = run.main_metric
    if metric is None:
        return None, None
    return metric, settings.higher.get(metric, higher_is_better(metric))
