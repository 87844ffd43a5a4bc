"""What the resume dialog says, as plain pieces, and the events it says it from (`stealthrl-tui resume --json`)."""

from __future__ import annotations

import os
import shlex
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stealthrl_tui.runs.model import Run
from stealthrl_tui.settings import Settings
from stealthrl_tui.text import UNKNOWN, clean, plural
from stealthrl_tui.ui.known import in_sandbox
from stealthrl_tui.ui.presenter import Pieces

MARKS = {"ok": ("✓", "alive"), "warn": ("!", "warning"), "fail": ("✗", "bad")}
PRINT = "print"
PLACES = {
    "here": "on this machine, detached; survives the terminal",
    "tmux": "in a new tmux window",
    "launcher": "by the launcher; its template is in the settings",
    PRINT: "where you start it: these are the commands",
}
# The demo ends what was resumed in it, and a service that is gone ends it elsewhere.
SANDBOX_PLACE = "on this machine, as long as the sandbox runs"
# Below this many lines, what is well in the checklist is told in fewer of them.
WHOLE_LINES, NAMED_LINES = 36, 28
LOST = "not carried over"
_WHAT = 18
_LEAST_REASON = 24
_COMMAND_LINES = 6


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the person chose: a start that succeeded (`pid` None where a launcher or the person does it), or a copy."""

    path: str = ""
    pid: int | None = None
    started: bool = False
    copied: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the checklist: `level` is a key of MARKS."""

    level: str
    what: str
    reason: str


@dataclass(slots=True)
class Told:
    """What one run of the verb has told so far; its last word is a `refusal` or a `result`."""

    plan: dict[str, Any] | None = None
    checks: list[Line] = field(default_factory=list)
    waiting: str = ""
    output: list[str] = field(default_factory=list)
    refusal: str = ""
    result: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.refusal) or self.result is not None

    @property
    def can_start(self) -> bool:
        """Whether the checklist was gone through and nothing in it stops the start."""
        return self.result is not None

    def take(self, event: dict[str, Any]) -> None:
        """Take in one event."""
        kind = event.get("event")
        if kind == "plan":
            self.plan = event
            self.checks += [Line("warn", LOST, lost) for lost in event["lost"]]
        elif kind == "check":
            # What is lost anyway comes last, as in the plan's own order.
            place = len(self.checks) - len(self.plan["lost"] if self.plan else ())
            self.checks.insert(place, Line(event["level"], event["what"], event["reason"]))
        elif kind == "waiting":
            self.waiting = event["message"]
        elif kind == "output":
            self.output.append(event["text"])
        elif kind == "error":
            self.refusal = f"{event['message']} {event['hint'] or ''}".strip()
        elif kind == "result":
            self.result = event


def places(settings: Settings) -> tuple[str, ...]:
    """Where a run can be started from here, keys of PLACES."""
    # The tmux server has an environment of its own: what starts there would train with the user's account.
    tmux = ("tmux",) if shutil.which("tmux") and not in_sandbox() else ()
    return ("here", *tmux, *(("launcher",) if settings.resume_launcher else ()), PRINT)


def check_rows(told: Told, width: int, height: int) -> list[Pieces]:
    """The checklist in `width` columns, on a terminal of `height` lines.

    Where these are few, what is well is only named, or counted, and what is lost is one line.
    """
    rows: list[Pieces] = [(("Checked", "dim"),)]
    brief = height < WHOLE_LINES
    lines = _brief(told.checks) if brief else told.checks
    well = [clean(line.what) for line in told.checks if line.level == "ok"]
    if brief and well:
        passed = f"{plural(len(well), 'check')} passed"
        head: Pieces = (("  ✓ ", "alive"), (f"{passed:<{_WHAT}} ", "text"))
        rows += _hanging(head, " · ".join(well) if height >= NAMED_LINES else "", width, "dim")
    for line in lines:
        glyph, role = MARKS[line.level]
        head = ((f"  {glyph} ", role), (f"{clean(line.what):<{_WHAT}} ", "text"))
        rows += _hanging(head, clean(line.reason), width, "dim" if line.level == "ok" else role)
    if not told.ended:
        rows.append((("  … ", "dim"), (clean(told.waiting) or "checking", "dim")))
    return rows


