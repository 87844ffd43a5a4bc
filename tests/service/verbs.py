"""Running the commands that talk to Tinker as what they are: processes, with the unmodified SDK in them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stealthrl_tui.sandbox.process import Sandbox

# The SDK alone would take minutes to say what these commands are to say in seconds.
SECONDS = 40.0


@dataclass(frozen=True)
class Said:
    """What a command said; `events` are the JSON lines of its standard output."""

    status: int
    out: str
    err: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def last(self) -> dict[str, Any]:
        """The last word."""
        return self.events[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]


def environ(home: Path, sandbox: Sandbox | None = None, **more: str) -> dict[str, str]:
    """An environment with a home of its own, no key of the user's, and the sandbox as the service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TINKER_", "STEALTHRL_", "XDG_"))}
    places = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "TINKER_COOKBOOK_RUNS_DIR": str(home / "runs")}
    return {**kept, **places, **(sandbox.environ() if sandbox else {}), **more}


def tell(env: Mapping[str, str], *arguments: str) -> Said:
    """Run a command with --json; every line of its standard output has to be JSON."""
    said = words(env, *arguments, "--json")
    return Said(said.status, said.out, said.err, [json.loads(line) for line in said.out.splitlines()])


def words(env: Mapping[str, str], *arguments: str) -> Said:
    """Run a command as a script would, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "stealthrl_tui", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(env),
        cwd=env["HOME"],
        timeout=SECONDS,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def write_run(
    folder: Path, checkpoints: list[dict[str, Any]], *, model: str = "tiny", rank: int = 8, completed: bool = False
) -> Path:
    """A cookbook run with these ledger rows and a metric that is best after the first step."""
    folder.mkdir(parents=True)
    config = {"model_name": model, "lora_rank": rank, "save_every": 1, "learning_rate": 1e-4}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(row) + "\n" for row in checkpoints))
    rewards = [0.1, 0.9, 0.5, 0.2, 0.3, 0.1]
    rows = [
        {
            "step": step,
            "progress/batch": step,
            "progress/done_frac": (step + 1) / len(rewards),
            "env/all/reward/total": reward,
        }
        for step, reward in enumerate(rewards)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if completed:
        with (folder / "checkpoints.jsonl").open("a") as ledger:
            ledger.write(json.dumps({**checkpoints[-1], "final": True}) + "\n")
    return folder
