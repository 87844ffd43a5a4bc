"""`resume` on the command line, where no service is: what it says, and what it leaves alone."""

import json
import os
from pathlib import Path

import pytest

from stealthrl_tui import settings
from stealthrl_tui.cli import main
from stealthrl_tui.verbs import resume
from tests.unit.resume_runs import ID, SAMPLES, cookbook_run, project


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no settings, no home."""
    for name in [name for name in os.environ if name.startswith("TINKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv(settings.CONFIG_VARIABLE, str(tmp_path / "settings.toml"))
    (tmp_path / "settings.toml").touch()


def test_a_dry_run_says_the_plan_and_the_whole_checklist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cookbook_run(project(tmp_path / "p") / "runs/one")
    before = sorted(os.listdir(path.parent))
    assert main(["resume", str(path), "--checkpoint", "000005", "--dry-run"]) == 1
    said = capsys.readouterr()
    assert f"state    tinker://{ID}/weights/000005" in said.out
    assert f"to       {path.with_name('one-from-5')}" in said.out
    assert "✗ service" in said.out
    assert "✓ steps" in said.out
    assert "No Tinker API key is set" in said.err
    assert len(said.err.splitlines()) == 1
    assert sorted(os.listdir(path.parent)) == before


def test_every_line_of_json_is_an_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cookbook_run(project(tmp_path / "p") / "runs/one")
    assert main(["resume", str(path), "--json"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events[:2]] == ["plan", "phase"]
    assert {event["event"] for event in events[2:-1]} == {"check"}
    assert (events[-1]["event"], events[-1]["code"]) == ("error", "no_key")
    assert (events[0]["in_place"], events[0]["run"]) == (True, "one")


def test_printing_is_refused_as_a_start_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cookbook_run(project(tmp_path / "p") / "runs/one")
    assert main(["resume", str(path), "--print"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["resume", str(path), "--print", "--dry-run"]) == 2


@pytest.mark.parametrize(
    ("ledger", "arguments", "code"),
    [
        ("", [], "no_checkpoint"),
        ('{"name": "a", "batch": 1, "sampler_path": "tinker://x/sampler_weights/a"}\n', [], "wrong_kind"),
        ('{"name": "a", "batch": 1, "sampler_path": "tinker://x/sampler_weights/a"}\n', ["a"], "wrong_kind"),
        ('{"name": "a", "batch": 1, "state_path": "tinker://x/weights/a"}\n', ["b"], "no_checkpoint"),
        ('{"name": "a", "batch": 1, "state_path": "tinker://x/sampler_weights/a"}\n', ["a"], "wrong_kind"),
        ('{"name": "a", "batch": 1, "state_path": "nonsense\\u001b[31m"}\n', ["a"], "bad_uri"),
    ],
)
def test_checkpoints_that_cannot_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ledger: str, arguments: list[str], code: str
) -> None:
    path = cookbook_run(project(tmp_path / "p") / "runs/one")
    (path / "checkpoints.jsonl").write_text(ledger)
    chosen = [word for name in arguments for word in ("--checkpoint", name)]
    assert main(["resume", str(path), "--json", *chosen]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["code"] == code
    assert "\x1b" not in said.out + said.err


def test_a_run_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "nowhere", "--root", str(SAMPLES), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "not_found"


def test_the_settings_of_resuming(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        '[resume]\npython = "py"\ncwd = "~/t"\ncommand = "go {step}"\nlauncher = "sbatch"\nshell = 3\n'
    )
    wanted = resume.preferences()
    assert (wanted.python, wanted.cwd, wanted.command, wanted.launcher) == ("py", "~/t", "go {step}", "sbatch")
    assert settings.load().problems == ("unknown setting resume.shell",)
