"""The order of paths: little travel under rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fabctl.errors import InputError
from fabctl.toolpath.moves import Bools, Floats, Ints
from fabctl.toolpath.neighbours import nearest
from fabctl.toolpath.tour import Rules, Tour

NEIGHBOURS = 10
"""Terminals looked at round each end of a path."""
REACH = 1000
"""Stretches turned round at first; then once more without a limit."""
ENTRIES = 64
"""Entries considered on a closed path; of more, an even choice."""


@dataclass(frozen=True)
class Order:
    """In what order, direction and from where paths are made.

    Parameters
    ----------
    index : (m,) int64
        Paths in sequence.
    reversed : (m,) bool
        For each place in the sequence, whether its path is made from end to start; never of a closed one.
    entry : (m,) int64
        For each place in the sequence, which of its path's entries is taken; 0 where none were given.
    travel_mm : float
        Way from path to path, the first approach included.
    """

    index: Ints
    reversed: Bools
    entry: Ints
    travel_mm: float


def order_paths(
    start: ArrayLike,
    end: ArrayLike,
    closed: ArrayLike,
    *,
    group: ArrayLike | None = None,
    before: ArrayLike | None = None,
    from_point: ArrayLike = (0.0, 0.0),
    entries: tuple[ArrayLike, ArrayLike] | None = None,
    reversible: ArrayLike | None = None,
    improve: bool = True,
) -> Order:
    """Put paths in an order with little travel.

    Parameters
    ----------
    start, end : (m, 2) float
        Where each path begins and ends, mm; of a closed one both are its first point.
    closed : (m,) bool
    group : (m,) int, optional
        Groups are made one after the other, lowest first.
    before : (r, 2) int, optional
        Rules: the first of each pair is made before the second (inner before outer).
    from_point : (2,) float
        Where the tool is at first.
    entries : (points (e, 2), offsets (m + 1,)), optional
        Where a closed path may be entered: path i at ``points[offsets[i]:offsets[i + 1]]``, its first
        point when there are none.
    reversible : (m,) bool, optional
        Open paths that may be made from end to start; all when absent.
    improve : bool
        Whether to go beyond nearest neighbour.

    Returns
    -------
    Order
        The same for the same input, whatever the machine. Never more travel than by nearest neighbour.

    Raises
    ------
    InputError
        When a point is not finite, counts differ, or rules contradict one another.

    Notes
    -----
    Nearest neighbour among the paths whose rules allow them, then 2-opt and Or-opt over neighbour lists;
    entries and directions are last chosen exactly for the order found (shortest way through layers).

    Examples
    --------
    >>> found = order_paths([[9, 0], [1, 0]], [[5, 0], [2, 0]], [False, False])
    >>> found.index.tolist(), found.reversed.tolist(), found.travel_mm
    ([1, 0], [False, True], 4.0)
    """
    begin, finish = (np.asarray(v, float).reshape(-1, 2) for v in (start, end))
    loops = np.asarray(closed, bool).reshape(-1)
    here = np.asarray(from_point, float).reshape(2)
    count = len(begin)
    ranks = np.zeros(count, np.int64) if group is None else np.asarray(group, np.int64)
    turnable = np.ones(count, bool) if reversible is None else np.asarray(reversible, bool)
    pairs = np.asarray([] if before is None else before, np.int64).reshape(-1, 2)
    ports = _ports(begin, loops, entries)
    _check(begin, finish, here, ports[0])
    if not len(finish) == len(loops) == len(ranks) == len(turnable) == count == len(ports[1]) - 1:
        raise InputError(
            "paths, directions, groups and entries differ in number", remedy="give one of each a path"
        )
    if len(pairs) and (
        pairs.min() < 0 or pairs.max() >= count or np.any(ranks[pairs[:, 0]] > ranks[pairs[:, 1]])
    ):
        raise InputError("a rule names no path or contradicts the groups", remedy="correct the rules")
    work = _Work(begin, finish, loops, ~turnable & ~loops, ranks, pairs, here, ports)
    first = _choose_ports(work, _sequence(work, None, improve=improve))
    if not improve or entries is None:
        return first
    # With entries chosen, closed paths lie elsewhere than at their first points: look again from there.
    moved = ports[0][ports[1][first.index] + first.entry]
    begin, finish = begin.copy(), finish.copy()
    begin[first.index] = np.where(loops[first.index][:, None], moved, begin[first.index])
    finish[loops] = begin[loops]
    again = _Work(begin, finish, loops, work.fixed, ranks, pairs, here, ports)
    return _choose_ports(again, _sequence(again, first, improve=True))


@dataclass(frozen=True)
class _Work:
    """Paths, rules and entries of a whole job."""

    start: Floats
    end: Floats
    closed: Bools
    fixed: Bools
    group: Ints
    pairs: Ints
    here: Floats
    ports: tuple[Floats, Ints]


@dataclass(frozen=True)
class _Group:
    """Paths and rules of one group, and the order known already."""

    start: Floats
    end: Floats
    pairs: Ints
    fixed: Bools
    here: Floats
    known: tuple[list[int], list[bool]] | None


def _check(*points: Floats) -> None:
    """Refuse points that are not places."""
    for p in points:
        if not np.all(np.isfinite(p)):
            raise InputError(
                "a path to be ordered has a point that is not finite", remedy="repair the drawing"
            )


def _ports(begin: Floats, loops: Bools, entries: tuple[ArrayLike, ArrayLike] | None) -> tuple[Floats, Ints]:
    """Return the entries of all paths, ragged; a path without any has its first point."""
    if entries is None:
        return begin, np.arange(len(begin) + 1)
    points = np.asarray(entries[0], float).reshape(-1, 2)
    offsets = np.asarray(entries[1], np.int64)
    count = np.diff(offsets)
    if len(count) != len(begin) or len(loops) != len(begin):
        raise InputError("entries and paths differ in number", remedy="give one run of entries a path")
    lone = count == 0
    size = np.where(lone, 1, count)
    made = np.concatenate(([0], np.cumsum(size)))
    path = np.repeat(np.arange(len(begin)), size)
    rank = np.arange(made[-1]) - made[:-1][path]
    padded = np.concatenate((points, np.zeros((1, 2))))
    source = np.where(lone[path], len(points), offsets[:-1][path] + rank)
    return np.where(lone[path][:, None], begin[path], padded[source]), made


def _sequence(work: _Work, known: Order | None, *, improve: bool) -> Ints:
    """Order the paths group by group, from scratch or from a known order."""
    sequence: list[int] = []
    at = work.here
    count = len(work.start)
    flip = np.zeros(count, bool)
    if known is not None:
        flip[known.index] = known.reversed
    for rank in np.unique(work.group):  # a loop over groups: few
        part = np.flatnonzero(work.group == rank)
        local = np.full(count, -1)
        local[part] = np.arange(len(part))
        inside = work.pairs[(work.group[work.pairs] == rank).all(axis=1)]
        earlier = None
        if known is not None:
            some = known.index[work.group[known.index] == rank]
            earlier = ([len(part), *local[some].tolist()], [*flip[part].tolist(), False])
        task = _Group(work.start[part], work.end[part], local[inside], work.fixed[part], at, earlier)
        some, turned = _solve(task, improve=improve)
        sequence += part[some].tolist()
        last = sequence[-1]
        at = (work.start if turned[some[-1]] else work.end)[last]
    return np.array(sequence, np.int64)


def _solve(work: _Group, *, improve: bool) -> tuple[Ints, Bools]:
    """Order the paths of one group: their sequence and which are turned."""
    count = len(work.start)
    terminals = np.empty((2 * count + 2, 2))
    terminals[0:-2:2], terminals[1:-2:2], terminals[-2:] = work.start, work.end, work.here
    near = nearest(terminals, min(NEIGHBOURS, 2 * count + 1))
    after: list[list[int]] = [[] for _ in range(count + 1)]
    prior: list[list[int]] = [[] for _ in range(count + 1)]
    for a, b in work.pairs.tolist():
        after[a].append(b)
        prior[b].append(a)
    rules = Rules(after, prior, [*work.fixed.tolist(), False])
    order, flip = work.known or _greedy(terminals, near, rules)
    tour = Tour(terminals, order, flip, near, rules)
    if improve:
        tour.improve(REACH)
        if count > REACH:
            tour.improve(count)
    return np.array(tour.order[1:], np.int64), np.array(tour.flip[:count], bool)


def _greedy(terminals: Floats, near: Ints, rules: Rules) -> tuple[list[int], list[bool]]:
    """Go to the nearest path that is free and allowed, again and again."""
    count = len(terminals) // 2 - 1
    missing = [len(p) for p in rules.before]
    ready = np.repeat(np.array(missing) == 0, 2)
    ready[1::2] &= ~np.array(rules.fixed)
    ready[-2:] = False
    lists = near.tolist()
    xs, ys = np.ascontiguousarray(terminals.T)
    open_ends = np.arange(len(terminals) - 2)
    undone = np.ones(len(terminals), bool)
    order, flip = [count], [False] * (count + 1)
    tail = 2 * count + 1
    # Each step starts where the one before ended: no array can do them at once.
    for _ in range(count):
        head = next((t for t in lists[tail] if t >= 0 and ready[t]), -1)
        if head < 0:
            open_ends = open_ends[undone[open_ends]]
            able = open_ends[ready[open_ends]]
            if not len(able):
                raise InputError("the rules go round in a circle", remedy="remove one of them")
            far = (xs[able] - xs[tail]) ** 2 + (ys[able] - ys[tail]) ** 2
            head = int(able[np.argmin(far)])
        path = head >> 1
        order.append(path)
        flip[path] = bool(head & 1)
        tail = head ^ 1
        ready[2 * path : 2 * path + 2] = False
        undone[2 * path : 2 * path + 2] = False
        for later in rules.after[path]:
            missing[later] -= 1
            if missing[later] == 0:
                ready[2 * later] = True
                ready[2 * later + 1] = not rules.fixed[later]
    return order, flip


def _choose_ports(work: _Work, index: Ints) -> Order:
    """Choose directions and entries for a known sequence: the shortest way through layers of ports."""
    points, offsets = work.ports
    cost = np.zeros(1)
    leave = work.here.reshape(1, 2)
    chosen: list[Ints] = []
    taken: list[Ints] = []
    # Layer after layer: each needs the costs of the one before.
    for path in index.tolist():
        if work.closed[path]:
            count = offsets[path + 1] - offsets[path]
            pick = np.arange(count)
            if count > ENTRIES:
                pick = np.unique(np.linspace(0, count - 1, ENTRIES).astype(np.int64))
            enter = points[offsets[path] + pick]
            out = enter
        else:
            pick = np.arange(1 if work.fixed[path] else 2)
            both = np.stack((work.start[path], work.end[path]))
            enter, out = both[: len(pick)], both[::-1][: len(pick)]
        gap = enter[:, None] - leave[None]
        total = cost + np.sqrt(np.einsum("ijk,ijk->ij", gap, gap))
        best = total.argmin(axis=1)
        cost = total[np.arange(len(pick)), best]
        leave = out
        chosen.append(best)
        taken.append(pick)
    entry = np.zeros(len(index), np.int64)
    at = int(cost.argmin())
    for i in range(len(index) - 1, -1, -1):
        entry[i] = taken[i][at]
        at = int(chosen[i][at])
    turned = ~work.closed[index] & (entry == 1)
    entry[~work.closed[index]] = 0
    return Order(index, turned, entry, float(cost.min()))
