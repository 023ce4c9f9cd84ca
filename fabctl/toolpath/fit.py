"""Fewer, longer pieces: merge points into lines and arcs within a proven bound.

A controller takes milliseconds a line, so 3,000 points at 0.1 mm are slower than the 75 arcs they came from,
by several times (docs of the timing room). Every function here keeps the drawn way within a stated distance,
in both directions and in order: a piece is accepted only after all points under it have been measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.toolpath.gauge import ArcGauge, Bends, LineGauge
from fabctl.toolpath.lanes import merge_points
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, Bools, Floats, Ints, Moves, starts

FARTHEST_MM = 5000.0
"""Arcs of a larger radius are lines to every machine of a workshop."""


@dataclass(frozen=True)
class Fitted:
    """Paths of lines and arcs that stand for polylines.

    Parameters
    ----------
    points : (k, 2) float64
        mm; rounded to the decimals asked for.
    bulge : (k,) float64
        Of the segment that starts at each point, as in `fabctl.geometry.curves`; none above a half circle.
    offsets : (m + 1,) int64
        Path i has the points ``offsets[i]:offsets[i + 1]``.
    source : (k,) int64
        The input vertex each point stands for; the second point of a circle found whole stands for
        the first vertex.
    """

    points: Floats
    bulge: Floats
    offsets: Ints
    source: Ints


def simplify(
    points: ArrayLike, tolerance_mm: float, *, offsets: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Choose the vertices a polyline needs.

    Parameters
    ----------
    points : (n, 2) or (n, 3) float
        One open polyline, or many one after the other, mm.
    tolerance_mm : float
        Largest distance between the polyline and what is left of it, measured in order along both: a way
        that turns back on itself keeps its turn.
    offsets : (m + 1,) int, optional
        Path i has the points ``offsets[i]:offsets[i + 1]``.

    Returns
    -------
    (k,) int64
        Rows to keep, ascending; every path keeps its ends.

    Raises
    ------
    InputError
        When a point is not finite or the tolerance negative.

    Examples
    --------
    >>> simplify([[0, 0], [1, 0.001], [2, 0], [2, 5]], 0.01).tolist()
    [0, 2, 3]
    """
    p, starts_at = _checked(points, tolerance_mm, offsets)
    first, last = starts_at[:-1], starts_at[1:] - 1
    kept = np.zeros(len(p), bool)
    some = last >= first
    kept[first[some]] = kept[last[some]] = True
    breaks, _ = merge_points(LineGauge(p, tolerance_mm), first[some], last[some])
    kept[breaks] = True
    return np.flatnonzero(kept)


