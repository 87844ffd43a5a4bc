"""The curve in one line of text."""

import math

import pytest

from stealthrl_tui.ui.widgets.spark import spark


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 8, ""),
        ([1.0], 0, ""),
        ([1.0], 8, "▅"),
        ([2.0, 2.0, 2.0], 8, "▅▅▅"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"),
        ([0, 9, 9, 1], 2, "█▁"),
        ([0.0, math.nan, 1.0], 3, "▁ █"),
        ([math.nan, math.inf], 2, "  "),
        ([-1.7e308, 1.7e308], 2, "▁█"),
    ],
)
def test_spark(values: list[float], width: int, expected: str) -> None:
    assert spark(values, width) == expected


def test_the_newest_value_is_always_the_last_bar() -> None:
    assert spark([1.0] * 99 + [5.0], 7) == "▁▁▁▁▁▁█"
