"""Arcs outside the XY plane, which MOVE does not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHORD_MM = 0.002
"""Largest distance between chord and arc: Grbl's own default ($12)."""


def plane_arc(begin: Floats, end: Floats, arm: Floats, plane: tuple[int, int], *, clockwise: bool) -> Floats:
    """Return the points of an arc's chords.

    Parameters
    ----------
    begin, end : (3,) float64
        mm.
    arm : (2,) float64
        From the start to the centre, in the plane's axes, mm.
    plane : (int, int)
        The plane's first and second axis, right-handed.
    clockwise : bool

    Returns
    -------
    (k, 3) float64
        Ends of the chords, the arc's own end last; the third axis rises evenly.

    Examples
    --------
    >>> half = plane_arc(np.zeros(3), np.array([2.0, 0, 0]), np.array([0.0, 1.0]), (2, 0), clockwise=False)
    >>> bool(np.allclose(np.hypot(half[:, 2], half[:, 0] - 1), 1)), half[-1].tolist()
    (True, [2.0, 0.0, 0.0])
    """
    a, b = plane
    first = -arm
    last = np.array([end[a] - begin[a], end[b] - begin[b]]) - arm
    turn = np.arctan2(first[0] * last[1] - first[1] * last[0], first @ last)
    if clockwise and turn >= -5e-7:
        turn -= 2 * np.pi
    elif not clockwise and turn <= 5e-7:
        turn += 2 * np.pi
    radius, radius_end = float(np.hypot(*first)), float(np.hypot(*last))
    step = 2 * np.arccos(max(1 - CHORD_MM / max(radius, CHORD_MM), -1.0))
    count = max(int(np.ceil(abs(turn) / max(step, 1e-6))), 1)
    share = np.arange(1, count + 1) / count
    angle = np.arctan2(first[1], first[0]) + share * turn
    reach = (1 - share) * radius + share * radius_end
    points: Floats = begin + share[:, None] * (end - begin)
    points[:, a] = begin[a] + arm[0] + reach * np.cos(angle)
    points[:, b] = begin[b] + arm[1] + reach * np.sin(angle)
    points[-1] = end
    return points
