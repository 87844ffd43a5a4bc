"""A measured figure beside its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """`value` must not exceed `limit` (both in `unit`); a figure without a limit is only told.

    `beside` says what it was measured against, in words.
    """

    what: str
    value: float
    unit: str
    limit: float | None = None
    beside: str = ""

    @property
    def ok(self) -> bool:
        """Whether the budget is kept."""
        return self.limit is None or self.value <= self.limit

    def cells(self) -> tuple[str, str, str, str, str]:
        """The row of the table."""
        budget = "" if self.limit is None else f"<= {_figure(self.limit, self.unit)}"
        verdict = "" if self.limit is None else ("ok" if self.ok else "over")
        return self.what, _figure(self.value, self.unit), budget, verdict, self.beside


def _figure(value: float, unit: str) -> str:
    digits = 2 if unit in ("x", "%") else (1 if value < 100 else 0)
    return f"{value:.{digits}f} {unit}" if unit != "x" else f"{value:.{digits}f}x"


def table(results: Sequence[Result]) -> str:
    """All results, a line each, in columns."""
    rows = [("what", "measured", "budget", "", "beside"), *(result.cells() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
