"""Where a cutter can touch a mesh: on which facets, edges and vertices, and for which places of its axis.

A cutter that rests on a mesh touches it in the inside of a facet, on an edge or at a vertex. Think of the
plane that both have in common there, and of its gradient g (mm rise per mm along x and y): the axis stands
at ``q − reach(|g|)·g/|g|`` for the point of contact q. A facet has one gradient, so its contacts make the
same triangle moved aside. On an edge g lies between the gradients of the facets beside it, at a vertex
within their convex hull; an edge where the facets rise on both sides is never touched. All contacts together
are about as many as the places asked for, however large the cutter: this is why nothing is searched for.

A mesh counts as the set of its points. Which way a triangle faces, whether the mesh is closed and whether
solids overlap makes no difference; a triangle without area counts as its edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError
from fabctl.geometry.cuttershape import LEVEL, CutterShape
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.patches import Box, Edges, Facets, Vertices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_UPRIGHT = 1e-12
"""A facet or edge is upright when seen from above it has less than this share of its size."""

_WALL = 1e12
"""Stands for the slope of a wall; infinity would make nan of 0 × ∞."""

_EXACT = 1e-13
"""Share of the largest coordinate by which facets reach over their edges, so that rounding opens no gap."""

_WIDER = 1e-9
"""Share of slopes, and of the radius, by which the regions of edges and vertices are wider than needed."""


@dataclass(frozen=True)
class Contacts:
    """All that a cutter can touch of a mesh."""

    facets: Facets
    edges: Edges
    vertices: Vertices


def contacts(mesh: Mesh, shape: CutterShape) -> Contacts:
    """Find the facets, edges and vertices a cutter can touch from above, and from where.

    Parameters
    ----------
    mesh : Mesh
        Any triangles; see the module for what counts.
    shape : CutterShape

    Returns
    -------
    Contacts
        The highest contact of a place is always among them, to rounding; level planes between slopes of
        1e-11 count as level.

    Raises
    ------
    InputError
        When a vertex in use is not finite, or a triangle names a vertex that is not there.
    """
    check_mesh(mesh)
    # Vertices in no triangle may be anywhere, even nowhere.
    x, y, z = (np.where(np.isfinite(column), column, 0.0) for column in mesh.vertices.T)
    scale = max(float(np.abs(part).max(initial=0.0)) for part in (x, y, z))
    scale = max(scale, shape.radius_mm)
    corner = np.ascontiguousarray(mesh.triangles.T)
    slope_x, slope_y, upright = gradients(x[corner], y[corner], z[corner])
    facets = _facets(shape, (x[corner], y[corner], z[corner]), (slope_x, slope_y, upright), _EXACT * scale)
    edges = _edges(mesh, shape, (x, y, z), (slope_x, slope_y, upright), scale)
    vertices = _vertices(mesh, shape, (x, y, z), (slope_x, slope_y, upright), scale)
    return Contacts(facets, edges, vertices)


def check_mesh(mesh: Mesh) -> None:
    """Refuse a mesh that is no set of triangles in space.

    Raises
    ------
    InputError
        As in `contacts`.
    """
    triangles = mesh.triangles
    missing = np.flatnonzero((triangles < 0).any(axis=1) | (triangles >= len(mesh.vertices)).any(axis=1))
    if len(missing):
        raise InputError(
            f"a triangle has the vertices {triangles[missing[0]].tolist()}, of which one does not exist",
            place=f"triangle {missing[0]}",
            remedy="read the mesh again or have it repaired",
        )
    if np.isfinite(mesh.vertices).all():
        return
    lost = np.flatnonzero(~np.isfinite(mesh.vertices[triangles]).all(axis=(1, 2)))
    if len(lost):
        raise InputError(
            "a corner is not at a finite place",
            place=f"triangle {lost[0]}",
            remedy="leave out or repair the triangles that have no place",
        )


def gradients(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Bools]:
    """Measure which way and how steeply facets rise.

    Parameters
    ----------
    x, y, z : (3, t) float64
        Corners, mm.

    Returns
    -------
    slope_x, slope_y : (t,) float64
        Gradient, mm/mm; 0 where upright.
    upright : (t,) bool
        Whether the facet stands upright or has no area.
    """
    ax, ay, az = x[1] - x[0], y[1] - y[0], z[1] - z[0]
    bx, by, bz = x[2] - x[0], y[2] - y[0], z[2] - z[0]
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    upright = np.abs(nz) <= _UPRIGHT * np.sqrt(nx * nx + ny * ny + nz * nz)
    down = np.where(upright, 1.0, -nz)
    return np.where(upright, 0.0, nx / down), np.where(upright, 0.0, ny / down), upright


def _facets(
    shape: CutterShape,
    corners: tuple[Floats, Floats, Floats],
    slopes: tuple[Floats, Floats, Bools],
    slack_mm: float,
) -> Facets:
    """Move every facet that is not upright to where the axis is when the cutter rests on it."""
    keep = np.flatnonzero(~slopes[2])
    x, y, z = (part[:, keep] for part in corners)
    gx, gy = slopes[0][keep], slopes[1][keep]
    slope = np.sqrt(gx * gx + gy * gy)
    out, up = shape.touch_mm(slope)
    share = out / np.where(slope > LEVEL, slope, 1.0)
    return Facets(
        x - share * gx, y - share * gy, gx, gy, z[0] - up, z.min(axis=0) - up, z.max(axis=0) - up, slack_mm
    )


def _edges(
    mesh: Mesh,
    shape: CutterShape,
    points: tuple[Floats, Floats, Floats],
    slopes: tuple[Floats, Floats, Bools],
    scale: float,
) -> Edges:
    """Keep the edges that can be touched, each once."""
    half, offsets = mesh.edges.half, mesh.edges.offsets[:-1]
    corner = mesh.triangles.reshape(-1)
    x, y, z = points
    first = half[offsets]
    start, end = corner[first], corner[_next(first)]
    dx, dy, dz = x[end] - x[start], y[end] - y[start], z[end] - z[start]
    length = np.hypot(dx, dy)
    standing = length <= _UPRIGHT * np.abs(dz)
    long = np.where(standing, 1.0, length)
    ex, ey, rise = dx / long, dy / long, dz / long
    low, high, level = _leanings(mesh, points, slopes, (start, ex, ey, rise))
    slack = _WIDER * (1 + np.abs(low))
    keep = np.flatnonzero(~standing & (low <= high + slack) & ~level)
    start, ex, ey, rise = start[keep], ex[keep], ey[keep], rise[keep]
    low, high = low[keep], np.maximum(high[keep], low[keep])
    gx0, gx1 = rise * ex - low * ey, rise * ex - high * ey
    gy0, gy1 = rise * ey + low * ex, rise * ey + high * ex
    box = Box(np.minimum(gx0, gx1), np.maximum(gx0, gx1), np.minimum(gy0, gy1), np.maximum(gy0, gy1))
    offset = _offsets(shape, box, scale)
    # Left of the edge the common plane falls, so the axis is there: its slope across, turned round.
    pad = _WIDER * shape.radius_mm + _EXACT * scale
    left = _farthest(shape, -low, rise, rise) + pad
    right = -_farthest(shape, high, rise, rise) - pad
    line = (ex, ey, length[keep], rise)
    return Edges(shape, x[start], y[start], z[start], *line, offset, right, left)


def _leanings(
    mesh: Mesh,
    points: tuple[Floats, Floats, Floats],
    slopes: tuple[Floats, Floats, Bools],
    line: tuple[Ints, Floats, Floats, Floats],
) -> tuple[Floats, Floats, Bools]:
    """Bound the slope to the left that a common plane can have on each edge.

    A facet on the left must stay below the plane, so its slope is a lower bound, and one on the right gives
    an upper bound; a wall that stands on the edge forbids every contact, one that hangs from it none.

    Returns
    -------
    low, high : (e,) float64
        mm/mm; ±`_WALL` where nothing bounds them.
    level : (e,) bool
        Whether there are facets on both sides, all level: their insides are enough.
    """
    half, offsets = mesh.edges.half, mesh.edges.offsets
    edge = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    facet = half // 3
    x, y, z = points
    start, ex, ey, rise = line
    third = mesh.triangles.reshape(-1)[_next(_next(half))]
    base = start[edge]
    dx, dy = x[third] - x[base], y[third] - y[base]
    ex, ey = ex[edge], ey[edge]
    leftward = ex * dy - ey * dx
    lean = ex * slopes[1][facet] - ey * slopes[0][facet]
    upright = slopes[2][facet]
    line_z = rise[edge] * (dx * ex + dy * ey)
    excess = z[third] - z[base] - line_z
    stands = upright & (excess > _WIDER * (np.abs(line_z) + np.abs(z[third]) + np.abs(z[base])))
    left, right = ~upright & (leftward > 0), ~upright & (leftward <= 0)
    low = np.where(left, lean, np.where(stands, _WALL, -_WALL))
    high = np.where(right, lean, np.where(stands, -_WALL, _WALL))
    flat = ~upright & (np.hypot(slopes[0], slopes[1])[facet] <= LEVEL)
    begin = offsets[:-1]
    both = np.maximum.reduceat(left, begin) & np.maximum.reduceat(right, begin)
    level = both & np.minimum.reduceat(flat, begin)
    return np.maximum.reduceat(low, begin), np.minimum.reduceat(high, begin), level


def _vertices(
    mesh: Mesh,
    shape: CutterShape,
    points: tuple[Floats, Floats, Floats],
    slopes: tuple[Floats, Floats, Bools],
    scale: float,
) -> Vertices:
    """Keep the vertices that can be touched."""
    box = _hulls(mesh, points, slopes)
    box = _tighten(mesh, points, box)
    x, y, z = points
    used = np.zeros(len(x), bool)
    used[mesh.triangles.reshape(-1)] = True
    keep = np.flatnonzero(used & (box.x0 <= box.x1) & (box.y0 <= box.y1))
    offset = _offsets(shape, box.take(keep), scale)
    return Vertices(shape, x[keep], y[keep], z[keep], offset)


def _hulls(mesh: Mesh, points: tuple[Floats, Floats, Floats], slopes: tuple[Floats, Floats, Bools]) -> Box:
    """Bound the gradients of the facets round each vertex that has facets on every side; else no bound.

    A plane through the vertex with all facets below it rises in no direction more than the facet on the far
    side falls towards it, so its gradient is in the hull of theirs. Facets are on every side when those
    round the vertex turn about it.
    """
    x, y, _ = points
    corner = mesh.triangles
    n = len(x)
    turn = np.zeros(n)
    whole = np.ones(n, bool)
    low, high = np.full((2, n), np.inf), np.full((2, n), -np.inf)
    for k in range(3):
        at, a, b = corner[:, k], corner[:, (k + 1) % 3], corner[:, (k + 2) % 3]
        ax, ay, bx, by = x[a] - x[at], y[a] - y[at], x[b] - x[at], y[b] - y[at]
        turn += np.bincount(at, np.arctan2(ax * by - ay * bx, ax * bx + ay * by), minlength=n)
        whole[at[slopes[2]]] = False
        for axis in range(2):
            np.minimum.at(low[axis], at, slopes[axis])
            np.maximum.at(high[axis], at, slopes[axis])
    ragged = _ragged_ends(mesh)
    whole[ragged] = False
    whole &= np.abs(turn) > np.pi
    low, high = np.where(whole, low, -_WALL), np.where(whole, high, _WALL)
    return Box(low[0], high[0], low[1], high[1])


def _ragged_ends(mesh: Mesh) -> Ints:
    """List the vertices of edges that facets do not run along as often one way as the other."""
    edges = mesh.edges
    if edges.is_sound:
        return np.zeros(0, np.int64)
    uses = np.diff(edges.offsets)
    ragged = 2 * np.add.reduceat(edges.forward, edges.offsets[:-1], dtype=np.int64) != uses
    half = edges.half[edges.offsets[:-1][ragged]]
    corner = mesh.triangles.reshape(-1)
    return np.concatenate((corner[half], corner[_next(half)]))


def _tighten(mesh: Mesh, points: tuple[Floats, Floats, Floats], box: Box) -> Box:
    """Narrow the gradients at each vertex to those of planes that keep its neighbours below.

    Each neighbour d away and h above asks g·d ≥ h; what g·d has at most along one axis bounds g along the
    other. A vertex that cannot be touched mostly ends with an empty box.
    """
    first = mesh.edges.half[mesh.edges.offsets[:-1]]
    corner = mesh.triangles.reshape(-1)
    a, b = corner[first], corner[_next(first)]
    at, to = np.concatenate((a, b)), np.concatenate((b, a))
    dx, dy, dz = (part[to] - part[at] for part in points)
    dz -= _WIDER * np.abs(dz)
    x0, x1, y0, y1 = (part.copy() for part in (box.x0, box.x1, box.y0, box.y1))
    np.maximum.at(x0, at[(dx == 0) & (dy == 0) & (dz > 0)], 2 * _WALL)
    for d, other, low, high, side0, side1 in ((dx, dy, x0, x1, y0, y1), (dy, dx, y0, y1, x0, x1)):
        most = np.maximum(other * side0[at], other * side1[at])
        bound = dz - most - _WIDER * np.abs(most)
        ahead, back = np.flatnonzero(d > 0), np.flatnonzero(d < 0)
        np.maximum.at(low, at[ahead], bound[ahead] / d[ahead])
        np.minimum.at(high, at[back], bound[back] / d[back])
    wide = [_WIDER * (1 + np.abs(part)) for part in (x0, x1, y0, y1)]
    return Box(x0 - wide[0], x1 + wide[1], y0 - wide[2], y1 + wide[3])


def _offsets(shape: CutterShape, gradient: Box, scale: float) -> Box:
    """Bound where the axis is, seen from the contact, for boxes of gradients."""
    pad = _WIDER * shape.radius_mm + _EXACT * scale
    g = gradient
    return Box(
        -_farthest(shape, g.x1, g.y0, g.y1) - pad,
        _farthest(shape, -g.x0, g.y0, g.y1) + pad,
        -_farthest(shape, g.y1, g.x0, g.x1) - pad,
        _farthest(shape, -g.y0, g.x0, g.x1) + pad,
    )


def _farthest(shape: CutterShape, most: Floats, side0: Floats, side1: Floats) -> Floats:
    """Bound ``reach(|g|)·g/|g|`` along one axis, for gradients up to `most` along it and given bounds across.

    Reach rises with the slope and the cosine falls with the part across, so each is taken at its own worst.
    """
    most = np.clip(np.where(np.abs(most) <= 2 * LEVEL, 0.0, most), -_WALL, _WALL)
    side0, side1 = np.clip(side0, -_WALL, _WALL), np.clip(side1, -_WALL, _WALL)
    near = np.maximum(np.maximum(side0, -side1), 0.0)
    near = np.where(near <= 2 * LEVEL, 0.0, near)
    far = np.maximum(np.abs(side0), np.abs(side1))
    small, large = np.hypot(most, near), np.hypot(most, far)
    ahead = np.divide(most, small, out=np.ones_like(most), where=small > 0)
    behind = np.divide(most, large, out=np.zeros_like(most), where=large > 0)
    return np.where(most >= 0, shape.reach_mm(large)[1] * ahead, shape.reach_mm(small)[0] * behind)


def _next(half: Ints) -> Ints:
    """Return the half-edge after each half-edge in its triangle."""
    return np.asarray(half + 1 - 3 * (half % 3 == 2))
