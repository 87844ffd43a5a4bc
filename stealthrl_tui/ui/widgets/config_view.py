"""What the run was started with: its configuration files, their keys and values in two aligned columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.strip import Strip

from stealthrl_tui.text import clean
from stealthrl_tui.ui.presenter import Piece
from stealthrl_tui.ui.widgets.cells import cut, fit, width_of
from stealthrl_tui.ui.widgets.scrolling import LineScroll

_LONGEST = 2000
_ITEMS = 100
_KEY_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a heading (no key), or a key with its value as it is shown; both are clean."""

    heading: str
    key: str = ""
    value: str = ""

    def matches(self, words: list[str]) -> bool:
        """Whether all of `words`, in lower case, are somewhere in it."""
        text = f"{self.heading} {self.key} {self.value}".lower()
        return all(word in text for word in words)


class ConfigView(LineScroll):
    """Configuration values under the names of their files, filtered by words."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._config: Mapping[str, Mapping[str, Any]] = {}
        self._entries: tuple[Entry, ...] = ()
        self._filter = ""
        self._lines: list[Entry | None] = []
        self._keys_width = 0

    def show(self, config: Mapping[str, Mapping[str, Any]]) -> None:
        """Show `config`: by file, dotted keys with their values (`Facts.config`)."""
        if config is not self._config:
            self._config = config
            self._entries = tuple(
                Entry(clean(file), clean(key), words_of(value))
                for file, values in config.items()
                for key, value in values.items()
            )
            self._arrange()

    def set_filter(self, text: str) -> None:
        """Show only the lines that hold all words of `text`, in the file's name, the key or the value."""
        if text != self._filter:
            self._filter = text
            self.go_to(0)
            self._arrange()

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The keys and values on show."""
        return [(entry.key, entry.value) for entry in self._lines if entry is not None and entry.key]

    def render_line(self, y: int) -> Strip:
        """A heading, a pair, or the word that there is nothing."""
        place = y + self.top
        width = self.scrollable_content_region.width
        if not self._lines and y == 0:
            nothing = "nothing matches" if self._entries else "no configuration file"
            return self._strip(fit([(nothing, "dim")], width))
        entry = self._lines[place] if place < len(self._lines) else None
        return self._strip([] if entry is None else self._pieces(entry, width))

    def _arrange(self) -> None:
        words = self._filter.lower().split()
        kept = [entry for entry in self._entries if entry.matches(words)]
        self._lines = []
        heading: str | None = None
        for entry in kept:
            if entry.heading != heading:
                self._lines += [*([None] if heading is not None else []), Entry(entry.heading)]
                heading = entry.heading
            self._lines.append(entry)
        self._keys_width = max((width_of(entry.key) for entry in kept), default=0)
        self._extent(len(self._lines))
        self.refresh()

    def _pieces(self, entry: Entry, width: int) -> list[Piece]:
        if not entry.key:
            return [(cut(entry.heading, width), "text bold")]
        room = min(self._keys_width, int(width * _KEY_SHARE))
        prefix, dot, name = entry.key.rpartition(".")
        key = fit([(prefix + dot, "dim"), (name, "text")], room, side="start")
        return [("  ", "text"), *key, ("  ", "text"), (cut(entry.value, width - room - 4), _role(entry.value))]


def words_of(value: object) -> str:
    """A value in one line: text as it is, all else as JSON has it, a long list by its beginning."""
    if isinstance(value, str):
        return clean(value, _LONGEST) or '""'
    if isinstance(value, (list, tuple)) and len(value) > _ITEMS:
        start = json.dumps(value[:_ITEMS], ensure_ascii=False, default=str)
        return clean(start[:-1], _LONGEST) + f", … {len(value) - _ITEMS} more]"
    return clean(json.dumps(value, ensure_ascii=False, default=str), _LONGEST)


def _role(value: str) -> str:
    return "dim" if value in ("null", '""', "[]", "{}") else "text"
