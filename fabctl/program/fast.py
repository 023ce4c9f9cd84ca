"""Whole stretches of plain lines at once: straight lines and XY arcs under modes that do not change.

Modal state is a forward fill: each number repeated up to the next one's line. Gives the very rows
`interpret` gives; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabctl.program.arc_words import small_radius
from fabctl.program.arcs import centre_of_radius
from fabctl.program.interpret import SPINDLE
from fabctl.program.modal import Modes, Sheet
from fabctl.program.tokens import NO_CODE, Words
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, RAPID, Moves

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

G, M, T = ord("G"), ord("M"), ord("T")

_AXES = b"XYZ"
_ONCE = b"XYZIJRFSTABCUVWE"
"""Letters that may stand once in a line; those of axes nobody here has mean nothing to the motion."""
_FAST_G = np.zeros(NO_CODE + 1, bool)
_FAST_G[[0, 10, 20, 30, 400, 490, 640]] = True
_FAST_M = np.zeros(NO_CODE + 1, bool)
_FAST_M[[30, 40, 50, 70, 80, 90]] = True


def slow_lines(words: Words) -> Ints:
    """List the lines that `run` does not understand, in order, each once.

    These are lines with rare words, malformed numbers, or one letter or modal group twice.
    """
    slow = [np.zeros(0, np.int64)]
    malformed = np.isnan(words.value)
    if malformed.any():
        slow.append(words.line[malformed])
    for letter in words.letters:
        if letter == ord("N"):
            continue
        lines = words.line.take(words.places(letter))
        if letter == G:
            codes = words.tenths(G)
            slow += [lines[~_FAST_G.take(codes)], _twice(lines[codes <= 30])]
        elif letter == M:
            slow += [lines[~_FAST_M.take(words.tenths(M))], _twice(lines)]
        elif letter in _ONCE:
            slow.append(_twice(lines))
        else:
            slow.append(lines)
    return np.unique(np.concatenate(slow))


def _twice(lines: Ints) -> Ints:
    again: Ints = lines[1:][lines[1:] == lines[:-1]]
    return again


class _Lines:
    """The words of some lines by column."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.first = int(words.line[0])
        self.n = int(words.line[-1]) - self.first + 1

    def rows(self, letter: int) -> Ints:
        """Return the rows a letter stands in."""
        return self.words.line.take(self.words.places(letter)) - self.first

    def column(self, letter: int) -> tuple[Ints, Floats]:
        """Return the rows a letter stands in and its numbers there."""
        return self.rows(letter), self.words.value.take(self.words.places(letter))

    def fill(self, rows: Ints, values: NDArray[Any], before: float) -> NDArray[Any]:
        """Spread each value to the rows up to the next one."""
        if len(rows) == self.n:
            return values
        if not len(rows):
            return np.full(self.n, before, values.dtype)
        steps = np.concatenate((np.array([before], values.dtype), values))
        return np.repeat(steps, np.diff(rows, prepend=0, append=self.n))


