"""Slicing: a mesh cut at many heights into closed contours, whole arrays at once.

A *crossing* is a half-edge that climbs through a plane. The contour leaves a triangle through the half-edge
on which it climbs, enters the neighbour through the twin, and leaves that one through whichever of its two
other half-edges climbs through the same plane: the next crossing is looked up, never searched for, and
following it makes every contour a cycle of one permutation.

A vertex exactly at a height counts as above it: each plane shows the solid as it is an infinitely small step
below. So a flat top at the height is part of the contours and a flat bottom is not, whatever the triangles
in it, and no height needs to be moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.geometry.curves import Curves
from fabctl.geometry.cycles import cycles
from fabctl.geometry.mesh import EdgeReport, Mesh, extents, inspect
from fabctl.geometry.repair import orient

if TYPE_CHECKING:
    from fabctl.geometry.nesting import Nesting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCK_CROSSINGS = 1 << 17
"""Crossings worked on at once: they stay in the processor's cache and bound the memory beside the result."""

_FLAT = 1e-13
"""A contour whose area is below this share of its span's square encloses nothing but rounding."""


@dataclass(frozen=True)
class Slices:
    """Contours of a mesh at many heights.

    Parameters
    ----------
    heights_mm : (p,) float64
        As they were asked for.
    contours : Curves
        m closed paths, sorted by height; the solid lies on their left (outlines counter-clockwise, holes
        clockwise).
    plane : (m,) int64
        The height of each contour, an index into `heights_mm`.
    bridged_mm : (m,) float64
        Longest straight piece in each contour that is not in the mesh but closes a gap, mm; 0 where the
        mesh is closed.
    report : EdgeReport
        What is wrong with the mesh; sound meshes need no bridges.
    turned : int
        Triangles that had to be turned first because they faced against their neighbours.
    flat : int
        Contours left out because they enclose nothing: a point, or a line there and back.
    """

    heights_mm: Floats
    contours: Curves
    plane: Ints
    bridged_mm: Floats
    report: EdgeReport
    turned: int
    flat: int

    def at(self, plane: int) -> Curves:
        """Return the contours at one height."""
        return self.contours.take(np.flatnonzero(self.plane == plane))

    def nest(self) -> Nesting:
        """Find which contour lies in which at its height: holes have odd depth in a sound solid."""
        from fabctl.geometry.nesting import nest  # noqa: PLC0415 - shapely takes longer to start than a cut

        return nest(self.contours, self.plane)

    def areas_mm2(self) -> Floats:
        """Measure the solid's area at each height, shape (p,), mm²."""
        return np.bincount(self.plane, _ring_areas(self.contours), len(self.heights_mm)).astype(np.float64)


def sheet_heights(mesh: Mesh, thickness_mm: float) -> Floats:
    """Place the heights at which a solid is cut to be stacked from sheets.

    Parameters
    ----------
    mesh : Mesh
    thickness_mm : float
        Of the material, mm.

    Returns
    -------
    (p,) float64
        Middle of each sheet from the bottom up, mm. A last sheet that the solid fills less than half is
        left out, unless it is the only one.

    Raises
    ------
    InputError
        When the thickness is not above 0 or the mesh is empty.

    Examples
    --------
    >>> from fabctl.geometry.mesh import Mesh
    >>> wedge = Mesh(np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9.0]]), np.array([[0, 1, 3]]))
    >>> sheet_heights(wedge, 3.0).tolist()
    [1.5, 4.5, 7.5]
    """
    low, high = extents(mesh)
    height_mm = float(high[2] - low[2])
    if not thickness_mm > 0 or not np.isfinite(height_mm):
        raise InputError(
            f"a solid {height_mm} mm high cannot be cut into sheets of {thickness_mm} mm",
            remedy="give a material with a thickness and a mesh with triangles",
        )
    # Heights read from files carry rounding: half a sheet less a millionth still counts as half.
    count = max(int(np.floor(height_mm / thickness_mm + 0.5 + 1e-6)), 1)
    middle = np.minimum((np.arange(count) + 0.5) * thickness_mm, height_mm if count > 1 else height_mm / 2)
    return np.asarray(low[2] + middle)


