"""The table: columns that give way, a cursor that stays on its row, and nothing hostile on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from stealthrl_tui.ui.widgets.cells import cut, fit
from stealthrl_tui.ui.widgets.columns import Column, share
from stealthrl_tui.ui.widgets.line_table import LineTable
from tests.ui.widget_host import WidgetHost


@dataclass(frozen=True)
class Item:
    key: str
    name: str = ""
    number: int = 0


COLUMNS: tuple[Column[Item], ...] = (
    Column("status", "", lambda item: [("●", "alive")], 1, 1, 90, gap=1),
    Column("name", "NAME", lambda item: [("dir/", "dim"), (item.name or item.key, "text bold")], None, 8, 100),
    Column("step", "STEP", lambda item: [(str(item.number), "text")], 7, 5, 60, "right"),
    Column("age", "AGE", lambda item: [("now", "dim")], 5, 5, 70, "right"),
)


def items(keys: Iterable[object]) -> list[Item]:
    return [Item(str(key)) for key in keys]


def table(rows: Sequence[Item] = (), **options: object) -> LineTable[Item]:
    made: LineTable[Item] = LineTable(COLUMNS, lambda item: item.key, **options)  # type: ignore[arg-type]
    made.set_rows(rows)
    return made


def counting(calls: list[str]) -> LineTable[Item]:
    """A table that notes which rows it renders."""

    def render(item: Item) -> list[tuple[str, str]]:
        calls.append(item.key)
        return [(item.name, "text")]

    return LineTable([Column("name", "NAME", render, None, 5, 1)], lambda item: item.key)


def screen_line(host: WidgetHost, name: str) -> int:
    return next(y for y, line in enumerate(host.lines()) if line.split() and f"dir/{name}" in line.split())


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, [("status", 1), ("name", 42), ("step", 7), ("age", 5)]),
        (27, [("status", 1), ("name", 9), ("step", 7), ("age", 5)]),
        (25, [("status", 1), ("name", 8), ("step", 6), ("age", 5)]),
        (23, [("status", 1), ("name", 8), ("step", 6), ("age", 5)]),  # its gaps narrow first
        (21, [("status", 1), ("name", 12), ("age", 5)]),
        (12, [("status", 1), ("name", 10)]),
        (6, [("name", 6)]),
    ],
)
def test_columns_narrow_then_give_way_by_importance(width: int, expected: list[tuple[str, int]]) -> None:
    assert [(slot.column.key, slot.width) for slot in share(COLUMNS, width)] == expected


@pytest.mark.parametrize("width", range(12))
@pytest.mark.parametrize("side", ["end", "start"])
def test_fit_is_exactly_as_wide_as_asked(width: int, side: str) -> None:
    pieces = [("ab", "dim"), ("日本語", "text"), ("\x1b[2J", "bad")]
    fitted = fit(pieces, width, side=side)  # type: ignore[arg-type]
    assert sum(cell_len(text) for text, _ in fitted) == width
    assert all(text.isprintable() for text, _ in fitted)


def test_cut_says_where_something_was_left_out() -> None:
    assert (cut("abcdef", 4), cut("abcdef", 4, "start"), cut("abc", 3), cut("abc", 0)) == ("abc…", "…def", "abc", "")
    assert fit([("abc", "dim"), ("def", "text")], 3) == [("ab…", "dim")]


async def test_it_draws_header_rows_and_cursor() -> None:
    host = WidgetHost(table(items("abc")))
    async with host.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        assert [line.split() for line in host.lines()] == [
            ["NAME", "STEP", "AGE"],
            ["▌●", "dir/a", "0", "now"],
            ["●", "dir/b", "0", "now"],
            ["●", "dir/c", "0", "now"],
            [],
            [],
        ]
        assert {strip.cell_length for strip in host.strips()} == {40}


async def test_a_hostile_name_reaches_the_screen_harmless() -> None:
    host = WidgetHost(table([Item("k", "\x1b]52;c;x\x07[/x]\u202e\u200b\n")]))
    async with host.run_test(size=(60, 4)) as pilot:
        await pilot.pause()
        text = "".join(host.lines())
        assert text.isprintable()
        assert "[/x]" in text


async def test_the_keys_move_the_cursor_and_tell() -> None:
    widget = table(items(range(100)))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11), message_hook=host.hook) as pilot:
        for keys, expected in (
            ("j down", "2"),
            ("k", "1"),
            ("up up", "0"),
            ("pagedown", "9"),
            ("pageup", "0"),
            ("G", "99"),
            ("j", "99"),
            ("g", "0"),
            ("end", "99"),
            ("home", "0"),
        ):
            await pilot.press(*keys.split())
            assert widget.cursor_key == expected
        await pilot.press("j", "enter")
        assert host.keys(LineTable.Activated) == ["1"]
        assert host.keys(LineTable.Highlighted)[-1] == "1"
        assert widget.cursor_row == Item("1")


async def test_the_cursor_is_always_in_view() -> None:
    widget = table(items(range(100)))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        await pilot.press("G")
        assert screen_line(host, "99") == 10
        assert widget.select("50")
        await pilot.pause()
        assert screen_line(host, "50") == 1
        await pilot.resize_terminal(40, 5)
        await pilot.press("j")
        assert screen_line(host, "51")
        assert not widget.select("nowhere")


async def scrolled(pilot: Pilot[None], widget: LineTable[Item]) -> None:
    widget.set_rows(items(range(100)))
    await pilot.pause()
    widget.select("50")
    widget.scroll_to(y=45, animate=False, force=True)
    await pilot.pause()


async def test_the_selected_row_stays_on_its_line_while_rows_change() -> None:
    widget = table()
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        await scrolled(pilot, widget)
        line = screen_line(host, "50")
        widget.set_rows([*items("abc"), *items(range(10, 100))])
        await pilot.pause()
        assert (widget.cursor_key, screen_line(host, "50")) == ("50", line)


async def test_what_is_looked_at_stays_when_the_cursor_is_elsewhere() -> None:
    widget = table()
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        await scrolled(pilot, widget)
        widget.scroll_to(y=70, animate=False, force=True)
        await pilot.pause()
        widget.set_rows([*items("abc"), *items(range(100))])
        await pilot.pause()
        assert screen_line(host, "70") == 1
        assert widget.cursor_key == "50"


async def test_at_the_top_rows_that_arrive_above_are_seen() -> None:
    widget = table(items(range(100)))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        widget.set_rows([*items("new"), *items(range(100))])
        await pilot.pause()
        assert screen_line(host, "n") == 1
        assert widget.cursor_key == "0"


async def test_a_row_that_goes_hands_the_cursor_on() -> None:
    widget = table(items("abc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11), message_hook=host.hook) as pilot:
        await pilot.press("j")
        widget.set_rows(items("ac"))
        await pilot.pause()
        assert widget.cursor_key == "c"
        widget.set_rows([])
        await pilot.pause()
        assert widget.cursor_key is None
        assert host.keys(LineTable.Highlighted)[-2:] == ["c", None]


async def test_rows_of_one_key_are_both_reached() -> None:
    widget = table(items("abbc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        for _ in range(3):
            await pilot.press("j")
            widget.set_rows(items("abbc"))
        assert widget.cursor_key == "c"


async def test_follow_stays_on_the_first_row_until_the_cursor_moves() -> None:
    widget = table(items("abc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        await pilot.press("G")
        widget.follow = True
        assert widget.cursor_key == "a"
        widget.set_rows(items("xabc"))
        assert widget.cursor_key == "x"
        await pilot.press("j")
        assert not widget.follow
        widget.set_rows(items("yxabc"))
        assert widget.cursor_key == "a"


async def test_update_row_renders_that_row_again() -> None:
    calls: list[str] = []
    column: Column[Item] = Column(
        "name", "NAME", lambda item: calls.append(item.key) or [(item.name, "text")], None, 5, 1
    )
    widget: LineTable[Item] = LineTable([column], lambda item: item.key)
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        widget.set_rows([Item(key, "old") for key in "abc"])
        await pilot.pause()
        calls.clear()
        assert widget.update_row("b", Item("b", "fresh"))
        await pilot.pause()
        assert calls == ["b"]
        assert host.lines()[2].split() == ["fresh"]
        assert not widget.update_row("z", Item("z"))


async def test_only_the_rows_in_view_are_rendered() -> None:
    calls: list[str] = []
    column: Column[Item] = Column(
        "name", "NAME", lambda item: calls.append(item.key) or [(item.name, "text")], None, 5, 1
    )
    widget: LineTable[Item] = LineTable([column], lambda item: item.key)
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 11)) as pilot:
        widget.set_rows(items(range(10_000)))
        await pilot.pause()
        assert len(set(calls)) == 10


async def test_marks() -> None:
    widget = table(items("abc"), markable=True)
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 6), message_hook=host.hook) as pilot:
        await pilot.press("space", "space")
        assert widget.marked == ("a", "b")
        assert [line[1] for line in host.lines()[1:4]] == ["+", "+", " "]
        await pilot.press("g", "space")
        assert widget.marked == ("b",)
        assert host.keys(LineTable.Marked) == ["a", "b", "a"]
        widget.set_marked(["c"])
        assert widget.marked == ("c",)


async def test_without_marks_space_is_left_to_others() -> None:
    widget = table(items("abc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 6)) as pilot:
        await pilot.press("space")
        assert widget.marked == ()
        assert widget.cursor_key == "a"


async def test_the_sort_mark_stands_beside_its_title() -> None:
    widget = table(items("abc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 6)) as pilot:
        widget.set_sort("age")
        await pilot.pause()
        assert host.lines()[0].endswith("AGE ▾")
        widget.set_sort("name", descending=False)
        assert "NAME ▴" in host.lines()[0]


async def test_the_mouse() -> None:
    widget = table(items("abc"))
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 6), message_hook=host.hook) as pilot:
        await pilot.click(offset=(5, 2))
        assert widget.cursor_key == "b"
        await pilot.click(offset=(5, 3), times=2)
        assert host.keys(LineTable.Activated) == ["c"]
        await pilot.click(offset=(38, 0))
        assert host.keys(LineTable.HeaderClicked) == ["age"]
        await pilot.click(offset=(5, 5))
        assert widget.cursor_key == "c"


async def test_the_cursor_is_dim_without_focus() -> None:
    host = WidgetHost(table(items("abc")))
    async with host.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        focused = next(iter(host.strips()[1])).style
        host.set_focus(None)
        await pilot.pause()
        bar = next(iter(host.strips()[1]))
        assert bar.text == "▌"
        assert bar.style != focused


async def test_another_theme_has_other_colours() -> None:
    host = WidgetHost(table(items("abc")))
    async with host.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        dark = [segment.style for segment in host.strips()[2]]
        for theme in ("stealthrl-light", "textual-dark", "nord"):
            host.theme = theme
            await pilot.pause()
            await pilot.pause()
            assert [segment.style for segment in host.strips()[2]] != dark


async def test_an_empty_table_says_so_and_new_titles_show() -> None:
    widget = table(empty="no runs yet")
    host = WidgetHost(widget)
    async with host.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        assert host.lines()[1] == " no runs yet"
        widget.set_empty("nothing matches")
        assert host.lines()[1] == " nothing matches"
        await pilot.press("j", "G", "enter")
        widget.set_columns([Column("name", "REWARD", lambda item: [(item.key, "text")], None, 5, 1)])
        assert host.lines()[0] == " REWARD"
        assert widget.row("a") is None
