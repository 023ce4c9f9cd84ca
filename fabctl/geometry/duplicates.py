"""What was drawn twice, cut once.

Parts drawn twice and line over line are frequent in real drawings. Whole loops are compared by sums that do
not depend on where a loop starts; overlapping lines as intervals on their common carrier. All is settled by
sorting, so the work grows as n log n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fabctl.geometry.cells import MIX, Hashes, group_numbers, nodes
from fabctl.geometry.curves import Bools, Curves, Floats, Ints, arc_centres, lengths, segments

PARALLEL_RAD = 1e-4
"""Lines whose directions differ by more are never taken for one carrier (1 mm in 10 m)."""

_THETA_WRAP = 0.1234
# Directions wrap round at this odd angle rather than at 0, where most lines of a drawing are.


@dataclass(frozen=True)
class Deduplicated:
    """What `deduplicate` leaves.

    Parameters
    ----------
    curves : Curves
        m paths, in the order of their sources.
    source : (m,) int64
        The path of the input each one is, or is a part of.
    paths_removed : int
        Paths of the input of which nothing is left.
    paths_trimmed : int
        Paths of the input of which a part is left.
    length_removed_mm : float
        mm.
    """

    curves: Curves
    source: Ints
    paths_removed: int
    paths_trimmed: int
    length_removed_mm: float


def _classes(*keys: ArrayLike, value: Floats, gap: float) -> Ints:
    """Number rows that share all keys and whose values follow each other within the gap."""
    columns = [np.asarray(key) for key in keys]
    order = np.lexsort((value, *columns[::-1]))
    new = np.diff(value[order], prepend=-np.inf) > gap
    for column in columns:
        new |= np.concatenate(([True], np.diff(column[order]) != 0))[: len(new)]
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new) - 1
    return number


def _leader(number: Ints, late: Bools) -> Ints:
    """Find for each row the first row of its class, those not late before all others."""
    order = np.lexsort((np.arange(len(number)), late, number))
    new = np.diff(number[order], prepend=-1) != 0
    leader = np.empty(len(number), np.int64)
    leader[order] = order[new][np.cumsum(new) - 1]
    return leader


def _circles(curves: Curves) -> tuple[Bools, Floats, Floats]:
    """Tell which closed paths are one whole circle, with centre (m, 2) and radius (m,), mm."""
    start, end, bulge, path = segments(curves)
    count = np.bincount(path, minlength=len(curves))
    sweep = np.abs(np.bincount(path, 4 * np.arctan(bulge), minlength=len(curves)))
    centres = arc_centres(start, end, bulge)
    radii = np.hypot(*(start - centres).T)
    several = np.maximum(count, 1)
    mean = np.column_stack([np.bincount(path, c, minlength=len(curves)) / several for c in centres.T])
    radius = np.bincount(path, radii, minlength=len(curves)) / several
    off = np.hypot(*(centres - mean[path]).T) + np.abs(radii - radius[path])
    worst = np.zeros(len(curves))
    np.maximum.at(worst, path, np.where(bulge == 0, np.inf, np.nan_to_num(off, nan=np.inf)))
    with np.errstate(invalid="ignore"):
        whole = curves.closed & (np.abs(sweep - 2 * np.pi) < 1e-6) & (worst <= 1e-6 * radius + 1e-9)
    return whole, mean, radius


def _closed_twice(curves: Curves, tolerance_mm: float, groups: Ints) -> Bools:
    """Tell which closed paths run along the very lines of an earlier one, shape (m,)."""
    twice = np.zeros(len(curves), bool)
    circle, centre, radius = _circles(curves)
    at = np.flatnonzero(circle)
    if len(at):
        number = _classes(nodes(centre[at], tolerance_mm, groups[at]), value=radius[at], gap=tolerance_mm)
        lead = at[_leader(number, np.zeros(len(at), bool))]
        near = np.hypot(*(centre[at] - centre[lead]).T) <= 2 * tolerance_mm
        twice[at] = (lead != at) & near & (np.abs(radius[at] - radius[lead]) <= 2 * tolerance_mm)
    at = np.flatnonzero(curves.closed & ~circle & (np.diff(curves.offsets) > 0))
    if not len(at):
        return twice
    loops = curves.take(at)
    key, measure, slack = _fingerprint(loops, tolerance_mm, groups[at])
    rest = np.arange(len(at))
    # Each round settles all paths alike to the first of their key; keys of unlike paths are rare.
    for _ in range(16):
        lead = rest[
            _leader(np.unique(key[rest], return_inverse=True)[1].reshape(-1), np.zeros(len(rest), bool))
        ]
        alike = np.all(np.abs(measure[rest] - measure[lead]) <= slack[rest], axis=1)
        twice[at[rest[alike & (lead != rest)]]] = True
        rest = rest[~alike]
        if not len(rest):
            break
    return twice


def _fingerprint(loops: Curves, tolerance_mm: float, groups: Ints) -> tuple[Hashes, Floats, Floats]:
    """Sum up each loop regardless of start and sense: key (m,), measures (m, 7) and their slack (m, 7)."""
    start, end, bulge, path = segments(loops)
    node = nodes(np.concatenate((start, end)), tolerance_mm, np.tile(groups[path], 2)).astype(np.uint64)
    a, b = node[: len(start)], node[len(start) :]
    low, high = np.minimum(a, b), np.maximum(a, b)
    mixed = low * MIX[0] + high * MIX[1] + groups[path].astype(np.uint64) * MIX[2]
    mixed ^= mixed >> np.uint64(29)
    mixed *= MIX[1]
    mixed ^= mixed >> np.uint64(32)
    # Stubs within one node depend on where a loop was begun: they count in the measures only.
    mixed[low == high] = 0
    key = np.zeros(len(loops), np.uint64)
    np.add.at(key, path, mixed)
    weight = 1 + (mixed >> np.uint64(40)).astype(float) / 2**24
    chord = np.hypot(*(end - start).T)
    sagitta = np.where(a <= b, bulge, -bulge) * chord / 2 * weight
    many = np.bincount(path, minlength=len(loops)).astype(float)
    first = loops.offsets[:-1]
    measure = np.column_stack(
        (
            np.minimum.reduceat(loops.points, first),
            np.maximum.reduceat(loops.points, first),
            lengths(loops),
            np.bincount(path, sagitta, minlength=len(loops)),
            np.bincount(path, np.abs(sagitta), minlength=len(loops)),
        )
    )
    slack = np.full(measure.shape, 2 * tolerance_mm)
    slack[:, 4:] *= 2 * np.maximum(many, 1)[:, None]
    return key, measure, slack


def _drawn_twice(
    ends: tuple[Floats, Floats, Floats], groups: Ints, fixed: Bools, tolerance_mm: float
) -> Bools:
    """Tell which segments join the same two points as an earlier or fixed one, shape (k,)."""
    start, end, bulge = ends
    node = nodes(np.concatenate((start, end)), tolerance_mm, np.tile(groups, 2))
    a, b = node[: len(start)], node[len(start) :]
    sagitta = np.where(a <= b, bulge, -bulge) * np.hypot(*(end - start).T) / 2
    number = _classes(np.minimum(a, b), np.maximum(a, b), value=sagitta, gap=tolerance_mm)
    lead = _leader(number, ~fixed)
    same = (a == a[lead])[:, None]
    off = np.hypot(*(start - np.where(same, start[lead], end[lead])).T)
    off = np.maximum(off, np.hypot(*(end - np.where(same, end[lead], start[lead])).T))
    index = np.arange(len(start))
    drawn: Bools = (lead != index) & ~fixed & (a != b) & (off <= 2 * tolerance_mm)
    return drawn


def _intervals(start: Floats, end: Floats, groups: Ints, tolerance_mm: float) -> tuple[Ints, Floats, Floats]:
    """Place lines on common carriers: carrier (k,), and the places of start and end on it, mm."""
    along = end - start
    chord = np.hypot(*along.T)
    angle = np.mod(np.arctan2(along[:, 1], along[:, 0]) + _THETA_WRAP, np.pi) - _THETA_WRAP
    middle = (start + end) / 2
    # From the middle of the drawing: far from the origin the distances would lose their last digits.
    middle = middle - (middle.min(axis=0) + middle.max(axis=0)) / 2
    distance = middle[:, 1] * np.cos(angle) - middle[:, 0] * np.sin(angle)
    carrier = nodes(np.column_stack((angle * (tolerance_mm / PARALLEL_RAD), distance)), tolerance_mm, groups)
    longest = np.lexsort((np.arange(len(chord)), -chord, carrier))
    lead = longest[np.searchsorted(carrier[longest], carrier)]
    unit = along[lead] / chord[lead][:, None]
    from_start, from_end = start - start[lead], end - start[lead]
    off = np.maximum(
        np.abs(from_start[:, 0] * unit[:, 1] - from_start[:, 1] * unit[:, 0]),
        np.abs(from_end[:, 0] * unit[:, 1] - from_end[:, 1] * unit[:, 0]),
    )
    apart = off > tolerance_mm
    carrier = np.where(apart, len(carrier) + np.arange(len(carrier)), carrier)
    return carrier, (from_start * unit).sum(axis=1), (from_end * unit).sum(axis=1)


def _overlaps(
    start: Floats, end: Floats, groups: Ints, fixed: Bools, *, tolerance_mm: float, sense: int
) -> tuple[Floats, Bools]:
    """Find how far earlier lines on its carrier cover each line.

    Returns
    -------
    covered : (k,) float64
        The covered share of the line, 0 to 1.
    from_start : (k,) bool
        Whether the covered part begins at the line's start, not its end.
    """
    carrier, place0, place1 = _intervals(start, end, groups, tolerance_mm)
    place0, place1 = sense * place0, sense * place1
    low, high = np.minimum(place0, place1), np.maximum(place0, place1)
    order = np.lexsort((np.arange(len(low)), -high, ~fixed, low, carrier))
    # Ranks instead of places: an earlier carrier's rank is always lower, so one running maximum serves all.
    by_high = np.lexsort((high, carrier))
    rank = np.empty(len(low), np.int64)
    rank[by_high] = np.arange(len(low))
    reached = by_high[np.concatenate(([0], np.maximum.accumulate(rank[order])[:-1]))]
    cover = np.empty(len(low))
    same = carrier[reached] == carrier[order]
    same[:1] = False
    cover[order] = np.where(same, high[reached], -np.inf)
    covered = np.clip(np.minimum(cover, high) - low, 0, None)
    covered[(covered <= tolerance_mm) | fixed] = 0
    # What sticks out by no more than the tolerance goes, but never against a line that goes itself: of a
    # row of such lines every other one waits for the next round, or the row would creep away.
    small = ((high - cover <= tolerance_mm) & (covered > 0))[order]
    place = np.arange(len(order))
    run = place - np.maximum.accumulate(np.where(small, -1, place))
    goes = np.zeros(len(order), bool)
    goes[order] = small & (run % 2 == 1)
    onto = np.empty(len(order), np.int64)
    onto[order] = reached
    waits = np.zeros(len(order), bool)
    waits[order] = small
    gone = goes & ~goes[onto]
    covered[goes[onto] | (waits & ~gone)] = 0
    covered[gone] = np.inf
    return np.minimum(covered / np.maximum(high - low, 1e-300), 1.0), place0 <= place1


def _rebuild(
    curves: Curves, kept: Bools, start: Floats, end: Floats, cut: tuple[Bools, Bools]
) -> tuple[Curves, Ints]:
    """Put paths together again from the segments kept, breaking them where an end was cut off."""
    _, _, bulge, path = segments(curves)
    changed = np.zeros(len(curves), bool)
    changed[path[~kept | cut[0] | cut[1]]] = True
    use = kept & changed[path]
    start, end, bulge, path = start[use], end[use], bulge[use], path[use]
    index = np.flatnonzero(use)
    begin = np.ones(len(path), bool)
    begin[1:] = (np.diff(path) != 0) | (np.diff(index) != 1) | cut[1][index[:-1]] | cut[0][index[1:]]
    run = np.cumsum(begin) - 1
    row = np.arange(len(path)) + run
    runs = int(run[-1]) + 1 if len(run) else 0
    points, bulges = np.empty((len(path) + runs, 2)), np.zeros(len(path) + runs)
    points[row + 1] = end
    points[row] = start
    bulges[row] = bulge
    offsets = np.concatenate((row[begin], [len(points)])).astype(np.int64)
    whole = np.flatnonzero(~changed)
    source = np.concatenate((whole, path[begin]))
    both = concatenate(curves.take(whole), Curves(points, bulges, offsets, np.zeros(runs, bool)))
    order = np.argsort(source, kind="stable")
    return both.take(order), source[order]


def _trim(curves: Curves, tolerance_mm: float, groups: Ints, sense: int) -> tuple[Curves, Ints] | None:
    """Take from open paths what is drawn twice, or return None when nothing is."""
    start, end, bulge, path = segments(curves)
    fixed, group = curves.closed[path], groups[path]
    kept = ~_drawn_twice((start, end, bulge), group, fixed, tolerance_mm)
    line = np.flatnonzero(kept & (bulge == 0) & (np.hypot(*(end - start).T) > tolerance_mm))
    cut = np.zeros(len(path), bool), np.zeros(len(path), bool)
    if len(line):
        covered, from_start = _overlaps(
            start[line], end[line], group[line], fixed[line], tolerance_mm=tolerance_mm, sense=sense
        )
        kept[line[covered == 1]] = False
        part = (covered > 0) & (covered < 1)
        at = line[part]
        share = covered[part][:, None]
        head = from_start[part][:, None]
        along = end[at] - start[at]
        start, end = start.copy(), end.copy()
        start[at] = np.where(head, start[at] + share * along, start[at])
        end[at] = np.where(head, end[at], end[at] - share * along)
        cut[0][at[head[:, 0]]] = True
        cut[1][at[~head[:, 0]]] = True
    if kept.all() and not (cut[0].any() or cut[1].any()):
        return None
    return _rebuild(curves, kept, start, end, cut)


def concatenate(first: Curves, second: Curves) -> Curves:
    """Put the paths of one set behind those of another."""
    return Curves(
        np.concatenate((first.points, second.points)),
        np.concatenate((first.bulge, second.bulge)),
        np.concatenate((first.offsets, second.offsets[1:] + first.offsets[-1])),
        np.concatenate((first.closed, second.closed)),
    )


def deduplicate(curves: Curves, tolerance_mm: float, groups: ArrayLike | None = None) -> Deduplicated:
    """Leave every line once.

    A closed path goes when an earlier one runs along the same lines, wherever it starts and whichever way
    it runs. Of open paths those stretches go that another path of the group already cuts: whole lines and
    arcs, and lines that lie partly over others. Closed paths are never opened: two that share an edge
    both keep it.

    Parameters
    ----------
    curves : Curves
        m paths.
    tolerance_mm : float
        How far apart the same line may lie, mm. Partial overlaps must also agree in direction within
        `PARALLEL_RAD`.
    groups : (m,) int, optional
        Only paths of one group (layer) are compared; all by default.

    Returns
    -------
    Deduplicated

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> drawn = from_paths([([[0, 0], [9, 0]], None, False), ([[12, 0], [5, 0]], None, False)])
    >>> once = deduplicate(drawn, 0.01)
    >>> lengths(once.curves).tolist(), once.length_removed_mm
    ([9.0, 3.0], 4.0)
    """
    group = group_numbers(len(curves), groups)
    before = float(lengths(curves).sum())
    source = np.flatnonzero(~_closed_twice(curves, tolerance_mm, group))
    left = curves.take(source)
    # Round after round, from either side, until neither finds more: so a second call changes nothing.
    sense, quiet = 1, 0
    while quiet < 2:
        trimmed = _trim(left, tolerance_mm, group[source], sense)
        sense = -sense
        quiet = quiet + 1 if trimmed is None else 0
        if trimmed is not None:
            left, source = trimmed[0], source[trimmed[1]]
    gone = len(curves) - len(np.unique(source))
    after = lengths(left)
    kept = np.bincount(source, after, minlength=len(curves))
    trimmed_paths = (kept > 0) & (kept < lengths(curves) - tolerance_mm / 2)
    return Deduplicated(left, source, gone, int(trimmed_paths.sum()), max(before - float(after.sum()), 0.0))
