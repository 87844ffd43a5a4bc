"""`stealthrl-tui demo`: the browser on sample runs and one that trains, beside a sandbox service; no key needed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

from stealthrl_tui.sandbox import samples
from stealthrl_tui.sandbox.held import LIVE, MODEL, Held
from stealthrl_tui.sandbox.lifeline import OWNER_VARIABLE, is_left, owning
from stealthrl_tui.sandbox.process import environ_of, listen, serving, url_of
from stealthrl_tui.settings import CONFIG_VARIABLE, STATE_VARIABLE

PREFIX = "stealthrl-tui-demo-"
# How long a finished live run stays the newest, in seconds, and how many there are at most: a forgotten demo in some
# corner of a machine mustn't fill its disk.
PAUSE, MOST_RUNS = 20.0, 100
_PATIENCE = 0.5
# Takes up a run that is there, and begins one that isn't.
_RESUME = "behavior_if_log_dir_exists=resume"
_OTHER_ACCOUNT = ("TINKER_CREDENTIAL_CMD", "TINKER_PROJECT_ID")
_LOOPBACK = "127.0.0.1"

# To be called when the runs are on the screen: what competes with the browser for the processors waits for it.
Begin = Callable[[], None]
# Is given the roots, and what lives beside the browser: to be entered when its first walk has begun.
Opener = Callable[[Sequence[str], AbstractContextManager[Begin]], int]


def run_demo(open_browser: Opener) -> int:
    """Call `open_browser` on the sample runs while the sandbox service runs and a trainer trains; what it returned.

    Meanwhile this process and its children know that service, and not the user's account, settings and state. All
    is in a temporary folder that is deleted at the end, whatever the end is; what a killed demo left behind is deleted
    by the next. To be called from the main thread. Raises OSError when the folder can't be written.
    """
    _clean_leftovers(Path(tempfile.gettempdir()))
    with _ending_in_order(), _temporary_folder() as folder, listen() as listening:
        now = time.time()
        root = samples.unpack(folder, now)
        with _environment(_settle(folder, url_of(listening))):
            return open_browser([str(root)], _alive(folder, root, now, listening))


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Have a closed terminal or a `kill` end the demo as quitting does, so that the folder goes too."""
    before = {number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        # Resumed runs are detached, and end with the folder's owner.
        with owning(folder, patience=_PATIENCE):
            yield folder
    finally:
        samples.remove(folder)


def _clean_leftovers(temporary: Path) -> None:
    for folder in temporary.glob(f"{PREFIX}*"):
        # Not ours to read, or gone meanwhile: then it is not ours to delete either.
        with contextlib.suppress(OSError):
            if _is_ours(folder) and is_left(folder):
                samples.remove(folder)


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _settle(folder: Path, base_url: str) -> dict[str, str]:
    """Furnish `folder`; the environment variables of the demo."""
    settings = folder / "settings.toml"
    # Resumes start with this Python, whatever project the demo is opened in; and without the user's own launcher.
    settings.write_text(f"[resume]\npython = {json.dumps(sys.executable)}\n", "utf-8")
    _offer_tokenizer(folder)
    direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), _LOOPBACK)))
    return {
        **environ_of(base_url),
        "HF_HOME": str(folder / "huggingface"),
        "NO_PROXY": direct,
        "no_proxy": direct,
        OWNER_VARIABLE: str(folder),
        CONFIG_VARIABLE: str(settings),
        STATE_VARIABLE: str(folder / "state"),
    }


def _offer_tokenizer(folder: Path) -> None:
    """Have the model's name lead to the service's tokenizer, as if a hub's copy of it were in its cache."""
    cache = folder / "huggingface" / "hub" / f"models--{MODEL.replace('/', '--')}"
    commit = "0" * 40
    for name in ("refs", "snapshots"):
        (cache / name).mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit, "utf-8")
    (cache / "snapshots" / commit).symlink_to(folder / samples.SERVICE / "models" / "tiny-byte-model")


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in _OTHER_ACCOUNT:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _alive(folder: Path, root: Path, now: float, listening: socket.socket) -> Iterator[Begin]:
    life = _Life(folder, root, now, listening)
    thread = threading.Thread(target=life.live, name="demo", daemon=True)
    thread.start()
    try:
        yield life.begin
    finally:
        life.end()
        thread.join()


class _Life:
    """The service, and the live runs one after another: the interrupted sample is taken up, then new ones begin."""

    def __init__(self, folder: Path, root: Path, now: float, listening: socket.socket) -> None:
        self._folder, self._root, self._now, self._listening = folder, root, now, listening
        self._begun, self._over, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._trainer: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Let it live."""
        self._begun.set()

    def end(self) -> None:
        """End it, now."""
        with self._starting:
            self._over.set()
            if self._trainer is not None:
                self._trainer.kill()
        self._begun.set()

    def live(self) -> None:
        """From `begin` to `end`; what fails, as on a full disk, ends sooner and the browser says what it misses."""
        self._begun.wait()
        with contextlib.suppress(OSError):
            kept = samples.unpack_service(self._folder, self._now)
            with serving(self._listening, kept, [MODEL]):
                self._train()
                self._over.wait()

    def _train(self) -> None:
        for number in range(1, MOST_RUNS + 1):
            run = LIVE if number == 1 else dataclasses.replace(LIVE, name=f"{LIVE.name}_{number}")
            trainer = self._start(run)
            if trainer is None or trainer.wait() != 0 or self._over.wait(PAUSE):
                return

    def _start(self, run: Held) -> subprocess.Popen[bytes] | None:
        command = [sys.executable, "-m", "stealthrl_tui.sandbox.trainer", *run.arguments(self._root), _RESUME]
        with self._starting, (self._folder / "trainer.log").open("ab") as log:
            if self._over.is_set():
                return None
            self._trainer = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            return self._trainer
