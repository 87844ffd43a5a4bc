"""The StealthRL launcher against stand-ins with the signatures of what it replaces, an SDK that recurses among them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.resume.stealthrl import launcher_text
from tests.unit.built_runs import run, save

OLD_SDK = Path(__file__).parent.parent / "service/stand_in/old_sdk"
STATE = "tinker://beed4114-f519-5428-bc6c-3896929b5c5e:train:0/weights/000010"
TRAINER = """
import asyncio, logging, sys
import tinker
from tinker_cookbook.rl import train as rl_train

async def main():
    service = tinker.ServiceClient()
    first = await service.create_lora_training_client_async(base_model="m/base", rank=8)
    second = await service.create_lora_training_client_async("m/base", 8)
    tinker.tell(first=first.made, second=second.made, argv=sys.argv[1:], name=__name__)
    await rl_train.do_sync_training(start_batch=0, end_batch=20, cfg=None)
    await rl_train.do_async_training(0, end_batch=20, cfg=None)

if __name__ == "__main__":
    asyncio.run(main())
"""
COOKBOOK = """
import tinker

async def do_sync_training(start_batch, end_batch, cfg):
    tinker.tell(start_batch=start_batch, end_batch=end_batch)

async def do_async_training(start_batch, end_batch, cfg):
    tinker.tell(start_batch=start_batch, end_batch=end_batch)
"""


def launch(
    folder: Path, trainer: str = TRAINER, cookbook: str = COOKBOOK, step: int = 10, **environ: str
) -> tuple[int, list[dict[str, Any]], str]:
    """Run the launcher in a project of these two modules: its status, what was told, and what it said."""
    for name, text in (("stealthrl/tinker/train.py", trainer), ("tinker_cookbook/rl/train.py", cookbook)):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        for package in (path.parent, path.parent.parent):
            (package / "__init__.py").touch()
    found = run("r", save(step, state_uri=STATE), facts={"base_model": "m/base", "lora_rank": 8})
    (folder / "new run").mkdir()
    launcher = folder / "new run/resume_launcher.py"
    launcher.write_text(launcher_text(found, found.checkpoints[0]))
    done = subprocess.run(
        [sys.executable, str(launcher), "--run-name", "new run"],
        env={**os.environ, "PYTHONPATH": str(OLD_SDK), **environ}, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_the_first_client_comes_from_the_state_and_training_starts_later(tmp_path: Path) -> None:
    status, told, said = launch(tmp_path)
    assert status == 0, said
    assert told == [
        {
            "first": {"base_model": "m/base", "rank": 8, "state": STATE},
            "second": {"base_model": "m/base", "rank": 8, "state": None},
            "argv": ["--run-name", "new run"],
            "name": "__main__",
        },
        {"start_batch": 10, "end_batch": 20},
        {"start_batch": 10, "end_batch": 20},
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cookbook": COOKBOOK.replace("do_sync_training", "train")}, "no do_sync_training; nothing was trained"),
        ({"cookbook": COOKBOOK.replace("start_batch", "first")}, "takes no start_batch; nothing was trained"),
        ({"trainer": TRAINER.replace('base_model="m/base", rank=8', '"m/other", 8')}, "base model: the trainer asks"),
        ({"trainer": TRAINER.replace("rank=8", "rank=4")}, "LoRA rank: the trainer asks for 4, the run had 8"),
        ({"STATE_MODEL": "m/else"}, "the state has m/else"),
        ({"step": 20}, "nothing is left to train: 20 of 20"),
        (
            {
                "trainer": "import asyncio\nfrom tinker_cookbook.rl import train\n"
                "asyncio.run(train.do_sync_training(0, 20, None))\n"
            },
            "it does not come from the state",
        ),
    ],
    ids=["cookbook", "signature", "model", "rank", "state", "complete", "unknown way"],
)
def test_what_does_not_fit_stops_it_before_anything_is_trained(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    status, told, said = launch(tmp_path, **changes)
    assert status == 1
    assert why in said
    assert not any("start_batch" in each for each in told)
