"""Nearest neighbours among points, on grids as fine as the points are dense."""

from __future__ import annotations

import numpy as np

from fabctl.toolpath.moves import Floats, Ints

CROWD = 48
"""Candidates looked at for a point; a cell with more is split."""

BLOCK_ROWS = 4096
"""Points whose neighbours are sorted at once."""


def nearest(points: Floats, count: int) -> Ints:
    """List the nearest other points of each point, nearest first.

    Parameters
    ----------
    points : (n, 2) float64
        mm.
    count : int
        Neighbours wanted.

    Returns
    -------
    (n, count) int64
        −1 where there are fewer. Taken from the nine cells round each point, of the finest grid on which
        these hold twice as many points as wanted: in an even spread these are the true nearest but for the
        last few. Of points crowded in one place some are left out.

    Examples
    --------
    >>> nearest(np.array([[0.0, 0], [1, 0], [3, 0]]), 1).tolist()
    [[1], [0], [1]]
    """
    n = len(points)
    found = np.full((n, count), -1, np.int64)
    if n < 2:
        return found
    low = points.min(axis=0)
    size = max(float((points.max(axis=0) - low).max()), 1e-9)
    finest = 20
    fine = np.minimum((points - low) / size * 2**finest, 2**finest - 1).astype(np.int64)
    todo = np.arange(n)
    wanted = min(2 * count + 2, n)
    level = min(finest, int(np.ceil(np.log2(np.sqrt(n)))) + 6)
    # One round a grid, from fine to coarse: about a dozen.
    while len(todo):
        cells, order = _cells(fine, finest - level)
        first, last = _blocks(cells, fine[todo] >> (finest - level))
        crowd = (last - first).sum(axis=1)
        ready = (crowd >= wanted) | (level == 0)
        if ready.any():
            found[todo[ready]] = _closest(points, todo[ready], order, first[ready], last[ready], count)
            todo = todo[~ready]
        level -= 1
    return found


def _key(cell: Ints) -> Ints:
    """Number cells row by row; a border of one cell is left free."""
    return np.asarray((cell[..., 1] + 1) * (1 << 24) + cell[..., 0] + 1, np.int64)


def _cells(fine: Ints, shift: int) -> tuple[Ints, Ints]:
    """Return the sorted cell numbers of all points and the points in that order."""
    key = _key(fine >> shift)
    order = np.argsort(key, kind="stable")
    return key[order], order


def _blocks(cells: Ints, cell: Ints) -> tuple[Ints, Ints]:
    """Return the three rows of three cells round each cell as ranges of the sorted points, (k, 3) each."""
    key = _key(cell)[:, None] + np.array([-1, 0, 1]) * (1 << 24)
    return np.searchsorted(cells, key - 1), np.searchsorted(cells, key + 1, side="right")


def _closest(points: Floats, rows: Ints, order: Ints, first: Ints, last: Ints, count: int) -> Ints:
    """Sort the candidates of each row by distance and keep the nearest ones."""
    found = np.full((len(rows), count), -1, np.int64)
    # a block at a time: a row takes as many columns as its block's most crowded one
    for low in range(0, len(rows), BLOCK_ROWS):
        part = slice(low, low + BLOCK_ROWS)
        size = np.minimum(last[part] - first[part], CROWD)
        # In a crowd take the middle of the range, where the point itself is.
        begin = first[part] + (last[part] - first[part] - size) // 2
        flat, many = size.ravel(), size.sum(axis=1)
        head = np.cumsum(flat) - flat
        candidate = order[np.arange(flat.sum()) + np.repeat(begin.ravel() - head, flat)]
        owner = np.repeat(np.arange(len(many)), many)
        column = np.arange(len(owner)) - np.repeat(np.cumsum(many) - many, many)
        gap = points[candidate] - points[rows[part]][owner]
        away = np.full((len(many), max(int(many.max()), count)), np.inf)
        other = candidate != rows[part][owner]
        away[owner[other], column[other]] = np.einsum("ij,ij->i", gap, gap)[other]
        who = np.full(away.shape, -1)
        who[owner[other], column[other]] = candidate[other]
        nearest_first = np.argsort(away, axis=1, kind="stable")[:, :count]
        found[part] = np.take_along_axis(who, nearest_first, axis=1)
    return found
