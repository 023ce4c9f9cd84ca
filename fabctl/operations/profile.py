"""Profile: cut round a contour, outside, inside or on its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely

from fabctl.errors import DesignError, RefusedError
from fabctl.geometry.curves import (
    Curves,
    extents,
    flatten,
    from_paths,
    lengths,
    reverse,
    segment_lengths,
    signed_areas,
)
from fabctl.geometry.nesting import simple_polygons
from fabctl.geometry.regions import Polygons, crossings, from_polygons, offset_each
from fabctl.operations.arcs import fit_curves
from fabctl.operations.passes import Bools, Floats, Ints, cut_path
from fabctl.operations.step import Cut, Cuts, Setup, Step
from fabctl.operations.tabs import tab_count
from fabctl.operations.thinner import thinner
from fabctl.shop.tool import ROTATING

RELIEF_DEG = (30.0, 125.0)
"""Corners of the tool's way that turn by so much are cut out for a square counterpart. In sharper ones the
tool would take more of the walls than of the corner."""


KERF_MM = 0.5
"""A corner rounded by a narrower cut is as good as sharp, mm."""


def profile(step: Step, setup: Setup) -> Cuts:
    """Cut round every path on the step's side.

    The part is always on the right of the tool's way (outside paths run clockwise, inside ones
    counter-clockwise), so that a spindle turning right cuts by climbing and a beam leaves its slanted side
    on the waste.

    Parameters
    ----------
    step : Step
        ``side`` outside or inside takes closed paths only.
    setup : Setup

    Returns
    -------
    Cuts

    Raises
    ------
    DesignError
        When a path crosses itself: it has no inside.
    RefusedError
        When a path is open, or so narrow that the tool does not fit inside.
    """
    if step.side == "on":
        ways, owner = fit_curves(step.curves, setup.tolerance_mm / 2), np.arange(len(step.curves))
        notes: list[str] = []
    else:
        _refuse_open(step)
        ways, owner, notes = _beside(step, setup)
    held, told = _held(step, ways, owner)
    cuts: list[list[Cut]] = []
    for i, (points, bulge, closed) in enumerate(ways):  # a loop over parts: each gets moves of its own
        begun = _started(points, bulge, closed)
        cuts.append([cut_path(held[i], setup, *begun, closed=closed, ident=step.ident[owner[i]])])
    return Cuts(step, cuts, (*step.notes, *notes, *told))


def _refuse_open(step: Step) -> None:
    open_paths = np.flatnonzero(~step.curves.closed)
    if not len(open_paths):
        return
    i = int(open_paths[0])
    points = step.curves[i][0]
    raise RefusedError(
        f"{step.ident[i]} is open by {np.hypot(*(points[-1] - points[0])):.2f} mm: it has no {step.side}",
        place=step.name,
        remedy='close it in the drawing, or cut it on the line (side = "on" in a job file)',
    )


def _outlines(step: Step, fine_mm: float) -> Polygons:
    """Build one region from each path; refuse what encloses nothing or crosses itself."""
    path, place = crossings(step.curves, fine_mm)
    if len(path):
        x, y = place[0]
        raise DesignError(
            f"{step.ident[path[0]]} crosses itself near x {x:.3f} y {y:.3f} mm: it has no clear {step.side}",
            place=step.name,
            remedy="separate it into simple shapes in the drawing, or cut it on the line "
            '(side = "on" in a job file)',
        )
    flat = flatten(step.curves, fine_mm)
    empty = np.flatnonzero((np.diff(flat.offsets) < 3) | (np.abs(signed_areas(flat)) < fine_mm**2))
    if len(empty):
        raise DesignError(
            f"{step.ident[empty[0]]} encloses nothing: it has no {step.side}",
            place=step.name,
            remedy='delete it in the drawing, or cut it on the line (side = "on" in a job file)',
        )
    polygons = simple_polygons(flat)
    touching = ~shapely.is_valid(polygons)
    polygons[touching] = shapely.make_valid(polygons[touching])
    return polygons


def _beside(step: Step, setup: Setup) -> tuple[Curves, Ints, list[str]]:
    """Offset all paths by half the cut's width; give the ways as lines and arcs, and the path of each."""
    fine = setup.tolerance_mm / 5
    radius, outside = step.width_mm / 2, step.side == "outside"
    outlines = _outlines(step, fine)
    moved, owner = offset_each(outlines, radius if outside else -radius, fine)
    lost = np.setdiff1d(np.arange(len(outlines)), owner)
    if len(lost):
        # A slot as wide as the tool is one to the tool: within the tolerance it goes to and fro in it.
        snug, index = offset_each(outlines[lost], setup.tolerance_mm / 2 - radius, fine)
        moved, owner = np.concatenate((moved, snug)), np.concatenate((owner, lost[index]))
        order = np.argsort(owner, kind="stable")
        moved, owner = moved[order], owner[order]
    lost = np.setdiff1d(np.arange(len(outlines)), owner)
    if len(lost):
        x0, y0, x1, y1 = extents(step.curves.take(lost[:1]))
        room = 2 * float(shapely.length(shapely.maximum_inscribed_circle(outlines[lost])).min())
        raise RefusedError(
            f"{step.ident[lost[0]]} ({x1 - x0:.2f} × {y1 - y0:.2f} mm) is too fine for the tool: there is no "
            f"room inside for {round(2 * radius, 3):g} mm",
            place=f"{step.name}, x {(x0 + x1) / 2:.1f} y {(y0 + y1) / 2:.1f} mm on the stock",
            remedy=f"{thinner(step.tool, room, step.depth_mm)}, or cut it on the line "
            '(side = "on" in a job file)',
        )
    ways = from_polygons(moved)
    owner = np.repeat(owner, 1 + shapely.get_num_interior_rings(moved))
    notes = _necks(step, owner)
    if step.relief:
        ways, told = _relieved(ways, outlines[owner], radius, outside=outside)
        notes += told
    elif step.tool.kind in ROTATING and step.width_mm >= KERF_MM:
        notes += _rounded(step, fine)
    ways = fit_curves(ways, 3 * fine)
    return (reverse(ways) if outside else ways), owner, notes


