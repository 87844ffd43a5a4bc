"""`demo`: the browser on sample runs, one of them training, beside a service of its own."""

from __future__ import annotations

import argparse
import functools
from dataclasses import replace

from stealthrl_tui.settings import Settings, load
from stealthrl_tui.verbs.browse import open_browser, require_terminal

# Seconds between two questions to a service that is on this machine, and where a checkpoint is saved every few seconds.
_ASK_EVERY = 20.0


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """`demo` takes no arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Browse the samples while one of them trains."""
    require_terminal()
    from stealthrl_tui.sandbox.demo import run_demo

    return run_demo(functools.partial(open_browser, badge="SANDBOX", settings=_settings(load())))


def _settings(chosen: Settings) -> Settings:
    """The user's own keys and looks; what is said of real services and real clusters is not for the sandbox."""
    return replace(
        chosen,
        server_ask=True,
        server_interval=_ASK_EVERY,
        resume_python=None,
        resume_cwd=None,
        resume_command=None,
        resume_launcher=None,
    )
