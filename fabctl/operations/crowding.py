"""Crowding: contours so near each other that the cut of one takes away the other's part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves, flatten
from fabctl.geometry.nesting import Nesting, nest, simple_polygons

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Polygons = NDArray[np.object_]
Ints = NDArray[np.int64]

CHORD_MM = 0.01
"""Arcs are tested as chords this close, mm."""

SLACK_MM = 0.03
"""A part may lose this much, mm: chords of both contours and a slot drawn as wide as the tool."""

SNAP_MM = 0.05
"""Lines nearer than this meet, mm: as far apart as readers join ends."""

GRID_MM = 1e-3
"""Lines are cut into faces on a grid as fine as programs are written, mm."""

SPECK_MM2 = 1e-6
"""A path that encloses less than this is a line drawn there and back, mm²."""

_OUTER = -1
_NONE = -2


@dataclass(frozen=True)
class Crowded:
    """Pairs of contours too near each other.

    Parameters
    ----------
    first, second : (k,) int64
        Paths of each pair.
    gap_mm : (k,) float64
        mm; 0 where they cross or touch.
    place_mm : (k, 2) float64
        Where they are nearest, mm.
    """

    first: Ints
    second: Ints
    gap_mm: Floats
    place_mm: Floats


def sides_of(curves: Curves, nesting: Nesting) -> list[str]:
    """Choose a side for each path: outermost outside, inner ones inside, islands outside again.

    Parameters
    ----------
    curves : Curves
        m paths.
    nesting : Nesting
        Of the same paths.

    Returns
    -------
    list of str
        ``outside``, ``inside``, or ``on`` for a path that is open or encloses nothing. One that crosses
        itself encloses something whatever its signed area: no operation may take it for a line.
    """
    names = np.array(["outside", "inside", "on"])
    flat = flatten(curves, CHORD_MM)
    depth = nesting.depth + _behind_shared_edges(curves, flat, nesting)
    number = np.where(curves.closed & (nesting.depth >= 0), depth % 2, 2)
    rows = np.flatnonzero((number == 2) & curves.closed & (np.diff(flat.offsets) > 2))
    number[rows[shapely.area(shapely.make_valid(simple_polygons(flat.take(rows)))) > SPECK_MM2]] = 0
    return [str(name) for name in names[number]]


def _behind_shared_edges(curves: Curves, flat: Curves, nesting: Nesting) -> Bools:
    """Say which paths lie in a part whose outline is partly its neighbour's, (m,).

    Parts drawn edge to edge share lines, and a line drawn twice is read once: the second part's outline is
    open then, and what lies in it would count as outermost. The faces between all lines tell better.
    """
    hidden = np.zeros(len(curves), bool)
    roots = np.flatnonzero(nesting.depth == 0)
    if curves.closed.all() or not len(roots):
        return hidden
    lines = _lines(flat)
    whole = shapely.union_all(_faces(lines, curves.closed))
    shapely.prepare(whole)
    inner = roots[shapely.contains_properly(whole, simple_polygons(flat.take(roots)))]
    touching = shapely.STRtree(lines).query(lines[inner], predicate="dwithin", distance=CHORD_MM)
    alone = np.bincount(touching[0], minlength=len(inner)) == 1  # each finds itself
    hidden[inner[alone]] = True
    for _ in range(int(nesting.depth.max(initial=0))):  # one turn a level of nesting: few
        hidden |= np.where(nesting.parent >= 0, hidden[nesting.parent], False)
    return hidden


def _faces(lines: Polygons, closed: Bools) -> Polygons:
    """List the faces that open lines make with each other and with the contours they meet, shape (n,)."""
    opened = np.flatnonzero(~closed)
    tree = shapely.STRtree(lines)
    near = np.union1d(opened, tree.query(lines[opened], predicate="dwithin", distance=SNAP_MM)[1])
    ends = np.concatenate((shapely.get_point(lines[opened], 0), shapely.get_point(lines[opened], -1)))
    end, other = tree.query(ends, predicate="dwithin", distance=SNAP_MM)
    meets = other != np.tile(opened, 2)[end]
    # Ends are carried over the gap: rounding to a grid as wide as it parts some that it should join.
    bridges = shapely.shortest_line(ends[end[meets]], lines[other[meets]])
    noded = shapely.union_all(np.concatenate((lines[near], bridges)), grid_size=GRID_MM)
    return np.asarray(shapely.get_parts(shapely.polygonize([noded])), object)


def _lines(flat: Curves) -> Polygons:
    """Build a line of each flattened path, closed ones returning to their first point, (m,)."""
    last = flat.offsets[1:] - 1
    closing = flat.closed & (np.diff(flat.offsets) > 1)
    points = np.insert(flat.points, last[closing] + 1, flat.points[flat.offsets[:-1][closing]], axis=0)
    owner = np.insert(flat.owner(), last[closing] + 1, np.flatnonzero(closing))
    single = np.bincount(owner, minlength=len(flat)) < 2
    twice = 1 + single[owner].astype(np.int64)  # a line of one point stands there twice
    points, owner = np.repeat(points, twice, axis=0), np.repeat(owner, twice)
    return np.asarray(shapely.linestrings(points, indices=owner), object)


def has_room_between(curves: Curves, width_mm: float) -> bool:
    """Return whether contours with sides by `sides_of` can be cut so wide without harm to a neighbour.

    Parameters
    ----------
    curves : Curves
    width_mm : float
        Of the cut, mm.
    """
    nesting = nest(curves)
    found = too_near(curves, sides_of(curves, nesting), np.full(len(curves), width_mm), nesting)
    return not len(found.gap_mm)


def too_near(curves: Curves, sides: Sequence[str], width_mm: Floats, nesting: Nesting) -> Crowded:
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
    Crowded

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
    >>> [too_near(paths, ["outside"] * 2, np.full(2, w), nest(paths)).gap_mm.tolist() for w in (3.0, 6.0)]
    [[], [5.0]]
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
    rings = np.asarray(shapely.get_exterior_ring(simple_polygons(flat.take(able))), object)
    i, j = shapely.STRtree(rings).query(rings, predicate="dwithin", distance=width_mm[able] - SLACK_MM)
    same = (i != j) & (waste[able[i]] == waste[able[j]])
    pairs = np.unique(np.sort(np.column_stack((i[same], j[same])), axis=1), axis=0)
    between = shapely.shortest_line(rings[pairs[:, 0]], rings[pairs[:, 1]])
    ends = shapely.get_coordinates(between).reshape(-1, 2, 2)
    gap = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    return Crowded(able[pairs[:, 0]], able[pairs[:, 1]], gap, ends.mean(axis=1))
