"""The command line on real run directories: what it says, where it says it, and the exit status."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui import __version__
from stealthrl_tui.cli import VERBS, main
from stealthrl_tui.verbs import places

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
SL = "cookbook-0.6.1/sl_tiny"
TWICE = "stealthrl/same_name_twice"
SYNC = "stealthrl/stealthrl_tiny_sync"
NO_LEDGER = "stealthrl/run_20261123_170500"
NOWHERE = "http://127.0.0.1:9"

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, without key or settings, whose runs are the samples."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TINKER_API_KEY", "TINKER_CREDENTIAL_CMD", "STEALTHRL_TUI_CONFIG", "XDG_CONFIG_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TINKER_BASE_URL", NOWHERE)
    monkeypatch.setenv(places.COOKBOOK_VARIABLE, str(SAMPLES))
    monkeypatch.chdir(tmp_path)


def _done(capsys: Captured, *arguments: str) -> str:
    """What a command that succeeds says, without a remark."""
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def _refused(capsys: Captured, *arguments: str, status: int = 1) -> str:
    """The one line of a command that fails."""
    assert main(arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("stealthrl-tui: ").rstrip("\n")


# ---- which command


def test_version_and_help(capsys: Captured) -> None:
    assert _done(capsys, "--version") == f"stealthrl-tui {__version__}\n"
    said = _done(capsys, "--help")
    assert all(f"\n  {verb} " in said for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help(capsys: Captured, verb: str) -> None:
    assert _done(capsys, verb, "--help").startswith(f"usage: stealthrl-tui {verb} ")


@pytest.mark.parametrize(
    "arguments", [["--colour"], ["ls", "--jso"], ["show"], ["uri", "x", "--kind", "both"], ["demo", "--speed", "2"]]
)
def test_wrong_usage_is_status_2(capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "usage: stealthrl-tui" in said.err


def test_a_misspelt_command_is_not_taken_for_a_folder(capsys: Captured) -> None:
    assert _refused(capsys, "shwo", status=2) == "shwo is neither a folder nor a command: did you mean show?"


@pytest.mark.parametrize("arguments", [[], ["./ls"], ["a", "b"], ["demo"]])
def test_browsing_without_a_terminal_is_refused(capsys: Captured, arguments: list[str]) -> None:
    assert "browsing needs a terminal" in _refused(capsys, *arguments)


def test_the_roots_are_those_given_else_the_usual_ones(tmp_path: Path) -> None:
    environ = {places.COOKBOOK_VARIABLE: "/cookbook"}
    assert places.roots(["a", "b"], environ) == ["a", "b"]
    assert places.roots([], environ) == ["/cookbook"]
    assert places.roots([], {}) == [str(tmp_path / "tinker-runs")]
    (tmp_path / "outputs" / "runs").mkdir(parents=True)
    assert places.roots([], environ) == ["outputs/runs"]


# ---- ls


def test_ls_lists_every_run(capsys: Captured) -> None:
    lines = _done(capsys, "ls").splitlines()
    assert lines[0].split() == ["STATUS", "NAME", "STEP", "METRIC", "VALUE", "CHECKPOINTS", "AGE"]
    assert len(lines) == 12
    line = next(line for line in lines if SYNC in line)
    assert line.split()[:5] == ["✓", "completed", SYNC, "40/40", "reward"]
    assert "\x1b" not in "".join(lines)


def test_ls_json_has_the_numbers(capsys: Captured) -> None:
    runs = {each["name"]: each for each in json.loads(_done(capsys, "ls", str(SAMPLES), "--json"))}
    assert len(runs) == 11
    sync = runs[SYNC]
    assert (sync["status"], sync["step"], sync["total_steps"]) == ("completed", 40, 40)
    assert (sync["checkpoint_count"], sync["last_checkpoint"], sync["save_every"]) == (9, "final", 5)
    assert (sync["lora_rank"], sync["renderer"], sync["path"]) == (8, "qwen3", str(SAMPLES / SYNC))
    assert "env/all/reward/total" in sync["metrics"]
    assert runs[NO_LEDGER]["checkpoint_count"] == 1
    assert runs[TWICE]["checkpoint_count"] == 5
    assert len(runs[TWICE]["training_run_ids"]) == 2
    assert runs["stealthrl/exception_midrun"]["status"] == "failed"
    assert runs["stealthrl/ctrl_c_async"]["status"] == "interrupted"
    assert runs[SL]["checkpoint_count"] == 24


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--filter", "status:failed"], ["stealthrl/exception_midrun"]),
        (["--filter", "-status:completed -status:failed stealthrl -kill"], ["stealthrl/ctrl_c_async"]),
        (["--filter", "checkpoints>=9", "--sort", "-checkpoints"], [SYNC, "cookbook-0.5.5/sl_tiny_055", SL]),
        (["--filter", "kind:sl", "--sort=name"], ["cookbook-0.5.5/sl_tiny_055", SL]),
        (["--filter", "train_mean_nll>0", "--sort", "-name"], [SL, "cookbook-0.5.5/sl_tiny_055"]),
        (["--filter", "nobody"], []),
    ],
)
def test_ls_filters_and_sorts(capsys: Captured, arguments: list[str], names: list[str]) -> None:
    assert [each["name"] for each in json.loads(_done(capsys, "ls", *arguments, "--json"))] == names


def test_ls_says_what_it_did_not_understand_beside_the_answer(capsys: Captured) -> None:
    assert main(["ls", "--filter", "age<2", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == []
    assert "--filter: age takes a number with s, m, h, d or w" in said.err


def test_ls_of_nothing_says_so_on_standard_error(capsys: Captured, tmp_path: Path) -> None:
    assert main(["ls", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert f"no runs in {tmp_path}" in said.err
    assert main(["ls", "--filter", "nobody"]) == 0
    assert "none of the 11 runs" in capsys.readouterr().err


def test_ls_refuses_what_it_cannot_do(capsys: Captured, tmp_path: Path) -> None:
    assert "cannot sort by colour: take one of age, name" in _refused(capsys, "ls", "--sort", "colour", status=2)
    assert _refused(capsys, "ls", "gone").startswith("gone does not exist: ")
    (tmp_path / "file").touch()
    assert _refused(capsys, "ls", "file").startswith("file is a file, not a folder: ")


# ---- show


def test_show_says_the_run_and_its_checkpoints(capsys: Captured) -> None:
    lines = _done(capsys, "show", SL).splitlines()
    assert lines[0].startswith(f"{SL}  ✓ completed  ")
    assert lines[1].split() == ["path", str(SAMPLES / SL)]
    heading = next(index for index, line in enumerate(lines) if line.startswith("STEP"))
    assert lines[heading].split() == ["STEP", "NAME", "HAS", "NLL", "Δ", "SAVED"]
    table = [line.split() for line in lines[heading + 1 : heading + 25]]
    assert table[0][:2] == ["60", "final"]
    assert table[-1][:2] == ["4", "000003"]
    assert sum("★" in line for line in table) == 1
    assert any(line.startswith("! ") for line in lines[heading + 25 :])


def test_show_json_has_the_checkpoints(capsys: Captured) -> None:
    found = json.loads(_done(capsys, "show", TWICE, "--json"))
    assert [each["name"] for each in found["checkpoints"]] == ["000005", "000010", "000005", "000010", "final"]
    assert [each["step"] for each in found["checkpoints"]] == [5, 10, 5, 10, 12]
    assert all("env/all/reward/total" in each["metrics"] for each in found["checkpoints"])
    assert sum(each["best"] for each in found["checkpoints"]) == 1
    assert found["checkpoint_count"] == 5


@pytest.mark.parametrize("spelling", [SYNC, "stealthrl_tiny_sync", f"{SYNC}/", str(SAMPLES / SYNC), "./link"])
def test_a_run_by_its_name_the_end_of_it_or_a_path(capsys: Captured, tmp_path: Path, spelling: str) -> None:
    (tmp_path / "link").symlink_to(SAMPLES / SYNC)
    found = json.loads(_done(capsys, "show", spelling, "--json"))
    assert found["name"] == ("link" if spelling == "./link" else SYNC)
    assert found["step"] == 40


def test_a_run_that_is_not_there(capsys: Captured, tmp_path: Path) -> None:
    assert "did you mean stealthrl/stealthrl_tiny_sync" in _refused(capsys, "show", "stealthrl_tiny_snyc")
    assert "is a folder but no run: runs below it are " in _refused(capsys, "show", str(SAMPLES))
    assert "is a folder but no run: nothing in it" in _refused(capsys, "uri", str(tmp_path))


def test_no_run_at_all(capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(places.COOKBOOK_VARIABLE, str(tmp_path))
    assert f"there is no run x: {tmp_path} has no runs" in _refused(capsys, "show", "x")


def test_the_users_metric_and_direction_choose_the_best(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[better]\n"train_mean_nll" = "higher"\n')
    usual = _done(capsys, "uri", SL, "--checkpoint", "best")
    monkeypatch.setenv("STEALTHRL_TUI_CONFIG", str(settings))
    chosen = _done(capsys, "uri", SL, "--checkpoint", "best")
    assert usual != chosen
    best = [each for each in json.loads(_done(capsys, "show", SL, "--json"))["checkpoints"] if each["best"]]
    assert [each["sampler_uri"] for each in best] == [chosen.strip()]


# ---- uri


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        ([SL], "tinker://model_bc69b7d2/final"),
        ([SL, "--kind", "state"], "tinker://model_bc69b7d2/weights/final"),
        ([SL, "--checkpoint", "final", "--kind", "sampler"], "tinker://model_bc69b7d2/final"),
        ([SL, "--checkpoint", "000020"], "tinker://model_bc69b7d2/000020"),
        ([SL, "--checkpoint", "000003", "--kind", "state"], "tinker://model_bc69b7d2/weights/000003"),
        ([SL, "--checkpoint", "last"], "tinker://model_bc69b7d2/final"),
    ],
)
def test_uri_says_the_uri_alone(capsys: Captured, arguments: list[str], uri: str) -> None:
    assert _done(capsys, "uri", *arguments) == f"{uri}\n"


def test_uri_of_a_state_where_there_is_no_sampler_is_remarked_on(capsys: Captured) -> None:
    assert main(["uri", SL, "--checkpoint", "000057"]) == 0
    said = capsys.readouterr()
    assert said.out == "tinker://model_bc69b7d2/weights/000057\n"
    assert said.err == f"stealthrl-tui: checkpoint 000057 of {SL} has no sampler weights: this is its training state\n"


def test_uri_of_a_missing_half_is_refused_when_it_was_asked_for(capsys: Captured) -> None:
    said = _refused(capsys, "uri", SL, "--checkpoint", "000057", "--kind", "sampler")
    assert said == f"checkpoint 000057 of {SL} has no sampler weights: the newest that has is --checkpoint final"


def test_uri_of_a_name_used_twice_is_the_newest_and_says_so(capsys: Captured) -> None:
    ids = json.loads(_done(capsys, "show", TWICE, "--json"))["training_run_ids"]
    assert main(["uri", TWICE, "--checkpoint", "000010", "--kind", "state"]) == 0
    said = capsys.readouterr()
    assert said.out == f"tinker://{ids[1]}/weights/000010\n"
    assert "2 checkpoints are called 000010: this is the newest" in said.err


def test_uri_of_a_checkpoint_that_is_not_there(capsys: Captured) -> None:
    assert f"{SL} has no checkpoint 000004: it has 000003, " in _refused(capsys, "uri", SL, "--checkpoint", "000004")
    said = _refused(capsys, "uri", "exception_midrun", "--checkpoint", "final")
    assert said.startswith("stealthrl/exception_midrun has no final checkpoint (it is failed, ")


def _ledger(tmp_path: Path, *rows: dict[str, Any]) -> str:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "./mine"


def test_uri_never_prints_what_a_terminal_obeys(capsys: Captured, tmp_path: Path) -> None:
    run = _ledger(tmp_path, {"name": "a", "batch": 1, "sampler_path": "tinker://x/\x1b]0;y\x07\nz"})
    assert "holds characters that a terminal would obey" in _refused(capsys, "uri", run)


def test_uri_of_a_foreign_path_or_of_none(capsys: Captured, tmp_path: Path) -> None:
    run = _ledger(tmp_path, {"name": "a", "batch": 1, "state_path": "/disk/x"}, {"name": "b", "batch": 2})
    assert main(["uri", run, "--checkpoint", "a", "--kind", "state"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("/disk/x\n", "stealthrl-tui: the recorded path is not a tinker:// URI\n")
    assert "has no path in its row" in _refused(capsys, "uri", run, "--checkpoint", "b")


# ---- export


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Sample runs that a test may write into."""
    for name in (SYNC, SL):
        shutil.copytree(SAMPLES / name, tmp_path / Path(name).name)
    return tmp_path


