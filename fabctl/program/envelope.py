"""Whether a program stays where machine and stock are, counted from a work zero touched off by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.program.arcs import is_arc, reach
from fabctl.program.findings import Notebook
from fabctl.program.model import INCREMENTAL, LOST, Program
from fabctl.shop.machine import Machine
from fabctl.shop.stock import Stock
from fabctl.toolpath.moves import DWELL, RAPID, Moves

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

AXES = "XYZ"
SLACK_MM = 1e-3
THROUGH_MM = 1.0
"""A cut this far below the stock is meant: tabs and skins are avoided that way."""


def look_at_reach(program: Program, machine: Machine, stock: Stock | None, notes: Notebook) -> None:
    """Compare the true extents with the machine's travel, and with the stock.

    Parameters
    ----------
    program : Program
        Makes at least one move.
    machine : Machine
    stock : Stock or None
    notes : Notebook
        Takes what is found.
    """
    moves, line = program.moves, program.line
    low, high = reach(moves, program.start)
    lost = lost_axes(program)
    if lost is not None:
        low, high = np.where(lost, np.nan, low), np.where(lost, np.nan, high)
    standing = moves["motion"] == DWELL
    low[standing] = high[standing] = np.nan
    _start(program, machine, low, notes)
    for axis, name in enumerate(AXES):
        if np.isnan(low[:, axis]).all():
            continue
        if axis == 2 and not machine.has_z:
            changing = np.abs(np.diff(moves["xyz"][:, 2], prepend=program.start[2])) > SLACK_MM
            notes.add("z-missing", line[changing])
            continue
        bottom, top = float(np.nanmin(low[:, axis])), float(np.nanmax(high[:, axis]))
        # work zero is touched off on the machine, so it lies within the travel too
        needed, travel = max(top, 0.0) - min(bottom, 0.0), machine.travel_mm[axis]
        if needed > travel + SLACK_MM:
            far_high = abs(top) >= abs(bottom)
            row = int(np.nanargmax(high[:, axis]) if far_high else np.nanargmin(low[:, axis]))
            detail = (
                f"{name} goes from {bottom:.3f} to {top:.3f} mm, {needed:.3f} mm in all with {name}0, "
                f"where work zero is touched off; {machine.title} has {travel:g} mm"
            )
            notes.add("envelope", int(line[row]), detail)
    _depth(program, machine, stock, low, notes)
    if stock is not None:
        _beside(program, stock, low, high, notes)


def told_from(program: Program) -> Ints:
    r"""Find the first move of which the program itself names X, Y and Z, shape (3,).

    An axis never named has the number of moves; one known before the first move has −1.

    Parameters
    ----------
    program : Program
        Where it was written here, or begins with relative moves, the start it counts from is gone to first:
        then all three are known.

    Examples
    --------
    >>> from fabctl.program.read import read
    >>> told_from(read(b"G0Z5\nG0X1\nG1X2F9\n")).tolist()
    [1, 3, 0]
    """
    if len(program.origin) or not len(program.state) or program.state["flags"][0] & INCREMENTAL:
        return np.full(3, -1)
    lost = lost_axes(program)
    rows = [len(program.line)] * 3
    for axis, name in enumerate(AXES):
        if name in program.words:
            named = program.line >= program.words[name]
            if lost is not None:
                named = named & ~lost[:, axis]
            rows[axis] = int(np.argmax(named)) if named.any() else rows[axis]
    return np.array(rows, np.int64)


def _start(program: Program, machine: Machine, low: Floats, notes: Notebook) -> None:
    """Say where a program begins to cut, or to count, at a place it does not name."""
    moves, line = program.moves, program.line
    if len(program.origin) or not len(program.state):
        return
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    cut, first = int(np.argmax(cutting)), int(np.argmax(moves["motion"] != DWELL))
    at_once = bool(cutting[cut]) and cut == first
    unknown = [name for name, row in zip("XY", told_from(program), strict=False) if row >= cut]
    if program.state["flags"][0] & INCREMENTAL:
        what = "relative moves from wherever the tool stands"
    elif unknown and cutting[cut]:
        what = f"the first cut begins wherever the tool stands: no {' and no '.join(unknown)} before it"
    else:
        return
    blind = at_once and machine.has_z and _in_stock(moves, low, cut)
    notes.add("start-unknown", int(line[cut if unknown else 0]), what, severity="error" if blind else None)


def _in_stock(moves: Moves, low: Floats, row: int) -> bool:
    """Whether a move goes below the stock's top, or is an arc: nobody draws one of those in the air."""
    return bool(low[row, 2] < -SLACK_MM or is_arc(moves[row : row + 1])[0])


def _beside(program: Program, stock: Stock, low: Floats, high: Floats, notes: Notebook) -> None:
    """Cuts beside the stock."""
    cutting = (program.moves["motion"] != RAPID) & (low[:, 2] < -SLACK_MM)
    for axis, size in ((0, stock.width_mm), (1, stock.height_mm)):
        outside = cutting & ((low[:, axis] < -SLACK_MM) | (high[:, axis] > size + SLACK_MM))
        if outside.any():
            reached = np.nanmin(low[outside, axis]), np.nanmax(high[outside, axis])
            span = f"{AXES[axis]} {reached[0]:.3f} to {reached[1]:.3f} mm"
            where = f"cuts from {span}; the stock has 0 to {size:g} mm"
            notes.add("stock-outside", program.line[outside], where)


def _depth(program: Program, machine: Machine, stock: Stock | None, low: Floats, notes: Notebook) -> None:
    """Cuts far below the stock, or, where none is named, below the thickest this machine takes."""
    if stock is not None:
        deepest_mm = stock.thickness_mm + THROUGH_MM
        room = f"the stock is {stock.thickness_mm:g} mm thick, and {THROUGH_MM:g} mm more is allowed"
    elif machine.has_z:
        deepest_mm = machine.stock_height_mm
        room = f"the thickest stock {machine.title} takes has {deepest_mm:g} mm"
    else:
        return
    deep = (program.moves["motion"] != RAPID) & (low[:, 2] < -deepest_mm - SLACK_MM)
    if deep.any():
        where = f"cuts down to Z {np.nanmin(low[deep, 2]):.3f} mm; {room}"
        notes.add("stock-through", program.line[deep], where)


def lost_axes(program: Program) -> Bools | None:
    """Say which coordinates only the machine knows, shape (n, 3); None when there is none."""
    flags = program.state["flags"]
    if not np.any(flags & np.uint8(sum(LOST))):
        return None
    lost: Bools = (flags[:, None] & np.array(LOST)) != 0
    return lost
