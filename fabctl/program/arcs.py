"""Arcs between what geometry means and what a controller accepts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.toolpath.moves import ARC_CCW, ARC_CW, CHUNK_MOVES, DWELL, FEED, Moves, arc_rows, starts, sweeps

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RADIUS_SLACK_MM = 0.005
"""Radii that differ by less are never refused (Grbl 1.1 gcode.c, STATUS_GCODE_INVALID_TARGET)."""
RADIUS_LIMIT_MM = 0.5
RADIUS_LIMIT_RATIO = 0.001
FARTHEST_MM = 10_000.0
"""No coordinate or centre beyond this is written: a line of 70 bytes must hold the longest arc."""


def is_arc(moves: Moves) -> Bools:
    """Say which moves are arcs, shape (n,)."""
    motion = moves["motion"]
    return np.asarray((motion == ARC_CW) | (motion == ARC_CCW), np.bool_)


def radii(moves: Moves, start: Floats) -> tuple[Floats, Floats]:
    """Return the radius of each arc at its start and at its end, two (n,) arrays, mm."""
    begin = starts(moves, start)[:, :2]
    at_end = moves["xyz"][:, :2] - begin - moves["ij"]
    return np.hypot(*moves["ij"].T), np.hypot(*at_end.T)


def radii_disagree(at_start: Floats, at_end: Floats) -> Bools:
    """Say which arcs Grbl refuses with error:33.

    Parameters
    ----------
    at_start, at_end : (n,) float64
        Radii, mm.

    Returns
    -------
    (n,) bool

    Source
    ------
    Grbl 1.1h gcode.c: more than 0.005 mm apart and more than 0.5 mm or 0.1 % of the radius.

    Examples
    --------
    >>> radii_disagree(np.array([4.0, 10.0, 100.0]), np.array([6.0, 10.004, 100.05])).tolist()
    [True, False, False]
    """
    apart = np.abs(at_start - at_end)
    limit = np.minimum(RADIUS_LIMIT_MM, RADIUS_LIMIT_RATIO * at_start)
    return (apart > RADIUS_SLACK_MM) & (apart > limit)


def to_chords(
    moves: Moves, start: Floats, which: Bools, tolerance_mm: float, turn: Floats | None = None
) -> tuple[Moves, Ints]:
    """Replace some arcs by chords.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    which : (n,) bool
        The arcs to replace.
    tolerance_mm : float
        Largest distance between chord and arc.
    turn : (n,) float64, optional
        The angle each arc turns through where its ends do not tell it, rad.

    Returns
    -------
    moves : (m,) MOVE
    index : (m,) int64
        The row of the input each row came from.
    """
    radius, radius_end = radii(moves, start)
    turn = np.where(which, sweeps(moves, start) if turn is None else turn, 0.0)
    step = 2 * np.arccos(np.clip(1 - tolerance_mm / np.maximum(radius, tolerance_mm), -1, 1))
    count = np.where(which, np.maximum(np.ceil(np.abs(turn) / np.maximum(step, 1e-9)), 1), 1).astype(np.int64)
    index = np.repeat(np.arange(len(moves)), count)
    last = np.cumsum(count) - 1
    part = (np.arange(len(index)) - (last - count)[index]) / count[index]
    out = moves[index]
    inner = which[index] & (part < 1)
    begin = starts(moves, start)[index[inner]]
    ij, share = moves["ij"][index[inner]], part[inner]
    angle = np.arctan2(-ij[:, 1], -ij[:, 0]) + share * turn[index[inner]]
    reach = (1 - share) * radius[index[inner]] + share * radius_end[index[inner]]
    direction = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    out["xyz"][inner, :2] = begin[:, :2] + ij + reach[:, None] * direction
    out["xyz"][inner, 2] = begin[:, 2] + share * (out["xyz"][inner, 2] - begin[:, 2])
    out["motion"][which[index]] = FEED
    out["ij"][which[index]] = 0.0
    return out, index


def settle(moves: Moves, start: Floats, landed: Floats, decimals: int) -> tuple[Moves, Ints]:
    """Round arcs so that a controller accepts and understands them as they were meant.

    Ends lie on the grid of `decimals`. A centre is put where it is equally far from the rounded ends
    before it is rounded itself. An arc whose rounded ends meet would become a full circle, and a circle
    whose ends part would become a speck: the first becomes a line, the second gets its ends joined.
    What still breaks Grbl's radius rule, has no radius left, or a centre too far away to be written
    becomes chords within half a grid step.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        Where the first move was meant to begin, mm.
    landed : (3,) float64
        Where it begins as written, mm.
    decimals : int

    Returns
    -------
    moves : (m,) MOVE
        Arc ends and centres rounded, other rows as they were.
    index : (m,) int64
        The row of the input each row came from.
    """
    arc = is_arc(moves)
    if not arc.any():
        return moves, np.arange(len(moves))
    grid = 10.0**-decimals
    meant = sweeps(moves, start)
    out = moves.copy()
    out["xyz"] = np.round(moves["xyz"], decimals)
    rows = np.flatnonzero(arc)
    exact_begin = starts(moves, start)[:, :2]
    gap = np.hypot(*(moves["xyz"][:, :2] - exact_begin).T)
    circle = (np.abs(meant) > np.pi) & (gap < grid)
    # a circle is joined by moving its end to its start, which may be the moved end of another circle
    at = np.maximum.accumulate(np.where(circle, -1, np.arange(len(moves))))
    out["xyz"][:, :2] = np.where((at >= 0)[:, None], out["xyz"][at, :2], landed[:2])
    begin = starts(out, landed)[rows, :2]
    exact = exact_begin[rows] + moves["ij"][rows]
    chord = out["xyz"][rows, :2] - begin
    span = np.sum(chord**2, axis=1)
    middle = begin + chord / 2
    off_axis = np.sum((exact - middle) * chord, axis=1) / np.where(span > 0, span, 1.0)
    centred = np.where((span > 0)[:, None], exact - off_axis[:, None] * chord, exact)
    out["ij"][rows] = np.round(centred - begin, decimals)
    refused = np.zeros(len(moves), bool)
    refused[rows] = _refused(out[rows], begin, meant[rows])
    if not refused.any():
        return out, np.arange(len(moves))
    out["ij"][refused] = moves["ij"][refused]
    return to_chords(out, landed, refused, max(grid / 2, 0.002), meant)


def _refused(arcs: Moves, begin: Floats, meant: Floats) -> Bools:
    """Say which rounded arcs a controller would refuse or take for another arc, shape (k,)."""
    arm, out = -arcs["ij"], arcs["xyz"][:, :2] - begin - arcs["ij"]
    at_start, at_end = np.hypot(*arm.T), np.hypot(*out.T)
    turn = np.arctan2(arm[:, 0] * out[:, 1] - arm[:, 1] * out[:, 0], np.sum(arm * out, axis=1))
    turn = np.where((arcs["motion"] == ARC_CCW) & (turn <= 5e-7), turn + 2 * np.pi, turn)
    turn = np.where((arcs["motion"] == ARC_CW) & (turn >= -5e-7), turn - 2 * np.pi, turn)
    other = np.abs(turn - meant) > np.pi / 2
    far = np.abs(arcs["ij"]).max(axis=1) >= FARTHEST_MM
    no_radius = at_start == 0
    refused: Bools = radii_disagree(at_start, at_end) | other | no_radius | far
    return refused


def centre_of_radius(way: Floats, radius: Floats, clockwise: Bools) -> tuple[Floats, Bools]:
    """Find the centres of arcs given by radius.

    Parameters
    ----------
    way : (k, 2) float64
        From each start to its end, mm.
    radius : (k,) float64
        mm; negative for the arc that turns through more than half a circle.
    clockwise : (k,) bool

    Returns
    -------
    ij : (k, 2) float64
        From each start to the centre, mm; the middle of the way where the radius is too small.
    short : (k,) bool
        Where the radius is less than half the way, which Grbl refuses with error:34.

    Source
    ------
    Grbl 1.1h gcode.c, "Convert the arc's radius into a centre".

    Examples
    --------
    >>> centre_of_radius(np.array([[2.0, 0.0]]), np.array([1.0]), np.array([True]))[0].round(9).tolist()
    [[1.0, 0.0]]
    """
    square = np.sum(way**2, axis=1)
    h2 = 4 * radius**2 - square
    # a diameter rounded by a last decimal is meant as one
    short = h2 < -1e-9 * np.maximum(square, 1.0)
    lift = np.sqrt(np.maximum(h2, 0)) / np.where(square > 0, np.sqrt(square), 1.0)
    side = np.where(clockwise == (radius >= 0), -lift, lift)
    ij = np.stack((way[:, 0] - way[:, 1] * side, way[:, 1] + way[:, 0] * side), axis=1) / 2
    return ij, short


def reach(moves: Moves, start: Floats) -> tuple[Floats, Floats]:
    """Measure the box around each move, arcs by their true extremes, its start left out.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.

    Returns
    -------
    low, high : (n, 3) float64
        mm.

    Examples
    --------
    >>> from fabctl.toolpath.moves import MOVE
    >>> half = np.zeros(1, MOVE)
    >>> half["motion"], half["xyz"], half["ij"] = ARC_CW, [[20, 0, 0]], [[10, 0]]
    >>> reach(half, np.zeros(3))[1].tolist()
    [[20.0, 10.0, 0.0]]
    """
    low, high = moves["xyz"].copy(), moves["xyz"].copy()
    for first in range(0, len(moves), CHUNK_MOVES):
        some = moves[first : first + CHUNK_MOVES]
        rows = arc_rows(some)
        if len(rows):
            begin = moves["xyz"][first - 1] if first else start
            _widen(some, begin, rows, low[first : first + CHUNK_MOVES], high[first : first + CHUNK_MOVES])
    return low, high


def _widen(moves: Moves, start: Floats, rows: Ints, low: Floats, high: Floats) -> None:
    """Widen the boxes of the arcs in some rows to the extremes they pass."""
    begin = starts(moves, start)[rows, :2]
    centre = (begin + moves["ij"][rows]).T
    radius = np.hypot(*moves["ij"][rows].T)
    turn = sweeps(moves, start)[rows]
    from_angle = np.arctan2(*(begin.T - centre)[::-1])
    least, most = low[rows, :2].T.copy(), high[rows, :2].T.copy()
    for quarter, way in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        ahead = (quarter * np.pi / 2 - from_angle) * np.sign(turn)
        ahead -= 2 * np.pi * np.floor(ahead / (2 * np.pi))
        passed = ahead <= np.abs(turn)
        for axis in (0, 1):
            extreme = centre[axis] + radius * way[axis]
            np.minimum(least[axis], extreme, out=least[axis], where=passed)
            np.maximum(most[axis], extreme, out=most[axis], where=passed)
    low[rows, :2], high[rows, :2] = least.T, most.T


def extents_mm(moves: Moves, start: Floats) -> tuple[Floats, Floats]:
    """Measure the box of all moves, arcs by their true extremes, the start left out.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.

    Returns
    -------
    low, high : (3,) float64
        mm; zeros when nothing moves.
    """
    moving = moves["motion"] != DWELL
    if not moving.any():
        return np.zeros(3), np.zeros(3)
    low, high = reach(moves, start)
    return np.nanmin(low[moving], axis=0), np.nanmax(high[moving], axis=0)
