"""From a program to a permit: no byte is sent without one."""

from __future__ import annotations

from pathlib import Path

from fabctl.errors import ProgramError
from fabctl.program.check import check, permit
from fabctl.program.model import Finding, Program
from fabctl.program.read import read
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.shop.stock import Stock


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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProgramError(
            f"cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="name an existing G-code file",
        ) from error
    return read(data, str(path))


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
