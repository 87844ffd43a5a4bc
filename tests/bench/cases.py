"""What is measured, one function a budget of DESIGN.md; each makes its own runs and returns figures."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import generate, process
from tests.bench.program import (
    LIST_COLUMNS,
    Home,
    start_browser,
    start_floor,
    wait_first_rows,
    wait_listed,
    wait_read,
)
from tests.bench.result import Result
from tests.bench.terminal import Terminal
from tests.bench.weather import weather

DETAIL_COLUMN = 66
HUGE = "huge"
# To the next pane and back: the cursor bar of the list pales and returns, the selection stays.
TABS = ("\t", "\x1b[Z")
PARSE = """
import sys, time, orjson
began = time.perf_counter()
for line in open(sys.argv[1], "rb"):
    orjson.loads(line)
print(time.perf_counter() - began)
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to make runs, and how much of everything."""

    folder: Path
    few: int = 1_000
    many: int = 10_000
    starts: int = 7
    saves: int = 50
    keys: int = 50
    huge_rows: int = 1_000_000
    idle_seconds: float = 20.0

    @property
    def home(self) -> Home:
        """The user that the programs run as."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Home(home)

    def runs(self, count: int) -> Path:
        """A root with `count` runs, made at the first call."""
        root = self.folder / f"runs-{count}"
        if not root.exists():
            generate.make_runs(root, count, time.time())
        return root


def _ms(seconds: float) -> float:
    return seconds * 1000


def _against_the_floor(bench: Bench, root: Path, *waits: Callable[[Terminal], float]) -> tuple[float, list[float]]:
    """Median seconds until the bare app is on the screen, and until each wait is over; the two started in turn."""
    floors: list[float] = []
    taken: list[list[float]] = []
    for _ in range(bench.starts + 1):
        terminal, seconds = start_floor(bench.home)
        terminal.close()
        floors.append(seconds)
        with start_browser(root, bench.home) as terminal:
            taken.append([wait(terminal) - terminal.started for wait in waits])
    # The first of each only warms the disk's cache.
    return statistics.median(floors[1:]), [statistics.median(column) for column in zip(*taken[1:], strict=True)]


def start(bench: Bench) -> list[Result]:
    """Start until the runs are on the screen."""
    floor, (seconds,) = _against_the_floor(bench, bench.runs(bench.few), wait_first_rows)
    beside = f"{_ms(seconds):.0f} ms; floor {_ms(floor):.0f} ms"
    return [Result(f"start, {bench.few} runs, first screen", seconds / floor, "x", 1.5, beside)]


def many(bench: Bench) -> list[Result]:
    """The same with ten times as many."""
    root = bench.runs(bench.many)
    floor, (first, listed) = _against_the_floor(bench, root, wait_first_rows, wait_listed)
    beside = f"floor {_ms(floor):.0f} ms"
    return [
        Result(f"start, {bench.many} runs, first screen", first / floor, "x", 1.5, f"{_ms(first):.0f} ms; {beside}"),
        Result(f"start, {bench.many} runs, all listed", listed / floor, "x", 5.0, f"{_ms(listed):.0f} ms; {beside}"),
    ]


def save(bench: Bench) -> list[Result]:
    """A ledger row appended until its checkpoint is on the screen, three runs being trained."""
    root = bench.runs(bench.few)
    live = [generate.LiveRun.start(root / "live" / f"live_{letter}") for letter in "bca"]
    taken: list[float] = []
    with start_browser(root, bench.home) as terminal:
        wait_read(terminal)
        _select(terminal, live[-1].path.name)
        terminal.type("f")  # stay on its newest checkpoint, as someone does who watches it
        for _ in range(bench.saves):
            for run in live[:-1]:
                run.train()
            terminal.settle(0.15, 2.0)
            name = live[-1].step + generate.SAVE_EVERY
            began = time.perf_counter()
            live[-1].save()
            taken.append(terminal.wait_for(f"{name:06d}", 10.0) - began)
    generate.remove(root / "live")
    return [
        Result("ledger row -> on screen, median", _ms(statistics.median(taken)), "ms", 45.0, f"{len(taken)} rows"),
        Result("ledger row -> on screen, worst", _ms(max(taken)), "ms", 120.0, f"{bench.few} runs, 3 live"),
    ]


def _select(terminal: Terminal, name: str) -> None:
    """Move the cursor to the run `name`, one of the newest."""
    for _ in range(5):
        if name in _detail(terminal):
            return
        terminal.type("j")
        terminal.settle(0.3)
    raise LookupError(f"{name} is not among the first runs:\n{terminal.text()}")


def _detail(terminal: Terminal) -> str:
    """The right part of the screen, where the selected run is described."""
    return "\n".join(line[DETAIL_COLUMN:] for line in terminal.screen.display)


