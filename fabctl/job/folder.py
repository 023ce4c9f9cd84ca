"""Lay out a run's folder: program, planned path and work order, all that a sender without numpy needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl import __version__
from fabctl.daemon.returning import Guard, Stood
from fabctl.program.arcs import extents_mm
from fabctl.program.envelope import lost_axes
from fabctl.program.model import Program
from fabctl.record.files import atomic_write
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, WorkOrder, write_work_order
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.stream.legs import CLOCKWISE, COUNTERCLOCKWISE, STRAIGHT, legs_head
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, RAPID, starts


@dataclass(frozen=True)
class Work:
    """A checked program and what its record should say.

    Parameters
    ----------
    program : Program
    machine : Machine
    permit : Permit
    title : str
    material : str
        Name of the material; empty for a program of unknown origin.
    tools : tuple of str
    estimated_s : float
    parts : int
    cut_mm : float
        Length of all feed moves, mm.
    resumes : str
        Name of the run it goes on with; empty for a run of its own.
    first_line : int
        Line of the program entered at which it goes on; 1 for a whole program.
    opening_lines : int
        Lines of `program` that are the way back; the next one is `first_line`.
    home : bool, optional
        Whether to home first; None leaves it to the sender.
    stood : Stood, optional
        Where the run it goes on with ended.
    guard : Guard, optional
        Compares what the controller says with what it must be; None for a run of its own.
    """

    program: Program
    machine: Machine
    permit: Permit
    title: str
    material: str = ""
    tools: tuple[str, ...] = ()
    estimated_s: float = 0.0
    parts: int = 0
    cut_mm: float = 0.0
    resumes: str = ""
    first_line: int = 1
    opening_lines: int = 0
    home: bool | None = None
    stood: Stood | None = None
    guard: Guard | None = None


LEG = np.dtype(
    [
        ("line", "<u4"),
        ("shape", "u1"),
        ("rapid", "u1"),
        ("spare", "<u2"),
        ("end", "<f4", 3),
        ("centre", "<f4", 2),
        ("feed", "<f4"),
        ("power", "<f4"),
    ]
)
"""`fabctl.stream.legs.LEG_FORMAT` as whole arrays."""


def lay_out(folder: Path, work: Work, *, check_first: bool = False) -> WorkOrder:
    """Write what a run needs into its folder.

    Parameters
    ----------
    folder : Path
        Exists, and is empty.
    work : Work
        A program that passed its check, with its permit.
    check_first : bool
        Whether to send everything through the controller's check mode before anything moves.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    program, permit = work.program, work.permit
    atomic_write(folder / PROGRAM_NAME, program.text)
    atomic_write(folder / LEGS_NAME, legs_head(program.digest) + leg_rows(work))
    order = WorkOrder(
        title=work.title,
        source=program.source,
        machine=work.machine.name,
        machine_sha256=permit.machine_sha256,
        program_sha256=permit.program_sha256,
        lines=program.line_count,
        material=work.material,
        tools=work.tools,
        sections=tuple(section.first_line for section in program.sections),
        section_tools=tuple(section.tool for section in program.sections),
        stock=None if permit.stock is None else asdict(permit.stock),
        estimated_s=work.estimated_s,
        parts=work.parts,
        cut_mm=work.cut_mm,
        box_mm=_box_mm(work),
        check_first=check_first,
        first_line=work.first_line,
        resumes=work.resumes,
        opening_lines=work.opening_lines,
        home=work.home,
        expects=None if work.guard is None else work.guard.facts,
        version=__version__,
    )
    write_work_order(folder, order)
    return order


def _box_mm(work: Work) -> tuple[float, ...] | None:
    """Bound all moves; an axis that a move does not name yet counts as where it is first named."""
    program = work.program
    unknown = _unknown(program)
    axes = 3 if work.machine.has_z else 2
    if not len(unknown) or not np.all(np.any(~unknown[:, :axes], axis=0)):
        return None
    moves, start = program.moves.copy(), program.start.copy()
    for axis in range(3):
        first = moves["xyz"][np.argmin(unknown[:, axis]), axis]
        moves["xyz"][unknown[:, axis], axis] = start[axis] = first
    low, high = extents_mm(moves, start)
    return (*map(float, low), *map(float, high))


def _unknown(program: Program) -> NDArray[np.bool_]:
    unknown = unnamed(program)
    if len(program.state) and (lost := lost_axes(program)) is not None:
        # G53 behind homing: the machine stands there already, and only it knows where that is
        unknown |= lost
    return unknown


def leg_rows(work: Work) -> bytes:
    """Return the planned path of a program as its file holds it, without the head.

    Parameters
    ----------
    work : Work
        Its program's moves, (n,).
    """
    program = work.program
    moves = program.moves
    rows = np.zeros(len(moves), LEG)
    rows["line"] = program.line
    unknown = _unknown(program)
    arcs = {ARC_CW: CLOCKWISE, ARC_CCW: COUNTERCLOCKWISE}
    rows["shape"] = STRAIGHT
    for motion, shape in arcs.items():
        rows["shape"][moves["motion"] == motion] = shape
    rows["rapid"] = moves["motion"] == RAPID
    rows["end"] = np.where(unknown, np.nan, moves["xyz"])
    rows["centre"] = starts(moves, program.start)[:, :2] + moves["ij"]
    rows["feed"] = moves["feed"]
    rows["power"] = moves["power"]
    return rows.tobytes()


def unnamed(program: Program) -> NDArray[np.bool_]:
    """Say which coordinates no line has named yet when a move is made, (n, 3).

    A section begins wherever the machine stands: its first retract names Z alone, and X and Y stay as they
    are, whatever the program's own rows assume.

    Parameters
    ----------
    program : Program
    """
    mask = np.zeros((len(program.moves), 3), bool)
    lines = program.text.splitlines()
    for section in program.sections:  # a handful of sections, a few lines each
        first = int(np.searchsorted(program.line, section.first_line))
        for axis, letter in enumerate(b"XYZ"):
            row = first
            while row < len(mask) and letter not in lines[program.line[row] - 1]:
                row += 1
            mask[first:row, axis] = True
    return mask
