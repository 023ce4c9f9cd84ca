"""Permutations taken apart into their cycles, whole arrays at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def cycles(following: Ints) -> tuple[Ints, Ints]:
    """Take a permutation apart into its cycles.

    Parameters
    ----------
    following : (n,) int64
        The element after each element; a permutation of 0…n−1.

    Returns
    -------
    order : (n,) int64
        Elements cycle by cycle, each from its smallest element on; cycles by their smallest element.
    offsets : (m + 1,) int64
        Cycle i is ``order[offsets[i]:offsets[i + 1]]``.

    Notes
    -----
    Work is linear: about one element in 64, chosen by a hash, walks on to the next such one, all at the
    same time; the chosen ones form a list short enough for pointer doubling.

    Source: M. Reid-Miller, "List ranking and list scan on the Cray C-90", J. Comput. Syst. Sci. 53 (1996).

    Examples
    --------
    >>> cycles(np.array([3, 1, 0, 2]))
    (array([0, 3, 2, 1]), array([0, 3, 4]))
    """
    n = len(following)
    number = np.arange(n, dtype=np.uint64)
    number *= np.uint64(0x9E3779B97F4A7C15)
    chosen = number < np.uint64(1 << 58)
    owner, behind, after, length = _walk(following, chosen)
    # Elements on cycles without a chosen one are lists of their own, each element a walk of one step.
    rest = np.flatnonzero(owner < 0)
    place = np.empty(n, np.int64)
    place[rest] = np.arange(len(after), len(after) + len(rest))
    owner[rest] = place[rest]
    name = np.concatenate((_smallest_on_walk(owner, len(after)), rest))
    after = np.concatenate((after, place[following[rest]]))
    length = np.concatenate((length, np.ones(len(rest), np.int64)))
    root, ahead = _rank(after, length, name)
    total = np.bincount(root, length, n) if len(root) else np.zeros(n)
    roots = np.flatnonzero(total)
    size = total[roots].astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(size)))
    place[roots] = np.arange(len(roots))
    cycle = place[root]
    # ahead counts the steps to the walk that the root is on, behind the root's own steps on that walk.
    ahead += behind[roots][cycle]
    position = behind - ahead[owner]
    size, begin = size[cycle][owner], offsets[:-1][cycle][owner]
    order = np.empty(n, np.int64)
    order[begin + position % size] = np.arange(n)
    return order, offsets


def _walk(following: Ints, chosen: Bools) -> tuple[Ints, Ints, Ints, Ints]:
    """Walk from every chosen element to the next chosen one.

    Returns the walk each element is on (−1: none) and its steps from the walk's head; for each walk the
    walk after it and its length.
    """
    heads = np.flatnonzero(chosen)
    owner, behind = np.full(len(following), -1), np.zeros(len(following), np.int64)
    end, length = np.empty(len(heads), np.int64), np.empty(len(heads), np.int64)
    at, walk = heads, np.arange(len(heads))
    step = 0
    # A step moves all walks: some hundred steps, however many elements.
    while len(at):
        owner[at] = walk
        behind[at] = step
        at = following[at]
        step += 1
        done = chosen[at]
        if done.any():
            end[walk[done]] = at[done]
            length[walk[done]] = step
            at, walk = at[~done], walk[~done]
    return owner, behind, owner[end], length


def _smallest_on_walk(owner: Ints, walks: int) -> Ints:
    """Find the smallest element on each walk, shape (walks,)."""
    walked = np.flatnonzero(owner < walks)[::-1]
    smallest = np.empty(walks, np.int64)
    # Of elements on the same walk the last one written stays: the smallest.
    smallest[owner[walked]] = walked
    return smallest


def _rank(after: Ints, length: Ints, name: Ints) -> tuple[Ints, Ints]:
    """Rank circular lists by pointer doubling.

    Returns for each element the smallest name in its circle, and the summed length from it on to the
    element that bears this name (0 for that one itself).
    """
    root, jump = name, after
    # Windows double: once no window sees a smaller name in the next one, all have seen the smallest.
    while True:
        lower = np.minimum(root, root[jump])
        if np.array_equal(lower, root):
            break
        root, jump = lower, jump[jump]
    ends = name == root
    ahead = np.where(ends, 0, length)
    jump = np.where(ends, np.arange(len(after)), after)
    moving = np.flatnonzero(~ends)
    while len(moving):
        target = jump[moving]
        ahead[moving] += ahead[target]
        jump[moving] = jump[target]
        moving = moving[~ends[jump[moving]]]
    return root, ahead
