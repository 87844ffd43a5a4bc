"""The guide's rule for save_every, at its borders."""

from __future__ import annotations

import pytest

from stealthrl_tui.runs.saving import advised_save_every


@pytest.mark.parametrize(("total", "advised"), [(1, 5), (19, 5), (20, 10), (100, 10), (101, 20), (100_000, 20)])
def test_the_guide_s_rule(total: int, advised: int) -> None:
    assert advised_save_every(total) == advised
