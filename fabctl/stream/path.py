"""Where on the planned path a reported position lies: what is executed, and whether the machine strayed.

No numpy here: a window holds the few dozen moves that are under way, looked at five times a second.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from fabctl.stream.replies import Point

TURN = 2 * math.pi
SEGMENTS = 6
"""A block leaves the planner once it is cut into segments; so many of those wait for the stepper (Grbl 1.1
stepper.c), each of another block when moves are short."""


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
    ) -> None:
        self._legs: Iterator[Leg] = iter(legs)
        self._next: Leg | None = next(self._legs, None)
        self._tip = start_mm
        self._window: deque[tuple[Point, Leg]] = deque()
        self._tolerance_mm = tolerance_mm
        self._blocks = blocks
        self._least_mm = least_mm
        self._proven = 0
        self._near = 0
        self.watches = self._next is not None

    @property
    def end_mm(self) -> Point:
        """Where the moves taken so far end; after the last line was sent, the program's end."""
        return self._tip

    def locate(self, position_mm: Point, sent: int, acknowledged: int) -> Place:
        """Place a reported position on the path.

        Parameters
        ----------
        position_mm : (x, y, z) float
            Work coordinates, mm.
        sent, acknowledged : int
            Lines of the program, as counted when the report came.

        Returns
        -------
        Place
            `at_least` never goes back.
        """
        self._extend(sent)
        self._forget(acknowledged)
        if not self.watches or not self._window:
            return Place(self._proven, sent, 0.0)
        offs = [distance_mm(position_mm, start, leg) for start, leg in self._window]
        near = [index for index, off in enumerate(offs) if off <= self._tolerance_mm]
        if not near:
            return Place(self._proven, sent, min(offs))
        at_most = self._window[near[-1]][1].number
        self._near = near[-1] - near[0] + 1
        for _ in range(near[0]):
            self._window.popleft()
        # lines before the first move that fits are done; that move's own line is under way
        self._proven = max(self._proven, self._window[0][1].number - 1)
        return Place(self._proven, at_most, 0.0)

    def near(self) -> list[Leg]:
        """Return the legs that may be under way at the place located last, and those prepared behind them."""
        return [leg for _, leg in islice(self._window, self._near + SEGMENTS)]

    def take_all(self, sent: int) -> Point:
        """Take the moves of all lines sent and return where they end, mm, work coordinates."""
        self._extend(sent)
        return self._tip

    def _extend(self, sent: int) -> None:
        while self._next is not None and self._next.number <= sent:
            leg = _settled(self._next, self._tip)
            self._window.append((self._tip, leg))
            self._tip = leg.end_mm
            self._next = next(self._legs, None)

    def _forget(self, acknowledged: int) -> None:
        # an acknowledged move is at least in the planner, which holds only so many
        queued = [
            index
            for index, (start, leg) in enumerate(self._window)
            if leg.number <= acknowledged and _takes_a_block(start, leg, self._least_mm)
        ]
        under_way = self._blocks + SEGMENTS + 1
        if len(queued) > under_way:
            for _ in range(queued[-under_way]):
                self._window.popleft()
            self._proven = max(self._proven, self._window[0][1].number - 1)


def _settled(leg: Leg, tip_mm: Point) -> Leg:
    """Let axes that a leg does not name stay where they are."""
    if not math.isnan(sum(leg.end_mm)):
        return leg
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
    sense = -1.0 if leg.clockwise else 1.0
    first = math.atan2(start[1] - centre[1], start[0] - centre[0])
    last = math.atan2(leg.end_mm[1] - centre[1], leg.end_mm[0] - centre[0])
    here = math.atan2(point[1] - centre[1], point[0] - centre[0])
    # an arc that ends where it starts is a full circle, as Grbl holds it (5e-7 rad)
    sweep = (sense * (last - first)) % TURN
    sweep = TURN if sweep <= 5e-7 else sweep
    turned = (sense * (here - first)) % TURN
    ends = min(math.dist(point, start), math.dist(point, leg.end_mm))
    if turned > sweep:
        return ends
    radius = math.dist(start[:2], centre)
    grown = math.dist(leg.end_mm[:2], centre) - radius
    share = turned / sweep
    across = math.dist(point[:2], centre) - (radius + grown * share)
    height = point[2] - (start[2] + (leg.end_mm[2] - start[2]) * share)
    return min(ends, math.hypot(across, height))


def _takes_a_block(start: Point, leg: Leg, least_mm: float) -> bool:
    return leg.centre_mm is not None or math.dist(start, leg.end_mm) > least_mm