def new(bench: Bench) -> list[Result]:
    """A run's first files written until its name is in the list."""
    root = bench.runs(bench.few)
    taken: list[float] = []
    with start_browser(root, bench.home) as terminal:
        wait_read(terminal)
        for number in range(max(5, bench.saves // 2)):
            terminal.settle(0.15, 2.0)
            name = f"live_{number}n"
            prepared = generate.LiveRun.start(bench.folder / "prepared" / name)
            began = time.perf_counter()
            shutil.copytree(prepared.path, root / "live" / name)
            taken.append(terminal.wait_for(name, 10.0) - began)
    generate.remove(root / "live")
    beside = f"{len(taken)} runs, worst {_ms(max(taken)):.0f} ms, {bench.few} watched"
    return [Result("new run -> listed, median", _ms(statistics.median(taken)), "ms", 80.0, beside)]


def keys(bench: Bench) -> list[Result]:
    """A key that moves the cursor until the list shows it."""
    with start_browser(bench.runs(bench.many), bench.home) as terminal:
        wait_read(terminal)
        taken = [terminal.answer("j", LIST_COLUMNS) for _ in range(bench.keys)]
    beside = f"{len(taken)} keys, worst {_ms(max(taken)):.0f} ms"
    return [Result(f"key -> painted, {bench.many} runs, median", _ms(statistics.median(taken)), "ms", 25.0, beside)]


def huge(bench: Bench) -> list[Result]:
    """A run of very many metrics rows opened: its first curve, the keys meanwhile, and memory."""
    root = bench.folder / "huge"
    generate.make_runs(root, 20, time.time())
    generate.make_huge_run(root / HUGE, bench.huge_rows)
    generate.LiveRun.start(root / "live_top")
    metrics = root / HUGE / "metrics.jsonl"
    parse = [_parse_seconds(metrics) for _ in range(2)]
    with start_browser(root, bench.home) as terminal:
        wait_first_rows(terminal)
        terminal.settle(1.0)
        began = terminal.type("j")
        first = terminal.wait(lambda: _has_curve(terminal), "the first curve", 120.0) - began
        answers = [terminal.answer(key, LIST_COLUMNS, 0.2) for key in TABS]
        while "reading, " in _detail(terminal):
            answers += [terminal.answer(key, LIST_COLUMNS, 0.2) for key in TABS]
        whole = time.perf_counter() - began
        memory = process.memory_mb(terminal.pid, peak=True)
    parse.append(_parse_seconds(metrics))
    once = statistics.median(parse)
    size = f"{bench.huge_rows} rows, {metrics.stat().st_size / 1e6:.0f} MB"
    beside = f"{_ms(first):.0f} ms; orjson once {_ms(once):.0f} ms; {size}"
    return [
        Result("open a huge run, first curve", first / once, "x", 2.0, beside),
        Result("open a huge run, all of it", whole / once, "x", beside=f"{_ms(whole):.0f} ms"),
        Result("open a huge run, slowest key meanwhile", _ms(max(answers)), "ms", 100.0, f"{len(answers)} keys"),
        Result("open a huge run, most memory", memory, "MB", 250.0),
    ]


def _has_curve(terminal: Terminal) -> bool:
    detail = _detail(terminal)
    return f"{HUGE} " in detail and sum("\u2800" < character <= "\u28ff" for character in detail) >= 20


def _parse_seconds(path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", PARSE, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def idle(bench: Bench) -> list[Result]:
    """Nothing happens: processor time and memory beside the bare app's, both at the same time."""
    floor, _ = start_floor(bench.home)
    with floor, start_browser(bench.runs(bench.few), bench.home) as browser:
        wait_read(browser)
        browser.settle(1.0, 5.0)
        both = (floor, browser)
        before = [process.cpu_seconds(terminal.pid) for terminal in both]
        time.sleep(bench.idle_seconds)
        after = [process.cpu_seconds(terminal.pid) for terminal in both]
        bare, full = (100 * (b - a) / bench.idle_seconds for a, b in zip(before, after, strict=True))
        bare_mb, full_mb = (process.memory_mb(terminal.pid) for terminal in both)
    return [
        Result(
            f"idle, {bench.few} runs, CPU above the bare app", full - bare, "%", 0.5, f"{full:.2f} %; bare {bare:.2f} %"
        ),
        Result(
            f"idle, {bench.few} runs, memory", full_mb / bare_mb, "x", 2.0, f"{full_mb:.0f} MB; bare {bare_mb:.0f} MB"
        ),
    ]


CASES: Mapping[str, Callable[[Bench], list[Result]]] = {
    "start": start,
    "many": many,
    "save": save,
    "new": new,
    "keys": keys,
    "huge": huge,
    "idle": idle,
    "weather": weather,
}
