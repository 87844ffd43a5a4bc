"""Requests and replies as the routes see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from stealthrl_tui.sandbox.errors import Fields, ServiceError

HOST = "127.0.0.1"  # the only interface that is listened on
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """One HTTP request: `groups` are the path's variable parts, `query` its last value for each name."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    groups: tuple[str, ...] = ()

    def fields(self) -> Fields:
        """The body as a JSON object; an empty body is an empty object, anything else answers 400."""
        if not self.body:
            return Fields({})
        try:
            return Fields(json.loads(self.body))
        except (ValueError, RecursionError) as error:
            raise ServiceError(400, "the body is not JSON") from error

    def whole_number(self, name: str, default: int) -> int:
        """A query parameter that counts something, or 400."""
        text = self.query.get(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise ServiceError(400, f"{name!r} must be a whole number")
        return int(text)


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(value).encode())


Handler: TypeAlias = Callable[[Request], Reply]
