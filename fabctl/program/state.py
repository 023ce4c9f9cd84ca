"""What the lines before one leave in force, and programs of our own opened again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fabctl.program.model import Program, Section
from fabctl.program.read import interpret, read
from fabctl.shop.machine import Machine

Ints = NDArray[np.int64]
Point = tuple[float, float, float]

AXES = "XYZ"
OWN_MODES = ("G21", "G90", "G17", "G94", "G54")
"""What `write` sets at the head of each section, and what all its lines count on."""

_PAUSE_LINE = re.compile(rb"^M0*[01]$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModalState:
    """What is in force before a line, as the lines before it left it.

    Parameters
    ----------
    motion : str
        ``G0`` … ``G3``, ``G81`` …; ``G80`` when cancelled, empty before the first motion word.
    units, distance, plane, feed_mode, system : str
        ``G20`` or ``G21``; ``G90`` or ``G91``; ``G17`` … ``G19``; ``G93`` or ``G94``; ``G54`` … ``G59.3``.
    head : str
        ``M3``, ``M4`` or ``M5``.
    coolant : int
        Bit 0 mist, bit 1 flood.
    feed_mm_min : float
        The F in force in mm/min; under G93 the F word itself, 1/min.
    speed : float
        The S word in force.
    tool : int
        Number of the tool in the spindle (last M6), 0 before the first.
    position_mm : (x, y, z) float
        Where the line begins; mm, in the work coordinates the program started in.
    lost : tuple of str
        Axes that G28, G30 or G53 left at a place only the machine knows.
    """

    motion: str
    units: str
    distance: str
    plane: str
    feed_mode: str
    system: str
    head: str
    coolant: int
    feed_mm_min: float
    speed: float
    tool: int
    position_mm: Point
    lost: tuple[str, ...] = ()

    @property
    def modes(self) -> tuple[str, str, str, str, str]:
        """The five words that must be in force for absolute lines in mm to mean what they say."""
        return (self.units, self.distance, self.plane, self.feed_mode, self.system)


def state_before(data: bytes, line: int, *, full_scale: float = 1000.0) -> ModalState:
    r"""Interpret all lines before one and say what they leave in force.

    Parameters
    ----------
    data : bytes
        A program, ours or anybody's.
    line : int
        From 1; one more than there are lines asks for the state at the end.
    full_scale : float
        The S word that means power 1.

    Returns
    -------
    ModalState

    Examples
    --------
    >>> state = state_before(b"G20 G91\nM3 S900 F10\nG1 X1\nG90\n", 4)
    >>> state.units, state.distance, state.feed_mm_min, state.position_mm
    ('G20', 'G91', 254.0, (25.4, 0.0, 0.0))
    """
    modes = interpret(_lines_before(data, line), full_scale).interpreter.modes
    x, y, z = modes.position
    motion = modes.motion if modes.motion < 380 else modes.motion / 10
    return ModalState(
        motion=f"G{motion:g}" if motion >= 0 else "",
        units="G21" if modes.unit_mm == 1.0 else "G20",
        distance="G91" if modes.incremental else "G90",
        plane=f"G{modes.plane}",
        feed_mode="G93" if modes.inverse_feed else "G94",
        system=f"G{modes.system / 10:g}",
        head=f"M{modes.spindle or 5}",
        coolant=modes.coolant,
        feed_mm_min=modes.feed,
        speed=modes.speed,
        tool=modes.tool,
        position_mm=(x, y, z),
        lost=tuple(AXES[axis] for axis in sorted(modes.lost_axes)),
    )


def _lines_before(data: bytes, line: int) -> bytes:
    """Return the text before a line, whatever ends its lines."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    at = 0
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    if line > 1:
        at = int(ends[line - 2]) + 1 if line - 2 < len(ends) else len(data)
    return data[:at]


def own_program(data: bytes, source: str, machine: Machine, tools: Sequence[str] = ()) -> Program:
    """Open a text that `write` or `rewrite` wrote: a run's ``program.nc``.

    Parameters
    ----------
    data : bytes
        Those bytes; whoever calls has compared their digest.
    source : str
    machine : Machine
        Which it was written for.
    tools : sequence of str
        Of each section, as recorded; missing ones are empty.

    Returns
    -------
    Program
        With sections, and all moves of our own: `check` holds every line to the writer's rule.
    """
    program = read(data, source, full_scale=machine.head.full_scale)
    stops = [data.count(b"\n", 0, match.start()) + 1 for match in _PAUSE_LINE.finditer(data)]
    edges = [0, *(line for line in stops if line < program.line_count), program.line_count]
    sections = tuple(
        Section(tools[i] if i < len(tools) else "", before + 1, last)
        for i, (before, last) in enumerate(pairwise(edges))
    )
    told = tuple(f for f in program.findings if f.code not in ("pause", "machine-coordinates"))
    return replace(program, sections=sections, findings=told, origin=np.arange(len(program.moves)))


def line_ends(text: bytes) -> Ints:
    r"""Find where each line begins, and where the text ends, (lines + 1,): line i is ``[i - 1]`` to ``[i]``.

    Parameters
    ----------
    text : bytes
        Its lines end with LF, the last one too.

    Examples
    --------
    >>> line_ends(b"G21\nM2\n").tolist()
    [0, 4, 7]
    """
    return np.concatenate(([0], np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1))
