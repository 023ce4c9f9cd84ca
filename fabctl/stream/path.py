"""Where on the planned path a reported position lies: what is executed, and whether the machine strayed.

No numpy here: a window holds the few dozen moves that are under way, looked at five times a second.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fabctl.stream.replies import Point

TURN = 2 * math.pi
SEGMENTS = 6
"""A block leaves the planner once it is cut into segments; so many of those wait for the stepper (Grbl 1.1
stepper.c), each of another block when moves are short."""


MOST_OVERRIDE = 2.0
"""Grbl lets the feed be doubled."""
LEAST_BLUR_S = 0.005


class Leg(NamedTuple):
    """One planned move of a program.

    Parameters
    ----------
    number : int
        The line that makes it, from 1; never decreasing along a path.
    end_mm : (x, y, z) float
        Where it ends, mm, work coordinates; nan for an axis the program has not named yet: it stays.
    centre_mm : (x, y) float, optional
        An arc's centre, mm, work coordinates; None for a straight move.
    clockwise : bool
        The arc's sense.
    feed_mm_min : float, optional
        Programmed feed; infinite for a rapid, None when not known.
    power : float, optional
        Share of the head's full scale, 0..1; None when not known.
    """

    number: int
    end_mm: Point
    centre_mm: tuple[float, float] | None = None
    clockwise: bool = False
    feed_mm_min: float | None = None
    power: float | None = None


class Place(NamedTuple):
    """What a position proves.

    Parameters
    ----------
    at_least, at_most : int
        Lines wholly executed, and lines possibly begun.
    off_mm : float
        Distance to the nearest move under way, mm; 0 when there is nothing to compare with.
    """

    at_least: int
    at_most: int
    off_mm: float


class _Way(NamedTuple):
    """A leg in the window: from where, its length, when it begins and how long it lasts at best.

    With it a block was surely made: by itself or by one of the tiny moves just before.
    """

    start_mm: Point
    leg: Leg
    length_mm: float
    soonest_s: float
    lasts_s: float
    makes_a_block: bool


class _Pace:
    """How soon each place of a path can be reached, and which places the machine can be at.

    Parameters
    ----------
    tolerance_mm : float
    rates_mm_s : (x, y, z) float, optional
        Without them every place can be reached at once.
    start_mm : (x, y, z) float
        Where the path begins.
    least_mm : float
        A shorter way may be less than a step.
    """

    def __init__(
        self, tolerance_mm: float, rates_mm_s: Point | None, start_mm: Point, least_mm: float
    ) -> None:
        self._tolerance_mm = tolerance_mm
        self._block_mm = start_mm
        self._least_mm = least_mm
        self._rates_mm_s = rates_mm_s
        self._slowest_mm_s = min(rates_mm_s) if rates_mm_s else 0.0
        self._soonest_s = 0.0
        self._places_s = [0.0]
        self.in_order = True

    def way(self, start_mm: Point, leg: Leg) -> _Way:
        """Put a leg behind those before."""
        begin_s, length_mm = self._soonest_s, _length_mm(start_mm, leg)
        lasts_s = self._lasts_s(start_mm, leg, length_mm)
        self._soonest_s = begin_s + lasts_s
        # moves of less than a step make none, but not all of them once they have come that far
        block = leg.centre_mm is not None or math.dist(self._block_mm, leg.end_mm) > self._least_mm
        if block:
            self._block_mm = leg.end_mm
        return _Way(start_mm, leg, length_mm, begin_s, lasts_s, block)

    def _lasts_s(self, start_mm: Point, leg: Leg, length_mm: float) -> float:
        """Return how long a move takes at the very least, whatever the overrides, s."""
        feed = leg.feed_mm_min
        quickest_mm_s = math.inf if feed is None else MOST_OVERRIDE * feed / 60
        by_feed_s = length_mm / quickest_mm_s if quickest_mm_s > 0 else 0.0
        if self._rates_mm_s is None:
            return 0.0
        # no axis can be slower than that
        if 0 < quickest_mm_s <= self._slowest_mm_s:
            return by_feed_s
        if leg.centre_mm is not None:
            return max(by_feed_s, length_mm / math.hypot(*self._rates_mm_s))
        (sx, sy, sz), (ex, ey, ez), (rx, ry, rz) = start_mm, leg.end_mm, self._rates_mm_s
        # axis by axis: this is done for every line
        by_axis_s = (
            abs(ex - sx) / rx if rx else 0.0,
            abs(ey - sy) / ry if ry else 0.0,
            abs(ez - sz) / rz if rz else 0.0,
        )
        return max(by_feed_s, *by_axis_s)

    def forget(self) -> None:
        """Let the machine be anywhere."""
        self._places_s.clear()
        self.in_order = True

    def follow(self, position_mm: Point, near: list[_Way], within_s: float) -> None:
        """Keep those places that can have been reached from one of the places before."""
        if self._rates_mm_s is None:
            return
        before_s = self._places_s
        places, followed = [], []
        for way in near:
            blur_s = _blur_s(way, self._tolerance_mm)
            for share in shares(position_mm, way.start_mm, way.leg, self._tolerance_mm):
                place_s = way.soonest_s + share * way.lasts_s
                places.append(place_s)
                # the first of the places before that is not too long ago
                index = bisect_left(before_s, place_s - within_s - blur_s)
                if index < len(before_s) and before_s[index] <= place_s + blur_s:
                    followed.append(place_s)
        self.in_order = bool(followed) or not before_s
        self._places_s = sorted(followed or places)


class PathWatch:
    """The moves between the last proven and the last sent line.

    Parameters
    ----------
    legs : iterable of Leg
        The whole path in order; taken only as far as lines are sent.
    start_mm : (x, y, z) float
        Where the machine stands before the first move, work coordinates.
    tolerance_mm : float
        How far from a move a position may lie and still be on it.
    blocks : int
        Blocks the controller's planner holds: older acknowledged moves are surely executed.
    least_mm : float
        A shorter move may be less than a step and take no block.
    rates_mm_s : (x, y, z) float, optional
        Fastest each axis can be: then a place is also asked whether it can have been reached so soon.

    Examples
    --------
    >>> watch = PathWatch([Leg(1, (10, 0, 0)), Leg(2, (10, 10, 0))], (0, 0, 0), 0.05, 15)
    >>> watch.locate((10.0, 4.0, 0.0), sent=2, acknowledged=2)
    Place(at_least=1, at_most=2, off_mm=0.0)
    >>> watch.locate((12.0, 4.0, 0.0), sent=2, acknowledged=2).off_mm
    2.0
    """

    def __init__(
        self,
        legs: Iterable[Leg],
        start_mm: Point,
        tolerance_mm: float,
        blocks: int,
        least_mm: float = 0.0,
        rates_mm_s: Point | None = None,
    ) -> None:
        self._legs: Iterator[Leg] = iter(legs)
        self._next: Leg | None = next(self._legs, None)
        self._tip = start_mm
        # moves whose line is answered, and those behind them
        self._queued: deque[_Way] = deque()
        self._waiting: deque[_Way] = deque()
        self._queued_blocks = 0
        self._tolerance_mm = tolerance_mm
        self._blocks = blocks
        self._proven = 0
        self._legs_near: list[Leg] = []
        self._pace = _Pace(tolerance_mm, rates_mm_s, start_mm, least_mm)
        self.watches = self._next is not None

    @property
    def end_mm(self) -> Point:
        """Where the moves taken so far end; after the last line was sent, the program's end."""
        return self._tip

    def locate(self, position_mm: Point, sent: int, acknowledged: int, within_s: float = math.inf) -> Place:
        """Place a reported position on the path.

        Parameters
        ----------
        position_mm : (x, y, z) float
            Work coordinates, mm.
        sent, acknowledged : int
            Lines of the program, as counted when the report came.
        within_s : float
            The longest time since the place before, s.

        Returns
        -------
        Place
            `at_least` never goes back.
        """
        self._extend(sent)
        self._forget(acknowledged)
        window = [*self._queued, *self._waiting]
        if not window:
            return Place(self._proven, sent, 0.0)
        near = _near(position_mm, window, self._tolerance_mm)
        if not near:
            return Place(
                self._proven, sent, min(distance_mm(position_mm, way.start_mm, way.leg) for way in window)
            )
        first, last = near[0], near[-1]
        self._pace.follow(position_mm, [window[index] for index in near], within_s)
        self._drop(first)
        self._legs_near = [way.leg for way in window[first : last + 1 + SEGMENTS]]
        # lines before the first move that fits are done; that move's own line is under way
        self._proven = max(self._proven, window[first].leg.number - 1)
        return Place(self._proven, window[last].leg.number, 0.0)

    def near(self) -> list[Leg]:
        """Return the legs that may be under way at the place located last, and those prepared behind them."""
        return self._legs_near

    @property
    def in_order(self) -> bool:
        """Whether the places located so far can follow each other on the path.

        A move that is left out, or not made to its end, leaves no place beside the path.
        """
        return self._pace.in_order

    def anywhere(self) -> None:
        """Forget where the machine was: a person may have moved it."""
        self._pace.forget()

    def take_all(self, sent: int) -> Point:
        """Take the moves of all lines sent and return where they end, mm, work coordinates."""
        self._extend(sent)
        return self._tip

    def _extend(self, sent: int) -> None:
        leg, tip_mm = self._next, self._tip
        while leg is not None and leg.number <= sent:
            if math.isnan(sum(leg.end_mm)):
                leg = _settled(leg, tip_mm)
            self._waiting.append(self._pace.way(tip_mm, leg))
            tip_mm = leg.end_mm
            leg = next(self._legs, None)
        self._next, self._tip = leg, tip_mm

    def _forget(self, acknowledged: int) -> None:
        """Take over what was answered: it is at least in the planner, which holds only so many."""
        waiting, queued = self._waiting, self._queued
        while waiting and waiting[0].leg.number <= acknowledged:
            way = waiting.popleft()
            queued.append(way)
            self._queued_blocks += way.makes_a_block
        under_way = self._blocks + SEGMENTS + 1
        if self._queued_blocks > under_way:
            while self._queued_blocks > under_way:
                self._drop(1)
            self._proven = max(self._proven, queued[0].leg.number - 1)

    def _drop(self, count: int) -> None:
        """Let go of the oldest moves."""
        for _ in range(count):
            if self._queued:
                self._queued_blocks -= self._queued.popleft().makes_a_block
            else:
                self._waiting.popleft()


