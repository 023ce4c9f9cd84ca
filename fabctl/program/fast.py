"""Whole stretches of plain lines at once: straight lines and XY arcs under modes that do not change.

Modal state is a forward fill: ``maximum.accumulate`` over the index of the last writer. Gives the very rows
`interpret` gives; a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.program.arcs import centre_of_radius
from fabctl.program.interpret import SPINDLE, small_radius
from fabctl.program.modal import Modes, Sheet
from fabctl.program.model import STATE
from fabctl.program.tokens import Words
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, RAPID

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

G, M, T = ord("G"), ord("M"), ord("T")

_FAST_LETTER = np.zeros(256, bool)
_FAST_LETTER[list(b"NXYZIJRFSTGM")] = True
NO_CODE = 10_000
"""Tenths of a number no G, M or T word can have."""
_FAST_G = np.zeros(NO_CODE + 1, bool)
_FAST_G[[0, 10, 20, 30, 400, 490, 640]] = True
_FAST_M = np.zeros(NO_CODE + 1, bool)
_FAST_M[[30, 40, 50, 70, 80, 90]] = True


def tenths_of(words: Words) -> Ints:
    """Return ten times the number of each G, M and T word, whole; `NO_CODE` for all else."""
    tenths = np.full(len(words.letter), NO_CODE)
    code = (words.letter == G) | (words.letter == M) | (words.letter == T)
    scaled = np.rint(words.value[code] * 10)
    tenths[code] = np.where((scaled >= 0) & (scaled < NO_CODE), scaled, NO_CODE).astype(np.int64)
    return tenths


def slow_lines(words: Words, tenths: Ints) -> Ints:
    """List the lines that `run` does not understand, in order, each once.

    These are lines with rare words, malformed numbers, or one letter or modal group twice.
    """
    letter, line = words.letter, words.line
    fine = _FAST_LETTER[letter] & ~np.isnan(words.value)
    is_g, is_m = letter == G, letter == M
    fine[is_g] &= _FAST_G[tenths[is_g]]
    fine[is_m] &= _FAST_M[tenths[is_m]]
    twice = [_twice(line[letter == mark]) for mark in b"XYZIJRFSTM"]
    return np.unique(np.concatenate([line[~fine], _twice(line[is_g & (tenths <= 30)]), *twice]))


def _twice(lines: Ints) -> Ints:
    again: Ints = lines[1:][lines[1:] == lines[:-1]]
    return again


@dataclass
class _Lines:
    """The words of n lines by column."""

    words: Words
    row: Ints
    n: int

    def column(self, letter: str) -> tuple[Ints, Floats]:
        """Return the rows a letter stands in and its numbers there."""
        where = self.words.letter == ord(letter)
        return self.row[where], self.words.value[where]

    def fill(self, rows: Ints, values: NDArray[np.generic], before: float) -> Floats:
        """Spread each value to the rows up to the next one."""
        if not len(rows):
            return np.full(self.n, before)
        last = np.full(self.n, -1)
        last[rows] = np.arange(len(rows))
        np.maximum.accumulate(last, out=last)
        filled: Floats = np.asarray(values, float)[last]
        filled[: rows[0]] = before
        return filled


def run(words: Words, tenths: Ints, modes: Modes, sheet: Sheet) -> None:
    """Carry out consecutive lines that `slow_lines` does not list.

    Parameters
    ----------
    words : Words
        Of those lines.
    tenths : (k,) int64
        Of those words.
    modes : Modes
        Must be `Modes.plain`; ends as the last line leaves it.
    sheet : Sheet
        Gets one row for each line with axis words.
    """
    first = int(words.line[0])
    lines = _Lines(words, words.line - first, int(words.line[-1]) - first + 1)
    at_g = (words.letter == G) & (tenths <= 30)
    motion = lines.fill(lines.row[at_g], tenths[at_g] // 10, modes.motion).astype(np.int64)
    feed_rows, feeds = lines.column("F")
    feed = lines.fill(feed_rows, feeds * modes.unit_mm, modes.feed)
    speed = lines.fill(*lines.column("S"), modes.speed)
    at_m = words.letter == M
    spindle, coolant = _heads(lines, lines.row[at_m], tenths[at_m], modes)
    xyz, moved = _positions(lines, modes)
    for letter in "IJR":
        rows, _ = lines.column(letter)
        if len(rows):
            sheet.notes.add("word-unused", first + rows[motion[rows] < ARC_CW], letter)
    rows = np.flatnonzero(moved)
    if len(rows):
        moves = np.zeros(len(rows), MOVE)
        moves["xyz"] = xyz[rows]
        moves["motion"] = motion[rows]
        moves["feed"] = np.where(motion[rows] == RAPID, 0.0, feed[rows])
        moves["power"] = np.where(spindle[rows] > 0, speed[rows] / sheet.full_scale, 0.0)
        begin = np.concatenate(([modes.position], xyz[rows[:-1]]))
        _centres(lines, rows, moves, begin, modes.unit_mm, sheet, first)
        state = np.zeros(len(rows), STATE)
        state["spindle"], state["coolant"], state["speed"] = spindle[rows], coolant[rows], speed[rows]
        state["tool"], state["flags"] = modes.tool, modes.standing_flags()
        sheet.block(moves, first + rows, state)
        modes.position = xyz[rows[-1]].tolist()
    modes.motion, modes.feed, modes.speed = int(motion[-1]), float(feed[-1]), float(speed[-1])
    modes.spindle, modes.coolant = int(spindle[-1]), int(coolant[-1])
    _, tools = lines.column("T")
    if len(tools):
        modes.tool_next = int(tools[-1])


def _heads(lines: _Lines, rows: Ints, tenths: Ints, modes: Modes) -> tuple[Floats, Floats]:
    """Return spindle and coolant of each line."""
    turning = np.isin(tenths, list(SPINDLE))
    codes = np.array([SPINDLE[t] for t in tenths[turning].tolist()], float)
    spindle = lines.fill(rows[turning], codes, modes.spindle)
    coolant = np.full(lines.n, float(modes.coolant))
    for row, code in zip(rows[~turning].tolist(), tenths[~turning].tolist(), strict=True):  # a few a program
        coolant[row:] = {70: int(coolant[row]) | 1, 80: int(coolant[row]) | 2, 90: 0}[code]
    return spindle, coolant


def _positions(lines: _Lines, modes: Modes) -> tuple[Floats, Bools]:
    """Return where each line ends, (n, 3) mm, and which lines have axis words."""
    xyz = np.empty((lines.n, 3))
    moved = np.zeros(lines.n, bool)
    for axis, letter in enumerate("XYZ"):
        rows, values = lines.column(letter)
        moved[rows] = True
        values = values * modes.unit_mm
        if modes.incremental:
            values = np.cumsum(np.concatenate(([modes.position[axis]], values)))[1:]
        else:
            values = values + modes.shift[axis]
        xyz[:, axis] = lines.fill(rows, values, modes.position[axis])
    return xyz, moved


def _centres(
    lines: _Lines,
    rows: Ints,
    moves: NDArray[np.void],
    begin: Floats,
    unit_mm: float,
    sheet: Sheet,
    first: int,
) -> None:
    """Give the arcs among `moves` their centres; one without becomes a line."""
    motion = moves["motion"]
    arc = (motion == ARC_CW) | (motion == ARC_CCW)
    if not arc.any():
        return
    told = np.full((lines.n, 3), np.nan)
    for i, letter in enumerate("IJR"):
        where, values = lines.column(letter)
        told[where, i] = values * unit_mm
    told = told[rows[arc]]
    ij = np.nan_to_num(told[:, :2])
    number = first + rows[arc]
    by_radius = ~np.isnan(told[:, 2])
    if by_radius.any():
        way = (moves["xyz"][arc, :2] - begin[arc, :2])[by_radius]
        radius = told[by_radius, 2]
        ij[by_radius], short = centre_of_radius(way, radius, motion[arc][by_radius] == ARC_CW)
        if short.any():
            worst = int(np.argmax(short))
            sheet.notes.add(
                "arc-radius-small", number[by_radius][short], small_radius(radius[worst], way[worst])
            )
    missing = np.isnan(told).all(axis=1)
    sheet.notes.add("arc-centre-missing", number[missing])
    moves["ij"][arc] = ij
    moves["motion"][np.flatnonzero(arc)[missing]] = FEED
