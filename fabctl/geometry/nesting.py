"""Nesting: which closed path lies in which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from fabctl.geometry.curves import Curves, flatten, signed_areas

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Polygons = NDArray[np.object_]


@dataclass(frozen=True)
class Nesting:
    """Which closed path lies in which.

    Parameters
    ----------
    parent : (m,) int64
        The smallest closed path around each path, −1 for an outermost one.
    depth : (m,) int64
        Closed paths around each path: 0 outermost, 1 a hole, 2 an island in a hole and so on. Open paths,
        and closed ones that enclose nothing, have parent −1 and depth −1.
    """

    parent: Ints
    depth: Ints


def nest(curves: Curves, groups: ArrayLike | None = None, *, tolerance_mm: float = 1e-3) -> Nesting:
    """Find which closed path lies in which.

    Parameters
    ----------
    curves : Curves
        m paths; closed ones may touch but should not cross.
    groups : (m,) int, optional
        Paths nest only within their group (for slices: the plane).
    tolerance_mm : float
        Arcs are tested as chords this close, mm.

    Returns
    -------
    Nesting
        A path that stands twice lies inside its own first copy.

    Notes
    -----
    A point inside the smaller path decides, never one on it: paths that touch nest rightly.

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    >>> rings = from_paths([(square * k + 5 - k / 2, None, True) for k in (1, 4, 2)])
    >>> nest(rings)
    Nesting(parent=array([ 2, -1,  1]), depth=array([2, 0, 1]))
    """
    m = len(curves)
    parent, depth = np.full(m, -1), np.full(m, -1)
    flat = flatten(curves, tolerance_mm)
    area = np.abs(signed_areas(flat))
    solid = np.flatnonzero(curves.closed & (area > 0) & (np.diff(flat.offsets) > 2))
    if not len(solid):
        return Nesting(parent, depth)
    depth[solid] = 0
    group = np.zeros(m, np.int64) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    inner, outer = _nested_boxes(flat, solid, area, group.reshape(-1))
    if not len(inner):
        return Nesting(parent, depth)
    used, number = np.unique(np.concatenate((inner, outer)), return_inverse=True)
    polygons = simple_polygons(flat.take(used))
    number_in, number_out = number[: len(inner)], number[len(inner) :]
    within = np.unique(number_in)
    points = np.full((len(used), 2), np.nan)
    points[within] = shapely.get_coordinates(shapely.point_on_surface(polygons[within]))
    shapely.prepare(polygons[np.unique(number_out)])
    inside = shapely.contains_xy(polygons[number_out], points[number_in, 0], points[number_in, 1])
    inner, outer = inner[inside], outer[inside]
    depth += np.bincount(inner, minlength=m)
    # The largest container is written first and the smallest last: that one stays.
    order = np.lexsort((outer, -area[outer]))
    parent[inner[order]] = outer[order]
    return Nesting(parent, depth)


def simple_polygons(flat: Curves) -> Polygons:
    """Build one polygon without holes from each path.

    Parameters
    ----------
    flat : Curves
        m closed paths without arcs, three points or more each.

    Returns
    -------
    (m,) object
        Shapely polygons; those of crossing paths are not valid.
    """
    if not len(flat):
        return np.zeros(0, object)
    rings = shapely.linearrings(flat.points, indices=flat.owner())
    return np.asarray(shapely.polygons(rings), object)


def _nested_boxes(flat: Curves, solid: Ints, area: Floats, group: Ints) -> tuple[Ints, Ints]:
    """List pairs (inner, outer) of paths whose boxes would allow it.

    Groups are moved apart in y for the search, so that one tree serves all of them.
    """
    counts = np.diff(flat.offsets)
    filled = counts > 0
    low, high = np.full((len(flat), 2), np.nan), np.full((len(flat), 2), np.nan)
    low[filled] = np.minimum.reduceat(flat.points, flat.offsets[:-1][filled])
    high[filled] = np.maximum.reduceat(flat.points, flat.offsets[:-1][filled])
    low, high, where = low[solid], high[solid], group[solid]
    shift = where * 2.0 * (high[:, 1].max() - low[:, 1].min() + 1.0)
    boxes = shapely.box(low[:, 0], low[:, 1] + shift, high[:, 0], high[:, 1] + shift)
    i, j = shapely.STRtree(boxes).query(boxes)
    size = area[solid]
    fits = (i != j) & (where[i] == where[j]) & ((size[i] < size[j]) | ((size[i] == size[j]) & (i > j)))
    i, j = i[fits], j[fits]
    fits = np.all(low[i] >= low[j], axis=1) & np.all(high[i] <= high[j], axis=1)
    return solid[i[fits]], solid[j[fits]]
