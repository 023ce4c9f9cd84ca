"""Waterlines: the contours along which a cutter at one height grazes a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError
from fabctl.geometry.curves import Curves
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.cycles import cycles
from fabctl.geometry.dropcutter import drop_grid, drop_points
from fabctl.geometry.mesh import Mesh, extents
from fabctl.geometry.places import Grid
from fabctl.geometry.pushcutter import TOUCHING_MM, Pushed, push

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_NODES = 50_000_000
"""A waterline over more places than this would not fit in a small computer's memory."""


def waterline(mesh: Mesh, shape: CutterShape, height_mm: float, step_mm: float) -> Curves:
    """Find the contours along which a cutter grazes a mesh at a height.

    Parameters
    ----------
    mesh : Mesh
        Any triangles, as for `fabctl.geometry.dropcutter.drop_grid`.
    shape : CutterShape
    height_mm : float
        Height of the cutter's tip.
    step_mm : float
        Distance of the lines along x and along y that the contours are found on.

    Returns
    -------
    Curves
        Closed paths of the axis; where the cutter would be inside the mesh lies on their left: outlines
        counter-clockwise, the edges of hollows clockwise.

    Raises
    ------
    InputError
        When the mesh or the height is not finite, or the step not above 0 or far too fine.

    Notes
    -----
    Every vertex is on the true waterline within 1e-9 mm (`fabctl.geometry.pushcutter.push`); between them,
    at most ``√2·step`` apart, a contour of the radius r is at most ``step²/(4·r)`` off its chord. Islands
    and gaps that pass between the crossings of the lines are not seen.

    Examples
    --------
    >>> from fabctl.geometry.curves import extents
    >>> square = np.array([[0.0, 0, 4], [9, 0, 4], [9, 9, 4], [0, 9, 4]])
    >>> block = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))
    >>> [round(side, 9) for side in extents(waterline(block, CutterShape(3.0), 1.0, 0.5))]
    [-3.0, -3.0, 12.0, 12.0]
    """
    if not step_mm > 0 or not np.isfinite([height_mm, step_mm]).all():
        raise InputError(
            f"no waterline is at a height of {height_mm} mm in steps of {step_mm} mm",
            remedy="give a finite height and a step above 0",
        )
    grid = _around(mesh, shape, step_mm)
    if grid is None:
        return Curves(np.empty((0, 2)), np.empty(0), np.zeros(1, np.int64), np.empty(0, bool))
    inside = drop_grid(mesh, shape, grid) > height_mm + TOUCHING_MM
    columns, rows = grid.x_of(np.arange(grid.columns)), grid.y_of(np.arange(grid.rows))
    across = np.argwhere(inside[:, 1:] != inside[:, :-1])
    up = np.argwhere(inside[1:] != inside[:-1])
    along_x = push(mesh, shape, height_mm, rows, along="x")
    along_y = push(mesh, shape, height_mm, columns, along="y")
    x = _ends_between(along_x, across[:, 0], columns[across[:, 1]], step_mm)
    y = _ends_between(along_y, up[:, 1], rows[up[:, 0]], step_mm)
    points = np.concatenate(
        (np.column_stack((x, rows[across[:, 0]])), np.column_stack((columns[up[:, 1]], y)))
    )
    horizontal = np.full(inside[:, 1:].shape, -1, np.int64)
    horizontal[tuple(across.T)] = np.arange(len(across))
    vertical = np.full(inside[1:].shape, -1, np.int64)
    vertical[tuple(up.T)] = np.arange(len(across), len(points))
    following = _follow(inside, horizontal, vertical, _middles(mesh, shape, height_mm, grid, inside))
    order, offsets = cycles(following)
    count = len(offsets) - 1
    return Curves(points[order], np.zeros(len(order)), offsets, np.ones(count, bool))


def _around(mesh: Mesh, shape: CutterShape, step_mm: float) -> Grid | None:
    """Lay a grid over all that the cutter can touch, its rim outside; None when there is nothing."""
    low, high = extents(mesh)
    if not np.isfinite(low).all() or not np.isfinite(high).all():
        if not len(mesh):
            return None
        raise InputError("the mesh does not end anywhere", remedy="repair the mesh: a vertex is not finite")
    start = low[:2] - shape.radius_mm - 1.5 * step_mm
    columns, rows = np.ceil((high[:2] + shape.radius_mm + 1.5 * step_mm - start) / step_mm) + 1
    if columns * rows > MOST_NODES:
        raise InputError(
            f"steps of {step_mm} mm make {columns * rows:.3g} places, more than {MOST_NODES:,}",
            remedy="take a longer step or a part of the mesh",
        )
    return Grid(float(start[0]), float(start[1]), step_mm, int(columns), int(rows))


def _ends_between(pushed: Pushed, line: Ints, low_mm: Floats, step_mm: float) -> Floats:
    """Find an end of a stretch on each given piece of a line, shape (k,), mm."""
    ends = np.concatenate((pushed.start_mm, pushed.end_mm))
    lines = np.concatenate((pushed.line, pushed.line))
    if not len(ends):
        return low_mm + step_mm / 2
    # Complex numbers sort by their real part first: the line, then the place on it.
    key = lines + 1j * ends
    order = np.argsort(key)
    at = np.searchsorted(key[order], line + 1j * (low_mm - TOUCHING_MM))
    ends = ends[order]
    return np.clip(ends[np.minimum(at, len(ends) - 1)], low_mm, low_mm + step_mm)


def _middles(mesh: Mesh, shape: CutterShape, height_mm: float, grid: Grid, inside: Bools) -> Bools:
    """Tell for squares whose corners are inside crosswise whether the middle is, (rows − 1, columns − 1)."""
    a, b, c, d = inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1]
    row, column = np.nonzero((a == c) & (b == d) & (a != b))
    middles = np.zeros(a.shape, bool)
    places = np.column_stack((grid.x_of(column + 0.5), grid.y_of(row + 0.5)))
    middles[row, column] = drop_points(mesh, shape, places) > height_mm + TOUCHING_MM
    return middles


def _follow(inside: Bools, horizontal: Ints, vertical: Ints, middles: Bools) -> Ints:
    """Return the crossing after each crossing, the inside on the left.

    Round a square counter-clockwise, a contour leaves the sides on which the corners go from inside to
    outside; it ends at the next side where they go back, the one ahead when the middle is inside and the one
    behind when it is not.
    """
    corners = (inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1])
    sides = np.stack((horizontal[:-1], vertical[:, 1:], horizontal[1:], vertical[:, :-1]))
    following = np.full(
        int(np.count_nonzero(horizontal >= 0) + np.count_nonzero(vertical >= 0)), -1, np.int64
    )
    for k in range(4):
        leaves = np.nonzero(corners[k] & ~corners[(k + 1) % 4])
        ways = [sides[((k + turn) % 4, *leaves)] for turn in (1, 2, 3)]
        back = [~corners[(k + turn) % 4][leaves] & corners[(k + turn + 1) % 4][leaves] for turn in (1, 2, 3)]
        ahead = np.where(back[0], ways[0], np.where(back[1], ways[1], ways[2]))
        behind = np.where(back[2], ways[2], np.where(back[1], ways[1], ways[0]))
        following[sides[(k, *leaves)]] = np.where(middles[leaves], ahead, behind)
    return following
