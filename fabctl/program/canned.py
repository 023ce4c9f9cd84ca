"""Drilling cycles G81 to G83, expanded into plain moves.

Source: NIST RS274/NGC version 3, section 3.5.16.
"""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.program.modal import Modes, Sheet
from fabctl.toolpath.moves import DWELL, FEED, RAPID

CYCLES = (81, 82, 83)
PECK_CLEARANCE_MM = 0.254
"""How far above the last depth a peck's rapid ends: 0.010 inch, as in LinuxCNC."""


@dataclass
class Cycle:
    """What a series of holes remembers; lengths in mm.

    Parameters
    ----------
    old_z : float
        Height before the first hole.
    bottom, clear : float, optional
        Z and R as given (a way when relative).
    peck : float, optional
        Q.
    dwell_s : float
        P.
    """

    old_z: float = 0.0
    bottom: float | None = None
    clear: float | None = None
    peck: float | None = None
    dwell_s: float = 0.0

    def take(self, words: dict[str, float], unit_mm: float) -> None:
        """Remember the words of a line."""
        self.bottom = words["Z"] * unit_mm if "Z" in words else self.bottom
        self.clear = words["R"] * unit_mm if "R" in words else self.clear
        self.peck = words["Q"] * unit_mm if "Q" in words else self.peck
        self.dwell_s = words.get("P", self.dwell_s)

    def missing(self, *, pecks: bool) -> str:
        """Return the first word a hole still lacks, "" when none; pecks need a Q above zero."""
        if self.bottom is None:
            return "Z"
        if self.clear is None:
            return "R"
        return "Q" if pecks and not (self.peck or 0) > 0 else ""


def drill(
    cycle: Cycle, modes: Modes, sheet: Sheet, number: int, words: dict[str, float], *, retract_old: bool
) -> None:
    """Add the moves of one line of a drilling cycle.

    Parameters
    ----------
    cycle : Cycle
    modes : Modes
        Its motion names the cycle; ends where the last hole's retract ends.
    sheet : Sheet
    number : int
        The line.
    words : dict of str to float
    retract_old : bool
        G98: up to where the series began, else (G99) to R.
    """
    cycle.take(words, modes.unit_mm)
    missing = cycle.missing(pecks=modes.motion == 83)
    if missing or cycle.bottom is None or cycle.clear is None:
        sheet.notes.add("canned-incomplete", number, missing)
        return
    sheet.notes.add("canned-cycle", number, f"G{modes.motion}")
    clear = cycle.clear + (modes.position[2] if modes.incremental else modes.shift[2])
    bottom = cycle.bottom + (clear if modes.incremental else modes.shift[2])
    rise = max(cycle.old_z, clear) if retract_old else clear
    if modes.position[2] < clear:
        _to(modes, sheet, number, RAPID, z=clear)
    for _ in range(max(int(words.get("L", 1)), 0)):
        modes.position = [*_across(modes, words), modes.position[2]]
        sheet.row(modes, number, RAPID)
        _to(modes, sheet, number, RAPID, z=clear)
        _down(cycle, modes, sheet, number, clear=clear, bottom=bottom)
        _to(modes, sheet, number, RAPID, z=rise)


def _across(modes: Modes, words: dict[str, float]) -> list[float]:
    """Return X and Y of the next hole, mm."""
    here = modes.position[:2]
    for axis, letter in enumerate("XY"):
        if letter in words:
            offset = here[axis] if modes.incremental else modes.shift[axis]
            here[axis] = words[letter] * modes.unit_mm + offset
    return here


def _down(cycle: Cycle, modes: Modes, sheet: Sheet, number: int, *, clear: float, bottom: float) -> None:
    """Cut one hole from R to its bottom."""
    if modes.motion == 83 and cycle.peck:
        depth = clear - cycle.peck
        while depth > bottom:
            _to(modes, sheet, number, FEED, z=depth)
            _to(modes, sheet, number, RAPID, z=clear)
            _to(modes, sheet, number, RAPID, z=depth + PECK_CLEARANCE_MM)
            depth -= cycle.peck
    _to(modes, sheet, number, FEED, z=bottom)
    if modes.motion == 82:
        sheet.row(modes, number, DWELL, (cycle.dwell_s, 0.0))


def _to(modes: Modes, sheet: Sheet, number: int, motion: int, *, z: float) -> None:
    modes.position = [*modes.position[:2], z]
    sheet.row(modes, number, motion)
