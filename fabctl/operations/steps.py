"""From operations a person or `choose` named to steps with tool, recipe, side and depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.geometry.curves import Curves
from fabctl.geometry.regions import nest
from fabctl.operations.step import Step
from fabctl.shop.job import Operation
from fabctl.shop.machine import Machine
from fabctl.shop.recipe import Recipe, adjusted, recipe
from fabctl.shop.stock import Stock
from fabctl.shop.tool import Tool

Ints = NDArray[np.int64]

DEPTH_HEADS = frozenset({"spindle", "knife"})
"""Heads that go into the material; the others work at one height."""

RANKS = {"engrave": 0, "score": 0, "pocket": 1, "drill": 2, "profile": 3}
"""Marks first, while the sheet is whole; contours last, for they free the parts."""

ENGRAVE_MM = 0.5
"""Depth of a line nobody gave a depth, mm, but never more than a quarter of the sheet."""

THROUGH_MM = {"spindle": 0.3}
"""How far each kind of head goes below the sheet to cut through it, mm."""


def steps_of(
    curves: Curves,
    ident: Sequence[str],
    chosen: Sequence[Operation | None],
    *,
    machine: Machine,
    stock: Stock,
    tool_of: Callable[[str | None], Tool],
    as_written: bool = False,
) -> list[Step]:
    """Gather paths that are worked alike into steps, with everything decided.

    Parameters
    ----------
    curves : Curves
        m paths on the stock, mm.
    ident : sequence of str
        What to call each.
    chosen : sequence of Operation or None
        For each path; None and ``ignore`` leave it alone.
    machine : Machine
    stock : Stock
    tool_of : callable
        From an operation's tool name, or None, to the tool.
    as_written : bool
        Keep the order of the operations instead of marks, pockets, holes, contours.

    Returns
    -------
    list of Step
        In the order of their ranks.

    Raises
    ------
    RefusedError
        When machine, tool and material do not go together, or a depth is more than the sheet.
    """
    sides = _sides(curves, chosen)
    groups: dict[tuple[Operation, str], list[int]] = {}
    for i, operation in enumerate(chosen):  # one small tuple a path
        if operation is not None and operation.kind != "ignore":
            groups.setdefault((operation, sides[i]), []).append(i)
    steps = []
    for number, ((operation, side), rows) in enumerate(groups.items()):
        tool = tool_of(operation.tool)
        depth = _depth_mm(operation, machine, stock)
        steps.append(
            Step(
                kind=_kind(operation.kind, machine, side),
                name=operation.name or _name(operation.kind, side),
                curves=curves.take(rows),
                ident=[ident[i] for i in rows],
                tool=tool,
                recipe=_recipe(operation, machine, tool, stock, depth),
                depth_mm=depth if machine.head.kind in DEPTH_HEADS else 0.0,
                side=_side(operation.kind, machine, side),
                level_mm=machine.head.pen_down_mm if machine.head.kind == "pen" else 0.0,
                tabs=operation.tabs
                if machine.head.kind == "spindle" and depth >= stock.thickness_mm
                else None,
                relief=operation.relief,
                rank=number if as_written else RANKS[operation.kind],
            )
        )
    return sorted(steps, key=lambda step: step.rank)


def _sides(curves: Curves, chosen: Sequence[Operation | None]) -> list[str]:
    """Decide the side of every profile: outermost outside, inner ones inside, islands outside again."""
    profiles = np.array([o is not None and o.kind == "profile" for o in chosen], bool)
    depth = np.zeros(len(curves), np.int64)
    depth[profiles] = nest(curves.take(profiles)).depth
    sides = []
    for i, operation in enumerate(chosen):
        side = operation.side if operation is not None and operation.kind == "profile" else ""
        if side == "auto":
            side = "on" if not curves.closed[i] else "outside" if depth[i] % 2 == 0 else "inside"
        sides.append(side)
    return sides


def _kind(kind: str, machine: Machine, side: str) -> str:
    head = machine.head.kind
    if head == "pen" or (head == "knife" and kind in {"score", "engrave"}):
        return "engrave"
    if kind == "score":
        return "engrave"
    if kind == "drill" and head != "spindle":
        return "profile"
    if kind == "pocket" and head != "spindle":
        raise RefusedError(
            f"a {head} cannot clear a pocket",
            place=side,
            remedy="choose a machine with a spindle (fabctl machines), or engrave the line instead",
        )
    return kind


def _side(kind: str, machine: Machine, side: str) -> str:
    if machine.head.kind in {"pen", "knife"}:
        return "on"
    return "inside" if kind == "drill" and machine.head.kind != "spindle" else side or "on"


def _name(kind: str, side: str) -> str:
    return f"{kind} {side}".strip()


def _depth_mm(operation: Operation, machine: Machine, stock: Stock) -> float:
    """Return how deep an operation goes, mm; of a beam or pen what it must get through."""
    below = THROUGH_MM.get(machine.head.kind, 0.0)
    if operation.depth_mm is not None:
        if operation.depth_mm > stock.thickness_mm + below:
            raise RefusedError(
                f"{operation.kind} {operation.depth_mm:g} mm deep in stock of {stock.thickness_mm:g} mm",
                place=operation.layer or operation.name,
                remedy='give a depth within the sheet, or depth = "through"',
            )
        return operation.depth_mm
    if operation.through or operation.kind in {"profile", "drill"}:
        return stock.thickness_mm + below
    if operation.kind == "pocket":
        return stock.thickness_mm / 2
    return min(ENGRAVE_MM, stock.thickness_mm / 4)


def _recipe(operation: Operation, machine: Machine, tool: Tool, stock: Stock, depth_mm: float) -> Recipe:
    purpose = operation.kind if operation.kind in {"engrave", "score"} else "cut"
    material = replace(stock.material, thickness_mm=stock.thickness_mm)
    table = recipe(machine, tool, material, purpose=purpose, depth_mm=depth_mm)
    return adjusted(table, machine, tool, operation.overrides)
