"""One planned move: how long it is, how far a position is from it, and where on it a position can be."""

from __future__ import annotations

import math
from typing import NamedTuple

from fabctl.stream.replies import Point

TURN = 2 * math.pi


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


def settled(leg: Leg, tip_mm: Point) -> Leg:
    """Let axes that a leg does not name stay where they are.

    Examples
    --------
    >>> settled(Leg(1, (math.nan, 5.0, math.nan)), (1.0, 2.0, 3.0)).end_mm
    (1.0, 5.0, 3.0)
    """
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
        (px, py, pz), (sx, sy, sz), (ex, ey, ez) = point_mm, start_mm, leg.end_mm
        ax, ay, az = ex - sx, ey - sy, ez - sz
        square = ax * ax + ay * ay + az * az
        made = ax * (px - sx) + ay * (py - sy) + az * (pz - sz)
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


def length_mm(start_mm: Point, leg: Leg) -> float:
    """Measure the way along a move, mm."""
    if leg.centre_mm is None:
        return math.dist(start_mm, leg.end_mm)
    _, sweep = _turned(start_mm, start_mm, leg, leg.centre_mm)
    return math.hypot(sweep * math.dist(start_mm[:2], leg.centre_mm), leg.end_mm[2] - start_mm[2])


def widest_mm(start_mm: Point, leg: Leg) -> float:
    """Return how far an arc gets from its centre, seen from above, mm; of a straight move 0.

    Examples
    --------
    >>> widest_mm((1.0, 0.0, 0.0), Leg(1, (0.0, 1.1, 0.0), (0.0, 0.0)))
    1.1
    """
    if leg.centre_mm is None:
        return 0.0
    return max(math.dist(start_mm[:2], leg.centre_mm), math.dist(leg.end_mm[:2], leg.centre_mm))
