"""Enter a program in its middle: what was in force there, and a safe way back to that place.

The way back is a program of our own bytes: up, across, head on and up to speed above the stock, down at feed,
then the program's own lines from the one that was not proven. It is read back before it is handed out: what
its bytes do must be what the program would have done from there.

No rapid goes down. Down to the depth the tool goes where the program had brought it already, so nothing
stands there: the end of the last proven line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError, RefusedError
from fabctl.program.model import LOST, Program, Section
from fabctl.program.runup import Lead, run_up
from fabctl.program.state import OWN_MODES, ModalState, line_ends, own_program, state_before
from fabctl.program.write import HEADS
from fabctl.shop.machine import Machine
from fabctl.toolpath.moves import DWELL, FEED, RAPID, Moves, starts

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Point = tuple[float, float, float]

_WORD = re.compile(r"([A-Z])(-?[\d.]+)")


@dataclass(frozen=True)
class ReEntry:
    """A way back into a program.

    Parameters
    ----------
    program : Program
        The way back and the rest, in our own bytes; to be checked and permitted like any other.
    state : ModalState
        What the program had in force before `line`.
    line : int
        Line of the program entered at which it goes on: the first that cuts again.
    opening_lines : int
        Lines of `program` that are the way back; the next one is `line`.
    section : int
        Which section of the program entered it lies in, from 1.
    tool : str
        That section's tool; empty when none is named.
    steps : tuple of str
        What the machine will do, for a person.
    """

    program: Program
    state: ModalState
    line: int
    opening_lines: int
    section: int
    tool: str
    steps: tuple[str, ...]

    def line_entered(self, number: int) -> int:
        """Say which line of the program entered a line of the way back's program is; 0 in the way back."""
        return number - self.opening_lines + self.line - 1 if number > self.opening_lines else 0


def reenter(program: Program, machine: Machine, line: int, *, zero_mm: Point | None = None) -> ReEntry:
    """Build the way back into a program.

    Parameters
    ----------
    program : Program
        In our own bytes: from `write`, `rewrite` or `own_program`.
    machine : Machine
    line : int
        The first line that is not proven to be carried out; all before it are.
    zero_mm : (x, y, z) float, optional
        Work zero in machine coordinates, where it is known.

    Returns
    -------
    ReEntry

    Raises
    ------
    RefusedError
        When nothing is left to cut, or where the tool was is not said by the program.
    """
    _demand_own(program)
    row = _first_cut(program, line)
    line = int(program.line[row])
    number = next(i for i, s in enumerate(program.sections) if s.first_line <= line <= s.last_line)
    section = program.sections[number]
    ends = line_ends(program.text)
    state = state_before(program.text, line, full_scale=program.full_scale)
    said = program.text[ends[section.first_line - 1] : ends[line - 1]]
    _demand_place(program, state, said, line)
    uses_z = machine.has_z and b"Z" in said
    opening = _Opening(program, machine, state, row, section, ends, uses_z=uses_z)
    opening.write(zero_mm)
    tail = program.text[ends[line] :]
    text = "".join(word + "\n" for word in opening.lines).encode("ascii") + tail
    out = _read_back(program, machine, text, opening, row, zero_mm)
    return ReEntry(
        program=out,
        state=state,
        line=line,
        opening_lines=len(opening.lines) - 1,
        section=number + 1,
        tool=section.tool,
        steps=tuple(opening.steps),
    )


def cuts(moves: Moves) -> Bools:
    """Say which moves feed, shape (n,)."""
    return np.asarray((moves["motion"] != RAPID) & (moves["motion"] != DWELL), np.bool_)


def _demand_own(program: Program) -> None:
    if not len(program.origin) or not program.sections:
        raise RefusedError(
            "these bytes were not written here",
            file=program.source,
            remedy="rewrite the program for the machine first",
        )


def _first_cut(program: Program, line: int) -> int:
    """Find the first row that feeds, at or behind a line: rapids before it need not be made."""
    lines = program.line_count
    if not 1 <= line <= lines:
        raise RefusedError(
            f"there is no line {line}", file=program.source, remedy=f"name a line from 1 to {lines}"
        )
    left = cuts(program.moves) & (program.line >= line)
    if not left.any():
        raise RefusedError(
            "nothing is left to cut",
            file=program.source,
            place=f"line {line}",
            remedy="the part is cut: raise the tool with `fabctl machine jog` and look at it",
        )
    return int(np.argmax(left))


