"""Height-map drop cutter: bounds from below and above in a time that hardly depends on the mesh.

The mesh is surveyed once: the height at the middle of each square of a grid, which it surely has, and one
that it nowhere in the square exceeds. Laying the cutter over the first gives heights the exact one is never
below, over the second, taken at the nearest point of each square, heights it is never above. A roughing pass
along the upper bound cannot cut into the part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.contact import check_mesh, gradients
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.dropcutter import pairs
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.patches import Facets
from fabctl.geometry.places import Grid, Nodes, cells_between

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS = 64
"""Rows laid over each other at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class HeightBounds:
    """Heights between which the exact ones lie.

    Parameters
    ----------
    grid : Grid
    low_mm, high_mm : (rows, columns) float64
        −inf where there is nothing.
    """

    grid: Grid
    low_mm: Floats
    high_mm: Floats

    @property
    def error_mm(self) -> Floats:
        """How far `high_mm` can be off at each place, mm; inf where only `low_mm` finds nothing."""
        nothing = np.isneginf(self.high_mm)
        return np.where(nothing, 0.0, self.high_mm) - np.where(nothing, 0.0, self.low_mm)


class _Squares(Nodes):
    """The squares round the places of a grid; rows are bands."""

    def rows_between(self, low_mm: Floats, high_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first row of squares in bounds and the row after the last."""
        grid = self.grid
        return cells_between(low_mm, high_mm, grid.y_mm - grid.step_mm / 2, grid.step_mm, grid.rows)

    def band_mm(self, row: Ints) -> tuple[Floats, Floats]:
        """Bound y of rows of squares, a little wider than they are."""
        half = self.grid.step_mm * (0.5 + 1e-9)
        y = self.grid.y_of(row)
        return y - half, y + half

    def places_between(self, row: Ints, left_mm: Floats, right_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first square of a row in bounds and the one after the last."""
        grid = self.grid
        left = grid.x_mm - grid.step_mm / 2
        first, last = cells_between(left_mm, right_mm, left, grid.step_mm, grid.columns)
        start = row * grid.columns
        return start + first, start + last


def survey(mesh: Mesh, grid: Grid) -> HeightBounds:
    """Measure a mesh from above.

    Parameters
    ----------
    mesh : Mesh
        Any triangles, as for `fabctl.geometry.dropcutter.drop_grid`.
    grid : Grid
        Middles of squares that meet side by side.

    Returns
    -------
    HeightBounds
        `low_mm` is the height of the mesh at the middle of each square, `high_mm` one that it does not exceed
        in all of the square.

    Raises
    ------
    InputError
        When a vertex in use is not finite, or a triangle names a vertex that is not there.
    """
    check_mesh(mesh)
    x, y, z = np.ascontiguousarray(mesh.vertices.T)[:, mesh.triangles.T]
    gx, gy, upright = gradients(x, y, z)
    bottom, top = z.min(axis=0), z.max(axis=0)
    slack = 1e-13 * max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0)))
    lying = np.flatnonzero(~upright)
    middle = Facets(
        x[:, lying], y[:, lying], gx[lying], gy[lying], z[0, lying], bottom[lying], top[lying], slack
    )
    # The plane's highest corner of a square, but nothing above the triangle; an upright one counts whole.
    base = np.where(upright, top, z[0] + (np.abs(gx) + np.abs(gy)) * (grid.step_mm / 2))
    whole = Facets(x, y, gx, gy, base, bottom, top, slack)
    low = _highest(middle, Nodes(grid))
    # Rounding at a square's rim must not put the upper bound below the lower one.
    high = np.maximum(_highest(whole, _Squares(grid)), low)
    return HeightBounds(grid, low.reshape(grid.rows, grid.columns), high.reshape(grid.rows, grid.columns))


