"""The checklist: its order, and a word for everything that can be wrong."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.resume import interpreter, processes
from stealthrl_tui.actions.resume.interpreter import Probe
from stealthrl_tui.actions.resume.plan import plan
from stealthrl_tui.actions.resume.preflight import ServerWord, check, probe, refusal
from stealthrl_tui.actions.resume.value import Check, Interpreter, Preferences, Way
from stealthrl_tui.runs.model import Checkpoint, Run, Status
from tests.unit.built_runs import NOW, save
from tests.unit.live_runs import wait_until
from tests.unit.resume_runs import ID, SAMPLES, chosen, cookbook_run, failing, here, project, read

FINE = ServerWord(None, "", True, None, "Qwen/Qwen3-4B", 16, False)
IMPORTS = Probe(versions={"tinker": "0.38.0"})


def stopped(tmp_path: Path) -> Run:
    return replace(read(cookbook_run(project(tmp_path) / "runs/one")), status=Status.STALLED)


def checked(run: Run, checkpoint: Checkpoint, word: ServerWord | None = FINE, **more: Any) -> tuple[Check, ...]:
    made = plan(run, checkpoint, preferences=more.pop("preferences", Preferences(python=sys.executable)))
    return check(made, run, checkpoint, word, more.pop("probed", IMPORTS), NOW, **more)


def line(checks: tuple[Check, ...], what: str) -> Check:
    return next(each for each in checks if each.what == what)


def test_a_run_that_can_be_resumed_has_no_failing_line(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    checks = checked(run, run.checkpoints[-1])
    assert {each.level for each in checks} == {"ok"}
    assert refusal(checks) is None
    assert [each.what for each in checks] == [
        "training state", "service", "on the server", "base model", "LoRA rank", "training run", "original run",
        "working folder", "interpreter", "imports", "steps", "directory",
    ]  # fmt: skip
    assert line(checks, "steps").reason == "10 of 20 done, 10 to go"


def test_offline_the_server_was_not_asked(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    checks = checked(run, run.checkpoints[-1], None, probed=None)
    assert {each.what for each in checks if each.level == "warn"} == {"service", "on the server", "model", "imports"}
    assert refusal(checks) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state_uri": None}, "wrong_kind"),
        ({"state_uri": None, "sampler_uri": None}, "no_checkpoint"),
        ({"state_uri": f"tinker://{ID}/sampler_weights/000010"}, "wrong_kind"),
        ({"state_uri": f"tinker://{ID}/final"}, "bad_uri"),
        ({"state_uri": "tinker://a/weights/b/c"}, "bad_uri"),
        ({"state_uri": "file:///etc"}, "bad_uri"),
        ({"state_uri": "tinker://a/weights/\x1b[31m"}, "bad_uri"),
    ],
)
def test_a_checkpoint_without_a_usable_state(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    run = stopped(tmp_path)
    stop = refusal(checked(run, replace(run.checkpoints[-1], **changes), None))
    assert stop is not None
    assert (stop.what, stop.code) == ("training state", code)
    assert "\x1b" not in stop.reason


@pytest.mark.parametrize(
    ("changes", "what", "code"),
    [
        ({"code": "no_key", "trouble": "No key."}, "service", "no_key"),
        ({"code": "unreachable", "trouble": "x"}, "service", "unreachable"),
        ({"exists": False}, "on the server", "not_found"),
        ({"expires_at": NOW - 1}, "on the server", "expired"),
        ({"expires_at": NOW + 30}, "on the server", "expired"),
        ({"base_model": "other/model"}, "base model", "base_model_mismatch"),
        ({"lora_rank": 32}, "LoRA rank", "rank_mismatch"),
        ({"corrupted": True}, "training run", "server_error"),
    ],
)
def test_what_the_server_says_stops_it(tmp_path: Path, changes: dict[str, Any], what: str, code: str) -> None:
    run = stopped(tmp_path)
    checks = checked(run, run.checkpoints[-1], replace(FINE, **changes))
    assert failing(checks) == [(what, code)]


def test_what_the_server_says_warns(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    soon = checked(run, run.checkpoints[-1], replace(FINE, expires_at=NOW + 1800, lora_rank=None, corrupted=None))
    assert {each.what for each in soon if each.level == "warn"} == {"on the server", "LoRA rank", "training run"}
    later = line(checked(run, run.checkpoints[-1], replace(FINE, expires_at=NOW + 86400 * 3)), "on the server")
    assert (later.level, later.reason) == ("ok", "there, expires in 3 d")


def test_a_key_that_only_the_trainer_has_is_no_obstacle(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    no_key = ServerWord("no_key", "No Tinker API key is set.")
    assert refusal(checked(run, run.checkpoints[-1], no_key, elsewhere=True)) is None
    (tmp_path / ".env").write_text("A=1\nexport TINKER_API_KEY=tml-secret\n")
    checks = checked(run, run.checkpoints[-1], no_key)
    assert line(checks, "service").level == "warn"
    assert not any("tml-" in each.reason for each in checks)


@pytest.mark.parametrize(("word", "level"), [(None, "fail"), (FINE, "ok")])
def test_a_replaced_rolling_save_counts_as_gone_until_the_server_says_otherwise(
    tmp_path: Path, word: ServerWord | None, level: str
) -> None:
    run = stopped(tmp_path)
    checkpoint = replace(run.checkpoints[-1], rolling=True, superseded=True)
    assert line(checked(run, checkpoint, word), "on the server").level == level


def test_an_old_rolling_save_may_be_gone(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    for saved_at, words in ((NOW - 3 * 3600, "may be gone"), (NOW - 60, "not asked")):
        checkpoint = replace(run.checkpoints[-1], rolling=True, saved_at=saved_at, saved_by="log")
        assert line(checked(run, checkpoint, None), "on the server").reason.endswith(words)


def test_a_living_original_is_refused(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    with open(os.path.join(run.path, "logs.log"), "a"):
        checks = checked(run, run.checkpoints[-1])
        assert line(checks, "original run").level == "ok"  # this very process is the browser
    child = os.fork()
    if child == 0:
        held = os.open(os.path.join(run.path, "logs.log"), os.O_WRONLY | os.O_APPEND)
        os.write(held, b"alive\n")
        signal.pause()
    try:
        assert wait_until(lambda: processes.writer_of(run.path) == child)
        assert failing(checked(run, run.checkpoints[-1])) == [("original run", "still_running")]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert failing(checked(run, run.checkpoints[-1])) == []


def test_a_run_that_wrote_just_now_without_a_process_warns(tmp_path: Path) -> None:
    run = replace(stopped(tmp_path), status=Status.RUNNING, status_reason="last write 9 s ago")
    assert line(checked(run, run.checkpoints[-1]), "original run").level == "warn"
    record = {"parent_path": run.path, "pid": 1, "process": "x", "host": "another-machine", "where": "launcher"}
    Path(run.path, "resume.json").write_text(json.dumps(record))
    assert failing(checked(run, run.checkpoints[-1])) == [("original run", "still_running")]


def test_shared_disks_are_told_by_their_kind(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("rootfs / ext4 rw 0 0\nhost:/x /mnt/a\\040b nfs4 rw 0 0\nhost:/y /mnt/a nfs rw 0 0\nshort\n")
    asked = {path: processes.on_shared_disk(path, str(mounts)) for path in ("/mnt/a b/run", "/mnt/ab", "/mnt/a", "/x")}
    assert asked == {"/mnt/a b/run": True, "/mnt/ab": False, "/mnt/a": True, "/x": False}
    assert not processes.on_shared_disk("/x", str(tmp_path / "none"))


def test_an_interpreter_that_is_gone(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    checks = checked(run, run.checkpoints[-1], preferences=Preferences(python="/gone/python"))
    assert failing(checks) == [("interpreter", "no_trainer")]
    assert interpreter.probe("/gone/python", (), str(tmp_path), "").problem is not None
    assert interpreter.probe("/bin/true", (), str(tmp_path), "").problem == "/bin/true is no Python that works"


def test_the_imports_are_tried_in_a_child(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    program = tmp_path / "my recipes/train.py"
    program.write_text("import beside\nimport json, numpy\nfrom no_such_package.x import y\nimport broken\n")
    (tmp_path / "my recipes/beside.py").write_text("raise RuntimeError('must not run')")
    made = plan(run, run.checkpoints[-1], preferences=Preferences(python=sys.executable))
    assert made.modules == ("beside", "numpy", "no_such_package", "broken")
    probed = probe(made)
    assert (probed.problem, set(probed.problems)) == (None, {"no_such_package", "broken"})
    assert set(probed.versions) == {"tinker"}
    assert failing(checked(run, run.checkpoints[-1], probed=probed)) == [("imports", "no_trainer")]


def test_a_stealthrl_run_wants_its_own_cookbook_and_its_data(tmp_path: Path) -> None:
    run = read(SAMPLES / "stealthrl/sigkill_midrun")
    checks = checked(
        run,
        chosen(run, "000010"),
        None,
        preferences=here(tmp_path),
        probed=Probe(versions={"tinker-cookbook": "0.6.1"}),
    )
    assert line(checks, "imports").level == "warn"
    assert failing(checks) == [("data", "no_trainer"), ("data", "no_trainer")]


def test_a_complete_run_is_not_taken_up_with_the_same_arguments() -> None:
    run = read(SAMPLES / "cookbook-0.6.1/rl_tiny_resumed")
    made = plan(run, run.checkpoints[-1])
    assert made.in_place
    assert ("steps", "exists") in failing(check(made, run, run.checkpoints[-1], FINE, IMPORTS, NOW))
    longer = made.edited(argv=[*made.argv, "n_batches=60"])
    assert line(check(longer, run, run.checkpoints[-1], FINE, IMPORTS, NOW), "steps").level == "warn"
    older = plan(run, chosen(run, "000020"))
    assert line(check(older, run, chosen(run, "000020"), FINE, IMPORTS, NOW), "steps").level == "ok"


def test_a_scaffold_does_not_know_better(tmp_path: Path) -> None:
    run = replace(stopped(tmp_path), total_steps=10)
    made = plan(run, run.checkpoints[-1], way=Way.SCAFFOLD)
    assert line(check(made, run, run.checkpoints[-1], FINE, IMPORTS, NOW), "steps").level == "warn"


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    run = replace(stopped(tmp_path), path=str(tmp_path / "gone/one"))
    checkpoint = save(5)
    made = plan(run, checkpoint, preferences=Preferences(python=sys.executable, cwd=str(tmp_path)))
    assert ("directory", "no_trainer") in failing(check(made, run, checkpoint, FINE, IMPORTS, NOW))
    nowhere = replace(made, cwd=str(tmp_path / "gone"))
    assert ("working folder", "no_trainer") in failing(check(nowhere, run, checkpoint, FINE, IMPORTS, NOW))


def test_a_venv_above_the_program_is_the_trainings_own(tmp_path: Path) -> None:
    package = tmp_path / "env/lib/python3.11/site-packages/x"
    package.mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").touch()
    found = interpreter.choose(None, str(package / "train.py"), ())
    assert found == Interpreter(str(tmp_path / "env/bin/python"), "the environment that the program is installed in")
    assert interpreter.choose(None, None, ()).path == sys.executable