def _near(point: Point, window: list[_Way], tolerance_mm: float) -> list[int]:
    """List the moves a point lies on; most lie elsewhere, and are told so by one comparison."""
    x, y, _ = point
    low_x, high_x, low_y, high_y = x - tolerance_mm, x + tolerance_mm, y - tolerance_mm, y + tolerance_mm
    found = []
    for index, (start, leg, _, _, _, _) in enumerate(window):
        (sx, sy, _), (ex, ey, _) = start, leg.end_mm
        beside = (
            (sx < low_x and ex < low_x)
            or (sx > high_x and ex > high_x)
            or (sy < low_y and ey < low_y)
            or (sy > high_y and ey > high_y)
        )
        if (not beside or leg.centre_mm is not None) and distance_mm(point, start, leg) <= tolerance_mm:
            found.append(index)
    return found


def _settled(leg: Leg, tip_mm: Point) -> Leg:
    """Let axes that a leg does not name stay where they are."""
    x, y, z = (here if math.isnan(end) else end for here, end in zip(tip_mm, leg.end_mm, strict=True))
    return leg._replace(end_mm=(x, y, z))


def distance_mm(point_mm: Point, start_mm: Point, leg: Leg) -> float:
    """Measure how far a point is from one move, mm.

    Examples
    --------
    >>> half = Leg(1, (-1.0, 0.0, 0.0), (0.0, 0.0))
    >>> round(distance_mm((0.0, 1.5, 0.0), (1.0, 0.0, 0.0), half), 9)
    0.5
    """
    if leg.centre_mm is None:
        return _from_line(point_mm, start_mm, leg.end_mm)
    return _from_arc(point_mm, start_mm, leg, leg.centre_mm)


