"""The last test-load of each checkpoint, kept in the state folder."""

import os
from pathlib import Path

import pytest

from stealthrl_tui.actions import trials
from stealthrl_tui.actions.trials import FOLDER, Outcome, from_event, recall, recall_all, remember

A = "tinker://a:train:0/sampler_weights/000010"
B = "tinker://b:train:0/sampler_weights/final"
RESULT = {
    "event": "result", "ok": True, "uri": A, "base_model": "Qwen/Qwen3-4B", "seconds": 3.2, "text": "Hello.",
    "tokens": [1, 2, 3], "tokens_per_second": 41.5, "stop_reason": "stop", "prompt_form": "chat template",
}  # fmt: skip
ERROR = {"event": "error", "code": "not_found", "message": "It is gone.", "hint": "Choose another."}


def test_what_was_remembered_is_recalled(tmp_path: Path) -> None:
    good, bad = from_event(A, "Say it.", RESULT, 1000.5), from_event(B, "Say it.", ERROR, 2000.0)
    remember(tmp_path, good)
    remember(tmp_path, bad)
    assert recall(tmp_path, A) == good
    assert recall_all(tmp_path) == {A: good, B: bad}
    assert (good.ok, good.text, good.tokens, good.seconds, good.at) == (True, "Hello.", 3, 3.2, 1000.5)
    assert (bad.ok, bad.code, bad.message, bad.text) == (False, "not_found", "It is gone.", None)


def test_only_the_last_outcome_counts_and_no_temporary_file_stays(tmp_path: Path) -> None:
    remember(tmp_path, from_event(A, "p", RESULT, 1.0))
    remember(tmp_path, from_event(A, "p", ERROR, 2.0))
    found = recall(tmp_path, A)
    assert found is not None
    assert (found.at, found.ok) == (2.0, False)
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_nothing_is_known_of_what_was_never_tested(tmp_path: Path) -> None:
    assert recall(tmp_path / "nowhere", A) is None
    assert recall_all(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xff", b'{"uri": 5}', b'{"uri": "x", "at": true, "ok": 1}']
)
def test_a_broken_file_is_no_outcome(tmp_path: Path, content: bytes) -> None:
    remember(tmp_path, from_event(A, "p", RESULT, 1.0))
    remember(tmp_path, from_event(B, "p", RESULT, 1.0))
    path = next((tmp_path / FOLDER).iterdir())
    uri = next(uri for uri in (A, B) if trials._path(tmp_path, uri) == path)
    path.write_bytes(content)
    assert recall(tmp_path, uri) is None
    assert list(recall_all(tmp_path)) == [B if uri == A else A]


def test_fields_of_another_kind_are_left_out(tmp_path: Path) -> None:
    remember(tmp_path, from_event(A, "p", RESULT, 1.0))
    path = trials._path(tmp_path, A)
    path.write_text(path.read_text().replace("3.2", '"soon"').replace('"Hello."', "7"))
    found = recall(tmp_path, A)
    assert found is not None
    assert (found.seconds, found.text, found.ok) == (None, None, True)


def test_a_file_of_another_uri_is_not_taken_for_this_one(tmp_path: Path) -> None:
    remember(tmp_path, from_event(A, "p", RESULT, 1.0))
    os.replace(trials._path(tmp_path, A), trials._path(tmp_path, B))
    assert recall(tmp_path, B) is None


def test_it_is_said_when_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file in the way")
    with pytest.raises(OSError, match="exists"):
        remember(tmp_path, Outcome(A, 1.0, True))


def test_a_long_text_is_cut() -> None:
    outcome = from_event(A, "p", {**RESULT, "text": "x" * 100_000}, 1.0)
    assert outcome.text is not None
    assert len(outcome.text) == 20_000
