"""The work order: all a sender must know of a checked program, beside it in its run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabctl.record.values import read_value, write_value

ORDER_NAME = "work-order.json"
PROGRAM_NAME = "program.nc"
LEGS_NAME = "program.legs"


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A program that passed its check, and what its record will say.

    Parameters
    ----------
    title : str
        For a person.
    source : str
        The design, job or program it was made from, as the person named it.
    machine, machine_sha256 : str
        The machine it was checked for, and the digest of its description.
    program_sha256 : str
        Digest of the program's bytes, hexadecimal.
    lines : int
        Lines of the program.
    material : str
        Name of the material; empty when not known.
    tools : tuple of str
        All it uses.
    sections : tuple of int
        First line of each section.
    section_tools : tuple of str
        Tool of each section; empty where the program names none.
    stock : dict, optional
        The piece it was checked against.
    estimated_s : float
        Planned time, s.
    parts : int
        How many parts it cuts.
    cut_mm : float
        Length of all feed moves, mm.
    end_mm : (x, y, z) float, optional
        Where it ends, work coordinates, mm; where its last leg ends when not given.
    box_mm : tuple of 6 float, optional
        Lowest x, y, z and highest x, y, z of all its moves, work coordinates, mm.
    check_first : bool
        Whether to send it through the controller's check mode first.
    first_line : int
        Line of the original program it begins with; 1 unless it resumes one.
    resumes : str
        Name of the run it continues; empty when none.
    opening_lines : int
        Lines of the program that are the way back into what it resumes.
    home : bool, optional
        Whether to home first; the sender decides when not given.
    expects : dict, optional
        What must hold before it may go on with another run: work zero, offsets, the tool's place.
    version : str
        The fabctl that checked it.
    """

    title: str
    source: str
    machine: str
    machine_sha256: str
    program_sha256: str
    lines: int
    material: str = ""
    tools: tuple[str, ...] = ()
    sections: tuple[int, ...] = ()
    section_tools: tuple[str, ...] = ()
    stock: dict[str, Any] | None = None
    estimated_s: float = 0.0
    parts: int = 0
    cut_mm: float = 0.0
    end_mm: tuple[float, float, float] | None = None
    box_mm: tuple[float, ...] | None = None
    check_first: bool = False
    first_line: int = 1
    resumes: str = ""
    opening_lines: int = 0
    home: bool | None = None
    expects: dict[str, Any] | None = None
    version: str = ""


def write_work_order(folder: Path, order: WorkOrder) -> Path:
    """Write a work order into a run's folder, whole or not at all, and return its path.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    return write_value(folder / ORDER_NAME, order)


def read_work_order(folder: Path) -> WorkOrder:
    """Read the work order of a run's folder.

    Raises
    ------
    InputError
        When it is missing or not one.
    """
    remedy = "let fabctl check and send the program again"
    return read_value(folder / ORDER_NAME, WorkOrder, what="work order", remedy=remedy)
