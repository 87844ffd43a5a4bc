"""The one table of keys: footer, help screen and command palette are made from it, and settings rebind it by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding


class Where(StrEnum):
    """Where a key works; the values are the help screen's headings."""

    RUNS = "Runs"
    DETAIL = "The run on show"
    CHECKPOINT = "The checkpoint"
    METRICS = "Metrics"
    CURVE = "A curve, full screen"
    LOG = "Log and config"
    MOVING = "Moving"
    ANYWHERE = "Anywhere"
    DIALOG = "Dialogs"


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a key does.

    `name` is what settings and the palette call it, `keys` its default keys (Textual's names, comma separated; empty
    when only the palette offers it), `action` the Textual action, `label` its word in the footer (empty: not there).
    """

    name: str
    keys: str
    action: str
    label: str
    description: str
    where: Where

    def binding(self) -> Binding:
        """The command as Textual knows it; its id lets a keymap replace the keys."""
        return Binding(self.keys, self.action, self.label or self.description, show=bool(self.label), id=self.name)


# The order is the order of the help screen and, for those with a label, of the footer: what matters most comes first.
COMMANDS: tuple[Command, ...] = (
    Command("up", "up,k", "cursor_up", "", "One line up", Where.MOVING),
    Command("down", "down,j", "cursor_down", "", "One line down", Where.MOVING),
    Command("page_up", "pageup", "page_up", "", "One page up", Where.MOVING),
    Command("page_down", "pagedown", "page_down", "", "One page down", Where.MOVING),
    Command("first", "home,g", "first", "", "To the first line", Where.MOVING),
    Command("last", "end,G", "last", "", "To the last line", Where.MOVING),
    Command("open", "enter", "open", "Open", "Open: the run, then its checkpoint's copy choices", Where.RUNS),
    Command(
        "copy", "c", "copy", "Copy URI", "Copy the sampler URI (the state's where there is no other)", Where.CHECKPOINT
    ),
    Command(
        "copy_other",
        "C",
        "copy_other",
        "",
        "Choose what to copy: state, sampler, snippet, command, OpenAI call",
        Where.CHECKPOINT,
    ),
    Command("export", "e", "export", "Export script", "Write the inference script", Where.CHECKPOINT),
    Command("export_other", "E", "export_other", "", "Choose the script's template and file", Where.CHECKPOINT),
    Command(
        "resume", "r", "resume", "Resume", "Resume: a run that goes on from this checkpoint's state", Where.CHECKPOINT
    ),
    Command("stop", "", "stop_run", "", "Stop this run, where a resume started it", Where.CHECKPOINT),
    Command("test_load", "t", "test_load", "Test-load", "Load the sampler weights and sample", Where.CHECKPOINT),
    Command("keep", "K", "keep", "Keep", "Keep on the server for ever, or until a day", Where.CHECKPOINT),
    Command("publish", "p", "publish", "", "Publish, or no longer", Where.CHECKPOINT),
    Command("delete", "D", "delete", "", "Delete from the server; asks for the word", Where.CHECKPOINT),
    Command("filter", "slash", "filter", "Filter", "Filter: words and status:running reward>0.6 age<2d", Where.RUNS),
    Command("sort", "s", "sort", "Sort", "Sort by the next column", Where.RUNS),
    Command("reverse", "S", "reverse", "", "Turn the order round", Where.RUNS),
    Command("mark", "space", "mark", "Mark", "Mark the run or the checkpoint, or take the mark away", Where.RUNS),
    Command(
        "prune", "P", "prune", "", "Prune: choose what the server keeps of the marked runs, or of this one", Where.RUNS
    ),
    Command("ask_server", "R", "ask_server", "", "Ask the server again what it still holds", Where.RUNS),
    Command("follow", "f", "follow", "Follow", "Stay on the newest run and its newest checkpoint", Where.RUNS),
    Command("back", "escape", "back", "", "Back; with a filter on, take it off", Where.DETAIL),
    Command("next_pane", "tab", "next_pane", "", "Next pane", Where.DETAIL),
    Command("previous_pane", "shift+tab", "previous_pane", "", "Previous pane", Where.DETAIL),
    Command("timeline", "1", "show_tab('timeline')", "", "Timeline: the curve and the checkpoints", Where.DETAIL),
    Command("metrics_tab", "2", "show_tab('metrics')", "", "Metrics: a curve each", Where.DETAIL),
    Command("log_tab", "3", "show_tab('log')", "", "Log", Where.DETAIL),
    Command("config_tab", "4", "show_tab('config')", "", "Config", Where.DETAIL),
    Command("log", "l", "go_tab('log')", "", "The log", Where.DETAIL),
    Command("metrics", "m", "go_tab('metrics')", "", "The metrics", Where.DETAIL),
    Command("choose_metric", "v", "choose_metric", "Metric", "Choose the metric and which way is better", Where.DETAIL),
    Command("smoother", "plus,equals_sign", "smoother", "Smoother", "Smooth the curve more", Where.CURVE),
    Command("rougher", "minus", "rougher", "Rougher", "Smooth the curve less", Where.CURVE),
    Command("next_metric", "right_square_bracket,n", "step_metric(1)", "Next metric", "Next metric", Where.CURVE),
    Command("previous_metric", "left_square_bracket,N", "step_metric(-1)", "", "Previous metric", Where.CURVE),
    Command("next_mark", "right,l", "step_mark(1)", "Next checkpoint", "Next checkpoint", Where.CURVE),
    Command("previous_mark", "left,h", "step_mark(-1)", "", "Previous checkpoint", Where.CURVE),
    Command("curve_back", "escape,enter,q", "close", "Back", "Back", Where.CURVE),
    Command("chart_left", "left", "cursor_left", "", "The chart at the left", Where.METRICS),
    Command(
        "chart_right", "right", "cursor_right", "", "The chart at the right; Enter shows one full screen", Where.METRICS
    ),
    Command("search", "slash", "search", "Find", "Find a text (log), show only the lines with it (config)", Where.LOG),
    Command("next_match", "n", "next_match", "", "Next match", Where.LOG),
    Command("previous_match", "N", "previous_match", "", "Previous match", Where.LOG),
    Command("level", "w", "level", "Level", "All lines, warnings and worse, errors and worse", Where.LOG),
    Command("cancel", "escape", "cancel", "", "Cancel", Where.DIALOG),
    Command("help", "question_mark,f1", "help", "Help", "Every key and what it does", Where.ANYWHERE),
    Command("palette", "ctrl+p", "command_palette", "", "Every command, by name", Where.ANYWHERE),
    Command("theme", "", "next_theme", "", "Dark or light", Where.ANYWHERE),
    Command("reset_layout", "", "reset_layout", "", "Forget the remembered layout", Where.ANYWHERE),
    Command("quit", "q", "quit", "Quit", "Quit", Where.ANYWHERE),
)

BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}


def bindings(*places: Where) -> list[Binding]:
    """The bindings of `places`, for a widget's or a screen's BINDINGS."""
    return [command.binding() for command in COMMANDS if command.where in places and command.keys]


def keymap(keys: Mapping[str, str]) -> dict[str, str]:
    """The user's keys for the commands that exist; names of no command are left to `unknown_names`."""
    return {name: value for name, value in keys.items() if name in BY_NAME}


def unknown_names(keys: Mapping[str, str]) -> tuple[str, ...]:
    """The names in the user's keys that are no command, to be told in words."""
    return tuple(name for name in keys if name not in BY_NAME)


def by_place() -> Iterator[tuple[Where, list[Command]]]:
    """The commands under their headings, in the table's order."""
    for place in Where:
        found = [command for command in COMMANDS if command.where is place and command.keys]
        if found:
            yield place, found


_DISPLAY = {
    "slash": "/",
    "question_mark": "?",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "f1": "F1",
}


def display(keys: str) -> str:
    """Keys as they stand on the keyboard: `Esc`, `/`, `Ctrl+P`; several with a space between."""
    return " ".join(_one(key.strip()) for key in keys.split(",") if key.strip())


def _one(key: str) -> str:
    if key in _DISPLAY:
        return _DISPLAY[key]
    if key.startswith("ctrl+"):
        return "Ctrl+" + _one(key.removeprefix("ctrl+")).upper()
    return key
