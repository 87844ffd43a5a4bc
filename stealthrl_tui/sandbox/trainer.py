"""A small supervised trainer that learns a few sentences through the SDK and leaves a run directory behind.

    python -m stealthrl_tui.sandbox.trainer --runs DIR --name NAME [--steps N] [--save-every K] [--delay SECONDS]
        [--rank R] [--model BASE_MODEL]

The service's address and key come from the environment, as for every Tinker program. The directory is shaped as a
supervised cookbook run (FORMATS.md, "Cookbook run directory"): config.json, logs.log with the command line,
metrics.jsonl; the checkpoints are the recorder's, as in any loop that uses it. Arguments of the form `key=value`
(`log_path`, `max_steps`, `save_every`, `behavior_if_log_dir_exists`) go over the options, so the recorded command
followed by `log_path=DIR behavior_if_log_dir_exists=resume` takes the run up again, optimizer and all.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealthrl_tui.recorder import Recorder
from stealthrl_tui.sandbox.corpus import HELD_OUT, SENTENCES, lesson
from stealthrl_tui.sandbox.lifeline import end_with_owner

if TYPE_CHECKING:
    import tinker

_LEARNING_RATE = 0.01
_BATCH = 6
_EVAL_EVERY = 5
_TTL_SECONDS = 7 * 86400
_ANSWER_SECONDS = 600.0

_log = logging.getLogger("stealthrl_tui.sandbox.trainer")


@dataclass(frozen=True)
class Options:
    """What was asked for.

    `delay` makes each step so many seconds longer; `base_model` is the service's first when None; `resume` takes up the
    run at its last state.
    """

    directory: Path
    steps: int
    save_every: int
    delay: float
    rank: int
    base_model: str | None
    resume: bool


def read_options(arguments: Sequence[str]) -> Options:
    """The command line as Options; SystemExit with status 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m stealthrl_tui.sandbox.trainer")
    parser.add_argument("--runs", type=Path, default=Path(), help="the folder of runs")
    parser.add_argument("--name", default="harbour", help="the run's name below it")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--delay", type=float, default=0.0, help="how many seconds longer each step takes")
    parser.add_argument("--rank", type=int, default=16, help="the LoRA rank")
    parser.add_argument("--model", help="the base model; the service's first by default")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    # Intermixed: what a resume adds comes last, also after an option.
    given = parser.parse_intermixed_args(arguments)
    known = {"log_path", "max_steps", "save_every", "behavior_if_log_dir_exists"}
    values = dict(item.partition("=")[::2] for item in given.overrides)
    if unknown := sorted(set(values) - known):
        parser.error(f"unknown settings: {', '.join(unknown)}")
    try:
        steps = int(values.get("max_steps", given.steps))
        save_every = int(values.get("save_every", given.save_every))
    except ValueError as error:
        parser.error(str(error))
    if min(steps, save_every, given.rank) < 1 or given.delay < 0:
        parser.error("steps, save-every and rank must be at least 1, and delay at least 0")
    directory = Path(values.get("log_path", given.runs / given.name)).resolve()
    resume = values.get("behavior_if_log_dir_exists") == "resume"
    return Options(directory, steps, save_every, given.delay, given.rank, given.model, resume)


