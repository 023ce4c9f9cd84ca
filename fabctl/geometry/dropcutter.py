"""Drop cutter: how low a cutter can go at each place before it touches a mesh.

Every contact of `fabctl.geometry.contact` is laid over the places of the axis, row by row like the polygons
of a picture, and the highest at each place counts. The height is exact: the highest of the closed forms for
facet, edge and vertex contact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.geometry.contact import Contacts, contacts
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.patches import Facets, Patches
from fabctl.geometry.places import Cells, Grid, Nodes, Places, ranges

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drop_grid(mesh: Mesh, shape: CutterShape, grid: Grid, *, floor_mm: float = -np.inf) -> Floats:
    """Lower a cutter onto a mesh at every place of a grid.

    Parameters
    ----------
    mesh : Mesh
        Any triangles; they count as the set of their points, whichever way they face.
    shape : CutterShape
    grid : Grid
        Where the axis stands.
    floor_mm : float
        The lowest height given; also where the cutter meets nothing.

    Returns
    -------
    (rows, columns) float64
        Height of the cutter's tip, mm, exact to rounding: some 1e-13 of the largest coordinate times the
        steepest slope in contact. A point exactly one radius aside is touched.

    Raises
    ------
    InputError
        When a vertex in use is not finite, or a triangle names a vertex that is not there.

    Notes
    -----
    Work rises with the triangles and with the area of all contacts: that of the surface seen from above
    where the cutter fits, more where it is too large for what it touches. Memory beside the mesh is some 650
    bytes a triangle and 25 a place.

    Examples
    --------
    >>> slope = Mesh(np.array([[-9.0, -9, -9], [9, -9, 9], [0, 18, 0]]), np.array([[0, 1, 2]]))
    >>> drop_grid(slope, CutterShape(2.0, 2.0), Grid(0.0, 0.0, 1.0, 2, 1)).round(9).tolist()
    [[0.828427125, 1.828427125]]
    """
    if not grid.columns * grid.rows:
        return np.full((grid.rows, grid.columns), floor_mm)
    heights = lower(contacts(mesh, shape), Nodes(grid), floor_mm)
    return heights.reshape(grid.rows, grid.columns)


def drop_points(mesh: Mesh, shape: CutterShape, points_mm: ArrayLike, *, floor_mm: float = -np.inf) -> Floats:
    """Lower a cutter onto a mesh at arbitrary places.

    Parameters
    ----------
    mesh, shape, floor_mm
        As in `drop_grid`.
    points_mm : (n, 2) float
        Where the axis stands.

    Returns
    -------
    (n,) float64
        Height of the cutter's tip, mm, as exact as from `drop_grid`.

    Raises
    ------
    InputError
        As `drop_grid`, or when a place is not finite.

    Examples
    --------
    >>> spike = Mesh(np.array([[0.0, 0, 5], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    >>> drop_points(spike, CutterShape(3.0), [[2, -2], [9, 9]], floor_mm=-1).tolist()
    [5.0, -1.0]
    """
    points = np.asarray(points_mm, np.float64).reshape(-1, 2)
    check_points(points)
    if not len(points):
        return np.empty(0)
    cells = Cells(points)
    heights = np.empty(len(points))
    heights[cells.order] = lower(contacts(mesh, shape), cells, floor_mm)
    return heights


def check_points(points_mm: Floats) -> None:
    """Refuse places that are not finite.

    Raises
    ------
    InputError
        Naming the first of them.
    """
    lost = np.flatnonzero(~np.isfinite(points_mm).all(axis=1))
    if len(lost):
        raise InputError(
            f"the place {points_mm[lost[0]].tolist()} is not finite",
            place=f"place {lost[0]}",
            remedy="give ordinary numbers in mm",
        )


def lower(touching: Contacts, places: Nodes | Cells, floor_mm: float) -> Floats:
    """Take the highest contact at each place, in the order of the places' `x` and `y`."""
    heights = np.full(places.count, float(floor_mm))
    for patches in (touching.facets, touching.edges, touching.vertices):
        for item, place in pairs(patches, places):
            x, y = places.x[place], places.y[place]
            tip = patches.tip_mm(item, x, y)
            if isinstance(patches, Facets) and not places.exact_rows:
                tip = np.where(patches.holds(item, x, y), tip, -np.inf)
            np.maximum.at(heights, place, tip)
    return heights


def pairs(patches: Patches, places: Places) -> Iterator[tuple[Ints, Ints]]:
    """Yield, in blocks, every contact with every place in its region.

    Yields
    ------
    item, place : (k,) int64
        Contacts ascending.
    """
    first, last = places.rows_between(patches.low_mm, patches.high_mm)
    for item, row in ranges(first, last):
        left, right = patches.span_mm(item, *places.band_mm(row))
        for which, place in ranges(*places.places_between(row, left, right)):
            yield item[which], place