def run(words: Words, modes: Modes, sheet: Sheet) -> None:
    """Carry out consecutive lines that `slow_lines` does not list.

    Parameters
    ----------
    words : Words
        Of those lines.
    modes : Modes
        Must be `Modes.plain`; ends as the last line leaves it.
    sheet : Sheet
        Gets one row for each line with axis words.
    """
    lines = _Lines(words)
    codes = words.tenths(G)
    rows = lines.rows(G)
    if codes.max(initial=0) > 30:
        rows, codes = rows[codes <= 30], codes[codes <= 30]
    motion = lines.fill(rows, codes // 10, modes.motion)
    feed_rows, feeds = lines.column(ord("F"))
    feed = lines.fill(feed_rows, feeds * modes.unit_mm, modes.feed)
    speed = lines.fill(*lines.column(ord("S")), modes.speed)
    spindle, coolant = _heads(lines, modes)
    for letter in b"IJR":
        if letter in words.letters:
            rows = lines.rows(letter)
            sheet.notes.add("word-unused", lines.first + rows[motion[rows] < ARC_CW], chr(letter))
    xyz, moved = _positions(lines, modes)
    rows = np.flatnonzero(moved)
    if len(rows):
        now = _Now(motion, feed, speed, spindle, coolant)
        if len(rows) < lines.n:
            xyz, now = xyz.take(rows, axis=0), now.take(rows)
        moves, line, state = sheet.reserve(len(rows))
        np.add(rows, lines.first, out=line)
        _lay_out(moves, state, xyz, now, modes, sheet.full_scale)
        _centres(lines, rows, moves, modes, sheet)
        modes.position = xyz[-1].tolist()
    modes.motion, modes.feed, modes.speed = int(motion[-1]), float(feed[-1]), float(speed[-1])
    modes.spindle, modes.coolant = int(spindle[-1]), int(coolant[-1])
    _, tools = lines.column(T)
    if len(tools):
        modes.tool_next = int(tools[-1])


class _Now(NamedTuple):
    """What is in force in each line."""

    motion: Ints
    feed: Floats
    speed: Floats
    spindle: Ints
    coolant: Ints

    def take(self, rows: Ints) -> _Now:
        """Return what is in force in some of the lines, shape (k,) each."""
        motion, feed, speed, spindle, coolant = self
        return _Now(
            motion.take(rows), feed.take(rows), speed.take(rows), spindle.take(rows), coolant.take(rows)
        )


def _lay_out(moves: Moves, state: Moves, xyz: Floats, now: _Now, modes: Modes, full_scale: float) -> None:
    """Write moves to places, with what is in force, into rows of zeros; arcs get no centres yet."""
    moves["xyz"], moves["motion"], moves["feed"] = xyz, now.motion, now.feed
    rapid = now.motion == RAPID
    if rapid.any():
        moves["feed"][rapid] = 0.0
    if now.spindle.any():
        moves["power"] = now.speed / full_scale
        off = now.spindle == 0
        if off.any():
            moves["power"][off] = 0.0
    state["spindle"], state["coolant"], state["speed"] = now.spindle, now.coolant, now.speed
    state["tool"], state["flags"] = modes.tool, modes.standing_flags()


def _heads(lines: _Lines, modes: Modes) -> tuple[Ints, Ints]:
    """Return spindle and coolant of each line."""
    rows, tenths = lines.rows(M), lines.words.tenths(M)
    turning = np.isin(tenths, list(SPINDLE))
    codes = np.array([SPINDLE[t] for t in tenths[turning].tolist()], np.int64)
    spindle = lines.fill(rows[turning], codes, modes.spindle)
    coolant = np.full(lines.n, modes.coolant)
    for row, code in zip(rows[~turning].tolist(), tenths[~turning].tolist(), strict=True):  # a few a program
        coolant[row:] = {70: coolant[row] | 1, 80: coolant[row] | 2, 90: 0}[code]
    return spindle, coolant


def _positions(lines: _Lines, modes: Modes) -> tuple[Floats, Bools]:
    """Return where each line ends, (n, 3) mm, and which lines have axis words."""
    xyz = np.empty((lines.n, 3))
    moved = np.zeros(lines.n, bool)
    for axis, letter in enumerate(_AXES):
        if letter not in lines.words.letters:
            xyz[:, axis] = modes.position[axis]
            continue
        rows, values = lines.column(letter)
        moved[rows] = True
        values *= modes.unit_mm
        if modes.incremental:
            values = np.cumsum(np.concatenate(([modes.position[axis]], values)))[1:]
        else:
            values += modes.shift[axis]
        xyz[:, axis] = lines.fill(rows, values, modes.position[axis])
    return xyz, moved


def _centres(lines: _Lines, rows: Ints, moves: Moves, modes: Modes, sheet: Sheet) -> None:
    """Give the arcs among `moves` their centres; one without becomes a line."""
    motion = moves["motion"]
    arc = np.flatnonzero((motion == ARC_CW) | (motion == ARC_CCW))
    if not len(arc):
        return
    told = np.full((lines.n, 3), np.nan)
    for i, letter in enumerate(b"IJR"):
        where, values = lines.column(letter)
        told[where, i] = values * modes.unit_mm
    told = told.take(rows[arc], axis=0)
    ij = np.nan_to_num(told[:, :2])
    number = lines.first + rows[arc]
    by_radius = ~np.isnan(told[:, 2])
    if by_radius.any():
        xy = np.concatenate(([modes.position], moves["xyz"]))[:, :2]
        way = (xy[arc + 1] - xy[arc])[by_radius]
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
    moves["motion"][arc[missing]] = FEED
