"""One line after the other: every word fabctl understands, carried out as RS274 says.

This is the whole meaning of a program. `fast` does whole stretches of plain lines at once and must give the
very same rows; what it cannot do comes here, so a loop over single lines is meant.

Source: NIST RS274/NGC version 3 (order of execution, canned cycles); Grbl 1.1 gcode.c where they differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from fabctl.program.arc_words import add_chords, arm_to_centre
from fabctl.program.canned import CYCLES, Cycle, drill
from fabctl.program.modal import ARC_MOTIONS, CANCELLED, NO_MOTION, Modes, Sheet
from fabctl.program.model import CHANGE, MACHINE, PAUSE, word_name
from fabctl.toolpath.moves import DWELL, FEED, RAPID
from fabctl.units import MM_PER_INCH

AXES = "XYZ"
Line = dict[str, float]

GROUPS: dict[str, frozenset[int]] = {
    "motion": frozenset((0, 10, 20, 30, 382, 383, 384, 385, 800, *(c * 10 for c in CYCLES))),
    "plane": frozenset((170, 180, 190)),
    "units": frozenset((200, 210)),
    "distance": frozenset((900, 910)),
    "arc distance": frozenset((901, 911)),
    "feed": frozenset((930, 940)),
    "offset": frozenset((540, 550, 560, 570, 580, 590, 591, 592, 593)),
    "length": frozenset((430, 431, 490)),
    "retract": frozenset((980, 990)),
    "radius": frozenset((400, 410, 420)),
    "path": frozenset((610, 611, 640)),
    "no motion": frozenset((40, 100, 280, 281, 300, 301, 530, 920, 921, 922, 923)),
}
"""Modal groups by tenths of the G number; G80 may stand beside a motion word, as many CAMs write it."""

GROUP_OF = {code: name for name, codes in GROUPS.items() for code in codes}
STOPS = (20, 300)  # M2, M30 in tenths
SPINDLE = {30: 3, 40: 4, 50: 0}
COOLANT = {70: 1, 80: 2, 90: 0}
HEAD_GROUPS = (frozenset((0, 10, 20, 300)), frozenset(SPINDLE), frozenset((90,)), frozenset((60,)))


@dataclass
class Interpreter:
    """Carries out lines of words one by one."""

    modes: Modes
    sheet: Sheet
    cycle: Cycle = field(default_factory=Cycle)
    retract_old: bool = True
    ended_line: int = 0

    def line(self, number: int, letters: str, values: list[float]) -> None:
        """Carry out the words of one line.

        Parameters
        ----------
        number : int
        letters : str
            One a word.
        values : list of float
            Its numbers; nan where one was malformed, such a word is left out.
        """
        codes: list[int] = []
        heads: list[int] = []
        words: Line = {}
        for letter, value in zip(letters, values, strict=True):
            if math.isnan(value):
                continue
            if letter == "G":
                codes.append(round(value * 10))
            elif letter == "M":
                heads.append(round(value * 10))
            elif letter in words and letter != "N":
                self.sheet.notes.add("letter-twice", number, letter)
            else:
                words[letter] = value
        self._same_group(number, codes, heads)
        self._settings(number, codes, words)
        self._heads(heads)
        self._act(number, codes, words)
        self._stops(number, heads)
        self._unused(number, codes, heads, words)

    def _unused(self, number: int, codes: list[int], heads: list[int], words: Line) -> None:
        """Report letters nothing on the line asks for."""
        used = set("NXYZFSTABCUVWE")
        for code in codes:
            used |= set(_USES.get(code, "" if code in GROUP_OF else "PQRLDHKIJ"))
        if heads:
            used |= set("PQ")
        if self.modes.motion in (2, 3):
            used |= set("IJKR")
        elif self.modes.motion in CYCLES:
            used |= set("RQLP")
        left = "".join(sorted(set(words) - used))
        if left:
            self.sheet.notes.add("word-unused", number, left)

    def _same_group(self, number: int, codes: list[int], heads: list[int]) -> None:
        if len(codes) > 1:
            seen: dict[str, int] = {}
            for code in codes:
                group = GROUP_OF.get(code, "")
                if group and seen.setdefault(group, code) != code and 800 not in (code, seen[group]):
                    pair = f"{word_name(ord('G'), seen[group])} and {word_name(ord('G'), code)}"
                    self.sheet.notes.add("same-group", number, pair)
        if len(heads) > 1:
            for group_m in HEAD_GROUPS:
                both = [code for code in heads if code in group_m]
                if len(both) > 1:
                    pair = " and ".join(word_name(ord("M"), code) for code in both)
                    self.sheet.notes.add("same-group", number, pair)

    def _settings(self, number: int, codes: list[int], words: Line) -> None:
        """Set the modes of a line, in the order RS274 gives: units before feed, all before motion."""
        modes, notes = self.modes, self.sheet.notes
        for code in codes:
            if code in _SETTERS:
                _SETTERS[code](modes)
            elif code in GROUPS["motion"]:
                self._set_motion(code, codes)
            elif code in (980, 990):
                self.retract_old = code == 980
            elif code in GROUPS["offset"]:
                modes.system = code
                if code != 540:
                    notes.add("other-offset", number, word_name(ord("G"), code))
        if 930 in codes:
            notes.add("feed-inverse", number)
        if 901 in codes:
            notes.add("arc-absolute", number)
        self._figures(words)

    def _figures(self, words: Line) -> None:
        """Take F in the units now in force, S and T."""
        modes = self.modes
        if "F" in words:
            modes.feed = words["F"] * (1.0 if modes.inverse_feed else modes.unit_mm)
        if "S" in words:
            modes.speed = words["S"]
        if "T" in words:
            modes.tool_next = int(words["T"])

    def _set_motion(self, code: int, codes: list[int]) -> None:
        mode = code // 10 if code < 380 or code >= 390 else code
        if code == 800 and any(c in GROUPS["motion"] and c != 800 for c in codes):
            return
        if mode in CYCLES and (self.modes.motion not in CYCLES or 800 in codes):
            self.cycle = Cycle(old_z=self.modes.position[2])
        self.modes.motion = mode

    def _heads(self, heads: list[int]) -> None:
        modes = self.modes
        for code in heads:
            if code == 60:
                modes.tool = modes.tool_next
                modes.flags |= CHANGE
            elif code in SPINDLE:
                modes.spindle = SPINDLE[code]
            elif code in COOLANT:
                modes.coolant = modes.coolant | COOLANT[code] if code != 90 else 0

    def _stops(self, number: int, heads: list[int]) -> None:
        if any(code in (0, 10, 600) for code in heads):
            self.modes.flags |= PAUSE
            self.sheet.notes.add("pause", number)
        if any(code in STOPS for code in heads):
            self.ended_line = number

    def _act(self, number: int, codes: list[int], words: Line) -> None:
        """Carry out what a line does, at most one thing."""
        for code in codes:
            if code in _ACTIONS:
                _ACTIONS[code](self, number, words)
                return
        unknown = [c for c in codes if c not in GROUP_OF]
        if any(axis in words for axis in AXES) and not unknown:
            self._move(number, words, machine=530 in codes)

    def target(self, words: Line, *, machine: bool = False) -> list[float]:
        """Return where the axis words lead, mm."""
        modes = self.modes
        out = list(modes.position)
        for axis, letter in enumerate(AXES):
            if letter in words:
                value = words[letter] * modes.unit_mm
                if modes.incremental and not machine:
                    out[axis] += value
                else:
                    out[axis] = value if machine else value + modes.shift[axis]
        return out

    def _move(self, number: int, words: Line, *, machine: bool) -> None:
        modes, notes = self.modes, self.sheet.notes
        if modes.motion == CANCELLED:
            notes.add("motion-cancelled", number)
            return
        if modes.motion == NO_MOTION:
            notes.add("motion-missing", number)
            modes.motion = RAPID
        self._known(number, words, machine=machine)
        if modes.motion in CYCLES:
            drill(self.cycle, modes, self.sheet, number, words, retract_old=self.retract_old)
            return
        begin = modes.position
        end = self.target(words, machine=machine)
        if machine:
            notes.add("machine-coordinates", number, "G53")
            modes.lost = "G53"
            modes.lost_axes |= {axis for axis, letter in enumerate(AXES) if letter in words}
        if modes.motion >= 380:
            notes.add("probe", number, word_name(ord("G"), modes.motion))
        motion = modes.motion if modes.motion < 4 else FEED
        if motion in ARC_MOTIONS:
            self._arc(number, words, begin, end)
            return
        modes.position = end
        self._feed_row(number, motion, begin, flags=MACHINE if machine else 0)

    def _feed_row(self, number: int, motion: int, begin: list[float], flags: int = 0) -> None:
        """Add a line, its inverse time feed turned into mm/min."""
        modes = self.modes
        if modes.inverse_feed and motion != RAPID:
            rate = modes.feed
            modes.feed = rate * float(np.linalg.norm(np.subtract(modes.position, begin)))
            self.sheet.row(modes, number, motion, flags=flags)
            modes.feed = rate
        else:
            self.sheet.row(modes, number, motion, flags=flags)

    def _known(self, number: int, words: Line, *, machine: bool) -> None:
        """Refuse relative moves from a place only the machine knows."""
        modes = self.modes
        if not modes.lost_axes:
            return
        named = {axis for axis, letter in enumerate(AXES) if letter in words}
        if modes.incremental and not machine:
            if named & modes.lost_axes:
                self.sheet.notes.add("relative-after-home", number, modes.lost)
        elif not machine:
            modes.lost_axes -= named

    def _arc(self, number: int, words: Line, begin: list[float], end: list[float]) -> None:
        """Add an arc: of G17 as it is, of other planes as chords."""
        modes = self.modes
        arm = arm_to_centre(modes, self.sheet, number, words, begin, end)
        if arm is None:
            self.sheet.notes.add("arc-centre-missing", number)
            modes.position = end
            self._feed_row(number, FEED, begin)
        elif modes.plane == 17 and not modes.inverse_feed:
            modes.position = end
            self.sheet.row(modes, number, modes.motion, arm)
        else:
            add_chords(modes, self.sheet, number, begin, end, arm)

    def dwell(self, number: int, words: Line) -> None:
        """G4: P in seconds, as Grbl and LinuxCNC take it."""
        if "P" not in words or words["P"] < 0:
            self.sheet.notes.add("dwell-missing", number)
            return
        self.sheet.row(self.modes, number, DWELL, (words["P"], 0.0))

    def home(self, number: int, words: Line, name: str) -> None:
        """G28, G30: by way of the axes named to a place the machine keeps."""
        modes = self.modes
        self.sheet.notes.add("machine-coordinates", number, name)
        named = [axis for axis, letter in enumerate(AXES) if letter in words] or [0, 1, 2]
        modes.position = self.target(words)
        self.sheet.row(modes, number, RAPID, flags=MACHINE)
        for axis in named:
            modes.position[axis] = 0.0
        modes.lost, modes.lost_axes = name, modes.lost_axes | set(named)
        self.sheet.row(modes, number, RAPID, flags=MACHINE)

    def set_here(self, number: int, words: Line, name: str) -> None:
        """G92 and G10 L20: the place where the tool stands gets the coordinates given."""
        modes = self.modes
        self.sheet.notes.add("shifted" if name.startswith("G92") else "saved-offset", number, name)
        for axis, letter in enumerate(AXES):
            if letter in words:
                modes.shift[axis] = modes.position[axis] - words[letter] * modes.unit_mm

    def clear_shift(self, number: int, _words: Line) -> None:
        """G92.1, G92.2: forget G92; G10's offsets go with it, which no corpus of real files ever mixes."""
        self.sheet.notes.add("shifted", number, "G92.1")
        self.modes.shift = [0.0, 0.0, 0.0]

    def offsets(self, number: int, words: Line) -> None:
        """G10: L2 gives an offset, L20 the coordinates of this place; taken for the system in force."""
        kind = words.get("L", 0.0)
        if kind == 20:
            self.set_here(number, words, "G10 L20")
        elif kind == 2:
            self.sheet.notes.add("saved-offset", number, "G10 L2")
            for axis, letter in enumerate(AXES):
                if letter in words:
                    self.modes.shift[axis] = words[letter] * self.modes.unit_mm
        else:
            self.sheet.notes.add("saved-offset", number, f"G10 L{kind:g}")

    def tool_length(self, number: int, words: Line) -> None:
        """G43.1: Z counts from another height."""
        self.sheet.notes.add("shifted", number, "G43.1")
        self.modes.shift[2] += words.get("Z", 0.0) * self.modes.unit_mm


