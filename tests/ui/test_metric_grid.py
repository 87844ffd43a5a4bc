"""The grid of charts: as many columns as fit, one cursor, and only what is in view is drawn."""

from __future__ import annotations

import math

from stealthrl_tui.ui.widgets.chart import Mark
from stealthrl_tui.ui.widgets.metric_grid import MetricGrid, Panel
from tests.ui.widget_host import WidgetHost, curve


def panels(count: int) -> list[Panel]:
    return [Panel(f"m{i}", f"metric {i}", curve(50, lambda step, i=i: step * i), float(i)) for i in range(count)]  # type: ignore[misc]


async def test_titles_values_and_columns_by_width() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24)) as pilot:
        grid.show(panels(5), marks=[Mark(10, "state", "a")], cursor_key="a")
        await pilot.pause()
        titles = [line for line in host.lines() if "metric" in line]
        assert titles[0].startswith("▌metric 0")
        assert titles[0].split()[2:] == ["0", "metric", "1", "1"]
        assert "◆" in "".join(host.lines())
        await pilot.resize_terminal(40, 24)
        await pilot.pause()
        assert "metric 1" not in host.lines()[0]
        await pilot.resize_terminal(160, 24)
        await pilot.pause()
        assert "metric 3" in host.lines()[0]
        assert {strip.cell_length for strip in host.strips()} == {grid.scrollable_content_region.width}


async def test_the_cursor_moves_in_both_directions_and_stays_in_view() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24), message_hook=host.hook) as pilot:
        grid.show(panels(9))
        await pilot.pause()
        for keys, expected in (
            ("right", "m1"),
            ("down", "m3"),
            ("j", "m5"),
            ("left", "m4"),
            ("up", "m2"),
            ("k k", "m0"),
            ("left", "m0"),
            ("end", "m8"),
            ("right", "m8"),
            ("home", "m0"),
            ("pagedown", "m4"),
            ("pageup", "m0"),
            ("right down down down down", "m8"),
        ):
            await pilot.press(*keys.split())
            assert grid.cursor_key == expected, keys
            assert any(line.startswith("▌") or " ▌" in line for line in host.lines())
        await pilot.press("enter")
        assert host.keys(MetricGrid.Open) == ["m8"]


async def test_the_cursor_stays_on_its_metric_when_others_come() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24)) as pilot:
        grid.show(panels(9))
        assert grid.select("m3")
        grid.show([Panel("new", "new", None), *panels(9)])
        assert grid.cursor_key == "m3"
        grid.show(panels(2))
        assert grid.cursor_key == "m1"
        assert not grid.select("m3")
        grid.show([])
        await pilot.pause()
        assert grid.cursor_key is None
        assert host.lines()[0] == "no metrics yet"
        await pilot.press("enter", "down", "right", "G")


async def test_only_the_charts_in_view_are_drawn() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24)) as pilot:
        grid.show(panels(200))
        await pilot.pause()
        assert len(grid._strips) <= 6


async def test_a_metric_without_values_and_one_that_is_nan() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24)) as pilot:
        grid.show([Panel("a", "\x1b[2Jentropy", None, math.nan), Panel("b", "reward", None)], unread=0.5)
        await pilot.pause()
        shown = "".join(host.lines())
        assert "nan" in host.lines()[0]
        assert "reading, 50 %" in shown
        assert shown.isprintable()


async def test_the_mouse() -> None:
    grid = MetricGrid()
    host = WidgetHost(grid)
    async with host.run_test(size=(80, 24), message_hook=host.hook) as pilot:
        grid.show(panels(5))
        await pilot.pause()
        await pilot.click(offset=(45, 3))
        assert grid.cursor_key == "m1"
        await pilot.click(offset=(5, 12), times=2)
        assert host.keys(MetricGrid.Open) == ["m2"]