def slice_mesh(mesh: Mesh, heights_mm: ArrayLike) -> Slices:
    """Cut a mesh at a set of heights.

    Parameters
    ----------
    mesh : Mesh
        Best closed, see `fabctl.geometry.repair.clean`; whatever is wrong with it is in the report.
    heights_mm : (p,) float
        In any order, mm.

    Returns
    -------
    Slices
        Closed contours; neighbouring triangles share the very same point, and each contour starts at its
        lowest half-edge, so that the same mesh gives the same bytes.

    Raises
    ------
    InputError
        When a height or a vertex is not finite.

    Notes
    -----
    Open ends of one plane, where the mesh has holes, are joined nearest first; `Slices.bridged_mm` says how
    far. Where more than two triangles share an edge, pairs that enclose material belong together.
    """
    heights = np.array(heights_mm, np.float64).reshape(-1)
    if not np.isfinite(heights).all() or not np.isfinite(mesh.vertices).all():
        raise InputError(
            "a height or a vertex is not a finite number",
            remedy="repair the mesh or leave out that height",
        )
    report = inspect(mesh)
    turned = 0
    if len(report.inconsistent):
        mesh, turned = orient(mesh)
    order = np.argsort(heights, kind="stable")
    cutter = _Cutter.prepare(mesh, heights[order])
    blocks = [cutter.cut(first, last) for first, last in cutter.blocks()]
    points = np.concatenate([np.empty((0, 2)), *(block.points for block in blocks)])
    counts = np.concatenate([np.zeros(0, np.int64), *(block.counts for block in blocks)])
    plane = np.concatenate([np.zeros(0, np.int64), *(block.plane for block in blocks)])
    bridged_mm = np.concatenate([np.zeros(0), *(block.bridged_mm for block in blocks)])
    offsets = np.concatenate(([0], np.cumsum(counts)))
    contours = Curves(points, np.zeros(len(points)), offsets, np.ones(len(counts), bool))
    flat = sum(block.flat for block in blocks)
    return Slices(heights, contours, order[plane], bridged_mm, report, turned, flat)


@dataclass(frozen=True)
class _Block:
    """Contours of some neighbouring planes, as in `Slices`."""

    points: Floats
    counts: Ints
    plane: Ints
    bridged_mm: Floats
    flat: int


