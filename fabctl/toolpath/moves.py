"""The MOVE array: what a tool point does, one row a move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RAPID, FEED, ARC_CW, ARC_CCW, DWELL = range(5)

MOVE = np.dtype(
    [
        ("motion", "u1"),  # RAPID, FEED, ARC_CW, ARC_CCW, DWELL
        ("xyz", "f8", 3),  # mm, tool point at the end of the move, work coordinates
        ("ij", "f8", 2),  # mm, arc centre from the arc's start, XY plane; DWELL: ij[0] is its time in s
        ("feed", "f8"),  # mm/min; of a RAPID 0
        ("power", "f8"),  # 0..1 of the head's full scale (spindle speed or beam power); 0 is off
    ]
)

CHUNK_MOVES = 1 << 12
"""Rows looked at together where work is cut into pieces: their columns stay in the processor's cache."""

Moves = NDArray[np.void]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Toolpath:
    """Moves of one set-up, in the order they are made.

    Parameters
    ----------
    moves : (n,) MOVE
        The first move starts at `start`.
    start : (3,) float64
        Where the tool point is before the first move, mm, work coordinates.
    operation : (n,) int64
        Index into `operations` for each move.
    operations : sequence of str
        A name for each operation a person reads: ``profile outside: seat``.
    tool : sequence of str
        The tool's identifier for each operation.
    """

    moves: Moves
    start: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    operation: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    operations: Sequence[str] = ()
    tool: Sequence[str] = ()

    def __post_init__(self) -> None:
        for array in (self.moves, self.start, self.operation):
            array.setflags(write=False)


def starts(moves: Moves, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each move begins, shape (n, 3), mm."""
    return np.concatenate((np.reshape(start, (1, 3)), moves["xyz"]))[: len(moves)]


def sweeps(moves: Moves, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle each arc turns through, shape (n,), rad; clockwise negative, lines 0.

    An arc that ends where it starts in XY is a full circle, as Grbl holds it.
    """
    turns = np.zeros(len(moves))
    rows = arc_rows(moves)
    if len(rows):
        turns[rows] = _turns(moves, start, rows)
    return turns


def arc_rows(moves: Moves) -> Ints:
    """Return the rows that are arcs, shape (k,), ascending."""
    motion = np.ascontiguousarray(moves["motion"])
    return np.flatnonzero((motion == ARC_CW) | (motion == ARC_CCW))


def _turns(moves: Moves, start: NDArray[np.float64], rows: Ints) -> Floats:
    """Return the angle of the arcs in some rows, shape (k,), rad: arctangents of lines would be wasted."""
    xy = moves["xyz"][:, :2]
    begin = xy[rows - 1]  # of row 0 put right below
    begin[rows == 0] = np.asarray(start, float)[:2]
    arm = -moves["ij"][rows]
    out = xy[rows] - begin + arm
    turn: Floats = np.arctan2(
        arm[:, 0] * out[:, 1] - arm[:, 1] * out[:, 0], arm[:, 0] * out[:, 0] + arm[:, 1] * out[:, 1]
    )
    ccw = moves["motion"][rows] == ARC_CCW
    tiny, circle = 5e-7, 2 * np.pi
    turn[ccw & (turn <= tiny)] += circle
    turn[~ccw & (turn >= -tiny)] -= circle
    return turn


def lengths(moves: Moves, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of each move along its path, helices included, shape (n,), mm; of a DWELL 0."""
    delta = moves["xyz"] - starts(moves, start)
    length: Floats = np.sqrt(np.einsum("ij,ij->i", delta, delta))
    rows = arc_rows(moves)
    if len(rows):
        radius = np.hypot(moves["ij"][rows, 0], moves["ij"][rows, 1])
        length[rows] = np.hypot(np.abs(_turns(moves, start, rows)) * radius, delta[rows, 2])
    length[moves["motion"] == DWELL] = 0.0
    return length
