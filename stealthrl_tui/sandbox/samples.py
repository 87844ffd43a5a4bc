"""The sample runs that ship with the package: real run directories, arranged as a user's own would be.

`python -m stealthrl_tui.sandbox.samples build tests/data/samples` makes `samples.zip` anew; the same samples give the
same bytes. Inside it, `outputs/runs/` is the root to browse, `live/` what the growing run is replayed from.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = "outputs/runs"
ARCHIVE = Path(__file__).with_name("samples.zip")
USAGE = "usage: python -m stealthrl_tui.sandbox.samples build SAMPLES_DIRECTORY"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

_LOG_TIME = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} - ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """A recorded run and its place below the root; `age` is how many seconds ago it ended.

    A cookbook log holds no time, so its files are dated `age` before the unpacking. A training.log says itself when
    the run ended, and the files are dated by that: `age` is None.
    """

    source: str
    name: str
    age: float | None = None


LIVE = Sample("cookbook-0.6.1/sl_tiny", "cookbook/tiny_sl/chat_rank8")
GROWTH = "growth/sl_tiny.growth.jsonl"
ENDED = (
    Sample("stealthrl/run_20261123_170500", "run_20261123_170500"),
    Sample("stealthrl/stealthrl_tiny_sync", "tiny_baseline"),
    Sample("stealthrl/same_name_twice", "tiny_short"),
    Sample("stealthrl/ctrl_c_async", "ablations/async/run_20261123_170235"),
    Sample("stealthrl/exception_midrun", "ablations/sync/run_20261123_170042"),
    Sample("stealthrl/sigkill_midrun", "ablations/sync/run_20261123_165811"),
    Sample("cookbook-0.6.1/rl_tiny_resumed", "cookbook/tiny_rl/words_resumed", 25 * MINUTE),
    Sample("cookbook-0.6.1/rl_tiny_crash", "cookbook/tiny_rl/words_rolling", 50 * MINUTE),
    Sample("cookbook-0.6.1/dpo_probe", "cookbook/tiny_dpo/pairs_beta0.1", 5 * HOUR),
    Sample("cookbook-0.5.5/sl_tiny_055", "cookbook/tiny_sl/chat_first", 3 * DAY),
)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Where the samples are: `root` to browse, and the live run's recording with the place where it is to grow."""

    root: Path
    recorded: Path
    growth: Path
    live: Path


def build(samples: Path, archive: Path = ARCHIVE) -> None:
    """Write `archive` from the recorded runs in `samples`; raises OSError when one is missing."""
    members = sorted(_members(samples))
    temporary = archive.with_name(archive.name + ".tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for name, path in members:
                file.writestr(_entry(name), path.read_bytes())
        temporary.replace(archive)
    finally:
        temporary.unlink(missing_ok=True)


def _entry(name: str) -> zipfile.ZipInfo:
    # The format's first moment: a file's own time would make every build another one.
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr, entry.compress_type = 3, 0o644 << 16, zipfile.ZIP_DEFLATED
    return entry


def _members(samples: Path) -> Iterator[tuple[str, Path]]:
    yield "live/growth.jsonl", samples / GROWTH
    placed = [(f"{ROOT}/{sample.name}", sample) for sample in ENDED]
    for place, sample in [("live/run", LIVE), *placed]:
        source = samples / sample.source
        found = [path for path in source.rglob("*") if path.is_file() and path.parent.name != "tensorboard"]
        if not found:
            raise FileNotFoundError(f"no files in {source}")
        for path in found:
            yield f"{place}/{path.relative_to(source).as_posix()}", path


def unpack(folder: Path, now: float | None = None) -> Unpacked:
    """Put the samples into `folder`, ended runs dated as seen at `now` (Unix seconds); the live one hasn't begun."""
    moment = time.time() if now is None else now
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    root = folder / ROOT
    for sample in ENDED:
        _date(root / sample.name, sample, moment)
    return Unpacked(root, folder / "live" / "run", folder / "live" / "growth.jsonl", root / LIVE.name)


def _date(run: Path, sample: Sample, now: float) -> None:
    ended = _last_log_time(run / "training.log") if sample.age is None else now - sample.age
    for path in [run, *run.rglob("*")]:
        os.utime(path, (ended, ended))


def _last_log_time(log: Path) -> float:
    stamp = _LOG_TIME.findall(log.read_bytes())[-1].decode()
    return time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))


def remove(folder: Path) -> None:
    """Delete an unpacked `folder`, whatever of it is still there."""
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """`build SAMPLES_DIRECTORY`; the exit status."""
    if len(arguments) != 2 or arguments[0] != "build":
        sys.stderr.write(f"{USAGE}\n")
        return 2
    try:
        build(Path(arguments[1]))
    except OSError as error:
        sys.stderr.write(f"the samples could not be packed: {error}\n")
        return 1
    sys.stdout.write(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
