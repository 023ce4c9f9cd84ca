"""From a permit to motion: open the port, send, and compare what the virtual controller truly did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.program.arcs import reach
from fabctl.program.model import Program
from fabctl.shop.machine import Machine
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.stream.path import Leg
from fabctl.stream.port import Port, open_port
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, starts

Floats = NDArray[np.float64]
Point = tuple[float, float, float]

SIM = "sim://"
"""The port of the built-in virtual controller."""


@dataclass(frozen=True)
class Bench:
    """A port with a machine behind it.

    Parameters
    ----------
    port : Port
    here_mm : (x, y, z), optional
        Work coordinates to give to the point where the tool stands after homing; None keeps the zero the
        controller has stored.
    sim : SimPort, optional
        The virtual controller, when that is what stands behind the port.
    """

    port: Port
    here_mm: Point | None = None
    sim: SimPort | None = None


def open_bench(url: str, machine: Machine, program: Program) -> Bench:
    """Open the port of a machine.

    Parameters
    ----------
    url : str
        ``sim://`` or whatever pyserial opens: a device, ``COM3``, ``socket://host:port``.
    machine : Machine
    program : Program
        What is to run; behind ``sim://`` the stock is laid so that it fits.

    Returns
    -------
    Bench

    Raises
    ------
    LinkError
        When the port cannot be opened.
    """
    if not url.startswith(SIM):
        return Bench(open_port(url, machine.baud))
    port = SimPort(machine.settings(), Options(homed=False))
    return Bench(port, _laid_out(machine, program), port)


def _laid_out(machine: Machine, program: Program) -> Point:
    """Lay the stock in the middle of the virtual machine: what the homed tool then reads in work mm."""
    low, high = extents_mm(program)
    if not machine.homing:
        return (0.0, 0.0, 0.0)
    travel, homed = np.array(machine.travel_mm), np.array(machine.homed_mm)
    zero = -travel / 2 - (low + high) / 2
    # Z zero is laid as high as the highest rapid allows: where a tool over thin stock would be.
    zero[2] = homed[2] - max(high[2], 0.0) if machine.has_z else 0.0
    # Whole micrometres: the zero travels to the controller as text.
    here = np.round(homed - np.round(zero, 3), 3)
    return (float(here[0]), float(here[1]), float(here[2]))


def extents_mm(program: Program) -> tuple[Floats, Floats]:
    """Measure the box of all moves, arcs by their true extremes.

    Parameters
    ----------
    program : Program

    Returns
    -------
    low, high : (3,) float64
        mm, work coordinates; zeros when nothing moves.
    """
    moving = program.moves["motion"] != DWELL
    if not moving.any():
        return np.zeros(3), np.zeros(3)
    low, high = reach(program.moves, program.start)
    return np.nanmin(low[moving], axis=0), np.nanmax(high[moving], axis=0)


def legs_of(program: Program) -> Iterator[Leg]:
    """Yield each move as the sender follows it.

    Parameters
    ----------
    program : Program
    """
    moves = program.moves
    centre = starts(moves, program.start)[:, :2] + moves["ij"]
    arc = (moves["motion"] == ARC_CW) | (moves["motion"] == ARC_CCW)
    rows = zip(
        program.line.tolist(),
        moves["xyz"].tolist(),
        centre.tolist(),
        arc.tolist(),
        (moves["motion"] == ARC_CW).tolist(),
        strict=True,
    )
    for number, (x, y, z), (cx, cy), curved, clockwise in rows:  # the sender takes one leg a line, lazily
        yield Leg(number, (x, y, z), (cx, cy) if curved else None, clockwise)
