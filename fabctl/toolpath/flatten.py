"""Arcs, ramps and helices as straight pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError
from fabctl.toolpath.moves import CHUNK_MOVES, Floats, Ints, Moves, arc_rows, starts, sweeps


def flatten_moves(moves: Moves, start: NDArray[np.float64], tolerance_mm: float) -> tuple[Floats, Ints]:
    """Write the way of the tool point as one polyline.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    tolerance_mm : float
        Largest distance of a chord from its arc; every vertex lies on the arc.

    Returns
    -------
    points : (m, 3) float64
        Where each piece ends, mm; the first piece begins at `start`.
    source : (m,) int64
        The move of each piece, ascending; every move has at least one.

    Raises
    ------
    InputError
        When the tolerance is not positive.

    Notes
    -----
    A chord over the angle t of radius r is r·(1 − cos(t/2)) off; at least four chords a full turn. A helix
    rises evenly with its angle, as a controller makes it.
    """
    if not tolerance_mm > 0:
        raise InputError(f"a tolerance of {tolerance_mm} mm cannot be met", remedy="give one above 0")
    points, source = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for first in range(0, len(moves), CHUNK_MOVES):
        some = moves[first : first + CHUNK_MOVES]
        begin = moves["xyz"][first - 1] if first else start
        pieces = np.ones(len(some), np.int64)
        rows = arc_rows(some)
        if len(rows):
            radius = np.hypot(some["ij"][rows, 0], some["ij"][rows, 1])
            ratio = np.divide(tolerance_mm, radius, out=np.ones_like(radius), where=radius > 0)
            step = np.clip(2 * np.arccos(1 - np.minimum(ratio, 1)), 1e-5, np.pi / 2)
            turns = sweeps(some, begin)
            pieces[rows] = np.maximum(np.ceil(np.abs(turns[rows]) / step - 1e-9), 1)
            cut, owner = cut_arcs(some, begin, pieces, turns)
        else:
            cut, owner = cut_arcs(some, begin, pieces)
        points.append(cut.T)
        source.append(owner + first)
    return np.concatenate(points), np.concatenate(source)


def cut_arcs(
    moves: Moves, start: NDArray[np.float64], pieces: Ints, turns: Floats | None = None
) -> tuple[Floats, Ints]:
    """Cut arcs into so many pieces of equal angle.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    pieces : (n,) int64
        At least 1; counts for arcs only.
    turns : (n,) float64, optional
        What `sweeps` says, where it is known already.

    Returns
    -------
    points : (3, m) float64
        Where each piece ends, mm. The last one of a move ends where the move does.
    move : (m,) int64
        The move of each piece.
    """
    ends = np.ascontiguousarray(moves["xyz"].T)
    arc = arc_rows(moves)
    if not len(arc):
        return ends, np.arange(len(moves))
    counts = np.ones(len(moves), np.int64)
    counts[arc] = pieces[arc]
    move = np.repeat(np.arange(len(moves)), counts)
    points = ends[:, move]
    first = np.cumsum(counts) - counts
    rank = np.full(len(moves), -1)
    rank[arc] = np.arange(len(arc))
    part = (np.arange(len(move)) - first[move] + 1) / counts[move]
    inner = np.flatnonzero((rank[move] >= 0) & (part < 1))
    rows, part = rank[move[inner]], part[inner]
    turns = sweeps(moves, start) if turns is None else turns
    turn = turns[arc][rows] * part
    begin = starts(moves, start)[arc]
    arm = -moves["ij"][arc]
    centre = begin[:, :2] - arm
    cos, sin = np.cos(turn), np.sin(turn)
    points[0, inner] = centre[rows, 0] + arm[rows, 0] * cos - arm[rows, 1] * sin
    points[1, inner] = centre[rows, 1] + arm[rows, 0] * sin + arm[rows, 1] * cos
    points[2, inner] = begin[rows, 2] + (ends[2, arc][rows] - begin[rows, 2]) * part
    return points, move
