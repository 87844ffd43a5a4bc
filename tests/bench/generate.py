"""Run directories by the thousand, made of the recorded samples: real keys, real log lines, made-up numbers.

The large files are written once for a few dozen templates and linked into the runs; every run has a ledger of its own.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
STEALTHRL = SAMPLES / "stealthrl" / "stealthrl_tiny_sync"
COOKBOOK = SAMPLES / "cookbook-0.6.1" / "rl_tiny_resumed"

TEMPLATES = 24
RUNS_IN_A_SWEEP = 50
ROWS, SAVE_EVERY = 40, 5
LOG_BYTES = 20_000
MINUTE = 60.0
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)
_HUGE_KEYS = (
    "env/all/reward/total",
    "env/all/detector_prob",
    "env/all/semantic_sim",
    "kl_policy_base",
    "optim/entropy",
    "optim/lr",
    "env/all/by_group/frac_mixed",
    "env/all/ac_tokens_per_turn",
    "time/total",
)


@dataclass(slots=True)
class Template:
    """The files that many runs share, and when the last of them was written (Unix seconds)."""

    files: dict[str, Path]
    ended: float
    cookbook: bool


def metrics_rows(source: Path, rng: random.Random) -> Iterator[str]:
    """`ROWS` lines like those of `source`, every number a little different."""
    recorded = [json.loads(line) for line in (source / "metrics.jsonl").read_text().splitlines()]
    for step in range(ROWS):
        row = dict(recorded[step % len(recorded)])
        for key, value in row.items():
            if isinstance(value, float):
                row[key] = value * rng.uniform(0.8, 1.2)
        row.update({"step": step, "progress/batch": step, "progress/done_frac": (step + 1) / ROWS})
        yield json.dumps(row) + "\n"


def ledger_row(training_run: str, step: int, **more: Any) -> str:
    """A periodic save as the trainer appends it."""
    name = f"{step:06d}"
    uris = {f"{kind}_path": f"tinker://{training_run}/{part}/{name}" for kind, part in _PARTS}
    return json.dumps({"name": name, "batch": step, **uris, **more}) + "\n"


_PARTS = (("state", "weights"), ("sampler", "sampler_weights"))


def _log(source: Path, ended: float, complete: bool) -> str:
    text = source.read_text()
    head = text[: LOG_BYTES // 2].rsplit("\n", 1)[0]
    tail = text[-LOG_BYTES // 2 :].split("\n", 1)[1] if complete else text[len(head) + 1 :][: LOG_BYTES // 2]
    lines = f"{head}\n{tail}".rsplit("\n", 1)[0] + "\n"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ended))
    return _STAMP.sub(stamp, lines)


def make_template(folder: Path, ended: float, rng: random.Random, *, cookbook: bool, complete: bool) -> Template:
    """Write a template's files into `folder`."""
    source = COOKBOOK if cookbook else STEALTHRL
    log = "logs.log" if cookbook else "training.log"
    contents = {"metrics.jsonl": "".join(metrics_rows(source, rng)), log: _log(source / log, ended, complete)}
    for name in ["config.json"] if cookbook else ["training_config.json", "run_metadata.json"]:
        contents[name] = (source / name).read_text()
    if not cookbook and not complete:
        contents["run_metadata.json"] = contents["run_metadata.json"].replace("completed", "running")
    files = {}
    folder.mkdir(parents=True)
    for name, text in contents.items():
        files[name] = folder / name
        files[name].write_text(text)
        os.utime(files[name], (ended, ended))
    return Template(files, ended, cookbook)


def make_runs(root: Path, count: int, now: float) -> None:
    """`count` ended runs below `root` in sweeps of fifty, two thirds StealthRL's and one third the cookbook's."""
    rng = random.Random(count)
    store = root.with_name(root.name + ".templates")
    templates = [
        make_template(
            store / str(each), now - (30 + 41 * each) * MINUTE, rng, cookbook=each % 3 == 2, complete=each % 4 != 1
        )
        for each in range(TEMPLATES)
    ]
    for index in range(count):
        template = templates[index % TEMPLATES]
        run = root / f"sweep_{index // RUNS_IN_A_SWEEP:03d}" / f"run_{index:05d}"
        run.mkdir(parents=True)
        for name, path in template.files.items():
            os.link(path, run / name)
        ledger = run / "checkpoints.jsonl"
        ledger.write_text("".join(ledger_row(f"{index:08x}", step) for step in range(SAVE_EVERY, ROWS, SAVE_EVERY)))
        os.utime(ledger, (template.ended, template.ended))


@dataclass(slots=True)
class LiveRun:
    """A run that is being trained: files of its own, written just now."""

    path: Path
    training_run: str
    step: int = field(default=ROWS)
    _rows: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, path: Path) -> LiveRun:
        """Write what a trainer has written after `ROWS` steps."""
        rng = random.Random(path.name)
        make_template(path, time.time(), rng, cookbook=False, complete=False)
        run = cls(path, f"live-{path.name}")
        run._rows = (path / "metrics.jsonl").read_text().splitlines()
        for step in range(SAVE_EVERY, ROWS, SAVE_EVERY):
            run._append("checkpoints.jsonl", ledger_row(run.training_run, step))
        return run

    def save(self) -> str:
        """Append a row to the ledger; its name."""
        self.step += SAVE_EVERY
        self._append("checkpoints.jsonl", ledger_row(self.training_run, self.step))
        return f"{self.step:06d}"

    def train(self) -> None:
        """Append a step's row to the metrics, a line to the log."""
        self.step += 1
        row = json.loads(self._rows[self.step % len(self._rows)])
        row.update({"step": self.step, "progress/batch": self.step, "progress/done_frac": self.step / 10_000})
        self._append("metrics.jsonl", json.dumps(row) + "\n")
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        self._append("training.log", f"{stamp},000 - tinker_cookbook.utils.ml_log - INFO - Wrote metrics\n")

    def _append(self, name: str, text: str) -> None:
        with open(self.path / name, "a", encoding="utf-8") as file:
            file.write(text)


def make_huge_run(path: Path, rows: int) -> None:
    """A run with `rows` metrics rows of about 390 bytes."""
    LiveRun.start(path)
    rng = random.Random(rows)
    bodies = [", ".join(f'"{key}": {rng.uniform(0, 1):.14f}' for key in _HUGE_KEYS) for _ in range(997)]
    with open(path / "metrics.jsonl", "w", encoding="ascii", buffering=1 << 20) as file:
        for step in range(rows):
            file.write(f'{{"step": {step}, "progress/batch": {step}, {bodies[step % len(bodies)]}}}\n')


def remove(folder: Path) -> None:
    """Delete what was generated."""
    shutil.rmtree(folder)
