"""The user's command templates, filled in word by word: no value can become another word, or a shell's command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from string import Formatter

from stealthrl_tui.text import clean


class Unfillable(Exception):  # noqa: N818  it is an answer, not a fault
    """The template can't be filled in; the message says why, as the end of a sentence that it begins."""


def fields_of(template: str) -> frozenset[str]:
    """The names in braces. Raises Unfillable."""
    try:
        words = shlex.split(template)
        return frozenset(field for word in words for _, field, _, _ in Formatter().parse(word) if field is not None)
    except ValueError as error:
        raise Unfillable(f"can't be read: {error}") from error


def fill(template: str, values: Mapping[str, object]) -> tuple[str, ...]:
    """The words of `template` with `values` in place of their names in braces. Raises Unfillable."""
    fields = fields_of(template)
    for field in sorted(fields):
        if field not in values:
            raise Unfillable(f"has an unknown field {{{clean(field, 40)}}}: take one of {', '.join(sorted(values))}")
        if values[field] is None:
            raise Unfillable(f"wants {{{field}}}, which this run's files don't tell")
    try:
        words = tuple(word.format_map(values) for word in shlex.split(template))
    except (ValueError, TypeError) as error:
        raise Unfillable(f"can't be filled in: {error}") from error
    if not words:
        raise Unfillable("is empty")
    return words
