"""Pocket: clear what lies inside closed paths down to a depth, islands left standing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import shapely

from fabctl.errors import DesignError, RefusedError
from fabctl.geometry.curves import extents, flatten, from_paths
from fabctl.geometry.nesting import simple_polygons
from fabctl.geometry.regions import Polygons, Ring, crossings, pocket_rings, to_polygons
from fabctl.operations.arcs import fit_curves
from fabctl.operations.passes import Floats, join_moves, segment_moves, spiral_down, vertical
from fabctl.operations.step import Cut, Cuts, Setup, Step
from fabctl.operations.thinner import thinner
from fabctl.toolpath.moves import Moves

Loop = tuple[Floats, Floats]
"""Points and bulges of a closed path that starts where the tool comes in."""


def pocket(step: Step, setup: Setup) -> Cuts:
    """Clear each region from the inside out, depth by depth.

    Parameters
    ----------
    step : Step
        Closed paths; a path inside another one is an island.
    setup : Setup

    Returns
    -------
    Cuts
        One group for each region.

    Raises
    ------
    DesignError
        When a path crosses itself or another one.
    RefusedError
        When a path is open or narrower than the tool.
    """
    if not step.curves.closed.all():
        first = int(np.flatnonzero(~step.curves.closed)[0])
        raise RefusedError(
            f"{step.ident[first]} is open: it has no inside to clear",
            place=step.name,
            remedy="close it in the drawing, or engrave along its line",
        )
    fine = setup.tolerance_mm / 5
    _refuse_crossing(step, fine)
    regions = to_polygons(step.curves, fine)
    groups, notes = [], []
    for region, i in zip(regions, _paths_of(regions, step, fine), strict=True):  # a loop over pockets: few
        name = step.ident[i]
        rings = pocket_rings(region, step.tool.diameter_mm / 2, step.recipe.stepover_mm, fine)
        if not rings:
            x0, y0, x1, y1 = extents(step.curves.take([i]))
            room = 2 * float(shapely.length(shapely.maximum_inscribed_circle(region)))
            raise RefusedError(
                f"{name} ({x1 - x0:.2f} × {y1 - y0:.2f} mm) is too fine for the tool: there is no room "
                f"inside for {step.tool.diameter_mm:g} mm",
                place=f"{step.name}, x {(x0 + x1) / 2:.1f} y {(y0 + y1) / 2:.1f} mm on the stock",
                remedy=thinner(step.tool, room, step.depth_mm),
            )
        rooms = sum(ring.level == 0 and not ring.hole for ring in rings)
        if rooms > 1:
            notes.append(
                f"{name} has a neck narrower than {step.tool.diameter_mm:g} mm: it is cleared in {rooms} "
                "pieces and what is in the neck stays"
            )
        # Nearer than this no island fits between two neighbouring rings: the tool may go straight across.
        longest = min(2 * step.recipe.stepover_mm, 2.9 * step.tool.diameter_mm / 2)
        groups.append(_clear(step, _chains(rings, longest, 3 * fine), name))
    return Cuts(step, groups, (*step.notes, *notes))


def _refuse_crossing(step: Step, fine_mm: float) -> None:
    path, place = crossings(step.curves, fine_mm)
    if len(path):
        x, y = place[0]
        raise DesignError(
            f"{step.ident[path[0]]} crosses itself near x {x:.3f} y {y:.3f} mm: it has no clear inside",
            place=step.name,
            remedy="separate it into simple shapes in the drawing, or engrave along its line",
        )


def _paths_of(regions: Polygons, step: Step, fine_mm: float) -> list[int]:
    """Find the path around each region: the one whose outline its own follows."""
    flat = flatten(step.curves, fine_mm)
    able = np.flatnonzero(np.diff(flat.offsets) > 2)
    lines = shapely.get_exterior_ring(simple_polygons(flat.take(able)))
    corners = shapely.points([shapely.get_coordinates(region)[0] for region in regions])
    nearest = shapely.STRtree(lines).nearest(corners)
    return [int(i) for i in able[nearest]]


def _chains(rings: Sequence[Ring], longest_mm: float, tolerance_mm: float) -> list[list[Loop]]:
    """Order rings inside out; a chain is cut without lifting the tool.

    A ring comes after all rings inside it. It goes on from where the last one of them ends when it passes
    near by, and starts there; else the tool is lifted.
    """
    chains: list[list[Loop]] = []
    before = -1
    for i in _inside_out(rings):  # a loop over rings: each starts where the last one ended
        points = rings[i].points
        linked = False
        if before >= 0 and rings[before].parent == i:
            here = chains[-1][-1][0][0]
            segment, on = _nearest(points, here)
            linked = bool(np.hypot(*(on - here)) <= longest_mm)
            points = _from_there(points, segment, on) if linked else points
        loop = _fitted(points, tolerance_mm)
        if linked:
            chains[-1].append(loop)
        else:
            chains.append([loop])
        before = i
    return chains


def _inside_out(rings: Sequence[Ring]) -> list[int]:
    """Order rings so that each comes after all rings inside it, and right after the last of them."""
    inside: list[list[int]] = [[] for _ in rings]
    waiting: list[int] = []
    for i, ring in enumerate(rings):
        (inside[ring.parent] if ring.parent >= 0 else waiting).append(i)
    waiting.reverse()
    order: list[int] = []
    while waiting:
        i = waiting.pop()
        order.append(i)
        waiting += inside[i]
    return order[::-1]


def _nearest(points: Floats, at: Floats) -> tuple[int, Floats]:
    """Find the segment of a closed polyline nearest to a point, and the point on it."""
    along = np.roll(points, -1, axis=0) - points
    share = np.sum((at - points) * along, axis=1) / np.maximum(np.sum(along**2, axis=1), 1e-300)
    on = points + along * np.clip(share, 0, 1)[:, None]
    i = int(np.argmin(np.hypot(*(on - at).T)))
    return i, on[i]


def _from_there(points: Floats, segment: int, on: Floats) -> Floats:
    """Let a ring start at a point on one of its segments."""
    turned = np.vstack((on, np.roll(points, -segment - 1, axis=0)))
    doubled = np.all(np.abs(turned - np.roll(turned, -1, axis=0)) < 1e-9, axis=1)
    return turned[~doubled] if len(turned) - doubled.sum() > 2 else turned


def _fitted(points: Floats, tolerance_mm: float) -> Loop:
    """Write a ring as lines and arcs; its start stays."""
    # Counter-clockwise inside a pocket is climb milling for a spindle that turns right.
    path = from_paths([(np.vstack((points, points[:1])), None, False)])
    fitted_points, fitted_bulge, _ = fit_curves(path, tolerance_mm)[0]
    return fitted_points[:-1], fitted_bulge[:-1]


def _clear(step: Step, chains: Sequence[Sequence[Loop]], name: str) -> list[Cut]:
    """Cut all chains at one depth after the other."""
    count = max(1, int(np.ceil(step.depth_mm / step.recipe.stepdown_mm - 1e-9)))
    if step.depth_mm <= 0:
        return [_chain_cut(step, chain, 0.0, 0.0, name) for chain in chains]
    floors = (-step.depth_mm * np.arange(count + 1) / count).tolist()
    return [
        _chain_cut(step, chain, above, floor, name) for above, floor in pairwise(floors) for chain in chains
    ]


def _chain_cut(step: Step, chain: Sequence[Loop], above: float, floor: float, name: str) -> Cut:
    """Spiral down along the first ring of a chain, then go outwards ring by ring at the floor."""
    recipe, at = step.recipe, chain[0][0][0]
    parts: list[Moves] = []
    if above < 0:
        parts.append(vertical(at, above, recipe.plunge_mm_min, recipe.power))
    parts.append(spiral_down(*chain[0], above, floor, recipe))
    for points, bulge in chain[1:]:  # a loop over rings
        link = parts[-1]["xyz"][-1:, :2]
        parts.append(segment_moves(link, points[:1], np.zeros(1), np.full(1, floor), recipe))
        end = np.roll(points, -1, axis=0)
        parts.append(segment_moves(points, end, bulge, np.full(len(points), floor), recipe))
    return Cut(np.array([*at, 0.0]), join_moves(parts), name)
