"""What every reader of drawings ends with: clean paths, nothing twice, loops closed, all of it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely

from fabctl.design.model import Design, Note
from fabctl.errors import DesignError
from fabctl.geometry.curves import Bools, Curves, Ints, extents, flatten, lengths
from fabctl.geometry.joining import deduplicate, join

JOIN_MM = 0.05
"""Widest gap between ends that is closed, mm."""

DUPLICATE_MM = 0.01
"""Lines nearer to each other than this are one line drawn twice, mm."""

SHORTEST_MM = 0.001
"""A path shorter than this is a dot, not a cut, mm."""

_SAME_POINT_MM = 1e-6
_NAMES = 3


def listed(names: Sequence[str], limit: int = _NAMES) -> str:
    """Name a few of many.

    Examples
    --------
    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    distinct = list(dict.fromkeys(name for name in names if name))
    rest = len(distinct) - limit
    return ", ".join(distinct[:limit]) + (f" and {rest} more" if rest > 0 else "")


def finish(
    design: Design,
    *,
    join_mm: float = JOIN_MM,
    duplicate_mm: float = DUPLICATE_MM,
    largest_mm: float | None = None,
) -> Design:
    """Clean the paths of a drawing as read.

    Paths of one layer and one colour belong together; nothing is removed for, or joined to, a path of
    another, since the two may be made in different ways.

    Parameters
    ----------
    design : Design
        As the reader found it: layer, colour and ident one a path.
    join_mm : float
        Widest gap between two ends that is closed, mm.
    duplicate_mm : float
        Lines nearer to each other than this are cut once, mm.
    largest_mm : float, optional
        The machine's larger travel, mm; a larger drawing gets a Note.

    Returns
    -------
    Design
        Without dots, numbers that are none, duplicates and gaps; each with its Note.

    Raises
    ------
    DesignError
        When nothing to cut is left.

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> twice = from_paths([([[0, 0], [9, 0]], None, False), ([[9, 0], [0, 0]], None, False)])
    >>> done = finish(Design("a.svg", twice, ("", ""), ("", ""), ("a", "b")))
    >>> len(done.curves), done.ident, done.notes[0].kind
    (1, ('a',), 'duplicates')
    """
    if design.mesh is not None and not len(design.curves):
        return design
    design = _clean(design)
    if not len(design.curves):
        raise _nothing(design)
    groups = _groups(design)
    single = deduplicate(design.curves, duplicate_mm, groups)
    notes = []
    if single.paths_removed or single.paths_trimmed:
        gone = np.setdiff1d(np.arange(len(design.curves)), single.source)
        notes.append(
            Note(
                "duplicates",
                f"drawn twice within {duplicate_mm:g} mm and cut once: {single.paths_removed} paths removed, "
                f"{single.paths_trimmed} shortened, {single.length_removed_mm:.2f} mm in all"
                + (f" ({listed([design.ident[i] for i in gone])})" if len(gone) else ""),
            )
        )
    notes += _across(design, groups, single.source, duplicate_mm)
    joined = join(single.curves, join_mm, groups[single.source])
    origin = single.source[joined.first] if len(joined.curves) else single.source
    if joined.joints:
        notes.append(
            Note(
                "joined",
                f"{joined.joints} pairs of ends no more than {join_mm:g} mm apart joined "
                f"(widest gap {joined.largest_gap_mm:.3f} mm), {joined.loops_closed} loops closed",
            )
        )
    notes += _gap_notes(joined.open_gaps, join_mm)
    made = replace(
        design,
        curves=joined.curves,
        layer=tuple(design.layer[i] for i in origin),
        colour=tuple(design.colour[i] for i in origin),
        ident=tuple(design.ident[i] for i in origin),
    )
    notes += _crossing_notes(made)
    notes += _size_notes(made, largest_mm)
    return made.with_notes(*notes)


def _clean(design: Design) -> Design:
    """Drop points that repeat and paths that are none."""
    curves = design.curves
    m = len(curves)
    owner = curves.owner()
    bad = np.zeros(m, bool)
    bad[owner[~np.isfinite(curves.points).all(axis=1) | ~np.isfinite(curves.bulge)]] = True
    notes = []
    if bad.any():
        names = listed([design.ident[i] for i in np.flatnonzero(bad)])
        notes.append(Note("degenerate", f"{bad.sum()} paths with coordinates that are no numbers left out ({names})"))
        design, curves = _take(design, ~bad), curves.take(~bad)
    curves = _without_repeats(curves)
    short = lengths(curves) < SHORTEST_MM
    if short.any():
        names = listed([design.ident[i] for i in np.flatnonzero(short)])
        notes.append(
            Note("degenerate", f"{short.sum()} paths shorter than {SHORTEST_MM:g} mm left out ({names})")
        )
    return replace(_take(design, ~short), curves=curves.take(~short)).with_notes(*notes)


def _take(design: Design, keep: Bools) -> Design:
    chosen = np.flatnonzero(keep)
    return replace(
        design,
        curves=design.curves.take(chosen),
        layer=tuple(design.layer[i] for i in chosen),
        colour=tuple(design.colour[i] for i in chosen),
        ident=tuple(design.ident[i] for i in chosen),
    )