class RunDirectory:
    """The files of one run, written as the cookbook writes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ledger = path / "checkpoints.jsonl"
        self._metrics = path / "metrics.jsonl"

    def last_state(self) -> tuple[str, int] | None:
        """The URI and the steps done of the last periodic save, None without one."""
        saves = [row for row in _rows(self._ledger) if row["name"] != "final" and "state_path" in row]
        return (saves[-1]["state_path"], saves[-1]["batch"]) if saves else None

    def complete(self, steps: int) -> bool:
        """Whether the run was trained to the end of that many steps."""
        metrics = _rows(self._metrics)
        finals = [row for row in _rows(self._ledger) if row["name"] == "final"]
        return bool(finals and metrics) and int(metrics[-1]["step"]) + 1 >= steps

    def write_config(self, options: Options, base_model: str) -> None:
        config = {
            "log_path": str(self.path),
            "model_name": base_model,
            "recipe_name": "sandbox_sl",
            "load_checkpoint_path": None,
            "renderer_name": "qwen3",
            "learning_rate": _LEARNING_RATE,
            "lr_schedule": "linear",
            "num_epochs": 1,
            "lora_rank": options.rank,
            "batch_size": _BATCH,
            "save_every": options.save_every,
            "eval_every": _EVAL_EVERY,
            "ttl_seconds": _TTL_SECONDS,
            "max_steps": options.steps,
        }
        self._replace(self.path / "config.json", json.dumps(config, indent=2))

    def cut_metrics(self, steps_done: int) -> None:
        """Drop the rows that a resume will write again, and keep the old file beside."""
        if self._metrics.exists():
            text = self._metrics.read_text("utf-8")
            rows = [line for line in text.splitlines(keepends=True) if json.loads(line)["step"] < steps_done]
            self._replace(self.path / f"metrics.jsonl.pre_resume_{steps_done:06d}", text)
            self._replace(self._metrics, "".join(rows))

    def add_metrics(self, row: dict[str, Any]) -> None:
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _replace(self, path: Path, text: str) -> None:
        beside = path.with_name(f".{path.name}.part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


class Trainer:
    """One run from its first step (or the step it is taken up at) to `final`."""

    def __init__(self, options: Options, run: RunDirectory, client: tinker.TrainingClient, steps_done: int) -> None:
        self._options = options
        self._run = run
        self._client = client
        self._steps_done = steps_done

    def train(self, recorder: Recorder) -> None:
        """All steps that are left, with their rows and saves, then the final save."""
        options = self._options
        with recorder:
            for step in range(self._steps_done, options.steps):
                began = time.perf_counter()
                row = self._step(step)
                time.sleep(options.delay)
                row["time/total"] = time.perf_counter() - began
                self._run.add_metrics(row)
                _log.info("Wrote metrics to %s", self._run.path / "metrics.jsonl")
                recorder.step(step + 1, epoch=0)
        _log.info("Training completed successfully")

    def _step(self, step: int) -> dict[str, Any]:
        import tinker

        rate = _LEARNING_RATE * (1 - step / self._options.steps)
        row: dict[str, Any] = {
            "step": step,
            "epoch": 0,
            "progress": (step + 1) / self._options.steps,
            "learning_rate": rate,
        }
        if step % _EVAL_EVERY == 0:
            evaluated = self._client.forward(_data(HELD_OUT), "cross_entropy").result(timeout=_ANSWER_SECONDS)
            row["test/nll"] = evaluated.metrics["loss:sum"] / _answer_tokens(HELD_OUT)
        texts = [SENTENCES[(step * _BATCH + index) % len(SENTENCES)] for index in range(_BATCH)]
        trained = self._client.forward_backward(_data(texts), "cross_entropy")
        stepped = self._client.optim_step(tinker.AdamParams(learning_rate=rate, eps=1e-8))
        loss = trained.result(timeout=_ANSWER_SECONDS).metrics["loss:sum"]
        row["optim/grad_norm"] = (stepped.result(timeout=_ANSWER_SECONDS).metrics or {}).get("grad_norm")
        count = sum(len(lesson(text)[0]) for text in texts)
        row |= {"num_sequences": len(texts), "num_tokens": count, "num_loss_tokens": _answer_tokens(texts)}
        row["train_mean_nll"] = loss / _answer_tokens(texts)
        return row


def _answer_tokens(sentences: Sequence[str]) -> int:
    return sum(lesson(sentence)[1] for sentence in sentences)


def _data(sentences: Sequence[str]) -> list[tinker.Datum]:
    import numpy as np
    import tinker

    data = []
    for sentence in sentences:
        tokens, answer = lesson(sentence)
        weights = np.zeros(len(tokens) - 1, dtype=np.float32)
        weights[-answer:] = 1.0
        inputs = {
            "target_tokens": tinker.TensorData.from_numpy(np.array(tokens[1:], dtype=np.int64)),
            "weights": tinker.TensorData.from_numpy(weights),
        }
        data.append(tinker.Datum(model_input=tinker.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs))
    return data


def _client(
    service: tinker.ServiceClient, state: tuple[str, int] | None, base_model: str, rank: int
) -> tinker.TrainingClient:
    if state is not None:
        created = service.create_training_client_from_state_with_optimizer(state[0])
    else:
        created = service.create_lora_training_client(base_model=base_model, rank=rank, seed=0)
    return created.result(timeout=_ANSWER_SECONDS)


def _first_model() -> str:
    import tinker

    models = tinker.RestClient().get_server_capabilities().result(timeout=_ANSWER_SECONDS).supported_models
    return next(model.model_name for model in models if model.model_name)


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s:%(lineno)d [%(levelname)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def run(options: Options) -> None:
    """Train as asked; ValueError when the directory holds a run and resuming was not asked for."""
    import tinker

    directory = RunDirectory(options.directory)
    state = directory.last_state() if options.resume else None
    if options.directory.exists() and any(options.directory.iterdir()) and not options.resume:
        raise ValueError(f"{options.directory} holds a run already; behavior_if_log_dir_exists=resume takes it up")
    options.directory.mkdir(parents=True, exist_ok=True)
    _log_to(options.directory / "logs.log")
    logging.getLogger().info("Command line invocation: %s", shlex.join(sys.argv))
    if options.resume and directory.complete(options.steps):
        _log.info("Training was already complete; nothing to do")
        return
    base_model = options.base_model or _first_model()
    directory.write_config(options, base_model)
    steps_done = 0 if state is None else state[1]
    directory.cut_metrics(steps_done)
    with tinker.ServiceClient() as service:
        client = _client(service, state, base_model, options.rank)
        _log.info("Training for %d batches x 1 epochs = %d steps", options.steps, options.steps)
        recorder = Recorder(
            client,
            directory.path,
            base_model=base_model,
            lora_rank=options.rank,
            total_steps=options.steps,
            save_every=options.save_every,
            ttl_seconds=_TTL_SECONDS,
            start_step=steps_done,
        )
        Trainer(options, directory, client, steps_done).train(recorder)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 when trained to the end, 1 when it could not be, 130 when interrupted."""
    options = read_options(sys.argv[1:] if argv is None else argv)
    end_with_owner()
    import tinker

    try:
        run(options)
    except (tinker.TinkerError, ValueError, OSError) as error:
        sys.stderr.write(f"the trainer stopped: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
