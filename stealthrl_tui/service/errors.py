"""The SDK's exceptions as a code, a sentence and what to do (TINKER.md, "Errors")."""

from __future__ import annotations

import re

from stealthrl_tui.service.account import key_source
from stealthrl_tui.service.events import ServiceError
from stealthrl_tui.text import clean

_URI_HINT = "A Tinker URI looks like tinker://<run>/sampler_weights/<name>."
_KEY_HINT = "Set TINKER_API_KEY, or run `tinker auth login`."
_OF_THE_KEY = re.compile(r"api.?key|credential", re.IGNORECASE)
_PATH = re.compile(r"tinker://\S+")
_UNUSABLE = re.compile(r"prefix|expired", re.IGNORECASE)
# The service's own words in an error that came with a promise: in a quoted body, or between the SDK's own.
_DETAIL = re.compile(r"""['"]detail['"]: (?P<quote>['"])(?P<said>.*?)(?P=quote)\s*[,}]""")
_WRAPPED = re.compile(r"Error code: \d{3} - (?P<said>.+?)(?: for self\.request_id=.*)?$", re.DOTALL)
_STATUS = re.compile(r"[Ee]rror code: (\d{3})|\bstatus(?:_code)?[ =:]+(\d{3})")


def explain(error: BaseException, uri: str | None = None) -> ServiceError:
    """What `error`, raised by the SDK while it worked on `uri`, means to a person."""
    if isinstance(error, ServiceError):
        return error
    text = clean(_text(error), 300)
    status = _status(error)
    if status is not None:
        return from_status(status, text, uri)
    name = type(error).__name__
    if name in {"APIConnectionError", "APITimeoutError"} or isinstance(error, ConnectionError):
        return ServiceError("unreachable", f"The Tinker service cannot be reached: {text}.", "Check the network.")
    if isinstance(error, TimeoutError):
        return ServiceError(
            "timeout", "The Tinker service did not finish in time.", "Try again, or with a longer --timeout."
        )
    if name == "TinkerError" and _OF_THE_KEY.search(text):
        code = "rejected_key" if _UNUSABLE.search(text) else "no_key"
        return ServiceError(code, f"{text.rstrip('.')}.", _KEY_HINT)
    if "must start with" in text and "tinker://" in text:
        return ServiceError("bad_uri", f"{text.rstrip('.')}.", _URI_HINT)
    return _by_words(text, uri) or ServiceError("server_error", f"{name}: {text.rstrip('.')}.", "Try again.")


def from_status(status: int, text: str, uri: str | None = None) -> ServiceError:
    """What an HTTP status from the service means, with its own words in `text`."""
    what, said = uri or "it", text.rstrip(".")
    if status in (401, 403):
        hint = f"Check {key_source() or 'the key'}, or run `tinker auth login`."
        return ServiceError("rejected_key", f"The service refused the key ({status}): {said}.", hint)
    if status == 402:
        return ServiceError(
            "billing", f"The account cannot be billed (402): {said}.", "See billing in the Tinker console."
        )
    if status == 404:
        if "expire" in text.lower():
            return ServiceError(
                "expired", f"The service no longer has {what}: it expired.", "Choose another checkpoint."
            )
        return ServiceError(
            "not_found", f"The service does not have {what}.", "It was deleted, expired, or is another key's."
        )
    if status == 429:
        return ServiceError("server_error", "The service asks to slow down (429).", "Try again in a minute.")
    if status >= 500:
        return ServiceError("server_error", f"The service failed ({status}): {said}.", "Try again later.")
    return _by_words(text, uri) or ServiceError(
        "server_error", f"The service refused ({status}): {said}.", "The log has the SDK's own words."
    )


def _by_words(text: str, uri: str | None) -> ServiceError | None:
    # What stands in a path is a name, not a word about what is wrong.
    lowered = _PATH.sub("", text.lower())
    said = f"The service refused: {text.rstrip('.')}."
    if "rank" in lowered and "lora" in lowered:
        return ServiceError("rank_mismatch", said, "Use the LoRA rank that the checkpoint was trained with.")
    if "base model" in lowered or "base_model" in lowered:
        return ServiceError("base_model_mismatch", said, "Use the base model that the checkpoint was trained on.")
    if any(word in lowered for word in ("sampler", "training state", "not a training", "full state")):
        return ServiceError("wrong_kind", said, "State is for training, sampler weights are for sampling.")
    if uri is not None and "path" in lowered and any(word in lowered for word in ("invalid", "not a", "malformed")):
        return ServiceError("bad_uri", said, _URI_HINT)
    return None


def _text(error: BaseException) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("detail"), str):
        return str(body["detail"])
    said = str(error)
    found = _DETAIL.search(said)
    if found is None and (found := _WRAPPED.search(said)) is None:
        return said or type(error).__name__
    return found["said"]


def _status(error: BaseException) -> int | None:
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return code
    found = _STATUS.search(str(error))
    return int(found[1] or found[2]) if found else None