def fit_arcs(
    points: ArrayLike,
    tolerance_mm: float,
    *,
    offsets: ArrayLike | None = None,
    closed: ArrayLike | None = None,
    bulge: ArrayLike | None = None,
    decimals: int | None = None,
    corner_deg: float = 30.0,
) -> Fitted:
    """Replace dense polylines by lines and arcs.

    Parameters
    ----------
    points : (n, 2) float
        Polylines one after the other, mm.
    tolerance_mm : float
        Largest distance between a polyline, vertices and chords alike, and what stands for it, and the
        other way round; nothing ever turns back.
    offsets : (m + 1,) int, optional
        Path i has the points ``offsets[i]:offsets[i + 1]``; absent: one path.
    closed : (m,) bool, optional
        Whether a path returns to its first point, which is not repeated; absent: none does.
    bulge : (n,) float, optional
        Segments already arcs; these stay as they are.
    decimals : int, optional
        Decimals the program will be written with: points are rounded to them, and the bound holds for the
        arcs as a controller makes them from rounded centres.
    corner_deg : float
        A vertex that turns by more always ends a piece.

    Returns
    -------
    Fitted
        A path that is a circle comes back as two half circles from its first vertex.

    Raises
    ------
    InputError
        When a point is not finite, the tolerance not positive or finer than the decimals can say.

    Notes
    -----
    Greedy and longest first: an arc through its two end vertices has one free number, which makes the
    largest error of a few of the points as small as it can be; then it is measured against everything it
    replaces. Many stretches are worked on side by side; a million points take about a fifth of a second.

    Where the curvature changes at a rate κ′ an arc that begins and ends on the way can be no longer than
    ∛(72·√3·tolerance ⁄ |κ′|): on smooth ways the pieces come within a hundredth of that.

    Examples
    --------
    >>> angle = np.linspace(0, np.pi / 2, 200)
    >>> fitted = fit_arcs(np.column_stack((np.cos(angle), np.sin(angle))) * 10, 0.005)
    >>> len(fitted.points), round(float(fitted.bulge[0]), 6)
    (2, 0.414214)
    """
    p, starts_at = _checked(points, tolerance_mm, offsets)
    grid = 0.0 if decimals is None else 10.0**-decimals
    if not tolerance_mm > 2 * grid:
        raise InputError(
            f"a tolerance of {tolerance_mm} mm cannot be kept with {decimals} decimals",
            remedy="give a larger tolerance or more decimals",
        )
    loops = np.zeros(len(starts_at) - 1, bool) if closed is None else np.asarray(closed, bool)
    given = np.zeros(len(p)) if bulge is None else np.asarray(bulge, float)
    round_trip, owner, first, last = _unrolled(starts_at, loops)
    vertex, fixed = (p[owner], given[owner]) if loops.any() else (p, given.copy())
    fixed[last] = 0.0
    landed = vertex if decimals is None else np.round(vertex, decimals)
    whole = _circles(vertex, first, last, loops & (last - first >= 8), tolerance_mm - 2 * grid)
    whole &= np.add.reduceat(np.abs(fixed), first) == 0 if len(first) else whole
    kept = np.zeros(len(vertex), bool)
    kept[first] = kept[last] = True
    hard = _corners(vertex, np.radians(corner_deg)) | (fixed != 0)
    hard[1:] |= fixed[:-1] != 0
    run_first, run_last = _runs(kept | hard, round_trip, fixed, whole)
    gauge = ArcGauge(vertex, landed, tolerance_mm, Bends(grid_mm=grid, farthest_mm=FARTHEST_MM))
    breaks, swell = merge_points(gauge, run_first, run_last)
    bent = fixed.copy()
    bent[breaks] += swell
    kept |= hard
    kept[breaks] = True
    return _gather(_Draft(landed, bent, kept, owner, round_trip, first, last), loops, whole, vertex)


def fit_moves(
    moves: Moves, start: NDArray[np.float64], tolerance_mm: float, *, decimals: int | None = None
) -> tuple[Moves, Ints]:
    """Merge runs of feed moves at one height, feed and power into lines and arcs.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    tolerance_mm : float
        As for `fit_arcs`.
    decimals : int, optional
        As for `fit_arcs`.

    Returns
    -------
    moves : (k,) MOVE
    source : (k,) int64
        The last of the moves each one stands for, ascending.
    """
    begin = starts(moves, start)
    flat = (moves["motion"] == FEED) & (moves["xyz"][:, 2] == begin[:, 2])
    same = np.zeros(len(moves), bool)
    same[1:] = flat[1:] & flat[:-1]
    for column in ("feed", "power"):
        same[1:] &= moves[column][1:] == moves[column][:-1]
    heads = np.flatnonzero(flat & ~same)
    if not len(heads):
        return moves.copy(), np.arange(len(moves))
    tails = np.flatnonzero(flat & ~np.append(same[1:], False))
    count = tails - heads + 2
    offsets = np.concatenate(([0], np.cumsum(count)))
    row = np.repeat(heads - offsets[:-1] - 1, count) + np.arange(offsets[-1])
    points = np.where((row >= 0)[:, None], moves["xyz"][row], start)[:, :2]
    fitted = fit_arcs(points, tolerance_mm, offsets=offsets, decimals=decimals)
    begins = np.ones(len(fitted.points), bool)
    begins[fitted.offsets[1:] - 1] = False
    k = np.flatnonzero(begins)
    source = row[fitted.source[k + 1]]
    made = moves[source]
    swell = fitted.bulge[k]
    made["motion"] = np.where(swell > 0, ARC_CCW, np.where(swell < 0, ARC_CW, FEED))
    made["xyz"][:, :2] = fitted.points[k + 1]
    chord = fitted.points[k + 1] - fitted.points[k]
    offset = np.divide(1 - swell**2, 4 * swell, out=np.zeros_like(swell), where=swell != 0)
    centre = chord / 2 + np.column_stack((-chord[:, 1], chord[:, 0])) * offset[:, None]
    made["ij"] = np.where((swell != 0)[:, None], centre, 0.0)
    others = np.flatnonzero(~flat)
    whole = np.concatenate((made, moves[others]))
    order = np.argsort(np.concatenate((source, others)), kind="stable")
    return whole[order], np.concatenate((source, others))[order].astype(np.int64)


