"""Profile: cut round a contour, outside, inside or on its line."""

from __future__ import annotations

import numpy as np

from fabctl.errors import RefusedError
from fabctl.geometry.curves import (
    Curves,
    extents,
    flatten,
    from_paths,
    reverse,
    segment_lengths,
    signed_areas,
)
from fabctl.geometry.regions import from_polygons, offset, to_polygons
from fabctl.operations.arcs import fit_curves
from fabctl.operations.passes import Floats, cut_path
from fabctl.operations.step import Cut, Cuts, Setup, Step


def profile(step: Step, setup: Setup) -> Cuts:
    """Cut round every path on the step's side.

    Outside paths run clockwise and inside ones counter-clockwise, so that a spindle turning right cuts by
    climbing and a beam leaves its slanted side on the waste.

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
    RefusedError
        When a path is open, or so narrow that the tool does not fit inside.
    """
    if step.side == "on":
        paths = zip(fit_curves(step.curves, setup.tolerance_mm / 2), step.ident, strict=True)
        cuts = [[cut_path(step, *_started(p, b, c), closed=c, ident=name)] for (p, b, c), name in paths]
        return Cuts(step, cuts)
    _refuse_open(step)
    groups: list[list[Cut]] = []
    notes: list[str] = []
    for i, name in enumerate(step.ident):  # a loop over parts: each is offset and checked by itself
        loops = _beside(step, step.curves.take([i]), setup, name)
        if len(loops) > 1:
            notes.append(
                f"{name} has a neck narrower than {step.tool.diameter_mm:g} mm: it is cut in {len(loops)} "
                "pieces and the neck stays"
            )
        groups += [[cut_path(step, *_started(p, b, c), closed=True, ident=name)] for p, b, c in loops]
    return Cuts(step, groups, notes)


def _refuse_open(step: Step) -> None:
    open_paths = np.flatnonzero(~step.curves.closed)
    if not len(open_paths):
        return
    i = int(open_paths[0])
    points = step.curves[i][0]
    raise RefusedError(
        f"{step.ident[i]} is open by {np.hypot(*(points[-1] - points[0])):.2f} mm: it has no {step.side}",
        place=step.name,
        remedy='close it in the drawing, or cut it on the line (side = "on")',
    )


def _beside(step: Step, path: Curves, setup: Setup, name: str) -> Curves:
    """Offset one closed path by the tool's radius and give it back as lines and arcs."""
    fine = setup.tolerance_mm / 5
    radius = step.tool.diameter_mm / 2
    outline = to_polygons(flatten(path, fine), fine)
    moved = offset(outline, radius if step.side == "outside" else -radius, fine)
    loops = from_polygons(moved)
    if step.side == "outside":
        loops = loops.take(signed_areas(loops) > 0)
    if not len(loops):
        x0, y0, x1, y1 = extents(path)
        raise RefusedError(
            f"{name} ({x1 - x0:.2f} × {y1 - y0:.2f} mm) has no room inside for a tool of {2 * radius:g} mm",
            place=step.name,
            remedy="take a thinner tool (fabctl tools), or cut it on the line",
        )
    if step.relief:
        loops = _relieved(loops, radius)
    loops = fit_curves(loops, 3 * fine)
    clockwise = step.side == "outside"
    turned = (signed_areas(loops) > 0) == clockwise
    return from_paths(
        [reverse(loops.take([i]))[0] if turned[i] else loops[i] for i in range(len(loops))],
    )


def _relieved(loops: Curves, radius_mm: float) -> Curves:
    """Run into every sharp inner corner until the tool's edge touches the drawn corner (dogbones)."""
    relieved = []
    for points, _, _ in loops:  # a loop over slots: few and small
        before = points - np.roll(points, 1, axis=0)
        after = np.roll(points, -1, axis=0) - points
        turn = np.arctan2(
            before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], np.sum(before * after, axis=1)
        )
        sharp = np.abs(turn) > np.pi / 6
        outward = before / np.hypot(*before.T)[:, None] - after / np.hypot(*after.T)[:, None]
        norm = np.maximum(np.hypot(*outward.T), 1e-12)[:, None]
        reach = radius_mm / np.cos(turn / 2) - radius_mm
        tips = points + outward / norm * reach[:, None]
        rows = np.repeat(np.arange(len(points)), np.where(sharp, 3, 1))
        path = points[rows]
        first = np.searchsorted(rows, np.flatnonzero(sharp))
        path[first + 1] = tips[sharp]
        relieved.append((path, None, True))
    return from_paths(relieved)


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
