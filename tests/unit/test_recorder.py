"""Recording checkpoints: what the files hold, and what no crash, full disk or interrupt may do to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealthrl_tui.actions.append import append_line
from stealthrl_tui.recorder import FINAL_INFO, LEDGER, Outcome, Recorder
from stealthrl_tui.runs.keys import Kind
from stealthrl_tui.runs.ledger import LedgerReader
from stealthrl_tui.runs.model import Checkpoint

PROJECT = Path(__file__).parents[2]
SAMPLE = PROJECT / "tests/data/samples/stealthrl/stealthrl_tiny_sync"
RUN_ID = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"
SECONDS = 30.0


@dataclass
class Answer:
    path: Any


class Service:
    """A training client whose saves come true at once, except those that `trouble` maps, by URI, to another outcome."""

    def __init__(self, run_id: str = RUN_ID, sampler_kind: str = "sampler_weights/") -> None:
        self.run_id = run_id
        self.sampler_kind = sampler_kind
        self.trouble: dict[str, Exception | Future[Answer] | Any] = {}
        self.asked: list[tuple[str, int | None]] = []

    def save_state(self, name: str, ttl_seconds: int | None = None) -> Future[Answer]:
        return self._save(f"weights/{name}", ttl_seconds)

    def save_weights_for_sampler(self, name: str, ttl_seconds: int | None = None) -> Future[Answer]:
        return self._save(f"{self.sampler_kind}{name}", ttl_seconds)

    def _save(self, name: str, ttl: int | None) -> Future[Answer]:
        self.asked.append((name, ttl))
        outcome = self.trouble.get(name)
        if isinstance(outcome, Future):
            return outcome
        future: Future[Answer] = Future()
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(Answer(f"tinker://{self.run_id}/{name}" if outcome is None else outcome))
        return future


def recorder(service: Service, run: Path, **more: Any) -> Recorder:
    return Recorder(service, run, **{"base_model": "org/model", "lora_rank": 8, "save_every": 5, **more})


def rows(run: Path) -> list[dict[str, Any]]:
    """The ledger's rows; every line of it has to be one."""
    text = (run / LEDGER).read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def checkpoints(run: Path, steps: int) -> tuple[Checkpoint, ...]:
    reader = LedgerReader(str(run))
    reader.refresh(0.0)
    assert reader.problems == ()
    return reader.checkpoints(Kind.STEALTHRL, steps, steps, {})


def uris(name: str, sampler: str | None = None) -> tuple[str, str]:
    return f"tinker://{RUN_ID}/weights/{name}", f"tinker://{RUN_ID}/sampler_weights/{sampler or name}"


def test_a_run_leaves_the_ledger_and_the_final_info_that_the_browser_reads(tmp_path: Path) -> None:
    service = Service()
    with recorder(service, tmp_path / "new/run") as recording:
        outcomes = [recording.step(step) for step in range(1, 13)]
        assert not (tmp_path / "new/run" / FINAL_INFO).exists()
    assert [outcome for outcome in outcomes if outcome is not None] == [
        Outcome(f"{step:06d}", step, *uris(f"{step:06d}"), ()) for step in (5, 10)
    ]
    found = checkpoints(tmp_path / "new/run", 12)
    assert [(c.name, c.step, c.state_uri, c.sampler_uri, c.final, c.problems) for c in found] == [
        ("000005", 5, *uris("000005"), False, ()),
        ("000010", 10, *uris("000010"), False, ()),
        ("final", 12, *uris("final", "final_sampler"), True, ()),
    ]
    assert recording.failures == []
    assert len(service.asked) == 6


def test_a_row_has_the_known_keys_and_its_times(tmp_path: Path) -> None:
    service = Service()
    recording = recorder(service, tmp_path, ttl_seconds=7200)
    recording.step(5, epoch=1)
    recording.finish()
    periodic, final = rows(tmp_path)
    state, sampler = uris("000005")
    assert list(periodic) == ["name", "batch", "epoch", "state_path", "sampler_path", "saved_at", "expires_at"]
    assert (periodic["name"], periodic["batch"], periodic["epoch"]) == ("000005", 5, 1)
    assert (periodic["state_path"], periodic["sampler_path"]) == (state, sampler)
    saved, expires = (datetime.fromisoformat(periodic[key]) for key in ("saved_at", "expires_at"))
    assert periodic["saved_at"].endswith("Z")
    # It is the service that counts, from when it was asked, so the estimate is never later than the truth.
    assert 7100 < (expires - saved).total_seconds() <= 7200
    assert (final["name"], final["batch"], final["epoch"], final["expires_at"]) == ("final", 5, 1, None)
    assert [ttl for _, ttl in service.asked] == [7200, 7200, None, None]


