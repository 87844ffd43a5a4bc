"""Running the sandbox service as a child that never outlives its parent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealthrl_tui.sandbox.exchange import HOST

API_KEY = "tml-sandbox"
_START_SECONDS = 20.0
_STOP_SECONDS = 2.0
_ANSWER_SECONDS = 10.0


class SandboxError(Exception):
    """The sandbox did not start, or refused a request."""


@dataclass(frozen=True)
class Sandbox:
    """A running local Tinker service.

    `base_url` is what TINKER_BASE_URL wants. `model_dir` is both the base model's name and a local folder with its
    tokenizer. `folder` holds what the service keeps, `log_path` what it wrote to standard error, `pid` its process.
    """

    base_url: str
    api_key: str
    model_dir: Path
    folder: Path
    log_path: Path
    pid: int

    def environ(self) -> dict[str, str]:
        """The environment variables with which the SDK finds this service, and asks no hub for the tokenizer."""
        return environ_of(self.base_url)

    def save_sampler(self, name: str = "demo", *, run_id: str = "sandbox:train:0") -> str:
        """Make sampler weights without the SDK; their URI."""
        return self.save(f"tinker://{run_id}/sampler_weights/{name}")

    def save_state(self, name: str = "demo", *, run_id: str = "sandbox:train:0") -> str:
        """Make a full training state without the SDK; its URI."""
        return self.save(f"tinker://{run_id}/weights/{name}")

    def save(
        self,
        uri: str,
        *,
        base_model: str | None = None,
        lora_rank: int | None = None,
        created: float | None = None,
        expires_at: float | None = None,
        corrupted: bool | None = None,
    ) -> str:
        """Make a checkpoint at `uri`, and its training run when that is unknown; its three-part URI.

        A two-part URI makes sampler weights. Times are Unix seconds; an `expires_at` in the past makes an expired one.
        `base_model`, `lora_rank` (8 for a new run) and `corrupted` are the run's.
        """
        wanted = {
            "uri": uri,
            "base_model": base_model,
            "lora_rank": lora_rank,
            "created": created,
            "expires_at": expires_at,
            "corrupted": corrupted,
        }
        return str(self.call("POST", "/sandbox/checkpoints", wanted)["path"])

    def fault(
        self,
        kind: str,
        *,
        path: str = "*",
        method: str = "*",
        count: int | None = None,
        seconds: float | None = None,
        status: int = 500,
    ) -> None:
        """Let the requests that match suffer; see `stealthrl_tui.sandbox.faults` for the kinds."""
        wanted = {"kind": kind, "path": path, "method": method, "count": count, "seconds": seconds, "status": status}
        self.call("POST", "/sandbox/faults", wanted)

    def clear_faults(self) -> None:
        """End all trouble, what hangs included."""
        self.call("DELETE", "/sandbox/faults")

    def advance_clock(self, seconds: float) -> None:
        """Set the service's clock forward, so that checkpoints expire."""
        self.call("POST", "/sandbox/clock", {"advance": seconds})

    def open_sessions(self) -> list[str]:
        """The client sessions that were created and not finished."""
        return list(self.call("GET", "/sandbox/sessions")["open"])

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request with the sandbox's key; the JSON of the answer (None when it is empty).

        SandboxError holds the status and the service's own words when it refuses.
        """
        import urllib.error  # heavy, and the demo starts without it
        import urllib.request

        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.api_key, "Authorization": f"Bearer {self.api_key}"}
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise SandboxError(f"HTTP {error.code}: {error.read().decode('utf-8', 'replace')}") from error
        except OSError as error:
            raise SandboxError(f"the sandbox does not answer: {error}") from error
        return json.loads(content) if content else None


def environ_of(base_url: str) -> dict[str, str]:
    """The environment variables with which the SDK finds the service there, and asks no hub for the tokenizer."""
    return {"TINKER_BASE_URL": base_url, "TINKER_API_KEY": API_KEY, "TINKER_TELEMETRY": "0", "HF_HUB_OFFLINE": "1"}


@contextmanager
def running_sandbox(folder: Path | None = None, *, port: int = 0, models: Sequence[str] = ()) -> Iterator[Sandbox]:
    """Run the service while the block runs; SandboxError when it does not start.

    What it keeps is in `folder`, a temporary one by default. `models` are further names its base model answers to.
    The child ends with the block, and by itself when this process dies.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stealthrl-sandbox-")))
        folder = folder.resolve()
        try:
            listening = listen(port)
        except OSError as error:
            raise SandboxError(f"the sandbox can't start: {error}") from error
        child, log_path = stack.enter_context(serving(listening, folder, models))
        ready = _wait_ready(child, log_path)
        yield Sandbox(ready["base_url"], API_KEY, Path(ready["model_dir"]), folder, log_path, child.pid)


def listen(port: int = 0) -> socket.socket:
    """A socket for a service that is yet to start, on a free port by default: who connects meanwhile waits for it.

    Raises OSError when the port can't be had.
    """
    return socket.create_server((HOST, port), backlog=128)


def url_of(listening: socket.socket) -> str:
    """The address of the service behind that socket."""
    return f"http://{HOST}:{listening.getsockname()[1]}"


@contextmanager
def serving(
    listening: socket.socket, folder: Path, models: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Have a child serve `listening` while the block runs, which may begin before it answers: the child and its log.

    The socket is the child's from then on. `folder` and `models` are as for `running_sandbox`.
    """
    with listening:
        folder.mkdir(parents=True, exist_ok=True)
        log_path = folder / "sandbox.log"
        child = _start(folder, listening, models, log_path)
    try:
        yield child, log_path
    finally:
        _stop(child)


def _start(folder: Path, listening: socket.socket, models: Sequence[str], log_path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stealthrl_tui.sandbox", "--folder", str(folder)]
    command += [f"--listening={listening.fileno()}", "--with-parent", *(f"--model={model}" for model in models)]
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            pass_fds=(listening.fileno(),),
        )


def _wait_ready(child: subprocess.Popen[bytes], log_path: Path) -> dict[str, str]:
    assert child.stdout is not None
    deadline, line = time.monotonic() + _START_SECONDS, b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        readable, _, _ = select.select([child.stdout], [], [], max(0.0, left))
        piece = os.read(child.stdout.fileno(), 4096) if readable else b""
        if not piece:
            raise SandboxError(f"the sandbox did not start: {_last_line(log_path)}")
        line += piece
    return dict(json.loads(line))


def _last_line(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _stop(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()
