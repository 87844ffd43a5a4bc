"""The fourth tab: what the run was started with."""

from __future__ import annotations

from stealthrl_tui.runs.model import Run
from stealthrl_tui.ui.memory import Memory
from stealthrl_tui.ui.widgets.config_view import ConfigView
from stealthrl_tui.ui.widgets.search_pane import SearchPane


class ConfigPane(SearchPane):
    """The configuration files, narrowed as one types."""

    def __init__(self) -> None:
        self._config = ConfigView()
        super().__init__(self._config, self._config.set_filter, "only the lines with these words", "config")

    def show(self, run: Run, _memory: Memory) -> None:
        """The configuration of `run`."""
        self._config.show(run.facts.config)
