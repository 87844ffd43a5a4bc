"""Where the dialog starts a run: a tmux window, the launcher of the settings, or nowhere but in a person's shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stealthrl_tui.actions.resume import stop
from stealthrl_tui.runs.lineage import Lineage, read_lineage
from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.ui.screens.resume_dialog import ResumeDialog
from tests.ui.conftest import Open, app_of, press_until, screen_text, until, words
from tests.ui.resumed import READY, SECONDS, built, choose, configure, end, rows, wait_for

# Says what it was given, learns for a while, ends well.
TRAINER = """
import json, os, sys, time
given = dict(word.split("=", 1) for word in sys.argv[1:])
with open(os.path.join(given["log_path"], "metrics.jsonl"), "a") as file:
    for step in range(5, 15):
        print("step", step, flush=True)
        row = {"step": step, "progress/batch": step, "progress/done_frac": (step + 1) / 15}
        print(json.dumps(row), file=file, flush=True)
        time.sleep(0.05)
"""
# What `tmux` does here: its words are kept, and the window is a session of its own.
TMUX = f"""#!{sys.executable}
import json, subprocess, sys
with open(__file__ + ".said", "a") as said:
    print(json.dumps(sys.argv[1:]), file=said)
if sys.argv[1] == "has-session":
    sys.exit(0 if SESSIONS else 1)
nowhere = subprocess.DEVNULL
command = sys.argv[sys.argv.index("-n") + 2:]
print(subprocess.Popen(command, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere).pid)
"""
# What `sbatch` does: it takes a script and says a number, and the script runs later, elsewhere.
SBATCH = f"""#!{sys.executable}
import json, subprocess, sys
with open(__file__ + ".said", "a") as said:
    print(json.dumps(sys.argv[1:]), file=said)
subprocess.Popen(["sh", sys.argv[-1]], start_new_session=True, stdin=subprocess.DEVNULL)
print("Submitted batch job 7")
"""


@pytest.fixture(autouse=True)
def programs(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with no tmux and no sbatch but those that the test puts into this folder."""
    configure(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("sh", "env", "tee", "mkdir", "cat", "sleep"):
        place = next(each for each in (Path("/bin"), Path("/usr/bin")) if (each / name).exists())
        (tmp_path / "bin" / name).symlink_to(place / name)
    places = {"STEALTHRL_TUI_CONFIG": str(tmp_path / "settings.toml"), "XDG_STATE_HOME": str(tmp_path / "state")}
    # A key that doesn't look like the sandbox's, in which no tmux is offered.
    own = {"PATH": str(tmp_path / "bin"), "TINKER_API_KEY": "tml-a-key-of-ones-own"}
    for name, value in {**sandbox.environ(), **places, **own}.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "bin"


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Path:
    return built(tmp_path / "runs/one", sandbox, TRAINER)


def put(program: Path, text: str) -> Path:
    program.write_text(text)
    program.chmod(0o755)
    return program


def said(program: Path) -> list[list[str]]:
    return [json.loads(line) for line in Path(f"{program}.said").read_text().splitlines()]


def lineage_of(run: Path) -> Lineage:
    found = read_lineage(str(run))
    assert found is not None
    return found


def trained(run: Path) -> bool:
    return [row["step"] for row in rows(run / "metrics.jsonl")] == list(range(5, 15))


@pytest.mark.parametrize(("sessions", "word"), [(True, "new-window"), (False, "new-session")])
async def test_in_a_new_tmux_window(programs: Path, run: Path, open_browser: Open, sessions: bool, word: str) -> None:
    tmux = put(programs / "tmux", TMUX.replace("SESSIONS", str(sessions)))
    child = run.with_name("one-from-5")
    try:
        async with open_browser(run.parent) as pilot:
            await press_until(pilot, "r", shows=READY)
            await pilot.press("e", *"one-from-5")
            await press_until(pilot, "enter", shows=READY)
            assert "← → tmux · print" in screen_text(pilot)
            await press_until(pilot, "right", shows="in a new tmux window")
            await press_until(pilot, shows="✓ tmux")
            await press_until(pilot, shows=READY)
            await press_until(pilot, "enter", shows="started as process")
            await until(pilot, lambda: "↳ resumed from one at step 5" in screen_text(pilot))
            await until(pilot, lambda: trained(child))
        asked, opened = said(tmux)
        assert asked == ["has-session"]
        assert opened[:7] == [word, "-d", "-P", "-F", "#{pane_pid}", "-n", "one-from-5"]
        found = lineage_of(child)
        assert (found.where, found.parent, found.step) == ("tmux", str(run), 5)
        wait_for(lambda: stop.running(found) is False)
        log = (child / "resume.log").read_text()
        assert log.startswith("step 5\n")
        assert log.endswith("step 14\n[ended with status 0]\n")
    finally:
        end(read_lineage(str(child)))


async def test_by_the_launcher_of_the_settings(programs: Path, run: Path, open_browser: Open, tmp_path: Path) -> None:
    sbatch = put(programs / "sbatch", SBATCH)
    configure(tmp_path, launcher="sbatch --job-name {name} {script}")
    child = run.with_name("far away")
    async with open_browser(run.parent) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "r", shows=READY)
        assert "Runs        by the launcher" in screen_text(pilot)
        assert "✓ launcher           sbatch --job-name {name} {script}" in screen_text(pilot)
        await pilot.press("e", *"far away")
        await press_until(pilot, "enter", shows=READY)
        await press_until(pilot, "enter", shows="handed to the launcher")
        await until(pilot, lambda: app.browse.selected is not None and app.browse.selected.path == str(child))
        await until(pilot, lambda: "↳ resumed from one at step 5" in screen_text(pilot))
        await until(pilot, lambda: trained(child))
        app.browse.action_stop_run()
        await until(pilot, lambda: "Stop it where it runs" in screen_text(pilot))
        await pilot.press("enter", "escape")
    assert said(sbatch) == [["--job-name", "far away", str(child / "resume.sh")]]
    found = lineage_of(child)
    assert (found.where, found.pid) == ("launcher", None)
    assert "step 14\n" in (child / "resume.log").read_text()


