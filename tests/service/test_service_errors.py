"""Every error of the SDK becomes a code, a sentence and what to do (TINKER.md, "Errors")."""

from __future__ import annotations

from pathlib import Path

import pytest
import tinker

from stealthrl_tui.sandbox.process import Sandbox
from stealthrl_tui.service.errors import explain, from_status
from tests.service.verbs import environ, tell

pytestmark = pytest.mark.usefixtures("good", "calm")

API = "/api/v1/"
URI = "tinker://sandbox:train:0/sampler_weights/good"
CODES = {
    "no_key", "rejected_key", "unreachable", "timeout", "not_found", "expired", "wrong_kind", "bad_uri",
    "base_model_mismatch", "rank_mismatch", "billing", "server_error",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (401, "no such key", "rejected_key"),
        (403, "not for this account", "rejected_key"),
        (402, "billing is not set up", "billing"),
        (404, "no checkpoint tinker://a/sampler_weights/b", "not_found"),
        (404, "checkpoint tinker://a/sampler_weights/b has expired", "expired"),
        (429, "slow down", "server_error"),
        (500, "oops", "server_error"),
        (400, "tinker://a/weights/b is training state, not sampler weights", "wrong_kind"),
        (400, "the base model of tinker://a/weights/b is tiny, not large", "base_model_mismatch"),
        (400, "the LoRA rank of tinker://a/weights/b is 8, not 32", "rank_mismatch"),
        (422, "invalid path: tinker://a/sampler_weights/b/c", "bad_uri"),
        (400, "tinker://a/sampler_weights/base_model: the moon is wrong", "server_error"),
    ],
)
def test_every_status_has_its_code(status: int, text: str, code: str) -> None:
    told = from_status(status, text, URI)
    assert (told.code, told.code in CODES) == (code, True)
    assert told.hint
    assert told.message.endswith(".")
    # The same inside a promise: a plain ValueError that quotes the answer.
    wrapped = explain(ValueError(f"Error code: {status} - {{'detail': {text!r}}}"), URI)
    assert (wrapped.code, wrapped.message) == (told.code, told.message)
    assert "Error code" not in wrapped.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (tinker.TinkerError("The api_key client option must be set"), "no_key"),
        (tinker.TinkerError("The api_key must start with the 'tml-' prefix"), "rejected_key"),
        (tinker.TinkerError("TINKER_CREDENTIAL_CMD returned an empty credential."), "no_key"),
        (tinker.TinkerError("TINKER_CREDENTIAL_CMD printed an expired JWT."), "rejected_key"),
        (ValueError("model_path must start with 'tinker://'"), "bad_uri"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError("reset by peer"), "unreachable"),
        (KeyError("surprise"), "server_error"),
    ],
)
def test_what_the_sdk_raises_by_itself(error: Exception, code: str) -> None:
    told = explain(error, URI)
    assert (told.code, told.code in CODES) == (code, True)
    assert told.hint
    assert told.message.endswith(".")


@pytest.mark.filterwarnings("ignore:DEPRECATED")
def test_training_clients_say_which_base_model_or_rank_does_not_fit(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environ().items():
        monkeypatch.setenv(name, value)
    state = sandbox.save_state("ranked", run_id="ranked:train:0")  # rank 8
    with tinker.ServiceClient() as service:
        client = service.create_lora_training_client(str(sandbox.model_dir), rank=4).result(20)
        with pytest.raises(Exception, match="rank") as failure:
            client.load_state(state).result(20)
    told = explain(failure.value, state)
    assert told.code == "rank_mismatch"
    assert told.message.startswith("The service refused: the LoRA rank of")
    assert "request_id" not in told.message


ROWS: list[tuple[str, str, int, dict[str, str], str]] = [
    ("unknown at the first sample", "asample", 404, {}, "not_found"),
    ("refused at the first sample", "asample", 400, {}, "server_error"),
    ("forbidden", "create_s*", 403, {}, "rejected_key"),
    ("a key that the service doesn't know", "", 0, {"TINKER_API_KEY": "tml-rejected"}, "rejected_key"),
    ("a command that gives no key", "", 0, {"TINKER_API_KEY": "", "TINKER_CREDENTIAL_CMD": "true"}, "no_key"),
]


@pytest.mark.parametrize(("path", "status", "more", "code"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_command_line_says_it(
    sandbox: Sandbox, tmp_path: Path, path: str, status: int, more: dict[str, str], code: str
) -> None:
    if status:
        sandbox.fault("status", path=API + path, status=status)
    said = tell(environ(tmp_path, sandbox, **more), "test-load", URI)
    assert (said.status, said.last["event"], said.last["code"]) == (1, "error", code)
    assert said.last["hint"]
    assert said.err.count("\n") == 1
    assert said.last["message"] in said.err