@dataclass(frozen=True)
class _Draft:
    """Unrolled paths with the vertices chosen: closed ones repeat their first vertex."""

    landed: Floats
    bent: Floats
    kept: Bools
    owner: Ints
    path: Ints
    first: Ints
    last: Ints


def _checked(points: ArrayLike, tolerance_mm: float, offsets: ArrayLike | None) -> tuple[Floats, Ints]:
    """Return points and offsets as arrays, or name what is wrong with them."""
    p = np.asarray(points, float)
    if p.ndim != 2:
        p = p.reshape(-1, 2)
    if not np.all(np.isfinite(p)):
        row = int(np.argmin(np.all(np.isfinite(p), axis=1)))
        raise InputError(
            f"the point {p[row]} is not finite", place=f"vertex {row}", remedy="repair the drawing"
        )
    if not tolerance_mm >= 0:
        raise InputError(f"a tolerance of {tolerance_mm} mm cannot be met", remedy="give one above 0")
    given = ([0, len(p)] if len(p) else [0]) if offsets is None else offsets
    return p, np.asarray(given, np.int64)


def _unrolled(offsets: Ints, closed: Bools) -> tuple[Ints, Ints, Ints, Ints]:
    """Repeat the first vertex of closed paths; empty paths vanish.

    Returns
    -------
    path, owner : (u,) int64
        Path and input vertex of each unrolled vertex.
    first, last : (m,) int64
        Unrolled vertices of each path; of an empty path they are those of a neighbour, unused.
    """
    count = np.diff(offsets)
    if np.any(count < 1):
        raise InputError("a path without a point cannot be fitted", remedy="leave empty paths out")
    size = count + closed
    last = np.cumsum(size) - 1
    first = last - size + 1
    path = np.repeat(np.arange(len(size)), size)
    owner = np.arange(len(path)) - first[path] + offsets[:-1][path]
    back = last[closed]
    owner[back] = offsets[:-1][closed]
    return path, owner, first, last


def _corners(vertex: Floats, angle: float) -> Bools:
    """Say which vertices turn by more than an angle, whatever path they are of."""
    found = np.zeros(len(vertex), bool)
    if len(vertex) < 3 or angle >= np.pi:
        return found
    x, y = np.diff(vertex[:, 0]), np.diff(vertex[:, 1])
    length = np.sqrt(x * x + y * y)
    level = x[:-1] * x[1:]
    level += y[:-1] * y[1:]
    found[1:-1] = level < np.cos(angle) * length[:-1] * length[1:]
    return found


def _runs(stop: Bools, path: Ints, fixed: Floats, whole: Bools) -> tuple[Ints, Ints]:
    """Return the stretches between stops that are free to be fitted."""
    at = np.flatnonzero(stop)
    first, last = at[:-1], at[1:]
    free = (path[first] == path[last]) & (fixed[first] == 0) & ~whole[path[first]]
    return first[free], last[free]


