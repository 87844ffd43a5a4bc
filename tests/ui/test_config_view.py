"""The configuration: under the names of its files, aligned, filtered, and harmless."""

from __future__ import annotations

import math

import pytest

from stealthrl_tui.ui.widgets.config_view import ConfigView, words_of
from tests.ui.widget_host import WidgetHost

CONFIG = {
    "training_config.json": {"model.base_model": "Qwen/Qwen3-4B", "model.lora_rank": 16, "eval": None},
    "run_metadata.json": {"git_commit": "abc", "flags": [1, True, "x"]},
}


async def test_files_are_headings_over_aligned_pairs() -> None:
    view = ConfigView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 12)) as pilot:
        view.show(CONFIG)
        await pilot.pause()
        assert host.lines()[:8] == [
            "training_config.json",
            "  model.base_model  Qwen/Qwen3-4B",
            "  model.lora_rank   16",
            "  eval              null",
            "",
            "run_metadata.json",
            "  git_commit        abc",
            '  flags             [1, true, "x"]',
        ]


async def test_the_filter_takes_words_of_key_value_and_file() -> None:
    view = ConfigView()
    host = WidgetHost(view)
    async with host.run_test(size=(60, 12)) as pilot:
        view.show(CONFIG)
        for words, keys in (
            ("QWEN model", ["model.base_model"]),
            ("metadata", ["git_commit", "flags"]),
            ("rank", ["model.lora_rank"]),
            ("", ["model.base_model", "model.lora_rank", "eval", "git_commit", "flags"]),
        ):
            view.set_filter(words)
            assert [key for key, _ in view.shown] == keys
        view.set_filter("zzz")
        await pilot.pause()
        assert host.lines()[0] == "nothing matches"
        view.show({})
        assert host.lines()[0] == "no configuration file"


async def test_it_scrolls_and_clips() -> None:
    view = ConfigView()
    host = WidgetHost(view)
    long_key = "a.very.deep." + "x" * 60
    async with host.run_test(size=(40, 6)) as pilot:
        view.show({"\x1b[2Jc.json": {long_key: "y" * 500, **{f"k{i}": i for i in range(50)}}})
        await pilot.pause()
        shown = host.lines()
        assert shown[1].endswith("…")
        assert "…" + "x" * 10 in shown[1]
        assert "".join(shown).isprintable()
        await pilot.press("G")
        assert host.lines()[-1].split() == ["k49", "49"]
        await pilot.press("g", "j", "pagedown", "pageup")
        assert host.lines()[0].startswith("  ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", '""'),
        ("a\nb", "a b"),
        (0.1, "0.1"),
        (math.inf, "Infinity"),
        ({"a": [1]}, '{"a": [1]}'),
        (list(range(103)), None),
        (object, None),
    ],
)
def test_values_in_one_line(value: object, expected: str | None) -> None:
    words = words_of(value)
    assert words.isprintable()
    assert expected is None or words == expected


def test_a_long_list_says_how_much_more() -> None:
    assert words_of(list(range(103))).endswith("99, … 3 more]")
