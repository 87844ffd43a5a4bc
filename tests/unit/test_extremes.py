"""The least and the most of a part of an array, against a look at each of its values."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from stealthrl_tui.ui.widgets import extremes as module
from stealthrl_tui.ui.widgets.extremes import extremes


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=1500), st.data())
def test_any_part_of_an_array_that_grows(values: list[float], data: st.DataObject) -> None:
    grown: array[float] = array("d")
    for piece in (values[: len(values) // 3 + 1], values[len(values) // 3 + 1 :]):
        grown.extend(piece)
        start = data.draw(st.integers(0, len(grown) - 1))
        end = data.draw(st.integers(start + 1, len(grown)))
        assert extremes(grown, start, end) == (min(grown[start:end]), max(grown[start:end]))
        assert extremes(grown, 0, len(grown)) == (min(grown), max(grown))


def test_an_array_that_is_gone_is_forgotten() -> None:
    values = array("d", range(2000))
    assert extremes(values, 0, 2000) == (0.0, 1999.0)
    key = id(values)
    assert key in module._kept
    del values
    assert key not in module._kept
