"""Prune from the screen: what the best are the best by, the plan, its end, and several runs at a time."""

from __future__ import annotations

from pathlib import Path

from stealthrl_tui.sandbox.process import Sandbox
from tests.ui.conftest import app_of, press_until, screen_text, until, words
from tests.ui.served import RUN, browsing, hold
from tests.ui.test_manage_ui import held, sandbox

__all__ = ["sandbox"]


async def test_the_direction_chosen_for_a_metric_says_which_are_the_best(sandbox: Sandbox, root: Path) -> None:
    first, *_ = hold(sandbox, root / RUN)
    async with browsing(root / RUN, size=(80, 30)) as pilot:
        await press_until(pilot, "P", shows="the best by reward, higher is better")
        await press_until(pilot, "v", shows="type to narrow")
        await press_until(pilot, "tab", shows="lower is better")
        await press_until(pilot, "enter", shows="the best by reward, lower is better")
        await pilot.press("backspace", "1", "tab", "backspace")
        await until(pilot, lambda: words(pilot, "#command").endswith("--yes does it"))
        assert "--best 1 --metric env/all/reward/total --better lower" in words(pilot, "#command")
        await press_until(pilot, "enter", shows="✓ stays  000005")
        assert "✗ goes   000015" in screen_text(pilot)
        assert "best reward -0.045" in screen_text(pilot)
        # The state of the newest is not spared: what stays has a state to go on from.
        await press_until(pilot, *"delete", "enter", shows="4 of 4 paths gone, the server says")
        assert set(held(sandbox)) == {first["state"], first["sampler"]}


async def test_another_rule_has_no_plan_yet_and_a_plan_that_spares_all_asks_no_word(
    sandbox: Sandbox, root: Path
) -> None:
    hold(sandbox, root / RUN)
    async with browsing(root / RUN) as pilot:
        await press_until(pilot, "P", shows="always stay")
        await press_until(pilot, "enter", shows="✓ nothing goes: 3 checkpoints")
        assert not pilot.app.screen.query_one("#word").display
        await press_until(pilot, "backspace", "1", shows="--best 1")
        assert "nothing goes" not in screen_text(pilot)
        await pilot.press("tab", "backspace")
        await press_until(pilot, "enter", shows="type delete to delete what goes")
        await press_until(pilot, "escape", shows="Timeline")
        assert len(held(sandbox)) == 6


async def test_marked_runs_are_pruned_together(sandbox: Sandbox, root: Path) -> None:
    for name in (RUN, "stealthrl_tiny_sync"):
        hold(sandbox, root / name)
    async with browsing(root / RUN, root / "stealthrl_tiny_sync", size=(120, 36)) as pilot:
        await pilot.press("home", "space", "space")
        await until(pilot, lambda: len(app_of(pilot).browse.runs.marked) == 2)
        await press_until(pilot, "P", shows="2 marked runs")
        await pilot.press("backspace", "1", "tab", "backspace")
        await press_until(pilot, "enter", shows="of 2 runs")
        plans = screen_text(pilot)
        assert f"{RUN}  2 go" in plans
        assert "best reward 1.43" in words(pilot, "#rows")
        await press_until(pilot, "escape", shows="Timeline")
