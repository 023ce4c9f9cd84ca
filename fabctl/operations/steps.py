"""From operations a person or `choose` named to steps with tool, recipe, side and depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.geometry.curves import Curves, from_paths
from fabctl.geometry.nesting import Nesting, nest
from fabctl.operations.crowding import SLACK_MM, sides_of, too_near
from fabctl.operations.step import Step
from fabctl.operations.thinner import thinner
from fabctl.shop.job import Operation, Tabs
from fabctl.shop.machine import Machine
from fabctl.shop.recipe import Recipe, adjusted, recipe
from fabctl.shop.stock import Stock
from fabctl.shop.tool import ROTATING, Tool

Ints = NDArray[np.int64]

DEPTH_HEADS = frozenset({"spindle", "knife"})
"""Heads that go into the material; the others work at one height."""

RANKS = {"engrave": 0, "score": 0, "drill": 1, "pocket": 2, "profile": 3}
"""Marks first, while the sheet is whole, holes where the drill meets the flat top; contours last, for they
free the parts. Pockets and contours stand together because they share a tool."""

TOOLS_OF_KIND = {
    "profile": frozenset({"endmill", "ballnose", "vbit"}),
    "pocket": frozenset({"endmill", "ballnose"}),
    "drill": frozenset({"drill", "endmill", "ballnose"}),
    "engrave": frozenset({"endmill", "ballnose", "vbit"}),
    "score": frozenset({"endmill", "ballnose", "vbit"}),
}
"""What a spindle may hold for each operation: a twist drill breaks sideways, a V-bit leaves ridges."""

GERUNDS = {
    "profile": "cutting contours",
    "pocket": "clearing pockets",
    "drill": "drilling",
    "engrave": "engraving",
    "score": "scoring",
}

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
    written: Sequence[Operation] = (),
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
        Keep the order of the operations instead of marks, holes, pockets, contours.
    written : sequence of Operation
        That order; where it is not told, the order in which the drawing's paths name them.

    Returns
    -------
    list of Step
        In the order of their ranks.

    Raises
    ------
    RefusedError
        When machine, tool and material do not go together, a depth is more than the sheet, a tool is not
        made for what is asked of it, or parts stand nearer to each other than the tool is wide.
    """
    nesting = nest(curves.take(_profiles(chosen)))
    sides = _sides(curves, chosen, nesting)
    groups = _groups(chosen, sides)
    order = {operation: number for number, operation in reversed(list(enumerate(written)))}
    steps = []
    for (operation, side), rows in groups.items():
        step = _step(operation, side, machine, stock, tool_of(operation.tool))
        rank = order.setdefault(operation, len(order)) if as_written else step.rank
        lines = [i for i in rows if curves.closed[i]] if operation.side == "auto" and side == "on" else []
        told = tuple(f"{ident[i]} encloses nothing: cut on its line" for i in lines)
        named = [ident[i] for i in rows]
        told += tuple(_open_through(step, curves.take(rows), named, stock))
        steps.append(
            replace(step, curves=curves.take(rows), ident=named, rank=rank, notes=(*step.notes, *told))
        )
    near = _demand_distance(
        curves, ident, sides, nesting, chosen, list(zip(steps, groups.values(), strict=True))
    )
    steps = [replace(step, notes=(*step.notes, *near)) if step.kind == "profile" else step for step in steps]
    return sorted(steps, key=lambda step: step.rank)


def _open_through(step: Step, curves: Curves, named: Sequence[str], stock: Stock) -> list[str]:
    """Name open paths that a cutter goes through on their line: perhaps they were meant to be closed."""
    rows = np.flatnonzero(~curves.closed)
    if step.kind != "profile" or step.tool.kind not in ROTATING or step.depth_mm < stock.thickness_mm:
        return []
    if not len(rows):
        return []
    first, last = curves.points[curves.offsets[rows]], curves.points[curves.offsets[rows + 1] - 1]
    gap_mm = np.hypot(*(last - first).T)
    i = int(np.argmin(gap_mm))
    count = "1 open path is" if len(rows) == 1 else f"{len(rows)} open paths are"
    told = (
        f"{count} cut through on the line, such as {named[rows[i]]}, open by {gap_mm[i]:.2f} mm: close it in "
        "the drawing if a part is meant"
    )
    return [told]


def _groups(
    chosen: Sequence[Operation | None], sides: Sequence[str]
) -> dict[tuple[Operation, str], list[int]]:
    """Gather the paths of each operation and side."""
    groups: dict[tuple[Operation, str], list[int]] = {}
    for i, operation in enumerate(chosen):  # one small tuple a path
        if operation is not None and operation.kind != "ignore":
            groups.setdefault((operation, sides[i]), []).append(i)
    return groups


def _step(operation: Operation, side: str, machine: Machine, stock: Stock, tool: Tool) -> Step:
    """Decide everything about an operation but its paths."""
    depth = _depth_mm(operation, machine, stock)
    _demand_tool(operation, machine, tool, depth)
    tabs, notes = _tabs(operation, machine, stock, depth)
    deep = machine.head.kind in DEPTH_HEADS and tool.kind != "pen"
    return Step(
        kind=_kind(operation, machine),
        name=operation.name or _name(operation.kind, side),
        curves=from_paths([]),
        ident=(),
        tool=tool,
        recipe=_recipe(operation, machine, tool, stock, depth),
        depth_mm=depth if deep else 0.0,
        side=_side(operation.kind, machine, side),
        level_mm=machine.head.pen_down_mm if tool.kind == "pen" else 0.0,
        tabs=tabs,
        relief=operation.relief and machine.head.kind == "spindle",
        rank=RANKS[operation.kind],
        notes=notes,
    )


