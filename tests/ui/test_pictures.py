"""The pictures in the README are the program's own: made again, they are the same bytes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from stealthrl_tui.sandbox import pictures


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(variable, raising=False)


def words(svg: str) -> str:
    return "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")


def test_two_makings_are_the_same_bytes_and_show_the_screens(tmp_path: Path) -> None:
    first = pictures.make(tmp_path / "first")
    second = pictures.make(tmp_path / "second")

    assert [path.name for path in first] == [f"{picture.name}.svg" for picture in pictures.PICTURES]
    assert {path.name: path.read_bytes() for path in first} == {path.name: path.read_bytes() for path in second}
    shown = {path.stem: words(path.read_text(encoding="utf-8")) for path in first}
    assert all("chat_rank8" in shown[name] for name in ("browse", "browse-80x24"))
    assert "running" in shown["browse"]
    assert all("tiny_baseline" in shown[name] for name in ("metrics", "log", "export"))
    assert "Writes" in shown["export"]
    assert "Write the inference script" in shown["help"]
    assert not any("url(" in path.read_text(encoding="utf-8").replace("url(#", "") for path in first)


def test_a_wrong_call_and_an_impossible_place_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert pictures.main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert pictures.main([str(tmp_path / "file" / "below")]) == 1
    assert "could not be made" in capsys.readouterr().err
