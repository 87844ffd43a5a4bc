"""`test-load`: the sampler weights are opened and sampled from by the unmodified SDK."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealthrl_tui.actions.child import Child, Event
from stealthrl_tui.actions.trials import recall
from stealthrl_tui.sandbox.process import Sandbox, running_sandbox
from tests.service.verbs import SECONDS, environ, tell, words, write_run
from tests.unit.test_child import gone

pytestmark = pytest.mark.usefixtures("calm")

HUBLESS = "nowhere/without-a-tokenizer"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(models=[HUBLESS]) as running:
        yield running


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environ(tmp_path, sandbox)


def state_dir(home: Path) -> Path:
    return home / "state" / "stealthrl-tui"


def test_weights_are_loaded_and_sampled_and_the_outcome_is_remembered(
    sandbox: Sandbox, env: dict[str, str], tmp_path: Path
) -> None:
    uri = sandbox.save_sampler("good")
    said = tell(env, "test-load", uri, "--prompt", "-1 is?", "--max-tokens", "12")
    assert (said.status, said.err) == (0, "")
    assert [event["phase"] for event in said.of("phase")] == ["connect", "load", "tokenizer", "sample"]
    result = said.last
    assert (result["event"], result["ok"], result["uri"]) == ("result", True, uri)
    assert (result["base_model"], result["prompt_form"]) == (str(sandbox.model_dir), "chat template")
    assert isinstance(result["text"], str)
    assert 0 < len(result["tokens"]) <= 12
    assert result["stop_reason"] in ("stop", "length")
    outcome = recall(state_dir(tmp_path), uri)
    assert outcome is not None
    assert (outcome.ok, outcome.text, outcome.prompt) == (True, result["text"], "-1 is?")
    assert sandbox.open_sessions() == []


def test_a_run_is_tested_by_its_own_kind_of_prompt_and_people_get_lines(
    sandbox: Sandbox, env: dict[str, str], tmp_path: Path
) -> None:
    uri = sandbox.save_sampler("000001", run_id="words:train:0")
    write_run(tmp_path / "runs" / "mine", [{"name": "000001", "batch": 1, "sampler_path": uri}])
    said = words(env, "test-load", "mine", "--max-tokens", "5")
    assert (said.status, said.err) == (0, "")
    assert uri in said.out
    assert [line.split()[0] for line in said.out.splitlines()[:5]] == [
        "connect",
        "load",
        "tokenizer",
        "sample",
        "loads",
    ]
    outcome = recall(state_dir(tmp_path), uri)
    assert outcome is not None
    assert "sea" in outcome.prompt


def test_the_two_part_form_is_tried_and_without_a_tokenizer_there_are_ids(
    sandbox: Sandbox, env: dict[str, str]
) -> None:
    sandbox.save("tinker://hubless:train:0/sampler_weights/old", base_model=HUBLESS)
    said = tell(env, "test-load", "tinker://hubless:train:0/old", "--max-tokens", "5")
    assert said.status == 0
    assert (said.last["text"], said.last["prompt_form"]) == (None, "token ids")
    assert said.last["tokens"]
    assert said.err == ""
    assert "no tokenizer" in words(env, "test-load", "tinker://hubless:train:0/old", "--max-tokens", "5").out


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("tinker://a:train:0/weights/x", "wrong_kind"),
        ("tinker://a:train:0/external_weights/x", "wrong_kind"),
        ("tinker://a:train:0/states/x", "wrong_kind"),
        ("tinker://a:train:0", "bad_uri"),
        ("tinker://a/b/c/d", "bad_uri"),
        ("tinker:///weights/x", "bad_uri"),
        ("tinker://a/sampler_weights/\x1b[31m", "bad_uri"),
        ("https://example.org/x", "bad_uri"),
        ("no/such/run", "not_found"),
        ("states", "wrong_kind"),
        ("both --checkpoint 000009", "no_checkpoint"),
        ("both --checkpoint 000001", "wrong_kind"),
        ("none", "no_checkpoint"),
    ],
)
def test_what_no_call_could_load_is_refused_before_any(tmp_path: Path, what: str, code: str) -> None:
    states = [{"name": "000001", "batch": 1, "state_path": "tinker://a:train:0/weights/000001"}]
    both = [*states, {"name": "000002", "batch": 2, "sampler_path": "tinker://a:train:0/sampler_weights/000002"}]
    for name, rows in (("states", states), ("both", both), ("none", [])):
        write_run(tmp_path / "runs" / name, rows)
    # Nobody is there and there is no key: an answer other than these two needs neither.
    said = tell(environ(tmp_path, TINKER_BASE_URL="http://127.0.0.1:9"), "test-load", *what.split(" "))
    assert (said.status, said.last["event"], said.last["code"]) == (1, "error", code)
    assert len(said.events) == 1
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.out + said.err


def test_wrong_usage_is_status_2(env: dict[str, str]) -> None:
    for arguments in ([], ["x", "--max-tokens", "0"], ["x", "--timeout", "-1"], ["tinker://a/b", "--checkpoint", "c"]):
        said = words(env, "test-load", *arguments)
        assert (said.status, said.out) == (2, "")


def test_what_the_service_does_not_have_is_not_found_or_expired(
    sandbox: Sandbox, env: dict[str, str], tmp_path: Path
) -> None:
    gone = sandbox.save_sampler("here").replace("here", "gone")
    said = tell(env, "test-load", gone)
    assert (said.status, said.last["code"]) == (1, "not_found")
    assert gone in said.last["message"]
    old = sandbox.save("tinker://sandbox:train:0/sampler_weights/old", expires_at=1.0)
    said = tell(env, "test-load", old)
    assert (said.status, said.last["code"]) == (1, "expired")
    outcome = recall(state_dir(tmp_path), old)
    assert outcome is not None
    assert (outcome.ok, outcome.code) == (False, "expired")


def test_an_sdk_that_prints_does_not_disturb_the_answer(sandbox: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    (noise / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        "def shout():\n"
        "    while 'tinker' not in sys.modules: time.sleep(0.01)\n"
        "    while True:\n"
        '        print(\'{"event": "result", "from": "the SDK"}\', flush=True)\n'
        "        os.write(1, b'raw\\n'); os.write(2, b'more\\n'); time.sleep(0.02)\n"
        "threading.Thread(target=shout, daemon=True).start()\n"
    )
    said = tell({**env, "PYTHONPATH": str(noise)}, "test-load", sandbox.save_sampler("loud"), "--max-tokens", "3")
    assert (said.status, said.err) == (0, "")
    assert [event["event"] for event in said.events] == ["phase"] * 4 + ["result"]
    assert "the SDK" in (state_dir(tmp_path) / "sdk.log").read_text()


def test_where_nothing_can_be_remembered_the_test_works_all_the_same(
    sandbox: Sandbox, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    said = tell(env, "test-load", sandbox.save_sampler("good"), "--max-tokens", "3")
    assert (said.status, said.last["ok"], said.last["remembered"]) == (0, True, False)
    assert "can't be remembered" in said.err


def started(sandbox: Sandbox, env: dict[str, str], tmp_path: Path, events: list[Event]) -> Child:
    """A test-load that hangs in the SDK, with a session open."""
    sandbox.fault("hang", path="/api/v1/asample")
    child = Child(["test-load", sandbox.save_sampler("good")], events.append, log=tmp_path / "log", environ=env)
    deadline = time.monotonic() + SECONDS
    while not any(event.get("phase") == "tokenizer" for event in events) and time.monotonic() < deadline:
        time.sleep(0.02)
    return child


def test_a_cancel_ends_it_whatever_the_sdk_is_doing(sandbox: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    events: list[Event] = []
    child = started(sandbox, env, tmp_path, events)
    told = list(events)
    began = time.monotonic()
    child.cancel()
    assert child.wait(SECONDS)
    assert time.monotonic() - began < 1.0
    assert events == told
    assert not child.running


BROWSER = """
import os, sys, time
from pathlib import Path
from stealthrl_tui.actions.child import Child
def told(event):
    if event.get("phase") == "tokenizer":
        print(child._process.pid, flush=True)
child = Child(["test-load", sys.argv[1]], told, log=Path(sys.argv[2]))
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_no_test_outlives_a_killed_browser(sandbox: Sandbox, env: dict[str, str], tmp_path: Path) -> None:
    sandbox.fault("hang", path="/api/v1/asample")
    uri = sandbox.save_sampler("good")
    command = [sys.executable, "-c", BROWSER, uri, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as browser:
        assert browser.stdout is not None
        pid = int(browser.stdout.readline())
        assert not gone(pid)
        os.kill(browser.pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)