def _rounded(step: Step, fine_mm: float) -> list[str]:
    """Count the corners that a round cutter cannot reach into."""
    flat = flatten(step.curves, fine_mm)
    owner, here = flat.owner(), np.arange(len(flat.points))
    first, last = flat.offsets[owner], flat.offsets[owner + 1] - 1
    before = flat.points - flat.points[np.where(here == first, last, here - 1)]
    after = flat.points[np.where(here == last, first, here + 1)] - flat.points
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    turn = np.degrees(np.arctan2(cross, np.sum(before * after, axis=1))) * np.sign(signed_areas(flat))[owner]
    count = int(np.sum((turn if step.side == "inside" else -turn) > RELIEF_DEG[0]))
    if not count:
        return []
    keep = "1 inner corner keeps" if count == 1 else f"{count} inner corners keep"
    told = (
        f"{keep} the cutter's radius of {round(step.width_mm / 2, 4):g} mm; relief = true in a job file cuts "
        "corners out"
    )
    return [told]


def _necks(step: Step, owner: Ints) -> list[str]:
    """Name the paths with a place where the tool does not fit through."""
    count = np.bincount(owner, minlength=len(step.curves))
    narrow = np.flatnonzero(count > 1).tolist()
    if not narrow:
        return []
    told = (
        f"{_such_as(narrow, step.ident)} a neck narrower than {round(step.width_mm, 3):g} mm: what is "
        f"in the neck stays, the rest is cut in pieces ({count[narrow[0]]})"
    )
    return [told]


def _such_as(rows: list[int], ident: Sequence[str]) -> str:
    """Name one path, or count several and name the first."""
    if len(rows) == 1:
        return f"{ident[rows[0]]} has"
    return f"{len(rows)} contours, such as {ident[rows[0]]}, have"


