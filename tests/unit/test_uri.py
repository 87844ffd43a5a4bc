"""tinker:// URIs: what is taken apart, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stealthrl_tui.runs import uri

RUN = "beed4114-f519-5428-bc6c-3896929b5c5e:train:0"


@pytest.mark.parametrize("kind", uri.KINDS)
def test_three_parts(kind: str) -> None:
    text = f"tinker://{RUN}/{kind}/000085"
    parsed = uri.parse(text)
    assert parsed == uri.TinkerUri(text, RUN, kind, "000085")  # type: ignore[arg-type]
    assert not parsed.two_part
    assert uri.flaw(text) is None


def test_two_parts_have_no_kind() -> None:
    parsed = uri.parse("tinker://model_8bd1721f/final_sampler")
    assert parsed is not None
    assert (parsed.run_id, parsed.kind, parsed.name, parsed.two_part) == ("model_8bd1721f", None, "final_sampler", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a tinker:// URI"),
        ("/tmp/x", "is not a tinker:// URI"),
        ("TINKER://a/weights/b", "is not a tinker:// URI"),
        ("tinker:/a/weights/b", "is not a tinker:// URI"),
        ("tinker://", "has 1 parts"),
        ("tinker://run", "has 1 parts"),
        ("tinker://run/weights/a/b", "has 4 parts"),
        ("tinker:///weights/a", "has an empty part"),
        ("tinker://run//a", "has an empty part"),
        ("tinker://run/weights/", "has an empty part"),
        ("tinker://run/", "has an empty part"),
        ("tinker://run/lora/a", "is of a kind that is none of weights, sampler_weights, external_weights"),
        ("tinker://run/weights", "names no checkpoint"),
        ("tinker://run/weights/a\x1b[2J", "holds control characters"),
        ("tinker://run/weights/a\n", "holds control characters"),
        ("tinker://run/weights/a b", "holds spaces"),
        (" tinker://run/weights/a", "is not a tinker:// URI"),
        ("tinker://run/weights/a\u202e", "holds spaces or invisible characters"),
    ],
)
def test_flaws_in_words(text: str, words: str) -> None:
    assert words in (uri.flaw(text) or "")
    assert uri.parse(text) is None


@settings(deadline=None, derandomize=True)
@given(st.one_of(st.text(), st.text(alphabet="ab/:weights_ \x00\u200b").map(lambda rest: "tinker://" + rest)))
def test_any_text_parses_or_has_a_flaw(text: str) -> None:
    parsed = uri.parse(text)
    assert (parsed is None) == (uri.flaw(text) is not None)
    if parsed is not None:
        middle = () if parsed.kind is None else (parsed.kind,)
        assert "tinker://" + "/".join((parsed.run_id, *middle, parsed.name)) == text
