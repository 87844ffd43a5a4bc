"""Whose service, with which key, and is anyone there: what can be told without the SDK (TINKER.md, "Credentials")."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stealthrl_tui.service.events import ServiceError

DEFAULT_BASE_URL = "https://tinker.thinkingmachines.dev/services/tinker-prod"
HEALTH_TIMEOUT = 3.0
_PREFIXES = ("tml-", "eyJ")


def base_url(environ: Mapping[str, str] = os.environ) -> str:
    """The address of the service, as the SDK finds it."""
    return (environ.get("TINKER_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")


def key_source(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where the SDK would take its key from, in words; None when there is none. The key itself is never read out."""
    if environ.get("TINKER_API_KEY"):
        return "TINKER_API_KEY"
    if environ.get("TINKER_CREDENTIAL_CMD"):
        return "TINKER_CREDENTIAL_CMD"
    home = Path(environ.get("HOME") or Path.home())
    return "~/.tinker/credentials.json" if (home / ".tinker" / "credentials.json").is_file() else None


def require_key(environ: Mapping[str, str] = os.environ) -> str:
    """The source of the key; raises ServiceError (no_key, rejected_key) when there is none or it can't be one."""
    source = key_source(environ)
    if source is None:
        raise ServiceError("no_key", "No Tinker API key is set.", "Set TINKER_API_KEY, or run `tinker auth login`.")
    if source == "TINKER_API_KEY" and not environ["TINKER_API_KEY"].startswith(_PREFIXES):
        raise ServiceError(
            "rejected_key", "TINKER_API_KEY is no Tinker key: those begin with tml-.", "Check the variable."
        )
    return source


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service answers: `ok`, the HTTP status (None without an answer), and in words what came instead."""

    ok: bool
    status: int | None
    word: str


def health(url: str, timeout: float = HEALTH_TIMEOUT) -> Health:
    """Ask `healthz`, for `timeout` seconds at most; any whole answer below 500 means that someone is there."""
    found: list[Health] = []
    # In a thread: nothing else bounds the look-up of a name, or an answer that trickles.
    asking = threading.Thread(target=lambda: found.append(_ask(url, timeout)), name="healthz", daemon=True)
    asking.start()
    asking.join(timeout)
    return found[0] if found else Health(False, None, f"no answer in {timeout:g} s")


def _ask(url: str, timeout: float) -> Health:
    try:
        request = urllib.request.Request(f"{url}/api/v1/healthz", headers={"User-Agent": "stealthrl-tui"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            answer.read(1024)
            return Health(True, answer.status, "ok")
    except urllib.error.HTTPError as error:
        with error:
            return Health(error.code < 500, error.code, f"answered {error.code}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Health(False, None, f"no answer in {timeout:g} s" if isinstance(reason, TimeoutError) else _why(reason))


def _why(reason: object) -> str:
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused"
    if isinstance(reason, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(reason, http.client.HTTPException | ConnectionError):
        return "the connection breaks off"
    return str(reason)


def place(url: str) -> str:
    """The host and port of the service, as messages name it; a password in the address is left out."""
    return urlsplit(url).netloc.rpartition("@")[2] or url


def require_health(url: str, timeout: float | None = None) -> None:
    """Raises ServiceError (unreachable, server_error) unless the service answers, within `timeout` seconds if given."""
    found = health(url, HEALTH_TIMEOUT if timeout is None else min(HEALTH_TIMEOUT, timeout))
    if found.ok:
        return
    if found.status is not None:
        why = f"The Tinker service at {place(url)} fails: it {found.word}."
        raise ServiceError("server_error", why, "Try again later.")
    raise ServiceError(
        "unreachable",
        f"The Tinker service at {place(url)} cannot be reached: {found.word}.",
        "Check the network and TINKER_BASE_URL.",
    )
