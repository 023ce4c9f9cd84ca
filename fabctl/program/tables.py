"""Tables of text: numbers and words as cells of 4 or 8 bytes, zero where there is no character.

A cell is looked up with its text already in it; cells side by side with the zero bytes dropped are a line.
No number is ever printed one by one, and none by a float's own printing: coordinates are whole grid steps.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.unsignedinteger]

MAX_DECIMALS = 4
MAX_FIVE = 99_999
"""Largest whole number a feed or speed may have."""

_MINUS, _NOTHING, _ZERO = 10_000, 20_000, 20_001  # rows of the table of whole numbers
SPARSE = 8
"""Words in fewer than one of so many rows are looked up for those rows alone."""


@cache
def _whole(letter: str) -> Cells:
    """Table of a letter with a whole number: the letter, a sign, up to four digits; u8 cells."""
    cells = np.zeros((_ZERO + 1, 8), np.uint8)
    number = np.arange(_MINUS)
    for place in range(4):
        power = 10 ** (3 - place)
        digit = np.where(number >= power, number // power % 10 + ord("0"), 0)
        cells[:_MINUS, 2 + place] = cells[_MINUS:_NOTHING, 2 + place] = digit
    cells[_MINUS:_NOTHING, 1] = ord("-")
    cells[_ZERO, 5] = ord("0")
    cells[:_NOTHING, 0] = cells[_ZERO, 0] = ord(letter)
    return cells.view("<u8").ravel()


@cache
def _fraction(decimals: int) -> Cells:
    """Table of the text of fractions with the point and without trailing zeros; u4 or u8 cells."""
    width = 4 if decimals <= 3 else 8
    cells = np.zeros((10**decimals, width), np.uint8)
    number = np.arange(10**decimals)
    for place in range(decimals):
        rest = number % 10 ** (decimals - place)
        cells[:, 1 + place] = np.where(rest > 0, rest // 10 ** (decimals - place - 1) + ord("0"), 0)
    cells[1:, 0] = ord(".")
    return cells.view(f"<u{width}").ravel()


@cache
def _five_digits(letter: str) -> Cells:
    """Table of a letter with 0 to 99999; two bytes are left for tenths."""
    cells = np.zeros((MAX_FIVE + 1, 8), np.uint8)
    number = np.arange(MAX_FIVE + 1)
    for place in range(5):
        power = 10 ** (4 - place)
        cells[:, 1 + place] = np.where((number >= power) | (power == 1), number // power % 10 + ord("0"), 0)
    cells[:, 0] = ord(letter)
    return cells.view("<u8").ravel()


@cache
def _tenths() -> Cells:
    """Table of the text of tenths, in the last two bytes of a cell of `_five_digits`."""
    cells = np.zeros((10, 8), np.uint8)
    cells[1:, 6], cells[1:, 7] = ord("."), np.arange(1, 10) + ord("0")
    return cells.view("<u8").ravel()


_MOTION = np.array([int.from_bytes(b"\nG%d" % i, "little") for i in range(5)] + [ord("\n")], "<u4")


def begin_lines(motion: NDArray[np.uint8], shown: Bools) -> list[Cells]:
    """Begin each line, with its motion word where it is shown; one cell a row."""
    if _rare(shown):
        cells = np.full(len(shown), _MOTION[5])
        cells[shown] = _MOTION[motion[shown]]
        return [cells]
    return [_MOTION[np.where(shown, motion, 5)]]


def signed(steps: Steps, shown: Bools, letter: str, decimals: int) -> list[Cells]:
    """Write a signed number of grid steps, two cells a row.

    Parameters
    ----------
    steps : (n,) int32
        Below 10,000 whole units.
    shown : (n,) bool
    letter : str
    decimals : int
        What a grid step is.
    """
    if _rare(shown):
        return [
            _spread(cell, shown)
            for cell in signed(steps[shown], np.ones(shown.sum(), bool), letter, decimals)
        ]
    size = np.abs(steps)
    scale = 10**decimals
    whole = size // scale
    size -= whole * scale
    negative = steps < 0
    if negative.any():
        whole += negative * np.int32(_MINUS)
    zero = steps == 0
    if zero.any():
        whole[zero] = _ZERO
    if not shown.all():
        whole[~shown] = _NOTHING
        size[~shown] = 0
    return [_whole(letter).take(whole, mode="clip"), _fraction(decimals).take(size, mode="clip")]


def positive(values: Steps, shown: Bools, letter: str, *, in_tenths: bool) -> list[Cells]:
    """Write a positive number up to 99999, whole or in tenths, one cell a row."""
    if _rare(shown):
        part = values[shown]
        every = np.ones(len(part), bool)
        return [_spread(positive(part, every, letter, in_tenths=in_tenths)[0], shown)]
    if in_tenths:
        whole = values // 10
        cells = _five_digits(letter)[whole] | _tenths()[values - whole * 10]
    else:
        cells = _five_digits(letter)[values]
    if not shown.all():
        cells[~shown] = 0
    return [cells]


def _rare(shown: Bools) -> bool:
    return int(np.count_nonzero(shown)) * SPARSE < len(shown)


def _spread(cells: Cells, shown: Bools) -> Cells:
    """Put the cells of the rows shown among empty ones."""
    out = np.zeros(len(shown), cells.dtype)
    out[shown] = cells
    return out


def dwells(milliseconds: Ints, shown: Bools) -> list[Cells]:
    """Write the P words of dwells, three cells a row; each distinct time is formatted once."""
    times, which = np.unique(milliseconds[shown], return_inverse=True)
    text = np.array([f"P{t / 1000:.3f}".rstrip("0").rstrip(".") for t in times.tolist()], "S12")
    cells = np.zeros((3, len(shown)), "<u4")
    cells[:, shown] = np.frombuffer(text.tobytes(), "<u4").reshape(-1, 3)[which].T
    return list(cells)


def join(columns: list[Cells]) -> bytes:
    """Put the cells of each row side by side and drop the zero bytes."""
    widths = [column.dtype.itemsize for column in columns]
    offsets = np.cumsum([0, *widths])
    names = [f"c{i}" for i in range(len(columns))]
    layout: Any = {
        "names": names,
        "formats": [f"<u{width}" for width in widths],
        "offsets": offsets[:-1].tolist(),
        "itemsize": int(offsets[-1]),
    }
    table: NDArray[Any] = np.empty(len(columns[0]), np.dtype(layout))
    for name, column in zip(names, columns, strict=True):
        table[name] = column
    return table.tobytes().translate(None, b"\0")
