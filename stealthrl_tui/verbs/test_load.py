"""`test-load`: load the sampler weights of a checkpoint and sample from them."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from stealthrl_tui.text import clean, duration, number
from stealthrl_tui.verbs import targets, uri
from stealthrl_tui.verbs.console import USAGE, Refusal
from stealthrl_tui.verbs.telling import Teller, add_json, add_root, run_telling

if TYPE_CHECKING:
    from stealthrl_tui.runs.model import Run
    from stealthrl_tui.service.events import Event, ServiceError

_LONGEST = 3600.0
_MOST_TOKENS = 32_768


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `test-load`."""
    parser.add_argument("what", metavar="RUN|URI", help="a run's name or path, or a tinker:// URI of any run")
    uri.add_checkpoint(parser)
    parser.add_argument("--prompt", metavar="TEXT", help="what to ask; a prompt of the run's own kind without it")
    parser.add_argument("--max-tokens", metavar="N", type=_tokens, default=64, help="how many tokens at most (64)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=120.0, help="how long all of it may take (120)"
    )
    add_root(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load and sample, and remember the outcome."""
    return run_telling(arguments, _words, lambda teller: _test(arguments, teller))


def _tokens(text: str) -> int:
    count = int(text)
    if not 1 <= count <= _MOST_TOKENS:
        raise ValueError
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _LONGEST:
        raise ValueError
    return seconds


def _test(arguments: argparse.Namespace, teller: Teller) -> None:
    from stealthrl_tui.actions.prompts import asked
    from stealthrl_tui.service.events import ServiceError
    from stealthrl_tui.service.sampling import Trial, test_load

    target, found = _target(arguments)
    prompt = asked(found, arguments.prompt)
    trial = Trial(
        target, prompt.text, opening=prompt.opening, max_tokens=arguments.max_tokens, timeout=arguments.timeout
    )
    memory = _Memory(trial.uri, trial.prompt, teller)
    teller.part_streams()
    try:
        test_load(trial, memory.tell, memory.end)
    except ServiceError as failure:
        memory.tell(failure.event())


class _Memory:
    """Passes events on, and remembers the last of them as the outcome of the test."""

    def __init__(self, target: str, prompt: str, teller: Teller) -> None:
        self._target = target
        self._prompt = prompt
        self._teller = teller

    def tell(self, event: Event) -> None:
        if self._teller.ended:
            return
        if event["event"] in ("result", "error"):
            event = {**event, "remembered": self._remember(event)}
        self._teller.tell(event)

    def end(self, failure: ServiceError) -> NoReturn:
        try:
            self.tell(failure.event())
        finally:
            self._teller.end(failure)

    def _remember(self, event: Event) -> bool:
        from stealthrl_tui.actions import trials
        from stealthrl_tui.settings import state_dir

        outcome = trials.from_event(self._target, self._prompt, event, time.time())
        try:
            trials.remember(state_dir(), outcome)
        except OSError as error:
            self._teller.note(f"the outcome can't be remembered: {error.strerror}")
            return False
        return True


def _target(arguments: argparse.Namespace) -> tuple[str, Run | None]:
    """The sampler weights meant, and their run when one was named; all that needs no server is refused here."""
    from stealthrl_tui.service.events import ServiceError

    if "://" in arguments.what:
        if arguments.checkpoint is not None:
            raise Refusal("--checkpoint belongs to a RUN: a URI names its checkpoint itself", USAGE)
        return targets.require_sampler(arguments.what), None
    found = targets.named_run(arguments.what, arguments.root)
    try:
        # The newest save of that name, whatever it holds: one without sampler weights is refused by name.
        checkpoint = uri.chosen(found, arguments.checkpoint, half="sampler")
    except Refusal as refusal:
        raise _none_to_load(found, refusal) from refusal
    if checkpoint.sampler_uri is None:
        has = "only its training state was saved" if checkpoint.state_uri else "its row has no path"
        name = f"Checkpoint {clean(checkpoint.name)} of {clean(found.name)}"
        hint = "Choose a checkpoint that has sampler weights."
        raise ServiceError("wrong_kind", f"{name} has no sampler weights: {has}.", hint)
    return targets.require_sampler(checkpoint.sampler_uri), found


def _none_to_load(run: Run, refusal: Refusal) -> ServiceError:
    """A run that saved states alone is one thing, a checkpoint that isn't there another."""
    from stealthrl_tui.service.events import ServiceError

    only_states = bool(run.checkpoints) and not any(checkpoint.sampler_uri for checkpoint in run.checkpoints)
    return ServiceError("wrong_kind" if only_states else "no_checkpoint", f"{refusal}.")


def _words(event: Event) -> Iterator[str]:
    if event["event"] == "phase":
        yield f"{event['phase']:<10} {duration(event['seconds'])}"
    elif event["event"] == "waiting":
        yield f"{event['phase']:<10} … {duration(event['seconds'])}: {clean(event['message'])}"
    elif event["event"] == "result":
        yield from _result_words(event)


def _result_words(event: Event) -> Iterator[str]:
    speed = event["tokens_per_second"]
    rate = f", {number(speed)} tokens/s" if speed is not None and math.isfinite(speed) else ""
    yield f"loads      {clean(event['uri'])} ({clean(event['base_model'])})"
    ended = f"ended by {clean(event['stop_reason'])}; prompt as {event['prompt_form']}"
    yield f"sampled    {len(event['tokens'])} tokens{rate}, {ended}"
    if event["text"] is None:
        yield "token ids  (there is no tokenizer) " + " ".join(str(token) for token in event["tokens"])
    else:
        yield "text       " + clean(event["text"])