def _profiles(chosen: Sequence[Operation | None]) -> Ints:
    return np.array([i for i, o in enumerate(chosen) if o is not None and o.kind == "profile"], np.int64)


def _sides(curves: Curves, chosen: Sequence[Operation | None], nesting: Nesting) -> list[str]:
    """Decide the side of every profile: outermost outside, inner ones inside, islands outside again."""
    rows = _profiles(chosen)
    auto = dict(zip(rows.tolist(), sides_of(curves.take(rows), nesting), strict=True))
    sides = []
    for i, operation in enumerate(chosen):  # one word a path
        side = operation.side if operation is not None and operation.kind == "profile" else ""
        sides.append(auto[i] if side == "auto" else side)
    return sides


def _demand_distance(
    curves: Curves,
    ident: Sequence[str],
    sides: Sequence[str],
    nesting: Nesting,
    chosen: Sequence[Operation | None],
    made: Sequence[tuple[Step, list[int]]],
) -> list[str]:
    """Refuse a tool that would cut into a neighbouring part; of a beam's kerf only tell."""
    width, spindle = np.zeros(len(curves)), False
    cutter: dict[int, Step] = {}
    for step, members in made:
        cutter |= dict.fromkeys(members, step)
        width[members] = (
            step.width_mm if step.kind == "profile" and step.side in {"outside", "inside"} else 0.0
        )
        spindle |= step.tool.kind in ROTATING
    rows = _profiles(chosen)
    found = too_near(curves.take(rows), [sides[i] for i in rows], width[rows], nesting)
    if not len(found.gap_mm):
        return []
    worst = int(np.argmin(found.gap_mm))
    one, two = int(rows[found.first[worst]]), int(rows[found.second[worst]])
    pair = f"{ident[one]} and {ident[two]}" if ident[one] != ident[two] else f"two contours of {ident[one]}"
    if not spindle:
        return [f"{len(found.gap_mm)} pairs of contours are nearer than the kerf, such as {pair}"]
    step = cutter[one] if width[one] >= width[two] else cutter[two]
    gap = float(found.gap_mm[worst])
    x, y = found.place_mm[worst]
    # Where parts touch no tool is thin enough.
    other = ", or " + thinner(step.tool, gap + SLACK_MM, step.depth_mm) if gap > SLACK_MM else ""
    raise RefusedError(
        f"{pair} are {gap:.2f} mm apart: a cut {round(step.width_mm, 3):g} mm wide between them takes "
        "away an edge of a part",
        place=f"x {x:.1f} y {y:.1f} mm on the stock",
        remedy=f"move the parts apart{other}",
    )


def _demand_tool(operation: Operation, machine: Machine, tool: Tool, depth_mm: float) -> None:
    """Refuse a tool that breaks, or spoils the work, in this operation."""
    if machine.head.kind != "spindle" or tool.kind not in ROTATING:
        return
    fitting = TOOLS_OF_KIND[operation.kind]
    if tool.kind not in fitting:
        raise RefusedError(
            f"{tool.title} is not made for {GERUNDS[operation.kind]}",
            place=operation.name or operation.layer,
            remedy=f"choose a tool of kind {' or '.join(sorted(fitting))} (fabctl tools)",
        )
    if depth_mm > tool.cutting_length_mm:
        raise RefusedError(
            f"{tool.title} cuts {tool.cutting_length_mm:g} mm deep; {depth_mm:g} mm are asked",
            place=operation.name or operation.layer,
            remedy="choose a longer tool (fabctl tools), or less depth",
        )


def _tabs(
    operation: Operation, machine: Machine, stock: Stock, depth_mm: float
) -> tuple[Tabs | None, tuple[str, ...]]:
    """Decide the tabs of a contour: only where a spindle goes through the sheet."""
    tabs, thick = operation.tabs, stock.thickness_mm
    if tabs is None or machine.head.kind != "spindle" or depth_mm < thick:
        return None, ()
    if tabs.height_mm == Tabs().height_mm and tabs.height_mm > thick / 2:
        return replace(tabs, height_mm=thick / 2), (f"tabs {thick / 2:g} mm high: half of the sheet",)
    if tabs.height_mm >= thick:
        raise RefusedError(
            f"tabs {tabs.height_mm:g} mm high in stock of {thick:g} mm: nothing would be cut there",
            place=operation.name or operation.layer,
            remedy="give height_mm less than the sheet's thickness",
        )
    return tabs, ()


def _kind(operation: Operation, machine: Machine) -> str:
    kind, head = operation.kind, machine.head.kind
    if head == "pen" or kind in {"score", "engrave"}:
        return "engrave"
    if kind == "drill" and head != "spindle":
        return "profile"
    if kind == "pocket" and head != "spindle":
        raise RefusedError(
            f"a {head} cannot clear a pocket",
            place=operation.name or operation.layer,
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
