"""The runs, one line each: status, name, step of total, the metric's course and newest value, age."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.text import UNKNOWN, duration, number
from stealthrl_tui.ui.lineage import listed_name
from stealthrl_tui.ui.presenter import GLYPHS, Pieces, age_text, latest, split_name, step_text
from stealthrl_tui.ui.widgets.columns import Column
from stealthrl_tui.ui.widgets.line_table import LineTable
from stealthrl_tui.ui.widgets.spark import spark

_SPARK = 8
_METRIC = 7
_STEP_LEAST, _STEP_MOST = 5, 13
# Before a run's own name is cut, the spark goes.
_NAME_LEAST, _NAME_MOST = 14, 28
_NAME = 200  # the table cuts it to the column
_DONE_ROLES = {Status.RUNNING: "alive", Status.COMPLETED: "done"}


class RunList(LineTable[Run]):
    """The list at the left; its ages tick without painting what did not change."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ages: dict[str, str] = {}
        # The metric column's heading, the sort, the width of the step column, the least of the name column.
        self._layout_key = ("METRIC", "age", _STEP_LEAST, _NAME_LEAST)
        super().__init__(self._make(), lambda run: run.path, markable=True, id="runs")

    def lay_out(self, heading: str, sort: str, reverse: bool) -> None:
        """Put `heading` over the metric column, and the sort mark over its column, which is shown for it if need be.

        The step column and the room for the names grow with what they have to show.
        """
        _, _, steps, name = self._layout_key
        for run in self.rows_in_view():
            steps = max(steps, len(step_text(run)))
            name = max(name, len(split_name(run)[1]))
        wanted = (heading, sort, min(steps, _STEP_MOST), min(name, _NAME_MOST))
        if wanted != self._layout_key:
            self._layout_key = wanted
            self.set_columns(self._make())
        if (sort, not reverse) != self._sort:
            self.set_sort(sort, not reverse)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An empty list has nothing to open or mark."""
        if action in ("open", "mark") and not self.rows:
            return False
        return super().check_action(action, parameters)

    def tick(self) -> None:
        """Repaint the lines in view whose age reads differently by now."""
        now = self._clock()
        for run in self.rows_in_view():
            age = age_text(run, now)
            if self._ages.get(run.path) != age:
                self._strips.pop(run.path, None)
                self.update_row(run.path, run)

    def rows_in_view(self) -> Sequence[Run]:
        """The runs in view."""
        top = self.scroll_offset.y
        return self.rows[top : top + max(1, self.size.height)]

    def _make(self) -> list[Column[Run]]:
        heading, sort, steps, name = self._layout_key
        return [
            Column("glyph", "", _status, 1, 1, 90, gap=1),
            Column("name", "NAME", lambda run: listed_name(run, _NAME), None, name, 100, cut="start"),
            Column("step", "STEP", lambda run: ((step_text(run), "text"),), steps, steps, 60, align="right"),
            *_SORTED_BY.get(sort, ()),
            Column("spark", "", _course, _SPARK, _SPARK, 30, gap=1),
            Column("metric", heading[:_METRIC], _value, _METRIC, _METRIC, 50, align="right"),
            Column("age", "AGE", self._age, 6, 6, 70, align="right"),
        ]

    def _age(self, run: Run) -> Pieces:
        age = self._ages[run.path] = age_text(run, self._clock())
        return ((age, "dim"),)


_SORTED_BY: dict[str, tuple[Column[Run], ...]] = {
    "status": (Column("status", "STATUS", lambda run: ((run.status.value, "dim"),), 11, 11, 40),),
    "checkpoints": (
        Column("checkpoints", "SAVES", lambda run: ((str(len(run.checkpoints)), "text"),), 6, 6, 40, "right"),
    ),
    "eta": (Column("eta", "ETA", lambda run: ((duration(run.eta_seconds), "text"),), 9, 9, 40, "right"),),
    "model": (
        Column("model", "MODEL", lambda run: ((run.facts.base_model or UNKNOWN, "text"),), 16, 12, 40, cut="start"),
    ),
    "rank": (Column("rank", "RANK", lambda run: ((str(run.facts.lora_rank or UNKNOWN), "text"),), 5, 5, 40, "right"),),
}


def _status(run: Run) -> Pieces:
    return (GLYPHS[run.status],)


def _course(run: Run) -> Pieces:
    return ((spark(run.spark, _SPARK), _DONE_ROLES.get(run.status, "dim")),)


def _value(run: Run) -> Pieces:
    return ((number(latest(run)), "text"),)
