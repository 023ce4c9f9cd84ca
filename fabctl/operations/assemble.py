"""From the cuts of all steps to one toolpath: their order and the way through the air between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves, from_paths
from fabctl.geometry.regions import nest
from fabctl.operations.step import Cut, Cuts
from fabctl.shop.machine import Machine
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.link import link_level, link_paths
from fabctl.toolpath.moves import Toolpath
from fabctl.toolpath.order import order_paths

Ints = NDArray[np.int64]

OUTLINE_MM = 0.05
"""How closely a path is followed to tell what lies inside it, mm."""


@dataclass(frozen=True)
class _Unit:
    """Cuts made one after the other without anything between them."""

    cuts: Sequence[Cut]
    step: int
    rank: int


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
    units = [
        _Unit(group, number, cuts.step.rank)
        for number, cuts in enumerate(made)
        for group in cuts.groups
        if any(len(cut.moves) for cut in group)
    ]
    order = _order(units)
    flat = [(cut, units[i].step) for i in order for cut in units[i].cuts if len(cut.moves)]
    starts = np.array([cut.start for cut, _ in flat]).reshape(-1, 3)
    plunge = np.array([made[step].step.recipe.plunge_mm_min for _, step in flat])
    clearance, begin = _clearance_mm(machine), np.zeros(3)
    paths = [cut.moves for cut, _ in flat]
    if clearance is None:
        moves, path = link_level(paths, starts)
    else:
        begin = np.array([*starts[0, :2], clearance]) if len(starts) else begin
        moves, path = link_paths(paths, starts, clearance_mm=clearance, plunge_mm_min=plunge, start=begin)
    operation = np.array([step for _, step in flat], np.int64)[path]
    return Toolpath(
        moves,
        begin,
        operation,
        [cuts.step.name for cuts in made],
        [cuts.step.tool.name for cuts in made],
    )


def _clearance_mm(machine: Machine) -> float | None:
    head = machine.head
    if head.kind in {"laser", "plasma"}:
        return None
    return head.pen_up_mm if head.kind == "pen" else machine.clearance_mm


def _order(units: Sequence[_Unit]) -> list[int]:
    """Order units by rank, inner contours first, the nearest next."""
    if not units:
        return []
    start = np.array([unit.cuts[0].start[:2] for unit in units])
    end = np.array([unit.cuts[-1].moves["xyz"][-1, :2] for unit in units])
    chosen = order_paths(
        start,
        end,
        np.zeros(len(units), bool),
        group=np.array([unit.rank for unit in units]),
        before=_inner_first(units),
        reversible=np.zeros(len(units), bool),
    )
    return [int(i) for i in chosen.index]


def _inner_first(units: Sequence[_Unit]) -> Ints:
    """List pairs (inner, outer) of units of one rank, shape (k, 2)."""
    outlines = _outlines(units)
    parent = nest(outlines, np.array([unit.rank for unit in units])).parent
    inner = np.flatnonzero(parent >= 0)
    return np.column_stack((inner, parent[inner])).astype(np.int64)


def _outlines(units: Sequence[_Unit]) -> Curves:
    """Take the last turn of each unit's way in XY as a closed path, arcs as chords."""
    paths = []
    for unit in units:
        cut = unit.cuts[-1]
        xy = np.vstack((cut.start[:2], flatten_moves(cut.moves, cut.start, OUTLINE_MM)[0][:, :2]))
        back = np.flatnonzero(np.all(np.abs(xy[:-1] - xy[-1]) < 1e-6, axis=1))
        loop = xy[back[-1] : -1] if len(back) else xy
        paths.append((loop, None, len(back) > 0 and len(loop) > 2))
    return from_paths(paths)
