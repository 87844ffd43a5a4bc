"""The checklist before a resume, in the order of FORMATS.md ("Resuming", pre-flight).

What the Tinker service says comes in as a `ServerWord`, what the interpreter says as a `Probe`; the rest is read from
disk. A failing line would surely fail the run or harm the original; a doubtful one warns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stealthrl_tui.actions.resume import interpreter, processes, stop
from stealthrl_tui.actions.resume.interpreter import Probe
from stealthrl_tui.actions.resume.stealthrl import COOKBOOK
from stealthrl_tui.actions.resume.value import Check, Plan, Way
from stealthrl_tui.runs import uri
from stealthrl_tui.runs.lineage import read_lineage
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from stealthrl_tui.text import clean, duration

# A state that is gone before the trainer has opened it fails the run; one that is gone soon is worth a word.
LEAST_LEFT = 120.0
LITTLE_LEFT = 3600.0
ROLLING_SECONDS = 2 * 3600.0  # how long the cookbook keeps a rolling save (FORMATS.md)
_TRAINS_ITSELF = (Way.COOKBOOK, Way.RECORDER, Way.STEALTHRL)


@dataclass(frozen=True, slots=True)
class ServerWord:
    """What the service said of a state. `code` and `trouble` say why it could not be asked; the rest then is None.

    `expires_at` is Unix seconds, None for never. `base_model`, `lora_rank` and `corrupted` are of its training run.
    """

    code: str | None = None
    trouble: str = ""
    exists: bool | None = None
    expires_at: float | None = None
    base_model: str | None = None
    lora_rank: int | None = None
    corrupted: bool | None = None


def askable(checkpoint: Checkpoint) -> bool:
    """Whether its state has a URI that a server can be asked about (a malformed one makes some answer 500)."""
    parsed = None if checkpoint.state_uri is None else uri.parse(checkpoint.state_uri)
    return parsed is not None and parsed.kind == "weights"


def probe(plan: Plan) -> Probe:
    """Ask the plan's interpreter, in a child, whether it imports what the trainer needs; takes seconds."""
    return interpreter.probe(plan.interpreter.path, plan.modules, plan.cwd, plan.import_path)


def check(
    plan: Plan,
    run: Run,
    checkpoint: Checkpoint,
    word: ServerWord | None,
    probed: Probe | None,
    now: float,
    *,
    elsewhere: bool = False,
) -> tuple[Check, ...]:
    """The checklist at the time `now`; `word` and `probed` are None when they were not asked for.

    `elsewhere` says that the trainer gets its key and its network on another machine.
    """
    return (
        *_uri(checkpoint),
        *_service(word, plan, elsewhere),
        *_server_state(checkpoint, word, now),
        *_weights_info(run, word),
        *_alive(run),
        *plan.obstacles,
        *_folder(plan),
        *_interpreter(plan, probed),
        *_data(plan),
        *_steps(plan, run),
        *_place(plan),
    )


def refusal(checks: Sequence[Check]) -> Check | None:
    """The first line that stops the start; None when none does."""
    return next((line for line in checks if line.level == "fail"), None)


def _uri(checkpoint: Checkpoint) -> Iterator[Check]:
    what, state = "training state", checkpoint.state_uri
    name = f"checkpoint {clean(checkpoint.name, 80)}"
    if state is None:
        if checkpoint.sampler_uri is None:
            yield Check("fail", what, f"the row of {name} has no path", "no_checkpoint")
        else:
            why = "only its sampler weights were saved, which hold no optimizer: choose one with a state"
            yield Check("fail", what, f"{name} has no state: {why}", "wrong_kind")
        return
    shown = clean(state, 200)
    parsed, flaw = uri.parse(state), uri.flaw(state)
    if parsed is None or parsed.two_part:
        flaw = flaw or "has two parts: training clients take only tinker://<run>/weights/<name>"
        yield Check("fail", what, f"{shown} {flaw}", "bad_uri")
    elif parsed.kind != "weights":
        yield Check("fail", what, f"{shown} is {parsed.kind}: only weights/ holds the optimizer", "wrong_kind")
    else:
        yield Check("ok", what, "weights/: the full state, with its optimizer")


def _service(word: ServerWord | None, plan: Plan, elsewhere: bool) -> Iterator[Check]:
    if word is None:
        yield Check("warn", "service", "not asked")
    elif word.code is not None:
        trouble = clean(word.trouble, 300).rstrip(".")
        if elsewhere:
            yield Check("warn", "service", f"{trouble}; the other machine may do better")
        elif word.code == "no_key" and _has_key(os.path.join(plan.cwd, ".env")):
            yield Check("warn", "service", "not asked: the key is in the training project's .env alone")
        else:
            yield Check("fail", "service", trouble, word.code)
    else:
        yield Check("ok", "service", "the key is set and the service answers")


