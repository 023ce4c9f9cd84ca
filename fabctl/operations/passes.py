"""From a path on paper to passes through the material: ramps, depths and tabs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves, from_paths, reverse, segment_lengths, split
from fabctl.operations.step import Cut, Setup, Step
from fabctl.operations.tabs import place_tabs
from fabctl.shop.recipe import Recipe
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, RAPID, Moves

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SMALLEST_MM = 1e-6
"""Vertical moves shorter than this are not made."""

MOST_TURNS = 10
"""A loop so short that a ramp would need more turns than this for one stepdown is plunged instead."""


def cut_path(step: Step, setup: Setup, points: Floats, bulge: Floats, *, closed: bool, ident: str) -> Cut:
    """Take one path down to a step's depth.

    A closed path is cut as a descending spiral that ends with one level turn, so that the cutter is not
    plunged into the material; an open one to and fro, plunging at its ends. A head without depth goes round
    as often as its recipe says.

    Parameters
    ----------
    step : Step
    setup : Setup
    points : (k, 2) float64
        mm.
    bulge : (k,) float64
    closed : bool
    ident : str

    Returns
    -------
    Cut
    """
    if step.depth_mm <= 0:
        return _level(step, points, bulge, closed=closed, ident=ident)
    if not closed:
        return _to_and_fro(step, points, bulge, ident)
    bridges, top = None, 0.0
    if step.tabs is not None:
        bridges = place_tabs(points, bulge, step.tabs, step.width_mm)
        # From the sheet's underside: the tool itself goes deeper than that.
        top = step.tabs.height_mm - setup.material_mm
    moves = spiral_down(points, bulge, 0.0, -step.depth_mm, step.recipe, bridges=bridges, bridge_top_mm=top)
    return Cut(np.array([*points[0], 0.0]), moves, ident)


def descent_of(length_mm: float, depth_mm: float, recipe: Recipe) -> tuple[int, bool]:
    """Choose how to come down along a closed path: how many turns, and whether by ramps.

    Parameters
    ----------
    length_mm : float
        Length of one turn, mm.
    depth_mm : float
        Depth of the whole cut, mm.
    recipe : Recipe
        Its stepdown, ramp angle and plunge rate bound the descent of a turn.

    Returns
    -------
    turns : int
        At least 1.
    ramps : bool
        False where the loop is so short, or the blade so fixed, that it is plunged straight down at the
        plunge rate before each level turn.

    Examples
    --------
    >>> recipe = Recipe(1000, 300, 2.0, 1.0, 0.5, ramp_deg=5)
    >>> descent_of(100.0, 6.0, recipe), descent_of(0.5, 6.0, recipe)
    ((3, True), (3, False))
    """
    slope = min(np.tan(np.radians(recipe.ramp_deg)), recipe.plunge_mm_min / recipe.feed_mm_min)
    step_mm = min(recipe.stepdown_mm, depth_mm)
    turn_mm = min(step_mm, length_mm * slope)
    ramps = bool(turn_mm * MOST_TURNS >= step_mm)
    return max(1, int(np.ceil(depth_mm / (turn_mm if ramps else step_mm) - 1e-9))), ramps


def segment_moves(start: Floats, end: Floats, bulge: Floats, z_end: Floats, recipe: Recipe) -> Moves:
    """Write segments as feed moves and arcs.

    Parameters
    ----------
    start, end : (k, 2) float64
        mm.
    bulge : (k,) float64
    z_end : (k,) float64
        Height at each segment's end, mm.
    recipe : Recipe
        Its feed and power.

    Returns
    -------
    (k,) MOVE
    """
    moves = np.zeros(len(start), MOVE)
    moves["motion"] = np.where(bulge > 0, ARC_CCW, np.where(bulge < 0, ARC_CW, FEED))
    moves["xyz"][:, :2] = end
    moves["xyz"][:, 2] = z_end
    chord = end - start
    curved = bulge != 0
    swell = np.where(curved, bulge, 1.0)
    offset = (1 - swell**2) / (4 * swell)
    centre = chord / 2 + np.column_stack((-chord[:, 1], chord[:, 0])) * offset[:, None]
    moves["ij"] = np.where(curved[:, None], centre, 0.0)
    moves["feed"] = recipe.feed_mm_min
    moves["power"] = recipe.power
    return moves


def join_moves(parts: list[Moves]) -> Moves:
    """Put arrays of moves one after the other, shape (n,) MOVE; none gives an empty array."""
    return np.concatenate(parts) if parts else np.zeros(0, MOVE)


def lift(at: Floats, z_mm: float, power: float) -> Moves:
    """Return one rapid straight up above a point (x, y) to a height, shape (1,) MOVE, mm."""
    move = vertical(at, z_mm, 0.0, power)
    move["motion"] = RAPID
    return move


def vertical(at: Floats, z_mm: float, feed_mm_min: float, power: float) -> Moves:
    """Return one straight feed move along Z above a point (x, y) to a height, shape (1,) MOVE, mm."""
    move = np.zeros(1, MOVE)
    move["motion"] = FEED
    move["xyz"] = (at[0], at[1], z_mm)
    move["feed"] = feed_mm_min
    move["power"] = power
    return move


def _level(step: Step, points: Floats, bulge: Floats, *, closed: bool, ident: str) -> Cut:
    """Go along a path at one height as often as the recipe says."""
    end = np.roll(points, -1, axis=0) if closed else points[1:]
    z = np.full(len(end), step.level_mm)
    forward = segment_moves(points[: len(end)], end, bulge[: len(end)], z, step.recipe)
    start = np.array([*points[0], step.level_mm])
    if closed:
        return Cut(start, np.tile(forward, step.recipe.passes), ident)
    back_points, back_bulge, _ = reverse(from_paths([(points, bulge, False)]))[0]
    back = segment_moves(back_points[:-1], back_points[1:], back_bulge[:-1], z, step.recipe)
    passes = [forward if i % 2 == 0 else back for i in range(step.recipe.passes)]
    return Cut(start, join_moves(passes), ident)


def _to_and_fro(step: Step, points: Floats, bulge: Floats, ident: str) -> Cut:
    count = max(1, int(np.ceil(step.depth_mm / step.recipe.stepdown_mm - 1e-9)))
    path = from_paths([(points, bulge, False)])
    directions: tuple[Curves, Curves] = (path, reverse(path))
    parts: list[Moves] = []
    for i in range(count):  # a loop over depth passes: few
        here, swell, _ = directions[i % 2][0]
        z = -step.depth_mm * (i + 1) / count
        parts.append(vertical(here[0], z, step.recipe.plunge_mm_min, step.recipe.power))
        parts.append(segment_moves(here[:-1], here[1:], swell[:-1], np.full(len(here) - 1, z), step.recipe))
    return Cut(np.array([*points[0], 0.0]), join_moves(parts), ident)


def spiral_down(
    points: Floats,
    bulge: Floats,
    above_mm: float,
    floor_mm: float,
    recipe: Recipe,
    *,
    bridges: Floats | None = None,
    bridge_top_mm: float = 0.0,
) -> Moves:
    """Descend along a closed path turn by turn, ending with one level turn at the floor.

    Parameters
    ----------
    points : (k, 2) float64
        mm; the tool stands at the first one, at `above_mm`.
    bulge : (k,) float64
    above_mm, floor_mm : float
        Heights of begin and end, mm.
    recipe : Recipe
    bridges : (t, 2) float64, optional
        Where tabs begin and end along the path, mm.
    bridge_top_mm : float
        The tool does not go deeper there, mm.

    Returns
    -------
    (n,) MOVE
    """
    bridged = np.zeros(len(points), bool)
    if bridges is not None and len(bridges):
        points, bulge, index = split(points, bulge, bridges.ravel(), closed=True)
        bridged = _between(len(points), index.reshape(-1, 2))
    end = np.roll(points, -1, axis=0)
    pieces = segment_lengths(points, end, bulge)
    reach = np.concatenate(([0.0], np.cumsum(pieces)))
    length = float(reach[-1])
    reach /= max(length, SMALLEST_MM)
    turns, ramps = descent_of(length, above_mm - floor_mm, recipe)
    turn = np.repeat(np.arange(turns + ramps), len(points))
    slope = (floor_mm - above_mm) / turns
    along = (np.tile(reach[:-1], turns + 1), np.tile(reach[1:], turns + 1)) if ramps else (1.0, 1.0)
    # The floor itself where it is reached: a level turn has no step of a rounding error in it.
    z_start, z_end = (
        np.where(turn + share >= turns, floor_mm, above_mm + slope * (turn + share)) for share in along
    )
    flags = np.tile(bridged, turns + ramps)
    top = min(above_mm, bridge_top_mm)
    z_start, z_end = (np.where(flags, np.maximum(z, top), z) for z in (z_start, z_end))
    at, to = (np.tile(a, (turns + ramps, 1)) for a in (points, end))
    cuts = segment_moves(at, to, np.tile(bulge, turns + ramps), z_end, recipe)
    return _with_steps(cuts, at, z_start, np.concatenate(([above_mm], z_end[:-1])), recipe)


def _between(count: int, index: Ints) -> Bools:
    """Say which of so many segments lie between pairs of vertices, (count,)."""
    change = np.zeros(count + 1, np.int64)
    np.add.at(change, index[:, 0], 1)
    np.add.at(change, index[:, 1], -1)
    inside: Bools = np.cumsum(change)[:count] > 0
    return inside


def _with_steps(cuts: Moves, at: Floats, z_start: Floats, z_before: Floats, recipe: Recipe) -> Moves:
    """Insert a vertical move wherever a segment starts at another height than the tool stands at."""
    rise = z_start - z_before
    steps = np.zeros(len(cuts), MOVE)
    # Straight up there is only air above the cutter: a rapid. Straight down never is one.
    steps["motion"] = np.where(rise > 0, RAPID, FEED)
    steps["xyz"] = np.column_stack((at, z_start))
    steps["feed"] = np.where(rise > 0, 0.0, recipe.plunge_mm_min)
    steps["power"] = recipe.power
    both = np.column_stack((steps, cuts)).ravel()
    wanted = np.column_stack((np.abs(rise) > SMALLEST_MM, np.ones(len(cuts), bool))).ravel()
    needed: Moves = both[wanted]
    return needed
