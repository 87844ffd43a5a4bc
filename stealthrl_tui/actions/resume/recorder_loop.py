"""Loops that save with this project's recorder: their rows tell when each was saved and until when it is kept."""

from __future__ import annotations

from stealthrl_tui.runs.model import Checkpoint
from stealthrl_tui.runs.saves import recorded

# The trainer of the demo and of the tests; it takes the cookbook's arguments.
SANDBOX_TRAINER = "stealthrl_tui.sandbox.trainer"


def written_by_recorder(checkpoint: Checkpoint) -> bool:
    """Whether the row of `checkpoint` has the recorder's own keys (`stealthrl_tui.recorder`)."""
    return recorded(checkpoint.extra)
