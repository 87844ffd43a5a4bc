"""`doctor`: what is set up, what is not, and what to do about it. The only command here that uses the network."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from stealthrl_tui.text import clean
from stealthrl_tui.verbs.checks import Check, machine_checks, service_checks, terminal_checks
from stealthrl_tui.verbs.console import DONE, FAILED, coloured, paint, say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help='{"checks": [{"name", "ok", "value", "hint"}]}')


def run(arguments: argparse.Namespace) -> int:
    """Check everything; 1 when something needed is broken. A missing key is not: browsing needs none."""
    checks = list(_checks())
    if arguments.json:
        from dataclasses import asdict

        from stealthrl_tui.runs.report import sanitized

        say_json(sanitized({"checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            _say(check)
    return DONE if all(check.ok for check in checks) else FAILED


def _checks() -> Iterator[Check]:
    yield from machine_checks(os.environ)
    yield from terminal_checks(os.environ)
    yield from service_checks(os.environ)


def _say(check: Check) -> None:
    mark = ("✗", "bad") if not check.ok else (("!", "warning") if check.hint else ("✓", "alive"))
    colour = coloured()
    say(paint((mark, (f" {check.name:<14}", "dim"), (clean(check.value), "text")), colour))
    if check.hint:
        say(paint((((" " * 16) + clean(check.hint), "dim"),), colour))
