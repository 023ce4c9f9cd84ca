"""Regions: what lies inside closed curves, how they nest, and offsets of them, on shapely (GEOS).

Regions are shapely ``Polygon`` objects in object arrays; every function takes and returns whole arrays.
A region's outline runs counter-clockwise and its holes clockwise once it is `Curves` again, so that the
material is always on the left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from fabctl.errors import DesignError, InputError
from fabctl.geometry.curves import Curves, flatten, signed_areas
from fabctl.geometry.nesting import Nesting, nest, simple_polygons

__all__ = [
    "Nesting",
    "Ring",
    "crossings",
    "from_polygons",
    "intersect",
    "nest",
    "offset",
    "offset_each",
    "pocket_rings",
    "quadrant_chords",
    "subtract",
    "to_polygons",
    "unite",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Polygons = NDArray[np.object_]

_AREA_SLACK = 1e-9
"""Relative difference of area under which a ring only touches itself and does not cross."""


@dataclass(frozen=True)
class Ring:
    """One closed pass of a pocket.

    Parameters
    ----------
    points : (k, 2) float64
        Tool centre, mm, the first point not repeated; counter-clockwise, or clockwise around an island.
    level : int
        0 along the wall, then counted inwards.
    parent : int
        The ring of the level before that this one follows at a stepover, −1 along the wall.
    hole : bool
        Whether it runs around an island.
    """

    points: Floats
    level: int
    parent: int
    hole: bool


def to_polygons(curves: Curves, tolerance_mm: float, *, repair: bool = False) -> Polygons:
    """Gather closed paths into regions by the even-odd rule.

    Parameters
    ----------
    curves : Curves
        Open paths, and closed ones that enclose nothing, are left out.
    tolerance_mm : float
        Largest distance of a chord from its arc, mm.
    repair : bool
        Take crossing paths by the even-odd rule instead of refusing them; ask `crossings` first what a
        person should be told.

    Returns
    -------
    (k,) object
        Valid shapely polygons. Without repair, one for each path of even depth in the paths' order, its
        holes the paths directly inside it.

    Raises
    ------
    DesignError
        When a path crosses itself or another one and is not to be repaired: inside and outside are
        then a matter of opinion.
    """
    flat = flatten(curves, tolerance_mm)
    solid = np.flatnonzero(curves.closed & (np.diff(flat.offsets) > 2))
    crossed = crossings(curves, tolerance_mm)
    if len(crossed[0]) and not repair:
        raise _crossing_error(int(crossed[0][0]), crossed[1][0])
    chosen = flat.take(solid)
    rings = simple_polygons(chosen)
    if len(crossed[0]):
        return _even_odd(rings)
    nesting = nest(chosen)
    polygons = _with_holes(chosen, nesting)
    valid = shapely.is_valid(polygons)
    if not valid.all():
        polygons[~valid] = shapely.make_valid(polygons[~valid])
        polygons = _polygons_of(polygons)
    at = _overlap(rings, nesting, polygons)
    if at is None:
        return polygons
    if repair:
        return _even_odd(rings)
    raise DesignError(
        f"two closed paths cross near x {at[0]:.3f} y {at[1]:.3f} mm: inside and outside are not defined",
        place=f"x {at[0]:.3f} y {at[1]:.3f} mm",
        remedy="unite or separate the shapes in the drawing, or engrave along the line",
    )


def from_polygons(polygons: Iterable[Polygon] | Polygons) -> Curves:
    """Take the outlines of regions as paths.

    Parameters
    ----------
    polygons : (k,) shapely polygons or multipolygons
        Empty ones are left out.

    Returns
    -------
    Curves
        For each region its outline counter-clockwise, then its holes clockwise.

    Examples
    --------
    >>> from_polygons([shapely.box(0, 0, 1, 1)]).points.tolist()
    [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    parts = _polygons_of(polygons)
    rings, owner = shapely.get_rings(parts, return_index=True)
    rings = np.asarray(rings, object)
    is_hole = np.concatenate((np.zeros(min(len(rings), 1), bool), owner[1:] == owner[:-1]))
    turn = np.asarray(shapely.is_ccw(rings), bool) == is_hole
    rings[turn] = shapely.reverse(rings[turn])
    points = shapely.get_coordinates(rings)
    counts = shapely.get_num_coordinates(rings).astype(np.int64)
    ends = np.cumsum(counts)
    points = np.delete(points, ends - 1, axis=0)
    offsets = np.concatenate(([0], ends - np.arange(1, len(ends) + 1))).astype(np.int64)
    return Curves(points, np.zeros(len(points)), offsets, np.ones(len(rings), bool))


def offset(polygons: Iterable[Polygon] | Polygons, distance_mm: float, tolerance_mm: float) -> Polygons:
    """Grow regions, or shrink them with a negative distance; corners become round.

    Parameters
    ----------
    polygons : (k,) shapely polygons
        Each one on its own: what grows together stays apart.
    distance_mm : float
        mm.
    tolerance_mm : float
        Largest distance of the result from the true offset, mm: a quarter of it is spent on leaving out
        vertices of the region that hardly matter, the rest on the chords of round corners.

    Returns
    -------
    (n,) object
        Shapely polygons: a region may fall apart or vanish.

    Raises
    ------
    InputError
        When distance or tolerance is no finite number, or the tolerance not above 0.

    Examples
    --------
    >>> round(float(offset([shapely.box(0, 0, 10, 10)], -1, 0.01)[0].area), 9)
    64.0
    """
    return offset_each(polygons, distance_mm, tolerance_mm)[0]


def offset_each(
    polygons: Iterable[Polygon] | Polygons, distance_mm: float, tolerance_mm: float
) -> tuple[Polygons, Ints]:
    """Grow or shrink regions as `offset` does, and say which of them each result came from.

    Parameters
    ----------
    polygons : (k,) shapely polygons or multipolygons
    distance_mm, tolerance_mm : float
        As for `offset`.

    Returns
    -------
    parts : (n,) object
        Shapely polygons.
    origin : (n,) int64
        Ascending; a region that vanished is missing in it.

    Raises
    ------
    InputError
        As `offset` does.

    Examples
    --------
    >>> parts, origin = offset_each([shapely.box(0, 0, 1, 1), shapely.box(0, 0, 9, 9)], -1, 0.01)
    >>> len(parts), origin.tolist()
    (1, [1])
    """
    if not np.isfinite(distance_mm) or not 0 < tolerance_mm < np.inf:
        raise InputError(
            f"an offset of {distance_mm} mm at a tolerance of {tolerance_mm} mm is not defined",
            remedy="give a finite distance and a tolerance above 0",
        )
    parts, origin = _parts_with_origin(polygons)
    if distance_mm == 0:
        return parts, origin
    grown, index = _parts_with_origin(_grow(parts, distance_mm, tolerance_mm))
    return grown, origin[index]


def quadrant_chords(radius_mm: float, tolerance_mm: float) -> int:
    """Count the chords of a quarter circle that stay within a tolerance.

    Examples
    --------
    >>> quadrant_chords(3.0, 0.01)
    10
    """
    half_angle = np.arccos(max(1 - tolerance_mm / radius_mm, 0.0))
    return int(np.clip(np.ceil(np.pi / 4 / max(half_angle, 1e-6)), 2, 10_000))


def pocket_rings(
    polygon: Polygon, tool_radius_mm: float, stepover_mm: float, tolerance_mm: float
) -> list[Ring]:
    """Fill a region with rings from its wall inwards until nothing is left.

    Parameters
    ----------
    polygon : shapely polygon
        What is to be cleared; its holes are islands that stay.
    tool_radius_mm : float
        mm.
    stepover_mm : float
        Distance of neighbouring rings, at most the tool's diameter, mm.
    tolerance_mm : float
        As in `offset`. A slot that misses the tool's diameter by no more than this is cut as well.

    Returns
    -------
    list of Ring
        Level by level; cut them last to first to work from the inside out. A disc of the tool's radius
        along all rings covers every point of the region that the tool can reach.

    Raises
    ------
    InputError
        When radius, stepover or tolerance is not above 0, or the stepover is above the diameter.

    Notes
    -----
    Up to a stepover of one radius, rings alone leave nothing: a point deeper than a radius behind a ring is
    at least as deep as the next one. Above that, what is left in sharp corners between two levels gets a
    ring of its own along its edge.
    """
    if not (tool_radius_mm > 0 and tolerance_mm > 0 and 0 < stepover_mm <= 2 * tool_radius_mm):
        raise InputError(
            f"a stepover of {stepover_mm} mm does not fit a tool of {2 * tool_radius_mm} mm",
            remedy="give a stepover above 0 and at most the tool's diameter",
        )
    regions = offset([polygon], -tool_radius_mm, tolerance_mm)
    if tolerance_mm < tool_radius_mm:
        snug = offset([polygon], tolerance_mm - tool_radius_mm, tolerance_mm)
        regions = np.concatenate((regions, _apart(snug, regions)))
    rings: list[Ring] = []
    origin = np.full(len(regions), -1)
    before: list[list[int]] = []
    level = 0
    # Each level grows from the one before: the loop is over levels, the work inside over whole arrays.
    while len(regions):
        numbers = [
            _add_rings(rings, region, i, level, before) for region, i in zip(regions, origin, strict=True)
        ]
        inner = _grow(regions, -stepover_mm, tolerance_mm)
        if stepover_mm > tool_radius_mm:
            left = _left_between(regions, inner, tool_radius_mm, tolerance_mm)
            for rest, i in zip(*left, strict=True):
                _add_rings(rings, rest, i, level + 1, numbers)
        regions, origin = _parts_with_origin(inner)
        before = numbers
        level += 1
    return rings


def unite(polygons: Iterable[Polygon] | Polygons) -> Polygons:
    """Unite regions into ones that do not overlap, shape (n,)."""
    return _polygons_of([shapely.union_all(_polygons_of(polygons))])


def subtract(polygons: Iterable[Polygon] | Polygons, taken: Iterable[Polygon] | Polygons) -> Polygons:
    """Take the second regions out of each of the first, shape (n,)."""
    return _polygons_of(shapely.difference(_polygons_of(polygons), shapely.union_all(_polygons_of(taken))))


def intersect(polygons: Iterable[Polygon] | Polygons, within: Iterable[Polygon] | Polygons) -> Polygons:
    """Keep of each of the first regions what lies within the second, shape (n,)."""
    return _polygons_of(shapely.intersection(_polygons_of(polygons), shapely.union_all(_polygons_of(within))))


def crossings(curves: Curves, tolerance_mm: float) -> tuple[Ints, Floats]:
    """Find closed paths that cross themselves.

    Parameters
    ----------
    curves : Curves
    tolerance_mm : float
        Arcs are tested as chords this close, mm.

    Returns
    -------
    path : (k,) int64
        Paths that cross themselves; merely touching oneself does not count.
    place : (k, 2) float64
        Where each does so first, mm.
    """
    flat = flatten(curves, tolerance_mm)
    area = np.abs(signed_areas(flat))
    solid = np.flatnonzero(curves.closed & (np.diff(flat.offsets) > 2))
    polygons = simple_polygons(flat.take(solid))
    bad = np.flatnonzero(~shapely.is_valid(polygons))
    even_odd = shapely.area(shapely.make_valid(polygons[bad]))
    bad = bad[np.abs(even_odd - area[solid[bad]]) > _AREA_SLACK * np.maximum(even_odd, area[solid[bad]])]
    places = [_place(str(reason)) for reason in shapely.is_valid_reason(polygons[bad])]
    return solid[bad], np.array(places, float).reshape(-1, 2)


def _grow(geometries: Polygons, distance_mm: float, tolerance_mm: float) -> Polygons:
    """Offset each geometry within a tolerance; see `offset`.

    Every vertex would get its own round corner: without leaving some out, rings around an island would
    double their vertices at each level.
    """
    plain = shapely.simplify(geometries, tolerance_mm / 4)
    chords = quadrant_chords(abs(distance_mm), 0.75 * tolerance_mm)
    return np.asarray(shapely.buffer(plain, distance_mm, quad_segs=chords), object)


def _place(reason: str) -> tuple[float, float]:
    """Read the place out of GEOS' sentence ``Self-intersection[50 30]``."""
    match = re.search(r"\[(\S+) (\S+?)\]", reason)
    return (float(match.group(1)), float(match.group(2))) if match else (np.nan, np.nan)


def _crossing_error(path: int, at: Floats) -> DesignError:
    """Say which path crosses itself and where."""
    return DesignError(
        f"closed path {path} crosses itself near x {at[0]:.3f} y {at[1]:.3f} mm: "
        "inside and outside are not defined",
        place=f"path {path}",
        remedy="separate it into simple shapes in the drawing, or engrave along the line",
    )


def _polygons_of(geometries: Iterable[object] | Polygons) -> Polygons:
    """List the polygons in a mixture of geometries, without empty ones, shape (n,)."""
    return _parts_with_origin(geometries)[0]


def _parts_with_origin(geometries: Iterable[object] | Polygons) -> tuple[Polygons, Ints]:
    """List the polygons in a mixture of geometries and the geometry each came from."""
    array = np.empty(0, object) if geometries is None else np.array(list(geometries), object)
    origin = np.arange(len(array))
    # A collection may hold multipolygons: two rounds reach the polygons.
    for _ in range(2):
        array, index = shapely.get_parts(array, return_index=True)
        origin = origin[index]
    keep = (shapely.get_type_id(array) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(array)
    return array[keep], origin[keep]


def _with_holes(flat: Curves, nesting: Nesting) -> Polygons:
    """Build a polygon from each path of even depth and the paths directly inside it."""
    outer = np.flatnonzero(nesting.depth % 2 == 0)
    hole = np.flatnonzero(nesting.depth % 2 == 1)
    if not len(outer):
        return np.zeros(0, object)
    ring = np.concatenate((outer, hole))
    owner = np.concatenate((np.arange(len(outer)), np.searchsorted(outer, nesting.parent[hole])))
    order = np.argsort(owner, kind="stable")
    rings = flat.take(ring[order])
    counts = np.diff(rings.offsets)
    last = np.repeat(rings.offsets[:-1] + np.arange(len(rings)), counts + 1)
    step = np.arange(len(last)) - last
    rows = np.repeat(rings.offsets[:-1], counts + 1) + step % np.repeat(counts, counts + 1)
    ring_offsets = np.concatenate(([0], np.cumsum(counts + 1)))
    polygon_offsets = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(outer)))))
    built = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, rings.points[rows], (ring_offsets, polygon_offsets)
    )
    return np.asarray(built, object)