def test_export_writes_the_script_and_says_where(capsys: Captured, copied: Path) -> None:
    assert main(["export", "./stealthrl_tiny_sync"]) == 0
    path = copied / "stealthrl_tiny_sync" / "inference.py"
    assert capsys.readouterr().out == f"{path}\n"
    compile(path.read_text(encoding="utf-8"), str(path), "exec")
    path.write_text("mine")
    assert "is not an export, or was edited since" in _refused_export(capsys, "./stealthrl_tiny_sync")
    assert path.read_text() == "mine"
    assert main(["export", "./stealthrl_tiny_sync", "--force", "--template", "openai"]) == 0
    assert path.read_text() != "mine"


def _refused_export(capsys: Captured, *arguments: str) -> str:
    assert main(["export", *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_export_prints_and_writes_nothing(capsys: Captured, copied: Path) -> None:
    before = sorted(os.listdir(copied / "stealthrl_tiny_sync"))
    assert main(["export", "./stealthrl_tiny_sync", "--print", "--checkpoint", "000010"]) == 0
    script = capsys.readouterr().out
    compile(script, "script", "exec")
    assert "/000010" in script
    assert sorted(os.listdir(copied / "stealthrl_tiny_sync")) == before


def test_export_takes_a_save_that_has_sampler_weights(capsys: Captured, tmp_path: Path) -> None:
    run = _ledger(
        tmp_path,
        {
            "name": "000010",
            "batch": 10,
            "state_path": "tinker://a/weights/000010",
            "sampler_path": "tinker://a/sampler_weights/000010",
        },
        {"name": "000020", "batch": 20, "state_path": "tinker://a/weights/000020"},
    )
    assert main(["export", run, "--print"]) == 0
    assert "tinker://a/sampler_weights/000010" in capsys.readouterr().out
    assert "has no sampler weights" in _refused_export(capsys, run, "--checkpoint", "000020")
    assert main(["export", run, "--template", "x"]) == 2
    assert "invalid choice: 'x'" in capsys.readouterr().err


# ---- doctor


@pytest.fixture
def service() -> Iterator[str]:
    """Someone who answers 200 to everything."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _checks(capsys: Captured, status: int) -> dict[str, dict[str, Any]]:
    assert main(["doctor", "--json"]) == status
    said = capsys.readouterr()
    assert said.err == ""
    checks = json.loads(said.out)["checks"]
    assert all(list(check) == ["name", "ok", "value", "hint"] for check in checks)
    return {check["name"]: check for check in checks}


def test_doctor_without_key_and_service_is_fine(capsys: Captured) -> None:
    found = _checks(capsys, 0)
    assert found["runs"]["value"] == f"11 runs in {SAMPLES}"
    assert (found["key"]["value"], found["key"]["ok"]) == ("none", True)
    assert found["service"]["value"] == f"{NOWHERE}: connection refused"
    assert {"python", "stealthrl-tui", "textual", "tinker", "settings", "terminal", "encoding", "clipboard"} <= set(
        found
    )


def test_doctor_never_shows_the_key_nor_a_password(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-very-secret")
    monkeypatch.setenv("TINKER_BASE_URL", service)
    found = _checks(capsys, 0)
    assert (found["key"]["value"], found["service"]["value"]) == ("TINKER_API_KEY is set", f"{service} answers")
    monkeypatch.setenv("TINKER_BASE_URL", "ftp://me:hidden@example.org")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "secret" not in said
    assert "hidden" not in said
    assert "✗ service" in said


def test_doctor_with_a_key_but_no_service_fails(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "tml-x")
    assert not _checks(capsys, 1)["service"]["ok"]


def test_doctor_does_not_wait_for_a_silent_service(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stealthrl_tui.verbs.checks.PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TINKER_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "no answer in" in _checks(capsys, 0)["service"]["value"]


def test_doctor_tells_of_a_broken_settings_file(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text("theme = 'green'\x1b")
    monkeypatch.setenv("STEALTHRL_TUI_CONFIG", str(tmp_path / "s.toml"))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "✗ settings" in said
    assert "\x1b" not in said


# ---- as a process


def _process(*arguments: str, **environ: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "stealthrl_tui", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ},
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = _process("show", SL, "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 141
    process.stderr.close()


def test_output_that_cannot_hold_the_glyphs_still_comes() -> None:
    process = _process("ls", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == b""
    assert b"\\u2713 completed" in out


def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with open(tmp_path / "out", "rb") as unwritable:
        command = [sys.executable, "-m", "stealthrl_tui", "ls"]
        done = subprocess.run(command, stdout=unwritable, stderr=subprocess.PIPE, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr == b"stealthrl-tui: Bad file descriptor\n"
