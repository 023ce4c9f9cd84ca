"""Crowding: contours so near each other that the cut of one takes away the other's part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves, flatten
from fabctl.geometry.nesting import Nesting, simple_polygons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHORD_MM = 0.01
"""Arcs are tested as chords this close, mm."""

SLACK_MM = 0.03
"""A part may lose this much, mm: chords of both contours and a slot drawn as wide as the tool."""

_OUTER = -1
_NONE = -2


def too_near(
    curves: Curves, sides: Sequence[str], width_mm: Floats, nesting: Nesting
) -> tuple[Ints, Ints, Floats]:
    """Find pairs of contours with less waste between them than the cut is wide.

    Parameters
    ----------
    curves : Curves
        m paths.
    sides : sequence of str
        ``outside``, ``inside`` or ``on`` of each.
    width_mm : (m,) float64
        Of each cut, mm; 0 for a path that does not count.
    nesting : Nesting
        Of the same paths.

    Returns
    -------
    first, second : (k,) int64
        Paths of each pair.
    gap_mm : (k,) float64
        mm; 0 where they cross or touch.

    Notes
    -----
    Only contours around the same waste can harm each other's part: what is cut outside, and the contour
    that is cut inside around it. Two holes may be as near as the part between them allows.

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> from fabctl.geometry.nesting import nest
    >>> box = np.array([[0.0, 0], [9, 0], [9, 9], [0, 9]])
    >>> paths = from_paths([(box, None, True), (box + [14, 0], None, True)])
    >>> [len(too_near(paths, ["outside"] * 2, np.full(2, w), nest(paths))[2]) for w in (3.0, 6.0)]
    [0, 1]
    """
    flat = flatten(curves, CHORD_MM)
    side = np.array(sides, np.str_)
    waste = np.full(len(curves), _NONE)
    inside, outside = side == "inside", side == "outside"
    waste[inside] = np.flatnonzero(inside)
    around = nesting.parent
    free = outside & ((around < 0) | inside[around])
    waste[free] = np.where(around[free] < 0, _OUTER, around[free])
    able = np.flatnonzero((waste != _NONE) & (width_mm > 0) & (np.diff(flat.offsets) > 2))
    if len(able) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    rings = np.asarray(shapely.get_exterior_ring(simple_polygons(flat.take(able))), object)
    i, j = shapely.STRtree(rings).query(rings, predicate="dwithin", distance=width_mm[able] - SLACK_MM)
    same = (i != j) & (waste[able[i]] == waste[able[j]])
    pairs = np.unique(np.sort(np.column_stack((i[same], j[same])), axis=1), axis=0)
    gap = np.asarray(shapely.distance(rings[pairs[:, 0]], rings[pairs[:, 1]]), np.float64)
    return able[pairs[:, 0]], able[pairs[:, 1]], gap
