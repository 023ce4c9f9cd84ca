"""From the cuts of all steps to one toolpath: their order and the way through the air between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves, from_paths, signed_areas
from fabctl.geometry.nesting import nest, simple_polygons
from fabctl.operations.step import Cut, Cuts
from fabctl.shop.machine import Machine
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.link import TOUCH_MM, link_level, link_paths
from fabctl.toolpath.moves import MOVE, RAPID, Toolpath
from fabctl.toolpath.order import order_paths

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTLINE_MM = 0.05
"""How closely a path is followed to tell what lies inside it, mm."""

APPROACH_MM = 1.0
"""Rapids down end this far above the stock, or half of a smaller clearance, mm."""


@dataclass(frozen=True)
class _Unit:
    """Cuts made one after the other without anything between them."""

    cuts: Sequence[Cut]
    step: int
    rank: int
    tool: str


def assemble(made: Sequence[Cuts], machine: Machine) -> Toolpath:
    """Put all cuts in order and join them by rapids.

    Parameters
    ----------
    made : sequence of Cuts
        Steps and their cuts. Those of a lower rank come first; within a rank an inner contour comes before
        the one around it, and the way through the air is kept short.
    machine : Machine
        Its clearance height, or that of its lifted pen.

    Returns
    -------
    Toolpath
        One operation for each step.
    """
    units = _units(made)
    order = _order(units)
    flat = [(cut, units[i].step) for i in order for cut in units[i].cuts]
    starts = np.array([cut.start for cut, _ in flat]).reshape(-1, 3)
    plunge = np.array([made[step].step.recipe.plunge_mm_min for _, step in flat])
    clearance, begin = _clearance_mm(machine), np.zeros(3)
    paths = [cut.moves for cut, _ in flat]
    if clearance is None:
        moves, path = link_level(paths, starts)
    else:
        begin = np.array([*starts[0, :2], clearance]) if len(starts) else begin
        moves, path = link_paths(
            paths,
            starts,
            clearance_mm=clearance,
            plunge_mm_min=plunge,
            start=begin,
            approach_mm=min(APPROACH_MM, clearance / 2),
        )
    operation = np.array([step for _, step in flat], np.int64)[path]
    return Toolpath(
        moves,
        begin,
        operation,
        [cuts.step.name for cuts in made],
        [cuts.step.tool.name for cuts in made],
    )


def _units(made: Sequence[Cuts]) -> list[_Unit]:
    """List the groups of all steps, without cuts that hold no move."""
    units = []
    for number, cuts in enumerate(made):
        step = cuts.step
        full = [[cut for cut in group if len(cut.moves)] for group in cuts.groups]
        units += [_Unit(group, number, step.rank, step.tool.name) for group in full if group]
    return units


def _clearance_mm(machine: Machine) -> float | None:
    head = machine.head
    if head.kind in {"laser", "plasma"}:
        return None
    return head.pen_up_mm if head.kind in {"pen", "knife"} else machine.clearance_mm


def _order(units: Sequence[_Unit]) -> list[int]:
    """Order units by rank, with few changes of the tool, inner contours first, the nearest next."""
    if not units:
        return []
    outlines = _outlines(units)
    before = _inner_first(units, outlines)
    start = np.array([unit.cuts[0].start[:2] for unit in units])
    end = np.array([unit.cuts[-1].moves["xyz"][-1, :2] for unit in units])
    chosen = order_paths(
        start,
        end,
        np.zeros(len(units), bool),
        group=_batches(units, before, np.abs(signed_areas(outlines)) * outlines.closed),
        before=before,
        reversible=np.zeros(len(units), bool),
    )
    return [int(i) for i in chosen.index]


def _inner_first(units: Sequence[_Unit], outlines: Curves) -> Ints:
    """List pairs (inner, outer) of units of one rank, shape (k, 2)."""
    rank = np.array([unit.rank for unit in units])
    parent = nest(outlines, rank).parent
    inner = np.flatnonzero(parent >= 0)
    pairs = np.column_stack((inner, parent[inner])).astype(np.int64)
    # A slit has no inside but is inside of something: it is cut while the part still hangs in the sheet.
    able = np.diff(outlines.offsets) > 1
    slits = np.flatnonzero(~outlines.closed & able)
    loops = np.flatnonzero(outlines.closed & (np.diff(outlines.offsets) > 2))
    if not len(slits) or not len(loops):
        return pairs
    chosen = outlines.take(slits)
    lines = shapely.linestrings(chosen.points, indices=chosen.owner())
    areas = simple_polygons(outlines.take(loops))
    broken = ~shapely.is_valid(areas)
    areas[broken] = shapely.make_valid(areas[broken])
    i, j = shapely.STRtree(areas).query(lines, predicate="intersects")
    same = rank[slits[i]] == rank[loops[j]]
    return np.vstack((pairs, np.column_stack((slits[i], loops[j]))[same]))


def _batches(units: Sequence[_Unit], before: Ints, area: Floats) -> Ints:
    """Number the stretches of work with one tool, shape (m,): few changes, nothing before what it waits for.

    Within a rank each tool goes on as long as it finds work whose inner contours are done; of the tools one
    could go on with, each is tried as the first.
    """
    waits: list[list[int]] = [[] for _ in units]
    for inner, outer in before.tolist():  # as many as contours lie in others
        waits[outer].append(inner)
    batch = np.zeros(len(units), np.int64)
    number, held = 0, ""
    for rank in sorted({unit.rank for unit in units}):  # a handful of ranks
        rows = [i for i in np.argsort(area, kind="stable").tolist() if units[i].rank == rank]
        tools = sorted({units[i].tool for i in rows}, key=lambda tool: (tool != held, tool))
        plans = [_plan(units, rows, waits, tool) for tool in tools]
        best = min(plans, key=lambda plan: len(plan) + (plan[0][0] != held))
        for tool, members in best:
            batch[members] = number
            number, held = number + 1, tool
    return batch


def _plan(
    units: Sequence[_Unit], rows: list[int], waits: list[list[int]], first: str
) -> list[tuple[str, list[int]]]:
    """Go through the units of a rank, smallest first, tool by tool, beginning with one."""
    left, done = rows, set[int]()
    made: list[tuple[str, list[int]]] = []
    tool = first
    while left:  # once for each change of the tool
        taken = []
        for i in left:
            if units[i].tool == tool and all(k in done for k in waits[i]):
                taken.append(i)
                done.add(i)
        if taken:
            made.append((tool, taken))
        left = [i for i in left if i not in done]
        counts = Counter(units[i].tool for i in left if all(k in done for k in waits[i]))
        tool = min(counts, key=lambda name: (-counts[name], name), default="")
    return made


def _outlines(units: Sequence[_Unit]) -> Curves:
    """Take the last turn of each unit's way in XY as a closed path, arcs as chords."""
    lasts = [unit.cuts[-1] for unit in units]
    size = np.array([len(cut.moves) + 1 for cut in lasts])
    offsets = np.concatenate(([0], np.cumsum(size)))
    # One array for all: a rapid to each unit's start, then its moves.
    way = np.zeros(offsets[-1], MOVE)
    way["motion"], way["xyz"][offsets[:-1]] = RAPID, [cut.start for cut in lasts]
    rest = np.ones(len(way), bool)
    rest[offsets[:-1]] = False
    way[rest] = np.concatenate([cut.moves for cut in lasts])
    points, source = flatten_moves(way, np.zeros(3), OUTLINE_MM)
    first = np.searchsorted(source, offsets)
    paths = []
    for low, high in pairwise(first.tolist()):  # a loop over units: each finds its own last turn
        xy = points[low:high, :2]
        back = np.flatnonzero(np.all(np.abs(xy[:-1] - xy[-1]) < TOUCH_MM, axis=1))
        # A vertical move stands still in XY: the turn is what lies before it.
        turns = back[len(xy) - 1 - back > 2]
        loop = xy[turns[-1] : -1] if len(turns) else xy
        paths.append((loop, None, len(turns) > 0))
    found = from_paths(paths)
    # A slit cut to and fro ends where it began and is no contour for that.
    real = found.closed & (np.abs(signed_areas(found)) > TOUCH_MM)
    return Curves(found.points, found.bulge, found.offsets, real)
