"""What a run was started with: run_metadata.json, training_config.json, config.json (FORMATS.md).

None of them is written atomically, so a file may be read half-written: its last good content stays until it is whole
again. A value of the wrong type is left out and named in the problems.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from stealthrl_tui.runs.discovery import CONFIG, METADATA, TRAINING_CONFIG, TRAINING_LOG
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.log import LogFacts
from stealthrl_tui.runs.model import EMPTY, Facts
from stealthrl_tui.runs.rows import DEEPEST, shallow
from stealthrl_tui.text import clean

LARGEST = 4 * 1024 * 1024
_LONGEST_SHARED = 64
# Keys of a cookbook config that only reinforcement learning has.
_RL_KEYS = frozenset((
    "loss_fn", "max_tokens", "kl_penalty_coef", "kl_discount_factor", "num_substeps", "group_size", "groups_per_batch",
    "async_config", "stream_minibatch_config", "remove_constant_reward_groups", "compute_post_kl",
))  # fmt: skip
_T = TypeVar("_T")
_RL_METRICS = ("env/", "test/env/", "test/test/env/", "progress/batch", "progress/done_frac")


@dataclass(slots=True)
class _JsonFile:
    """One JSON object on disk as flattened values; `problem` says why its newest content is not in them."""

    path: str
    values: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    problem: str | None = None
    mtime: float | None = None
    _signature: tuple[int, int, int, int] | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    def refresh(self) -> bool:
        """Read the file again when it was written since the last look."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            return self._gone(None if missing else f"cannot read {self.name}: {error.strerror}")
        signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if signature == self._signature:
            return False
        self._signature, self.mtime = signature, status.st_mtime
        self.problem = self._read(status)
        return True

    def _gone(self, problem: str | None) -> bool:
        changed = bool(self._signature or problem != self.problem)
        self.values, self._signature, self.mtime, self.problem = EMPTY, None, None, problem
        return changed

    def _read(self, status: os.stat_result) -> str | None:
        if not stat.S_ISREG(status.st_mode):
            return f"{self.name} is not a file"
        if status.st_size > LARGEST:
            return f"{self.name} is too large to be a configuration ({status.st_size} bytes)"
        try:
            with open(self.path, "rb") as file:
                content = json.loads(file.read(LARGEST).decode("utf-8-sig", "replace"))
        except OSError as error:
            return f"cannot read {self.name}: {error.strerror}"
        except (ValueError, RecursionError):
            kept = "; its last whole content is shown" if self.values else ""
            return f"{self.name} is not valid JSON, perhaps half-written{kept}"
        if not isinstance(content, dict):
            return f"{self.name} holds no JSON object"
        self.values = _flatten(content)
        return None


def _flatten(content: dict[str, Any]) -> dict[str, Any]:
    """Nested objects as dotted keys, in file order; lists and empty objects are values."""
    flat: dict[str, Any] = {}
    _flatten_into(flat, "", content, 1)
    return flat


def _flatten_into(flat: dict[str, Any], prefix: str, content: dict[str, Any], depth: int) -> None:
    for key, value in content.items():
        dotted = prefix + key
        if isinstance(value, str):
            flat[_text(dotted)] = _text(value)
        elif isinstance(value, dict) and value and depth < DEEPEST:
            _flatten_into(flat, dotted + ".", value, depth + 1)
        else:
            flat[_text(dotted)] = shallow(value)


def _text(text: str) -> str:
    # Half a surrogate pair is legal in JSON and can't be encoded again. Many runs' configs repeat the same short words.
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return sys.intern(text) if len(text) <= _LONGEST_SHARED else text


def _shallowest(values: Mapping[str, Any]) -> dict[str, str]:
    """The last part of each dotted key -> the key with the fewest parts that ends so (configs may be nested)."""
    found: dict[str, str] = {}
    for key in values:
        last = key.rpartition(".")[2]
        if last not in found or key.count(".") < found[last].count("."):
            found[last] = key
    return found


class _Values:
    """Typed look-ups in one file's values; what has the wrong type is noted and left out."""

    def __init__(self, file: _JsonFile, nested: bool, problems: list[str]) -> None:
        self._name, self._values, self._problems = file.name, file.values, problems
        self._where = _shallowest(file.values) if nested else {}

    def _get(self, key: str) -> Any:
        return self._values.get(key, self._values.get(self._where.get(key, key)))

    def _wrong(self, key: str, value: object, wanted: str) -> None:
        self._problems.append(f"{self._name}: {key} is no {wanted}: {clean(json.dumps(value), 60)}")

    def text(self, *keys: str) -> str | None:
        """The first of the keys that has a text; the cookbook writes what JSON can't hold as "<class ...>"."""
        for key in keys:
            value = self._get(key)
            if isinstance(value, str):
                if value and not value.startswith("<"):
                    return value
            elif value is not None:
                self._wrong(key, value, "text")
        return None

    def count(self, key: str) -> int | None:
        """A whole number that is not negative."""
        value = self._get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if 0 <= value < 2**53:
                return value
        elif value is None:
            return None
        self._wrong(key, value, "count")
        return None

    def time(self, key: str) -> float | None:
        """A naive local (or aware) ISO time as Unix seconds."""
        text = self.text(key)
        if text is None:
            return None
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            self._wrong(key, text, "time")
            return None


