"""What can be copied of a checkpoint besides its URI: code and commands that load it, ready to paste."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from stealthrl_tui.actions.fill import SERVICE_URL, literal
from stealthrl_tui.runs import uri
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean

_SAMPLE = """\
import tinker

with tinker.ServiceClient() as service:
    client = service.create_sampling_client(model_path={uri}).result()
    tokenizer = client.get_tokenizer()
    # Plain text; `stealthrl-tui export` writes a script that renders the chat format.
    prompt = tinker.ModelInput.from_ints(tokenizer.encode("Hello"))
    params = tinker.SamplingParams(max_tokens=64)
    response = client.sample(prompt=prompt, num_samples=1, sampling_params=params).result()
    print(tokenizer.decode(response.sequences[0].tokens))
"""
_RESUME = """\
import tinker

with tinker.ServiceClient() as service:
    # Weights and optimizer; base model{base} and LoRA rank{rank} come from the checkpoint.
    training_client = service.create_training_client_from_state_with_optimizer({uri}).result()
    print(training_client.get_info())
"""
_CURL = """\
curl -sS "${{TINKER_BASE_URL:-{url}}}/oai/api/v1/chat/completions" \\
  -H "Authorization: Bearer $TINKER_API_KEY" -H 'Content-Type: application/json' \\
  -d {body}
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to copy: `key` names it for scripts and tests, `title` on the screen; `text` is what is copied."""

    key: str
    title: str
    text: str


def choices(run: Run, checkpoint: Checkpoint) -> tuple[Choice, ...]:
    """Everything that can be copied of `checkpoint`, the URIs first; what needs a missing half is left out.

    A path that isn't a usable Tinker URI can still be copied, but no code is offered that would fail on it.
    """
    found: list[Choice] = []
    if checkpoint.sampler_uri is not None:
        found.append(Choice("sampler", "sampler weights URI", clean(checkpoint.sampler_uri)))
    if checkpoint.state_uri is not None:
        found.append(Choice("state", "training state URI", clean(checkpoint.state_uri)))
    sampler = _usable(checkpoint.sampler_uri, "sampler_weights")
    state = _usable(checkpoint.state_uri, "weights")
    if sampler is not None:
        found.append(Choice("python", "Python: sample from it", _SAMPLE.format(uri=literal(sampler))))
    if state is not None:
        found.append(Choice("resume", "Python: resume training from it", _resume(run, state)))
    if sampler is not None:
        found.append(Choice("openai", "curl: the OpenAI-compatible call", _curl(sampler)))
    found += _commands(run, checkpoint, sampler, state)
    return tuple(found)


def _usable(text: str | None, kind: str) -> str | None:
    """`text` when it is a Tinker URI of `kind`; the older two-part form names none and is sampler weights."""
    parsed = uri.parse(text) if text is not None else None
    return text if parsed is not None and (parsed.kind or "sampler_weights") == kind else None


def _resume(run: Run, state: str) -> str:
    base = f" {clean(run.facts.base_model)}" if run.facts.base_model else ""
    rank = f" {run.facts.lora_rank}" if run.facts.lora_rank is not None else ""
    return _RESUME.format(uri=literal(state), base=base, rank=rank)


def _curl(sampler: str) -> str:
    body = {"model": sampler, "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}
    return _CURL.format(url=SERVICE_URL, body=shlex.quote(json.dumps(body)))


def _commands(run: Run, checkpoint: Checkpoint, sampler: str | None, state: str | None) -> list[Choice]:
    found = []
    # The service's REST calls refuse the two-part form.
    listed = next((each for each in (sampler, state) if each is not None and not _two_part(each)), None)
    if listed is not None:
        found.append(Choice("info", "tinker: what the server knows", f"tinker checkpoint info {shlex.quote(listed)}"))
    if state is not None:
        command = f"tinker checkpoint download {shlex.quote(state)}"
        found.append(Choice("download", "tinker: download the weights", command))
    # A name that a terminal would obey can't be pasted safely in any quotes.
    if not (run.path.isprintable() and checkpoint.name.isprintable()):
        return found
    which = f"{shlex.quote(run.path)} --checkpoint={shlex.quote(checkpoint.name)}"
    if sampler is not None:
        found.append(Choice("export", "stealthrl-tui: export a script", f"stealthrl-tui export {which}"))
    kind = "sampler" if checkpoint.sampler_uri is not None else "state"
    if checkpoint.uri is not None:
        found.append(Choice("uri", "stealthrl-tui: the URI", f"stealthrl-tui uri {which} --kind={kind}"))
    return found


def _two_part(text: str) -> bool:
    parsed = uri.parse(text)
    return parsed is not None and parsed.two_part
