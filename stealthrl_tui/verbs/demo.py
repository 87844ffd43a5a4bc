"""`demo`: the browser on sample runs, one of them training."""

from __future__ import annotations

import argparse
import functools
import math

from stealthrl_tui.verbs.browse import open_browser, require_terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument(
        "--speed", metavar="X", type=_speed, default=2.0, help="how many times as fast as it was recorded"
    )


def run(arguments: argparse.Namespace) -> int:
    """Browse the samples while one of them goes on."""
    require_terminal()
    from stealthrl_tui.sandbox.demo import run_demo

    return run_demo(functools.partial(open_browser, badge="demo"), speed=arguments.speed)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not (math.isfinite(speed) and speed > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return speed