def test_the_final_info_is_the_guides_to_the_byte(tmp_path: Path) -> None:
    sample = (SAMPLE / FINAL_INFO).read_bytes()
    told = json.loads(sample)
    service = Service(told["model_id"], sampler_kind="")
    recording = recorder(service, tmp_path, base_model=told["base_model"], lora_rank=told["lora_rank"])
    assert recording.finish().complete
    assert (tmp_path / FINAL_INFO).read_bytes() == sample


def test_the_guide_advises_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    advised = [recorder(Service(), tmp_path, save_every=None, total_steps=n).save_every for n in (19, 20, 100, 101)]
    assert advised == [5, 10, 10, 20]


@pytest.mark.parametrize(
    "settings", [{"save_every": None}, {"save_every": 0}, {"ttl_seconds": 60}], ids=["no length", "zero", "short life"]
)
def test_settings_that_could_not_work_are_refused_at_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        recorder(Service(), tmp_path, **settings)


def test_a_length_below_save_every_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder(Service(), tmp_path, save_every=20, total_steps=10)
    assert "save_every 20 is more than the 10 steps" in caplog.text


def test_a_save_is_due_whenever_a_multiple_was_passed(tmp_path: Path) -> None:
    recording = recorder(Service(), tmp_path, start_step=102)
    due = [step for step in (103, 104, 107, 107, 109, 121, 3, 5) if recording.step(step) is not None]
    assert due == [107, 121, 5]


def test_a_failed_save_is_told_and_tried_again_at_the_next_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    service.trouble = {
        "weights/000005": ConnectionError("the network\x1b[31m is gone"),
        "sampler_weights/000005": ValueError("Error code: 500"),
        "sampler_weights/000006": Answer,  # no URI at all
    }
    recording = recorder(service, tmp_path)
    first, second, third = (recording.step(step) for step in (5, 6, 7))
    assert (first, second, third, recording.step(8)) == (
        Outcome("000005", 5, None, None, tuple(recording.failures[:2])),
        Outcome("000006", 6, uris("000006")[0], None, tuple(recording.failures[2:])),
        Outcome("000007", 7, *uris("000007"), ()),
        None,
    )
    assert recording.failures == [
        "state 000005 not saved at step 5: the network\ufffd[31m is gone",
        "sampler weights 000005 not saved at step 5: Error code: 500",
        "sampler weights 000006 not saved at step 6: the service named no path",
    ]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == recording.failures
    assert [(c.step, c.state_uri, c.sampler_uri) for c in checkpoints(tmp_path, 8)] == [
        (6, uris("000006")[0], None),
        (7, *uris("000007")),
    ]


def test_a_request_that_fails_at_once_does_not_keep_the_other_half_from_being_saved(tmp_path: Path) -> None:
    class Refusing(Service):
        def save_state(self, name: str, ttl_seconds: int | None = None) -> Future[Answer]:
            raise RuntimeError("no more state")

    outcome = recorder(Refusing(), tmp_path).step(5)
    assert outcome == Outcome(
        "000005", 5, None, uris("000005")[1], ("state 000005 not saved at step 5: no more state",)
    )
    assert [row["sampler_path"] for row in rows(tmp_path)] == [uris("000005")[1]]


def test_a_quoted_key_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-very-secret")
    service = Service()
    service.trouble = {"weights/000005": PermissionError("key tml-very-secret is not known")}
    recording = recorder(service, tmp_path)
    recording.step(5)
    assert recording.failures == ["state 000005 not saved at step 5: key <key> is not known"]
    assert "secret" not in caplog.text


def test_finishing_again_tries_only_what_is_missing_and_under_a_new_name(tmp_path: Path) -> None:
    service = Service()
    service.trouble = {"sampler_weights/final_sampler": TimeoutError()}
    recording = recorder(service, tmp_path, start_step=3)
    assert recording.finish() == Outcome(
        "final", 3, uris("final")[0], None, ("sampler weights final_sampler not saved at step 3: no answer yet",)
    )
    assert not (tmp_path / FINAL_INFO).exists()
    done = recording.finish()
    assert done == Outcome("final", 3, *uris("final", "final_sampler_2"), ())
    assert recording.finish() == done
    assert [name for name, _ in service.asked] == [
        "weights/final",
        "sampler_weights/final_sampler",
        "sampler_weights/final_sampler_2",
    ]
    (found,) = checkpoints(tmp_path, 3)
    assert (found.state_uri, found.sampler_uri, found.final) == (*uris("final", "final_sampler_2"), True)


