"""Which folders are run directories (FORMATS.md, "Where runs are")."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from stealthrl_tui.runs.keys import WATCHED, Kind

LEDGER = "checkpoints.jsonl"
FINAL_INFO = "final_checkpoint_info.json"
METADATA = "run_metadata.json"
TRAINING_CONFIG = "training_config.json"
CONFIG = "config.json"
METRICS = "metrics.jsonl"
TRAINING_LOG = "training.log"
COOKBOOK_LOG = "logs.log"
CHECKPOINTS = "checkpoints"

_SURE = frozenset((LEDGER, METADATA, TRAINING_CONFIG))
_LIKELY = (METRICS, CONFIG)
_OWN_FOLDERS = frozenset((CHECKPOINTS, "tensorboard", "wandb", METRICS, "__pycache__", "node_modules"))
_OWN_PREFIXES = ("iteration_", "train_iteration_", ".")
# A config.json is everywhere; one with two of these was written by a Tinker training loop.
_CONFIG_WORDS = (b'"model_name"', b'"lora_rank"', b'"load_checkpoint_path"', b'"renderer_name"', b'"log_path"')
# What any training loop may log; a Tinker loop's rows have other keys beside these.
_ANYBODYS = {"reward", "loss", "accuracy", "margin", "learning_rate", "num_tokens"}
_METRIC_WORDS = frozenset(WATCHED[Kind.UNKNOWN]) - _ANYBODYS | {"progress/batch", "progress/done_frac"}
_PROBE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Found:
    """A run directory: its absolute path, its name below `root`, and when its files were last written."""

    path: str
    name: str
    root: str
    updated_at: float | None


@dataclass(slots=True)
class Search:
    """One walk over the roots: what it has seen, and the folders it could not read (in words)."""

    roots: Sequence[str]
    unreadable: list[str] = field(default_factory=list)
    _trees: list[str] = field(default_factory=list)

    def find(self) -> Iterator[Found]:
        """Every run below the roots, each once, also where roots overlap or links lead round in a circle."""
        self._trees = []
        for root in self.roots:
            path = os.path.abspath(root)
            real = os.path.realpath(path)
            if not any(_inside(real, tree) for tree in self._trees):
                self._trees.append(real)
                yield from self._walk(path, path)

    def below(self, path: str) -> Iterator[Found]:
        """The runs at or below `path`, a folder inside one of the roots that has just appeared."""
        root = self._root_of(path)
        if root is not None:
            yield from self._walk(path, root)

    def at(self, path: str) -> Found | None:
        """`path` itself, when the file that has just appeared in it makes it a run."""
        root = self._root_of(path)
        if root is None:
            return None
        return _as_run(path, root, self._entries(path) or [])

    def _root_of(self, path: str) -> str | None:
        return next((top for top in map(os.path.abspath, self.roots) if _inside(path, top)), None)

    def _walk(self, start: str, root: str) -> Iterator[Found]:
        todo = [start]
        while todo:
            path = todo.pop()
            entries = self._entries(path)
            if entries is None:
                continue
            found = _as_run(path, root, entries)
            if found is not None:
                yield found
            todo.extend(entry.path for entry in entries if self._worth_a_look(entry))

    def _entries(self, path: str) -> list[os.DirEntry[str]] | None:
        try:
            with os.scandir(path) as listing:
                return list(listing)
        except (FileNotFoundError, NotADirectoryError):
            return None  # gone since it was listed, or a root that isn't there yet
        except OSError as error:
            self.unreadable.append(f"cannot read {path}: {error.strerror}")
            return None

    def _worth_a_look(self, entry: os.DirEntry[str]) -> bool:
        try:
            if not entry.is_dir() or is_own_folder(entry.name):
                return False
            if not entry.is_symlink():
                return True
        except OSError:
            return False
        # A link to what is listed anyway shows it twice, a link to a folder above never ends.
        real = os.path.realpath(entry.path)
        if any(_inside(real, tree) or _inside(tree, real) for tree in self._trees):
            return False
        self._trees.append(real)
        return True


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_own_folder(name: str) -> bool:
    """Whether a folder of this name belongs to the run above it (its checkpoints, events, rollouts)."""
    return name in _OWN_FOLDERS or name.startswith(_OWN_PREFIXES)


def _as_run(path: str, root: str, entries: list[os.DirEntry[str]]) -> Found | None:
    by_name = {entry.name: entry for entry in entries}
    if not _is_run(path, by_name):
        return None
    name = os.path.basename(path) if path == root else path[len(root.rstrip("/")) + 1 :]
    return Found(path, name, root, _updated_at(by_name))


def _is_run(path: str, entries: dict[str, os.DirEntry[str]]) -> bool:
    if not _SURE.isdisjoint(entries):
        return True
    if CHECKPOINTS in entries:
        folder = os.path.join(path, CHECKPOINTS)
        if any(os.path.exists(os.path.join(folder, name)) for name in (LEDGER, FINAL_INFO)):
            return True
    return any(name in entries and _tells_of_tinker(os.path.join(path, name), name) for name in _LIKELY)


def _tells_of_tinker(path: str, name: str) -> bool:
    if os.path.isdir(path):  # very old runs: metrics.jsonl is a folder
        path = os.path.join(path, METRICS)
    head = _head(path)
    if name == CONFIG:
        return sum(word in head for word in _CONFIG_WORDS) >= 2
    return any(_is_metrics_row(line) for line in head.split(b"\n", 5)[:5])


def _head(path: str) -> bytes:
    """The first bytes of a regular file; none of anything else: a pipe would be waited for without end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(_PROBE_BYTES)
    except OSError:
        return b""


def _is_metrics_row(line: bytes) -> bool:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN is a bare word that strict JSON refuses; the keys tell all the same.
        return any(f'"{key}"'.encode() in line for key in _METRIC_WORDS)
    return isinstance(row, dict) and not _METRIC_WORDS.isdisjoint(row)


def _updated_at(entries: dict[str, os.DirEntry[str]]) -> float | None:
    newest: float | None = None
    for name in (METRICS, LEDGER, TRAINING_LOG, COOKBOOK_LOG):
        entry = entries.get(name)
        if entry is None:
            continue
        try:
            written = entry.stat().st_mtime
        except OSError:
            continue
        newest = written if newest is None or written > newest else newest
    return newest