def _from_line(point: Point, start: Point, end: Point) -> float:
    # axis by axis: dozens of these a report
    ax, ay, az = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    tx, ty, tz = point[0] - start[0], point[1] - start[1], point[2] - start[2]
    square = ax * ax + ay * ay + az * az
    share = 0.0 if square == 0 else min(1.0, max(0.0, (ax * tx + ay * ty + az * tz) / square))
    return math.dist((tx, ty, tz), (ax * share, ay * share, az * share))


def _from_arc(point: Point, start: Point, leg: Leg, centre: tuple[float, float]) -> float:
    turned, sweep = _turned(point, start, leg, centre)
    ends = min(math.dist(point, start), math.dist(point, leg.end_mm))
    if turned > sweep:
        return ends
    radius = math.dist(start[:2], centre)
    grown = math.dist(leg.end_mm[:2], centre) - radius
    share = turned / sweep
    across = math.dist(point[:2], centre) - (radius + grown * share)
    height = point[2] - (start[2] + (leg.end_mm[2] - start[2]) * share)
    return min(ends, math.hypot(across, height))


def shares(point_mm: Point, start_mm: Point, leg: Leg, tolerance_mm: float) -> list[float]:
    """Say at which shares of a move, 0 … 1, a point that lies on it can be.

    Examples
    --------
    >>> circle = Leg(1, (1.0, 0.0, 0.0), (0.0, 0.0))
    >>> shares((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), circle, 0.01)
    [0.25]
    >>> shares((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), circle, 0.01)
    [0.0, 0.0, 1.0]
    """
    ends = [
        share
        for share, end in ((0.0, start_mm), (1.0, leg.end_mm))
        if math.dist(point_mm, end) <= tolerance_mm
    ]
    if leg.centre_mm is None:
        along = [e - s for s, e in zip(start_mm, leg.end_mm, strict=True)]
        square = sum(a * a for a in along)
        made = sum(a * (p - s) for a, p, s in zip(along, point_mm, start_mm, strict=True))
        return [min(1.0, max(0.0, made / square)) if square else 0.0, *ends]
    turned, sweep = _turned(point_mm, start_mm, leg, leg.centre_mm)
    return [turned / sweep, *ends] if turned <= sweep else ends