def test_training_that_goes_on_after_the_end_has_another_end(tmp_path: Path) -> None:
    recording = recorder(Service(), tmp_path)
    recording.finish()
    recording.step(1)
    assert recording.finish() == Outcome("final", 1, *uris("final_2", "final_sampler_2"), ())
    info = json.loads((tmp_path / FINAL_INFO).read_text())
    assert tuple(info["checkpoints"].values()) == uris("final_2", "final_sampler_2")


def test_an_exception_in_the_block_leaves_no_final(tmp_path: Path) -> None:
    service = Service()
    with contextlib.suppress(ZeroDivisionError), recorder(service, tmp_path) as recording:
        recording.step(5)
        raise ZeroDivisionError
    assert [row["name"] for row in rows(tmp_path)] == ["000005"]
    assert os.listdir(tmp_path) == [LEDGER]


def test_a_block_that_finished_itself_is_not_finished_twice(tmp_path: Path) -> None:
    service = Service()
    with recorder(service, tmp_path) as recording:
        assert recording.finish().complete
    assert len(service.asked) == 2


def test_rows_wait_until_the_folder_can_be_written(tmp_path: Path) -> None:
    # A file where the folder should be: what no permission of the tester's can get around.
    run = tmp_path / "run"
    run.write_text("in the way")
    recording = recorder(Service(), run)
    outcome = recording.step(5)
    assert outcome is not None
    assert (outcome.state_path, outcome.sampler_path, outcome.complete) == (*uris("000005"), False)
    assert uris("000005")[0] in outcome.failures[0]
    assert recording.step(6) is None
    assert not recording.finish().complete
    assert len(recording.failures) == 4
    run.unlink()
    assert recording.finish().complete
    assert [row["name"] for row in rows(run)] == ["000005", "final"]
    assert (run / FINAL_INFO).is_file()


