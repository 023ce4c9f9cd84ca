"""Where on the planned path a reported position lies: what is executed, and whether the machine strayed.

No numpy here: a window holds the few dozen moves that are under way, looked at ten times a second.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from fabctl.stream.leg import Leg, distance_mm, shares
from fabctl.stream.replies import Point
from fabctl.stream.ways import Way, Ways

SEGMENTS = 6
"""A block leaves the planner once it is cut into segments; so many of those wait for the stepper (Grbl 1.1
stepper.c), each of another block when moves are short."""
LEAST_BLUR_S = 0.005


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
        The whole path in order; taken only little farther than lines are sent.
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

    Attributes
    ----------
    in_order : bool
        Whether the places located so far can follow each other on the path. A move that is left out, or not
        made to its end, leaves no place beside the path.

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
        self._ways = Ways(legs, start_mm, tolerance_mm, least_mm, rates_mm_s)
        self._tolerance_mm = tolerance_mm
        self._under_way = blocks + SEGMENTS + 1
        self._proven = 0
        self._legs_near: list[Leg] = []
        # when, on the path's own clock, the machine can be at the place located last
        self._places_s = [0.0]
        self._paced = rates_mm_s is not None
        self.in_order = True
        self.watches = self._ways.planned

    @property
    def end_mm(self) -> Point:
        """Where the moves taken so far end; after the last line was sent, the program's end."""
        return self._ways.tip_mm

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
        ways = self._ways
        ways.send(sent)
        self._forget(acknowledged)
        if ways.first == ways.end:
            return Place(self._proven, sent, 0.0)
        near = [
            index
            for index in ways.near(position_mm[0], position_mm[1])
            if distance_mm(position_mm, ways[index].start_mm, ways[index].leg) <= self._tolerance_mm
        ]
        if not near:
            off_mm = min(distance_mm(position_mm, way.start_mm, way.leg) for way in ways.window())
            return Place(self._proven, sent, off_mm)
        first, last = near[0], near[-1]
        if self._paced:
            self._follow(position_mm, [ways[index] for index in near], within_s)
        # lines before the first move that fits are done; that move's own line is under way
        self._proven = max(self._proven, ways[first].leg.number - 1)
        self._legs_near = ways.legs(first, last + SEGMENTS)
        place = Place(self._proven, ways[last].leg.number, 0.0)
        ways.over(first)
        return place

    def near(self) -> list[Leg]:
        """Return the legs that may be under way at the place located last, and those prepared behind them."""
        return self._legs_near

    def anywhere(self) -> None:
        """Forget where the machine was: a person may have moved it."""
        self._places_s.clear()
        self.in_order = True

    def take_all(self, sent: int) -> Point:
        """Take the moves of all lines sent and return where they end, mm, work coordinates."""
        self._ways.send(sent)
        return self._ways.tip_mm

    def _forget(self, acknowledged: int) -> None:
        """Let go of what was answered so long ago that the planner cannot hold it any more."""
        ways = self._ways
        first = ways.beyond(acknowledged, self._under_way)
        if first > ways.first:
            self._proven = max(self._proven, ways[first].leg.number - 1)
            ways.over(first)

    def _follow(self, position_mm: Point, near: list[Way], within_s: float) -> None:
        """Keep those places that can have been reached from one of the places before."""
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


def _blur_s(way: Way, tolerance_mm: float) -> float:
    """Return what a position's inaccuracy makes of a time on a move, s."""
    share = 2 * tolerance_mm / way.length_mm if way.length_mm else 0.0
    return LEAST_BLUR_S + share * way.lasts_s
