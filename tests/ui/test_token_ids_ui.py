"""A test-load without a tokenizer, on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from stealthrl_tui.sandbox.process import running_sandbox
from tests.ui.conftest import press_until, words
from tests.ui.served import RUN, browsing, uris, use


async def test_without_a_tokenizer_there_are_token_ids_and_that_is_said(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = "nowhere/without-a-tokenizer"
    with running_sandbox(tmp_path / "sandbox", models=[model]) as sandbox:
        sandbox.save(uris(root / RUN)[-1]["sampler"], base_model=model)
        use(monkeypatch, tmp_path, sandbox.environ())
        async with browsing(root / RUN, size=(80, 24)) as pilot:
            await press_until(pilot, "t", shows="not tested yet")
            await press_until(pilot, "enter", shows="it loads and answers")
            assert "token ids, there is no tokenizer here: " in words(pilot, "#says")
            assert "prompt as token ids" in words(pilot, "#says")
