"""Grid cells: which points lie within reach of each other, found by sorting, without a tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.geometry.curves import Floats, Ints

Hashes = NDArray[np.uint64]

MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
"""Odd multipliers that spread small integers over 64 bits."""

_MAX_PAIRS = 500_000
_OFFSETS = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, -1]])


def group_numbers(count: int, groups: ArrayLike | None) -> Ints:
    """Number groups from 0 in sorted order; without groups all are one.

    Examples
    --------
    >>> group_numbers(3, ["cut", "engrave", "cut"]).tolist()
    [0, 1, 0]
    """
    if groups is None:
        return np.zeros(count, np.int64)
    return np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1).astype(np.int64)


def near_pairs(points: Floats, reach_mm: float, groups: Ints) -> tuple[Ints, Ints]:
    """List pairs of points within reach of each other.

    Parameters
    ----------
    points : (n, 2) float64
        mm; n at least 1.
    reach_mm : float
        mm. Where points stand so dense that pairs would exceed memory (each point in a cell with more
        than two others, 250 thousand points and more), it is halved until they do not.
    groups : (n,) int64
        Only points of one group make a pair.

    Returns
    -------
    i, j : (k,) int64
        Each pair once, i < j, sorted.
    """
    cells = np.floor((points - points.min(axis=0)) / reach_mm).astype(np.int64)

    def key(shift: Ints) -> Hashes:
        """Hash the cell each point is in, moved by whole cells, shape (n,)."""
        moved = (cells + shift).astype(np.uint64)
        # A clash of two cells in 64 bits costs a comparison, never a wrong pair: distance decides.
        return np.asarray(moved[:, 0] * MIX[0] + moved[:, 1] * MIX[1] + groups.astype(np.uint64) * MIX[2])

    home = key(_OFFSETS[0])
    order = np.argsort(home, kind="stable")
    home = home[order]
    firsts, seconds = [], []
    for shift in _OFFSETS:
        wanted = key(shift)[order]
        low = np.searchsorted(home, wanted, "left")
        high = np.searchsorted(home, wanted, "right")
        if not shift.any():
            low = np.arange(1, len(home) + 1)
        count = np.maximum(high - low, 0)
        if count.sum() > max(_MAX_PAIRS, 2 * len(points)):
            return near_pairs(points, reach_mm / 2, groups)
        i = np.repeat(np.arange(len(home)), count)
        j = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + low[i]
        firsts.append(order[i])
        seconds.append(order[j])
    i, j = np.concatenate(firsts), np.concatenate(seconds)
    near = (np.hypot(*(points[i] - points[j]).T) <= reach_mm) & (groups[i] == groups[j])
    i, j = np.minimum(i, j)[near], np.maximum(i, j)[near]
    by_index = np.lexsort((j, i))
    return i[by_index], j[by_index]


def nodes(points: Floats, reach_mm: float, groups: Ints) -> Ints:
    """Number points so that those within reach of each other, or linked by others, share a number.

    Parameters
    ----------
    points : (n, 2) float64
        mm.
    reach_mm : float
        mm.
    groups : (n,) int64
        Only points of one group share a number.

    Returns
    -------
    (n,) int64
        Numbers in no order, with gaps.

    Examples
    --------
    >>> label = nodes(np.array([[0.0, 0], [5, 0], [0.01, 0]]), 0.05, np.zeros(3, int))
    >>> bool(label[0] == label[2]), bool(label[0] == label[1])
    (True, False)
    """
    if not len(points):
        return np.empty(0, np.int64)
    # Coincident points are one before pairs are listed: a thousand ends in one corner stay cheap.
    fine = np.round((points - points.min(axis=0)) / (reach_mm / 1000))
    order = np.lexsort((fine[:, 1], fine[:, 0], groups))
    new = np.ones(len(order), bool)
    new[1:] = np.diff(fine[order], axis=0).any(axis=1) | (np.diff(groups[order]) != 0)
    first = order[new]
    same = np.empty(len(order), np.int64)
    same[order] = np.cumsum(new) - 1
    i, j = near_pairs(points[first], reach_mm, groups[first])
    label = np.arange(len(first))
    while True:
        low = np.minimum(label[i], label[j])
        following = label.copy()
        np.minimum.at(following, label[i], low)
        np.minimum.at(following, label[j], low)
        following = following[following]
        if np.array_equal(following, label):
            return label[same]
        label = following
