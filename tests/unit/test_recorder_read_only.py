"""Recording into a folder that can't be written, as one that may not: the training goes on, and nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_recorder import PROJECT, SECONDS, uris

# Whoever tests as root may write anywhere: the rights are given up first, and the folder is gone into before that.
PROGRAM = """
import json, os, sys
from pathlib import Path
from tests.unit.test_recorder import *
run = Path(sys.argv[1])
ledger = run / LEDGER
if sys.argv[2] == "with a ledger":
    recorder(Service(), run).step(5)
    ledger.chmod(0o444)
os.chdir(run)
run.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
recording = recorder(Service(), ".", start_step=5)
told = [recording.step(step) for step in range(6, 12)]
final = recording.finish()
left = sorted(os.listdir("."))
if os.geteuid() == 65534:
    os.seteuid(0)
Path(".").chmod(0o755)
if ledger.exists():
    ledger.chmod(0o644)
assert recording.finish().complete
saved = [outcome for outcome in told if outcome is not None]
print(json.dumps({"saved": [(each.name, each.state_path) for each in saved], "failures": recording.failures,
    "final": final.state_path, "complete": final.complete, "left": left}))
"""


@pytest.mark.parametrize("before", ["new", "with a ledger"])
def test_a_read_only_folder_ends_no_training_and_loses_no_row(tmp_path: Path, before: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(run), before], cwd=PROJECT, capture_output=True, text=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["saved"] == [["000010", uris("000010")[0]]]
    assert (told["final"], told["complete"]) == (uris("final")[0], False)
    assert all("Permission denied" in failure for failure in told["failures"])
    # The log holds what the ledger could not, so that even a crash before the end would lose no URI.
    assert any(uris("000010")[0] in failure for failure in told["failures"])
    ledger = ["checkpoints.jsonl"] if before == "with a ledger" else []
    assert told["left"] == ledger
    rows = [json.loads(line)["name"] for line in (run / "checkpoints.jsonl").read_text().splitlines()]
    assert rows == [*(["000005"] if ledger else []), "000010", "final"]
    assert os.listdir(run / "checkpoints") == ["final_checkpoint_info.json"]
