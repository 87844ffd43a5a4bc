"""A growing file read by what was appended: torn lines, cuts, replacements, giants, and what the system refuses."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from stealthrl_tui.runs.tail import Grown, Tail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.jsonl"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_what_was_appended(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\ntwo\n")
    assert tail.read() == Grown([b"one", b"two"], first=1)
    assert tail.read() == Grown(first=3)
    append(path, b"three\n")
    assert tail.read() == Grown([b"three"], first=3)
    assert (tail.offset, tail.size, tail.exists) == (14, 14, True)
    assert tail.mtime == path.stat().st_mtime


def test_torn_line_waits_for_its_end(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b'a\n{"na')
    assert tail.read().lines == [b"a"]
    assert tail.pending == b'{"na'
    append(path, b'me": 1}')
    assert tail.read() == Grown(first=2)
    assert tail.pending == b'{"name": 1}'
    append(path, b"\nnext\n")
    assert tail.read() == Grown([b'{"name": 1}', b"next"], first=2)
    assert tail.pending == b""


def test_line_ends_and_blank_lines(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"a\r\n\r\n\nb\r")
    assert tail.read().lines == [b"a", b"", b""]
    append(path, b"\nc\n")
    assert tail.read() == Grown([b"b", b"c"], first=4)


def test_missing_file_is_no_problem(path: Path) -> None:
    tail = Tail(str(path))
    assert tail.read() == Grown()
    assert (tail.exists, tail.problem, tail.mtime) == (False, "", None)
    append(path, b"a\n")
    assert tail.read() == Grown([b"a"], first=1)


def test_cut_file_starts_over(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\ntwo\nthr")
    tail.read()
    os.truncate(path, 4)
    assert tail.read() == Grown([b"one"], first=1, replaced=True)
    assert tail.read() == Grown(first=2)


def test_renamed_over_starts_over(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\n")
    tail.read()
    other = path.with_name("other")
    append(other, b"uno\ndos\n")
    other.replace(path)
    assert tail.read() == Grown([b"uno", b"dos"], first=1, replaced=True)


def test_cut_and_grown_past_the_old_end_is_noticed(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\ntwo\n")
    tail.read()
    path.write_bytes(b"completely\ndifferent\n")
    assert tail.read() == Grown([b"completely", b"different"], first=1, replaced=True)


def test_rewritten_in_the_same_size_is_noticed(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\n")
    tail.read()
    path.write_bytes(b"uno\n")
    os.utime(path, (1.0, 1.0))
    assert tail.read() == Grown([b"uno"], first=1, replaced=True)


def test_vanished_and_come_back(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\n")
    tail.read()
    path.unlink()
    assert tail.read() == Grown(replaced=True)
    assert (tail.exists, tail.size, tail.pending) == (False, 0, b"")
    append(path, b"one\n")
    assert tail.read() == Grown([b"one"], first=1, replaced=True)


def test_limit_bounds_a_read(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\ntwo\nthree\n")
    assert tail.read(5) == Grown([b"one"], first=1, more=True)
    assert tail.read(5) == Grown([b"two"], first=2, more=True)
    assert tail.read(5) == Grown([b"three"], first=3)


def test_long_lines_are_skipped_by_number(path: Path) -> None:
    tail = Tail(str(path), max_line=4)
    append(path, b"ok\n12345\n1234\n123456")
    assert tail.read() == Grown([b"ok", b"", b"1234"], first=1, oversize=(2, 4))
    assert tail.pending == b""
    append(path, b"789\nok\n")
    assert tail.read() == Grown([b"", b"ok"], first=4)


def test_giant_line_is_never_held(path: Path) -> None:
    piece = b"x" * (1 << 20)
    for _ in range(50):
        append(path, piece)
    append(path, b"\nafter\n")
    tail = Tail(str(path), max_line=1 << 20)
    tracemalloc.start()
    try:
        grown = tail.read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert grown == Grown([b"", b"after"], first=1, oversize=(1,))
    assert peak < 8 << 20


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path)])
def test_what_is_no_file_is_said(path: Path, make: object) -> None:
    make(path)  # type: ignore[operator]
    tail = Tail(str(path))
    assert tail.read() == Grown()
    assert (tail.exists, tail.problem) == (True, "is not a regular file")


def test_a_refusal_keeps_what_was_read(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\n")
    tail.read()
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(loop)
    assert tail.read() == Grown(first=2)
    assert tail.problem.startswith("cannot be read: ")
    path.unlink()
    kept.rename(path)
    append(path, b"two\n")
    assert tail.read() == Grown([b"two"], first=2)
    assert tail.problem == ""


def test_restart_reads_again(path: Path) -> None:
    tail = Tail(str(path))
    append(path, b"one\n")
    tail.read()
    tail.restart()
    assert tail.read() == Grown([b"one"], first=1, replaced=True)