@dataclass(frozen=True)
class _Cutter:
    """The half-edges that climb through at least one plane, and what follows them.

    Parameters
    ----------
    heights : (p,) float64
        Ascending.
    mesh : Mesh
    level : (v,) int64
        Heights at or below each vertex: plane i is below the vertex when ``i < level``.
    edge : (k,) int64
        Half-edges that climb, and reversed ones that fall where no twin climbs (an open end enters there).
    enters : (k,) bool
        Which of `edge` are such reversed ones.
    low, high : (k,) int64
        Each crosses the planes ``low:high``.
    """

    heights: Floats
    mesh: Mesh
    level: Ints
    edge: Ints
    enters: Bools
    low: Ints
    high: Ints

    @classmethod
    def prepare(cls, mesh: Mesh, heights: Floats) -> _Cutter:
        """Sort vertices between the heights and pick the half-edges that matter."""
        level = np.searchsorted(heights, mesh.vertices[:, 2], side="right")
        corner = level[mesh.triangles]
        origin, dest = corner.reshape(-1), corner[:, [1, 2, 0]].reshape(-1)
        climbs = origin < dest
        if mesh.edges.is_sound:
            edge = np.flatnonzero(climbs)
            return cls(heights, mesh, level, edge, np.zeros(len(edge), bool), origin[edge], dest[edge])
        enters = (origin > dest) & (mesh.twin < 0)
        edge = np.flatnonzero(climbs | enters)
        origin, dest = origin[edge], dest[edge]
        low, high = np.minimum(origin, dest), np.maximum(origin, dest)
        return cls(heights, mesh, level, edge, enters[edge], low, high)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Divide the planes so that no block has many more crossings than `BLOCK_CROSSINGS`."""
        p = len(self.heights)
        change = np.bincount(self.low, minlength=p + 1) - np.bincount(self.high, minlength=p + 1)
        total = np.concatenate(([0], np.cumsum(np.cumsum(change[:p]))))
        first = 0
        while first < p:
            last = int(np.searchsorted(total, total[first] + BLOCK_CROSSINGS, side="right")) - 1
            last = min(max(last, first + 1), p)
            yield first, last
            first = last

    def cut(self, first: int, last: int) -> _Block:
        """Cut at the planes ``first:last``."""
        here = np.flatnonzero((self.low < last) & (self.high > first))
        edge, enters = self.edge[here], self.enters[here]
        low, high = np.maximum(self.low[here], first), np.minimum(self.high[here], last)
        count = high - low
        start = np.concatenate(([0], np.cumsum(count)))
        row = np.repeat(np.arange(len(here)), count)
        plane = np.arange(start[-1]) + (low - start[:-1])[row]
        points = self._points(edge, enters, start, row, plane)
        following = self._follow(edge, enters, low, start, row, plane)
        open_end = np.flatnonzero(following < 0)
        bridge = np.zeros(len(row))
        if len(open_end):
            entrance = np.flatnonzero(enters[row])
            following[open_end], bridge[open_end] = _bridge(points, plane, open_end, entrance)
        order, offsets = cycles(following)
        return _gather(points, plane, bridge, order, offsets)

    def _points(self, edge: Ints, enters: Bools, start: Ints, row: Ints, plane: Ints) -> Floats:
        """Intersect each crossing's edge with its plane, shape (s, 2).

        Reckoned from the lower end for every triangle, so that all triangles at an edge get the same bits.
        """
        corner = self.mesh.triangles.reshape(-1)
        below, above = corner[edge], corner[_next(edge)]
        if enters.any():
            below, above = np.where(enters, above, below), np.where(enters, below, above)
        z = np.ascontiguousarray(self.mesh.vertices[:, 2])
        # A point in the plane as one complex number: half the gathers.
        spot = np.ascontiguousarray(self.mesh.vertices[:, :2]).view(np.complex128).reshape(-1)
        foot, head, bottom, top = spot[below], spot[above], z[below], z[above]
        height = self.heights[plane]
        climb = height - bottom[row]
        climb /= (top - bottom)[row]
        points = (head - foot)[row]
        points *= climb
        points += foot[row]
        # A vertex at the height is met exactly, not within rounding.
        last = start[1:] - 1
        hits = np.flatnonzero(height[last] == top)
        points[last[hits]] = head[hits]
        return np.asarray(points.view(np.float64).reshape(-1, 2))

    def _follow(self, edge: Ints, enters: Bools, low: Ints, start: Ints, row: Ints, plane: Ints) -> Ints:
        """Find the crossing after each crossing, −1 at an open end."""
        base = np.full(3 * len(self.mesh.triangles), -1)
        base[edge] = start[:-1] - low
        entry = self.mesh.twin[edge]
        if enters.any():
            entry = np.where(enters, edge, entry)
        first = _next(entry)
        second = _next(first)
        # The half-edge after the entry starts low: it climbs where the third corner is above the plane.
        third = self.level[self.mesh.triangles.reshape(-1)[second]]
        following = np.where(plane < third[row], base[first][row], base[second][row]) + plane
        if len(entry) and entry.min() < 0:
            following[(entry < 0)[row]] = -1
        return np.asarray(following)


def _next(half: Ints) -> Ints:
    """Return the half-edge after each half-edge in its triangle."""
    last = half % 3 == 2
    return np.asarray(half + 1 - 3 * last)


def _bridge(points: Floats, plane: Ints, exits: Ints, entrances: Ints) -> tuple[Ints, Floats]:
    """Join open ends to entrances of the same plane, nearest first; each plane has as many of both.

    Planes are moved apart in y for the search, so that one tree serves all of them. Each round joins all
    pairs that are nearest to each other; with ties in the way, the nearest pair of all.
    """
    import shapely  # noqa: PLC0415 - only meshes with holes need it

    spread = float(np.ptp(points, axis=0).sum())
    target, distance_mm = np.full(len(exits), -1), np.zeros(len(exits))
    shift = np.column_stack((np.zeros(len(plane)), plane * (2 * spread + 1.0)))
    out = np.asarray(shapely.points((points + shift)[exits]))
    into = np.asarray(shapely.points((points + shift)[entrances]))
    left, free = np.arange(len(exits)), np.arange(len(entrances))
    while len(left):
        (_, there), far = shapely.STRtree(into[free]).query_nearest(
            out[left], return_distance=True, all_matches=False
        )
        _, back = shapely.STRtree(out[left]).query_nearest(into[free], all_matches=False)
        pairs = np.flatnonzero(back[there] == np.arange(len(left)))
        if not len(pairs):
            pairs = np.array([np.argmin(far)])
        target[left[pairs]] = entrances[free[there[pairs]]]
        free = np.delete(free, there[pairs])
        left = np.delete(left, pairs)
    distance_mm = np.hypot(*(points[target] - points[exits]).T)
    return target, distance_mm


def _gather(points: Floats, plane: Ints, bridge: Floats, order: Ints, offsets: Ints) -> _Block:
    """Lay out contours by plane, without doubled points and without those that enclose nothing."""
    if not len(order):
        return _Block(np.empty((0, 2)), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), 0)
    rank = np.argsort(plane[order[offsets[:-1]]], kind="stable")
    counts = np.diff(offsets)[rank]
    begin = np.concatenate(([0], np.cumsum(counts)))
    rows = order[np.repeat(offsets[:-1][rank] - begin[:-1], counts) + np.arange(begin[-1])]
    bridged_mm = np.maximum.reduceat(bridge[rows], begin[:-1])
    contour_plane = plane[rows[begin[:-1]]]
    # A point as one complex number: one gather, one comparison.
    spots = np.ascontiguousarray(points).view(np.complex128).reshape(-1)[rows]
    before = np.concatenate((spots[-1:], spots[:-1]))
    before[begin[:-1]] = spots[begin[1:] - 1]
    keep = spots != before
    counts = np.add.reduceat(keep, begin[:-1], dtype=np.int64)
    keep &= np.repeat(counts > 2, np.diff(begin))
    full = np.flatnonzero(counts > 2)
    shell = _rings(spots[keep], counts[full])
    solid = np.abs(_ring_areas(shell)) > _FLAT * _spans(shell) ** 2
    if not solid.all():
        full, shell = full[solid], shell.take(solid)
    flat = len(counts) - len(full)
    return _Block(shell.points, counts[full], contour_plane[full], bridged_mm[full], flat)


def _rings(spots: NDArray[np.complex128], counts: Ints) -> Curves:
    """Build closed paths from their points as complex numbers."""
    points = spots.view(np.float64).reshape(-1, 2)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return Curves(points, np.zeros(len(points)), offsets, np.ones(len(counts), bool))


def _ring_areas(rings: Curves) -> Floats:
    """Measure signed areas of closed paths without arcs, shape (m,), mm²; positive counter-clockwise."""
    if not len(rings):
        return np.zeros(0)
    begin = rings.offsets[:-1]
    spots = rings.points.view(np.complex128).reshape(-1)
    # From the first point of each, so that rings far from the origin lose nothing.
    arm = spots - np.repeat(spots[begin], np.diff(rings.offsets))
    after = np.concatenate((arm[1:], arm[:1]))
    after[rings.offsets[1:] - 1] = 0
    return np.asarray(np.add.reduceat(arm.real * after.imag - arm.imag * after.real, begin)) / 2


def _spans(rings: Curves) -> Floats:
    """Measure the longer side of the box around each path, shape (m,), mm."""
    if not len(rings):
        return np.zeros(0)
    begin = rings.offsets[:-1]
    size = np.maximum.reduceat(rings.points, begin) - np.minimum.reduceat(rings.points, begin)
    return np.asarray(size.max(axis=1))
