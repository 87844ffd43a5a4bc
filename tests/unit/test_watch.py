"""Real files, a real watcher: hints come, also from roots that come and go."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stealthrl_tui.runs.watch import Watcher


class Hints:
    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.lock = threading.Lock()

    def __call__(self, paths: set[str]) -> None:
        with self.lock:
            self.paths |= paths

    def wait_for(self, path: Path, act: Callable[[], object]) -> bool:
        """Act again and again until a hint names the path: a watch takes a moment to stand."""
        for _ in range(100):
            act()
            time.sleep(0.1)
            with self.lock:
                if str(path) in self.paths:
                    return True
        return False


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Watcher, Hints, Path]]:
    hints = Hints()
    root = tmp_path / "runs"
    watcher = Watcher([str(root)], hints)
    yield watcher, hints, root
    watcher.stop()


def append(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("x\n")


def test_a_change_is_hinted(watched: tuple[Watcher, Hints, Path]) -> None:
    watcher, hints, root = watched
    root.mkdir()
    watcher.start()
    target = root / "a" / "checkpoints.jsonl"
    assert hints.wait_for(target, lambda: append(target))
    assert watcher.problem is None


def test_a_root_that_appears_later_is_watched(watched: tuple[Watcher, Hints, Path]) -> None:
    watcher, hints, root = watched
    watcher.start()
    root.mkdir()
    watcher.check_roots()
    target = root / "checkpoints.jsonl"
    assert hints.wait_for(target, lambda: append(target))


def test_a_root_made_again_is_watched_again(watched: tuple[Watcher, Hints, Path]) -> None:
    watcher, hints, root = watched
    root.mkdir()
    watcher.start()
    assert hints.wait_for(root / "one", lambda: append(root / "one"))
    shutil.rmtree(root)
    os.mkdir(root)
    target = root / "two"

    def act() -> None:
        watcher.check_roots()
        append(target)

    assert hints.wait_for(target, act)