def _demand_place(program: Program, state: ModalState, said: bytes, line: int) -> None:
    """Refuse to enter where the program's own modes or place are not known."""
    if state.modes != OWN_MODES:
        raise RefusedError(
            f"{' '.join(state.modes)} are in force where {' '.join(OWN_MODES)} were expected",
            file=program.source,
            place=f"line {line}",
            remedy="rewrite the program for the machine first",
        )
    unsaid = [axis for axis in "XY" if axis.encode() not in said or axis in state.lost]
    if unsaid:
        raise RefusedError(
            f"the section does not say its {' and '.join(unsaid)} before this line: it began wherever the "
            "tool stood",
            file=program.source,
            place=f"line {line}",
            remedy="bring the tool to where the section began and run it from its first line",
        )


@dataclass
class _Opening:
    """The lines of a way back as they are written, and what they do in words."""

    program: Program
    machine: Machine
    state: ModalState
    row: int
    section: Section
    ends: Ints
    uses_z: bool

    def __post_init__(self) -> None:
        self.lines: list[str] = ["".join(OWN_MODES)]
        self.steps: list[str] = []
        self.top_z_mm = 0.0
        self.by_machine = False
        self.head = HEADS[self.machine.head.kind]
        self.lead = Lead()

    def write(self, zero_mm: Point | None) -> None:
        """Write all of it, the line entered at included."""
        x, y, _ = self.state.position_mm
        if self.uses_z:
            self._up(zero_mm)
        else:
            self.steps.append("Z stays as it is: the program never moves it")
        if self.head == "beam":
            self.lead = run_up(self.program, self.machine, self.row, self.section.first_line)
            x, y = self.lead.start_mm or (x, y)
        self.lines.append(f"G0X{number_text(x)}Y{number_text(y)}")
        height = f", at {self._height()}" if self.uses_z else ""
        self.steps.append(f"across to X{x:.3f} Y{y:.3f}{height}")
        self._head_on()
        if self.uses_z and "Z" not in self.state.lost:
            self._down()
        self._switch_on()
        self._lead_in()
        line = int(self.program.line[self.row])
        self.lines.append(explicit(self.program, self.row, self.ends, speaks=self.state_speaks))
        arc = self.program.moves["motion"][self.row] > FEED
        what = "the whole arc from its start" if arc else "from its start"
        self.steps.append(f"on with line {line}, {what}: {self.lines[-1]}")

    @property
    def state_speaks(self) -> bool:
        """Whether S is written: a head that is switched or none has no use for it."""
        return self.head in ("spindle", "beam") and self.state.head != "M5"

    def _height(self) -> str:
        return f"machine Z{self.top_z_mm:.3f}" if self.by_machine else f"Z{self.top_z_mm:.3f}"

    def _up(self, zero_mm: Point | None) -> None:
        if self.machine.homing:
            self.by_machine = True
            self.top_z_mm = -self.machine.limits.pull_off_mm
            self.lines.append(f"G53G0Z{number_text(self.top_z_mm)}")
            known = "" if zero_mm is None else f", Z{self.top_z_mm - zero_mm[2]:.3f} in work coordinates"
            self.steps.append(f"up to machine Z{self.top_z_mm:.3f} (G53), the top of the travel{known}")
            return
        # as high as the program ever goes: wherever it was stopped, the first move must not go down
        self.top_z_mm = max(float(self.program.moves["xyz"][:, 2].max()), self.machine.clearance_mm)
        self.lines.append(f"G0Z{number_text(self.top_z_mm)}")
        self.steps.append(
            f"up to Z{self.top_z_mm:.3f} in work coordinates: this machine does not home, so it has no "
            "machine coordinates to rise in"
        )

    def _head_on(self) -> None:
        """Turn the head on above the stock: a spindle at speed, a beam without power."""
        head = self.machine.head
        wet = self.state.coolant and "M8" in self.machine.firmware.words
        if self.head in ("spindle", "beam") and self.state.head != "M5":
            speed = 0.0 if self.head == "beam" else self.program.state["speed"][self.row]
            self.lines.append(f"{self.state.head}S{number_text(speed)}")
            wait = f", then {head.spin_up_s:g} s to come up to speed" if head.spin_up_s else ""
            power = "beam armed without power" if self.head == "beam" else f"spindle on at {speed:g} rpm"
            self.steps.append(power + wait)
            if head.spin_up_s > 0:
                self.lines.append(f"G4P{number_text(head.spin_up_s)}")
        if wet:
            self.lines.append("M8")
            self.steps.append("coolant on")

    def _switch_on(self) -> None:
        """Light a torch last: it must not stand."""
        if self.head == "switch" and self.state.head != "M5":
            self.lines.append(self.state.head)
            self.steps.append("torch on, in the kerf: it may need a touch to start there")

    def _down(self) -> None:
        """Feed down: the free way at half the Z rate, then at the plunge feed."""
        z_mm, free_mm = self.state.position_mm[2], self.machine.clearance_mm
        quick = self.machine.max_rate_mm_min[2] / 2
        plunge = min(plunge_feed(self.program, self.section), quick)
        free_first = self.by_machine or self.top_z_mm > max(z_mm, free_mm)
        parts = [(max(z_mm, free_mm), quick)] if free_first else []
        parts += [(z_mm, plunge)] if z_mm < free_mm else []
        for height, feed in parts:
            self.lines.append(f"G1Z{number_text(height)}F{number_text(feed, 1)}")
            along = ", along ground already cut" if height < 0 else ""
            self.steps.append(f"down to Z{height:.3f} at {feed:.0f} mm/min, no rapid{along}")

    def _lead_in(self) -> None:
        if self.lead.rows:
            self.lines += [explicit(self.program, row, self.ends, speed=0.0) for row in self.lead.rows]
            self.steps.append(
                f"{self.lead.length_mm:.3f} mm run-up along the line before, beam at 0, to come up to speed"
            )


