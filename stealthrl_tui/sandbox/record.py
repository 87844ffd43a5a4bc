"""Makes the sample runs that the sandbox service holds: `python -m stealthrl_tui.sandbox.record tests/data`.

The trainer trains each against a new service, at the pace of the demo; it takes as long as the longest of them. Their
losses and their names on the service are the same each time, the seconds they took are not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stealthrl_tui.sandbox.held import HELD, MODEL, ROOT_PLACE, TRAINER, TRAINER_PLACE, Held
from stealthrl_tui.sandbox.lifeline import OWNER_VARIABLE, owning
from stealthrl_tui.sandbox.process import Sandbox, SandboxError, running_sandbox
from stealthrl_tui.sandbox.samples import KEPT

USAGE = "usage: python -m stealthrl_tui.sandbox.record DATA_DIRECTORY"
_LOOK_EVERY, _PATIENCE = 0.02, 1.0


def record(data: Path) -> None:
    """Train all of HELD and put them into `data/sandbox`; raises OSError, SandboxError and CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder, running_sandbox(models=[MODEL]) as sandbox:
        root = Path(folder).resolve()
        with owning(root, patience=_PATIENCE):
            pending = [(held, _trainer(held, root, sandbox)) for held in HELD]
            while pending:
                pending = [(held, trainer) for held, trainer in pending if not _ended(held, root / held.name, trainer)]
                time.sleep(_LOOK_EVERY)
        for held in HELD:
            _keep(held, root, sandbox.folder, data)


def _trainer(held: Held, root: Path, sandbox: Sandbox) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *held.arguments(root)]
    return subprocess.Popen(command, env={**os.environ, **sandbox.environ(), OWNER_VARIABLE: str(root)})


def _ended(held: Held, run: Path, trainer: subprocess.Popen[bytes]) -> bool:
    """Whether it came to its end, or to the save after which it is interrupted; then that is done."""
    status = trainer.poll()
    if status is None and held.until is not None and f"{held.until:06d}" in _saves(run / "checkpoints.jsonl"):
        trainer.send_signal(signal.SIGINT)
        status = trainer.wait()
    if status not in (None, 0 if held.until is None else 130):
        raise subprocess.CalledProcessError(status, held.name)
    return status is not None


def _saves(ledger: Path) -> list[str]:
    # A last line without its end is still being written.
    lines = ledger.read_text("utf-8").split("\n")[:-1] if ledger.exists() else []
    return [json.loads(line)["name"] for line in lines]


def _keep(held: Held, root: Path, folder: Path, data: Path) -> None:
    run = root / held.name
    ledger = (run / "checkpoints.jsonl").read_text("utf-8")
    trained = ledger.partition("tinker://")[2].partition("/")[0]
    names = {
        trained.encode(): held.training_run_id.encode(),
        trained.partition(":")[0].encode(): held.training_run_id.partition(":")[0].encode(),
        str(root).encode(): ROOT_PLACE.encode(),
        str(TRAINER).encode(): TRAINER_PLACE.encode(),
    }
    _copy(run, data / held.name, names)
    _copy(folder / "runs" / trained, data / KEPT / held.training_run_id, names)


def _copy(source: Path, target: Path, names: dict[bytes, bytes]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for path in source.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for before, after in names.items() if path.suffix != ".npz" else ():
                content = content.replace(before, after)
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(content)


def main(arguments: list[str]) -> int:
    """`DATA_DIRECTORY`; the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        record(Path(arguments[0]))
    except (OSError, SandboxError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"the sample runs could not be made: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
