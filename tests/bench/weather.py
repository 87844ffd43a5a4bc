"""Bad weather: how soon it is said, what the keys do meanwhile, and what quitting leaves behind.

The real program on a pseudo-terminal, its children with the unmodified SDK, against the sandbox service with faults.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stealthrl_tui.sandbox.process import running_sandbox
from tests.bench import generate, process
from tests.bench.program import LIST_COLUMNS, start_browser, wait_read
from tests.bench.result import Result
from tests.bench.terminal import Terminal

if TYPE_CHECKING:
    from tests.bench.cases import Bench

_BUT_HEALTH = "/api/v1/[!h]*"
_LONGEST = 60.0
_KEYS = ("j", "k")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of weather: the `fault` of the service, or the `environment`, and the words that tell it."""

    name: str
    says: str
    fault: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case("fine", "● SANDBOX asked"),
    Case("refused", "✗ offline", environment={"TINKER_BASE_URL": "http://127.0.0.1:9"}),
    Case("silent", "✗ offline", {"kind": "hang"}),
    Case("silent but for healthz", "not answered yet", {"kind": "hang", "path": _BUT_HEALTH}),
    Case("slow", "not answered yet", {"kind": "slow", "path": _BUT_HEALTH, "seconds": 8.0}),
    Case("500 everywhere", "✗ server error", {"kind": "status", "status": 500}),
    Case("500 but for healthz", "the service answers 500", {"kind": "status", "status": 500, "path": _BUT_HEALTH}),
    Case("wrong key", "✗ key rejected", environment={"TINKER_API_KEY": "tml-rejected"}),
    Case("402", "✗ billing", {"kind": "status", "status": 402, "path": _BUT_HEALTH}),
    Case("dies when asked", "✗ offline", {"kind": "die", "path": "/api/v1/checkpoints*"}),
)


_API = "/api/v1/"
# In the middle of a test-load, when the weights are loaded.
MIDDLE = (
    Case("sampling fails", "answers 500", {"kind": "status", "status": 500, "path": _API + "retrieve_future"}),
    Case("402", "✗ billing", {"kind": "status", "status": 402, "path": _API + "asample"}),
    Case("cut off", "✗ unreachable", {"kind": "drop", "path": _API + "asample"}),
    Case("dies", "✗ unreachable", {"kind": "die", "path": _API + "asample"}),
    Case("silent", "not answered yet", {"kind": "hang", "path": _API + "asample"}),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds from the program's start to the words, the slowest key meanwhile, from `q` to the end of everything."""

    case: str
    said: float
    slowest: float
    keys: int
    quit: float


def weather(bench: Bench) -> list[Result]:
    """The service in every kind of trouble: said when, keys meanwhile, and quitting in the middle of a question."""
    seen = [_look(bench, case) for case in CASES]
    bad = [each for each in seen if each.case != "fine"]
    said, slow, left = (
        max(among, key=lambda each: getattr(each, what))
        for among, what in ((bad, "said"), (seen, "slowest"), (seen, "quit"))
    )
    for each in seen:
        print(f"  {each.case:<24}said {each.said:.1f} s, slowest of {each.keys} keys {each.slowest * 1000:.0f} ms, "
              f"quit {each.quit * 1000:.0f} ms", flush=True)  # fmt: skip
    keys = sum(each.keys for each in seen)
    loads = {case.name: _load(bench, case) for case in MIDDLE}
    late, (seconds, _) = max(loads.items(), key=lambda item: item[1][0])
    return [
        Result("server trouble -> said, from the start", said.said, "s", 6.0, f"{len(bad)} kinds, worst: {said.case}"),
        Result("slowest key meanwhile", slow.slowest * 1000, "ms", 100.0, f"{keys} keys, at: {slow.case}"),
        Result("q -> no process left", left.quit, "s", 1.0, f"while asking, worst: {left.case}"),
        Result("test-load in trouble -> said", seconds, "s", 6.0, f"after its last phase, {len(loads)} kinds: {late}"),
        Result("Esc -> test-load gone", loads["silent"][1], "s", 1.0, "in a call that hangs"),
    ]


def _look(bench: Bench, case: Case) -> Seen:
    root = bench.runs(bench.few)
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox())
        if case.fault:
            sandbox.call("POST", "/sandbox/faults", case.fault)
        environment = {**sandbox.environ(), **case.environment}
        terminal = stack.enter_context(start_browser(root, bench.home, environment))
        said, answers = _keys_until(terminal, case.says)
        wait_read(terminal)
        terminal.type("R")
        terminal.wait_for("asking")
        return Seen(case.name, said - terminal.started, max(answers), len(answers), _quit(terminal))


def _keys_until(terminal: Terminal, words: str) -> tuple[float, list[float]]:
    """The stamp at which `words` were on the screen, and how long each key took until then."""
    terminal.wait_for("run_")
    answers: list[float] = []
    while words not in terminal.text():
        if time.perf_counter() - terminal.started > _LONGEST:
            raise TimeoutError(f"{words}: never said:\n{terminal.text()}")
        answers.append(terminal.answer(_KEYS[len(answers) % 2], LIST_COLUMNS, 0.1))
    return time.perf_counter(), answers


def _quit(terminal: Terminal) -> float:
    """Seconds from `q` until the program and all that it started are gone."""
    family = process.family(terminal.pid)
    began = terminal.type("q")
    gone = terminal.ended(_LONGEST)
    while any(process.lives(pid) for pid in family[1:]) and time.perf_counter() - began < _LONGEST:
        time.sleep(0.005)
        gone = terminal.ended(0)
    if not gone:
        raise TimeoutError("the program did not end")
    return time.perf_counter() - began


def _load(bench: Bench, case: Case) -> tuple[float, float]:
    """A test-load in the middle of which the trouble begins: seconds until it is said, and from Esc to its end."""
    root = bench.folder / "one"
    if not root.exists():
        generate.make_runs(root, 1, time.time())
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox())
        for line in next(root.rglob("checkpoints.jsonl")).read_text().splitlines():
            sandbox.save(json.loads(line)["sampler_path"])
        sandbox.call("POST", "/sandbox/faults", case.fault)
        terminal = stack.enter_context(start_browser(root, bench.home, sandbox.environ()))
        wait_read(terminal)
        terminal.type("t")
        terminal.wait_for("load and sample")
        terminal.type("\r")
        loaded = terminal.wait_for("✓ tokenizer")
        said = terminal.wait_for(case.says)
        family = process.family(terminal.pid)[1:]
        cancelled = terminal.type("\x1b")
        while any(process.lives(pid) for pid in family):
            terminal.settle(0.01, 0.01)
        return said - loaded, time.perf_counter() - cancelled
