"""The clipboard ladder, with small programs on a PATH of their own that record what they were given."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stealthrl_tui.actions.copy import TIMEOUT_SECONDS, Sent, copy

TEXT = "tinker://run:train:0/sampler_weights/000085 ü"
WORKS = 'cat > "$RECORD/{name}"; echo "$@" > "$RECORD/{name}.args"; echo noise; echo noise >&2'
FAILS = "exit 3"
OLD_TMUX = 'test "$2" = -w && exit 1; ' + WORKS


class Desk:
    """A PATH that holds only the programs that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.record = folder / "record"
        self.programs.mkdir()
        self.record.mkdir()
        self.environ = {"PATH": str(self.programs), "RECORD": str(self.record)}
        for tool in ("cat", "sleep"):
            found = shutil.which(tool)
            assert found is not None
            (self.programs / tool).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text("#!/bin/sh\n" + script.replace("{name}", name) + "\n")
        path.chmod(0o755)

    def got(self, name: str) -> str:
        return (self.record / name).read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_with_no_program_only_the_terminal_is_left(desk: Desk) -> None:
    sent = copy(TEXT, environ=desk.environ)
    assert sent == Sent((), (), True)
    assert sent.sentence == "sent to the terminal (OSC 52)"


@pytest.mark.parametrize(
    ("name", "variable", "arguments"),
    [
        ("wl-copy", "WAYLAND_DISPLAY", ""),
        ("pbcopy", None, ""),
        ("xclip", "DISPLAY", "-selection clipboard"),
        ("xsel", "DISPLAY", "--clipboard --input"),
    ],
)
def test_a_local_program_gets_the_text_alone(desk: Desk, name: str, variable: str | None, arguments: str) -> None:
    desk.add(name, WORKS)
    if variable is not None:
        assert copy(TEXT, environ=desk.environ).ways == ()
        desk.environ[variable] = ":0"
    assert copy(TEXT, environ=desk.environ).ways == (name,)
    assert desk.got(name) == TEXT
    assert desk.got(f"{name}.args").strip() == arguments


def test_windows_own_program_gets_utf_16(desk: Desk) -> None:
    desk.add("clip.exe", WORKS)
    assert copy(TEXT, environ=desk.environ).ways == ("clip.exe",)
    assert (desk.record / "clip.exe").read_bytes().decode("utf-16") == TEXT


def test_programs_say_nothing_on_the_screen(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.add("pbcopy", WORKS)
    copy(TEXT, environ=desk.environ)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("variable", ["SSH_CONNECTION", "SSH_TTY"])
def test_over_ssh_the_far_clipboard_is_left_alone(desk: Desk, variable: str) -> None:
    desk.add("xclip", WORKS)
    desk.environ |= {"DISPLAY": ":0", variable: "somewhere"}
    assert copy(TEXT, environ=desk.environ) == Sent()
    assert not (desk.record / "xclip").exists()


def test_tmux_passes_the_text_to_the_outer_terminal(desk: Desk) -> None:
    desk.add("tmux", WORKS)
    assert copy(TEXT, environ=desk.environ).ways == ()
    desk.environ |= {"TMUX": "/tmp/tmux-0/default,1,0", "SSH_TTY": "/dev/pts/1"}
    sent = copy(TEXT, environ=desk.environ)
    assert sent.ways == ("tmux",)
    assert sent.sentence == "sent to the terminal (OSC 52) and tmux"
    assert desk.got("tmux") == TEXT
    assert desk.got("tmux.args").strip() == "load-buffer -w -"


def test_an_older_tmux_gets_its_own_buffer(desk: Desk) -> None:
    desk.add("tmux", OLD_TMUX)
    desk.environ["TMUX"] = "x"
    assert copy(TEXT, environ=desk.environ).ways == ("tmux",)
    assert desk.got("tmux.args").strip() == "load-buffer -"


def test_tmux_and_a_local_program_are_both_used(desk: Desk) -> None:
    desk.add("tmux", WORKS)
    desk.add("wl-copy", WORKS)
    desk.add("xclip", WORKS)
    desk.environ |= {"TMUX": "x", "WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}
    sent = copy(TEXT, environ=desk.environ)
    assert sent.ways == ("tmux", "wl-copy")
    assert sent.sentence == "sent to the terminal (OSC 52), tmux and wl-copy"
    assert not (desk.record / "xclip").exists()


def test_a_failing_program_is_said_and_the_next_one_asked(desk: Desk) -> None:
    desk.add("xclip", FAILS)
    desk.add("xsel", WORKS)
    desk.environ["DISPLAY"] = ":0"
    sent = copy(TEXT, environ=desk.environ)
    assert (sent.ways, sent.failed) == (("xsel",), ("xclip",))
    assert sent.sentence == "sent to the terminal (OSC 52) and xsel; xclip failed"


def test_a_program_that_cannot_start_is_no_error(desk: Desk) -> None:
    (desk.programs / "pbcopy").write_bytes(b"\x7fELF nonsense")
    (desk.programs / "pbcopy").chmod(0o755)
    assert copy(TEXT, environ=desk.environ).failed == ("pbcopy",)


def test_a_hanging_program_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stealthrl_tui.actions.copy.TIMEOUT_SECONDS", 0.2)
    desk.add("pbcopy", "exec sleep 60")
    assert copy(TEXT, environ=desk.environ).failed == ("pbcopy",)


def test_a_program_that_does_not_read_cannot_block(desk: Desk) -> None:
    desk.add("pbcopy", "exit 0")
    assert copy("x" * 1_000_000, environ=desk.environ).ways == ("pbcopy",)


def test_text_that_no_encoding_holds_is_sent_as_far_as_it_goes(desk: Desk) -> None:
    desk.add("pbcopy", WORKS)
    assert copy("a\udc80b", environ=desk.environ).ways == ("pbcopy",)
    assert desk.got("pbcopy") == "a?b"


def test_the_children_are_bounded_and_away_from_the_terminal(desk: Desk) -> None:
    seen: list[dict[str, Any]] = []

    def run(command: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[bytes]:
        seen.append(options)
        return subprocess.run(command, check=False, **options)

    desk.add("pbcopy", WORKS)
    assert copy(TEXT, environ=desk.environ, run=run).ways == ("pbcopy",)
    assert seen[0]["start_new_session"] is True
    assert seen[0]["timeout"] == TIMEOUT_SECONDS
    assert seen[0]["stdout"] == seen[0]["stderr"] == subprocess.DEVNULL