def drop_map(mesh: Mesh, shape: CutterShape, grid: Grid) -> HeightBounds:
    """Bound how low a cutter can go at every place of a grid.

    Parameters
    ----------
    mesh, shape, grid
        As for `fabctl.geometry.dropcutter.drop_grid`. The grid's step is also the survey's.

    Returns
    -------
    HeightBounds
        ``low_mm ≤ exact ≤ high_mm`` everywhere, to 1e-9 mm. Along `high_mm` the cutter never enters the mesh.

    Raises
    ------
    InputError
        As `survey`.

    Notes
    -----
    The lower bound holds because the cutter laid over points of the mesh can be no lower than over all of
    it. The upper one holds because each point of the mesh is in a square, not above its height there, and
    not nearer to the axis than the square's nearest point, while the cutter's outline rises outwards.

    Time is that of the survey and ``(2·radius / step)²`` additions a place: for roughing and previews, a
    tenth of the radius is a good step.

    Examples
    --------
    >>> table = Mesh(np.array([[-9.0, -9, 2], [9, -9, 2], [0, 18, 2]]), np.array([[0, 1, 2]]))
    >>> found = drop_map(table, CutterShape(2.0, 2.0), Grid(0.0, 0.0, 0.5, 3, 1))
    >>> found.low_mm.tolist(), found.error_mm.tolist()
    ([[2.0, 2.0, 2.0]], [[0.0, 0.0, 0.0]])
    """
    reach = int(np.ceil(shape.radius_mm / grid.step_mm + 0.5))
    around = Grid(
        grid.x_mm - reach * grid.step_mm,
        grid.y_mm - reach * grid.step_mm,
        grid.step_mm,
        grid.columns + 2 * reach,
        grid.rows + 2 * reach,
    )
    surveyed = survey(mesh, around)

    def from_middles(steps: Floats) -> Floats:
        """Measure to the middle of squares so many steps away."""
        return steps * grid.step_mm

    def from_squares(steps: Floats) -> Floats:
        """Measure to the nearest side of squares so many steps away."""
        # Rounding must not take a square that the cutter's rim just meets out of its reach.
        return np.maximum(steps - 0.5 - 1e-9, 0.0) * grid.step_mm

    low = _lay(surveyed.low_mm, shape, reach, from_middles)
    high = _lay(surveyed.high_mm, shape, reach, from_squares)
    return HeightBounds(grid, low, np.maximum(high, low))


def _highest(facets: Facets, places: Nodes) -> Floats:
    """Take the highest of the facets at each place."""
    heights = np.full(places.count, -np.inf)
    for item, place in pairs(facets, places):
        np.maximum.at(heights, place, facets.tip_mm(item, places.x[place], places.y[place]))
    return heights


def _lay(z: Floats, shape: CutterShape, reach: int, distance: Callable[[Floats], Floats]) -> Floats:
    """Lay the cutter over a map that is `reach` wider than the result on every side.

    Four places mirrored about the axis are the same distance from it, so they share one subtraction. The
    loops run over places under the cutter, never over those of the map.
    """
    rows, columns = z.shape[0] - 2 * reach, z.shape[1] - 2 * reach
    steps = distance(np.arange(reach + 1.0))
    square = steps[:, None] ** 2 + steps[None] ** 2
    drop = shape.height_mm(square.reshape(-1)).reshape(square.shape)
    out = np.full((rows, columns), -np.inf)
    for begin in range(0, rows, _ROWS):
        block = out[begin : begin + _ROWS]
        around = z[begin : begin + len(block) + 2 * reach]
        for across in range(reach + 1):
            right, left = reach + across, reach - across
            sides = np.maximum(around[:, right : right + columns], around[:, left : left + columns])
            for up in np.flatnonzero(square[across] <= shape.radius_mm**2).tolist():
                above, below = reach + up, reach - up
                both = np.maximum(sides[above : above + len(block)], sides[below : below + len(block)])
                if drop[across, up]:
                    both -= drop[across, up]
                np.maximum(block, both, out=block)
    return out
