"""`export`: an inference script for a checkpoint."""

from __future__ import annotations

import argparse
import sys

from stealthrl_tui.text import clean
from stealthrl_tui.verbs import places, uri
from stealthrl_tui.verbs.console import DONE, USAGE, Refusal, note, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    from stealthrl_tui.actions.export import TEMPLATES

    parser.add_argument("run", metavar="RUN", help="a run's name below the roots, or a path")
    uri.add_checkpoint(parser)
    parser.add_argument("--template", metavar="T", choices=list(TEMPLATES), help=", ".join(TEMPLATES))
    parser.add_argument("--output", metavar="PATH", help="a file or a folder; inference.py in the run without it")
    parser.add_argument("--force", action="store_true", help="replace a file that is not an unchanged export")
    parser.add_argument("--print", action="store_true", help="say the script, write nothing")


def run(arguments: argparse.Namespace) -> int:
    """Write the script and say where it is, or say the script itself."""
    from stealthrl_tui.actions.export import DEFAULT_TEMPLATE, ExportRefused, plan, write
    from stealthrl_tui.settings import load

    if arguments.output in ("", "-"):
        raise Refusal("--output takes a file or a folder: --print says the script on standard output", USAGE)
    found = places.the_run(arguments.run, places.roots(()))
    checkpoint = uri.chosen(found, arguments.checkpoint, half="sampler")
    template = arguments.template or load().template or DEFAULT_TEMPLATE
    try:
        export = plan(found, checkpoint, template=template, output=arguments.output)
        path = None if arguments.print else write(export, force=arguments.force)
    except ExportRefused as problem:
        raise Refusal(str(problem)) from problem
    for warning in export.warnings:
        note(warning)
    if path is None:
        sys.stdout.write(export.text)
    else:
        note(f"checkpoint {clean(checkpoint.name)}, template {export.template}")
        say(clean(path))
    return DONE