def _circles(vertex: Floats, first: Ints, last: Ints, able: Bools, tolerance_mm: float) -> Bools:
    """Say which closed paths are circles through their first vertex within the tolerance."""
    whole = np.zeros(len(first), bool)
    rows = np.flatnonzero(able)
    if not len(rows):
        return whole
    centre = _circle_centres(vertex, first, last)
    size = last - first + 1
    path = np.repeat(np.arange(len(first)), size)
    arm = vertex - centre[path]
    away = np.hypot(arm[:, 0], arm[:, 1])
    radius = away[first]
    turn = arm[:-1, 0] * arm[1:, 1] - arm[:-1, 1] * arm[1:, 0]
    angle = np.arctan2(turn, np.einsum("ij,ij->i", arm[:-1], arm[1:]))
    inside = np.arange(len(vertex) - 1)
    joined = path[inside] == path[inside + 1]
    half2 = np.sum(np.diff(vertex, axis=0) ** 2, axis=1) / 4
    near = np.sqrt(np.maximum(np.minimum(away[:-1], away[1:]) ** 2 - half2, 0.0))
    worst = np.maximum.reduceat(np.abs(away - radius[path]), first)
    low = np.full(len(vertex), np.inf)
    low[inside[joined]] = near[joined]
    nearest = np.minimum.reduceat(low, first)
    total = np.bincount(path[inside[joined]], angle[joined], minlength=len(first))
    gross = np.bincount(path[inside[joined]], np.abs(angle[joined]), minlength=len(first))
    once = (np.abs(np.abs(total) - 2 * np.pi) < 1e-6) & (gross - np.abs(total) < 1e-6)
    whole[rows] = (once & (worst <= tolerance_mm) & (radius - nearest <= tolerance_mm))[rows]
    return whole


def _circle_centres(vertex: Floats, first: Ints, last: Ints) -> Floats:
    """Return the least-squares centre of each path, (m, 2); Source: Kåsa 1976."""
    size = last - first + 1
    path = np.repeat(np.arange(len(first)), size)
    middle = np.add.reduceat(vertex, first, axis=0) / size[:, None]
    x, y = (vertex - middle[path]).T
    z = x * x + y * y
    xx, xy, yy, xz, yz = (np.add.reduceat(v, first) for v in (x * x, x * y, y * y, x * z, y * z))
    det = xx * yy - xy * xy
    safe = np.where(det > 0, det, np.inf)
    lean = np.column_stack((xz * yy - yz * xy, yz * xx - xz * xy)) / (2 * safe)[:, None]
    return np.asarray(middle + lean, np.float64)


def _gather(draft: _Draft, closed: Bools, whole: Bools, vertex: Floats) -> Fitted:
    """Pick the chosen vertices, drop repeated first ones and write whole circles as two halves."""
    kept = draft.kept.copy()
    kept[draft.last[closed]] = False
    round_path = whole[draft.path]
    kept &= ~round_path
    if not whole.any():
        at = np.flatnonzero(kept)
        return _ragged(draft.landed[at], draft.bent[at], draft.owner[at], draft.path[at], len(closed))
    centre = _circle_centres(vertex, draft.first, draft.last)[whole]
    begin = draft.first[whole]
    here = draft.landed[begin]
    step = vertex[begin + 1] - vertex[begin]
    arm = vertex[begin] - centre
    sign = np.sign(arm[:, 0] * step[:, 1] - arm[:, 1] * step[:, 0])
    at = np.concatenate((np.flatnonzero(kept), begin, begin))
    points = np.concatenate((draft.landed[kept], here, 2 * centre - here))
    swell = np.concatenate((draft.bent[kept], sign, sign))
    order = np.argsort(at, kind="stable")
    at, points, swell = at[order], points[order], swell[order]
    return _ragged(points, swell, draft.owner[at], draft.path[at], len(closed))


def _ragged(points: Floats, bulge: Floats, source: Ints, path: Ints, count: int) -> Fitted:
    """Bundle vertices with the offsets their paths give."""
    offsets = np.concatenate(([0], np.cumsum(np.bincount(path, minlength=count))))
    return Fitted(points, bulge, offsets.astype(np.int64), source)
