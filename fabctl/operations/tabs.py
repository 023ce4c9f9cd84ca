"""Tabs: where on a contour the bridges stand that hold a part in its sheet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.curves import segment_lengths
from fabctl.shop.job import Tabs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PHASES = 64
"""Evenly spaced tabs are tried from this many places before single ones are moved."""

CORNER_DEG = 20.0
"""A vertex that turns by more is a corner: a tab does not reach round it if there is another place."""


def tab_count(length_mm: float, tabs: Tabs, width_mm: float) -> int:
    """Count the tabs a contour has room for.

    Parameters
    ----------
    length_mm : float
        Of the tool's way round the contour, mm.
    tabs : Tabs
    width_mm : float
        Of the cut, mm.

    Returns
    -------
    int
        At most what is asked for; between two tabs at least as much is cut as left.

    Examples
    --------
    >>> tab_count(400.0, Tabs(4, 6.0, 1.5), 6.0), tab_count(60.0, Tabs(4, 6.0, 1.5), 6.0)
    (4, 2)
    """
    return min(tabs.count, int(length_mm / (2 * (tabs.width_mm + width_mm))))


def place_tabs(points: Floats, bulge: Floats, tabs: Tabs, width_mm: float) -> Floats:
    """Choose where tabs begin and end along a closed path.

    Evenly spaced, on straight stretches where there are any, else on smooth ones, round a corner only where
    nothing else is left, and never across the path's first point, where the tool comes down.

    Parameters
    ----------
    points : (k, 2) float64
        Of the tool's way, mm.
    bulge : (k,) float64
    tabs : Tabs
    width_mm : float
        Of the cut, mm: the tool leaves the floor this much longer than a tab is wide, so that the tab has
        its full width where it is thinnest, in the middle of the cut.

    Returns
    -------
    (t, 2) float64
        Begin and end of each tab along the path, ascending, mm.

    Examples
    --------
    >>> corners = np.array([[50.0, 0], [100, 0], [100, 100], [0, 100], [0, 0]])
    >>> place_tabs(corners, np.zeros(5), Tabs(4, 6.0, 1.5), 4.0).mean(axis=1).round().tolist()
    [16.0, 116.0, 216.0, 316.0]
    """
    end = np.roll(points, -1, axis=0)
    reach = np.concatenate(([0.0], np.cumsum(segment_lengths(points, end, bulge))))
    length = float(reach[-1])
    count = tab_count(length, tabs, width_mm)
    if not count:
        return np.zeros((0, 2))
    long = tabs.width_mm + width_mm
    straight = np.column_stack((reach[:-1], reach[1:]))[bulge == 0]
    smooth = _smooth(points, end, bulge, reach)
    pitch = length / count
    even = (np.arange(PHASES)[:, None] + 0.5) / PHASES * pitch + np.arange(count) * pitch
    room = [_room(even, runs) - long / 2 for runs in (straight, smooth)]
    # Rounded, so that which of two equal places wins is no matter of the last bit.
    spare = np.round(np.clip(room[0], 0, long).sum(axis=1), 6)
    fitting = [np.sum(r >= 0, axis=1) for r in room]
    best = np.lexsort((np.arange(PHASES)[::-1], spare, fitting[1], fitting[0]))[-1]
    middle = _nudged(even[best], [straight, smooth], long, (pitch - long) / 2)
    middle = np.clip(middle, long / 2, length - long / 2)
    return np.column_stack((middle - long / 2, middle + long / 2))


def _smooth(points: Floats, end: Floats, bulge: Floats, reach: Floats) -> Floats:
    """List the stretches between corners, (r, 2) mm; the first point always ends one."""
    chord = np.arctan2(*(end - points).T[::-1])
    half = 2 * np.arctan(bulge)
    arriving, leaving = np.roll(chord + half, 1), chord - half
    turn = np.abs((leaving - arriving + np.pi) % (2 * np.pi) - np.pi)
    corner = turn > np.radians(CORNER_DEG)
    corner[0] = True
    marks = np.append(reach[:-1][corner], reach[-1])
    return np.column_stack((marks[:-1], marks[1:]))


def _room(at: Floats, runs: Floats) -> Floats:
    """Measure how far places are from the ends of the stretch they lie on; −inf off all stretches."""
    if not len(runs):
        return np.full(at.shape, -np.inf)
    i = np.clip(np.searchsorted(runs[:, 0], at, side="right") - 1, 0, None)
    room = np.minimum(at - runs[i, 0], runs[i, 1] - at)
    return np.where(room >= 0, room, -np.inf)


def _nudged(middle: Floats, kinds: list[Floats], long_mm: float, most_mm: float) -> Floats:
    """Move each place that does not fit to the nearest one that does, so far that no two meet."""
    moved = middle.copy()
    for i, at in enumerate(middle):  # a handful of tabs
        for runs in kinds:
            able = runs[runs[:, 1] - runs[:, 0] >= long_mm]
            places = np.clip(at, able[:, 0] + long_mm / 2, able[:, 1] - long_mm / 2)
            if len(places) and np.abs(places - at).min() <= most_mm:
                moved[i] = places[np.argmin(np.round(np.abs(places - at), 6))]
                break
    return moved
