"""The ways of moves in the plane, each over a parameter from 0 to 1, and where they cross a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.toolpath.moves import ARC_CCW, ARC_CW, Bools, Floats, Ints, Moves, sweeps

QUARTERS = np.pi / 2 * np.arange(4)
LEAST = 1e-12
"""Share of a way no piece falls below."""


@dataclass(frozen=True)
class Ways:
    """Lines and arcs in X and Y.

    Parameters
    ----------
    begin : (k, 2) float64
        mm.
    delta : (k, 2) float64
        From there to the end, mm.
    curved : (k,) bool
    centre : (k, 2) float64
        Of arcs, mm.
    radius : (k, 2) float64
        Of arcs, at the start and at the end, mm; between them it changes evenly.
    angle : (k, 2) float64
        Of arcs, where they start and how far they turn, rad; clockwise negative.
    length_mm : (k,) float64
    """

    begin: Floats
    delta: Floats
    curved: Bools
    centre: Floats
    radius: Floats
    angle: Floats
    length_mm: Floats

    def at(self, owner: Ints, u: Floats) -> Floats:
        """Return points of some ways, shape (m, 2), mm.

        Parameters
        ----------
        owner : (m,) int64
        u : (m,) float64
            0 at the start of a way, 1 at its end.
        """
        points = self.begin[owner] + self.delta[owner] * u[:, None]
        bent = np.flatnonzero(self.curved[owner])
        if len(bent):
            own, share = owner[bent], u[bent]
            angle = self.angle[own, 0] + self.angle[own, 1] * share
            reach = self.radius[own, 0] + (self.radius[own, 1] - self.radius[own, 0]) * share
            points[bent] = self.centre[own] + reach[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
        return points

    def extremes(self) -> tuple[Ints, Floats]:
        """Return the outermost points of arcs between their ends: the way of each, and the point, mm."""
        arcs = np.flatnonzero(self.curved)
        owner, angle = np.repeat(arcs, 4), np.tile(QUARTERS, len(arcs))
        u = self._share(owner, angle)
        inner = u < 1
        return owner[inner], self.at(owner[inner], u[inner])

    def breaks(
        self, low_mm: Floats, pitch_mm: NDArray[np.float64], lines: tuple[int, int]
    ) -> tuple[Ints, Floats, Bools]:
        """Cut ways where they cross the lines of a grid.

        Parameters
        ----------
        low_mm, pitch_mm : (2,) float64
            First lines and distance between neighbouring ones.
        lines : (columns, rows) int
            How many lines across X and across Y.

        Returns
        -------
        owner : (m,) int64
            The way of each piece, ascending.
        end : (m,) float64
            Where on its way a piece ends; the last one of a way at 1.
        first : (m,) bool
            Whether a piece is the first of its way.
        """
        parts = [(np.arange(len(self.begin)), np.ones(len(self.begin)))]
        for axis in (0, 1):
            grid = float(low_mm[axis]), float(pitch_mm[axis]), lines[axis] - 1
            parts += [self._line_breaks(axis, *grid), self._arc_breaks(axis, *grid)]
        owner = np.concatenate([part[0] for part in parts])
        u = np.concatenate([part[1] for part in parts])
        order = np.lexsort((u, owner))
        owner, u = owner[order], u[order]
        # a way through a node crosses two lines at once
        kept = np.append((np.diff(owner) != 0) | (np.diff(u) > LEAST), True)[: len(u)]
        owner, u = owner[kept], u[kept]
        return owner, u, np.diff(owner, prepend=-1) != 0

    def _line_breaks(self, axis: int, low: float, pitch: float, last: int) -> tuple[Ints, Floats]:
        """Return where straight ways cross the lines of one axis."""
        begin = (self.begin[:, axis] - low) / pitch
        delta = self.delta[:, axis] / pitch
        rows = np.flatnonzero(~self.curved & (delta != 0))
        ends = np.stack((begin[rows], begin[rows] + delta[rows]))
        owner, line = _between(rows, ends.min(axis=0), ends.max(axis=0), last)
        u = (line - begin[owner]) / delta[owner]
        inner = (u > LEAST) & (u < 1)
        return owner[inner], u[inner]

    def _arc_breaks(self, axis: int, low: float, pitch: float, last: int) -> tuple[Ints, Floats]:
        """Return where arcs cross the lines of one axis, each at most twice."""
        rows = np.flatnonzero(self.curved)
        middle, radius = (self.centre[:, axis] - low) / pitch, self.radius.mean(axis=1) / pitch
        owner, line = _between(rows, (middle - radius)[rows], (middle + radius)[rows], last)
        ratio = np.clip((line - middle[owner]) / radius[owner], -1, 1)
        half = np.arccos(ratio) if axis == 0 else np.arcsin(ratio)
        other = -half if axis == 0 else np.pi - half
        owner = np.concatenate((owner, owner))
        u = self._share(owner, np.concatenate((half, other)))
        inner = (u > LEAST) & (u < 1)
        return owner[inner], u[inner]

    def _share(self, owner: Ints, angle: Floats) -> Floats:
        """Return how far along its arc a direction lies; above 1 where the arc does not come by."""
        begin, turn = self.angle[owner].T
        return np.asarray(((angle - begin) * np.sign(turn)) % (2 * np.pi) / np.abs(turn), np.float64)


def ways_of(moves: Moves, begin: Floats, rows: Ints) -> Ways:
    """Take the ways of some moves.

    Parameters
    ----------
    moves : (n,) MOVE
    begin : (n, 3) float64
        Where each move begins, mm.
    rows : (k,) int64
        Moves that travel.
    """
    some, start = moves[rows], begin[rows, :2]
    curved = (some["motion"] == ARC_CW) | (some["motion"] == ARC_CCW)
    delta = some["xyz"][:, :2] - start
    centre = np.where(curved[:, None], start + some["ij"], 0.0)
    angle, radius = np.zeros((len(rows), 2)), np.zeros((len(rows), 2))
    length = np.hypot(*delta.T)
    arcs = np.flatnonzero(curved)
    if len(arcs):
        arm, out = start[arcs] - centre[arcs], some["xyz"][arcs, :2] - centre[arcs]
        radius[arcs] = np.column_stack((np.hypot(*arm.T), np.hypot(*out.T)))
        angle[arcs] = np.column_stack(
            (np.arctan2(arm[:, 1], arm[:, 0]), _turns(some[arcs], begin[rows[arcs]]))
        )
        length[arcs] = np.abs(angle[arcs, 1]) * radius[arcs].max(axis=1)
    return Ways(start, delta, curved, centre, radius, angle, length)


def _turns(arcs: Moves, begin: Floats) -> Floats:
    """Return the angle of arcs that do not follow one another, shape (k,), rad."""
    # `sweeps` takes the start of a move from the end of the one before: a row with it goes before each arc
    pairs = np.repeat(arcs, 2)
    pairs["xyz"][::2] = begin
    pairs["motion"][::2] = 0
    return sweeps(pairs, begin[0])[1::2]


def _between(rows: Ints, low: Floats, high: Floats, last: int) -> tuple[Ints, Floats]:
    """Return the whole numbers from 0 to `last` between two bounds, with the row of each pair of bounds."""
    first = np.clip(np.ceil(low), 0, last + 1).astype(np.int64)
    count = np.maximum(np.clip(np.floor(high), -1, last).astype(np.int64) - first + 1, 0)
    owner = np.repeat(np.arange(len(rows)), count)
    rank = np.arange(len(owner)) - (np.cumsum(count) - count)[owner]
    return rows[owner], (first[owner] + rank).astype(np.float64)
