"""Arcs as Grbl sees them: the centre from R or I J K, its checks, and the chords they become.

Source: Grbl 1.1h, grbl/gcode.c (checks) and grbl/motion_control.c (chords).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fabctl.sim.words import RejectedError

PLANES: tuple[tuple[int, int, int], ...] = ((0, 1, 2), (2, 0, 1), (1, 2, 0))
"""First, second and linear axis of G17, G18 and G19."""

FULL_TURN_BELOW_RAD = 5e-7
"""An arc that turns less than this, or the wrong way, is a full turn more."""


@dataclass(slots=True, frozen=True)
class Arc:
    """A checked arc in its plane: centre from the start, in mm."""

    centre: tuple[float, float]
    radius_mm: float
    clockwise: bool
    plane: int


def centre_of_radius(dx: float, dy: float, radius: float, *, clockwise: bool) -> tuple[float, float]:
    """Return the centre (from the start, mm) of the arc with a given R; negative R turns over 180 deg.

    Raises
    ------
    RejectedError
        error:34 when the chord is longer than the diameter, error:33 when there is no chord.

    Examples
    --------
    >>> centre_of_radius(10, 0, 5, clockwise=True)
    (5.0, 0.0)
    """
    square = 4.0 * radius * radius - dx * dx - dy * dy
    if square < 0:
        raise RejectedError(34)
    if dx == dy == 0:
        raise RejectedError(33)
    ratio = -math.sqrt(square) / math.hypot(dx, dy)
    if not clockwise:
        ratio = -ratio
    if radius < 0:
        ratio = -ratio
    return 0.5 * (dx - dy * ratio), 0.5 * (dy + dx * ratio) + 0.0


def check_radii(dx: float, dy: float, centre: tuple[float, float]) -> float:
    """Return the start radius in mm of an arc given by its centre.

    Raises
    ------
    RejectedError
        error:33 when the end lies off the circle by more than 0.5 mm, or by more than 0.005 mm and
        0.1 % of the radius.
    """
    radius = math.hypot(*centre)
    off = abs(math.hypot(dx - centre[0], dy - centre[1]) - radius)
    if off > 0.5 or (off > 0.005 and off > 0.001 * radius):
        raise RejectedError(33)
    return radius


def turn_rad(start: tuple[float, float], end: tuple[float, float], *, clockwise: bool) -> float:
    """Return the signed angle from one radius vector to another, in (0, 2π] along the arc's sense."""
    (r0, r1), (t0, t1) = start, end
    angle = math.atan2(r0 * t1 - r1 * t0, r0 * t0 + r1 * t1)
    if clockwise:
        return angle - 2 * math.pi if angle >= -FULL_TURN_BELOW_RAD else angle
    return angle + 2 * math.pi if angle <= FULL_TURN_BELOW_RAD else angle


def chord_count(angle_rad: float, radius_mm: float, tolerance_mm: float) -> int:
    """Return into how many chords an arc is cut at ``$12``.

    Examples
    --------
    >>> chord_count(2 * math.pi, 20.0, 0.002)
    222
    """
    square = tolerance_mm * (2 * radius_mm - tolerance_mm)
    return int(abs(0.5 * angle_rad * radius_mm) / math.sqrt(square)) if square > 0 else 0


def chords(start: list[float], target: list[float], arc: Arc, tolerance_mm: float) -> Iterator[list[float]]:
    """Yield the end points of an arc's chords, the last one being the target itself.

    Parameters
    ----------
    start, target : list of 3 float
        Machine coordinates in mm.
    arc : Arc
        The checked arc.
    tolerance_mm : float
        ``$12``.
    """
    first, second, linear = PLANES[arc.plane]
    c0, c1 = start[first] + arc.centre[0], start[second] + arc.centre[1]
    radius_vector = (-arc.centre[0], -arc.centre[1])
    angle = turn_rad(radius_vector, (target[first] - c0, target[second] - c1), clockwise=arc.clockwise)
    count = chord_count(angle, arc.radius_mm, tolerance_mm)
    # One chord at a time: the planner takes them as it has room, and a reset may end the arc midway.
    for index in range(1, count):
        turned = angle * index / count
        cos, sin = math.cos(turned), math.sin(turned)
        point = list(start)
        point[first] = c0 + radius_vector[0] * cos - radius_vector[1] * sin
        point[second] = c1 + radius_vector[0] * sin + radius_vector[1] * cos
        point[linear] = start[linear] + (target[linear] - start[linear]) * index / count
        yield point
    yield target