def _turned(point: Point, start: Point, leg: Leg, centre: tuple[float, float]) -> tuple[float, float]:
    """Return how far round an arc a point is, and how far the arc goes, rad."""
    sense = -1.0 if leg.clockwise else 1.0
    first = math.atan2(start[1] - centre[1], start[0] - centre[0])
    last = math.atan2(leg.end_mm[1] - centre[1], leg.end_mm[0] - centre[0])
    here = math.atan2(point[1] - centre[1], point[0] - centre[0])
    # an arc that ends where it starts is a full circle, as Grbl holds it (5e-7 rad)
    sweep = (sense * (last - first)) % TURN
    return (sense * (here - first)) % TURN, TURN if sweep <= 5e-7 else sweep


def _length_mm(start: Point, leg: Leg) -> float:
    if leg.centre_mm is None:
        return math.dist(start, leg.end_mm)
    _, sweep = _turned(start, start, leg, leg.centre_mm)
    return math.hypot(sweep * math.dist(start[:2], leg.centre_mm), leg.end_mm[2] - start[2])


def _blur_s(way: _Way, tolerance_mm: float) -> float:
    """Return what a position's inaccuracy makes of a time on a move, s."""
    share = 2 * tolerance_mm / way.length_mm if way.length_mm else 0.0
    return LEAST_BLUR_S + share * way.lasts_s