def _overlap(rings: Polygons, nesting: Nesting, polygons: Polygons) -> Floats | None:
    """Find a place where two different paths cross, or None.

    Paths that cross show as area that is lost or counted twice: area of the regions against the
    alternating sum over the nesting tree, and regions against each other.
    """
    expected = float(np.sum(np.where(nesting.depth % 2 == 0, 1, -1) * shapely.area(rings)))
    found = float(np.sum(shapely.area(polygons)))
    i, j = shapely.STRtree(polygons).query(polygons, predicate="overlaps")
    if len(i):
        shared = shapely.intersection(polygons[i[0]], polygons[j[0]])
        return np.asarray(shapely.get_coordinates(shapely.point_on_surface(shared))[0])
    if abs(expected - found) <= _AREA_SLACK * max(abs(expected), found):
        return None
    i, j = shapely.STRtree(rings).query(rings, predicate="overlaps")
    at = shapely.intersection(shapely.boundary(rings[i]), shapely.boundary(rings[j]))
    points = shapely.get_coordinates(at)
    return np.asarray(points[0] if len(points) else shapely.get_coordinates(rings[:1])[0])


def _even_odd(rings: Polygons) -> Polygons:
    """Split crossing rings into faces and keep those that an odd number of rings surrounds."""
    noded = shapely.union_all(shapely.boundary(rings))
    faces = np.asarray(shapely.get_parts(shapely.polygonize([noded])), object)
    points = shapely.point_on_surface(faces)
    # Each ring by itself may cross itself: ray crossing counts its faces by the even-odd rule.
    at = shapely.get_coordinates(points)
    shapely.prepare(rings)
    count = np.zeros(len(faces), np.int64)
    i, j = shapely.STRtree(rings).query(points)
    np.add.at(count, i, shapely.contains_xy(rings[j], at[i, 0], at[i, 1]))
    return unite(faces[count % 2 == 1])


