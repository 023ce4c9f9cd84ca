"""From a program to a permit: no byte is sent without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError
from fabctl.job.plan import time_program
from fabctl.program.arcs import extents_mm
from fabctl.program.check import check, permit, refuse_errors, rewrite
from fabctl.program.model import Finding, Program
from fabctl.program.read import read
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.shop.stock import Stock
from fabctl.toolpath.moves import DWELL, RAPID, lengths

Floats = NDArray[np.float64]


def load_program(path: Path) -> Program:
    """Read a G-code file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Program

    Raises
    ------
    ProgramError
        When there is no such file, or it is no G-code.
    """
    return read(load_bytes(path), str(path))


def load_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises
    ------
    ProgramError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProgramError(
            f"cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="name an existing G-code file",
        ) from error


@dataclass(frozen=True)
class Report:
    """What a machine would make of a program.

    Parameters
    ----------
    program : Program
    machine : Machine
    findings : tuple of Finding
        Errors first.
    low_mm, high_mm : (3,) float64
        Extents of all moves, mm, work coordinates.
    cut_mm : float
        Length of all feed moves, mm.
    estimated_s : float or None
        None when an error makes the time meaningless.
    """

    program: Program
    machine: Machine
    findings: tuple[Finding, ...]
    low_mm: Floats
    high_mm: Floats
    cut_mm: float
    estimated_s: float | None

    @property
    def passed(self) -> bool:
        """Whether nothing forbids the run."""
        return not any(finding.severity == "error" for finding in self.findings)


def inspect(program: Program, machine: Machine, stock: Stock | None = None) -> Report:
    """Check a program, of whatever origin, and measure it.

    Parameters
    ----------
    program : Program
    machine : Machine
    stock : Stock, optional

    Returns
    -------
    Report
    """
    findings = check(program, machine, stock)
    low, high = extents_mm(program.moves, program.start)
    length = lengths(program.moves, program.start)
    feeding = ~np.isin(program.moves["motion"], (RAPID, DWELL))
    passed = not any(finding.severity == "error" for finding in findings)
    seconds = None
    if passed and len(program.moves):
        seconds = time_program(program, machine).total_s
    return Report(program, machine, findings, low, high, float(length[feeding].sum()), seconds)


def rewritten(report: Report, stock: Stock | None = None) -> tuple[Program, Permit]:
    """Write a program that was read anew for its machine, and permit that.

    Parameters
    ----------
    report : Report
    stock : Stock, optional

    Returns
    -------
    Program
        The same motion in fabctl's own bytes.
    Permit

    Raises
    ------
    RefusedError
        When anything forbids the run.
    """
    refuse_errors(report.findings, report.program.source, report.machine)
    program = rewrite(report.program, report.machine)
    return program, permit(program, report.machine, stock)


def approve(
    program: Program, machine: Machine, stock: Stock | None = None
) -> tuple[tuple[Finding, ...], Permit]:
    """Check a program that fabctl wrote and permit it to run.

    Parameters
    ----------
    program : Program
    machine : Machine
    stock : Stock, optional

    Returns
    -------
    tuple of Finding
        Warnings and notes a person should see before the run.
    Permit

    Raises
    ------
    RefusedError
        When anything forbids the run.
    """
    return check(program, machine, stock), permit(program, machine, stock)