class FactsReader:
    """Reads a run directory's configuration files when they change."""

    def __init__(self, directory: str) -> None:
        self._metadata = _JsonFile(os.path.join(directory, METADATA))
        self._training = _JsonFile(os.path.join(directory, TRAINING_CONFIG))
        self._config = _JsonFile(os.path.join(directory, CONFIG))
        self._log = os.path.join(directory, TRAINING_LOG)
        self._has_log = False
        self._own = Facts()
        self._length: int | None = None

    @property
    def _files(self) -> tuple[_JsonFile, ...]:
        return (self._metadata, self._training, self._config)

    @property
    def mtime(self) -> float | None:
        """When the newest of the files was written, None without any."""
        return max((file.mtime for file in self._files if file.mtime is not None), default=None)

    def refresh(self) -> bool:
        """Read again what was written since the last look; True when there was something."""
        has_log = os.path.exists(self._log)
        changed = [file.refresh() for file in self._files]
        if not any(changed) and has_log == self._has_log:
            return False
        self._has_log = has_log
        self._own = self._read_own()
        return True

    def _read_own(self) -> Facts:
        """What the files say, the more telling one first; the log and the metrics are asked in `facts`."""
        problems = [file.problem for file in self._files if file.problem]
        metadata = _Values(self._metadata, False, problems)
        training = _Values(self._training, False, problems)
        config = _Values(self._config, True, problems)
        self._length = _announced_length(config)
        return Facts(
            kind=self._kind_by_files(),
            base_model=_first(training.text("model.base_model"), config.text("model_name")),
            lora_rank=_first(training.count("lora.rank"), config.count("lora_rank")),
            renderer=_first(training.text("model.renderer"), _renderer(config)),
            save_every=_first(training.count("training.save_every"), config.count("save_every")),
            eval_every=_first(training.count("training.eval_every"), config.count("eval_every")),
            rolling_save_every=config.count("rolling_save_every"),
            ttl_seconds=config.count("ttl_seconds"),
            total_steps=config.count("max_steps"),
            run_name=_first(metadata.text("run_name"), training.text("run_info.run_name")),
            few_shot=training.text("dataset.few_shot"),
            recorded_status=metadata.text("status"),
            started_at=_first(metadata.time("start_time"), training.time("run_info.start_time")),
            ended_at=metadata.time("end_time"),
            config={file.name: file.values for file in self._files if file.values},
            problems=tuple(problems),
        )

    def _kind_by_files(self) -> Kind:
        if self._has_log or self._metadata.mtime is not None or self._training.mtime is not None:
            return Kind.STEALTHRL
        names = {part for key in self._config.values for part in key.split(".")}
        if "dpo_beta" in names:
            return Kind.DPO
        if not names:
            return Kind.UNKNOWN
        return Kind.RL if names & _RL_KEYS else Kind.SL

    def facts(self, log: LogFacts | None, keys: Collection[str], final_info: Mapping[str, Any]) -> Facts:
        """The facts of the last `refresh`, completed from the log, the metrics' keys and the final info.

        `final_info` is that of checkpoints/final_checkpoint_info.json; where it contradicts the configuration, the
        guide's "Model ID mismatch", a problem says so.
        """
        own, log = self._own, log if log is not None else LogFacts()
        final_model, final_rank = final_info.get("base_model"), final_info.get("lora_rank")
        final_model = final_model if isinstance(final_model, str) else None
        final_rank = final_rank if isinstance(final_rank, int) else None
        troubles = (log.heartbeat, log.problem, _mismatch(own, final_model, final_rank))
        return Facts(
            kind=_kind(own.kind, keys),
            base_model=_first(own.base_model, final_model, log.model),
            lora_rank=_first(own.lora_rank, final_rank, log.lora_rank),
            renderer=own.renderer,
            save_every=own.save_every,
            eval_every=own.eval_every,
            rolling_save_every=own.rolling_save_every,
            ttl_seconds=own.ttl_seconds,
            total_steps=_total(_first(log.total_steps, self._length), own.total_steps),
            run_name=own.run_name,
            few_shot=own.few_shot,
            recorded_status=own.recorded_status,
            started_at=_first(own.started_at, log.started_at),
            ended_at=own.ended_at,
            command=log.command,
            config=own.config,
            problems=(*(text for text in troubles if text), *own.problems),
        )


def _first(*values: _T | None) -> _T | None:
    return next((value for value in values if value is not None), None)


def _renderer(config: _Values) -> str | None:
    return config.text("renderer_name", "dataset_builder.renderer_name", "dataset_builder.common_config.renderer_name")


def _announced_length(config: _Values) -> int | None:
    """The steps in the data, where the configuration tells (recipes' `n_batches`)."""
    batches = config.count("n_batches")
    return batches * (config.count("num_epochs") or 1) if batches else None


def _total(length: int | None, max_steps: int | None) -> int | None:
    """`max_steps` of the cookbook stops a run early, it never makes it longer than its data."""
    if not max_steps or not length:
        return length or max_steps or None
    return min(length, max_steps)


def _kind(by_files: Kind, keys: Collection[str]) -> Kind:
    """The training loop: StealthRL by its files, the cookbook's by its metrics before its configuration."""
    if by_files is Kind.STEALTHRL:
        return by_files
    if "dpo_loss" in keys:
        return Kind.DPO
    if by_files is Kind.DPO:
        return by_files
    if "train_mean_nll" in keys:
        return Kind.SL
    return Kind.RL if any(key.startswith(_RL_METRICS) for key in keys) else by_files


def _mismatch(own: Facts, model: str | None, rank: int | None) -> str | None:
    if own.base_model is not None and model is not None and own.base_model != model:
        return f"the final info names base model {clean(model, 80)}, the configuration {clean(own.base_model, 80)}"
    if own.lora_rank is not None and rank is not None and own.lora_rank != rank:
        return f"the final info names LoRA rank {rank}, the configuration {own.lora_rank}"
    return None
