"""The half of the checkpoint guide that saves: a training loop's checkpoints, and the record of them.

    with Recorder(client, "outputs/runs/my_run", base_model=model, lora_rank=32, total_steps=100) as recorder:
        for step in range(100):
            ...                      # forward_backward, optim_step
            recorder.step(step + 1)  # how many steps are done

Every `save_every` steps the state and the sampler weights are saved and `checkpoints.jsonl` gains a row; leaving the
block without an exception saves the final ones and writes `checkpoints/final_checkpoint_info.json`.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from stealthrl_tui.actions.append import append_line
from stealthrl_tui.actions.atomic import write_text
from stealthrl_tui.actions.signals import HeldSignals
from stealthrl_tui.runs import uri
from stealthrl_tui.runs.saving import advised_save_every
from stealthrl_tui.service.events import redact
from stealthrl_tui.text import clean, iso

LEDGER: Final = "checkpoints.jsonl"
FINAL_NAMES: Final = ("final", "final_sampler")
FINAL_INFO: Final = "checkpoints/final_checkpoint_info.json"
_SHORTEST_TTL = 3600
_LONGEST = 1000
_log = logging.getLogger(__name__)


class SavedWeights(Protocol):
    """What the service answers to a save; `path` is the `tinker://` URI."""

    @property
    def path(self) -> str: ...


class SaveFuture(Protocol):
    """A save under way, as `tinker.APIFuture` is one."""

    def result(self, timeout: float | None = None) -> SavedWeights:
        """The answer, waited for `timeout` seconds (None: as long as it takes); raises what went wrong."""


class TrainingClient(Protocol):
    """What is used of `tinker.TrainingClient`. `ttl_seconds` None keeps the weights for ever."""

    def save_state(self, name: str, ttl_seconds: int | None = None) -> SaveFuture:
        """Save weights and optimizer."""

    def save_weights_for_sampler(self, name: str, ttl_seconds: int | None = None) -> SaveFuture:
        """Save weights to sample from."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one save came to: the URIs that exist now (None for a half that does not), and what failed, in words.

    `name` is the ledger row's, `step` how many steps were done.
    """

    name: str
    step: int
    state_path: str | None
    sampler_path: str | None
    failures: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Both halves were saved, and all that had to be written was."""
        return self.state_path is not None and self.sampler_path is not None and not self.failures