@pytest.mark.parametrize(
    ("launcher", "why"),
    [
        ("gone-sbatch {script}", "gone-sbatch is not on this machine"),
        ("sbatch {scrip}", "has an unknown field {scrip}"),
        ("sbatch '", "can't be read"),
    ],
)
async def test_a_launcher_that_cannot_be_used_is_a_line_of_the_checklist(
    programs: Path, run: Path, open_browser: Open, tmp_path: Path, launcher: str, why: str
) -> None:
    configure(tmp_path, launcher=launcher)
    async with open_browser(run.parent) as pilot:
        await press_until(pilot, "r", shows="It can't be started: launcher")
        assert why in screen_text(pilot)
        await pilot.press("enter", "c", "w")
        assert isinstance(app_of(pilot).screen, ResumeDialog)
        # What the launcher can't do, this machine can.
        await press_until(pilot, "left", shows="on this machine, detached")
        await press_until(pilot, shows=READY)
    assert [each.name for each in run.parent.iterdir()] == ["one"]


async def test_printed_and_copied_commands_do_what_a_start_does(run: Path, open_browser: Open) -> None:
    child = run.with_name("by hand")
    async with open_browser(run.parent, size=(120, 50)) as pilot:
        app = app_of(pilot)
        await press_until(pilot, "r", shows=READY)
        await pilot.press("e", *"by hand")
        await press_until(pilot, "enter", shows=READY)
        assert "← → print" in screen_text(pilot)
        await press_until(pilot, "right", shows="where you start it: these are the commands")
        assert "Enter  copy commands" in screen_text(pilot)
        assert f"mkdir -- '{child}'" in " ".join(words(pilot, "#command").replace("\\\n", "").split())
        assert "behavior_if_log_dir_exists=resume" in words(pilot, "#command")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.browse)
        printed = app.clipboard
        assert not child.exists()
        subprocess.run(["sh"], input=printed, text=True, timeout=SECONDS, check=True, capture_output=True)
        await until(pilot, lambda: "by hand" in screen_text(pilot))
        assert trained(child)
        assert (lineage_of(child).parent, lineage_of(child).where) == (str(run), "by hand")
        await choose(pilot, "000005")
        again = subprocess.run(["sh"], input=printed, text=True, timeout=SECONDS, check=False, capture_output=True)
        assert again.returncode != 0
        assert trained(child)
