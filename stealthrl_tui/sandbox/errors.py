"""What a request may be refused with, and how untrusted JSON is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST_NUMBER = 1e11


class ServiceError(Exception):
    """A request that can't be served: the HTTP status, and the `detail` the caller reads."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Fields:
    """A JSON object from outside; every read checks the type and answers 400 when it is wrong.

    A field that is missing or null counts as absent: the default, or 400 where none was given.
    """

    def __init__(self, value: object, what: str = "the request") -> None:
        if not isinstance(value, Mapping):
            raise ServiceError(400, f"{what} must be a JSON object")
        self._value = value
        self._what = what

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        return str(self._read(name, str, "a string", default))

    def integer(self, name: str, default: int | None = None) -> int:
        return int(self._read(name, int, "an integer", default))

    def number(self, name: str, default: float | None = None) -> float:
        value = self._read(name, (int, float), "a number", default)
        # Far beyond any time, rate or count that means something, and within what a float can do.
        if not abs(value) <= _LARGEST_NUMBER:
            raise ServiceError(400, f"{name!r} must be a finite number")
        return float(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        return bool(self._read(name, bool, "true or false", default))

    def items(self, name: str) -> list[Any]:
        return list(self._read(name, list, "a list", None))

    def inner(self, name: str) -> Fields:
        return Fields(self._read(name, dict, "an object", None), name)

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self else None

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self else None

    def optional_number(self, name: str) -> float | None:
        return self.number(name) if name in self else None

    def mapping(self, name: str) -> dict[str, str] | None:
        """Free metadata as the service keeps it: an object of strings."""
        if name not in self:
            return None
        value = self._read(name, dict, "an object", None)
        return {str(key): str(item) for key, item in value.items()}

    def raw(self, name: str) -> Any:
        return self._value.get(name)

    def _read(self, name: str, kind: type | tuple[type, ...], wanted: str, default: object) -> Any:
        value = self._value.get(name)
        if value is None:
            if default is None:
                raise ServiceError(400, f"{self._what} lacks {name!r}")
            return default
        # JSON true is an int for Python, never for the caller.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ServiceError(400, f"{name!r} must be {wanted}")
        return value
