"""Is it running? The evidence a run leaves, judged strongest first (FORMATS.md, "Is it running?")."""

from __future__ import annotations

from dataclasses import dataclass

from stealthrl_tui.runs.log import LogFacts
from stealthrl_tui.runs.model import Status
from stealthrl_tui.text import age, clean, duration

SHORTEST_WINDOW = 600.0
STEPS_IN_WINDOW = 5
# Two clocks that disagree by more than this are not the same moment seen twice.
_DISAGREEMENT = 3600.0
# File systems round the times of files, and clocks of two machines differ a little.
_SLACK = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one status or another. Times are Unix seconds.

    `recorded_status` and `started_at` are run_metadata.json's; `final_info_at` is when the final info was written (its
    file time), None without one; `has_final_row` says that the newest training run ended with a `final` row in the
    ledger; `newest_write` is the newest file time of metrics, log and ledger; `step_seconds` the median of one step;
    `seen_write` the newest write that happened before our own eyes.
    """

    has_anything: bool
    recorded_status: str | None = None
    started_at: float | None = None
    final_info_at: float | None = None
    has_final_row: bool = False
    log: LogFacts | None = None
    newest_write: float | None = None
    step_seconds: float | None = None
    seen_write: float | None = None


def judge(evidence: Evidence, now: float) -> tuple[Status, str]:
    """The status at the time `now`, and the reason for it in a few words."""
    log = evidence.log or LogFacts()
    completed = _completed(evidence, log)
    if completed is not None:
        return Status.COMPLETED, completed
    if log.failure is not None:
        return Status.FAILED, clean(log.failure, 300)
    if log.interrupted:
        return Status.INTERRUPTED, "stopped with Ctrl-C"
    if not evidence.has_anything:
        return Status.EMPTY, "nothing written yet"
    return _by_age(evidence, log, now)


def running_window(step_seconds: float | None) -> float:
    """For how many seconds after its last write a run still counts as running."""
    return max(SHORTEST_WINDOW, STEPS_IN_WINDOW * (step_seconds or 0.0))


def last_activity(
    newest_write: float | None, log_last_time: float | None, seen_write: float | None = None
) -> float | None:
    """When the run last did something; None when nothing tells.

    File times lie after a copy or a checkout: where the two disagree, the time in the log is the better witness. But
    what was seen to be written is no copy, whatever the trainer's clock says.
    """
    if seen_write is not None:
        return seen_write
    if newest_write is None or log_last_time is None:
        return newest_write if log_last_time is None else log_last_time
    if abs(newest_write - log_last_time) > _DISAGREEMENT:
        return log_last_time
    return max(newest_write, log_last_time)


def _completed(evidence: Evidence, log: LogFacts) -> str | None:
    if evidence.recorded_status == "completed":
        return "run_metadata.json says completed"
    if _final_info_counts(evidence, log):
        return "final checkpoint saved"
    if evidence.has_final_row:
        return "the ledger ends with a final checkpoint"
    return "the log says that training is complete" if log.complete else None


def _final_info_counts(evidence: Evidence, log: LogFacts) -> bool:
    """Whether the final info is of the newest start: a run whose name is used again keeps the old one until it ends."""
    written = evidence.final_info_at
    starts = [time for time in (evidence.started_at, log.started_at) if time is not None]
    if written is None:
        return False
    if starts and written < max(starts) - _SLACK:
        return False
    copied = log.last_time is not None and written - log.last_time > _DISAGREEMENT
    if copied and log.starts > 1 and log.started_at is not None:
        # The file's time is that of the copy: only what the log says of the final saves can tell the starts apart.
        return any(time >= log.started_at for uri, time in log.saved.items() if "/final" in uri)
    return True


def _by_age(evidence: Evidence, log: LogFacts, now: float) -> tuple[Status, str]:
    last = last_activity(evidence.newest_write, log.last_time, evidence.seen_write)
    if last is not None and last > now + _DISAGREEMENT and evidence.newest_write is not None:
        last = evidence.newest_write  # the log's clock is in another time zone
    if last is None:
        return Status.STALLED, "no file tells when it was last written"
    running = now - last < running_window(evidence.step_seconds)
    parts = [f"last write {_ago(now - last)}"]
    if running and evidence.step_seconds:
        parts.insert(0, f"a step each {duration(evidence.step_seconds)}")
    if log.heartbeat is not None:
        parts.append(log.heartbeat)
    elif not running:
        parts.append("nothing says it ended")
    return (Status.RUNNING if running else Status.STALLED), ", ".join(parts) + _clocks(evidence, log, last, now)


def _clocks(evidence: Evidence, log: LogFacts, last: float, now: float) -> str:
    """A word on file times and log times that disagree."""
    written, told = evidence.newest_write, log.last_time
    if evidence.seen_write is not None:
        return ""
    if written is None or told is None or abs(written - told) <= _DISAGREEMENT:
        return ""
    if last == written:
        return f" (the log's times are {duration(told - written)} ahead: another time zone?)"
    return f" (by the log; the files are dated {_ago(now - written)}: a copy, or another time zone?)"


def _ago(seconds: float) -> str:
    said = age(max(0.0, seconds))
    return "just now" if said == "now" else f"{said} ago"
