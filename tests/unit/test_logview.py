"""The lines of the Log tab: levels, growth, torn lines, huge files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stealthrl_tui.runs.logview import LONGEST_SHOWN, WINDOW, LogGrowth, LogLine, LogLines

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_levels_and_continuations(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    append(
        path,
        "no record\n2026-11-23 17:00:00,500 - __main__ - INFO - \nTraining interrupted by user\n"
        "2026-11-23 17:00:01,500 - a.b - ERROR - Training failed: x\nTraceback\na:12 [WARNING] odd\n"
        "b:1 [CRITICAL] bad\nc:2 [DEBUG] d\nnot [INFO] a record\n",
    )
    view = LogLines(str(path))
    assert view.refresh() == LogGrowth(added=9)
    assert [(line.number, line.level, line.continuation) for line in view.lines] == [
        (1, None, True),
        (2, "info", False),
        (3, "info", True),
        (4, "error", False),
        (5, "error", True),
        (6, "warning", False),
        (7, "critical", False),
        (8, "debug", False),
        (9, "debug", True),
    ]
    assert not view.refresh()


@pytest.mark.parametrize("sample", ["stealthrl/ctrl_c_async/training.log", "cookbook-0.6.1/rl_tiny_crash/logs.log"])
def test_samples_are_shown_whole_and_safe(sample: str) -> None:
    path = SAMPLES / sample
    view = LogLines(str(path))
    view.refresh()
    assert len(view.lines) == path.read_bytes().count(b"\n")
    assert view.lines[-1].number == len(view.lines)
    assert all(character not in line.text for line in view.lines for character in "\x00\x1b\r\n\t")
    assert view.lines[0].level == "info"


def test_a_torn_line_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "a:1 [ERROR] one\na:1 [INFO] tw")
    view = LogLines(str(path))
    assert view.refresh() == LogGrowth(added=2)
    assert view.lines[-1] == LogLine(2, "a:1 [INFO] tw", "info")
    append(path, "o")
    assert view.refresh() == LogGrowth(amended=True)
    assert view.lines[-1].text == "a:1 [INFO] two"
    append(path, "\nmore\nto")
    assert view.refresh() == LogGrowth(added=2, amended=True)
    assert [line.text for line in view.lines] == ["a:1 [ERROR] one", "a:1 [INFO] two", "more", "to"]
    assert view.lines[-1] == LogLine(4, "to", "info", True)


def test_a_level_that_a_torn_prefix_hid(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "a:1 [ERROR] one\na:1 [INF")
    view = LogLines(str(path))
    view.refresh()
    assert view.lines[-1] == LogLine(2, "a:1 [INF", "error", True)
    append(path, "O] two\n")
    view.refresh()
    assert view.lines[-1] == LogLine(2, "a:1 [INFO] two", "info", False)


def test_capacity(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "".join(f"line {index}\n" for index in range(1, 11)))
    view = LogLines(str(path), capacity=4)
    assert view.refresh() == LogGrowth(added=4)
    assert [(line.number, line.text) for line in view.lines] == [
        (7, "line 7"),
        (8, "line 8"),
        (9, "line 9"),
        (10, "line 10"),
    ]
    append(path, "line 11\nline 1")
    assert view.refresh() == LogGrowth(added=2, dropped=2)
    assert [line.number for line in view.lines] == [9, 10, 11, 12]


def test_only_the_end_of_a_huge_log(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    line = "a:1 [INFO] " + "x" * 500 + "\n"
    append(path, line * (2 * WINDOW // len(line)))
    view = LogLines(str(path))
    growth = view.refresh()
    assert not growth.replaced
    assert growth.added == len(view.lines) == WINDOW // len(line)
    assert {(shown.number, shown.text) for shown in view.lines} == {(None, line.strip())}
    append(path, "b:1 [INFO] new\n")
    assert view.refresh() == LogGrowth(added=1)
    append(path, line * (2 * WINDOW // len(line)))
    jumped = view.refresh()
    assert jumped.replaced
    assert jumped.dropped == growth.added + 1
    assert jumped.added == len(view.lines)


def test_lines_without_end(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "é" * WINDOW)
    view = LogLines(str(path))
    view.refresh()
    assert len(view.lines) == 1
    assert len(view.lines[0].text) == LONGEST_SHOWN
    assert view.lines[0].text.endswith("…")
    append(path, "z" * 100)
    view.refresh()
    append(path, "\nshort\n")
    view.refresh()
    assert view.lines[-1].text == "short"


def test_replaced_shrunk_vanished(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "one\ntwo\n")
    view = LogLines(str(path))
    view.refresh()
    path.write_text("three\n")
    assert view.refresh() == LogGrowth(added=1, dropped=2, replaced=True)
    other = tmp_path / "other"
    append(other, "four\nfive\n")
    os.replace(other, path)
    assert view.refresh() == LogGrowth(added=2, dropped=1, replaced=True)
    assert [line.number for line in view.lines] == [1, 2]
    path.unlink()
    assert view.refresh() == LogGrowth(dropped=2, replaced=True)
    assert view.problem == "cannot read logs.log: No such file or directory"
    assert not view.refresh()
    append(path, "six\n")
    assert view.refresh() == LogGrowth(added=1)
    assert view.problem is None


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "logs.log")
    view = LogLines(str(tmp_path / "logs.log"))
    assert not view.refresh()
    assert view.problem == "cannot read logs.log: it is not a file"


def test_find(tmp_path: Path) -> None:
    path = tmp_path / "logs.log"
    append(path, "Alpha\nbeta (x)\nALPHA again\n")
    view = LogLines(str(path))
    view.refresh()
    assert view.find("alpha", 0) == 0
    assert view.find("alpha", 1) == 2
    assert view.find("alpha", 3) is None
    assert view.find("alpha", 1, backwards=True) == 0
    assert view.find("alpha", 99, backwards=True) == 2
    assert view.find("(X", 0) == 1
    assert view.find("", 0) is None
    assert view.find("alpha", -5) == 0


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.text("ab\n\r\x1bé", max_size=9), max_size=8), capacity=st.integers(1, 6))
def test_the_growth_adds_up(tmp_path_factory: pytest.TempPathFactory, pieces: list[str], capacity: int) -> None:
    path = tmp_path_factory.mktemp("view") / "logs.log"
    path.touch()
    view = LogLines(str(path), capacity)
    shown = 0
    for piece in pieces:
        append(path, piece)
        growth = view.refresh()
        shown += growth.added - growth.dropped
        assert shown == len(view.lines) <= capacity
    fresh = LogLines(str(path), capacity)
    fresh.refresh()
    assert list(view.lines) == list(fresh.lines)
