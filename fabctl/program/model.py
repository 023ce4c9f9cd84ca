"""The Program: bytes of G-code, the moves they make, and which line makes which move."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fabctl.toolpath.moves import Moves

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first: an error forbids the run, a warning needs a person's eye, a note explains."""

STATE = np.dtype(
    [
        ("spindle", "u1"),  # 0 off (M5), 3 clockwise or constant beam (M3), 4 reverse or dynamic beam (M4)
        ("coolant", "u1"),  # bit 0 mist (M7), bit 1 flood (M8)
        ("flags", "u1"),  # MACHINE | INCREMENTAL | PAUSE | CHANGE | PENDING | LOST
        ("tool", "i4"),  # number of the tool in the spindle (last M6), 0 before the first
        ("speed", "f8"),  # the S word in force, as written
    ]
)
"""What is in force while a move is made, besides what `MOVE` says."""

MACHINE = 1
"""Flag: the target was given in machine coordinates (G53, G28, G30)."""
INCREMENTAL = 2
"""Flag: the target was given relative to the move before (G91)."""
PAUSE = 4
"""Flag: an M0 or M1 stands between this move and the one before."""
CHANGE = 8
"""Flag: a tool change (M6) stands between this move and the one before."""
PENDING = 16
"""Flag: no G20 or G21 had been seen yet."""
LOST = (32, 64, 128)
"""Flags: X, Y, Z stands where G28, G30 or G53 left it, at a place only the machine knows."""

WORD = np.dtype([("letter", "u1"), ("tenths", "i4"), ("line", "i8")])
"""A G, M, T or unusual word: its letter, its number times ten, its line."""


@dataclass(frozen=True)
class Finding:
    """One thing a person should know about a program; repeats of one kind are one finding.

    Parameters
    ----------
    severity : {"error", "warning", "note"}
        An error forbids the run.
    line : int
        First line it is about, counted from 1; 0 for the whole file.
    problem : str
        What was seen, with figures.
    remedy : str
        What to do about it.
    code : str
        Stable name of the kind; docs/checks.md lists them all.
    lines : tuple of int
        The first lines it is about, `line` included.
    count : int
        How often it was seen.

    Examples
    --------
    >>> print(Finding("error", 3, "no feed before the first cut", "add an F word", "feed-missing"))
    line 3: error: no feed before the first cut. Remedy: add an F word [feed-missing]
    """

    severity: Severity
    line: int
    problem: str
    remedy: str
    code: str
    lines: tuple[int, ...] = ()
    count: int = 1

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.severity}: {self.problem}. Remedy: {self.remedy} [{self.code}]"


@dataclass(frozen=True)
class Section:
    """Lines that run without a person: up to a tool change or a pause, which the sender arms anew.

    Parameters
    ----------
    tool : str
        Identifier of the tool in the spindle; empty when the program names none.
    first_line, last_line : int
        Counted from 1, both included.
    """

    tool: str
    first_line: int
    last_line: int


def _none() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Program:
    """G-code as bytes and as motion, with the map between the two.

    Parameters
    ----------
    source : str
        The file or job as the person named it.
    text : bytes
        The program itself, lines ended by LF when we wrote it.
    moves : (n,) MOVE
        The motion, mm in work coordinates; of a written program rounded as in `text`.
    line : (n,) int64
        1-based line of `text` that makes each move, never decreasing.
    start : (3,) float64
        Where the tool point is taken to be before the first move, mm.
    findings : tuple of Finding
        What the reader or writer noticed.
    words : dict of str to int
        Each word used (``G1``, ``M3``, ``G38.2``; other letters without number) and its first line.
    state : (n,) STATE
        Spindle, coolant, tool and flags of each move; empty when not known.
    word : (k,) WORD
        Every G, M, T and unusual word with its line, in order; empty when not kept.
    sections : tuple of Section
        In order; between two of them a person acts.
    origin : (n,) int64
        Index of the move of the toolpath (or of the program rewritten) each move was written from,
        −1 for what the writer put in; empty for a program that was read.
    original_line : (n,) int64
        For a rewritten program the line of the original file, 0 for what the writer put in; else empty.
    full_scale : float
        The S word that means power 1.
    """

    source: str
    text: bytes
    moves: Moves
    line: Ints
    start: Floats = field(default_factory=lambda: np.zeros(3))
    findings: tuple[Finding, ...] = ()
    words: dict[str, int] = field(default_factory=dict)
    state: Moves = field(default_factory=lambda: np.zeros(0, STATE))
    word: Moves = field(default_factory=lambda: np.zeros(0, WORD))
    sections: Sequence[Section] = ()
    origin: Ints = field(default_factory=_none)
    original_line: Ints = field(default_factory=_none)
    full_scale: float = 1000.0

    def __post_init__(self) -> None:
        arrays = (self.moves, self.line, self.start, self.state, self.word, self.origin, self.original_line)
        for array in arrays:
            array.setflags(write=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `text` in hex: what a permit is given for."""
        return hashlib.sha256(self.text).hexdigest()

    @cached_property
    def line_count(self) -> int:
        """How many lines `text` has; CR, LF and CRLF each end one."""
        return len(self.text.splitlines())

    def lines_of(self, name: str) -> Ints:
        """Return every line that holds a word such as ``G41`` or, for other letters, ``E``; shape (k,)."""
        codes = self.word["letter"] == ord(name[0])
        if name[1:]:
            codes = codes & (self.word["tenths"] == round(float(name[1:]) * 10))
        lines: Ints = self.word["line"][codes]
        return lines


def word_name(letter: int, tenths: int) -> str:
    """Name a word the way profiles do.

    Examples
    --------
    >>> word_name(ord("G"), 382), word_name(ord("M"), 30), word_name(ord("E"), 15)
    ('G38.2', 'M3', 'E')
    """
    if chr(letter) not in "GM":
        return chr(letter)
    whole, tenth = divmod(int(tenths), 10)
    return f"{chr(letter)}{whole}.{tenth}" if tenth else f"{chr(letter)}{whole}"
