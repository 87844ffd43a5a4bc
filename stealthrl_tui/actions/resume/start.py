"""Starting a planned resume: detached here, in a new tmux window, or through the user's launcher.

`resume.json` and `resume.log` are there before the trainer is; a start that fails leaves nothing behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stealthrl_tui.actions.child import PARENT_VARIABLE
from stealthrl_tui.actions.resume import lineage, processes
from stealthrl_tui.actions.resume.fill import Unfillable
from stealthrl_tui.actions.resume.footprint import Footprint
from stealthrl_tui.actions.resume.place import NO_TMUX, Where, launcher_argv
from stealthrl_tui.actions.resume.value import Plan
from stealthrl_tui.text import clean

FIRST_SECONDS = 3.0
LAST_LINES = 20
_TMUX_SECONDS = 10.0
_LOOK_EVERY = 0.05
_TAIL_BYTES = 16 << 10
_ENDED_WELL = "[ended with status 0]"
# Not secrets, and a tmux server may be older than what the terminal has exported since.
_TOLD_TMUX = ("TINKER_BASE_URL", "TINKER_PROJECT_ID")


class StartFailed(Exception):  # noqa: N818  it is an answer, not a fault
    """It was not started, or ended at once: `code` is one of DESIGN.md's, `lines` the last of the output."""

    def __init__(self, code: str, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.lines = tuple(lines)


@dataclass(slots=True)
class Started:
    """A start. `pid` leads the trainer's process group, None where a launcher started it elsewhere.

    `note` says what of the record could not be written, in words; empty when all was.
    """

    plan: Plan
    where: Where
    pid: int | None
    note: str
    _footprint: Footprint
    _process: subprocess.Popen[bytes] | None
    _mark: str | None
    _log_from: int

    def watch(self, seconds: float = FIRST_SECONDS) -> None:
        """Return after `seconds`, or sooner when it ended well. Raises StartFailed when it died meanwhile.

        What a trainer that died has written stays; where it wrote nothing, all traces of the start go.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            how = self._ended()
            if how is not None:
                self._bury(how)
                return
            time.sleep(_LOOK_EVERY)

    def _ended(self) -> str | None:
        """How it ended, in words, "" when well; None while it lives."""
        if self._process is not None:
            status = self._process.poll()
            if status is None or status == 0:
                return None if status is None else ""
            return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        if self.pid is None or self._mark is None or processes.mark(self.pid) == self._mark:
            return None
        lines = self._lines()
        return "" if lines[-1:] == (_ENDED_WELL,) else "ended"

    def _bury(self, how: str) -> None:
        if not how:
            return
        lines = self._lines()
        if self._footprint.touched():
            rest = f"; its output is in {clean(self.plan.log)}"
        else:
            self._footprint.undo()
            rest = ""
        said = f": {lines[-1]}" if lines else " without a word"
        raise StartFailed("server_error", f"the resumed run {how} within seconds{said}{rest}", lines)

    def _lines(self) -> tuple[str, ...]:
        return last_lines(self.plan.log, self._log_from)


def start(
    plan: Plan, where: Where = "here", *, launcher: str | None = None, environ: Mapping[str, str] = os.environ
) -> Started:
    """Write the files, the record and the log, then start; returns at once. Raises StartFailed.

    A plan that is not `ready` can't be started: see `write_only`. `launcher` is the template for "launcher"
    (`place.launcher_argv`).
    """
    if not plan.ready or not plan.argv:
        raise StartFailed("no_trainer", "the script is to be completed first")
    footprint = Footprint(plan.directory, not plan.in_place)
    record = lineage.record(plan, where)
    try:
        footprint.claim()
        log = footprint.open_log(plan.log)
        try:
            _hold(log)
            footprint.prepare(plan.files, record)
            log_from = os.lseek(log, 0, os.SEEK_END)
            footprint.remember()
            process, pid = _spawn(plan, where, launcher, log, environ, footprint)
        finally:
            os.close(log)
    except StartFailed:
        footprint.undo()
        raise
    except OSError as error:
        footprint.undo()
        raise _failure(plan, error) from error
    mark = None if pid is None else processes.mark(pid)
    note = "" if pid is None else _record_process(plan, {**record, "pid": pid, "process": mark})
    return Started(plan, where, pid, note, footprint, process, mark, log_from)


def _record_process(plan: Plan, record: dict[str, Any]) -> str:
    """Complete the record; in words, why that could not be done: the trainer is on its way all the same."""
    try:
        lineage.write(plan.directory, record)
    except OSError as error:
        return f"resume.json does not tell the process: {error.strerror}"
    return ""


def write_only(plan: Plan) -> None:
    """Write the files and the record of a plan that the user completes and starts. Raises StartFailed."""
    footprint = Footprint(plan.directory, not plan.in_place)
    try:
        footprint.claim()
        footprint.prepare(plan.files, lineage.record(plan, "by hand"))
    except OSError as error:
        footprint.undo()
        raise _failure(plan, error) from error


def _failure(plan: Plan, error: OSError) -> StartFailed:
    if isinstance(error, FileExistsError) and error.filename == plan.directory:
        return StartFailed("exists", f"{clean(plan.directory)} is taken: name another run")
    what = clean(error.filename or plan.directory)
    advice = ": free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return StartFailed("no_trainer", f"{what}: {error.strerror or error}{advice}")


def _hold(log: int) -> None:
    """Lock the log. The trainer inherits the lock with its output, so it ends with the trainer, however that ends."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StartFailed("still_running", "it was resumed already, and that one is still alive") from error
    except OSError as error:
        # Some network disks know no locks; the checklist has looked for a living run.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


def _spawn(
    plan: Plan, where: Where, launcher: str | None, log: int, environ: Mapping[str, str], footprint: Footprint
) -> tuple[subprocess.Popen[bytes] | None, int | None]:
    if where == "tmux":
        return None, _in_tmux(plan, environ)
    environment = {name: value for name, value in environ.items() if name != PARENT_VARIABLE}
    if where == "launcher":
        try:
            argv, files = launcher_argv(plan, launcher)
        except Unfillable as problem:
            raise StartFailed("no_trainer", f"the launcher in the settings {problem}") from problem
        for path, text in files.items():
            footprint.add(path, text)
        return _detached(argv, os.getcwd(), environment, log), None
    process = _detached(plan.argv, plan.cwd, {**environment, **plan.environment}, log)
    return process, process.pid


def _detached(argv: Sequence[str], cwd: str, environment: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )


def _in_tmux(plan: Plan, environ: Mapping[str, str]) -> int:
    """Start in a new window; the process id of its shell, which leads a group.

    The window is one of the current (or newest) session; where there is no session, of a new one.
    """
    told = "".join(f"export {name}={shlex.quote(environ[name])}; " for name in _TOLD_TMUX if environ.get(name))
    # The shells and tee outlive a Ctrl-C, for the trainer's last words: caught, not ignored, since that is inherited.
    run = f'trap : INT; ({told}{plan.shell_line}); echo "[ended with status $?]"'
    line = f"trap : INT; {{ {run}; }} 2>&1 | tee -i -a {shlex.quote(plan.log)}"
    title = re.sub(r"[^A-Za-z0-9._-]", "_", plan.name)
    how = "new-session" if _tmux(environ, "has-session").returncode else "new-window"
    done = _tmux(environ, how, "-d", "-P", "-F", "#{pane_pid}", "-n", title, "sh", "-c", line)
    if done.returncode or not done.stdout.strip().isdigit():
        raise StartFailed(
            "no_trainer", f"tmux opened no window: {clean(done.stderr.strip(), 200) or 'it did not say why'}"
        )
    return int(done.stdout)


def _tmux(environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["tmux", *words], env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_TMUX_SECONDS,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise StartFailed("no_trainer", NO_TMUX) from error
    except subprocess.TimeoutExpired as error:
        raise StartFailed("no_trainer", "tmux does not answer: start it here instead") from error


def last_lines(log: str, start: int = 0, count: int = LAST_LINES) -> tuple[str, ...]:
    """The last lines that were written to `log` after byte `start`, cleaned, blank ones left out."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL_BYTES))
            data = file.read(_TAIL_BYTES)
    except OSError:
        return ()
    lines = (clean(line, 500).rstrip() for line in data.decode("utf-8", "replace").splitlines())
    return tuple([line for line in lines if line][-count:])
