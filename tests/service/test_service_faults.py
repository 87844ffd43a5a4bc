"""Bad weather: whatever happens to the service, it is said within seconds, in words, and the process ends.

The SDK alone retries for minutes, silently; `verbs.SECONDS` is how long each command is given here.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.trials import recall_all
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox
from tests.service.verbs import Said, environ, tell

pytestmark = pytest.mark.usefixtures("good", "calm")

API = "/api/v1/"
BUT_HEALTH = API + "[!h]*"
WORK = ("test-load", "server")


def command(which: str) -> tuple[str, ...]:
    return ("test-load", "tinker://sandbox:train:0/sampler_weights/good") if which == "test-load" else (which,)


@pytest.mark.parametrize("which", WORK)
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"TINKER_BASE_URL": "http://127.0.0.1:9"}, "unreachable"),
        ({"TINKER_BASE_URL": "http://no.such.host.invalid"}, "unreachable"),
        ({"TINKER_BASE_URL": "nonsense"}, "unreachable"),
        ({"TINKER_API_KEY": ""}, "no_key"),
        ({"TINKER_API_KEY": "sk-secret-secret"}, "rejected_key"),
    ],
)
def test_what_is_known_before_the_first_call(
    sandbox: Sandbox, tmp_path: Path, which: str, more: dict[str, str], code: str
) -> None:
    said = tell(environ(tmp_path, sandbox, **more), *command(which))
    assert (said.status, said.last["code"]) == (1, code)
    assert said.err.count("\n") == 1
    assert "secret" not in said.out + said.err


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"path": BUT_HEALTH, "status": 401}, "rejected_key"),
    ("status", {"path": BUT_HEALTH, "status": 402}, "billing"),
    ("status", {"path": BUT_HEALTH, "status": 429}, "server_error"),
    ("status", {"path": BUT_HEALTH, "status": 500}, "server_error"),
    ("status", {"status": 503}, "server_error"),
    ("hang", {}, "unreachable"),
    ("drop", {"path": BUT_HEALTH}, "unreachable"),
]


@pytest.mark.parametrize(("kind", "more", "code"), FAULTS)
def test_the_service_in_trouble(sandbox: Sandbox, tmp_path: Path, kind: str, more: dict[str, Any], code: str) -> None:
    sandbox.fault(kind, **more)
    env = environ(tmp_path, sandbox)
    with ThreadPoolExecutor() as side_by_side:
        both = list(side_by_side.map(lambda which: tell(env, *command(which)), WORK))
    for said in both:
        assert (said.status, said.last["event"], said.last["code"]) == (1, "error", code)
        assert said.last["hint"]
        assert said.err.count("\n") == 1
        assert sandbox.api_key not in said.out + said.err


MIDDLE: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"path": API + "asample", "status": 402}, "billing"),
    ("status", {"path": API + "retrieve_future", "status": 500}, "server_error"),
    ("drop", {"path": API + "asample"}, "unreachable"),
    ("die", {"path": API + "asample"}, "unreachable"),
    ("refuse", {"path": API + "asample", "seconds": 30}, "unreachable"),
]


def test_trouble_in_the_middle(tmp_path: Path) -> None:
    def in_trouble(number: int) -> Said:
        kind, more, _ = MIDDLE[number]
        home = tmp_path / str(number)
        with running_sandbox(home / "sandbox") as own:
            own.save_sampler("good")
            own.fault(kind, **more)
            return tell(environ(home, own), *command("test-load"))

    with ThreadPoolExecutor(3) as side_by_side:
        told = list(side_by_side.map(in_trouble, range(len(MIDDLE))))
    assert [said.last.get("code") for said in told] == [code for *_, code in MIDDLE]
    assert all("load" in [event["phase"] for event in said.of("phase")] for said in told)


def test_a_call_that_hangs_is_said_and_ends_in_time(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("hang", path=API + "asample")
    said = tell(environ(tmp_path, sandbox), *command("test-load"), "--timeout", "6")
    assert (said.status, said.last["code"]) == (1, "timeout")
    assert "'sample'" in said.last["message"]
    assert said.of("waiting")[0]["phase"] == "sample"


def test_a_slow_service_is_no_trouble(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("slow", seconds=0.2)
    assert tell(environ(tmp_path, sandbox), *command("test-load")).last["ok"]


def test_short_trouble_is_got_over(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("status", path=BUT_HEALTH, status=503, count=2)
    sandbox.fault("drop", path=API + "checkpoints*", count=1)
    assert tell(environ(tmp_path, sandbox), "server").last["ok"]


def test_the_result_stands_when_the_session_cannot_be_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("hang", path=API + "sessions/*")
    said = tell(environ(tmp_path, sandbox), *command("test-load"))
    assert (said.status, said.last["event"], said.err) == (0, "result", "")


def test_the_service_dies_while_it_is_asked(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox") as own:
        own.fault("die", path=API + "checkpoints*")
        said = tell(environ(tmp_path, own), "server")
    assert (said.status, said.last["code"]) == (1, "unreachable")


def test_many_at_once_remember_their_own(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environ(tmp_path, sandbox, TINKER_BASE_URL="http://127.0.0.1:9")
    uris = [f"tinker://sandbox:train:0/sampler_weights/{name}" for name in "abcd"]
    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(lambda uri: tell(env, "test-load", uri), uris))
    assert sorted(recall_all(tmp_path / "state" / "stealthrl-tui")) == uris
