"""The guide's rule for save_every, at its borders; what the recorder's rows count."""

from __future__ import annotations

import pytest

from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.saves import from_row, step_of
from stealthrl_tui.runs.saving import advised_save_every


@pytest.mark.parametrize(("total", "advised"), [(1, 5), (19, 5), (20, 10), (100, 10), (101, 20), (100_000, 20)])
def test_the_guide_s_rule(total: int, advised: int) -> None:
    assert advised_save_every(total) == advised


@pytest.mark.parametrize("kind", list(Kind))
def test_the_recorders_rows_count_the_steps_done_in_any_loop(kind: Kind) -> None:
    times = {"saved_at": "2026-11-26T00:00:00Z", "expires_at": None}
    paths = {"state_path": "tinker://a:train:0/weights/000005", "sampler_path": "tinker://a:train:0/sampler_weights/5"}
    periodic = from_row({"name": "000005", "batch": 5, "epoch": 0, **paths, **times}, 1)
    final = from_row({"name": "final", "batch": 7, **paths, **times}, 2)
    assert step_of(periodic, kind, False, 20, 12) == 5
    assert step_of(final, kind, True, 20, 12) == 7