def _held(step: Step, ways: Curves, owner: Ints) -> tuple[list[Step], list[str]]:
    """Leave tabs out where there is nothing to hold; say where there is no room for them."""
    bare = replace(step, tabs=None)
    if step.tabs is None:
        return [step] * len(ways), []
    loose = np.ones(len(ways), bool)
    if step.side == "inside":
        loose = _leaves_slug(ways, step.width_mm, 0.01)
    loose &= ways.closed
    count = np.array([tab_count(length, step.tabs, step.width_mm) for length in lengths(ways).tolist()])
    none = owner[loose & (count == 0)].tolist()
    fewer = owner[loose & (count > 0) & (count < step.tabs.count)].tolist()
    notes = []
    if none:
        notes.append(
            f"{_such_as(none, step.ident)} no room for a tab and comes loose: hold it down with tape"
        )
    if fewer:
        notes.append(f"{_such_as(fewer, step.ident)} no room for {step.tabs.count} tabs: fewer are left")
    return [step if one else bare for one in loose.tolist()], notes


def _leaves_slug(ways: Curves, width_mm: float, tolerance_mm: float) -> Bools:
    """Say inside which ways something is left that a tab could hold, (m,)."""
    flat = flatten(ways, tolerance_mm)
    able = np.flatnonzero(ways.closed & (np.diff(flat.offsets) > 2))
    left = np.zeros(len(ways), bool)
    slugs = offset_each(simple_polygons(flat.take(able)), -width_mm / 2, tolerance_mm)[1]
    left[able[slugs]] = True
    return left


def _relieved(
    ways: Curves, outlines: Polygons, radius_mm: float, *, outside: bool
) -> tuple[Curves, list[str]]:
    """Run into every sharp inner corner until the tool's edge touches the drawn corner (dogbones)."""
    relieved, sharper = [], 0
    for (points, _, _), outline in zip(ways, outlines, strict=True):  # a loop over slots: few and small
        before = points - np.roll(points, 1, axis=0)
        after = np.roll(points, -1, axis=0) - points
        turn = np.degrees(
            np.arctan2(
                before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], np.sum(before * after, axis=1)
            )
        )
        # Towards the part: its corners on the other side are rounded by the tool going round them.
        turn = -turn if outside else turn
        sharp = np.flatnonzero((turn >= RELIEF_DEG[0]) & (turn <= RELIEF_DEG[1]))
        sharper += int(np.sum(turn > RELIEF_DEG[1]))
        lead = before / np.hypot(*before.T)[:, None] - after / np.hypot(*after.T)[:, None]
        lead = lead[sharp] / np.hypot(*lead[sharp].T)[:, None]
        wall = shapely.boundary(outline)
        rays = shapely.linestrings(np.stack((points[sharp], points[sharp] + 4 * radius_mm * lead), axis=1))
        reach = shapely.distance(shapely.points(points[sharp]), shapely.intersection(rays, wall)) - radius_mm
        tips = points[sharp] + lead * np.maximum(np.nan_to_num(reach), 0.0)[:, None]
        at = np.repeat(sharp + 1, 2)
        relieved.append(
            (np.insert(points, at, np.stack((tips, points[sharp]), 1).reshape(-1, 2), 0), None, True)
        )
    told = [f"{sharper} corners sharper than {180 - RELIEF_DEG[1]:g}° are not cut out"] if sharper else []
    return from_paths(relieved), told


def _started(points: Floats, bulge: Floats, closed: bool) -> tuple[Floats, Floats]:  # noqa: FBT001
    """Let a closed path begin in the middle of its longest line, away from corners."""
    if not closed:
        return points, bulge
    end = np.roll(points, -1, axis=0)
    length = np.where(bulge == 0, segment_lengths(points, end, bulge), 0.0)
    i = int(np.argmax(length))
    if length[i] <= 0:
        return points, bulge
    middle = (points[i] + end[i]) / 2
    points = np.vstack((middle, np.roll(points, -i - 1, axis=0)))
    bulge = np.concatenate(([0.0], np.roll(bulge, -i - 1)))
    return points, bulge
