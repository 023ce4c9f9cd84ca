"""Push cutter: where on straight lines at one height a cutter is inside a mesh.

On a line the highest contact passes the given height only where a single facet, edge or vertex contact does,
or where one begins at the shaft. These crossings have closed forms or are extremes of a concave function;
between two neighbouring ones the drop cutter, asked once in the middle, tells inside from outside. So the
two never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.geometry.contact import Contacts, contacts
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.dropcutter import lower, pairs
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.patches import Box, Edges, Facets, Patches
from fabctl.geometry.places import Cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOUCHING_MM = 1e-9
"""A cutter this little lower than it may be is outside, and crossings this close to each other are one."""

_GOLDEN = (np.sqrt(5.0) - 1) / 2
_SEARCHES = 48
"""Golden sections: the place is then known to 1e-10 of the edge, its distance to the square of that."""


@dataclass(frozen=True)
class Pushed:
    """Stretches of lines on which the cutter is inside the mesh.

    Parameters
    ----------
    line : (n,) int64
        The line of each stretch, ascending.
    start_mm, end_mm : (n,) float64
        Along the line; stretches of one line do not touch and stand in order.
    """

    line: Ints
    start_mm: Floats
    end_mm: Floats

    def __len__(self) -> int:
        return len(self.line)


class _Lines:
    """Lines of constant y as places: one to a row, without x."""

    def __init__(self, y_mm: Floats) -> None:
        self.order = np.argsort(y_mm, kind="stable")
        self.y = y_mm[self.order]

    def rows_between(self, low_mm: Floats, high_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first line in bounds and the line after the last."""
        first = np.searchsorted(self.y, low_mm, side="left")
        return first, np.maximum(np.searchsorted(self.y, high_mm, side="right"), first)

    def band_mm(self, row: Ints) -> tuple[Floats, Floats]:
        """Bound y of lines."""
        return self.y[row], self.y[row]

    def places_between(self, row: Ints, left_mm: Floats, right_mm: Floats) -> tuple[Ints, Ints]:
        """Return the line itself where the bounds hold something."""
        return row, row + (left_mm <= right_mm)


def push(
    mesh: Mesh, shape: CutterShape, height_mm: float, lines_mm: ArrayLike, *, along: str = "x"
) -> Pushed:
    """Push a cutter through a mesh along straight lines.

    Parameters
    ----------
    mesh : Mesh
        Any triangles, as for `fabctl.geometry.dropcutter.drop_grid`.
    shape : CutterShape
    height_mm : float
        Height of the cutter's tip.
    lines_mm : (k,) float
        y of lines along x, or x of lines along y, in any order.
    along : {"x", "y"}

    Returns
    -------
    Pushed
        Ends exact to 1e-9 mm; where the cutter only touches it is outside.

    Raises
    ------
    InputError
        When the mesh, the height or a line is not finite, or the direction is neither x nor y.

    Examples
    --------
    >>> square = np.array([[0.0, 0, 4], [9, 0, 4], [9, 9, 4], [0, 9, 4]])
    >>> block = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))
    >>> ball = CutterShape(3.0, corner_mm=3.0)
    >>> pushed = push(block, ball, 1.0, [5.0])
    >>> pushed.start_mm.round(9).tolist(), pushed.end_mm.round(9).tolist()
    ([-3.0], [12.0])
    """
    lines = np.asarray(lines_mm, np.float64).reshape(-1)
    if along not in ("x", "y") or not np.isfinite(height_mm) or not np.isfinite(lines).all():
        raise InputError(
            f"a cutter cannot be pushed along {along!r} at a height of {height_mm} mm on these lines",
            remedy="give 'x' or 'y' and ordinary numbers",
        )
    if along == "y":
        # A mesh counts as its points, so exchanging the axes needs no turning of triangles.
        mesh = Mesh(np.ascontiguousarray(mesh.vertices[:, [1, 0, 2]]), mesh.triangles)
    touching = contacts(mesh, shape)
    rows = _Lines(lines)
    x, row = _crossings(touching, shape, rows, height_mm)
    line = rows.order[row]
    return _stretches(touching, height_mm, lines, x, line)


def _crossings(
    touching: Contacts, shape: CutterShape, lines: _Lines, height_mm: float
) -> tuple[Floats, Ints]:
    """List where single contacts pass the height, and on which row."""
    found: list[tuple[Floats, Ints]] = [(np.empty(0), np.empty(0, np.int64))]
    for item, row in pairs(touching.facets, lines):
        x = _facet_crossings(touching.facets, item, lines.y[row], height_mm)
        found.append(_within(touching.facets, item, row, lines, x))
    edges = touching.edges
    far = edges.z + edges.rise * edges.length_mm
    edges = edges.take(
        _those_at(shape, edges.offset, np.minimum(edges.z, far), np.maximum(edges.z, far), height_mm)
    )
    for item, row in pairs(edges, lines):
        for side in (-1.0, 1.0):
            x = _edge_crossings(edges, item, lines.y[row], height_mm, side)
            found.append(_within(edges, item, row, lines, x))
    vertices = touching.vertices
    vertices = vertices.take(_those_at(shape, vertices.offset, vertices.z, vertices.z, height_mm))
    for item, row in pairs(vertices, lines):
        aside = lines.y[row] - vertices.y[item]
        width = shape.width_mm(np.maximum(vertices.z[item] - height_mm, 0.0))
        half = np.sqrt(np.maximum(width * width - aside * aside, 0.0))
        found.append(_within(vertices, item, row, lines, vertices.x[item] - half))
        found.append(_within(vertices, item, row, lines, vertices.x[item] + half))
    x, row = (np.concatenate(part) for part in zip(*found, strict=True))
    return x, row


