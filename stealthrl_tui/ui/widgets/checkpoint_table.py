"""The saves of a run, the newest first: what each has, how good it was, when it was saved and when it goes."""

from __future__ import annotations

from collections.abc import Callable

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Pieces
from stealthrl_tui.ui.saves import (
    SaveRow,
    change_pieces,
    checkpoint_name,
    expires_pieces,
    has_pieces,
    has_pieces_short,
    reading_pieces,
    saved_text,
    server_pieces,
    step_pieces,
)
from stealthrl_tui.ui.widgets.columns import Column
from stealthrl_tui.ui.widgets.line_table import LineTable


class CheckpointTable(LineTable[SaveRow]):
    """The table under the curve. Its cursor is the chart's cursor."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._metric = "METRIC"
        self._times: dict[str, tuple[str, Pieces]] = {}
        super().__init__(self._make(), _key, markable=True, empty="no checkpoint yet", id="saves")

    def name_metric(self, name: str) -> None:
        """Put `name` over the metric column."""
        title = clean(name, 16).upper()
        if title != self._metric:
            self._metric = title
            self.set_columns(self._make())

    def tick(self) -> None:
        """Repaint the lines in view whose times read differently by now."""
        top = self.scroll_offset.y
        for row in self.rows[top : top + self.size.height]:
            key = row.checkpoint.key
            if self._times.get(key) != self._times_of(row):
                self._strips.pop(key, None)
                self.update_row(key, row)

    def _times_of(self, row: SaveRow) -> tuple[str, Pieces]:
        now = self._clock()
        return saved_text(row.checkpoint, now, row.save), expires_pieces(row.run, row.checkpoint, now, row.save)

    def _make(self) -> list[Column[SaveRow]]:
        return [
            Column("step", "STEP", lambda row: step_pieces(row.checkpoint), 6, 5, 100, align="right"),
            Column("name", "NAME", lambda row: checkpoint_name(row.run, row.checkpoint), None, 9, 80),
            Column(
                "has", "HAS", lambda row: has_pieces(row.checkpoint), 17, 9, 95,
                short=lambda row: has_pieces_short(row.checkpoint),
            ),
            Column("metric", self._metric, _metric, 12, 10, 90, align="right"),
            Column("change", "Δ", lambda row: change_pieces(row.change, row.higher), 7, 6, 40, align="right"),
            Column("saved", "SAVED", self._saved, 6, 6, 70, align="right"),
            Column("expires", "EXPIRES", self._expires, 9, 9, 50, align="right"),
            Column("server", "SERVER", self._on_server, 11, 8, 45, short=self._on_server_short),
        ]  # fmt: skip

    def _saved(self, row: SaveRow) -> Pieces:
        self._times[row.checkpoint.key] = self._times_of(row)
        return ((saved_text(row.checkpoint, self._clock(), row.save), "dim"),)

    def _expires(self, row: SaveRow) -> Pieces:
        return expires_pieces(row.run, row.checkpoint, self._clock(), row.save)

    def _on_server(self, row: SaveRow) -> Pieces:
        return server_pieces(row.save, row.unknown, self._clock())

    def _on_server_short(self, row: SaveRow) -> Pieces:
        return server_pieces(row.save, "", self._clock())


def _metric(row: SaveRow) -> Pieces:
    return reading_pieces(row.checkpoint, row.reading, row.best)


def _key(row: SaveRow) -> str:
    return row.checkpoint.key
