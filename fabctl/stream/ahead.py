"""The lines of a program that are sent next."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate, islice

from fabctl.stream.text import GROUP_LINES, WireLine

LEAST_LINES = 24
"""So many are at hand until the program ends: about as many of the shortest as a ring holds."""


class Ahead:
    """Lines in order, some of them at hand.

    Parameters
    ----------
    lines : iterable of WireLine

    Attributes
    ----------
    line : WireLine or None
        The next one; None behind the last.

    Examples
    --------
    >>> ahead = Ahead([WireLine(1, b"M3S9"), WireLine(2, b"X1", moves=True), WireLine(3, b"X2", moves=True)])
    >>> ahead.moves(99), ahead.line.text
    ([], b'M3S9')
    >>> ahead.step()
    >>> [line.text for line in ahead.moves(5)]
    [b'X1']
    >>> ahead.step(2)
    >>> ahead.line is None
    True
    """

    def __init__(self, lines: Iterable[WireLine]) -> None:
        self._lines = iter(lines)
        self._group: list[WireLine] = []
        self._at = 0
        self._bytes = [0]
        self._others = [0]
        self.line: WireLine | None = None
        self.step(0)

    def moves(self, room_bytes: int) -> list[WireLine]:
        """Return the next lines that do nothing but move, as many as are at hand and fit in so many bytes."""
        at = self._at
        fit = bisect_right(self._bytes, self._bytes[at] + room_bytes, at) - 1
        return self._group[at : min(fit, self._others[bisect_left(self._others, at)])]

    def step(self, count: int = 1) -> None:
        """Go on behind so many lines, none of them beyond those at hand."""
        self._at += count
        if self._at + LEAST_LINES > len(self._group) and (more := list(islice(self._lines, GROUP_LINES))):
            self._group, self._at = self._group[self._at :] + more, 0
            # up to each line, newlines included; and the lines that do more than move, the end one of them
            self._bytes = list(accumulate([len(line.text) + 1 for line in self._group], initial=0))
            self._others = [at for at, line in enumerate(self._group) if not line.moves]
            self._others.append(len(self._group))
        self.line = self._group[self._at] if self._at < len(self._group) else None
