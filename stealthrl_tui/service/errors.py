"""The SDK's exceptions as a code, a sentence and what to do (TINKER.md, "Errors")."""

from __future__ import annotations

import re

from stealthrl_tui.service.events import ServiceError
from stealthrl_tui.text import clean

_STATUS = re.compile(r"[Ee]rror code: (\d{3})|\bstatus(?:_code)?[ =:]+(\d{3})")


def explain(error: BaseException, uri: str | None = None) -> ServiceError:
    """What `error`, raised by the SDK while it worked on `uri`, means to a person."""
    if isinstance(error, ServiceError):
        return error
    text = clean(_text(error), 300)
    status = _status(error, text)
    if status is not None:
        return from_status(status, text, uri)
    name = type(error).__name__
    if name in {"APIConnectionError", "APITimeoutError"} or isinstance(error, ConnectionError):
        return ServiceError("unreachable", f"The Tinker service cannot be reached: {text}.", "Check the network.")
    if isinstance(error, TimeoutError):
        return ServiceError(
            "timeout", "The Tinker service did not finish in time.", "Try again, or with a longer --timeout."
        )
    if name == "TinkerError" and re.search(r"api.?key|credential", text, re.IGNORECASE):
        return ServiceError("no_key", text, "Set TINKER_API_KEY, or run `tinker auth login`.")
    if "tinker://" in text and isinstance(error, ValueError):
        return ServiceError("bad_uri", text, "A Tinker URI looks like tinker://<run>/sampler_weights/<name>.")
    return _by_words(text, uri) or ServiceError("server_error", f"{name}: {text}", "Try again.")


def from_status(status: int, text: str, uri: str | None = None) -> ServiceError:
    """What an HTTP status from the service means, with its own words in `text`."""
    what = uri or "it"
    if status in (401, 403):
        return ServiceError("rejected_key", f"The service refused the key ({status}): {text}", "Check TINKER_API_KEY.")
    if status == 402:
        return ServiceError(
            "billing", f"The account cannot be billed (402): {text}", "See billing in the Tinker console."
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
        return ServiceError("server_error", f"The service failed ({status}): {text}", "Try again later.")
    return _by_words(text, uri) or ServiceError(
        "server_error", f"The service refused ({status}): {text}", "See the log."
    )


def _by_words(text: str, uri: str | None) -> ServiceError | None:
    lowered = text.lower()
    if "rank" in lowered and "lora" in lowered:
        return ServiceError("rank_mismatch", text, "Use the LoRA rank that the checkpoint was trained with.")
    if "base model" in lowered or "base_model" in lowered:
        return ServiceError("base_model_mismatch", text, "Use the base model that the checkpoint was trained on.")
    if "sampler" in lowered or "not a training" in lowered or "full state" in lowered:
        return ServiceError("wrong_kind", text, "State is for training, sampler weights are for sampling.")
    if uri is not None and "path" in lowered and "invalid" in lowered:
        return ServiceError("bad_uri", text, "A Tinker URI looks like tinker://<run>/sampler_weights/<name>.")
    return None


def _text(error: BaseException) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("detail"), str):
        return str(body["detail"])
    return str(error) or type(error).__name__


def _status(error: BaseException, text: str) -> int | None:
    code = getattr(error, "status_code", None)
    if isinstance(code, int):
        return code
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else None