def _brief(checks: Sequence[Line]) -> list[Line]:
    others = [line for line in checks if line.level != "ok" and line.what != LOST]
    lost = "; ".join(line.reason for line in checks if line.what == LOST)
    return [*others, Line("warn", LOST, lost)] if lost else others


def _hanging(head: Pieces, text: str, width: int, role: str) -> list[Pieces]:
    indent = sum(len(piece) for piece, _ in head)
    wrapped = textwrap.wrap(text, max(_LEAST_REASON, width - indent)) or [""]
    rest: list[Pieces] = [((" " * indent, "text"), (line, role)) for line in wrapped[1:]]
    return [(*head, (wrapped[0], role)), *rest]


def goes_on(plan: dict[str, Any] | None, run: Run) -> Pieces:
    """`Goes on at  step 470 of 785`."""
    if plan is None:
        return (("Goes on at  ", "dim"), (UNKNOWN, "dim"))
    step = UNKNOWN if plan["step"] is None else str(plan["step"])
    total = f" of {run.total_steps}" if run.total_steps else ""
    return (("Goes on at  ", "dim"), (f"step {step}{total}", "text"))


def new_name(plan: dict[str, Any]) -> str:
    """The new run's name; empty where the run goes on in its own directory."""
    return "" if plan["in_place"] else os.path.basename(plan["path"])


def where_pieces(place: str, places: Sequence[str], width: int) -> Pieces:
    """Where it runs, and what else could be chosen, in `width` columns."""
    words = SANDBOX_PLACE if in_sandbox() and place == "here" else PLACES[place]
    others = " · ".join(each for each in places if each != place)
    if len("Runs        ") + len(words) + len("     ← → ") + len(others) > width:
        words = words.partition(";")[0].partition(":")[0]
    return (("Runs        ", "dim"), (words, "text"), ("     ", "text"), ("← → ", "best"), (others, "dim"))


def command_rows(plan: dict[str, Any] | None, width: int) -> list[Pieces]:
    """The command, and the files that are written before it."""
    if plan is None:
        return []
    lines = _broken(plan["argv"], max(_LEAST_REASON, width - 6))
    if len(lines) > _COMMAND_LINES:
        lines = [*lines[: _COMMAND_LINES - 1], "…"]
    rows: list[Pieces] = []
    for index, line in enumerate(lines):
        more = " \\" if index < len(lines) - 1 else ""
        rows.append((("$ " if index == 0 else "    ", "dim"), (line + more, "alive")))
    names = [os.path.basename(path) for path in plan["files"]]
    if names:
        rows.append((("  writes before it  ", "dim"), (clean(", ".join(names)), "dim")))
    return rows


def script_rows(plan: dict[str, Any] | None) -> list[Pieces]:
    """All the commands of a start by hand, as they go into a shell."""
    lines = [] if plan is None else plan["script"].splitlines()
    return [((clean(line), "alive"),) for line in lines]


def _broken(argv: Sequence[str], width: int) -> list[str]:
    """The words quoted for a shell, in lines that break between words only."""
    lines = [""]
    for word in (clean(shlex.quote(each)) for each in argv):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def outcome_rows(told: Told, width: int) -> list[Pieces]:
    """What came of the checks: why nothing can be started, or that only a script can be written."""
    failing = [clean(line.what) for line in told.checks if line.level == "fail"]
    if told.refusal:
        words = f"It can't be started: {', '.join(failing)}" if failing else clean(told.refusal)
        return _hanging((("✗ ", "bad"),), words, width, "text")
    if told.result is not None and told.plan is not None and not told.plan["ready"]:
        words = "Enter writes the script and starts nothing: its loop is yours to complete"
        return _hanging((("! ", "warning"),), words, width, "text")
    return []


def start_rows(told: Told, width: int) -> list[Pieces]:
    """What comes of a start: that it is on its way, or its last lines and why it failed."""
    if not told.ended:
        return [(("… ", "dim"), ("checking once more, starting, watching the first seconds", "text"))]
    lines: list[Pieces] = [((f"  {clean(line)}", "dim"),) for line in told.output]
    return [*lines, *_hanging((("✗ ", "bad"),), clean(told.refusal), width, "text")]