class Recorder:
    """Saves and records the checkpoints of one training run in `run_dir`, which is made when it is missing.

    Nothing that goes wrong with a save or a file is raised: it is logged, kept in `failures`, and tried again at the
    next step. What interrupts a save (Ctrl-C, SIGTERM, any exception that is no `Exception`) goes on, after the half
    that the service has already confirmed was recorded. The calls block; in async code they belong in
    `asyncio.to_thread`, where no signal is seen.

    `save_every` None takes the guide's advice for `total_steps`; `start_step` is how many steps were done before, in a
    run taken up again. `ttl_seconds` (at least an hour; None for ever) is for the periodic checkpoints: the final ones
    are kept. Raises ValueError for settings with which no save could work.
    """

    def __init__(
        self,
        client: TrainingClient,
        run_dir: str | os.PathLike[str],
        *,
        base_model: str,
        lora_rank: int,
        total_steps: int | None = None,
        save_every: int | None = None,
        ttl_seconds: int | None = None,
        start_step: int = 0,
    ) -> None:
        if save_every is None:
            if total_steps is None:
                raise ValueError("save_every or total_steps must be given")
            save_every = advised_save_every(total_steps)
        if save_every < 1:
            raise ValueError(f"save_every must be at least 1, not {save_every}")
        if ttl_seconds is not None and ttl_seconds < _SHORTEST_TTL:
            raise ValueError(f"ttl_seconds must be at least {_SHORTEST_TTL}, not {ttl_seconds}")
        if total_steps is not None and save_every > total_steps:
            _log.warning(
                "save_every %d is more than the %d steps: nothing but the end is saved", save_every, total_steps
            )
        self.save_every = save_every
        self.failures: list[str] = []
        self._client = client
        self._run_dir = Path(run_dir)
        self._model: dict[str, Any] = {"base_model": base_model, "lora_rank": lora_rank}
        self._ttl = ttl_seconds
        self._done = start_step
        self._epoch: int | None = None
        self._owed = False
        self._unwritten: list[bytes] = []
        self._final: tuple[_Half, _Half] | None = None
        self._final_attempts = 0
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._finished:
            self.finish()
        else:
            self._write_rows()

    def step(self, step: int, *, epoch: int | None = None) -> Outcome | None:
        """Tell that `step` steps are done (in `epoch`, where there are any); what was saved, None when nothing was due.

        A save is due at every multiple of `save_every`, and after one that failed. The row's `batch` is `step`: the
        next batch to run, as reinforcement learning loops count.
        """
        due = self._owed or step // self.save_every > self._done // self.save_every
        # What was final is not the end any more.
        self._done, self._epoch, self._final, self._finished = step, epoch, None, False
        if not due:
            self._write_rows()
            return None
        failed = len(self.failures)
        self._owed = True
        name = f"{step:06d}"
        halves = self._halves(name, name)
        self._save(name, halves, self._ttl)
        self._owed = any(half.path is None for half in halves)
        return self._outcome(name, halves, failed)

    def finish(self) -> Outcome:
        """Save the final state and sampler weights and write the final info; what failed, the next call tries again.

        The ledger gains a row named `final`, so that they are not lost when the info can't be written.
        """
        failed = len(self.failures)
        if self._final is None:
            self._final = self._halves(*FINAL_NAMES)
        if any(half.path is None for half in self._final):
            self._final_attempts += 1
            # The service may hold an earlier attempt's weights under its name, though it never said so.
            suffix = f"_{self._final_attempts}" if self._final_attempts > 1 else ""
            for half, name in zip(self._final, FINAL_NAMES, strict=True):
                half.name = name + suffix if half.path is None else half.name
            self._save("final", self._final, None)
        else:
            self._write_rows()
        state, sampler = (half.path for half in self._final)
        if state is not None and sampler is not None and not self._finished:
            self._finished = self._write_info(state, sampler)
        return self._outcome("final", self._final, failed)

    def _halves(self, state: str, sampler: str) -> tuple[_Half, _Half]:
        client = self._client
        return (
            _Half("state", "state_path", state, client.save_state),
            _Half("sampler weights", "sampler_path", sampler, client.save_weights_for_sampler),
        )

    def _outcome(self, name: str, halves: tuple[_Half, _Half], failed: int) -> Outcome:
        state, sampler = (half.path for half in halves)
        return Outcome(name, self._done, state, sampler, tuple(self.failures[failed:]))

    def _save(self, name: str, halves: tuple[_Half, _Half], ttl: int | None) -> None:
        """Ask for the halves that have no path yet, wait, and record what came, also when interrupted."""
        missing = [half for half in halves if half.path is None]
        asked = time.time()
        with HeldSignals() as signals:
            try:
                with signals.heard():
                    for half in missing:
                        self._try(half, half.request, ttl)
                    for half in missing:
                        self._try(half, half.collect, None)
            except BaseException:
                # An answer may have come in the very moment of the interrupt.
                for half in missing:
                    self._try(half, half.collect, 0)
                raise
            finally:
                if any(half.path is not None for half in missing):
                    self._unwritten.append(self._row(name, halves, None if ttl is None else asked + ttl))
                self._write_rows()

    def _try(self, half: _Half, action: Callable[[int | None], None], seconds: int | None) -> None:
        try:
            action(seconds)
        except Exception as error:  # noqa: BLE001 - whatever a client raises, the training goes on
            half.future = None
            reason = "no answer yet" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            self._fail(f"{half.what} {half.name} not saved at step {self._done}: {reason}")

    def _row(self, name: str, halves: tuple[_Half, _Half], expires_at: float | None) -> bytes:
        epoch = {} if self._epoch is None else {"epoch": self._epoch}
        paths = {half.key: half.path for half in halves if half.path is not None}
        times = {"saved_at": iso(time.time()), "expires_at": iso(expires_at)}
        _log.info("saved %s at step %d: %s", name, self._done, clean(", ".join(paths.values())))
        return json.dumps({"name": name, "batch": self._done, **epoch, **paths, **times}).encode() + b"\n"

    def _write_rows(self) -> None:
        """Append the rows that wait, in order; what can't be written goes on waiting."""
        while self._unwritten:
            try:
                self._run_dir.mkdir(parents=True, exist_ok=True)
                append_line(self._run_dir / LEDGER, self._unwritten[0])
            except OSError as error:
                # With the newest row, so that the log holds every one that the ledger may never get.
                newest = self._unwritten[-1].decode().strip()
                self._fail(f"{self._run_dir / LEDGER} cannot be written ({error.strerror or error}): {newest}")
                return
            del self._unwritten[0]

    def _write_info(self, state: str, sampler: str) -> bool:
        saved = uri.parse(state) or uri.parse(sampler)
        info = {
            "model_id": None if saved is None else saved.run_id,
            **self._model,
            "checkpoints": {"final_state": state, "sampler_weights": sampler},
            "usage": {
                "load_for_training": f"training_client.load_state({state!r})",
                "load_for_inference": f"service_client.create_sampling_client(model_path={sampler!r})",
            },
        }
        path = self._run_dir / FINAL_INFO
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(info, indent=2))
        except OSError as error:
            self._fail(f"{path} cannot be written: {error.strerror or error}")
            return False
        return True

    def _fail(self, text: str) -> None:
        told = clean(redact(text), _LONGEST)
        self.failures.append(told)
        _log.warning("%s", told)


class _Ask(Protocol):
    def __call__(self, name: str, ttl_seconds: int | None = None) -> SaveFuture: ...


@dataclass(slots=True)
class _Half:
    """The state or the sampler weights of one save; `key` is what the ledger calls its path."""

    what: str
    key: str
    name: str
    ask: _Ask
    future: SaveFuture | None = None
    path: str | None = None

    def request(self, ttl: int | None) -> None:
        self.future = self.ask(self.name, ttl_seconds=ttl)

    def collect(self, timeout: int | None) -> None:
        """Wait for the path, where one is on its way."""
        if self.future is None or self.path is not None:
            return
        path = self.future.result(timeout).path
        if not isinstance(path, str) or not path:
            raise ValueError("the service named no path")
        self.path = path
