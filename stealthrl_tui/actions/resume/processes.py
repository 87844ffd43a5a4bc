"""Processes of this machine: which one a number means, and which one writes into a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from stealthrl_tui.runs.discovery import COOKBOOK_LOG, METRICS, TRAINING_LOG

_PROC = "/proc"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ASK_SECONDS = 5.0
# What a trainer holds open for as long as it lives.
_HELD = (TRAINING_LOG, COOKBOOK_LOG, METRICS, "resume.log")
_MOUNTS = "/proc/mounts"
# Disks that other machines may write to at this moment.
_SHARED = (
    "nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "fuse", "9p", "afs", "gluster", "weka", "pvfs",
)  # fmt: skip
_FIELDS_BEFORE_START = 19  # of /proc/<pid>/stat, after the state


def mark(pid: int) -> str | None:
    """What tells the process from every other that had or will have its number; None when there is no such process.

    A process that has ended and was not yet waited for counts as gone.
    """
    if os.path.isdir(os.path.join(_PROC, "self")):
        return _linux_mark(pid)
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    state, _, started = done.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def _linux_mark(pid: int) -> str | None:
    try:
        with open(f"{_PROC}/{pid}/stat", "rb") as file:
            # The name in brackets may hold anything, brackets and spaces too.
            words = file.read().rpartition(b")")[2].split()
        with open(_BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
    except (OSError, ValueError):
        return None
    if len(words) <= _FIELDS_BEFORE_START or words[0] in (b"Z", b"X"):
        return None
    return f"{words[_FIELDS_BEFORE_START].decode('ascii', 'replace')}@{boot}"


def writer_of(directory: str) -> int | None:
    """A process of this user that has one of the run's logs open for writing; None when there is none here.

    Both trainers keep theirs open from the first line to the last (FORMATS.md).
    """
    held = {os.path.realpath(os.path.join(directory, name)) for name in _HELD}
    held = {path for path in held if os.path.exists(path)}
    if not held:
        return None
    if os.path.isdir(os.path.join(_PROC, "self")):
        return next(_linux_writers(held), None)
    return _lsof_writer(held)


def _linux_writers(held: set[str]) -> Iterator[int]:
    for entry in os.listdir(_PROC):
        if entry.isdigit() and int(entry) != os.getpid():
            # Other users' processes can't be looked into, and any may end while it is looked at.
            with contextlib.suppress(OSError, ValueError):
                folder = f"{_PROC}/{entry}/fd"
                if any(os.readlink(f"{folder}/{name}") in held and _writes(entry, name) for name in os.listdir(folder)):
                    yield int(entry)


def _writes(pid: str, descriptor: str) -> bool:
    with open(f"{_PROC}/{pid}/fdinfo/{descriptor}", encoding="ascii") as file:
        flags = next((line.split()[1] for line in file if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _lsof_writer(held: set[str]) -> int | None:
    if shutil.which("lsof") is None:
        return None
    command = ["lsof", "-F", "pa", "--", *sorted(held)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    pid: int | None = None
    for line in done.stdout.splitlines():
        if line.startswith("p") and line[1:].isdigit():
            pid = int(line[1:])
        elif line.startswith("a") and line[1:2] in ("w", "u") and pid != os.getpid():
            return pid
    return None


def on_shared_disk(path: str, mounts: str = _MOUNTS) -> bool:
    """Whether other machines may write at `path` too; False where this system doesn't tell."""
    real, best, kind = os.path.realpath(path), "", ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(" ") for line in file]
    except OSError:
        return False
    for words in lines:
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ")
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, words[2]
    return kind.startswith(_SHARED)