def _without_repeats(curves: Curves) -> Curves:
    """Remove points whose segment has no length, a closed path's last one on its first included."""
    n = len(curves.points)
    if not n:
        return curves
    owner = curves.owner()
    last = curves.offsets[owner + 1] - 1
    here = np.arange(n)
    following = np.where(here == last, curves.offsets[owner], here + 1)
    step = np.hypot(*(curves.points[following] - curves.points).T)
    keep = (step > _SAME_POINT_MM) | ((here == last) & ~curves.closed[owner])
    keep |= here == curves.offsets[owner]
    # A segment of no length is removed by its second point: its first one may carry the path's start.
    drop = np.zeros(n, bool)
    idle = (step <= _SAME_POINT_MM) & ~((here == last) & ~curves.closed[owner])
    inner = idle & (here != last)
    drop[following[inner]] = True
    drop[here[idle & (here == last)]] = True
    drop[curves.offsets[:-1][np.diff(curves.offsets) > 0]] = False
    if not drop.any():
        return curves
    # The point that stays takes over the segment that leaves the last of those it stands for.
    target = np.maximum.accumulate(np.where(~drop, here, -1))
    bulge = curves.bulge.copy()
    tail = np.flatnonzero(drop & np.append(~drop[1:] | (owner[1:] != owner[:-1]), True))
    tail = tail[step[tail] > _SAME_POINT_MM]
    bulge[target[tail]] = curves.bulge[tail]
    open_last = np.flatnonzero(drop & (here == last) & ~curves.closed[owner])
    bulge[target[open_last]] = 0.0
    counts = np.bincount(owner[~drop], minlength=len(curves))
    return Curves(
        curves.points[~drop], bulge[~drop], np.concatenate(([0], np.cumsum(counts))), curves.closed
    )


def _groups(design: Design) -> Ints:
    """Number the pairs of layer and colour, shape (m,)."""
    numbers: dict[tuple[str, str], int] = {}
    pairs = zip(design.layer, design.colour, strict=True)
    return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64)


def _across(design: Design, groups: Ints, kept: Ints, duplicate_mm: float) -> list[Note]:
    """Say what lies on a path of another layer or colour: kept, but perhaps not meant."""
    if not len(groups) or not groups.any():
        return []
    chosen = np.unique(kept)
    over = deduplicate(design.curves.take(chosen), duplicate_mm)
    gone = chosen[np.setdiff1d(np.arange(len(chosen)), over.source)]
    if not len(gone):
        return []
    return [
        Note(
            "duplicates",
            f"{len(gone)} paths lie on paths of another layer or colour and are kept, so they are cut in both "
            f"({listed([design.ident[i] for i in gone])}): delete one, or ignore a layer, if not meant",
        )
    ]


def _gap_notes(gaps: np.ndarray[tuple[int, ...], np.dtype[np.float64]], join_mm: float) -> list[Note]:
    if not len(gaps):
        return []
    x, y, width = gaps[0]
    return [
        Note(
            "gap",
            f"{len(gaps)} gaps wider than {join_mm:g} mm stay open; the narrowest is {width:.3f} mm at "
            f"x {x:.2f} y {y:.2f}: close them in the drawing if loops are meant",
        )
    ]


def _crossing_notes(design: Design) -> list[Note]:
    """Name closed paths that cross or touch themselves: their inside is not one area."""
    counts = np.diff(design.curves.offsets)
    bulged = np.zeros(len(design.curves), bool)
    bulged[design.curves.owner()[design.curves.bulge != 0]] = True
    closed = np.flatnonzero(design.curves.closed & ((counts > 2) | bulged))
    if not len(closed):
        return []
    flat = flatten(design.curves.take(closed), DUPLICATE_MM)
    rings = shapely.linearrings(flat.points, indices=flat.owner())
    crossing = closed[~shapely.is_simple(rings)]
    if not len(crossing):
        return []
    names = [design.ident[i] for i in crossing]
    return [
        Note(
            "self-intersecting",
            f"{len(crossing)} closed paths cross or touch themselves ({listed(names)}): what is inside of them "
            "is not one area; on the line they are cut as drawn",
            names[0] if len(crossing) == 1 else "",
        )
    ]


def _size_notes(design: Design, largest_mm: float | None) -> list[Note]:
    x0, y0, x1, y1 = extents(design.curves)
    width, height = x1 - x0, y1 - y0
    if largest_mm is None or max(width, height) <= largest_mm:
        return []
    return [
        Note(
            "size",
            f"the drawing is {width:.1f} × {height:.1f} mm, the machine travels {largest_mm:.0f} mm: "
            "check the units if that is a surprise",
        )
    ]


def _nothing(design: Design) -> DesignError:
    reasons = [note.text for note in design.notes if note.kind != "units"]
    return DesignError(
        "nothing to cut" + (": " + "; ".join(reasons) if reasons else ": there is no outline in it"),
        file=design.source,
        remedy="draw outlines, convert text to paths, or show what is hidden",
    )
