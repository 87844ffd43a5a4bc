"""The chart: no spike lost, gaps stay gaps, every odd series has a picture, checkpoints are marked under the curve."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.widgets.axes import labels, step_labels, ticks
from stealthrl_tui.ui.widgets.braille import Canvas
from stealthrl_tui.ui.widgets.buckets import Scale, buckets, joined, smoothed, stride
from stealthrl_tui.ui.widgets.chart import BEST, FINAL, ROLLING, SAVED, Chart, Curve, Mark
from stealthrl_tui.ui.widgets.overlay import Picture, draw
from stealthrl_tui.ui.widgets.plot import Plot
from tests.ui.widget_host import WidgetHost, curve, series


def text(picture: Picture) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in picture.lines]


def roles(picture: Picture, wanted: str) -> str:
    """All that the picture shows in one role."""
    return "".join(piece for line in picture.lines for piece, role in line if role == wanted)


def dots(line: str) -> list[bool]:
    return ["\u2800" < cell <= "\u28ff" for cell in line]


@pytest.mark.parametrize("columns", [2, 7, 80, 240])
@pytest.mark.parametrize("count", [1, 2, 79, 80, 81, 5000])
def test_every_point_is_in_one_bucket_and_extremes_survive(count: int, columns: int) -> None:
    chance = random.Random(count * columns)
    data = curve(count, lambda _: chance.gauss(0, 1))
    found = buckets(data, (0, count), Scale(0, count - 1, columns))
    assert [each.start for each in found] == [0, *(each.end for each in found[:-1])]
    assert found[-1].end == count
    assert [each.column for each in found] == sorted({each.column for each in found})
    assert all(0 <= each.column < columns for each in found)
    assert min(each.low for each in found) == min(data.values)
    assert max(each.high for each in found) == max(data.values)
    for each in found:
        part = data.values[each.start : each.end]
        assert (each.low, each.high, each.first, each.last) == (min(part), max(part), part[0], part[-1])


def test_a_view_takes_only_its_steps() -> None:
    data = series([0, 1, 2, 3, 4, 5], [0, 10, 20, 30, 40, 50])
    assert [each.first for each in buckets(data, (0, 6), Scale(10, 30, 100))] == [1, 2, 3]
    assert buckets(data, (0, 6), Scale(11, 19, 100)) == []
    assert [each.first for each in buckets(data, (0, 6), Scale(20, 20, 100))] == [2]


def test_gaps_stay_gaps_and_a_slow_metric_is_whole() -> None:
    scale = Scale(0, 100, 200)
    gappy = series([1.0] * 8, [0, 1, 2, 3, 50, 51, 52, 53])
    found = buckets(gappy, (0, 8), scale)
    assert joined(gappy, found, stride(gappy, (0, 8))) == [False, True, True, True, False, True, True, True]
    slow = series([1.0] * 6, [0, 20, 40, 60, 80, 95])
    assert joined(slow, buckets(slow, (0, 6), scale), stride(slow, (0, 6))) == [False, *[True] * 5]


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("columns", [10, 3000])
def test_the_moving_average_is_the_debiased_one(weight: float, columns: int) -> None:
    chance = random.Random(7)
    data = curve(3000, lambda _: chance.gauss(3, 1))
    found = buckets(data, (0, 3000), Scale(0, 2999, columns))
    total, norm, expected = 0.0, 0.0, []
    for value in data.values:
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        expected.append(total / norm)
    got = smoothed(data.values, 0, found, weight)
    assert got == pytest.approx([expected[each.end - 1] for each in found], rel=1e-5)
    assert got[0] == pytest.approx(expected[found[0].end - 1])


def test_a_canvas_draws_runs_lines_and_layers() -> None:
    canvas = Canvas(2, 2)
    canvas.run(0, 0, 7)
    canvas.commit("dim")
    assert [canvas.row(0), canvas.row(1)] == [[("⡇", "dim"), (" ", "")]] * 2
    canvas.line((0, 0), (3, 0))
    canvas.commit("alive")
    assert canvas.row(0) == [("⠈", "alive"), ("⠉", "alive")]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.21, 0.68, 5, [".3", ".4", ".5", ".6"]),
        (0, 1, 3, ["0", ".5", "1.0"]),
        (-1, 1, 3, ["-1", "0", "1"]),
        (0, 0.9, 4, ["0", ".25", ".50", ".75"]),
        (0, 100000, 3, ["0", "50k", "100k"]),
        (0, 1e-5, 3, ["0", "5.0e-06", "1.0e-05"]),
    ],
)
def test_ticks_are_few_round_and_told_apart(low: float, high: float, most: int, expected: list[str]) -> None:
    found = ticks(low, high, most)
    assert labels(found) == expected


@pytest.mark.parametrize("low", [0.0, -3.7, 12345678.0, -1.6e308, 5e-324, 1e-300])
@pytest.mark.parametrize("span", [5e-324, 1e-9, 0.013, 1.0, 7e5, 1.5e308])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_ticks_exist_for_any_range(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert 1 <= len(found) <= max(2, most)
    assert all(math.isfinite(value) for value in found)
    assert all(labels(found))


@pytest.mark.parametrize("width", [12, 40, 88, 200])
def test_step_labels_have_both_ends_and_never_touch(width: int) -> None:
    placed = step_labels(0, 487, width)
    assert placed[0] == (0, "0")
    assert placed[-1] == (width - 3, "487")
    for (at, words), (after, _) in pairwise(placed):
        assert at + len(words) + 2 <= after


ODD: dict[str, Series | None] = {
    "none": None,
    "empty": series([]),
    "one": series([3.0]),
    "one late": series([3.0], [10**12]),
    "constant": series([0.0] * 50),
    "large constant": series([1.7e308] * 5),
    "tiny": curve(50, lambda step: 1e-300 * step),
    "denormal": curve(50, lambda step: 5e-324 * step),
    "huge": curve(50, lambda step: 1.7e308 * (-1) ** step),
    "near": curve(50, lambda step: 1e9 + step * 1e-7),
    "negative": curve(50, lambda step: -step),
    "steps all alike": series([1.0, 5.0, 2.0], [7, 7, 7]),
    "passes": series([1.0, 2, 3, 4, 3, 4, 5], [0, 1, 2, 3, 1, 2, 3], (0, 4)),
    "nothing in the last pass": series([1.0, 2, 3], [0, 1, 2], (0, 3)),
    "nothing in the first pass": series([1.0, 2, 3], [0, 1, 2], (0, 0, 0)),
    "many": curve(20_000, lambda step: math.sin(step / 900)),
}


@pytest.mark.parametrize("size", [(2, 1), (5, 2), (11, 3), (20, 4), (38, 7), (80, 24), (160, 40)])
@pytest.mark.parametrize("name", ODD)
def test_every_series_has_a_picture_of_exactly_its_box(name: str, size: tuple[int, int]) -> None:
    found = ODD[name]
    curves = () if found is None else (Curve(found),)
    marks = tuple(Mark(step, "state", str(step)) for step in range(0, 50, 10))
    for smoothing in (0.0, 0.9):
        for titled in (False, True):
            plot = Plot("a title", curves, marks, "20", None, smoothing, 0.4, titled=titled)
            lines = text(draw(plot, *size))
            assert len(lines) == size[1]
            assert all(len(line) <= size[0] and line.isprintable() for line in lines)


def test_a_spike_in_a_long_series_is_seen() -> None:
    data = curve(100_000, lambda step: 100.0 if step == 54_321 else 0.0)
    picture = draw(Plot("x", (Curve(data),)), 80, 12)
    assert any(dots(text(picture)[0]))


def test_a_constant_series_is_a_line_in_the_middle() -> None:
    lines = text(draw(Plot("x", (Curve(series([2.0] * 30)),)), 40, 8))
    assert [any(dots(line)) for line in lines] == [False, False, False, True, False, False, False, False]


def test_older_passes_are_dim_behind_the_newest() -> None:
    data = series([0.0, 0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 1, 2, 3], (0, 4))
    picture = draw(Plot("x", (Curve(data),)), 40, 8)
    assert any(dots(roles(picture, "dim")))
    assert any(dots(roles(picture, "alive")))


def test_smoothing_draws_a_line_over_faint_points() -> None:
    chance = random.Random(1)
    plot = Plot("x", (Curve(curve(500, lambda _: chance.gauss(0, 1))),), smoothing=0.95)
    picture = draw(plot, 60, 14)
    assert sum(dots(roles(picture, "alive faint"))) > sum(dots(roles(picture, "alive"))) > 40


def test_robust_leaves_an_outlier_at_the_border() -> None:
    data = curve(1000, lambda step: 1e9 if step == 500 else step / 1000)
    plain = labels_of(Plot("x", (Curve(data),)))
    robust = labels_of(Plot("x", (Curve(data),), robust=True))
    assert any("M" in word or "e+" in word or "G" in word for word in plain)
    assert robust == [".8", ".6", ".4", ".2"]


def labels_of(plot: Plot) -> list[str]:
    return [line.split()[0] for line in text(draw(plot, 60, 12))[:-1] if "┤" in line]


def test_no_values_are_said_in_words() -> None:
    marks = (Mark(10, "state", "a"), Mark(20, "state", "b"))
    assert "no values of reward yet" in "".join(text(draw(Plot("reward", (), marks), 60, 8)))
    assert "no values yet" in "".join(text(draw(Plot(), 60, 8)))
    assert "reading, 25 %" in "".join(text(draw(Plot("reward", unread=0.75), 60, 8)))
    data = series([1.0, 2.0], [0, 100])
    assert "no values of reward here" in "".join(text(draw(Plot("reward", (Curve(data),), view=(40, 60)), 60, 8)))


def test_reading_and_the_crosshair_are_said_over_the_curve() -> None:
    data = curve(100, lambda step: step / 10)
    assert "reading, 60 %" in text(draw(Plot("x", (Curve(data),), unread=0.4), 60, 8))[0]
    assert "step 50  5" in text(draw(Plot("x", (Curve(data),), cursor_step=50), 60, 8))[0]


def test_the_title_names_the_newest_value() -> None:
    data = series([1.0, 0.612])
    assert text(draw(Plot("reward", (Curve(data),), titled=True), 30, 8))[0] == "reward".ljust(25) + "0.612"
    assert text(draw(Plot("reward", (Curve(data),), titled=True, latest=math.nan), 30, 8))[0].endswith("nan")
    assert text(draw(Plot("\x1b[2J" * 30, (Curve(data),), titled=True), 30, 8))[0].isprintable()


def test_marks_stand_at_their_steps_with_the_cursor_on_the_curve() -> None:
    marks = tuple(Mark(step, "state", str(step)) for step in (0, 50, 100))
    picture = draw(Plot("x", (Curve(curve(101, float)),), marks, "50"), 51, 10)
    assert picture.marks_line is not None
    assert sorted(mark.key for mark in picture.hits.values()) == ["0", "100", "50"]
    line = text(picture)[picture.marks_line]
    assert [line[at] for at in picture.hits] == ["◆", "◆", "◆"]
    cursor = next(at for at, mark in picture.hits.items() if mark.key == "50")
    assert roles(picture, "state bold reverse") == "◆"
    assert sum(row[cursor] == "│" for row in text(picture)[: picture.marks_line]) >= 6


def test_of_several_marks_in_one_cell_the_most_important_is_seen() -> None:
    ordered = [
        Mark(5, "state", "rolling", ROLLING),
        Mark(5, "state", "state", SAVED),
        Mark(5, "sampler", "sampler", SAVED),
        Mark(5, "state", "cursor", SAVED),
        Mark(5, "state", "final", FINAL),
        Mark(5, "best", "best", BEST),
    ]
    for count in range(1, len(ordered) + 1):
        for marks in (ordered[:count], ordered[count - 1 :: -1]):
            picture = draw(Plot("x", (Curve(curve(10, float)),), tuple(marks), "cursor"), 40, 8)
            assert [mark.key for mark in picture.hits.values()] == [ordered[count - 1].key]


def test_a_final_save_beyond_the_last_row_widens_the_steps() -> None:
    picture = draw(Plot("x", (Curve(curve(10, float)),), (Mark(20, "state", "final", FINAL),)), 40, 8)
    assert text(picture)[-1].endswith("20")
    assert text(draw(Plot("x", (Curve(curve(10, float)),), view=(2.0, 6.0)), 40, 8))[-1].split() == ["2", "5", "6"]


async def test_the_widget_shows_and_follows_the_cursor() -> None:
    chart = Chart()
    host = WidgetHost(chart)
    marks = [Mark(step, "state", str(step)) for step in range(0, 100, 10)]
    async with host.run_test(size=(80, 16), message_hook=host.hook) as pilot:
        chart.show(curve(100, float), title="reward", marks=marks, cursor_key="50")
        await pilot.pause()
        before = host.lines()
        assert {strip.cell_length for strip in host.strips()} == {80}
        assert any(any(dots(line)) for line in before)
        chart.set_cursor("90")
        await pilot.pause()
        assert host.lines() != before
        chart.set_crosshair(20)
        assert "step 20  20" in host.lines()[0]
        chart.set_crosshair(None)
        step = chart.step_at(79)
        assert step == pytest.approx(99, abs=1)
        assert chart.step_at(0) is None


async def test_a_click_on_a_mark_selects_its_checkpoint() -> None:
    chart = Chart(titled=True)
    host = WidgetHost(chart)
    async with host.run_test(size=(80, 16), message_hook=host.hook) as pilot:
        chart.show(curve(100, float), title="reward", marks=[Mark(0, "state", "a"), Mark(99, "sampler", "b")])
        await pilot.pause()
        line = host.lines()[14]
        await pilot.click(offset=(line.index("◆"), 14))
        await pilot.click(offset=(line.rindex("◆") - 1, 14))
        await pilot.click(offset=(40, 14))
        await pilot.click(offset=(40, 5))
        assert host.keys(Chart.MarkSelected) == ["a", "b"]


async def test_new_rows_another_size_and_another_theme_are_drawn() -> None:
    chart = Chart()
    host = WidgetHost(chart)
    data = curve(100, float)
    async with host.run_test(size=(80, 16)) as pilot:
        chart.show(data, title="reward")
        await pilot.pause()
        for values in (100.0, 200.0):
            data.values.append(values)
            data.steps.append(len(data.steps))
        before = host.lines()
        chart.show(Series(data.steps, data.values, 102), title="reward")
        assert host.lines() != before
        await pilot.resize_terminal(30, 6)
        await pilot.pause()
        assert [strip.cell_length for strip in host.strips()] == [30] * 6
        colours = [segment.style for segment in host.strips()[0]]
        host.theme = "stealthrl-light"
        await pilot.pause()
        await pilot.pause()
        assert [segment.style for segment in host.strips()[0]] != colours
        chart.show(None, title="entropy")
        assert "no values of entropy yet" in "".join(host.lines())


async def test_several_runs_lie_in_one_chart() -> None:
    chart = Chart()
    host = WidgetHost(chart)
    async with host.run_test(size=(80, 16)):
        chart.show(curve(50, float), title="reward", behind=[Curve(curve(90, lambda s: 90.0 - s), "done")])
        styles = {segment.style for strip in host.strips() for segment in strip if any(dots(segment.text))}
        assert len(styles) == 2