def number_text(value: float, decimals: int = 4) -> str:
    """Write a number the short way.

    Examples
    --------
    >>> number_text(-0.25), number_text(1200.0), number_text(-0.00001)
    ('-.25', '1200', '0')
    """
    text = f"{value:.{decimals}f}"
    text = (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    if text in ("-0", "0"):
        return "0"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def explicit(
    program: Program, row: int, ends: Ints, *, speaks: bool = True, speed: float | None = None
) -> str:
    """Write a row's line with all its modal words.

    Parameters
    ----------
    program : Program
        Our own: one row a line.
    row : int
        A feed or an arc.
    ends : (lines + 1,) int64
        As `line_ends` finds them.
    speaks : bool
        Whether S is written.
    speed : float, optional
        Another S than the one in force.
    """
    number = int(program.line[row])
    line = program.text[ends[number - 1] : ends[number]].decode("ascii")
    places = "".join(letter + value for letter, value in _WORD.findall(line) if letter in "XYZIJ")
    move, state = program.moves[row], program.state[row]
    s_word = f"S{number_text(float(state['speed'] if speed is None else speed))}" if speaks else ""
    return f"G{int(move['motion'])}{places}F{number_text(float(move['feed']), 1)}{s_word}"


def plunge_feed(program: Program, section: Section) -> float:
    """Return the slowest feed with which a section goes straight down, or cuts at all; mm/min."""
    within = (program.line >= section.first_line) & (program.line <= section.last_line)
    moves = program.moves
    way = moves["xyz"] - starts(moves, program.start)
    feeding = cuts(moves) & within
    down = feeding & (way[:, 2] < 0) & ~way[:, :2].any(axis=1)
    return float(moves["feed"][down if down.any() else feeding].min())


def _place_top(moves: Moves, state: Moves, opening: _Opening, zero_mm: Point | None) -> None:
    """Give the top of the travel its height in work coordinates, where work zero is known."""
    high = (state["flags"] & np.uint8(LOST[2])) != 0
    if zero_mm is None:
        moves["xyz"][high, 2] = opening.machine.clearance_mm
        return
    moves["xyz"][high, 2] = round(opening.top_z_mm - zero_mm[2], 3)
    state["flags"][high] &= ~np.uint8(LOST[2])


def _read_back(
    program: Program,
    machine: Machine,
    text: bytes,
    opening: _Opening,
    row: int,
    zero_mm: Point | None,
) -> Program:
    """Read the bytes as a controller would, hold them to the program, and keep the line map."""
    out = own_program(text, program.source, machine)
    rows = len(program.moves) - row
    added = len(out.moves) - rows
    for field in ("motion", "xyz", "ij", "feed"):
        if added < 0 or not np.array_equal(out.moves[field][added:], program.moves[field][row:]):
            raise ProgramError(
                f"the way back would not go on as the program does ({field})",
                file=program.source,
                place=f"line {program.line[row]}",
                remedy="report this: a program written here broke its own rule",
            )
    moves, state = out.moves.copy(), out.state.copy()
    start = moves["xyz"][1 if opening.uses_z else 0].copy()
    if opening.uses_z:
        moves["xyz"][0, :2] = start[:2]
    if opening.by_machine:
        _place_top(moves, state, opening, zero_mm)
        start[2] = moves["xyz"][0, 2]
    origin = np.concatenate((np.full(added, -1), np.arange(row, len(program.moves))))
    lines = len(opening.lines) - 1
    shift = lines + 1 - int(program.line[row])
    first = opening.section
    sections = [Section(first.tool, 1, first.last_line + shift)]
    sections += [
        replace(s, first_line=s.first_line + shift, last_line=s.last_line + shift)
        for s in program.sections
        if s.first_line > first.last_line
    ]
    original = program.original_line[row:] if len(program.original_line) else program.line[row:]
    return replace(
        out,
        moves=moves,
        state=state,
        start=start,
        origin=origin,
        sections=tuple(sections),
        original_line=np.concatenate((np.zeros(added, np.int64), original)),
    )
