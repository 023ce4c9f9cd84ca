"""The engine of merging: many stretches of a polyline grow their pieces side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabctl.toolpath.moves import Bools, Floats, Ints

LANE_POINTS = 1024
"""A longer stretch is cut into lanes of about so many points; their seams are mended afterwards."""


@dataclass(frozen=True)
class Bends:
    """What an arc must keep to.

    Parameters
    ----------
    grid_mm : float
        Spacing the centre will be rounded to; 0 leaves it exact.
    farthest_mm : float
        Largest radius.
    """

    grid_mm: float
    farthest_mm: float


def merge_points(
    vertex: Floats, landed: Floats, first: Ints, last: Ints, tolerance_mm: float, *, bends: Bends | None
) -> tuple[Ints, Floats]:
    """Cover each stretch of a polyline with few lines and arcs.

    Parameters
    ----------
    vertex : (n, 2) or (n, 3) float64
        The way as drawn, mm.
    landed : (n, 2) or (n, 3) float64
        Where pieces may begin and end: the vertices, perhaps rounded.
    first, last : (m,) int64
        The stretches, by their end vertices.
    tolerance_mm : float
        Largest distance, both ways, in order.
    bends : Bends, optional
        Allows arcs (2-D only).

    Returns
    -------
    begin : (k,) int64
        Vertices at which pieces begin, ascending.
    bulge : (k,) float64
        Of each piece.
    """
    work = _Work(vertex, landed, tolerance_mm, bends)
    long_enough = last > first
    first, last = first[long_enough], last[long_enough]
    lanes = np.maximum((last - first) // LANE_POINTS, 1)
    stretch = np.repeat(np.arange(len(first)), lanes)
    rank = np.arange(len(stretch)) - (np.cumsum(lanes) - lanes)[stretch]
    span = (last - first)[stretch]
    begin = first[stretch] + span * rank // lanes[stretch]
    end = first[stretch] + span * (rank + 1) // lanes[stretch]
    at, bulge = _grow(work, begin, end)
    order = np.argsort(at)
    return _mend(work, at[order], bulge[order], np.sort(last))


@dataclass(frozen=True)
class _Work:
    """What is merged, and how closely."""

    vertex: Floats
    landed: Floats
    tolerance_mm: float
    bends: Bends | None


def _grow(work: _Work, begin: Ints, end: Ints) -> tuple[Ints, Floats]:
    """Let every lane take the longest piece it can, again and again, until all are at their ends.

    Each round tries one length in every lane at once: doubled while it holds, halved between the longest
    that held and the shortest that did not.
    """
    pos, goal = begin.copy(), end.copy()
    good = pos + 1
    bulge = np.zeros(len(pos))
    bad = goal + 1
    guess = np.full(len(pos), 8)
    pieces_at: list[Ints] = []
    pieces_bulge: list[Floats] = []
    # One round a trial, not a point: a hundred or two for a million points.
    while len(pos):
        trial = np.where(bad > goal, pos + np.maximum(guess, 2 * (good - pos)), (good + bad) // 2)
        trial = np.minimum(trial, goal)
        held, swell = _holds(work, pos, trial)
        held |= trial <= good
        bulge = np.where(held & (trial > good), swell, bulge)
        good = np.where(held, np.maximum(trial, good), good)
        bad = np.where(held, bad, trial)
        guess = np.zeros_like(guess)
        done = (good >= goal) | (bad - good <= 1 + (good - pos) // 32)
        if not done.any():
            continue
        # An arc over two chords says nothing that the chords do not say better.
        short = done & (bulge != 0) & (good - pos < 3)
        good = np.where(short, pos + 1, good)
        bulge = np.where(short, 0.0, bulge)
        pieces_at.append(pos[done])
        pieces_bulge.append(bulge[done])
        guess = np.where(done, np.maximum(good - pos, 4), 0)
        pos = np.where(done, good, pos)
        good = np.where(done, pos + 1, good)
        bad = np.where(done, goal + 1, bad)
        bulge = np.where(done, 0.0, bulge)
        left = pos < goal
        if not left.all():
            pos, goal, good, bad, guess = (v[left] for v in (pos, goal, good, bad, guess))
            bulge = bulge[left]
    if not pieces_at:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate(pieces_at), np.concatenate(pieces_bulge)


def _mend(work: _Work, at: Ints, bulge: Floats, stops: Ints) -> tuple[Ints, Floats]:
    """Join neighbouring pieces while one can stand for both; seams of lanes vanish so."""
    fresh = np.ones(len(at), bool)
    # Each round joins pairs: as many rounds as doublings, and after the first few pieces change.
    while fresh.any():
        changed = np.zeros(len(at), bool)
        for parity in (0, 1):
            stop = stops[np.minimum(np.searchsorted(stops, at, side="right"), len(stops) - 1)]
            left = np.arange(parity, len(at) - 1, 2)
            left = left[(at[left + 1] < stop[left]) & (fresh[left] | fresh[left + 1])]
            ends = np.minimum(np.append(at[1:], stop[-1]), stop)
            held, swell = _holds(work, at[left], ends[left + 1])
            held &= (swell == 0) | (ends[left + 1] - at[left] >= 3)
            bulge[left[held]] = swell[held]
            changed[left[held]] = True
            keep = np.ones(len(at), bool)
            keep[left[held] + 1] = False
            at, bulge, fresh, changed = at[keep], bulge[keep], fresh[keep], changed[keep]
        fresh = changed
    return at, bulge


def _holds(work: _Work, begin: Ints, end: Ints) -> tuple[Bools, Floats]:
    """Say which stretches one piece can stand for, and its bulge: a line if that does, else an arc."""
    held = _line_holds(work, begin, end)
    bulge = np.zeros(len(begin))
    if work.bends is not None:
        rows = np.flatnonzero(~held)
        if len(rows):
            held[rows], bulge[rows] = _arc_holds(work, work.bends, begin[rows], end[rows])
    return held, bulge


def _windows(begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """Expand begin…end, both included: vertex and window of each entry, and where windows start."""
    size = end - begin + 1
    head = np.cumsum(size) - size
    window = np.repeat(np.arange(len(begin)), size)
    return np.arange(len(window)) + np.repeat(begin - head, size), window, head


def _line_holds(work: _Work, begin: Ints, end: Ints) -> Bools:
    """Measure each stretch against its chord: every vertex near it, every step forward along it."""
    if not len(begin):
        return np.zeros(0, bool)
    chord = work.landed[end] - work.landed[begin]
    length = np.sqrt(np.einsum("ij,ij->i", chord, chord))
    unit = chord / np.where(length > 0, length, 1.0)[:, None]
    row, window, head = _windows(begin, end)
    along = np.zeros(len(row))
    square = np.zeros(len(row))
    for axis in range(work.vertex.shape[1]):
        # Column by column: gathers of rows are several times slower.
        offset = work.vertex[:, axis][row] - work.landed[begin, axis][window]
        square += offset * offset
        along += offset * unit[window, axis]
    off2 = np.maximum.reduceat(square - along * along, head)
    onward = np.empty(len(row))
    onward[1:] = along[1:] - along[:-1]
    onward[head] = np.inf
    forward = np.minimum.reduceat(onward, head) >= 0
    single = end - begin <= 1
    near = off2 <= work.tolerance_mm**2
    held: Bools = single | (near & forward)
    return held


def _arc_holds(work: _Work, bends: Bends, begin: Ints, end: Ints) -> tuple[Bools, Floats]:
    """Fit the arc through both ends of each stretch and measure everything under it.

    In coordinates with the chord from (−c, 0) to (c, 0) the circles through both are those round (0, k);
    least squares over x² + y² − c² = 2·k·y gives k. The arc holds when every vertex lies within the
    tolerance of the circle, every chord too (its nearest point to the centre is no nearer than the
    smaller end radius and the half length allow), every step turns the same way, and all of it lies on
    the minor side: by continuity the arc is then within the tolerance of the polyline as well.
    """
    tolerance = work.tolerance_mm
    a, b = work.landed[begin], work.landed[end]
    chord = b - a
    c = np.sqrt(np.einsum("ij,ij->i", chord, chord)) / 2
    able = c > 0
    unit = chord / np.where(able, 2 * c, 1.0)[:, None]
    middle = (a + b) / 2
    row, window, head = _windows(begin, end)
    dx = work.vertex[:, 0][row] - middle[window, 0]
    dy = work.vertex[:, 1][row] - middle[window, 1]
    ux, uy = unit[window, 0], unit[window, 1]
    x, y = dx * ux + dy * uy, dy * ux - dx * uy
    excess = x * x + y * y - (c * c)[window]
    yy = np.add.reduceat(y * y, head)
    able &= yy > 0
    k = np.add.reduceat(excess * y, head) / (2 * np.where(able, yy, 1.0))
    radius = np.where(able, np.sqrt(c * c + k * k), 1.0)
    able &= (radius < bends.farthest_mm) & (radius > 2 * tolerance) & (k != 0)
    sign = np.sign(k)
    # A rounded centre moves the drawn arc by no more than this (centre off by grid/√2, ends held).
    slack = tolerance - bends.grid_mm * np.sqrt(2) * np.minimum(c / radius, 1.0)
    able &= slack > 0
    y -= k[window]
    away2 = x * x + y * y
    high = np.maximum.reduceat(away2, head) <= (radius + slack) ** 2
    step2 = np.empty(len(row))
    step2[:-1] = (x[1:] - x[:-1]) ** 2 + (y[1:] - y[:-1]) ** 2
    least = np.full(len(row), np.inf)
    np.minimum(away2[1:], away2[:-1], out=least[:-1])
    least[:-1] -= step2[:-1] / 4
    turn = np.empty(len(row))
    turn[:-1] = (x[:-1] * y[1:] - y[:-1] * x[1:]) * sign[window[:-1]]
    tail = np.append(head[1:], len(row)) - 1
    least[tail], turn[tail] = np.inf, np.inf
    low = np.minimum.reduceat(least, head) >= np.maximum(radius - slack, 0.0) ** 2
    onward = np.minimum.reduceat(turn, head) > 0
    # Minor side: the centre lies at +k, so nothing of the way lies more than the tolerance that way.
    minor = np.maximum.reduceat(y * sign[window], head) <= tolerance - np.abs(k)
    held: Bools = able & high & low & onward & minor
    return held, np.where(held, sign * c / (radius + np.abs(k)), 0.0)
