"""An inference script for a checkpoint: planned first, then written; nothing the user made is overwritten unasked."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from stealthrl_tui import __version__
from stealthrl_tui.actions.atomic import write_text
from stealthrl_tui.actions.fill import fill, prose
from stealthrl_tui.actions.prompts import opening
from stealthrl_tui.runs import keys, uri
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.model import Checkpoint, Run
from stealthrl_tui.text import clean, iso, number

TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        "sdk": "one answer with the Tinker SDK, the plain way",
        "async": "many prompts at the same time",
        "chat": "a conversation in the terminal, or one prompt",
        "openai": "the OpenAI-compatible address: no SDK, no tokenizer",
        "stealthrl": "a paraphrase, asked for as StealthRL trained it",
    }
)
DEFAULT_TEMPLATE = "sdk"
Overwrites = Literal["nothing", "ours", "users"]

_SHEBANG = b"#!/usr/bin/env python3\n"
_SEAL = re.compile(rb"# Exported by stealthrl-tui; sha256 of all that follows: ([0-9a-f]{64})\n")
# No script of ours is near this; a bigger file is somebody else's and need not be read.
_OURS_MAX_BYTES = 1 << 20


class ExportRefused(Exception):  # noqa: N818  it is an answer, not a fault
    """The export can't be made; the message says what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Export:
    """A script that would be written to `path`. `overwrites` is whose file is there now.

    `warnings` are what the reader should know: what is a guess, and what may not work.
    """

    path: Path
    text: str
    template: str
    warnings: tuple[str, ...]
    overwrites: Overwrites


def plan(
    run: Run,
    checkpoint: Checkpoint,
    *,
    template: str = DEFAULT_TEMPLATE,
    output: str | None = None,
    now: float | None = None,
) -> Export:
    """The script that samples from `checkpoint`, and where it would go.

    `output` is a file or an existing folder; without it the script goes into the run's own directory. `now` (Unix
    seconds) is the time that the script says it was made at. Raises ExportRefused when there is nothing to sample from.
    """
    sampler_uri = _sampler_uri(run, checkpoint)
    if template not in TEMPLATES:
        raise ExportRefused(f"there is no template {clean(template)!r}: take one of {', '.join(TEMPLATES)}")
    constants = {
        "SAMPLER_URI": sampler_uri,
        "RENDERER": run.facts.renderer,
        "OPENING": opening(run),
        "FEW_SHOT": _few_shot(run),
    }
    text = _sealed(fill(template, _about(run, checkpoint, sampler_uri, template, now), constants))
    path = _path(run, checkpoint, output)
    return Export(path, text, template, _warnings(run, checkpoint, template), whose(path))


def write(export: Export, *, force: bool = False) -> Path:
    """Write the script, whole or not at all. With `force` a file of the user's is replaced too.

    Raises ExportRefused when a file is there that isn't our own unchanged output, or when it can't be written.
    """
    shown = clean(export.path)
    if _is_folder(export.path):
        raise ExportRefused(f"{shown} is a folder: name a file in it")
    if _is_special(export.path):
        raise ExportRefused(f"{shown} is no regular file, and a script would take its place: name another file")
    if not force and whose(export.path) == "users":
        raise ExportRefused(
            f"{shown} is there and is not an export, or was edited since: name another file, or force it (--force)"
        )
    try:
        write_text(export.path, export.text, mode=0o777)
    except (OSError, ValueError) as error:
        code, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
        advice = "free some space" if code in (errno.ENOSPC, errno.EDQUOT) else "name another file"
        raise ExportRefused(f"{shown} can't be written ({reason}): {advice}") from error
    return export.path


