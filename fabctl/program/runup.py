"""The way a beam needs to come up to speed before a place: back along what was burnt already."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabctl.program.model import Program
from fabctl.shop.machine import Machine
from fabctl.toolpath.moves import DWELL, FEED, RAPID, lengths

LONGEST_MM = 20.0
"""No machine here needs more to come up to a feed; a longer way would only be time."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A run-up.

    Parameters
    ----------
    start_mm : (x, y) float, optional
        Where it begins; None when there is none.
    rows : tuple of int
        Moves to be made again from there, without power, in order.
    length_mm : float
    """

    start_mm: tuple[float, float] | None = None
    rows: tuple[int, ...] = ()
    length_mm: float = 0.0


def run_up(program: Program, machine: Machine, row: int, first_line: int) -> Lead:
    """Find the way on which a machine reaches a move's feed, back along the moves before it.

    Parameters
    ----------
    program : Program
    machine : Machine
    row : int
        The move to be begun at speed.
    first_line : int
        Of the section: nothing before it is gone back to.

    Returns
    -------
    Lead
        Empty where a cut begins: there is nothing to go back along.

    Source
    ------
    Even acceleration: v² / 2a. Grbl scales the power of M4 with the speed, so the run-up is for even edges,
    not for safety.
    """
    moves = program.moves
    speed_mm_s = float(moves["feed"][row]) / 60
    wanted_mm = min(speed_mm_s**2 / (2 * min(machine.acceleration_mm_s2[:2])), LONGEST_MM)
    rows: list[int] = []
    length_mm, at = 0.0, row - 1
    # a few moves back, and never to one whose start another section left
    while at > 0 and length_mm < wanted_mm and program.line[at - 1] >= first_line and _level(program, at):
        own_mm = float(lengths(moves[at : at + 1], moves["xyz"][at - 1])[0])
        rows.insert(0, at)
        if moves["motion"][at] == FEED and length_mm + own_mm > wanted_mm:
            return _from_within(program, rows, wanted_mm, (wanted_mm - length_mm) / own_mm)
        length_mm += own_mm
        at -= 1
    if not rows:
        return Lead()
    x, y, _ = moves["xyz"][at].tolist()
    return Lead((x, y), tuple(rows), length_mm)


def _level(program: Program, at: int) -> bool:
    """Say whether a move cuts without rising or sinking."""
    moves = program.moves
    motion = moves["motion"][at]
    return bool(motion not in (RAPID, DWELL) and moves["xyz"][at, 2] == moves["xyz"][at - 1, 2])


def _from_within(program: Program, rows: list[int], length_mm: float, share: float) -> Lead:
    """Begin inside a straight move, at its last part."""
    begin, end = (program.moves["xyz"][row, :2].tolist() for row in (rows[0] - 1, rows[0]))
    x, y = (round(e + (b - e) * share, 3) for b, e in zip(begin, end, strict=True))
    if math.dist((x, y), end) == 0:
        rows = rows[1:]
    return Lead((x, y), tuple(rows), length_mm)