def _has_key(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(line.strip().removeprefix("export ").startswith("TINKER_API_KEY=") for line in file)
    except OSError:
        return False


def _server_state(checkpoint: Checkpoint, word: ServerWord | None, now: float) -> Iterator[Check]:
    what = "on the server"
    exists = None if word is None else word.exists
    if exists is False:
        yield Check(
            "fail", what, "the service doesn't have this state: deleted, expired, or another key's", "not_found"
        )
    elif exists is None and checkpoint.superseded:
        yield Check(
            "fail", what, "a rolling save that the trainer deleted after the next one: take another", "not_found"
        )
    elif exists is None:
        age = None if checkpoint.saved_at is None else now - checkpoint.saved_at
        old = checkpoint.rolling and (age is None or age > ROLLING_SECONDS)
        rolling = "; a rolling save lives two hours, this one may be gone" if old else ""
        yield Check("warn", what, f"not asked{rolling}")
    else:
        yield _expiry(None if word is None else word.expires_at, now)


def _expiry(expires_at: float | None, now: float) -> Check:
    what = "on the server"
    if expires_at is None:
        return Check("ok", what, "there, and kept for ever")
    left = expires_at - now
    if left <= 0:
        return Check("fail", what, "expired", "expired")
    if left < LEAST_LEFT:
        return Check("fail", what, f"expires in {duration(left)}, before a trainer has opened it: keep it", "expired")
    return Check("warn" if left < LITTLE_LEFT else "ok", what, f"there, expires in {duration(left)}")


def _weights_info(run: Run, word: ServerWord | None) -> Iterator[Check]:
    if word is None or word.code is not None or word.exists is False:
        yield Check("warn", "model", "not asked")
        return
    yield _same("base model", run.facts.base_model, word.base_model, "base_model_mismatch")
    yield _same("LoRA rank", run.facts.lora_rank, word.lora_rank, "rank_mismatch")
    if word.corrupted:
        yield Check("fail", "training run", "the service calls it corrupted", "server_error")
    elif word.corrupted is None:
        yield Check("warn", "training run", "the service doesn't say whether it is corrupted")
    else:
        yield Check("ok", "training run", "not corrupted")


def _same(what: str, recorded: object, told: object, code: str) -> Check:
    if recorded is None or told is None:
        unsaid = "the run's files don't tell" if recorded is None else "the service doesn't tell"
        return Check("warn", what, f"can't be compared: {unsaid}")
    shown = clean(told, 100)
    if recorded != told:
        return Check("fail", what, f"the run had {clean(recorded, 100)}, the state has {shown}", code)
    return Check("ok", what, shown)


def _alive(run: Run) -> Iterator[Check]:
    what = "original run"
    lineage = read_lineage(run.path)
    started = lineage is not None and bool(stop.running(lineage))
    pid = lineage.pid if started and lineage is not None else processes.writer_of(run.path)
    if pid is not None:
        yield Check("fail", what, f"still alive: process {pid} of this machine writes it", "still_running")
    elif run.status is not Status.RUNNING:
        yield Check("ok", what, f"not running: {run.status}, {clean(run.status_reason, 200)}")
    elif processes.on_shared_disk(run.path) or (lineage is not None and stop.running(lineage) is None):
        why = "it may live on another machine: stop it, or wait until it counts as stalled"
        yield Check("fail", what, f"{clean(run.status_reason, 200)}; {why}", "still_running")
    else:
        yield Check("warn", what, f"{clean(run.status_reason, 200)}, but no process of this machine writes it now")


def _folder(plan: Plan) -> Iterator[Check]:
    if not os.path.isdir(plan.cwd):
        yield Check("fail", "working folder", f"{clean(plan.cwd, 200)} is gone", "no_trainer")


def _interpreter(plan: Plan, probed: Probe | None) -> Iterator[Check]:
    what, path = "interpreter", clean(plan.interpreter.path, 200)
    if not (os.path.isfile(plan.interpreter.path) and os.access(plan.interpreter.path, os.X_OK)):
        yield Check("fail", what, f"{path} is gone or can't be run ({plan.interpreter.why})", "no_trainer")
        return
    yield Check("ok", what, f"{path}: {plan.interpreter.why}")
    if probed is None or not (plan.modules or plan.import_path):
        yield Check("warn", "imports", "not tried" if probed is None else "nothing tells what the program needs")
    elif probed.problem is not None:
        yield Check("fail", "imports", probed.problem, "no_trainer")
    elif probed.problems:
        said = "; ".join(f"{clean(name, 60)} {clean(problem, 160)}" for name, problem in probed.problems.items())
        yield Check("fail", "imports", f"{said} (in {path})", "no_trainer")
    else:
        yield _versions(plan, probed)


def _versions(plan: Plan, probed: Probe) -> Check:
    told = ", ".join(f"{clean(name, 40)} {clean(version, 40)}" for name, version in probed.versions.items())
    cookbook = probed.versions.get("tinker-cookbook")
    if plan.way is Way.STEALTHRL and (cookbook is None or not cookbook.startswith(COOKBOOK)):
        return Check("warn", "imports", f"{told}; StealthRL was written for tinker-cookbook {COOKBOOK}0")
    return Check("ok", "imports", f"all that the trainer needs{f' ({told})' if told else ''}")


def _data(plan: Plan) -> Iterator[Check]:
    for path in plan.data:
        if os.path.exists(path):
            yield Check("ok", "data", clean(path, 200))
        else:
            yield Check("fail", "data", f"{clean(path, 200)} is gone", "no_trainer")


def _steps(plan: Plan, run: Run) -> Iterator[Check]:
    what, step, total = "steps", plan.step, run.total_steps
    sure = plan.way in _TRAINS_ITSELF and not plan.edited_by_user
    if plan.in_place and run.status is Status.COMPLETED:
        why = "with the same arguments it would only drop the last rows of its metrics"
        yield Check("fail" if sure else "warn", what, f"the run is complete: {why}", "exists" if sure else "")
    elif step is None or total is None:
        yield Check("warn", what, f"{'?' if step is None else step} of {'?' if total is None else total} done")
    elif step >= total:
        yield Check(
            "fail" if sure else "warn", what, f"{step} of {total} done: nothing is left", "exists" if sure else ""
        )
    else:
        yield Check("ok", what, f"{step} of {total} done, {total - step} to go")


def _place(plan: Plan) -> Iterator[Check]:
    folder = plan.directory if plan.in_place else os.path.dirname(plan.directory)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Check("fail", "directory", f"{clean(folder, 200)} can't be written", "no_trainer")
    else:
        yield Check("ok", "directory", clean(plan.directory, 200) + (" (the run's own)" if plan.in_place else " (new)"))
