"""`ls`: the runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stealthrl_tui.text import NONE, clean, number
from stealthrl_tui.verbs import places
from stealthrl_tui.verbs.console import DONE, USAGE, Pieces, Refusal, note, say_json, table

if TYPE_CHECKING:
    from stealthrl_tui.runs.model import Run

_HEADINGS = ("STATUS", "NAME", "STEP", "METRIC", "VALUE", "CHECKPOINTS", "AGE")
_RIGHT = ("STEP", "VALUE", "CHECKPOINTS", "AGE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ls`."""
    places.add_roots(parser)
    parser.add_argument(
        "--filter", metavar="Q", default="", help="words and conditions: 'status:running reward>0.6 age<2d'"
    )
    parser.add_argument(
        "--sort", metavar="KEY", default="age", help="age, name, status, step, metric, ...; -KEY reverses"
    )
    parser.add_argument("--json", action="store_true", help="a list of runs as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List the runs below the roots that pass the filter, in the order asked for."""
    from stealthrl_tui.runs.library import Library
    from stealthrl_tui.runs.model import Depth
    from stealthrl_tui.runs.query import SORTS, parse, sort_runs
    from stealthrl_tui.runs.report import run_json

    key = arguments.sort.removeprefix("-")
    if key not in SORTS:
        raise Refusal(f"cannot sort by {clean(key)}: take one of {', '.join(SORTS)}", USAGE)
    places.require_folders(arguments.roots)
    query = parse(arguments.filter)
    for remark in query.notes:
        note(f"--filter: {remark}")
    library = Library(places.roots(arguments.roots))
    now = time.time()
    known = library.load_all(Depth.SUMMARY)
    for remark in library.notes:
        note(remark)
    runs = sort_runs((run for run in known if query.matches(run, now)), key, arguments.sort.startswith("-"))
    if arguments.json:
        say_json([run_json(run) for run in runs])
    elif runs:
        table(_HEADINGS, (_row(run, now) for run in runs), _RIGHT)
    else:
        note(_nothing(library.roots, len(known)))
    return DONE


def _row(run: Run, now: float) -> tuple[Pieces, ...]:
    from stealthrl_tui.runs.keys import label
    from stealthrl_tui.ui.presenter import age_text, latest, status_pieces, step_text

    return (
        status_pieces(run),
        ((clean(run.name), "bold"),),
        ((step_text(run), "text"),),
        ((clean(label(run.main_metric)) if run.main_metric else NONE, "dim"),),
        ((number(latest(run)), "text"),),
        ((str(len(run.checkpoints)), "text"),),
        ((age_text(run, now), "dim"),),
    )


def _nothing(roots: Sequence[str], known: int) -> str:
    where = " or ".join(roots)
    if known:
        return f"none of the {known} runs in {where} passes the filter"
    return f"no runs in {where}: name the folder they are in, or see `stealthrl-tui demo`"
