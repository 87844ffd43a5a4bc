"""What a checkpoint is asked when it is only to be seen at work: a prompt of the kind it was trained on (TINKER.md)."""

from __future__ import annotations

from dataclasses import dataclass

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Run

_TEXT = "The old lighthouse keeper counted the ships every evening, although nobody had asked him to for many years."
_PARAPHRASE = (
    "Please paraphrase the following text while maintaining its meaning and ensuring it reads naturally:"
    f"\n\n{_TEXT}\n\nParaphrased text:"
)
_ANY = "Say in one sentence what the sea sounds like."


@dataclass(frozen=True, slots=True)
class Prompt:
    """A user's message, and what the answer is made to begin with (as the run's trainer did), often nothing."""

    text: str
    opening: str = ""


def asked(run: Run | None, text: str | None = None) -> Prompt:
    """The prompt `text`, or one of the run's own kind; both with the run's opening. No run, no opening."""
    if run is None:
        return Prompt(text or _ANY)
    usual = _PARAPHRASE if run.facts.kind is Kind.STEALTHRL else _ANY
    return Prompt(text or usual, opening(run))


def opening(run: Run) -> str:
    """What every answer in the run's training began with, often nothing."""
    # The cookbook that StealthRL trains with opens every assistant turn so; later renderers and templates do not.
    return "<think>\n" if run.facts.kind is Kind.STEALTHRL and run.facts.renderer == "qwen3" else ""
