"""The third tab: the log, read in a thread whenever the run changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message

from stealthrl_tui.runs.logview import Level, LogLine, LogLines
from stealthrl_tui.runs.model import Run
from stealthrl_tui.ui.bindings import BY_NAME
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.widgets.log_view import LogView
from stealthrl_tui.ui.widgets.search_pane import SearchPane

_LEVELS: tuple[Level | None, ...] = (None, "warning", "error")


class LogPane(SearchPane):
    """Follows the log of the run on show."""

    BINDINGS: ClassVar[list[BindingType]] = [BY_NAME["level"].binding()]

    class Read(Message):
        """A look at a log: all its lines when it is another or started over, else how many were lost at the top."""

        def __init__(self, source: LogLines, lines: Sequence[LogLine], dropped: int | None) -> None:
            super().__init__()
            self.source, self.lines, self.dropped, self.problem = source, lines, dropped, source.problem

    def __init__(self) -> None:
        self._log = LogView()
        self._path: str | None = None
        self._source: LogLines | None = None
        self._fresh = True
        self._level = 0
        super().__init__(self._log, self._log.search, "find in the log; n and N go on", "log")

    def show(self, run: Run, _memory: Memory) -> None:
        """The log of `run`; what was written since the last look is read."""
        if self._path != run.log_path or self._source is None:
            self._path, self._fresh = run.log_path, True
            self._source = None if run.log_path is None else LogLines(run.log_path)
            self._log.set_lines((), None if run.log_path else "this run has no log")
        if self._source is not None:
            self._look(self._source, self._fresh)

    def action_level(self) -> None:
        """All lines, warnings and worse, errors and worse."""
        self._level = (self._level + 1) % len(_LEVELS)
        self._log.set_minimum(_LEVELS[self._level])

    @work(thread=True, exclusive=True, group="log", exit_on_error=False)
    def _look(self, source: LogLines, fresh: bool) -> None:
        growth = source.refresh()
        if fresh or growth:
            over = fresh or growth.replaced
            self.post_message(self.Read(source, tuple(source.lines), None if over else growth.dropped))

    @on(Read)
    def _read(self, event: Read) -> None:
        event.stop()
        if event.source is not self._source:
            return
        self._fresh = False
        if event.dropped is None or event.problem:
            self._log.set_lines(event.lines, event.problem)
        else:
            self._log.appended(event.lines, event.dropped)
