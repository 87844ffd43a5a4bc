"""The sample runs that ship with the package: real run directories, arranged as a user's own would be.

`python -m stealthrl_tui.sandbox.samples build tests/data` makes `samples.zip` anew; the same samples give the
same bytes. Inside it, `outputs/runs/` is the root to browse, `service/` what the sandbox service keeps of those that it
trained. The others were trained elsewhere: of their checkpoints it knows nothing, and says so.
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

from stealthrl_tui.sandbox.held import DAY, HELD, HOUR, MINUTE, move, place

ROOT = "outputs/runs"
ARCHIVE = Path(__file__).with_name("samples.zip")
USAGE = "usage: python -m stealthrl_tui.sandbox.samples build DATA_DIRECTORY"

_LOG_TIME = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} - ", re.MULTILINE)

_LOG_END = 1 << 14  # bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """A recorded run and its place below the root; `age` is how many seconds ago it ended.

    A cookbook log holds no time, so its files are dated `age` before the unpacking. A training.log says itself when
    the run ended, and the files are dated by that: `age` is None.
    """

    source: str
    name: str
    age: float | None = None


SERVICE, KEPT = "service", "sandbox/service"
ELSEWHERE = (
    Sample("stealthrl/run_20261123_170500", "run_20261123_170500"),
    Sample("stealthrl/stealthrl_tiny_sync", "tiny_baseline"),
    Sample("stealthrl/same_name_twice", "tiny_short"),
    Sample("stealthrl/ctrl_c_async", "ablations/async/run_20261123_170235"),
    Sample("stealthrl/exception_midrun", "ablations/sync/run_20261123_170042"),
    Sample("stealthrl/sigkill_midrun", "ablations/sync/run_20261123_165811"),
    Sample("cookbook-0.6.1/rl_tiny_resumed", "cookbook/tiny_rl/words_resumed", 25 * MINUTE),
    Sample("cookbook-0.6.1/rl_tiny_crash", "cookbook/tiny_rl/words_rolling", 50 * MINUTE),
    Sample("cookbook-0.6.1/sl_tiny", "cookbook/tiny_sl/chat_rank8", 3 * HOUR),
    Sample("cookbook-0.6.1/dpo_probe", "cookbook/tiny_dpo/pairs_beta0.1", 5 * HOUR),
    Sample("cookbook-0.5.5/sl_tiny_055", "cookbook/tiny_sl/chat_first", 3 * DAY),
)


def build(data: Path, archive: Path = ARCHIVE) -> None:
    """Write `archive` from the runs in `data/samples` and `data/sandbox`; raises OSError when one is missing."""
    members = sorted(_members(data))
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


def _members(data: Path) -> Iterator[tuple[str, Path]]:
    places = [(f"{ROOT}/{sample.name}", data / "samples" / sample.source) for sample in ELSEWHERE]
    places += [(f"{ROOT}/{held.name}", data / held.name) for held in HELD]
    places += [(f"{SERVICE}/runs/{run_id}", data / KEPT / run_id) for run_id in (h.training_run_id for h in HELD)]
    for there, source in places:
        found = [path for path in source.rglob("*") if path.is_file() and path.parent.name != "tensorboard"]
        if not found:
            raise FileNotFoundError(f"no files in {source}")
        for path in found:
            yield f"{there}/{path.relative_to(source).as_posix()}", path


def unpack(folder: Path, now: float) -> Path:
    """Put the runs into `folder`, dated as seen at `now` (Unix seconds): the root to browse."""
    _extract(folder, ROOT)
    root = folder / ROOT
    for held in HELD:
        place(root / held.name, root, now - held.age)
        _date(root / held.name, now - held.age)
    for sample in ELSEWHERE:
        run = root / sample.name
        _date(run, _last_log_time(run / "training.log") if sample.age is None else now - sample.age)
    return root


def unpack_service(folder: Path, now: float) -> Path:
    """Put what the service keeps of the runs into `folder`, dated as the runs: the service's own folder."""
    _extract(folder, SERVICE)
    for held in HELD:
        move(folder / SERVICE / "runs" / held.training_run_id, now - held.age)
    return folder / SERVICE


def _extract(folder: Path, part: str) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(f"{part}/")])


def _date(run: Path, ended: float) -> None:
    for path in [run, *run.rglob("*")]:
        os.utime(path, (ended, ended))


def _last_log_time(log: Path) -> float:
    stamp = _LOG_TIME.findall(log.read_bytes()[-_LOG_END:])[-1].decode()
    return time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))


def remove(folder: Path) -> None:
    """Delete an unpacked `folder`, whatever of it is still there."""
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """`build DATA_DIRECTORY`; the exit status."""
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
