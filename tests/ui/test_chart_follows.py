"""A resumed run's curve goes on from its parent's: the two look like the one that was never broken."""

from __future__ import annotations

import math
import random

import pytest

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.widgets.buckets import Scale, average, buckets, smoothed
from stealthrl_tui.ui.widgets.chart import Curve
from stealthrl_tui.ui.widgets.overlay import Picture, draw
from stealthrl_tui.ui.widgets.plot import Plot
from tests.ui.widget_host import curve, series

COUNT, FORK = 120, 45


def noisy(count: int = COUNT) -> Series:
    chance = random.Random(7)
    return curve(count, lambda step: 3 * math.exp(-step / 40) + chance.gauss(0, 0.1))


def part(whole: Series, start: int, end: int) -> Series:
    return series(whole.values[start:end], whole.steps[start:end])


def text(picture: Picture) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in picture.lines]


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9, 0.999])
def test_the_average_goes_on_over_the_resume(weight: float) -> None:
    whole = noisy()
    scale = Scale(0, COUNT - 1, 60)
    unbroken = smoothed(whole.values, 0, buckets(whole, (0, COUNT), scale), weight)
    child = part(whole, FORK, COUNT)
    found = buckets(child, (0, COUNT - FORK), scale)
    resumed = smoothed(child.values, 0, found, weight, list(whole.values[:FORK]))
    assert resumed == pytest.approx(unbroken[-len(resumed) :], rel=1e-4)
    assert average(list(whole.values), weight) == pytest.approx(unbroken[-1], rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.9])
@pytest.mark.parametrize("forks", [(FORK,), (20, FORK), (20, 40, 41, 90)])
def test_the_curves_of_parent_and_child_are_one(smoothing: float, forks: tuple[int, ...]) -> None:
    whole = noisy()
    curves: list[Curve] = []
    for start, end in zip((0, *forks), (*forks, COUNT), strict=True):
        curves.append(Curve(part(whole, start, end), "dim", curves[-1] if curves else None))
    unbroken, resumed = (
        text(draw(Plot("nll", drawn, smoothing=smoothing), 70, 14)) for drawn in ((Curve(whole),), tuple(curves))
    )
    # In a cell that both curves share only the child's dots show.
    shared = len(unbroken[0]) * (forks[-1] + 3) // COUNT + 3
    assert [line[shared:] for line in resumed] == [line[shared:] for line in unbroken]
    assert (
        sum(one != other for pair in zip(resumed, unbroken, strict=True) for one, other in zip(*pair, strict=True)) < 9
    )


def test_what_the_parent_did_after_the_fork_is_behind_the_child() -> None:
    parent, child = curve(60, lambda _: 1.0), series([0.0] * 30, range(30, 60))
    behind = Curve(parent, "dim")
    picture = draw(Plot("x", (behind, Curve(child, "alive", behind))), 60, 12)
    seen = {
        role for line in picture.lines for piece, role in line if any("\u2800" < each <= "\u28ff" for each in piece)
    }
    assert seen == {"dim", "alive"}
    assert Curve(child, "alive", behind).past(3) == (29, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (series([1.0], [50]), series([2.0], [10])),
        (series([], []), series([2.0, 3.0])),
        (series([1.0, 2.0]), series([], [])),
        (series([1.0] * 4, [5, 6, 0, 1], (0, 2)), series([2.0], [0])),
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_a_parent_with_nothing_before_the_fork_is_no_trouble(parent: Series, child: Series, smoothing: float) -> None:
    behind = Curve(parent, "dim")
    assert Curve(child, "alive", behind).past(9) is None
    assert draw(Plot("x", (behind, Curve(child, "alive", behind)), smoothing=smoothing), 40, 8).lines


def test_a_view_that_begins_after_the_fork_draws_no_line_to_it() -> None:
    whole = noisy()
    behind = Curve(part(whole, 0, FORK), "dim")
    child = part(whole, FORK, COUNT)
    view = (FORK + 10.0, COUNT - 1.0)
    joined = draw(Plot("x", (behind, Curve(child, "alive", behind)), view=view), 60, 10)
    assert text(joined) == text(draw(Plot("x", (Curve(whole, "alive"),), view=view), 60, 10))
