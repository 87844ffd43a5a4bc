"""Many metrics at once: small charts in as many columns as the width allows, of which only those in view are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from stealthrl_tui.runs.model import Series
from stealthrl_tui.text import clean, number
from stealthrl_tui.ui.bindings import BY_NAME, Where, bindings
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import cut, fit, segments, width_of
from stealthrl_tui.ui.widgets.overlay import Drawing, Picture
from stealthrl_tui.ui.widgets.plot import Curve, Mark, Plot
from stealthrl_tui.ui.widgets.roles import RoleStyles

_LEAST_WIDTH, _GAP = 36, 2
_LEAST_HEIGHT, _MOST_HEIGHT = 9, 16


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric of the grid: `latest` is its newest value, finite or not; `series` None until it was read."""

    key: str
    title: str
    series: Series | None
    latest: float | None = None
    role: str = "alive"


class Grid(NamedTuple):
    """How the panels are laid out: columns, and the cells of each panel without the gap at its right and below."""

    columns: int
    width: int
    height: int

    @property
    def pitch(self) -> int:
        """From the left of one panel to the left of the next."""
        return self.width + _GAP


class MetricGrid(ScrollView, RoleStyles, can_focus=True):
    """Charts with one cursor among them; Enter opens the one under it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Where.MOVING),
        BY_NAME["chart_left"].binding(),
        BY_NAME["chart_right"].binding(),
        BY_NAME["open"].binding(),
    ]
    DEFAULT_CSS = """
    MetricGrid { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $background; }
    """

    class Open(Message):
        """Enter or a double click on a chart."""

        def __init__(self, grid: MetricGrid, key: str) -> None:
            super().__init__()
            self.grid = grid
            self.key = key

        @property
        def control(self) -> MetricGrid:
            """The grid, for selectors."""
            return self.grid

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._panels: tuple[Panel, ...] = ()
        self._plots: dict[str, Plot] = {}
        self._cursor = 0
        self._drawings: dict[str, Drawing] = {}
        self._strips: dict[str, tuple[Picture, list[Strip]]] = {}

    def show(
        self,
        panels: Sequence[Panel],
        *,
        marks: Sequence[Mark] = (),
        cursor_key: str | None = None,
        smoothing: float = 0.0,
        unread: float = 0.0,
    ) -> None:
        """Show a chart for each of `panels`, all with the same checkpoints; the cursor stays on its metric."""
        key = self.cursor_key
        keys = [panel.key for panel in panels]
        self._panels = tuple(panels)
        self._plots = {
            panel.key: Plot(
                title=panel.title,
                curves=() if panel.series is None else (Curve(panel.series, panel.role),),
                marks=tuple(marks),
                cursor_key=cursor_key,
                smoothing=smoothing,
                unread=unread,
            )
            for panel in panels
        }
        self._cursor = keys.index(key) if key in keys else max(0, min(self._cursor, len(keys) - 1))
        self._drawings = {each: self._drawings.get(each) or Drawing() for each in keys}
        self._strips = {each: strips for each, strips in self._strips.items() if each in self._drawings}
        self._arrange()
        self.refresh()

    @property
    def cursor_key(self) -> str | None:
        """The metric under the cursor, None in an empty grid."""
        return self._panels[self._cursor].key if self._panels else None

    def select(self, key: str) -> bool:
        """Put the cursor on a metric; False when it is not in the grid."""
        for index, panel in enumerate(self._panels):
            if panel.key == key:
                self._move_to(index)
                return True
        return False

    def action_cursor_left(self) -> None:
        """One chart back."""
        self._move_to(self._cursor - 1)

    def action_cursor_right(self) -> None:
        """One chart on."""
        self._move_to(self._cursor + 1)

    def action_cursor_up(self) -> None:
        """One row of charts up."""
        if self._cursor >= self._grid.columns:
            self._move_to(self._cursor - self._grid.columns)

    def action_cursor_down(self) -> None:
        """One row of charts down, in the last row that has fewer to its end."""
        columns = self._grid.columns
        if self._cursor // columns < (len(self._panels) - 1) // columns:
            self._move_to(self._cursor + columns)

    def action_page_up(self) -> None:
        """As many rows up as are in view."""
        self._move_to(max(self._cursor % self._grid.columns, self._cursor - self._page))

    def action_page_down(self) -> None:
        """As many rows down as are in view."""
        self._move_to(self._cursor + self._page)

    def action_first(self) -> None:
        """To the first chart."""
        self._move_to(0)

    def action_last(self) -> None:
        """To the last chart."""
        self._move_to(len(self._panels) - 1)

    def action_open(self) -> None:
        """Tell that the chart was chosen."""
        if self._panels:
            self.post_message(self.Open(self, self._panels[self._cursor].key))

    def on_click(self, event: events.Click) -> None:
        """Move to the chart; a double click opens it."""
        grid = self._grid
        row, column = (event.y + self.scroll_offset.y) // grid.height, event.x // grid.pitch
        index = row * grid.columns + column
        if column < grid.columns and index < len(self._panels):
            self._move_to(index)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """Another size, perhaps other columns."""
        self._arrange()

    def notify_style_update(self) -> None:
        """Another theme, other colours."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One line of all charts of a row: their titles, their pictures, the blank line below."""
        grid = self._grid
        row, line = divmod(y + self.scroll_offset.y, grid.height)
        strips: list[Strip] = []
        base = self.rich_style
        for index in range(row * grid.columns, min((row + 1) * grid.columns, len(self._panels))):
            strips += [self._panel_line(index, line, grid), Strip.blank(_GAP, base)]
        if not self._panels and y == 0:
            strips = [self._strip([("no metrics yet", "dim")], grid.width)]
        return Strip.join(strips).adjust_cell_length(self.scrollable_content_region.width, base)

    @property
    def _grid(self) -> Grid:
        width, height = self.scrollable_content_region.width, self.size.height
        columns = max(1, (width + _GAP) // (_LEAST_WIDTH + _GAP))
        rows = max(1, math.ceil(len(self._panels) / columns))
        tall = max(_LEAST_HEIGHT, min(_MOST_HEIGHT, height // rows))
        return Grid(columns, max(2, (width - _GAP * (columns - 1)) // columns), tall)

    @property
    def _page(self) -> int:
        return self._grid.columns * max(1, self.size.height // self._grid.height)

    def _arrange(self) -> None:
        grid = self._grid
        self.virtual_size = Size(1, math.ceil(len(self._panels) / grid.columns) * grid.height)
        self._reveal()

    def _panel_line(self, index: int, line: int, grid: Grid) -> Strip:
        panel = self._panels[index]
        if line == 0:
            return self._title(panel, index == self._cursor, grid.width)
        strips = self._picture(panel, grid)
        return strips[line - 1] if line - 1 < len(strips) else Strip.blank(grid.width, self.rich_style)

    def _title(self, panel: Panel, cursor: bool, width: int) -> Strip:
        focused = cursor and self.has_focus
        latest = number(panel.latest) if panel.latest is not None else ""
        title = cut(clean(panel.title), max(0, width - len(latest) - 3))
        gap = " " * max(0, width - 1 - width_of(title) - len(latest))
        bar: Piece = ("▌" if cursor else " ", "alive" if focused else "dim")
        pieces = [bar, (title, "text bold" if cursor else "dim"), (gap, "text"), (latest, "text")]
        return self._strip(fit(pieces, width), width, "tint" if focused else "tint-blurred" if cursor else "")

    def _picture(self, panel: Panel, grid: Grid) -> list[Strip]:
        picture = self._drawings[panel.key].picture(self._plots[panel.key], grid.width, grid.height - 2)
        kept = self._strips.get(panel.key)
        if kept is None or kept[0] is not picture:
            kept = (picture, [self._strip(line, grid.width) for line in picture.lines])
            self._strips[panel.key] = kept
        return kept[1]

    def _strip(self, pieces: Sequence[Piece], width: int, tint: str = "") -> Strip:
        base = self.rich_style + self.on_role(tint) if tint else self.rich_style
        return Strip(segments(pieces, self.role)).apply_style(base).adjust_cell_length(width, base)

    def _move_to(self, index: int) -> None:
        if self._panels:
            previous, self._cursor = self._cursor, max(0, min(index, len(self._panels) - 1))
            self._repaint_title(previous)
            self._repaint_title(self._cursor)
            self._reveal()

    def _repaint_title(self, index: int) -> None:
        grid = self._grid
        row, column = divmod(index, grid.columns)
        self.refresh(Region(column * grid.pitch, row * grid.height - self.scroll_offset.y, grid.width, 1))

    def _reveal(self) -> None:
        grid = self._grid
        top = self._cursor // grid.columns * grid.height
        offset, height = self.scroll_offset.y, self.size.height
        if top < offset or top + grid.height > offset + height:
            wanted = top if top < offset else min(top, top + grid.height - height)
            self.scroll_to(y=max(0, wanted), animate=False, force=True, immediate=True)
