"""Dots in braille cells, two columns and four rows of them in each terminal cell, drawn in layers of one role each."""

from __future__ import annotations

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
# The cell's bits for a vertical run, by side (0 left, 1 right), first and last dot row.
_RUN = tuple(tuple(tuple(sum(side[top : end + 1]) for end in range(4)) for top in range(4)) for side in _DOTS)
BLANK = 0x2800


class Canvas:
    """A picture of `width` x `height` cells; a later layer takes the cells it has dots in, so that it stays clear."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.bits = [0] * (width * height)
        self.roles = [""] * (width * height)
        self._layer = [0] * (width * height)

    @property
    def dot_rows(self) -> int:
        """Dot rows from top to bottom."""
        return 4 * self.height

    def run(self, column: int, top: int, bottom: int) -> None:
        """Dots of one dot column from row `top` down to row `bottom`, both included and in the picture."""
        cell, side = column >> 1, _RUN[column & 1]
        first, last = top >> 2, bottom >> 2
        at = first * self.width + cell
        if first == last:
            self._layer[at] |= side[top & 3][bottom & 3]
            return
        self._layer[at] |= side[top & 3][3]
        for row in range(first + 1, last):
            self._layer[row * self.width + cell] |= side[0][3]
        self._layer[last * self.width + cell] |= side[0][bottom & 3]

    def line(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """A connected line between two dots (column, row), the first of them left out and left of the second."""
        (x, y), (to_x, to_y) = start, end
        previous = y
        for column in range(x + 1, to_x + 1):
            row = y + round((to_y - y) * (column - x) / (to_x - x))
            self.run(column, min(previous, row), max(previous, row))
            previous = row

    def commit(self, role: str) -> None:
        """The dots since the last commit become a layer of `role` over what is there."""
        for index, bits in enumerate(self._layer):
            if bits:
                self.bits[index] = bits
                self.roles[index] = role
        self._layer = [0] * (self.width * self.height)

    def row(self, row: int) -> list[tuple[str, str]]:
        """The cells of one line as (character, role); blank cells have the role ""."""
        start = row * self.width
        cells = zip(self.bits[start : start + self.width], self.roles[start : start + self.width], strict=True)
        return [(chr(BLANK | bits), role) if bits else (" ", "") for bits, role in cells]
