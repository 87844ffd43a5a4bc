"""Test-load: open the sampler weights and sample from them, telling every phase."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stealthrl_tui.service.errors import explain
from stealthrl_tui.service.events import Emit, End, Event, ServiceError, phase
from stealthrl_tui.service.weather import Watch, begin
from stealthrl_tui.text import duration

if TYPE_CHECKING:
    import tinker

DEFAULT_TIMEOUT = 120.0
DEFAULT_TOKENS = 64
# A hub out of reach takes minutes to say so; with a short timeout there has to be time left to sample ids.
TOKENIZER_SECONDS = 20.0
_TOKENIZER_SHARE = 0.25
# Without a tokenizer the prompt is these byte values: any vocabulary has them.
_BLIND_PROMPT = (72, 101, 108, 108, 111)
_TURN_END = "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to load and what to ask it.

    `prompt` is a user's message, and `opening` what the answer is made to begin with. `timeout` bounds everything, in
    seconds, the search for a tokenizer being given a quarter of it and `TOKENIZER_SECONDS` at most.
    """

    uri: str
    prompt: str
    opening: str = ""
    max_tokens: int = DEFAULT_TOKENS
    temperature: float = 1.0
    timeout: float = DEFAULT_TIMEOUT

    @property
    def tokenizer_timeout(self) -> float:
        """After how many seconds the sample is taken without a tokenizer."""
        return min(TOKENIZER_SECONDS, _TOKENIZER_SHARE * self.timeout)


@dataclass(frozen=True, slots=True)
class _Prompt:
    form: str
    ids: list[int]
    stop: list[str] | None


def test_load(trial: Trial, emit: Emit, end: End) -> None:
    """Connect, load, fetch the tokenizer, sample; raises ServiceError with one of DESIGN.md's codes.

    For a child process only: `end` is called from any thread, and ends it, when the service goes away. The result:
    uri, base_model, seconds, prompt_form ("chat template", "plain text" or "token ids"), text (None without a
    tokenizer), tokens (ids), tokens_per_second, stop_reason ("stop" or "length").
    """
    started = time.monotonic()
    watch = begin(emit, end, timeout=trial.timeout, uri=trial.uri)
    try:
        _run(trial, watch, started)
    except ServiceError:
        raise
    except Exception as error:
        raise explain(error, trial.uri) from error


def _run(trial: Trial, watch: Watch, started: float) -> None:
    import tinker

    with tinker.ServiceClient() as service:
        watch.tell(phase("connect", time.monotonic() - started))
        with watch.phase("load"):
            client = service.create_sampling_client(model_path=trial.uri).result(trial.timeout)
            base_model = client.get_base_model()
        limit = duration(trial.tokenizer_timeout)
        with watch.phase("tokenizer", quiet=f"no answer from its hub yet; without one, token ids after {limit}"):
            tokenizer = _tokenizer(client, trial.tokenizer_timeout)
            prompt = _render(tokenizer, trial)
        began = time.monotonic()
        with watch.phase("sample"):
            sequence = _sample(client, trial, prompt)
        seconds = time.monotonic() - began
        watch.tell(
            {
                "event": "result",
                "ok": True,
                "uri": trial.uri,
                "base_model": base_model,
                "seconds": round(time.monotonic() - started, 3),
                "prompt_form": prompt.form,
                **_said(sequence, tokenizer, seconds),
            }
        )
        watch.settle()


def _sample(client: tinker.SamplingClient, trial: Trial, prompt: _Prompt) -> tinker.SampledSequence:
    import tinker

    params = tinker.SamplingParams(max_tokens=trial.max_tokens, temperature=trial.temperature, stop=prompt.stop)
    answer = client.sample(prompt=tinker.ModelInput.from_ints(prompt.ids), num_samples=1, sampling_params=params)
    return answer.result(trial.timeout).sequences[0]


def _said(sequence: tinker.SampledSequence, tokenizer: Any, seconds: float) -> Event:
    tokens = list(sequence.tokens)
    return {
        "text": None if tokenizer is None else str(tokenizer.decode(tokens, skip_special_tokens=True)),
        "tokens": tokens,
        "tokens_per_second": round(len(tokens) / seconds, 1) if seconds > 0 else None,
        "stop_reason": str(sequence.stop_reason),
    }


def _render(tokenizer: Any, trial: Trial) -> _Prompt:
    # The rules of the exported scripts (actions/templates), without the cookbook's renderers.
    if tokenizer is None:
        return _Prompt("token ids", list(_BLIND_PROMPT), None)
    if not getattr(tokenizer, "chat_template", None):
        return _Prompt("plain text", list(tokenizer.encode(trial.prompt)), None)
    messages = [{"role": "user", "content": trial.prompt}]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    if not text.endswith(trial.opening):
        text += trial.opening
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    return _Prompt("chat template", ids, [_TURN_END] if _TURN_END in text else None)


def _tokenizer(client: tinker.SamplingClient, seconds: float) -> Any:
    """The model's tokenizer, None when it can't be had in time.

    Whatever is wrong with it ends the thread, and the thread's last words are in the log.
    """
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(client.get_tokenizer()), name="tokenizer", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None
