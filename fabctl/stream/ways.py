"""The planned moves of a program, taken in before they are sent: how long each is, how soon it can begin.

A program's moves are looked at a group at a time: one by one, at every report, costs a host four times as
much, because by then all that is needed has left the processor's cache.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import NamedTuple

from fabctl.stream.leg import Leg, length_mm, settled, widest_mm
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
        self._ahead: Iterator[Leg] = iter(legs)
        self._start_mm = self._block_mm = start_mm
        self._tolerance_mm = tolerance_mm
        self._least_mm = least_mm
        self._pace = Pace(rates_mm_s)
        self._moves = _Moves()
        self.first = self.end = 0
        self.tip_mm = start_mm
        self.planned = self._take_in()

    def __getitem__(self, index: int) -> Way:
        """Return the move at an index between `first` and `end`."""
        moves = self._moves
        return Way(
            moves.starts_mm[index],
            moves.legs[index],
            moves.lengths_mm[index],
            moves.soonest_s[index],
            moves.lasts_s[index],
        )

    def window(self) -> list[Way]:
        """Return the moves sent and not known to be over."""
        return [self[index] for index in range(self.first, self.end)]

    def legs(self, first: int, last: int) -> list[Leg]:
        """Return planned moves that were sent, those of `first` to `last`."""
        return self._moves.legs[first : min(last + 1, self.end)]

    def send(self, sent: int) -> None:
        """Take note that the lines up to `sent` are on the wire."""
        numbers = self._moves.numbers
        while (not numbers or numbers[-1] <= sent) and self._take_in():
            pass
        end = bisect_right(numbers, sent, self.end)
        if end > self.end:
            self.end, self.tip_mm = end, self._moves.legs[end - 1].end_mm

    def over(self, first: int) -> None:
        """Let go of the moves before an index of the window, and now and then of what they held."""
        self.first = first
        if first >= GROUP:
            self.first, self.end = 0, self.end - first
            self._moves.forget(first)

    def beyond(self, acknowledged: int, blocks: int) -> int:
        """Return the first move that may not be over, when a controller holds so many blocks at most.

        Parameters
        ----------
        acknowledged : int
            The last line that was answered: its moves are at least in the planner.
        blocks : int
            How many are in the planner, or between it and the motors.
        """
        made = self._moves.blocks
        answered = bisect_right(self._moves.numbers, acknowledged, self.first, self.end)
        return bisect_left(made, made[answered] - blocks, self.first, answered)

    def near(self, x_mm: float, y_mm: float) -> list[int]:
        """List the moves of the window over whose box, seen from above, a position lies."""
        x, y, boxes = x_mm, y_mm, self._moves.boxes[self.first : self.end]
        return [
            index
            for index, (low_x, high_x, low_y, high_y) in enumerate(boxes, self.first)
            if low_x <= x <= high_x and low_y <= y <= high_y
        ]

    def _take_in(self) -> bool:
        """Take in a group of moves, column by column; tell whether there were any."""
        moves = self._moves
        legs = list(islice(self._ahead, GROUP))
        if math.isnan(sum(map(sum, [leg.end_mm for leg in legs]))):
            legs = list(_all_settled(legs, self._start_mm))
        starts_mm = [self._start_mm, *[leg.end_mm for leg in legs]]
        self._start_mm = starts_mm.pop()
        lengths_mm = list(map(length_mm, starts_mm, legs))
        lasts_s = list(map(self._pace.least_s, starts_mm, legs, lengths_mm))
        # the last of these is when the next group can begin
        soonest_s = moves.soonest_s.pop()
        moves.soonest_s += accumulate(lasts_s, initial=soonest_s)
        moves.starts_mm += starts_mm
        moves.legs += legs
        moves.lengths_mm += lengths_mm
        moves.lasts_s += lasts_s
        moves.numbers += [leg.number for leg in legs]
        moves.boxes += map(self._box, starts_mm, legs)
        moves.blocks += self._blocks(legs)
        return bool(legs)

    def _blocks(self, legs: list[Leg]) -> Iterator[int]:
        """Count the blocks that are surely made up to the end of each move."""
        made, block_mm, least_mm = self._moves.blocks[-1], self._block_mm, self._least_mm
        for leg in legs:
            # moves of less than a step make none, but not all of them once they have come that far
            if leg.centre_mm is not None or math.dist(block_mm, leg.end_mm) > least_mm:
                block_mm = leg.end_mm
                made += 1
            yield made
        self._block_mm = block_mm

    def _box(self, start_mm: Point, leg: Leg) -> Box:
        """Bound the places that are on a move, as seen from above."""
        by_mm = self._tolerance_mm
        if leg.centre_mm is not None:
            (x, y), radius_mm = leg.centre_mm, by_mm + widest_mm(start_mm, leg)
            return x - radius_mm, x + radius_mm, y - radius_mm, y + radius_mm
        (sx, sy, _), (ex, ey, _) = start_mm, leg.end_mm
        low_x, high_x = (sx, ex) if sx <= ex else (ex, sx)
        low_y, high_y = (sy, ey) if sy <= ey else (ey, sy)
        return low_x - by_mm, high_x + by_mm, low_y - by_mm, high_y + by_mm


@dataclass(slots=True)
class _Moves:
    """What is known of each move at hand, in columns; when the next can begin, and the blocks before each."""

    legs: list[Leg] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    starts_mm: list[Point] = field(default_factory=list)
    lengths_mm: list[float] = field(default_factory=list)
    lasts_s: list[float] = field(default_factory=list)
    soonest_s: list[float] = field(default_factory=lambda: [0.0])
    boxes: list[Box] = field(default_factory=list)
    blocks: list[int] = field(default_factory=lambda: [0])

    def forget(self, count: int) -> None:
        """Let go of the first moves."""
        for column in (
            self.legs,
            self.numbers,
            self.starts_mm,
            self.lengths_mm,
            self.lasts_s,
            self.soonest_s,
            self.boxes,
            self.blocks,
        ):
            del column[:count]


def _all_settled(legs: list[Leg], tip_mm: Point) -> Iterator[Leg]:
    for leg in legs:
        there = settled(leg, tip_mm)
        yield there
        tip_mm = there.end_mm


class Pace:
    """How long a move takes at the very least, whatever the overrides.

    Parameters
    ----------
    rates_mm_s : (x, y, z) float, optional
        Fastest each axis can be; without them each can be as fast as the feed wants.

    Examples
    --------
    >>> pace = Pace((100.0, 100.0, 10.0))
    >>> pace.least_s((0.0, 0.0, 0.0), Leg(1, (50.0, 0.0, -10.0), feed_mm_min=math.inf), 51.0)
    1.0
    >>> pace.least_s((0.0, 0.0, 0.0), Leg(1, (50.0, 0.0, 0.0), feed_mm_min=600.0), 50.0)
    2.5
    """

    def __init__(self, rates_mm_s: Point | None) -> None:
        x, y, z = (1 / rate if rate else 0.0 for rate in rates_mm_s or (math.inf,) * 3)
        self._s_per_mm = x, y, z
        self._across_s_per_mm = 1 / math.hypot(*rates_mm_s) if rates_mm_s and any(rates_mm_s) else 0.0

    def least_s(self, start_mm: Point, leg: Leg, way_mm: float) -> float:
        """Return how long a move takes at least, s, with every override at its highest."""
        feed = leg.feed_mm_min
        by_feed_s = 60 / MOST_OVERRIDE * way_mm / feed if feed else 0.0
        if leg.centre_mm is not None:
            return max(by_feed_s, way_mm * self._across_s_per_mm)
        (sx, sy, sz), (ex, ey, ez), (x, y, z) = start_mm, leg.end_mm, self._s_per_mm
        return max(by_feed_s, abs(ex - sx) * x, abs(ey - sy) * y, abs(ez - sz) * z)
