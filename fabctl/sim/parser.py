"""Checking a block against the modal state: everything Grbl refuses before anything moves.

Source: Grbl 1.1h, grbl/gcode.c, step 3; the order of the checks decides which error a line gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fabctl.sim import arcs
from fabctl.sim.words import G80, MOTION, NON_MODAL, OFFSET, PROBES, Block, Modal, RejectedError
from fabctl.units import MM_PER_INCH

AXES = "XYZ"
MAX_LINE_NUMBER = 10_000_000
SETTABLE = 6
"""Number of work coordinate systems, G54 … G59."""
G28, G30 = 6, 7
"""Indices of the two stored positions among the coordinate data."""


@dataclass(slots=True)
class ParserState:
    """What the parser keeps from line to line; lengths in mm, machine coordinates."""

    modal: Modal = field(default_factory=Modal)
    feed_mm_min: float = 0.0
    speed: float = 0.0
    tool: int = 0
    position: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    wcs: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    g92: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    tool_length_mm: float = 0.0

    def offset(self) -> list[float]:
        """Return the work coordinate offset (WCO) in mm."""
        return [w + g + (self.tool_length_mm if i == 2 else 0.0)
                for i, (w, g) in enumerate(zip(self.wcs, self.g92, strict=True))]  # fmt: skip


@dataclass(slots=True)
class Command:
    """A block that passed every check, in mm and machine coordinates, ready to be executed."""

    block: Block
    axis_command: str
    feed: float
    speed: float
    wcs: list[float]
    target: list[float]
    second: list[float] = field(default_factory=list)
    coord_index: int = -1
    dwell_s: float = 0.0
    arc: arcs.Arc | None = None


def check_block(block: Block, state: ParserState, coords: list[list[float]]) -> Command:
    """Check a block and work out its target.

    Parameters
    ----------
    block : Block
        The words of the line.
    state : ParserState
        What earlier lines left.
    coords : list of 8 list of 3 float
        G54 … G59, G28 and G30 in mm.

    Raises
    ------
    RejectedError
        With the code of the first check that fails.
    """
    values, modal = block.values, block.modal
    used = set("NF") if block.jog else set("NFST")
    has_axes = any(axis in values for axis in AXES)
    axis_command = block.axis_command or (MOTION if has_axes else "")
    feed = _check_values(block, state, axis_command, used)
    wcs = list(coords[modal.wcs]) if modal.wcs != state.modal.wcs else list(state.wcs)
    command = Command(
        block, axis_command, feed, values.get("S", state.speed), wcs, list(state.position),
        dwell_s=values.get("P", 0.0),
    )  # fmt: skip
    _non_modal(command, state, coords, used)
    _motion(command, state, used)
    if command.axis_command or axis_command == NON_MODAL:
        used |= set(AXES)
    if set(values) - used:
        raise RejectedError(36)
    return command


def _check_values(block: Block, state: ParserState, axis_command: str, used: set[str]) -> float:
    """Check N, F, P of a dwell and the axis of G43.1; return the feed."""
    values = block.values
    if values.get("N", 0) > MAX_LINE_NUMBER:
        raise RejectedError(27)
    feed = _feed(block, state, axis_command)
    if block.non_modal == "G4":
        if "P" not in values:
            raise RejectedError(28)
        used.add("P")
    if axis_command == OFFSET and block.modal.offset_on and {a for a in AXES if a in values} != {"Z"}:
        raise RejectedError(37)
    return feed


def _feed(block: Block, state: ParserState, axis_command: str) -> float:
    """Return the feed in mm/min, or in 1/min under G93; 0 is undefined."""
    values, modal = block.values, block.modal
    scale = MM_PER_INCH if modal.inches else 1.0
    if block.jog:
        if "F" not in values:
            raise RejectedError(22)
        return values["F"] * scale
    if modal.feed_inverse:
        if axis_command == MOTION and modal.motion not in (G80, 0) and "F" not in values:
            raise RejectedError(22)
        return values.get("F", 0.0)
    if not state.modal.feed_inverse:
        return values["F"] * scale if "F" in values else state.feed_mm_min
    return values.get("F", 0.0)


def _axis_words(block: Block) -> list[float | None]:
    scale = MM_PER_INCH if block.modal.inches else 1.0
    values = block.values
    return [values[axis] * scale if axis in values else None for axis in AXES]


def _non_modal(command: Command, state: ParserState, coords: list[list[float]], used: set[str]) -> None:
    block = command.block
    words = _axis_words(block)
    if block.non_modal == "G10":
        _set_coords(command, state, coords, words, used)
        return
    if block.non_modal == "G92":
        _set_g92(command, state, words)
        return
    _target(command, state, words)
    if block.non_modal in ("G28", "G30"):
        _go_home(command, state, coords[G28 if block.non_modal == "G28" else G30], words)
    elif block.non_modal == "G53" and block.modal.motion not in (0, 1):
        raise RejectedError(30)


def _set_g92(command: Command, state: ParserState, words: list[float | None]) -> None:
    """Check G92 and work out the offset it sets."""
    if not any(w is not None for w in words):
        raise RejectedError(26)
    lengths = (0.0, 0.0, state.tool_length_mm)
    rows = zip(words, state.position, command.wcs, state.g92, lengths, strict=True)
    command.target = [g if w is None else p - c - w - length for w, p, c, g, length in rows]


def _go_home(command: Command, state: ParserState, stored: list[float], words: list[float | None]) -> None:
    """Work out where G28 or G30 ends: only axes named move there, all when none is."""
    command.second = list(stored)
    if all(w is None for w in words):
        command.axis_command = ""
        return
    rows = zip(words, state.position, stored, strict=True)
    command.second = [p if w is None else s for w, p, s in rows]


def _target(command: Command, state: ParserState, words: list[float | None]) -> None:
    """Set the target: words plus offsets, or plus the position in incremental mode."""
    block = command.block
    if command.axis_command == OFFSET:
        command.target = [0.0 if w is None else w for w in words]
        return
    target = command.target
    for axis, word in enumerate(words):
        if word is None:
            continue
        if block.non_modal == "G53":
            target[axis] = word
        elif block.modal.incremental:
            target[axis] += word
        else:
            target[axis] = word + command.wcs[axis] + state.g92[axis]
            if axis == 2:
                target[axis] += state.tool_length_mm


def _coords_wanted(values: dict[str, float]) -> tuple[int, int]:
    """Check the words of G10; return its P and its L."""
    if "P" not in values and "L" not in values:
        # Stock 1.1h asks only that one of the two be there; a missing one counts as 0.
        raise RejectedError(28)
    system, kind = int(values.get("P", 0)), int(values.get("L", 0))
    if system > SETTABLE:
        raise RejectedError(29)
    if kind not in (2, 20) or (kind == 2 and "R" in values):
        raise RejectedError(20)
    return system, kind


def _set_coords(
    command: Command, state: ParserState, coords: list[list[float]], words: list[float | None], used: set[str]
) -> None:
    """Check G10 and work out the coordinate data it stores."""
    values = command.block.values
    if not any(w is not None for w in words):
        raise RejectedError(26)
    system, kind = _coords_wanted(values)
    used |= {"P", "L"}
    command.coord_index = system - 1 if system else command.block.modal.wcs
    stored = list(coords[command.coord_index])
    for axis, word in enumerate(words):
        if word is None:
            continue
        stored[axis] = word if kind == 2 else state.position[axis] - state.g92[axis] - word
        if kind == 20 and axis == 2:
            stored[axis] -= state.tool_length_mm
    command.second = stored


def _motion(command: Command, state: ParserState, used: set[str]) -> None:
    block = command.block
    motion = block.modal.motion
    has_axes = any(axis in block.values for axis in AXES)
    if motion == G80:
        if has_axes:
            raise RejectedError(31)
        return
    if command.axis_command != MOTION:
        return
    if motion != 0 and command.feed == 0.0:
        raise RejectedError(22)
    if motion in (0, 1):
        if not has_axes:
            command.axis_command = ""
        return
    if not has_axes:
        raise RejectedError(26)
    if motion in PROBES:
        if command.target == state.position:
            raise RejectedError(33)
        return
    command.arc = _arc(command, state, used)


def _arc(command: Command, state: ParserState, used: set[str]) -> arcs.Arc:
    block = command.block
    values, plane = block.values, block.modal.plane
    first, second, _ = arcs.PLANES[plane]
    if AXES[first] not in values and AXES[second] not in values:
        raise RejectedError(32)
    dx = command.target[first] - state.position[first]
    dy = command.target[second] - state.position[second]
    scale = MM_PER_INCH if block.modal.inches else 1.0
    clockwise = block.modal.motion == 2
    if "R" in values:
        used.add("R")
        if command.target == state.position:
            raise RejectedError(33)
        radius = values["R"] * scale
        centre = arcs.centre_of_radius(dx, dy, radius, clockwise=clockwise)
        return arcs.Arc(centre, abs(radius), clockwise, plane)
    offsets = ("IJK"[first], "IJK"[second])
    if not any(letter in values for letter in offsets):
        raise RejectedError(35)
    used |= set("IJK")
    centre = (values.get(offsets[0], 0.0) * scale, values.get(offsets[1], 0.0) * scale)
    return arcs.Arc(centre, arcs.check_radii(dx, dy, centre), clockwise, plane)
