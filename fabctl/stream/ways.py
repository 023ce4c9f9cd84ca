"""The planned moves of a program, taken in before they are sent: how long each is, how soon it can begin.

A program's moves are looked at a group at a time: one by one, at every report, costs a host four times as
much, because by then all that is needed has left the processor's cache.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from fabctl.stream.leg import Leg, length_mm, reach_mm, settled
from fabctl.stream.replies import Point

GROUP = 128
"""So many moves are taken in at once, and let go of at once."""
MOST_OVERRIDE = 2.0
"""Grbl lets the feed be doubled."""
Box = tuple[float, float, float, float]


class Way(NamedTuple):
    """A planned move: from where, its length, when it begins and how long it lasts at best, s."""

    start_mm: Point
    leg: Leg
    length_mm: float
    soonest_s: float
    lasts_s: float


class Ways:
    """The moves that are planned, in order; those of lines sent, from the first that is not over.

    Parameters
    ----------
    legs : iterable of Leg
        The whole path in order; never taken in much farther than lines are sent.
    start_mm : (x, y, z) float
        Where the path begins, work coordinates, mm.
    tolerance_mm : float
        How far beyond a move a position may lie and still be on it.
    least_mm : float
        A shorter move may be less than a step and make no block.
    rates_mm_s : (x, y, z) float, optional
        Fastest each axis can be; without them every place can be reached at once.

    Attributes
    ----------
    first, end : int
        The window: the first move that may not be over, and the one behind the last that was sent.
    planned : bool
        Whether there is any move at all.
    tip_mm : (x, y, z) float
        Where the moves of the lines sent end, mm.

    Examples
    --------
    >>> ways = Ways([Leg(n, (float(n), 0.0, 0.0)) for n in range(1, 9)], (0.0, 0.0, 0.0), 0.1)
    >>> ways.send(5)
    >>> ways.end, ways.near(2.05, 0.0), ways.tip_mm
    (5, [1, 2], (5.0, 0.0, 0.0))
    """

    def __init__(
        self,
        legs: Iterable[Leg],
        start_mm: Point,
        tolerance_mm: float,
        least_mm: float = 0.0,
        rates_mm_s: Point | None = None,
    ) -> None:
        self._legs: Iterator[Leg] = iter(legs)
        self._start_mm = self._block_mm = start_mm
        self._tolerance_mm = tolerance_mm
        self._least_mm = least_mm
        self._pace = Pace(rates_mm_s)
        self._soonest_s = 0.0
        self._ways: list[Way] = []
        self._numbers: list[int] = []
        self._boxes: list[Box] = []
        self._blocks = [0]
        self.first = self.end = 0
        self.tip_mm = start_mm
        self.planned = self._take_in()

    def __getitem__(self, index: int) -> Way:
        """Return the move at an index between `first` and `end`."""
        return self._ways[index]

    def window(self) -> list[Way]:
        """Return the moves sent and not known to be over."""
        return self._ways[self.first : self.end]

    def legs(self, first: int, last: int) -> list[Leg]:
        """Return planned moves that were sent, those of `first` to `last`."""
        return [way.leg for way in self._ways[first : min(last + 1, self.end)]]

    def send(self, sent: int) -> None:
        """Take note that the lines up to `sent` are on the wire."""
        numbers = self._numbers
        while numbers and numbers[-1] <= sent and self._take_in():
            pass
        end = bisect_right(numbers, sent, self.end)
        if end > self.end:
            self.end, self.tip_mm = end, self._ways[end - 1].leg.end_mm

    def over(self, first: int) -> None:
        """Let go of the moves before an index of the window, and now and then of what they held."""
        self.first = first
        if first >= GROUP:
            self.first, self.end = 0, self.end - first
            del self._ways[:first], self._numbers[:first], self._boxes[:first], self._blocks[:first]

    def beyond(self, acknowledged: int, blocks: int) -> int:
        """Return the first move that may not be over, when a controller holds so many blocks at most.

        Parameters
        ----------
        acknowledged : int
            The last line that was answered: its moves are at least in the planner.
        blocks : int
            How many are in the planner, or between it and the motors.
        """
        answered = bisect_right(self._numbers, acknowledged, self.first, self.end)
        return bisect_left(self._blocks, self._blocks[answered] - blocks, self.first, answered)

    def near(self, x_mm: float, y_mm: float) -> list[int]:
        """List the moves of the window over whose box, seen from above, a position lies."""
        x, y, boxes = x_mm, y_mm, self._boxes[self.first : self.end]
        return [
            index
            for index, (low_x, high_x, low_y, high_y) in enumerate(boxes, self.first)
            if low_x <= x <= high_x and low_y <= y <= high_y
        ]

    def _take_in(self) -> bool:
        """Take in a group of moves; tell whether there were any."""
        begin_s, blocks, least_s = self._soonest_s, self._blocks[-1], self._pace.least_s
        group = self._moves()
        for start_mm, leg in group:
            way_mm = length_mm(start_mm, leg)
            lasts_s = least_s(start_mm, leg, way_mm)
            self._ways.append(Way(start_mm, leg, way_mm, begin_s, lasts_s))
            begin_s += lasts_s
            # moves of less than a step make no block, but not all of them once they have come that far
            if leg.centre_mm is not None or math.dist(self._block_mm, leg.end_mm) > self._least_mm:
                self._block_mm = leg.end_mm
                blocks += 1
            self._blocks.append(blocks)
        self._soonest_s = begin_s
        self._numbers += [leg.number for _, leg in group]
        self._boxes += [self._box(start_mm, leg) for start_mm, leg in group]
        return bool(group)

    def _moves(self) -> list[tuple[Point, Leg]]:
        """Take the next group of moves, each with where it begins."""
        moves, tip_mm = [], self._start_mm
        for planned in islice(self._legs, GROUP):
            leg = settled(planned, tip_mm) if math.isnan(sum(planned.end_mm)) else planned
            moves.append((tip_mm, leg))
            tip_mm = leg.end_mm
        self._start_mm = tip_mm
        return moves

    def _box(self, start_mm: Point, leg: Leg) -> Box:
        """Bound the places that are on a move, as seen from above."""
        low_x, high_x, low_y, high_y = reach_mm(start_mm, leg)
        by_mm = self._tolerance_mm
        return low_x - by_mm, high_x + by_mm, low_y - by_mm, high_y + by_mm


class Pace:
    """How long a move takes at the very least, whatever the overrides.

    Parameters
    ----------
    rates_mm_s : (x, y, z) float, optional
        Fastest each axis can be; without them nothing takes time.
    """

    def __init__(self, rates_mm_s: Point | None) -> None:
        self.rates_mm_s = rates_mm_s
        self._slowest_mm_s = min(rates_mm_s) if rates_mm_s else 0.0

    def least_s(self, start_mm: Point, leg: Leg, length_mm: float) -> float:
        """Return how long a move takes at least, s."""
        if self.rates_mm_s is None:
            return 0.0
        feed = leg.feed_mm_min
        quickest_mm_s = math.inf if feed is None else MOST_OVERRIDE * feed / 60
        by_feed_s = length_mm / quickest_mm_s if quickest_mm_s > 0 else 0.0
        # no axis can be slower than that
        if 0 < quickest_mm_s <= self._slowest_mm_s:
            return by_feed_s
        if leg.centre_mm is not None:
            return max(by_feed_s, length_mm / math.hypot(*self.rates_mm_s))
        (sx, sy, sz), (ex, ey, ez), (rx, ry, rz) = start_mm, leg.end_mm, self.rates_mm_s
        return max(
            by_feed_s,
            abs(ex - sx) / rx if rx else 0.0,
            abs(ey - sy) / ry if ry else 0.0,
            abs(ez - sz) / rz if rz else 0.0,
        )
