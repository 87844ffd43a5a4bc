"""The sample runs that the sandbox service trained, and so holds the checkpoints of.

Where the trainer and the root of the runs are, their files say only once they are placed.
"""

from __future__ import annotations

import json
import os
import shlex
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stealthrl_tui.text import iso

MODEL = "sandbox/tiny-byte-model"
STEP_SECONDS = 1.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# What the recorded files say in place of the trainer's file and of the root of the runs.
TRAINER_PLACE, ROOT_PLACE = "@TRAINER@", "@ROOT@"
TRAINER = Path(__file__).with_name("trainer.py")

_TIMES = ("created", "expires_at", "last_request")


@dataclass(frozen=True, slots=True)
class Held:
    """A run of the sandbox's trainer: `name` is its place below the root, `age` how many seconds ago it ended.

    With `until` it was interrupted once the save of that step was recorded.
    """

    name: str
    age: float
    rank: int
    steps: int
    save_every: int
    until: int | None = None

    @property
    def training_run_id(self) -> str:
        """The service's name of it, in the samples the same however often they are made."""
        return f"{uuid.uuid5(uuid.NAMESPACE_URL, self.name)}:train:0"

    def arguments(self, root: str | os.PathLike[str]) -> tuple[str, ...]:
        """The trainer's arguments, with the run below `root`."""
        options = ("--delay", str(STEP_SECONDS), "--rank", str(self.rank), "--model", MODEL)
        return (*options, f"log_path={root}/{self.name}", f"max_steps={self.steps}", f"save_every={self.save_every}")


# The demo's trainer takes this one up where it was interrupted.
LIVE = Held("sandbox/harbour", 5.0, rank=4, steps=300, save_every=10, until=60)
HELD = (
    LIVE,
    Held("sandbox/harbour_rank8", 2 * HOUR, rank=8, steps=120, save_every=20, until=40),
    # So old that its periodic checkpoints, which live for a week, are about to expire.
    Held("sandbox/harbour_rank2", 6 * DAY, rank=2, steps=80, save_every=20),
)


def place(run: Path, root: Path, ended: float) -> None:
    """Have the files of a run speak of where it is, below `root`, and of an end at `ended` (Unix seconds)."""
    _fill(run / "logs.log", shlex.quote(str(TRAINER)), shlex.quote(str(root)))
    _fill(run / "config.json", json.dumps(str(TRAINER))[1:-1], json.dumps(str(root))[1:-1])
    _move_saves(run / "checkpoints.jsonl", ended)


def _fill(path: Path, trainer: str, root: str) -> None:
    text = path.read_text("utf-8")
    path.write_text(text.replace(TRAINER_PLACE, trainer).replace(ROOT_PLACE, root), "utf-8")


def _move_saves(ledger: Path, ended: float) -> None:
    rows = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    saved = [_unix(row["saved_at"]) for row in rows if row.get("saved_at")]
    for row in rows if saved else ():
        row |= {key: iso(_unix(row[key]) + ended - max(saved)) for key in ("saved_at", "expires_at") if row.get(key)}
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def move(kept: Path, ended: float) -> None:
    """Have what the service keeps of a run, in its folder `kept`, end at `ended` (Unix seconds)."""
    later = ended - json.loads((kept / "run.json").read_bytes())["last_request"]
    for path in kept.rglob("*.json"):
        content = json.loads(path.read_bytes())
        moved = {name: content[name] + later for name in _TIMES if content.get(name) is not None}
        path.write_text(json.dumps({**content, **moved}), "utf-8")
