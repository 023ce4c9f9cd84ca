"""Drill: holes of the tool's own diameter, pecked straight down."""

from __future__ import annotations

import numpy as np

from fabctl.errors import RefusedError
from fabctl.geometry.curves import Curves, arc_centres, flatten, segments, signed_areas
from fabctl.operations.passes import Floats, join_moves, lift, vertical
from fabctl.operations.step import Cut, Cuts, Setup, Step

ROUND_MM = 0.02
"""A path whose points stray further than this from a circle is no hole, mm."""


def circles(curves: Curves) -> tuple[Floats, Floats]:
    """Find which paths are circles.

    Parameters
    ----------
    curves : Curves
        m paths.

    Returns
    -------
    centre : (m, 2) float64
        mm; nan for a path that is no circle.
    diameter_mm : (m,) float64
        nan for a path that is no circle.

    Examples
    --------
    >>> from fabctl.geometry.curves import from_paths
    >>> centre, diameter = circles(from_paths([([[3, 0], [-3, 0]], [1, 1], True)]))
    >>> diameter.tolist()
    [6.0]
    """
    fine = flatten(curves, ROUND_MM / 20)
    owner, count = fine.owner(), np.diff(fine.offsets)
    low = np.full((len(curves), 2), np.inf)
    high = -low
    np.minimum.at(low, owner, fine.points)
    np.maximum.at(high, owner, fine.points)
    exact, exact_radius = _exact(curves)
    middle = np.where(np.isnan(exact), (low + high) / 2, exact)
    radius = np.hypot(*(fine.points - middle[owner]).T)
    mean = np.bincount(owner, radius, minlength=len(curves)) / np.maximum(count, 1)
    stray = np.zeros(len(curves))
    np.maximum.at(stray, owner, np.abs(radius - mean[owner]))
    filled = np.abs(np.abs(signed_areas(fine)) - np.pi * mean**2) < 0.05 * np.pi * mean**2
    is_round = curves.closed & (stray <= ROUND_MM) & filled & (count >= 8)
    diameter = 2 * np.where(np.isnan(exact_radius), mean, exact_radius)
    return np.where(is_round[:, None], middle, np.nan), np.where(is_round, diameter, np.nan)


def _exact(curves: Curves) -> tuple[Floats, Floats]:
    """Centre and radius of paths made of arcs round one centre; nan elsewhere."""
    start, end, bulge, path = segments(curves)
    centres = arc_centres(start, end, bulge)
    radius = np.hypot(*(start - centres).T)
    count = np.maximum(np.bincount(path, minlength=len(curves)), 1)
    mean = np.column_stack([np.bincount(path, centres[:, i], minlength=len(curves)) / count for i in (0, 1)])
    mean_radius = np.bincount(path, radius, minlength=len(curves)) / count
    stray = np.zeros(len(curves))
    np.maximum.at(stray, path, np.nan_to_num(np.hypot(*(centres - mean[path]).T), nan=np.inf))
    one = (stray < 1e-6) & (mean_radius > 0)
    return np.where(one[:, None], mean, np.nan), np.where(one, mean_radius, np.nan)


def drill(step: Step, setup: Setup) -> Cuts:
    """Peck each circle's centre down to the step's depth.

    Parameters
    ----------
    step : Step
        Paths must be circles of the tool's diameter within 0.1 mm.
    setup : Setup

    Returns
    -------
    Cuts

    Raises
    ------
    RefusedError
        When a path is no circle or not of the tool's size.
    """
    centre, diameter = circles(step.curves)
    wrong = np.flatnonzero(~(np.abs(diameter - step.tool.diameter_mm) <= 0.1))
    if len(wrong):
        i = int(wrong[0])
        seen = "is no circle" if np.isnan(diameter[i]) else f"has a diameter of {diameter[i]:.2f} mm"
        raise RefusedError(
            f"{step.ident[i]} {seen}; {step.tool.title} drills holes of {step.tool.diameter_mm:g} mm",
            place=step.name,
            remedy='use kind = "profile" with side = "inside" in a job file, or a tool of that diameter',
        )
    count = max(1, int(np.ceil(step.depth_mm / step.recipe.stepdown_mm - 1e-9)))
    depths = -step.depth_mm * np.arange(1, count + 1) / count
    cuts = [[_pecks(step, at, depths, name)] for at, name in zip(centre, step.ident, strict=True)]
    return Cuts(step, cuts, (*step.notes, *_pointed(step, setup)))


def _pointed(step: Step, setup: Setup) -> list[str]:
    """Say when the point of a twist drill leaves a hole narrow at the sheet's underside."""
    tool = step.tool
    if tool.kind != "drill" or not 0 < tool.angle_deg < 180 or step.depth_mm < setup.material_mm:
        return []
    point_mm = tool.diameter_mm / 2 / float(np.tan(np.radians(tool.angle_deg / 2)))
    short = point_mm - (step.depth_mm - setup.material_mm)
    if short <= 0:
        return []
    return [
        f"the drill's point is {point_mm:.2f} mm long: the last {short:.2f} mm of a hole narrow to a cone"
    ]


def _pecks(step: Step, at: Floats, depths: Floats, ident: str) -> Cut:
    """Go down peck by peck, lifting the chips out to the stock's top between them; never down by a rapid."""
    recipe, parts = step.recipe, []
    for i, z in enumerate(depths):  # a handful of pecks
        if i:
            parts.append(lift(at, 0.0, recipe.power))
            parts.append(vertical(at, depths[i - 1], recipe.plunge_mm_min, recipe.power))
        parts.append(vertical(at, z, recipe.plunge_mm_min, recipe.power))
    return Cut(np.array([*at, 0.0]), join_moves(parts), ident)