def _within(patches: Patches, item: Ints, row: Ints, lines: _Lines, x: Floats) -> tuple[Floats, Ints]:
    """Keep the crossings that are in the regions of their contacts."""
    left, right = patches.span_mm(item, *lines.band_mm(row))
    keep = (x >= left - TOUCHING_MM) & (x <= right + TOUCHING_MM)
    return x[keep], row[keep]


def _those_at(shape: CutterShape, offset: Box, low: Floats, high: Floats, height_mm: float) -> Ints:
    """Pick the contacts that can be at the cutter's edge or shaft when its tip is at the height."""
    near_x = np.maximum(np.maximum(offset.x0, -offset.x1), 0.0)
    near_y = np.maximum(np.maximum(offset.y0, -offset.y1), 0.0)
    far_x = np.maximum(np.abs(offset.x0), np.abs(offset.x1))
    far_y = np.maximum(np.abs(offset.y0), np.abs(offset.y1))
    far2 = far_x * far_x + far_y * far_y
    least, most = shape.height_mm(near_x * near_x + near_y * near_y), shape.height_mm(far2)
    shaft = far2 >= shape.radius_mm**2 * (1 - 1e-6)
    over = high - height_mm >= np.maximum(least - TOUCHING_MM, 0.0)
    return np.flatnonzero(over & (shaft | (low - height_mm <= most + TOUCHING_MM)))


def _facet_crossings(facets: Facets, item: Ints, y: Floats, height_mm: float) -> Floats:
    """Return x where the tip that rests on a facet's plane passes the height; inf or nan for level ones."""
    aside = facets.along_y[item] * (y - facets.y[0, item])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        run = (height_mm - facets.base_mm[item] - aside) / facets.along_x[item]
    return np.asarray(facets.x[0, item] + run)


def _edge_crossings(edges: Edges, item: Ints, y: Floats, height_mm: float, side: float) -> Floats:
    """Return the farthest x, on one side, where the cutter at a height reaches an edge.

    A point of the edge is reached from `√(width² − aside²)` beside it. That is concave along the edge, since
    the width of a cutter grows ever more slowly with height, and so is its sum with the point's own x.
    Where the line misses the cutter's circle a fall of 1e6 mm leads back to where it does not.
    """
    z, rise, length = edges.z[item], edges.rise[item], edges.length_mm[item]
    x0, y0, ex, ey = edges.x[item], edges.y[item], edges.ex[item], edges.ey[item]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.clip((height_mm - z) / rise, 0.0, length)
    low = np.where((rise > 0) & (z < height_mm), level, 0.0)
    high = np.where((rise < 0) & (z + rise * length < height_mm), level, length)

    def reached(at: Floats) -> Floats:
        """Return how far the cutter reaches points of the edges."""
        aside = np.abs(y - y0 - ey * at)
        width = edges.shape.width_mm(np.maximum(z + rise * at - height_mm, 0.0))
        miss = aside - width
        chord = np.sqrt(np.maximum(-miss * (width + aside), 0.0))
        return np.asarray(side * (x0 + ex * at) + chord - np.where(miss > 0, 1e6 * (1 + miss), 0.0))

    best = np.maximum(reached(low), reached(high))
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = reached(left), reached(right)
    for _ in range(_SEARCHES):
        best = np.maximum(best, np.maximum(at_left, at_right))
        climbs = at_left < at_right
        low, high = np.where(climbs, left, low), np.where(climbs, high, right)
        probe = np.where(climbs, low + _GOLDEN * (high - low), high - _GOLDEN * (high - low))
        value = reached(probe)
        left, right = np.where(climbs, right, probe), np.where(climbs, probe, left)
        at_left, at_right = np.where(climbs, at_right, value), np.where(climbs, value, at_left)
    return np.where(best > -1e5, side * best, np.nan)


def _stretches(touching: Contacts, height_mm: float, lines: Floats, x: Floats, line: Ints) -> Pushed:
    """Ask the drop cutter between neighbouring crossings, and join what is inside."""
    order = np.lexsort((x, line))
    x, line = x[order], line[order]
    fresh = np.ones(len(x), bool)
    fresh[1:] = (line[1:] != line[:-1]) | (np.diff(x) > TOUCHING_MM)
    x, line = x[fresh], line[fresh]
    if len(x) < 2:
        return Pushed(np.empty(0, np.int64), np.empty(0), np.empty(0))
    pair = np.flatnonzero(line[1:] == line[:-1])
    inside = np.zeros(len(x), bool)
    if len(pair):
        places = Cells(np.column_stack(((x[pair] + x[pair + 1]) / 2, lines[line[pair]])))
        inside[pair[places.order]] = lower(touching, places, -np.inf) > height_mm + TOUCHING_MM
    before = np.concatenate(([False], inside[:-1]))
    start, end = np.flatnonzero(inside & ~before), np.flatnonzero(~inside & before)
    return Pushed(line[start], x[start], x[end])
