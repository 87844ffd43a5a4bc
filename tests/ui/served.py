"""A browser beside the sandbox service, its children real processes with the unmodified SDK in them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from stealthrl_tui.runs.uri import SCHEME
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.settings import Settings
from stealthrl_tui.ui.app import Browser
from tests.ui.conftest import read, until

# A failed run with three saves, whose sampler paths are of the two-part form.
RUN = "exception_midrun"


def use(monkeypatch: pytest.MonkeyPatch, home: Path, environ: dict[str, str]) -> None:
    """A home of its own, nothing of the user's account, then these variables."""
    for name in ("TINKER_API_KEY", "TINKER_BASE_URL", "TINKER_CREDENTIAL_CMD", "TINKER_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), **environ}.items():
        monkeypatch.setenv(name, value)


def uris(run: Path) -> list[dict[str, str]]:
    """The paths of each save of a ledger, as the server names them: {"name", "state", "sampler"}."""
    found = []
    for line in (run / "checkpoints.jsonl").read_text().splitlines():
        row = json.loads(line)
        run_id, _, name = row["sampler_path"].removeprefix(SCHEME).partition("/")
        sampler = f"{SCHEME}{run_id}/sampler_weights/{name.rpartition('/')[2]}"
        found.append({"name": row["name"], "state": row["state_path"], "sampler": sampler})
    return found


def hold(sandbox: Sandbox, run: Path) -> list[dict[str, str]]:
    """Put every save of `run` on the server."""
    saves = uris(run)
    for save in saves:
        sandbox.save(save["state"])
        sandbox.save(save["sampler"])
    return saves


@asynccontextmanager
async def browsing(
    *roots: Path, ask: bool = False, size: tuple[int, int] = (160, 44), layout: Path | None = None
) -> AsyncIterator[Pilot[None]]:
    """A browser by the real clock, its runs read; `ask` lets it ask the server by itself."""
    settings = Settings(Path("settings.toml"), server_ask=ask)
    app = Browser([str(each) for each in roots], settings, clock=time.time, layout=layout)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: read(app))
        yield pilot