def test_rows_that_waited_are_written_when_the_block_fails(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.write_text("in the way")
    with contextlib.suppress(ZeroDivisionError), recorder(Service(), run) as recording:
        recording.step(5)
        run.unlink()
        raise ZeroDivisionError
    assert [row["name"] for row in rows(run)] == ["000005"]


@pytest.mark.parametrize("left", [b'{"name": "00', b'{"name": "000001", "batch": 1}', b"\n\n{", b"\xff\x00"])
def test_a_torn_last_line_stays_alone(tmp_path: Path, left: bytes) -> None:
    (tmp_path / LEDGER).write_bytes(left)
    recording = recorder(Service(), tmp_path)
    recording.step(5)
    recording.step(10)
    content = (tmp_path / LEDGER).read_bytes()
    assert content.startswith(left + b"\n")
    assert [json.loads(line)["batch"] for line in content[len(left) + 1 :].splitlines()] == [5, 10]


@given(st.binary(max_size=40), st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=3))
def test_appending_keeps_what_is_there_and_every_line_whole(before: bytes, lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lines")
        path.write_bytes(before)
        for line in lines:
            append_line(path, line + b"\n")
        content = path.read_bytes()
    fresh = b"" if not before or before.endswith(b"\n") or not lines else b"\n"
    assert content == before + fresh + b"".join(line + b"\n" for line in lines)


def test_in_another_thread_it_needs_no_signals(tmp_path: Path) -> None:
    recording = recorder(Service(), tmp_path)
    thread = threading.Thread(target=recording.step, args=(5,))
    thread.start()
    thread.join()
    assert [row["batch"] for row in rows(tmp_path)] == [5]


def test_an_interrupted_save_tells_each_half_once_and_is_owed(tmp_path: Path) -> None:
    class Interrupted(Future[Answer]):
        def result(self, timeout: float | None = None) -> Answer:
            if timeout is None:
                raise KeyboardInterrupt
            return super().result(timeout)

    service = Service()
    service.trouble = {"weights/000005": ValueError("refused"), "sampler_weights/000005": Interrupted()}
    recording = recorder(service, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        recording.step(5)
    assert recording.failures == [
        "state 000005 not saved at step 5: refused",
        "sampler weights 000005 not saved at step 5: no answer yet",
    ]
    assert not (tmp_path / LEDGER).exists()
    assert recording.step(6) == Outcome("000006", 6, *uris("000006"), ())


def child(program: str, run: Path) -> subprocess.Popen[str]:
    """A training process: `program` runs in a block that has `recording`, `service`, `run` and this module's names."""
    head = (
        "import os, resource, signal, sys\n"
        "from tests.unit.test_recorder import *\n"
        f"run, service = Path({str(run)!r}), Service()\n"
        "with recorder(service, run) as recording:\n"
        "    recording.step(5)\n"
    )
    body = "".join(f"    {line}\n" for line in program.splitlines())
    command = [sys.executable, "-c", head + body]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def test_killed_between_the_save_and_its_row_the_ledger_is_whole(tmp_path: Path) -> None:
    program = (
        "class Deadly(Future):\n"
        "    def result(self, timeout=None):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "service.trouble['sampler_weights/000010'] = Deadly()\n"
        "recording.step(10)"
    )
    assert ended(child(program, tmp_path)) == (-signal.SIGKILL, "", "")
    assert [row["name"] for row in rows(tmp_path)] == ["000005"]
    assert os.listdir(tmp_path) == [LEDGER]


def test_killed_at_any_moment_the_ledger_is_whole(tmp_path: Path) -> None:
    process = child("for step in range(10, 10**9, 5):\n    recording.step(step)\n    print(step, flush=True)", tmp_path)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(50)]
    process.kill()
    status, _, err = ended(process)
    assert (status, err) == (-signal.SIGKILL, "")
    assert [row["batch"] for row in rows(tmp_path)][: len(told) + 1] == [5, *told]


def test_a_row_that_the_disk_cuts_short_is_taken_back_and_written_later(tmp_path: Path) -> None:
    program = (
        "size, hard = os.path.getsize(run / LEDGER), resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))\n"
        "cut = recording.step(10)\n"
        "assert cut.sampler_path and not cut.complete\n"
        "assert os.path.getsize(run / LEDGER) == size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))\n"
        "assert recording.step(11) is None\n"
        "assert os.path.getsize(run / LEDGER) == size\n"
        "recording.finish()\n"
        "assert os.listdir(run / 'checkpoints') == []\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "assert recording.finish().complete\n"
        "print(*recording.failures, sep='\\n')"
    )
    status, out, err = ended(child(program, tmp_path))
    assert status == 0, err
    told = out.splitlines()
    assert [text.partition("(")[2].partition(")")[0] for text in told[:3]] == [
        "No space left on device",
        "File too large",
        "File too large",
    ]
    assert told[3:] == [f"{tmp_path / FINAL_INFO} cannot be written: File too large"]
    assert [row["name"] for row in rows(tmp_path)] == ["000005", "000010", "final"]
    assert json.loads((tmp_path / FINAL_INFO).read_text())["lora_rank"] == 8


WAITING = (
    "class Silent(Future):\n"
    "    def result(self, timeout=None):\n"
    "        if timeout is None:\n"
    "            print('waiting', flush=True)\n"
    "        return super().result(timeout)\n"
    "service.trouble['sampler_weights/000010'] = Silent()\n"
    "recording.step(10)\n"
    "print('not reached')"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_while_it_waits_it_records_the_half_that_exists(tmp_path: Path, number: signal.Signals) -> None:
    process = child(WAITING, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    status, out, err = ended(process)
    assert (status, out) == (-number, "")
    assert err.rstrip().endswith("KeyboardInterrupt") == (number == signal.SIGINT)
    last = rows(tmp_path)[-1]
    assert (last["name"], last["state_path"], "sampler_path" in last) == ("000010", uris("000010")[0], False)
    assert os.listdir(tmp_path) == [LEDGER]


def test_an_answer_that_came_with_the_interrupt_is_recorded(tmp_path: Path) -> None:
    program = (
        "class Late(Future):\n"
        "    def result(self, timeout=None):\n"
        "        if timeout is None:\n"
        "            self.set_result(Answer('tinker://late/weights/000010'))\n"
        "            raise KeyboardInterrupt\n"
        "        return super().result(timeout)\n"
        "service.trouble['weights/000010'] = Late()\n"
        "recording.step(10)"
    )
    status, _, _ = ended(child(program, tmp_path))
    assert status == -signal.SIGINT
    last = rows(tmp_path)[-1]
    assert (last["state_path"], last["sampler_path"]) == ("tinker://late/weights/000010", uris("000010")[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_row_is_written_acts_after_it(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "synced = os.fsync\n"
        "def interrupted(descriptor):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    synced(descriptor)\n"
        "    print('synced', flush=True)\n"
        "os.fsync = interrupted\n"
        "recording.step(10)\n"
        "print('not reached')"
    )
    status, out, _ = ended(child(program, tmp_path))
    assert (status, out) == (-number, "synced\n")
    assert [row["name"] for row in rows(tmp_path)] == ["000005", "000010"]


def test_a_trainers_own_handler_is_left_to_it(tmp_path: Path) -> None:
    process = child("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + WAITING, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.terminate()
    assert ended(process)[:2] == (7, "")
    assert rows(tmp_path)[-1]["state_path"] == uris("000010")[0]
    assert os.listdir(tmp_path) == [LEDGER]
