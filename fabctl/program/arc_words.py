"""One arc as a line of a program says it: by centre or by radius, in any plane.

Source: NIST RS274/NGC version 3, section 3.5.3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.program.arcs import centre_of_radius
from fabctl.program.modal import Modes, Point, Sheet
from fabctl.program.planes import plane_arc
from fabctl.toolpath.moves import FEED

PLANE_AXES = {17: (0, 1), 18: (2, 0), 19: (1, 2)}
"""First and second axis of G17, G18 and G19, right-handed."""


def arm_to_centre(
    modes: Modes, sheet: Sheet, number: int, words: dict[str, float], begin: Point, end: Point
) -> tuple[float, float] | None:
    """Return the way from an arc's start to its centre.

    Parameters
    ----------
    modes : Modes
        Plane, direction and units are in force.
    sheet : Sheet
        Is told of a radius too small for the arc's ends.
    number : int
        The line.
    words : dict of str to float
        R, or what there is of I, J and K.
    begin, end : (3,) list of float
        mm.

    Returns
    -------
    (float, float) or None
        In the plane's axes, mm; None when no word says it.
    """
    a, b = PLANE_AXES[modes.plane]
    if "R" in words:
        radius = words["R"] * modes.unit_mm
        way = np.array([[end[a] - begin[a], end[b] - begin[b]]])
        ij, short = centre_of_radius(way, np.array([radius]), np.array([modes.motion == 2]))
        if short[0]:
            sheet.notes.add("arc-radius-small", number, small_radius(radius, way[0]))
        return float(ij[0, 0]), float(ij[0, 1])
    first, second = "IJK"[a], "IJK"[b]
    if first not in words and second not in words:
        return None
    shift = [modes.shift[i] - begin[i] if modes.arc_absolute else 0.0 for i in (a, b)]
    return (
        words.get(first, 0.0) * modes.unit_mm + shift[0],
        words.get(second, 0.0) * modes.unit_mm + shift[1],
    )


def add_chords(
    modes: Modes, sheet: Sheet, number: int, begin: Point, end: Point, arm: tuple[float, float]
) -> None:
    """Add an arc that no G2 or G3 of G17 can say, as straight lines.

    Parameters
    ----------
    modes : Modes
        Ends where the arc ends.
    sheet : Sheet
    number : int
        The line.
    begin, end : (3,) list of float
        mm.
    arm : (float, float)
        As `arm_to_centre` says.
    """
    sheet.notes.add("arc-plane" if modes.plane != 17 else "feed-inverse", number)
    axes, clockwise = PLANE_AXES[modes.plane], modes.motion == 2
    points = plane_arc(np.array(begin), np.array(end), np.array(arm), axes, clockwise=clockwise)
    rate = modes.feed
    if modes.inverse_feed:
        steps = np.diff(points, axis=0, prepend=[begin])
        modes.feed = rate * float(np.sqrt((steps**2).sum(axis=1)).sum())
    for point in points.tolist():
        modes.position = point
        sheet.row(modes, number, FEED)
    modes.feed = rate


def small_radius(radius_mm: float, way: NDArray[np.float64]) -> str:
    """Say how far a radius falls short of half its chord; the way is (2,) float64, mm."""
    return f"{abs(radius_mm):.4g} mm is less than half the way of {float(np.hypot(*way)):.4g} mm"
