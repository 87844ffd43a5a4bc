"""Killed, and resumed on the screen from an older save and from the last: the losses are those of the unbroken run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stealthrl_tui.runs.lineage import read_lineage
from stealthrl_tui.sandbox.process import Sandbox
from tests.ui.conftest import Open, app_of, press_until, screen_text, until
from tests.ui.resumed import READY, SECONDS, choose, configure, end, kill_after_two_saves, rows, saves, trainer

STEPS = 16
SMALL = Path(__file__).parent.parent / "service/small_trainer.py"
Command = Callable[[Path], list[str]]


@pytest.fixture(autouse=True)
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a training project, with a small trainer of its own."""
    configure(tmp_path)
    places = {"STEALTHRL_TUI_CONFIG": str(tmp_path / "settings.toml"), "XDG_STATE_HOME": str(tmp_path / "state")}
    for name, value in {**sandbox.environ(), **places}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "it's a project"
    folder.mkdir()
    shutil.copy(SMALL, folder / "train it.py")
    return folder


def sandbox_trainer(run: Path) -> list[str]:
    return trainer(run, STEPS)


def recipe(run: Path) -> list[str]:
    """A command as a cookbook recipe records it: relative, with shell metacharacters in a value."""
    given = [f"steps={STEPS}", "save_every=5", "note=$HOME; `id`"]
    return [sys.executable, "train it.py", f"log_path=runs/{run.name}", *given]


def losses(run: Path, key: str) -> dict[int, float]:
    return {row["step"]: row[key] for row in rows(run / "metrics.jsonl")}


@pytest.mark.parametrize(
    ("command", "key"),
    [(sandbox_trainer, "train_mean_nll"), (recipe, "env/all/reward/total")],
    ids=["sandbox trainer", "recipe"],
)
async def test_the_losses_after_a_resume_on_the_screen_are_those_of_the_unbroken_run(
    project: Path, open_browser: Open, command: Command, key: str
) -> None:
    runs = project / "runs"
    whole, killed, child = (runs / name for name in ("whole", "killed", "killed-from-5"))
    unbroken = subprocess.Popen(command(whole), cwd=project)
    slow = ["--delay", "0.2"] if command is sandbox_trainer else []
    kill_after_two_saves([*command(killed), *slow], killed, cwd=project, env={**os.environ, "DELAY": "0.2"})
    assert unbroken.wait(SECONDS) == 0
    ledger = (killed / "checkpoints.jsonl").read_text()
    try:
        async with open_browser(runs) as pilot:
            app = app_of(pilot)
            app.browse.runs.select(str(killed))
            await until(pilot, lambda: app.browse.detail.shown and app.browse.detail.shown.path == str(killed))
            await choose(pilot, "000005")
            await press_until(pilot, "r", shows=READY)
            await press_until(pilot, "enter", shows="started as process")
            await until(pilot, lambda: "final" in saves(child), SECONDS)
            assert (killed / "checkpoints.jsonl").read_text() == ledger
            await until(pilot, lambda: app.browse.selected is not None and app.browse.selected.path == str(child))
            await until(pilot, lambda: "↳ resumed from killed at step 5" in screen_text(pilot))

            app.browse.runs.select(str(killed))
            await until(pilot, lambda: "↳ resumed as killed-from-5" in screen_text(pilot))
            await choose(pilot, "000010")
            await press_until(pilot, "r", shows=READY)
            assert "none: its own directory" in screen_text(pilot)
            await press_until(pilot, "enter", shows="started as process")
            await until(pilot, lambda: "final" in saves(killed), SECONDS)
            await until(pilot, lambda: "resumed in its own directory at step 10" in screen_text(pilot))
    finally:
        end(read_lineage(str(child)))
        end(read_lineage(str(killed)))
    expected = losses(whole, key)
    assert sorted(expected) == list(range(STEPS))
    assert losses(child, key) == {step: expected[step] for step in range(5, STEPS)}
    assert losses(killed, key) == expected
    assert (killed / "checkpoints.jsonl").read_text().startswith(ledger)