def _apart(candidates: Polygons, regions: Polygons) -> Polygons:
    """Keep the candidates that meet none of the regions."""
    if not len(regions) or not len(candidates):
        return candidates
    touched = np.unique(shapely.STRtree(regions).query(candidates, predicate="intersects")[0])
    return np.delete(candidates, touched)


def _left_between(
    regions: Polygons, inner: Polygons, tool_radius_mm: float, tolerance_mm: float
) -> tuple[Polygons, Ints]:
    """Find what neither the rings around `regions` nor those of the next level reach."""
    beyond = _grow(regions, -tool_radius_mm, tolerance_mm)
    left = shapely.difference(beyond, _grow(inner, tool_radius_mm, tolerance_mm))
    parts, origin = _parts_with_origin(left)
    keep = shapely.area(parts) > tolerance_mm**2
    return parts[keep], origin[keep]


def _add_rings(
    rings: list[Ring], polygon: Polygon, origin: int, level: int, before: list[list[int]]
) -> list[int]:
    """Append the rings of one region; each follows the ring of its origin that it is closest to."""
    curves = from_polygons([polygon])
    candidates = before[origin] if origin >= 0 else [-1]
    parents = [candidates[0]] * len(curves)
    if len(candidates) > 1:
        lines = [shapely.linearrings(rings[k].points) for k in candidates]
        starts = shapely.points(curves.points[curves.offsets[:-1]])
        apart = shapely.distance(np.asarray(starts)[:, None], np.array(lines, object)[None, :])
        parents = [candidates[k] for k in np.argmin(apart, axis=1)]
    numbers = list(range(len(rings), len(rings) + len(curves)))
    for k, (points, _, _) in enumerate(curves):
        rings.append(Ring(points, level, parents[k], hole=k > 0))
    return numbers
