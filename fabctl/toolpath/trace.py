"""How far a machine's true way was from the planned one, as curves and in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import Floats, Ints, Moves

CHORD_MM = 5e-4
"""Arcs are compared by chords this close to them."""
STRETCH = 1024
"""Traced vertices matched at a time, counted on from the last match."""
SOUNDING = 8
"""Every so many of them are looked for farther away first."""
DRIFT = 0.02
"""How much longer or shorter a traced way may measure than the planned one: steps round each move."""
ORDERLY = (0.02, 0.3, 2.0)
"""What a place a millimetre on along the way counts against a nearer one: decides where ways lie close. The
later ones are tried when the first leaves more than `FAITHFUL_MM`; the best matching counts."""
FAITHFUL_MM = 0.02
"""A step and a chord: no matching need be better."""


@dataclass(frozen=True)
class Deviation:
    """How far a traced way is from the planned one.

    Parameters
    ----------
    max_mm : float
        Largest distance under one order-keeping matching of all of both ways: no traced place is farther
        from its planned place, no planned place farther from its traced one. Infinite when nothing was
        traced of a plan, or something of no plan.
    move : int
        The move at which it occurs; −1 when there is none.
    planned, traced : (3,) float64
        The two places, mm.
    move_mm : (n,) float64
        Largest distance on each move.
    """

    max_mm: float
    move: int
    planned: Floats
    traced: Floats
    move_mm: Floats

    def first_beyond(self, tolerance_mm: float) -> int | None:
        """Return the first move farther off than a tolerance, or None."""
        beyond = np.flatnonzero(self.move_mm > tolerance_mm)
        return int(beyond[0]) if len(beyond) else None


def deviation(
    traced_mm: ArrayLike, moves: Moves, start: NDArray[np.float64], *, slack_mm: float = 2.0
) -> Deviation:
    """Compare a traced polyline with planned moves, both ways and in order.

    Parameters
    ----------
    traced_mm : (k, 3) float
        Where the tool truly went, work coordinates, from `start` on.
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    slack_mm : float
        How far ahead or behind, along the way, a match is looked for; a closed loop shorter than this that
        is made once too often is still seen.

    Returns
    -------
    Deviation
        Rapids and feeds, arcs by their true geometry to half a µm.

    Raises
    ------
    InputError
        When a traced place is not finite.

    Notes
    -----
    Each traced vertex gets a place on the plan, none before that of the vertex in front; each planned vertex
    in between gets a place on the traced segment. Between these places both ways are straight, so their
    distance is largest at one of them: the figure is exact for this matching and never below the Fréchet
    distance of the two ways, so nothing that is missing, doubled or out of order can hide in it.

    Examples
    --------
    >>> from fabctl.toolpath.moves import FEED, MOVE
    >>> moves = np.zeros(2, MOVE)
    >>> moves["motion"], moves["xyz"] = FEED, [(10, 0, 0), (10, 10, 0)]
    >>> deviation([(0, 0, 0), (10, 0, 0), (10, 10, 0)], moves, np.zeros(3)).max_mm
    0.0
    >>> round(deviation([(0, 0, 0), (9, 0, 0), (10, 10, 0)], moves, np.zeros(3)).max_mm, 3)
    0.995
    """
    way = np.asarray(traced_mm, float).reshape(-1, 3)
    if not np.all(np.isfinite(way)):
        raise InputError("a traced place is not finite", remedy="trace the run again")
    origin = np.asarray(start, float)
    if not len(moves) or not len(way):
        none = bool(len(moves)) == bool(len(way))
        worst = 0.0 if none else np.inf
        return Deviation(worst, min(len(moves), 1) - 1, origin, origin, np.full(len(moves), worst))
    ends, source = flatten_moves(moves, origin, CHORD_MM)
    plan, source = _distinct(np.vstack((origin, ends)), np.concatenate((source[:1], source)))
    way, _ = _distinct(way, np.zeros(len(way), np.int64))
    best = _measured(way, plan, source, _match(way, plan, slack_mm, ORDERLY[0]), len(moves))
    for orderly in ORDERLY[1:]:
        if best.max_mm <= FAITHFUL_MM:
            break
        other = _measured(way, plan, source, _match(way, plan, slack_mm, orderly), len(moves))
        best = min(best, other, key=lambda found: found.max_mm)
    return best


def _measured(way: Floats, plan: Floats, source: Ints, at: Floats, count: int) -> Deviation:
    """Measure one matching."""
    places, partners, owner = _pairs(way, plan, source, at)
    off = np.linalg.norm(places - partners, axis=1)
    by_move = np.zeros(count)
    np.maximum.at(by_move, owner, off)
    row = int(off.argmax())
    return Deviation(float(off[row]), int(owner[row]), places[row], partners[row], by_move)


def _distinct(points: Floats, label: Ints) -> tuple[Floats, Ints]:
    """Drop vertices that repeat the one before."""
    keep = np.append(True, np.any(points[1:] != points[:-1], axis=1))
    return points[keep], label[keep]


def _along(points: Floats) -> Floats:
    """Return the length of a polyline up to each vertex, mm."""
    steps = np.sqrt(np.sum(np.diff(points, axis=0) ** 2, axis=1))
    return np.concatenate(([0.0], np.cumsum(steps)))


def _match(way: Floats, plan: Floats, slack_mm: float, orderly: float) -> Floats:
    """Give each traced vertex its place on the plan as a length along it, never falling, (k,) mm."""
    reach, length = _along(way), _along(plan)
    at = np.zeros(len(way))
    anchor = 0.0
    # Stretch by stretch: the length measured since the last match drifts with every rounded step.
    for low in range(0, len(way), STRETCH):
        part = slice(low, min(low + STRETCH, len(way)))
        since = reach[part] - reach[low]
        # Some of the vertices tell, from a wide look, how the length drifts; then all need a narrow one.
        few = np.unique(np.append(np.arange(0, len(since), SOUNDING), len(since) - 1))
        wide = slack_mm + DRIFT * since[few]
        sounded = _nearest_within((way[part][few], plan, length), anchor + since[few], wide, orderly)
        drift = np.interp(since, since[few], _running_median(sounded - anchor - since[few], 4))
        expected = anchor + since + drift
        narrow = np.full(len(since), slack_mm)
        at[part] = _nearest_within((way[part], plan, length), expected, narrow, orderly)
        if part.stop < len(way):
            last = _running_median(at[part] - anchor - since, 16)[-1]
            anchor += float(since[-1] + last + reach[part.stop] - reach[part.stop - 1])
    at[0], at[-1] = 0.0, length[-1]
    return _never_falling(at, way, plan, length)


def _nearest_within(
    ways: tuple[Floats, Floats, Floats], expected: Floats, width: Floats, orderly: float
) -> Floats:
    """Find the nearest place on the plan within so much of an expected length."""
    way, plan, length = ways
    pieces = max(len(plan) - 1, 1)
    first = np.clip(np.searchsorted(length, expected - width, side="right") - 1, 0, pieces - 1)
    last = np.clip(np.searchsorted(length, expected + width, side="left"), first + 1, pieces)
    count = last - first
    head = np.cumsum(count) - count
    row = np.repeat(np.arange(len(way)), count)
    piece = np.arange(len(row)) + np.repeat(first - head, count)
    begin = plan[piece]
    step = plan[np.minimum(piece + 1, len(plan) - 1)] - begin
    square = np.einsum("ij,ij->i", step, step)
    arm = way[row] - begin
    share = np.clip(np.einsum("ij,ij->i", arm, step) / np.where(square > 0, square, 1.0), 0.0, 1.0)
    gap = arm - share[:, None] * step
    off = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    place = length[piece] + share * np.sqrt(square)
    cost = off + orderly * np.abs(place - expected[row])
    least = np.minimum.reduceat(cost, head)
    hit = np.flatnonzero(cost == least[row])
    hit = hit[np.append(True, row[hit][1:] != row[hit][:-1])]
    return np.asarray(place[hit], np.float64)


def _running_median(values: Floats, half: int) -> Floats:
    """Return the median of the values round each one."""
    if len(values) <= 2 * half:
        return np.full(len(values), np.median(values))
    padded = np.pad(values, half, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1))


def _never_falling(at: Floats, way: Floats, plan: Floats, length: Floats) -> Floats:
    """Mend places that fall back: wait at the farthest so far, or be at the nearest still to come.

    Between vertices where both agree, the one that leaves the smaller distance is taken.
    """
    ahead = np.maximum.accumulate(at)
    behind = np.minimum.accumulate(at[::-1])[::-1]
    if np.array_equal(ahead, behind):
        return at
    free = ahead != behind
    run = np.cumsum(np.append(True, free[1:] != free[:-1])) - 1
    worst = np.zeros((2, run[-1] + 1))
    for row, chosen in enumerate((ahead, behind)):
        off = np.linalg.norm(way - _place(plan, length, chosen), axis=1)
        np.maximum.at(worst[row], run, off)
    return np.where(worst[0, run] <= worst[1, run], ahead, behind)


def _place(plan: Floats, length: Floats, at: Floats) -> Floats:
    """Return the points of a polyline at lengths along it."""
    return np.column_stack([np.interp(at, length, plan[:, axis]) for axis in range(3)])


def _pairs(way: Floats, plan: Floats, source: Ints, at: Floats) -> tuple[Floats, Floats, Ints]:
    """Return matched places: planned, traced, and the move of each."""
    length = _along(plan)
    piece = np.clip(np.searchsorted(length, at, side="left"), min(1, len(plan) - 1), len(plan) - 1)
    segment = np.clip(np.searchsorted(at, length, side="right") - 1, 0, max(len(way) - 2, 0))
    begin = way[segment]
    step = way[np.minimum(segment + 1, len(way) - 1)] - begin
    square = np.einsum("ij,ij->i", step, step)
    share = np.einsum("ij,ij->i", plan - begin, step) / np.where(square > 0, square, 1.0)
    # Planned vertices on one traced segment must not go back on it: a running maximum, segment by segment.
    share = np.maximum.accumulate(np.clip(share, 0.0, 1.0) + 2.0 * segment) - 2.0 * segment
    partners = begin + share[:, None] * step
    places = np.concatenate((_place(plan, length, at), plan))
    return places, np.concatenate((way, partners)), np.concatenate((source[piece], source))