def whose(path: Path) -> Overwrites:
    """Whose file is at `path`: ours only when it is, byte for byte, what an export wrote."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):  # if something is there out of sight, writing will say so
        return "nothing"
    if not stat.S_ISREG(mode):
        return "users"
    try:
        with path.open("rb") as file:
            data = file.read(_OURS_MAX_BYTES)
    except OSError:
        return "users"
    seal = _SEAL.match(data, len(_SHEBANG)) if data.startswith(_SHEBANG) else None
    return "ours" if seal and hashlib.sha256(data[seal.end() :]).hexdigest().encode() == seal[1] else "users"


def _sealed(script: str) -> str:
    digest = hashlib.sha256(script.encode()).hexdigest()
    return f"{_SHEBANG.decode()}# Exported by stealthrl-tui; sha256 of all that follows: {digest}\n{script}"


def _sampler_uri(run: Run, checkpoint: Checkpoint) -> str:
    name = f"checkpoint {clean(checkpoint.name)} of {clean(run.name)}"
    if checkpoint.sampler_uri is None:
        has = "only training state was saved" if checkpoint.state_uri else "its row has no path"
        raise ExportRefused(f"{name} has no sampler weights ({has}): choose a checkpoint that has them")
    shown = clean(checkpoint.sampler_uri, limit=200)
    flaw = uri.flaw(checkpoint.sampler_uri)
    if flaw is not None:
        raise ExportRefused(f"{name} can't be loaded: {shown} {flaw}; choose another checkpoint")
    parsed = uri.parse(checkpoint.sampler_uri)
    if parsed is not None and parsed.kind not in (None, "sampler_weights"):
        raise ExportRefused(f"{name} can't be sampled from: {shown} is {parsed.kind}; choose another checkpoint")
    return checkpoint.sampler_uri


def _about(run: Run, checkpoint: Checkpoint, sampler_uri: str, template: str, now: float | None) -> str:
    facts = run.facts
    rank = f" (LoRA rank {facts.lora_rank})" if facts.lora_rank is not None else ""
    lines = {
        "loads": sampler_uri,
        "run": run.path,
        "base model": f"{facts.base_model or 'not known'}{rank}",
        "checkpoint": f"{checkpoint.name}, {_step(run, checkpoint)}",
        "metric": _metric(run, checkpoint),
        "prompt": _prompt_form(run, template),
        "exported": f"{iso(time.time() if now is None else now)} by stealthrl-tui {__version__}, template {template}",
        "needs": "a Tinker key in TINKER_API_KEY or stored by `tinker auth login`"
        + ("" if template == "openai" else "; pip install 'tinker>=0.38'"),
    }
    title = f"Sample from a Tinker checkpoint: {TEMPLATES[template]}."
    return "\n".join([title, "", *(f"{prose(word + ':'):<12}{prose(said)}" for word, said in lines.items()), ""])


def _step(run: Run, checkpoint: Checkpoint) -> str:
    if checkpoint.step is None:
        return "after a number of steps that is not known"
    return f"after {checkpoint.step} of {run.total_steps or '?'} steps"


def _metric(run: Run, checkpoint: Checkpoint) -> str:
    key = run.main_metric
    reading = run.value_at(checkpoint, key) if key is not None else None
    if key is None or reading is None:
        return "none known"
    return f"{keys.label(key)} {number(reading.value)} at step {reading.step} ({key})"


def _prompt_form(run: Run, template: str) -> str:
    if template == "openai":
        return "the server's chat template, a guess at the one in training"
    guess = "the tokenizer's chat template, a guess"
    if run.facts.renderer is None:
        return f"{guess} (the run's files name no renderer)"
    return f"the run's renderer {run.facts.renderer} where tinker_cookbook is installed, else {guess}"


def _warnings(run: Run, checkpoint: Checkpoint, template: str) -> tuple[str, ...]:
    found = []
    if checkpoint.superseded:
        found.append("this rolling save was replaced by a later one: the trainer deletes its weights")
    if template == "openai" or run.facts.renderer is None:
        found.append(f"the prompt format is a guess: {_prompt_form(run, template)}")
    if template == "stealthrl" and run.facts.kind is not Kind.STEALTHRL:
        found.append("this is no StealthRL run: it was not trained on the paraphrase prompt")
    if template == "stealthrl" and _few_shot(run) is None:
        found.append("the run's files don't say whether few-shot pairs came first: they are left out, a guess")
    return tuple(clean(warning) for warning in found)


def _few_shot(run: Run) -> str | None:
    """The run's `dataset.few_shot`; empty where its files say there were none, None where they don't say."""
    if run.facts.few_shot is not None:
        return run.facts.few_shot
    said = any("dataset.few_shot" in values for values in run.facts.config.values())
    return "" if said else None


def _path(run: Run, checkpoint: Checkpoint, output: str | None) -> Path:
    default = _file_name(run, checkpoint)
    if output is None:
        return Path(run.path) / default
    try:
        path = Path(output).expanduser().absolute()
    except RuntimeError as error:  # a ~name that is nobody's
        raise ExportRefused(f"{clean(output)} is no path ({error}): name another file") from error
    return path / default if _is_folder(path) else path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder that may not be entered: writing will say so
        return False


def _is_special(path: Path) -> bool:
    """Whether a device, a pipe or a socket is there, which even force must not replace."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode))


def _file_name(run: Run, checkpoint: Checkpoint) -> str:
    finals = [each for each in run.checkpoints if each.final]
    if checkpoint.final and (not finals or finals[-1].key == checkpoint.key):
        return "inference.py"
    stem = _stem(checkpoint)
    namesakes = [each for each in run.checkpoints if _stem(each).lower() == stem.lower()]
    if not namesakes or namesakes[0].key == checkpoint.key:
        return f"inference_{stem}.py"
    return f"inference_{stem}_{_tell_apart(checkpoint, namesakes)}.py"


def _stem(checkpoint: Checkpoint) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", checkpoint.name).strip("._")[:80] or "checkpoint"


def _tell_apart(checkpoint: Checkpoint, namesakes: list[Checkpoint]) -> str:
    """A short piece of the training run's id that none of the namesakes shares; a digest where there is none."""
    others = [each.training_run_id or "" for each in namesakes if each.key != checkpoint.key]
    for word in re.findall(r"[A-Za-z0-9]{6,}", checkpoint.training_run_id or ""):
        if not any(word[:8].lower() in other.lower() for other in others):
            return str(word[:8])
    return hashlib.sha256(checkpoint.key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
