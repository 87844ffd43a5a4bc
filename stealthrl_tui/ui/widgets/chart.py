"""One metric's curve with the checkpoints marked under it, the cursor's among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.message import Message
from textual.strip import Strip

from stealthrl_tui.runs.model import Series
from stealthrl_tui.ui.widgets.cells import segments
from stealthrl_tui.ui.widgets.overlay import Drawing, Picture
from stealthrl_tui.ui.widgets.plot import BEST, FINAL, ROLLING, SAVED, Curve, Mark, Plot
from stealthrl_tui.ui.widgets.roles import RoleStyles

__all__ = ["BEST", "FINAL", "ROLLING", "SAVED", "Chart", "Curve", "Mark"]


class Chart(RoleStyles):
    """A chart that fills its box; it computes when it is shown something else, and paints when it is asked to."""

    DEFAULT_CSS = "Chart { height: 1fr; background: $background; }"

    class MarkSelected(Message):
        """A click on a checkpoint's mark."""

        def __init__(self, chart: Chart, key: str) -> None:
            super().__init__()
            self.chart = chart
            self.key = key

        @property
        def control(self) -> Chart:
            """The chart, for selectors."""
            return self.chart

    def __init__(self, *, titled: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._plot = Plot(titled=titled)
        self._drawing = Drawing()
        self._picture: Picture | None = None
        self._strips: list[Strip] = []

    def show(
        self,
        series: Series | None,
        *,
        title: str,
        marks: Sequence[Mark] = (),
        cursor_key: str | None = None,
        smoothing: float = 0.0,
        unread: float = 0.0,
        view: tuple[float, float] | None = None,
        role: str = "alive",
        behind: Sequence[Curve] = (),
        after: Sequence[Series] = (),
        robust: bool = False,
    ) -> None:
        """Show `series` in the colour of `role` over the curves `behind`; see `Plot` for the rest.

        It goes on from those of `after`, oldest first.

        Nothing is computed or painted when all of it is as before.
        """
        curves, last = list(behind), None
        for each in after:
            last = Curve(each, "dim", last)
            curves.append(last)
        if series is not None:
            curves.append(Curve(series, role, last))
        plot = replace(
            self._plot,
            title=title,
            curves=tuple(curves),
            marks=tuple(marks),
            cursor_key=cursor_key,
            smoothing=smoothing,
            unread=unread,
            view=view,
            robust=robust,
        )
        self._set(plot)

    def set_cursor(self, key: str | None) -> None:
        """Emphasise another checkpoint."""
        self._set(replace(self._plot, cursor_key=key))

    def set_crosshair(self, step: float | None) -> None:
        """Say the value at a step, with a hairline there instead of at the cursor's checkpoint; None takes it away."""
        self._set(replace(self._plot, cursor_step=step))

    def step_at(self, x: int) -> float | None:
        """The step at a column of the widget, for a crosshair under the mouse; None beside the curve."""
        base = self._drawing.frame(self._plot, *self._box)
        cell = x - base.left
        return base.scale.step(2 * cell) if 0 <= cell < base.canvas.width else None

    @property
    def _box(self) -> tuple[int, int]:
        return max(2, self.size.width), max(1, self.size.height)

    def render_line(self, y: int) -> Strip:
        """A line of the picture, which is drawn when the first of them is asked for."""
        picture = self._drawing.picture(self._plot, *self._box)
        if picture is not self._picture:
            self._picture = picture
            base, width = self.rich_style, self._box[0]
            self._strips = [
                Strip(segments(line, self.role)).apply_style(base).adjust_cell_length(width, base)
                for line in picture.lines
            ]
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        """Another theme, other colours."""
        self._picture = None
        super().notify_style_update()

    def on_click(self, event: events.Click) -> None:
        """A click on a mark, or just beside it, selects its checkpoint."""
        if self._picture is None or event.y != self._picture.marks_line:
            return
        hits = self._picture.hits
        for x in (event.x, event.x - 1, event.x + 1):
            if x in hits:
                self.post_message(self.MarkSelected(self, hits[x].key))
                return

    def _set(self, plot: Plot) -> None:
        if plot.data() != self._plot.data() or plot.looks() != self._plot.looks():
            self._plot = plot
            self.refresh()
