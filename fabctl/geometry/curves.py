"""Curves: many open and closed paths of lines and circular arcs as one ragged array.

A segment runs from a point to the next one of its path (closed paths: from the last back to the first,
which is not repeated). Its *bulge* is the tangent of a quarter of the arc's sweep: 0 a line, 1 a half
circle counter-clockwise, −1 clockwise, the convention of DXF. Circles and arcs thus stay exact from the
drawing to G2 and G3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Curves:
    """An immutable set of paths.

    Parameters
    ----------
    points : (n, 2) float64
        Vertices of all paths, one path after the other, mm.
    bulge : (n,) float64
        Bulge of the segment that starts at each point; that of an open path's last point is 0 and unused.
    offsets : (m + 1,) int64
        Path i has the points ``offsets[i]:offsets[i + 1]``.
    closed : (m,) bool
        Whether the path returns to its first point.
    """

    points: Floats
    bulge: Floats
    offsets: Ints
    closed: Bools

    def __post_init__(self) -> None:
        for array in (self.points, self.bulge, self.offsets, self.closed):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.closed)

    def __iter__(self) -> Iterator[tuple[Floats, Floats, bool]]:
        for i in range(len(self)):
            yield self[i]

    def __getitem__(self, i: int) -> tuple[Floats, Floats, bool]:
        part = slice(self.offsets[i], self.offsets[i + 1])
        return self.points[part], self.bulge[part], bool(self.closed[i])

    def take(self, index: ArrayLike) -> Curves:
        """Pick paths.

        Parameters
        ----------
        index : (k,) int, or (m,) bool
            Paths wanted, in the order wanted.

        Returns
        -------
        Curves
            k paths.
        """
        chosen = np.arange(len(self))[np.asarray(index)]
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate(([0], np.cumsum(counts)))
        rows = np.repeat(self.offsets[chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Curves(self.points[rows], self.bulge[rows], offsets, self.closed[chosen])

    def owner(self) -> Ints:
        """Return the path each point belongs to, shape (n,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def transform(self, matrix: ArrayLike) -> Curves:
        """Move, turn, mirror or scale all paths.

        Parameters
        ----------
        matrix : (2, 3) float
            Affine map; its linear part must be a similarity, or arcs would not stay arcs.

        Returns
        -------
        Curves
            The same paths mapped; a mirror flips the bulges.

        Raises
        ------
        ValueError
            When arcs are present and the map scales x and y differently.
        """
        m = np.asarray(matrix, float)
        linear = m[:, :2]
        gram = linear.T @ linear
        scale2 = gram[0, 0]
        if np.any(self.bulge) and not np.allclose(gram, np.eye(2) * scale2, atol=1e-9 * max(scale2, 1e-300)):
            raise ValueError("arcs survive only maps that scale x and y alike: flatten first")
        return Curves(
            self.points @ linear.T + m[:, 2],
            self.bulge * np.sign(np.linalg.det(linear)),
            self.offsets,
            self.closed,
        )


def from_paths(paths: Iterable[tuple[ArrayLike, ArrayLike | None, bool]]) -> Curves:
    """Gather single paths into one `Curves`.

    Parameters
    ----------
    paths : iterable of (points, bulge, closed)
        Points (k, 2) mm, bulge (k,) or None for straight lines, closed bool.

    Returns
    -------
    Curves
        In the order given.

    Examples
    --------
    >>> square = from_paths([([[0, 0], [1, 0], [1, 1], [0, 1]], None, True)])
    >>> len(square), float(lengths(square)[0])
    (1, 4.0)
    >>> circle = from_paths([([[1, 0], [-1, 0]], [1, 1], True)])
    >>> round(float(lengths(circle)[0] / 2), 12) == round(np.pi, 12)
    True
    """
    points, bulges, closed = [np.empty((0, 2))], [np.empty(0)], []
    for path_points, path_bulge, is_closed in paths:
        p = np.asarray(path_points, float).reshape(-1, 2)
        b = np.zeros(len(p)) if path_bulge is None else np.array(path_bulge, float).reshape(len(p))
        if len(b) and not is_closed:
            b[-1] = 0.0
        points.append(p)
        bulges.append(b)
        closed.append(is_closed)
    offsets = np.cumsum([0] + [len(p) for p in points[1:]], dtype=np.int64)
    return Curves(np.concatenate(points), np.concatenate(bulges), offsets, np.array(closed, bool))


def segments(curves: Curves) -> tuple[Floats, Floats, Floats, Ints]:
    """List every segment of every path.

    Returns
    -------
    start, end : (k, 2) float64
        mm.
    bulge : (k,) float64
    path : (k,) int64
        The path each segment belongs to.
    """
    n = len(curves.points)
    following = np.arange(1, n + 1)
    counts = np.diff(curves.offsets)
    full = counts > 0
    last = curves.offsets[1:][full] - 1
    following[last] = curves.offsets[:-1][full]
    keep = np.ones(n, bool)
    keep[last] = curves.closed[full] & (counts[full] > 1)
    return curves.points[keep], curves.points[following[keep]], curves.bulge[keep], curves.owner()[keep]


def lengths(curves: Curves) -> Floats:
    """Measure each path along its lines and arcs.

    Returns
    -------
    (m,) float64
        mm.
    """
    start, end, bulge, path = segments(curves)
    return np.bincount(path, segment_lengths(start, end, bulge), minlength=len(curves)).astype(np.float64)


def segment_lengths(start: Floats, end: Floats, bulge: Floats) -> Floats:
    """Measure lines and arcs.

    Parameters
    ----------
    start, end : (k, 2) float64
        mm.
    bulge : (k,) float64

    Returns
    -------
    (k,) float64
        mm.
    """
    half = 2 * np.arctan(np.abs(bulge))
    ratio = np.divide(half, np.sin(half), out=np.ones_like(half), where=half > 1e-9)
    reach: Floats = np.hypot(*(end - start).T) * ratio
    return reach


def arc_centres(start: Floats, end: Floats, bulge: Floats) -> Floats:
    """Find the centres of arc segments; lines give nan.

    Parameters
    ----------
    start, end : (k, 2) float64
        mm.
    bulge : (k,) float64

    Returns
    -------
    (k, 2) float64
        mm.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = (1 - bulge**2) / (4 * bulge)
        chord = end - start
        centres = (start + end) / 2 + np.column_stack((-chord[:, 1], chord[:, 0])) * offset[:, None]
    centres[bulge == 0] = np.nan
    return centres


def flatten(curves: Curves, tolerance_mm: float) -> Curves:
    """Replace arcs by chords.

    Parameters
    ----------
    curves : Curves
    tolerance_mm : float
        Largest distance of a chord from its arc, mm; vertices lie on the arc.

    Returns
    -------
    Curves
        The same paths, every bulge 0.

    Notes
    -----
    A chord over the angle t of a circle of radius r is r·(1 − cos(t/2)) off it. A sweep is never cut in
    fewer than four chords a full turn.
    """
    if not np.any(curves.bulge):
        return curves
    n = len(curves.points)
    owner = curves.owner()
    last = curves.offsets[owner + 1] - 1
    following = np.where(np.arange(n) == last, curves.offsets[owner], np.arange(n) + 1)
    start, end, bulge = curves.points, curves.points[following], curves.bulge
    arc = bulge != 0
    sweep = 4 * np.arctan(bulge)
    centres = arc_centres(start, end, np.where(arc, bulge, 1.0))
    radius = np.hypot(*(start - centres).T)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = 2 * np.arccos(np.clip(1 - tolerance_mm / radius, 0.0, 1.0))
        pieces = np.ceil(np.abs(sweep) / np.clip(step, 1e-4, np.pi / 2))
    count = np.where(arc, np.maximum(np.nan_to_num(pieces, nan=1.0), 1), 1).astype(np.int64)
    first = np.concatenate(([0], np.cumsum(count)))
    rows = np.repeat(np.arange(n), count)
    turn = sweep[rows] * (np.arange(first[-1]) - first[rows]) / count[rows]
    arm = start[rows] - centres[rows]
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.column_stack((arm[:, 0] * cos - arm[:, 1] * sin, arm[:, 0] * sin + arm[:, 1] * cos))
    points = np.where((turn != 0)[:, None], centres[rows] + turned, start[rows])
    return Curves(points, np.zeros(len(points)), first[curves.offsets], curves.closed)


def extents(curves: Curves) -> tuple[float, float, float, float]:
    """Measure the box around all paths, arcs by their true extremes.

    Returns
    -------
    x0, y0, x1, y1 : float
        mm; all nan when there is nothing.
    """
    if not len(curves.points):
        return (np.nan, np.nan, np.nan, np.nan)
    low, high = curves.points.min(axis=0), curves.points.max(axis=0)
    start, end, bulge, _ = segments(curves)
    arc = bulge != 0
    if arc.any():
        start, end, bulge = start[arc], end[arc], bulge[arc]
        centres = arc_centres(start, end, bulge)
        radius = np.hypot(*(start - centres).T)
        begin = np.arctan2(*(start - centres).T[::-1])
        sweep = 4 * np.arctan(bulge)
        for quarter, direction in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
            ahead = np.mod((quarter * np.pi / 2 - begin) * np.sign(sweep), 2 * np.pi)
            extreme = (centres + radius[:, None] * np.array(direction))[ahead <= np.abs(sweep)]
            if len(extreme):
                low, high = np.minimum(low, extreme.min(axis=0)), np.maximum(high, extreme.max(axis=0))
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def split(points: Floats, bulge: Floats, at_mm: Floats, *, closed: bool) -> tuple[Floats, Floats, Ints]:
    """Insert a vertex at each given distance along one path; its shape does not change.

    Parameters
    ----------
    points : (k, 2) float64
        mm.
    bulge : (k,) float64
    at_mm : (j,) float64
        Distances from the first point along the path, ascending, within 0 and its length, mm.
    closed : bool

    Returns
    -------
    points : (l, 2) float64
        The path's own vertices and the new ones in order; an open path keeps its last point, a closed one
        still does not repeat its first.
    bulge : (l,) float64
    index : (j,) int64
        Where each distance stands in ``points``; a closed path's full length stands at l, past the end.

    Examples
    --------
    >>> half = split(np.array([[0.0, 0], [10, 0]]), np.zeros(2), np.array([4.0]), closed=False)
    >>> half[0].tolist(), half[2].tolist()
    ([[0.0, 0.0], [4.0, 0.0], [10.0, 0.0]], [1])
    """
    path = from_paths([(points, bulge, closed)])
    start, end, swell, _ = segments(path)
    quarter = np.arctan(swell)
    reach = np.concatenate(([0.0], np.cumsum(segment_lengths(start, end, swell))))
    marks = np.union1d(reach, _snap(np.asarray(at_mm, float), reach))
    index = np.searchsorted(marks, _snap(np.asarray(at_mm, float), reach))
    owner = np.clip(np.searchsorted(reach, marks[:-1], side="right") - 1, 0, len(start) - 1)
    span = np.maximum(reach[owner + 1] - reach[owner], 1e-300)
    begin, share = (marks[:-1] - reach[owner]) / span, np.diff(marks) / span
    new = _along(start[owner], end[owner], quarter[owner], begin)
    new_bulge = np.tan(quarter[owner] * share)
    if closed:
        return new, new_bulge, index
    return np.vstack((new, end[-1:])), np.append(new_bulge, 0.0), index


def _snap(at_mm: Floats, reach: Floats) -> Floats:
    """Move distances within 1e-9 mm of a vertex onto it, so that no segment of no length appears."""
    nearest = np.clip(np.searchsorted(reach, at_mm), 1, len(reach) - 1)
    nearest -= (at_mm - reach[nearest - 1]) < (reach[nearest] - at_mm)
    snapped: Floats = np.where(np.abs(reach[nearest] - at_mm) < 1e-9, reach[nearest], at_mm)
    return snapped


def _along(start: Floats, end: Floats, quarter: Floats, share: Floats) -> Floats:
    """Return the points at a share (0..1) of segments whose quarter sweep is given in rad."""
    full, part = 2 * quarter, 2 * quarter * share
    chord = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(np.abs(full) > 1e-9, np.sin(part) / np.sin(full), share)
    turn = part - full
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    turned: Floats = np.column_stack(
        (chord[:, 0] * cos - chord[:, 1] * sin, chord[:, 0] * sin + chord[:, 1] * cos)
    )
    return start + turned


def reverse(curves: Curves) -> Curves:
    """Run every path the other way; a closed path keeps its first point."""
    n = len(curves.points)
    owner = curves.owner()
    first, last = curves.offsets[owner], curves.offsets[owner + 1] - 1
    here = np.arange(n)
    closed = curves.closed[owner]
    source = np.where(closed, first + np.mod(first - here, last - first + 1), first + last - here)
    bulge_source = np.where(closed, last - (here - first), np.maximum(last - here + first - 1, first))
    bulge = np.where(~closed & (here == last), 0.0, -curves.bulge[bulge_source])
    return Curves(curves.points[source], bulge + 0.0, curves.offsets, curves.closed)


def signed_areas(curves: Curves) -> Floats:
    """Measure the area each path encloses when closed by a line, counter-clockwise positive.

    Returns
    -------
    (m,) float64
        mm², arcs exact.
    """
    start, end, bulge, path = segments(
        Curves(curves.points, curves.bulge, curves.offsets, np.ones(len(curves), bool))
    )
    cross = (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]) / 2
    sweep = 4 * np.arctan(bulge)
    chord2 = np.sum((end - start) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius2 = chord2 / (4 * np.sin(sweep / 2) ** 2)
        cap = np.where(np.abs(bulge) > 1e-12, radius2 * (sweep - np.sin(sweep)) / 2, 0.0)
    return np.bincount(path, cross + cap, minlength=len(curves)).astype(np.float64)
