"""The log: follows its end until one scrolls up, keeps its place while lines come and go, finds, and leaves out."""

from __future__ import annotations

from stealthrl_tui.runs.logview import Level, LogLine
from stealthrl_tui.ui.widgets.log_view import LogView, highlighted
from tests.ui.widget_host import WidgetHost


def log(first: int, last: int, level: Level = "info") -> list[LogLine]:
    return [LogLine(number, f"line {number}", level) for number in range(first, last)]


async def test_it_begins_at_the_end_and_follows() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 11)) as pilot:
        lines = log(0, 100)
        view.set_lines(lines)
        await pilot.pause()
        assert host.lines()[0].startswith("● following  100 lines")
        assert host.lines()[-1] == " line 99"
        lines += log(100, 105)
        view.appended(lines)
        await pilot.pause()
        assert host.lines()[-1] == " line 104"


async def test_scrolling_up_pauses_and_the_end_goes_on() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 11)) as pilot:
        lines = log(0, 100)
        view.set_lines(lines)
        await pilot.pause()
        await pilot.press("k", "pageup")
        top = host.lines()[1]
        assert host.lines()[0].startswith("‖ paused")
        view.appended([*lines[30:], *log(100, 120)], dropped=30)
        await pilot.pause()
        assert host.lines()[1] == top
        await pilot.press("G")
        assert view.following
        assert host.lines()[-1] == " line 119"
        await pilot.press("g")
        assert host.lines()[1] == " line 30"
        view.following = True
        await pilot.pause()
        assert host.lines()[-1] == " line 119"


async def test_the_end_stays_in_view_in_a_smaller_window() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 20)) as pilot:
        view.set_lines(log(0, 100))
        await pilot.pause()
        await pilot.resize_terminal(60, 6)
        await pilot.pause()
        assert host.lines()[-1] == " line 99"
        assert view.following


async def test_a_level_leaves_out_what_is_below_and_keeps_tracebacks_whole() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 8)) as pilot:
        lines = [
            *log(0, 20),
            LogLine(20, "it broke", "error"),
            LogLine(21, "  File x", "error", continuation=True),
            *log(22, 40),
            LogLine(40, "careful", "warning"),
            LogLine(41, "no record", None),
        ]
        view.set_lines(lines)
        view.set_minimum("warning")
        await pilot.pause()
        assert host.lines()[1:5] == [" it broke", "   File x", " careful", ""]
        assert "3 lines of 42  warning and above" in host.lines()[0]
        view.appended([*lines, LogLine(42, "worse", "critical")])
        assert host.lines()[4] == " worse"
        view.set_minimum(None)
        await pilot.pause()
        assert host.lines()[-2:] == [" no record", " worse"]


async def test_search_goes_round_and_highlights() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 11)) as pilot:
        view.set_lines([LogLine(i, "Saved CHECKPOINT" if i in (5, 50, 95) else f"step {i}") for i in range(100)])
        await pilot.pause()
        assert view.search("checkpoint")
        expected = (95, 5, 50, 95)
        for number, place in enumerate(expected):
            if number:
                await pilot.press("n")
            marked = [y for y, line in enumerate(host.lines()) if line.startswith("▌")]
            assert len(marked) == 1
            assert view.top + marked[0] - 1 == place
        assert "3 of 3" in host.lines()[0]
        await pilot.press("N")
        assert "2 of 3" in host.lines()[0]
        assert any(s.style is not None and s.style.reverse for strip in host.strips() for s in strip)
        assert not view.search("nowhere")
        assert "no match" in host.lines()[0]
        await pilot.press("n", "N")
        assert not view.search("")


async def test_matches_are_found_in_new_lines_and_keep_their_place() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 11)) as pilot:
        lines = [LogLine(i, "match" if i % 40 == 39 else f"step {i}") for i in range(100)]
        view.set_lines(lines)
        await pilot.pause()
        view.search("match")
        await pilot.press("g", "n")
        assert "1 of 2" in host.lines()[0]
        view.appended([*lines[20:], LogLine(100, "match")], dropped=20)
        await pilot.pause()
        assert "1 of 3" in host.lines()[0]


def test_highlighted_parts_are_the_whole_text() -> None:
    assert highlighted("aXbxc", "x", "text") == [
        ("a", "text"),
        ("X", "best reverse"),
        ("b", "text"),
        ("x", "best reverse"),
        ("c", "text"),
    ]
    assert highlighted("İstanbul x", "x", "text") == [("İstanbul x", "text")]


async def test_long_hostile_and_wide_lines() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(40, 8)) as pilot:
        view.set_lines([LogLine(1, "\x1b[2J\x07" + "x" * 100 + "END"), LogLine(2, "日本語" * 30)])
        await pilot.pause()
        assert "".join(host.lines()).isprintable()
        assert {strip.cell_length for strip in host.strips()} == {40}
        view.scroll_to(x=1000, animate=False, force=True)
        await pilot.pause()
        assert "語" in "".join(host.lines()[1:])


async def test_why_a_log_cannot_be_read_is_said() -> None:
    view = LogView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 8)) as pilot:
        view.set_lines([], problem="cannot read logs.log: Permission denied")
        await pilot.pause()
        assert host.lines()[0] == "! cannot read logs.log: Permission denied"
        await pilot.press("n", "N", "G", "g", "k")
        view.set_lines([])
        assert host.lines()[0] == "● following  0 lines"
