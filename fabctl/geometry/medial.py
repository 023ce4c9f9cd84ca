"""The medial axis: the middle of a region everywhere, with the distance to its walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from fabctl.errors import InputError
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.regions import from_polygons

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MOST_SAMPLES = 2_000_000
"""More points on a boundary than this is a spacing mistyped, not a drawing."""


@dataclass(frozen=True)
class MedialAxis:
    """A graph in the middle of a region.

    Parameters
    ----------
    points : (n, 2) float64
        mm.
    clearance_mm : (n,) float64
        Radius of the circle around each point that touches the walls, mm.
    edges : (e, 2) int64
        Pairs of points that follow each other.
    """

    points: Floats
    clearance_mm: Floats
    edges: Ints


def medial_axis(polygon: Polygon, spacing_mm: float, *, separation_deg: float = 20.0) -> MedialAxis:
    """Find the middle of a region.

    Parameters
    ----------
    polygon : shapely polygon
        Valid, with or without holes.
    spacing_mm : float
        Distance of the points that stand for the walls, mm.
    separation_deg : float
        Branches between two spots of wall seen closer together than this from the axis are left out:
        otherwise each vertex of a curve drawn in chords would grow one.

    Returns
    -------
    MedialAxis
        Clearance is never below the true distance d to the wall and at most ``sqrt(d² + (spacing/2)²)``;
        branches into corners end within about one spacing of the corner.

    Raises
    ------
    InputError
        When the spacing is not above 0, or so small that it would take millions of points.

    Notes
    -----
    Dual of the Delaunay triangulation of points along the walls: circumcentres inside the region, joined
    across the sides of triangles whose ends lie on different walls.

    Source: J. W. Brandt, "Convergence and continuity criteria for discrete approximations of the continuous
    planar skeleton", CVGIP: Image Understanding 59 (1994); the angle rule: N. Amenta, S. Choi, R. Kolluri,
    "The power crust" (2001).

    Examples
    --------
    >>> axis = medial_axis(shapely.box(0, 0, 40, 20), 0.5)
    >>> round(float(axis.clearance_mm.max()), 1)
    10.0
    """
    length_mm = float(shapely.length(polygon))
    if not spacing_mm > 0 or length_mm / spacing_mm > _MOST_SAMPLES:
        raise InputError(
            f"{length_mm:.3g} mm of wall cannot be sampled every {spacing_mm} mm",
            remedy="give a spacing above 0 and above a millionth of the wall's length",
        )
    sites, wall, wall_before = _sample(polygon, spacing_mm)
    mesh = _delaunay(sites)
    if not len(mesh.triangles):
        return MedialAxis(np.empty((0, 2)), np.zeros(0), np.zeros((0, 2), np.int64))
    centres, radius = _circles(mesh)
    shapely.prepare(polygon)
    inside = shapely.contains_xy(polygon, centres[:, 0], centres[:, 1])
    half = np.flatnonzero(mesh.twin > np.arange(len(mesh.twin)))
    a, b = half // 3, mesh.twin[half] // 3
    corner = mesh.triangles.reshape(-1)
    i, j = corner[half], corner[mesh.twin[half]]
    apart = np.hypot(*(sites[i] - sites[j]).T)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = 2 * np.arcsin(np.minimum(apart / 2 / np.minimum(radius[a], radius[b]), 1.0))
    same = (wall[i] == wall[j]) | (wall[i] == wall_before[j])
    same |= (wall_before[i] == wall[j]) | (wall_before[i] == wall_before[j])
    kept = inside[a] & inside[b] & ~same & (angle >= np.radians(separation_deg)) & (a != b)
    used, ends = np.unique(np.column_stack((a[kept], b[kept])), return_inverse=True)
    return MedialAxis(centres[used], radius[used], ends.reshape(-1, 2))


def _sample(polygon: Polygon, spacing_mm: float) -> tuple[Floats, Ints, Ints]:
    """Place points along the walls.

    Returns the points, the wall segment each begins or lies on, and for vertices the segment before.
    """
    rings = from_polygons([polygon])
    start = rings.points
    after = np.arange(1, len(start) + 1)
    after[rings.offsets[1:] - 1] = rings.offsets[:-1]
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    step = start[after] - start
    count = np.maximum(np.ceil(np.hypot(*step.T) / spacing_mm), 1).astype(np.int64)
    wall = np.repeat(np.arange(len(start)), count)
    nth = np.arange(len(wall)) - np.repeat(np.cumsum(count) - count, count)
    sites = start[wall] + step[wall] * (nth / count[wall])[:, None]
    wall_before = np.where(nth == 0, before[wall], wall)
    _, single = np.unique(sites, axis=0, return_index=True)
    return sites[single], wall[single], wall_before[single]


def _delaunay(sites: Floats) -> Mesh:
    """Triangulate sites, sorted and different from each other; triangles counter-clockwise."""
    found = shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(sites)))
    corners = shapely.get_coordinates(found).reshape(-1, 4, 2)[:, :3]
    keys = np.ascontiguousarray(sites).view(np.complex128).reshape(-1)
    number = np.searchsorted(keys, np.ascontiguousarray(corners).view(np.complex128).reshape(-1, 3))
    a, b, c = (sites[number[:, k]] for k in range(3))
    clockwise = np.cross(np.pad(b - a, ((0, 0), (0, 1))), np.pad(c - a, ((0, 0), (0, 1))))[:, 2] < 0
    number = np.where(clockwise[:, None], number[:, ::-1], number).astype(np.int64)
    return Mesh(np.pad(sites, ((0, 0), (0, 1))), number)


def _circles(mesh: Mesh) -> tuple[Floats, Floats]:
    """Find the circle through the corners of each triangle: centres (t, 2) and radii (t,)."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k], :2] for k in range(3))
    u, v = b - a, c - a
    doubled = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    uu, vv = np.sum(u * u, axis=1), np.sum(v * v, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (v[:, 1] * uu - u[:, 1] * vv) / doubled
        y = (u[:, 0] * vv - v[:, 0] * uu) / doubled
    # A triangle without area has its centre nowhere near: nan keeps it outside.
    return a + np.column_stack((x, y)), np.hypot(x, y)
