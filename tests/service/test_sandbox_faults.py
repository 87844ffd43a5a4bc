"""The local service under hostile requests, and the trouble it makes when asked to."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tinker

from stealthrl_tui.sandbox.process import Sandbox, SandboxError, running_sandbox

pytestmark = pytest.mark.usefixtures("calm")

SECONDS = 20.0
KEY = {"X-API-Key": "tml-test"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environ().items():
            patch.setenv(name, value)
        yield running


def ask(
    sandbox: Sandbox, method: str, path: str, body: bytes = b"", headers: dict[str, str] = KEY, timeout: float = SECONDS
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def healthy(sandbox: Sandbox) -> bool:
    return ask(sandbox, "GET", "/api/v1/healthz", headers={}) == (200, b'{"status": "ok"}')


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "sk-1"}, {"X-API-Key": ""}, {"Authorization": "Bearer tml-x"}])
def test_no_key_no_answer(sandbox: Sandbox, headers: dict[str, str]) -> None:
    status, body = ask(sandbox, "GET", "/api/v1/training_runs", headers=headers)
    assert status == 401
    assert "key" in json.loads(body)["detail"]
    assert healthy(sandbox)


def test_the_openai_door_wants_a_bearer_key(sandbox: Sandbox) -> None:
    status, body = ask(sandbox, "POST", "/oai/api/v1/completions", b"{}", KEY)
    assert (status, json.loads(body)["error"]["code"]) == (401, 401)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/create_session", b"{", 400),
        ("POST", "/api/v1/asample", b"[]", 400),
        ("POST", "/api/v1/asample", b"[" * 200_000, 400),
        ("POST", "/api/v1/asample", b'{"sampling_session_id": 5}', 400),
        ("POST", "/api/v1/asample", b'{"sampling_session_id": "x"}', 404),
        ("POST", "/api/v1/create_sampling_session", b'{"session_id": "x", "sampling_session_seq_id": 0}', 404),
        ("POST", "/api/v1/retrieve_future", b'{"request_id": "x"}', 404),
        ("POST", "/api/v1/forward_backward", b"\xff\xff\xff", 400),
        ("POST", "/api/v1/forward_backward", b"", 404),
        ("POST", "/api/v1/weights_info", b'{"tinker_path": "file:///etc/passwd"}', 400),
        ("POST", "/api/v1/weights_info", b'{"tinker_path": "tinker://../weights/.."}', 400),
        ("PUT", "/api/v1/training_runs/a/checkpoints/weights/b/ttl", b'{"ttl_seconds": true}', 400),
        ("DELETE", "/api/v1/training_runs/a/checkpoints/other/b", b"", 400),
        ("DELETE", "/api/v1/training_runs/%2e%2e/checkpoints/weights/b", b"", 400),
        ("GET", "/api/v1/checkpoints?limit=-1", b"", 400),
        ("GET", "/api/v1/checkpoints?limit=5000", b"", 400),
        ("GET", "/api/v1/nothing", b"", 404),
        ("GET", "/api/v1/asample", b"", 405),
        ("POST", "/sandbox/faults", b'{"kind": "earthquake"}', 400),
        ("POST", "/sandbox/checkpoints", b'{"uri": "tinker://a/weights/b", "expires_at": 1e300}', 400),
        ("POST", "/sandbox/checkpoints", b'{"uri": "tinker://a/weights/b", "lora_rank": 100000}', 400),
    ],
)
def test_malformed_requests_get_a_clear_refusal(
    sandbox: Sandbox, method: str, path: str, body: bytes, status: int
) -> None:
    answered, content = ask(sandbox, method, path, body)
    assert (answered, set(json.loads(content))) == (status, {"detail"})


def test_a_body_of_unknown_or_absurd_length_is_refused(sandbox: Sandbox) -> None:
    path = "/api/v1/asample"
    assert ask(sandbox, "POST", path, headers={**KEY, "Content-Length": str(10**12)})[0] == 413
    assert ask(sandbox, "POST", path, headers={**KEY, "Transfer-Encoding": "chunked"})[0] == 411


def test_a_path_that_is_no_address_is_refused(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(sandbox.base_url).port or 0), timeout=SECONDS) as connection:
        connection.sendall(b"GET http://[ HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_the_same_request_twice_is_done_once(sandbox: Sandbox) -> None:
    session = sandbox.call("POST", "/api/v1/create_session", {})["session_id"]
    wanted = {"session_id": session, "model_seq_id": 0, "base_model": str(sandbox.model_dir)}
    first, again = (sandbox.call("POST", "/api/v1/create_model", wanted) for _ in range(2))
    assert first == again
    model_id = sandbox.call("POST", "/api/v1/retrieve_future", {"request_id": first["request_id"]})["model_id"]
    save = {"model_id": model_id, "seq_id": 1, "path": "once"}
    ids = {sandbox.call("POST", "/api/v1/save_weights", save)["request_id"] for _ in range(3)}
    assert len(ids) == 1
    assert "path" in sandbox.call("POST", "/api/v1/retrieve_future", {"request_id": ids.pop()})


def test_a_finished_session_takes_no_more(sandbox: Sandbox) -> None:
    session = sandbox.call("POST", "/api/v1/create_session", {})["session_id"]
    sandbox.call("POST", "/api/v1/session_heartbeat", {"session_id": session})
    sandbox.call("POST", f"/api/v1/sessions/{session}/finish", {"reason": {"type": "success"}})
    with pytest.raises(SandboxError, match="410"):
        sandbox.call("POST", "/api/v1/session_heartbeat", {"session_id": session})
    with pytest.raises(SandboxError, match="finished"):
        sandbox.call("POST", "/api/v1/create_sampling_session", {"session_id": session, "sampling_session_seq_id": 0})


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 503])
def test_any_status_on_demand_as_often_as_asked(sandbox: Sandbox, status: int) -> None:
    sandbox.fault("status", path="/api/v1/healthz", method="GET", count=2, status=status)
    assert [ask(sandbox, "GET", "/api/v1/healthz")[0] for _ in range(3)] == [status, status, 200]
    assert sandbox.call("GET", "/sandbox/faults") == {"faults": []}


def test_a_fault_hits_only_its_paths(sandbox: Sandbox) -> None:
    sandbox.fault("status", path="/api/v1/training_runs*")
    assert ask(sandbox, "GET", "/api/v1/training_runs/x")[0] == 500
    assert healthy(sandbox)
    sandbox.clear_faults()
    assert ask(sandbox, "GET", "/api/v1/training_runs")[0] == 200


def test_the_sdk_gets_over_a_short_trouble(sandbox: Sandbox) -> None:
    uri = sandbox.save_sampler("through")
    sandbox.fault("status", path="/api/v1/retrieve_future", count=2, status=503)
    sandbox.fault("drop", path="/api/v1/samplers/*", count=1)
    with tinker.ServiceClient() as service:
        client = service.create_sampling_client(model_path=uri).result(timeout=SECONDS)
        params = tinker.SamplingParams(max_tokens=5, stop=[])
        answer = client.sample(tinker.ModelInput.from_ints([65]), 1, params).result(timeout=SECONDS)
    assert len(answer.sequences[0].tokens) == 5


def test_an_answer_can_come_late_or_never(sandbox: Sandbox) -> None:
    sandbox.fault("slow", count=1, seconds=0.3)
    began = time.monotonic()
    assert healthy(sandbox)
    assert time.monotonic() - began >= 0.3
    sandbox.fault("hang", count=1)
    with pytest.raises(TimeoutError):
        ask(sandbox, "GET", "/api/v1/healthz", timeout=0.3)
    assert healthy(sandbox)


def test_an_answer_can_be_cut_in_the_middle(sandbox: Sandbox) -> None:
    sandbox.fault("drop", count=1)
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(sandbox, "GET", "/api/v1/healthz")
    assert len(cut.value.partial) > 0
    assert healthy(sandbox)


def test_the_port_can_be_closed_for_a_while(sandbox: Sandbox) -> None:
    address = ("127.0.0.1", urlsplit(sandbox.base_url).port or 0)
    sandbox.fault("refuse", count=1, seconds=0.6)
    with pytest.raises(ConnectionError):
        ask(sandbox, "GET", "/api/v1/healthz")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=SECONDS).close()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=SECONDS).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    assert healthy(sandbox)


def test_the_service_can_die(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        uri = sandbox.save_sampler("survivor")
        sandbox.fault("die")
        with pytest.raises(ConnectionError):
            ask(sandbox, "GET", "/api/v1/healthz")
        with pytest.raises(SandboxError, match="does not answer"):
            sandbox.open_sessions()
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.call("POST", "/api/v1/weights_info", {"tinker_path": uri})["lora_rank"] == 8


def gone(pid: int) -> bool:
    # A child nobody waits for stays as a zombie where no init process collects it: that is gone too.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_service_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from stealthrl_tui.sandbox.process import running_sandbox\n"
        "with running_sandbox(Path(sys.argv[1])) as sandbox:\n"
        "    print(sandbox.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    deadline = time.monotonic() + SECONDS
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)


def test_nothing_is_logged_about_requests_and_two_can_not_share_a_port(sandbox: Sandbox, tmp_path: Path) -> None:
    assert healthy(sandbox)
    assert "tml-" not in sandbox.log_path.read_text()
    port = urlsplit(sandbox.base_url).port or 0
    with pytest.raises(SandboxError, match="can't start"), running_sandbox(tmp_path, port=port):
        pass