def _set(modes: Modes, **values: object) -> None:
    for name, value in values.items():
        setattr(modes, name, value)


def _feed_mode(modes: Modes, *, inverse: bool) -> None:
    """Change between feeds in mm/min and in 1/min: neither means anything in the other."""
    if modes.inverse_feed != inverse:
        modes.inverse_feed, modes.feed = inverse, 0.0


_SETTERS: dict[int, Callable[[Modes], None]] = {
    200: partial(_set, unit_mm=MM_PER_INCH, unit_seen=True),
    210: partial(_set, unit_mm=1.0, unit_seen=True),
    900: partial(_set, incremental=False),
    910: partial(_set, incremental=True),
    170: partial(_set, plane=17),
    180: partial(_set, plane=18),
    190: partial(_set, plane=19),
    901: partial(_set, arc_absolute=True),
    911: partial(_set, arc_absolute=False),
    930: partial(_feed_mode, inverse=True),
    940: partial(_feed_mode, inverse=False),
}

_USES = {40: "P", 100: "LPR", 410: "D", 420: "D", 430: "H", 490: "H", 640: "PQ"}
"""Letters a G word may have beside those of its motion, by tenths."""

_ACTIONS: dict[int, Callable[[Interpreter, int, Line], None]] = {
    40: Interpreter.dwell,
    100: Interpreter.offsets,
    280: lambda self, number, words: self.home(number, words, "G28"),
    300: lambda self, number, words: self.home(number, words, "G30"),
    281: lambda self, number, _: self.sheet.notes.add("saved-offset", number, "G28.1"),
    301: lambda self, number, _: self.sheet.notes.add("saved-offset", number, "G30.1"),
    431: Interpreter.tool_length,
    920: lambda self, number, words: self.set_here(number, words, "G92"),
    921: Interpreter.clear_shift,
    922: Interpreter.clear_shift,
    923: Interpreter.clear_shift,
}
