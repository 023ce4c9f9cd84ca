"""What every reader of drawings ends with: clean paths, nothing twice, loops closed, all of it said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import shapely

from fabctl.design.model import Design, Note
from fabctl.errors import DesignError
from fabctl.geometry.curves import Curves, Ints, extents, flatten, lengths
from fabctl.geometry.joining import Deduplicated, Joined, deduplicate, join

JOIN_MM = 0.05
"""Widest gap between ends that is closed, mm."""

DUPLICATE_MM = 0.01
"""Lines nearer to each other than this are one line drawn twice, mm."""

SHORTEST_MM = 0.001
"""A path shorter than this is a dot, not a cut, mm."""

SHOWN_MM = 0.0005
"""A gap smaller than this would be told as 0.000 mm."""

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


def counted(number: int, noun: str) -> str:
    """Say a number of things.

    Examples
    --------
    >>> counted(1, "path"), counted(2, "closed path")
    ('1 path', '2 closed paths')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


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
    notes = [
        *_twice_notes(design, single, duplicate_mm),
        *_across(design, groups, single.source, duplicate_mm),
    ]
    joined = join(single.curves, join_mm, groups[single.source])
    origin = single.source[joined.first]
    notes += _join_notes(joined, join_mm)
    made = replace(_labelled(design, origin), curves=joined.curves)
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
        text = f"{counted(int(bad.sum()), 'path')} left out for coordinates that are no numbers"
        notes.append(Note("degenerate", f"{text} ({_names(design, np.flatnonzero(bad))})"))
        design, curves = _labelled(design, np.flatnonzero(~bad)), curves.take(~bad)
    drawn_mm = lengths(curves)
    curves = _without_repeats(curves)
    length_mm = lengths(curves)
    short = length_mm < SHORTEST_MM
    if short.any():
        text = f"{counted(int(short.sum()), 'path')} shorter than {SHORTEST_MM:g} mm left out"
        longest = f"the longest is {drawn_mm[short].max():.2g} mm: check the scale if that is a surprise"
        notes.append(Note("degenerate", f"{text} ({_names(design, np.flatnonzero(short))}); {longest}"))
    kept = replace(_labelled(design, np.flatnonzero(~short)), curves=curves.take(~short))
    return kept.with_notes(*notes)


def _labelled(design: Design, origin: Ints) -> Design:
    """Return the design with the labels of these paths; its curves are the caller's to set."""
    index = origin.tolist()
    return replace(
        design,
        layer=tuple(design.layer[i] for i in index),
        colour=tuple(design.colour[i] for i in index),
        ident=tuple(design.ident[i] for i in index),
    )


def _names(design: Design, paths: Iterable[int]) -> str:
    return listed([design.ident[int(i)] for i in paths])


def _without_repeats(curves: Curves) -> Curves:
    """Remove segments of no length; a path of nothing else is left with one point or none."""
    n = len(curves.points)
    if not n:
        return curves
    owner = curves.owner()
    last = curves.offsets[owner + 1] - 1
    here = np.arange(n)
    following = np.where(here == last, curves.offsets[owner], here + 1)
    chord = np.hypot(*(curves.points[following] - curves.points).T)
    # An arc may almost return to its start: its height counts, too.
    moves = chord * np.maximum(1.0, np.abs(curves.bulge)) > _SAME_POINT_MM
    keep = moves | ((here == last) & ~curves.closed[owner])
    if keep.all():
        return curves
    counts = np.bincount(owner[keep], minlength=len(curves))
    return Curves(
        curves.points[keep], curves.bulge[keep], np.concatenate(([0], np.cumsum(counts))), curves.closed
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
            f"{counted(len(gone), 'path')} drawn over a path of another layer or colour and kept: unless "
            f"one of them is ignored, both are cut ({_names(design, gone)}); delete one if not meant",
        )
    ]


def _twice_notes(design: Design, single: Deduplicated, duplicate_mm: float) -> list[Note]:
    if not single.paths_removed and not single.paths_trimmed:
        return []
    gone = np.setdiff1d(np.arange(len(design.curves)), single.source)
    text = (
        f"drawn twice within {duplicate_mm:g} mm and cut once: {counted(single.paths_removed, 'path')} "
        f"removed, {single.paths_trimmed} shortened, {single.length_removed_mm:.2f} mm in all"
    )
    return [Note("duplicates", text + (f" ({_names(design, gone)})" if len(gone) else ""))]


def _join_notes(joined: Joined, join_mm: float) -> list[Note]:
    notes = []
    if joined.joints:
        text = f"{counted(joined.joints, 'pair')} of ends no more than {join_mm:g} mm apart joined"
        if joined.largest_gap_mm >= SHOWN_MM:
            text += f" (widest gap {joined.largest_gap_mm:.3f} mm)"
        if joined.loops_closed:
            text += f", {counted(joined.loops_closed, 'loop')} closed"
        notes.append(Note("joined", text))
    if len(joined.open_gaps):
        x, y, width = joined.open_gaps[0]
        text = (
            f"{counted(len(joined.open_gaps), 'gap')} wider than {join_mm:g} mm left open, the narrowest "
            f"{width:.3f} mm wide at x {x:.2f} y {y:.2f}: close them in the drawing if loops are meant"
        )
        notes.append(Note("gap", text))
    return notes


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
    return [
        Note(
            "self-intersecting",
            f"{counted(len(crossing), 'closed path')} found to cross or touch itself "
            f"({_names(design, crossing)}): its inside is not one area; on the line it is cut as drawn",
            design.ident[int(crossing[0])] if len(crossing) == 1 else "",
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
        remedy="draw outlines, convert text to paths, show what is hidden, or check the scale",
    )
