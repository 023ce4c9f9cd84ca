"""Joining: loose pieces chained into loops.

Drawings come as thousands of lines and arcs whose ends almost meet. Ends are looked up in sorted grid cells
as wide as the tolerance, so the work grows as n log n. `deduplicate` belongs before `join` and is offered
here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fabctl.geometry.cells import group_numbers, near_pairs, nodes
from fabctl.geometry.curves import Bools, Curves, Floats, Ints, lengths
from fabctl.geometry.duplicates import Deduplicated, concatenate, deduplicate

__all__ = ["NEAR_GAP", "Deduplicated", "Joined", "deduplicate", "join"]

NEAR_GAP = 20.0
"""A gap of up to this many tolerances that stays open is reported."""

_CROWD = 32
# Ends meeting in one point; more are paired by sorting, as the pairs would grow with the square.


@dataclass(frozen=True)
class Joined:
    """What `join` makes.

    Parameters
    ----------
    curves : Curves
        m paths; each stands where the first of its sources stood and runs the way that one ran.
    source : (k,) int64
        Paths of the input, chain after chain, in the order they are passed.
    source_offsets : (m + 1,) int64
        Path i is made of ``source[source_offsets[i]:source_offsets[i + 1]]``.
    joints : int
        Pairs of ends brought together.
    loops_closed : int
        Closed paths that were not closed in the input.
    largest_gap_mm : float
        The widest gap that was closed, mm; 0 when none was.
    open_gaps : (g, 3) float64
        x, y and width, mm, of gaps over the tolerance but within `NEAR_GAP` tolerances, widest last.
    """

    curves: Curves
    source: Ints
    source_offsets: Ints
    joints: int
    loops_closed: int
    largest_gap_mm: float
    open_gaps: Floats

    @property
    def first(self) -> Ints:
        """The source each path takes its layer and name from, shape (m,): the lowest."""
        return np.minimum.reduceat(self.source, self.source_offsets[:-1]) if len(self.curves) else self.source


def _tangents(curves: Curves, path: Ints) -> tuple[Floats, Floats, Floats, Bools]:
    """Describe both ends of open paths, row 2i the start and 2i + 1 the end of ``path[i]``.

    Returns
    -------
    points : (2k, 2) float64
        mm.
    leaving : (2k,) float64
        The direction in which the path leaves this end for its inside, rad.
    length : (2k,) float64
        Length of the whole path, mm.
    curved : (2k,) bool
        Whether the path ends here in an arc.
    """
    first, last = curves.offsets[path], curves.offsets[path + 1] - 1
    rows = np.column_stack((first, last)).reshape(-1)
    inner = np.column_stack((first + 1, last - 1)).reshape(-1)
    bulge = np.column_stack((curves.bulge[first], -curves.bulge[last - 1])).reshape(-1)
    chord = curves.points[inner] - curves.points[rows]
    # The tangent leaves an arc's chord by half its sweep, and the sweep is four times the bulge's angle.
    leaving = np.arctan2(chord[:, 1], chord[:, 0]) - 2 * np.arctan(bulge)
    return curves.points[rows], leaving, np.repeat(lengths(curves)[path], 2), bulge != 0


def _pair_crowds(points: Floats, leaving: Floats, groups: Ints) -> tuple[Ints, Ints]:
    """Pair ends where very many meet in one point: neighbours by the line they lie on."""
    spot = nodes(points, 1e-9 + 1e-12 * float(np.abs(points).max()), groups)
    count = np.bincount(spot)[spot]
    at = np.flatnonzero(count > _CROWD)
    line = np.mod(leaving[at] + 0.1234, np.pi)
    order = at[np.lexsort((at, np.round(line, 9), spot[at]))]
    place = np.arange(len(order)) - np.searchsorted(spot[order], spot[order])
    head = np.flatnonzero((place % 2 == 0)[:-1] & (np.diff(spot[order]) == 0)) if len(order) else place
    return order[head], order[head + 1] if len(head) else order[head]


def _match(
    loose: Ints, ends: tuple[Floats, Floats, Floats], groups: Ints, reach_mm: float
) -> tuple[Ints, Ints]:
    """Pair loose ends within reach, straightest continuation first, each end at most once."""
    points, leaving, length = (values[loose] for values in ends)
    groups, piece = groups[loose], loose // 2
    taken = np.zeros(len(points), bool)
    crowd_i, crowd_j = _pair_crowds(points, leaving, groups)
    taken[crowd_i] = taken[crowd_j] = True
    free = np.flatnonzero(~taken)
    if not len(free):
        return loose[crowd_i], loose[crowd_j]
    i, j = near_pairs(points[free], reach_mm, groups[free])
    i, j = free[i], free[j]
    # A stub shorter than the gaps would only bite its own tail.
    sound = (piece[i] != piece[j]) | (length[i] > 4 * reach_mm)
    i, j = i[sound], j[sound]
    times = np.bincount(i, minlength=len(points)) + np.bincount(j, minlength=len(points))
    plain = (times[i] == 1) & (times[j] == 1)
    turn = np.abs(np.mod(leaving[i] - leaving[j], 2 * np.pi) - np.pi)
    cost = np.round(turn + np.hypot(*(points[i] - points[j]).T) / reach_mm, 6)
    rest = np.flatnonzero(~plain)
    rest = rest[np.lexsort((j[rest], i[rest], cost[rest]))]
    chosen = []
    # One after the other, since each choice takes two ends away; only junctions come here.
    for k, a, b in zip(rest.tolist(), i[rest].tolist(), j[rest].tolist(), strict=True):
        if not (taken[a] or taken[b]):
            taken[a] = taken[b] = True
            chosen.append(k)
    both = np.concatenate((np.flatnonzero(plain), np.array(chosen, np.int64)))
    return loose[np.concatenate((crowd_i, i[both]))], loose[np.concatenate((crowd_j, j[both]))]


def _chains(mate: Ints) -> tuple[Ints, Ints, Bools]:
    """Follow mates from end to end.

    Parameters
    ----------
    mate : (2k,) int64
        The end each end is paired with, -1 for none; ends 2i and 2i + 1 belong to piece i.

    Returns
    -------
    enter : (k,) int64
        The end each piece is entered at, chain after chain.
    offsets : (m + 1,) int64
        Chain i has ``enter[offsets[i]:offsets[i + 1]]``.
    ring : (m,) bool
        Whether the chain's last end meets its first.
    """
    partner = mate.tolist()
    seen = [False] * (len(partner) // 2)
    enter: list[int] = []
    offsets, ring = [0], []
    # A chain is followed link by link; on plain lists a hundred thousand links take a tenth of a second.
    for piece in range(len(seen)):
        if seen[piece]:
            continue
        back = [2 * piece]
        seen[piece] = True
        while (end := partner[back[-1]]) >= 0 and not seen[end // 2]:
            seen[end // 2] = True
            back.append(end ^ 1)
        forth: list[int] = []
        out = 2 * piece + 1
        while (end := partner[out]) >= 0 and not seen[end // 2]:
            seen[end // 2] = True
            forth.append(end)
            out = end ^ 1
        chain = [*back[::-1], *forth]
        ring.append(partner[out] >= 0 and partner[out] == chain[0])
        # A loop begins with its lowest piece: going back found all of it, with that piece at the far end.
        enter.extend([chain[-1], *chain[:-1]] if ring[-1] and not forth and len(back) > 1 else chain)
        offsets.append(len(enter))
    return np.array(enter, np.int64), np.array(offsets, np.int64), np.array(ring, bool)


def _splice(curves: Curves, enter: Ints, offsets: Ints, ring: Bools, curved: Bools) -> Curves:
    """Write the chains out as paths; where two ends meet, one point stands for both."""
    piece, backward = enter // 2, (enter & 1).astype(bool)
    counts = np.diff(curves.offsets)[piece]
    base = np.cumsum(counts) - counts
    place = np.arange(counts.sum()) - np.repeat(base, counts)
    first, last = curves.offsets[piece], curves.offsets[piece + 1] - 1
    turned = np.repeat(backward, counts)
    row = np.where(turned, np.repeat(last, counts) - place, np.repeat(first, counts) + place)
    bulge = np.where(turned, -curves.bulge[np.maximum(row - 1, 0)], curves.bulge[row])
    points = curves.points[row]
    following = np.arange(1, len(piece) + 1)
    tail = offsets[1:] - 1
    following[tail] = offsets[:-1]
    met = np.ones(len(piece), bool)
    met[tail] = ring
    a, b = (base + counts - 1)[met], base[following][met]
    # An arc keeps its end, a line gives way: a moved end would change the arc's radius.
    arc_a, arc_b = curved[enter ^ 1][met], curved[enter[following]][met]
    weight = np.where(arc_a == arc_b, 0.5, arc_b.astype(float))[:, None]
    points[b] = points[a] * (1 - weight) + points[b] * weight
    keep = np.ones(len(points), bool)
    keep[a] = False
    bulge[base + counts - 1] = 0
    per_chain = np.add.reduceat(counts - met, offsets[:-1]) if len(tail) else np.empty(0, np.int64)
    return Curves(points[keep], bulge[keep], np.concatenate(([0], np.cumsum(per_chain))), ring)


def _open_gaps(points: Floats, groups: Ints, tolerance_mm: float) -> Floats:
    """Measure from each loose end to the next one of its group, where that is not far."""
    if len(points) < 2:
        return np.empty((0, 3))
    i, j = near_pairs(points, NEAR_GAP * tolerance_mm, groups)
    gap = np.hypot(*(points[i] - points[j]).T)
    order = np.argsort(gap, kind="stable")
    i, j, gap = i[order], j[order], gap[order]
    ends = np.column_stack((i, j)).reshape(-1)
    # A pair is told when it is the nearest for one of its ends.
    nearest = np.unique(np.unique(ends, return_index=True)[1] // 2)
    nearest = nearest[gap[nearest] > tolerance_mm]
    gaps: Floats = np.column_stack(((points[i] + points[j]) / 2, gap))[nearest]
    return gaps


def _halve_rings(curves: Curves, path: Ints, tolerance_mm: float) -> Curves:
    """Give single arcs that almost return to their start a second point, or no loop could be told of them."""
    first = curves.offsets[path]
    single = np.diff(curves.offsets)[path] == 2
    near = np.hypot(*(curves.points[first] - curves.points[np.minimum(first + 1, len(curves.points) - 1)]).T)
    first = first[single & (near <= tolerance_mm) & (np.abs(curves.bulge[first]) > 1)]
    if not len(first):
        return curves
    start, end, bulge = curves.points[first], curves.points[first + 1], curves.bulge[first]
    chord = end - start
    middle = (start + end) / 2 + np.column_stack((chord[:, 1], -chord[:, 0])) * (bulge / 2)[:, None]
    half = np.tan(np.arctan(bulge) / 2)
    halved = curves.bulge.copy()
    halved[first] = half
    shift = np.cumsum(np.bincount(first, minlength=len(curves.points) + 1))
    offsets = curves.offsets + np.concatenate(([0], shift))[curves.offsets]
    return Curves(
        np.insert(curves.points, first + 1, middle, axis=0),
        np.insert(halved, first + 1, half),
        offsets,
        curves.closed,
    )


def join(curves: Curves, tolerance_mm: float, groups: ArrayLike | None = None) -> Joined:
    """Chain open paths end to end, and close those that return to their start.

    Ends that coincide are joined first, then ends up to the tolerance apart. Where more than two ends
    meet, those that continue straightest belong together; ties go to the lower path.

    Parameters
    ----------
    curves : Curves
        m paths.
    tolerance_mm : float
        The widest gap to close, mm.
    groups : (m,) int, optional
        Only paths of one group (layer) are joined; all by default.

    Returns
    -------
    Joined

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> corner = from_paths([([[0, 0], [9, 0]], None, False), ([[9, 5], [9, 0.01]], None, False)])
    >>> joined = join(corner, 0.05)
    >>> len(joined.curves), joined.source.tolist(), round(joined.largest_gap_mm, 6)
    (1, [0, 1], 0.01)
    """
    group = group_numbers(len(curves), groups)
    piece = np.flatnonzero(~curves.closed & (np.diff(curves.offsets) > 1))
    curves = _halve_rings(curves, piece, tolerance_mm)
    points, leaving, length, curved = _tangents(curves, piece)
    end_group = np.repeat(group[piece], 2)
    mate = np.full(len(points), -1, np.int64)
    for reach in (tolerance_mm / 1000, tolerance_mm):
        loose = np.flatnonzero(mate < 0)
        if len(loose):
            i, j = _match(loose, (points, leaving, length), end_group, reach)
            mate[i], mate[j] = j, i
    gaps = np.hypot(*(points - points[mate]).T)[mate >= 0]
    enter, offsets, ring = _chains(mate)
    chains = _splice(curves.take(piece), enter, offsets, ring, curved)
    alone = np.setdiff1d(np.arange(len(curves)), piece)
    both = concatenate(chains, curves.take(alone))
    source = np.concatenate((piece[enter // 2], alone)).astype(np.int64)
    starts = np.concatenate((offsets, offsets[-1] + np.arange(1, len(alone) + 1)))
    lowest = np.minimum.reduceat(source, starts[:-1]) if len(source) else source
    order = np.argsort(lowest, kind="stable")
    counts = np.diff(starts)[order]
    final = np.concatenate(([0], np.cumsum(counts)))
    rows = np.repeat(starts[:-1][order] - final[:-1], counts) + np.arange(final[-1])
    return Joined(
        both.take(order),
        source[rows],
        final,
        int((mate >= 0).sum()) // 2,
        int(ring.sum()),
        float(gaps.max(initial=0.0)),
        _open_gaps(points[mate < 0], end_group[mate < 0], tolerance_mm),
    )
