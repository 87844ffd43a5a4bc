"""The settings file: what it may say, and that nothing in it ever stops anything."""

import os
from pathlib import Path

import pytest

from stealthrl_tui.settings import Settings, config_path, load, state_dir

GOOD = """
theme = "light"
smoothing = 0.5

[keys]
copy = "y"
quit = ["q", "ctrl+q"]

[metric]
stealthrl = "test/env/all/reward/total"

[better]
"my/metric" = "lower"
"optim/entropy" = "higher"

[server]
ask = false
interval = 60

[export]
template = "async"
"""


def _load(tmp_path: Path, text: str | bytes) -> Settings:
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load({"STEALTHRL_TUI_CONFIG": str(path)})


def test_everything_it_may_say(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD) == Settings(
        path=tmp_path / "settings.toml",
        theme="light",
        smoothing=0.5,
        keys={"copy": "y", "quit": "q,ctrl+q"},
        metrics={"stealthrl": "test/env/all/reward/total"},
        higher={"my/metric": False, "optim/entropy": True},
        server_ask=False,
        server_interval=60.0,
        template="async",
    )


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == Settings(tmp_path / "settings.toml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('theme = "green"', """theme is to be "dark" or "light", not 'green'"""),
        ("theme = [1]", 'theme is to be "dark" or "light", not [1]'),
        ("smoothing = 1", "smoothing is to be a number from 0 to below 1, not 1"),
        ("smoothing = true", "smoothing is to be a number from 0 to below 1, not True"),
        ("smoothing = nan", "smoothing is to be a number from 0 to below 1, not nan"),
        ("colour = 1", "unknown setting colour"),
        ("keys = 1", "keys is to be a table, [keys]"),
        ("[keys]\ncopy = []", "keys.copy is to be a key or a list of keys, as text, not []"),
        ("[keys]\ncopy = ['']", "keys.copy is to be a key or a list of keys, as text, not ['']"),
        ("[metric]\nrl = 3", "metric.rl is to be a metric's name, not 3"),
        ("[better]\nx = true", 'better.x is to be "higher" or "lower", not True'),
        ("[server]\ninterval = 1", "server.interval is to be seconds, 10 or more, not 1"),
        ("[server]\nask = 'yes'", "server.ask is to be true or false, not 'yes'"),
        ("[server]\nurl = 'x'", "unknown setting server.url"),
        ('[export]\n"a\\u001bb" = 1', "unknown setting export.a\ufffdb"),
    ],
)
def test_what_it_gets_wrong_is_said_and_the_rest_is_used(tmp_path: Path, text: str, problem: str) -> None:
    found = _load(tmp_path, f"{text}\n[export]\ntemplate = 'sdk'\n" if "[export]" not in text else text)
    assert found.problems == (problem,)
    assert found.template == (None if "[export]" in text else "sdk")


def test_one_wrong_key_leaves_the_others(tmp_path: Path) -> None:
    found = _load(tmp_path, "[keys]\ncopy = 1\nquit = 'x'")
    assert found.keys == {"quit": "x"}
    assert len(found.problems) == 1


@pytest.mark.parametrize("text", ["theme = ", b"\xff\xfe", "[a]\n[a]", "x = " + "[" * 5000])
def test_a_broken_file_is_said_and_none_of_it_is_used(tmp_path: Path, text: str | bytes) -> None:
    found = _load(tmp_path, text)
    assert len(found.problems) == 1
    assert "is no TOML, so none of it is used" in found.problems[0]
    assert found.theme is None


def test_a_named_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = load({"STEALTHRL_TUI_CONFIG": str(tmp_path / "gone.toml")})
    assert found.problems == (f"$STEALTHRL_TUI_CONFIG names no file: {tmp_path}/gone.toml",)


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    found = load({"STEALTHRL_TUI_CONFIG": str(tmp_path)})
    assert found.problems == (f"cannot read {tmp_path}: Is a directory",)


def test_no_file_in_the_usual_place_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert load({}) == Settings(config_path({}))
    assert config_path({}).name == "settings.toml"
    assert {config_path({}).parent.name, state_dir().name} == {"stealthrl-tui"}
    assert not os.listdir(tmp_path)


def test_the_state_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STEALTHRL_TUI_STATE", "~/elsewhere")
    assert state_dir() == tmp_path / "elsewhere"
