"""From a program to a permit: no byte is sent without one."""

from __future__ import annotations

import os
import stat
import sys
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

STDIN = "-"
LARGEST_BYTES = 500_000_000
LONGEST_LINE = 4096
"""Characters; comments count."""


def load_program(path: Path) -> Program:
    """Read a G-code file.

    Parameters
    ----------
    path : Path
        ``-`` is standard input.

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
    """Read a file of text lines whole, or standard input where the file is ``-``.

    Raises
    ------
    ProgramError
        When it cannot be read, is no regular file, is larger than any program, or has a line longer than any.
    """
    source = str(path) if str(path) != STDIN else "standard input"
    try:
        if str(path) == STDIN:
            data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
        else:
            _demand_file(path.stat(), source)
            with path.open("rb") as file:
                data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ProgramError(
            f"cannot be read: {error.strerror or error}", file=source, remedy="name an existing G-code file"
        ) from error
    _demand_size(len(data), source)
    _demand_lines(data, source)
    return data


def _demand_file(status: os.stat_result, source: str) -> None:
    """Refuse pipes, devices and folders, which have no end, and files no program fills."""
    if not stat.S_ISREG(status.st_mode):
        raise ProgramError(
            "not a regular file but a folder, a pipe or a device",
            file=source,
            remedy="name a file; - reads standard input",
        )
    _demand_size(status.st_size, source)


def _demand_size(size: int, source: str) -> None:
    if size > LARGEST_BYTES:
        raise ProgramError(
            f"larger than {LARGEST_BYTES // 1_000_000} MB",
            file=source,
            remedy="export the program in parts",
        )


def _demand_lines(data: bytes, source: str) -> None:
    """Refuse a line no controller and no person ever wrote, before any array is made of it."""
    at = 0
    while len(data) - at > LONGEST_LINE:
        window = at, at + LONGEST_LINE + 1
        end = data.rfind(b"\n", *window)
        end = data.rfind(b"\r", *window) if end < 0 else end
        if end < 0:
            before = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            damaged = b"\0" in data[at : at + LONGEST_LINE]
            raise ProgramError(
                "NUL bytes: the file is damaged, half written or cut off"
                if damaged
                else f"more than {LONGEST_LINE} characters in one line",
                file=source,
                place=f"line {before.count(bytes([10])) + 1}",
                remedy="export the program again, as plain text with one block a line",
            )
        at = end + 1


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
        Extents of all moves, the start of the first one only where it cuts; mm, work coordinates.
    cut_mm : float
        Length of all feed moves, mm.
    estimated_s : float or None
        Of what goes on the wire, its retracts and waits for the spindle included; None when an error forbids
        the run.
    emitted : Program or None
        What goes on the wire: the program rewritten for the machine; None when an error forbids the run.
    """

    program: Program
    machine: Machine
    findings: tuple[Finding, ...]
    low_mm: Floats
    high_mm: Floats
    cut_mm: float
    estimated_s: float | None
    emitted: Program | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing forbids the run."""
        return not any(finding.severity == "error" for finding in self.findings)


def inspect(program: Program, machine: Machine, stock: Stock | None = None) -> Report:
    """Check a program, of whatever origin, and measure it and what would be sent of it.

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
    moving = program.moves["motion"] != DWELL
    if moving.any() and program.moves["motion"][np.argmax(moving)] != RAPID:
        low, high = np.minimum(low, program.start), np.maximum(high, program.start)
    length = lengths(program.moves, program.start)
    feeding = ~np.isin(program.moves["motion"], (RAPID, DWELL))
    passed = not any(finding.severity == "error" for finding in findings)
    emitted = rewrite(program, machine) if passed and len(program.moves) else None
    seconds = None if emitted is None else time_program(emitted, machine).total_s
    cut_mm = float(length[feeding].sum())
    return Report(program, machine, findings, low, high, cut_mm, seconds, emitted)


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
    program = report.emitted or rewrite(report.program, report.machine)
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
    findings = check(program, machine, stock)
    return findings, permit(program, machine, stock, findings=findings)
