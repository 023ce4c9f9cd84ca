"""Decimal numbers in text to floats, whole arrays at once, equal to ``float()`` bit for bit.

The digits of a number are gathered as one integer, which a float64 holds exactly, and divided by an exact
power of ten, which rounds once. Eight characters are one cell, a number of 64 bits whose low byte is the
first of them.

Source: the three-multiplication conversion of eight digits is Daniel Lemire's, "Quickly parsing eight
digits" (2018); Langdale and Lemire, "Parsing gigabytes of JSON per second" (2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.uint64]

MOST_DIGITS = 15
"""A whole number of so many digits and the power of ten it is divided by are exact in a float64."""

WIDTH = 8
"""Characters in a cell."""

_u = np.uint64
_ZEROS, _ONES = _u(0x3030303030303030), _u(0x0101010101010101)
_SIXES, _HIGH = _u(0x0606060606060606), _u(0xF0F0F0F0F0F0F0F0)
_KEEP = np.array([(1 << 64) - (1 << 8 * (WIDTH - n)) for n in range(WIDTH + 1)], _u)
"""Masks of the last n characters of a cell."""
_PLACES = _u(0x8070605040302010)
"""Times a point's bit, this has 8 less the point's character, from 0, in the uppermost four bits."""
_TEN = 10.0 ** np.arange(23)
_NEGATIVE = 16
_SCALE = np.concatenate((_TEN[:_NEGATIVE], -_TEN[:_NEGATIVE]))
"""What a whole number is divided by: by its places behind the point, 16 more when it is negative."""


class _Whole(NamedTuple):
    """Cells taken apart: the digits as whole numbers, ten times as large where there is a point."""

    whole: Floats
    scale: Ints  # row of _SCALE, that of places one too many where there is a point
    marks: Cells  # how many signs and points
    bad: Bools  # two points, a sign inside, or another character

    def take(self, rows: Ints) -> _Whole:
        """Return some of the cells, shape (k,) each."""
        return _Whole(
            self.whole.take(rows), self.scale.take(rows), self.marks.take(rows), self.bad.take(rows)
        )


def cells_before(text: bytes, end: Ints) -> Cells:
    """Take the eight characters before each place.

    Parameters
    ----------
    text : bytes
    end : (k,) int64
        0 to the length of the text.

    Returns
    -------
    (k,) uint64
        The last character uppermost; before the text stand zero bytes.

    Notes
    -----
    Two aligned words put together: numpy takes unaligned ones several times slower.

    Examples
    --------
    >>> [hex(cell) for cell in cells_before(b"0123456789", np.array([1, 10])).tolist()]
    ['0x3000000000000000', '0x3938373635343332']
    """
    padded = np.frombuffer(bytes(WIDTH) + text + bytes(2 * WIDTH - len(text) % WIDTH), "<u8")
    word = end >> 3
    shift = (end & 7).view(_u)
    shift <<= _u(3)
    cells = padded.take(word)
    cells >>= shift
    word += 1
    rest = padded.take(word)
    np.subtract(_u(64), shift, out=shift)
    # a shift by all 64 bits leaves nothing, in numpy too
    rest <<= shift
    cells |= rest
    return np.asarray(cells)


def numbers(text: bytes, begin: Ints, length: Ints, exponent: Ints | None = None) -> tuple[Floats, Bools]:
    """Convert many decimal numbers of up to 15 digits.

    Parameters
    ----------
    text : bytes
    begin, length : (k,) int64
        Where each stands.
    exponent : (k,) int64, optional
        The power of ten each is multiplied by, where it is written behind them.

    Returns
    -------
    values : (k,) float64
        Bit for bit what ``float()`` gives.
    hard : (k,) bool
        Those not converted: no digit, two points, a sign inside, another character, more than 16 characters
        or 15 digits, a power of ten that is not exact.

    Examples
    --------
    >>> values, hard = numbers(b"1.5 -.25 +007 1.2.3", np.array([0, 4, 9, 14]), np.array([3, 4, 4, 5]))
    >>> values[:3].tolist(), hard.tolist()
    ([1.5, -0.25, 7.0], [False, False, False, True])
    """
    end = begin + length
    values, scale, marks, hard = low = _whole(cells_before(text, end), np.minimum(length, WIDTH))
    hard |= marks >= length.view(_u)
    long = np.flatnonzero(length > WIDTH)
    if len(long):
        values[long], scale[long], hard[long] = _long(text, end[long], length[long], low.take(long))
    if exponent is None:
        values /= _SCALE.take(scale, mode="clip")
        return values, hard
    places = scale % _NEGATIVE - exponent
    hard |= np.abs(places) >= len(_TEN)
    # dividing and multiplying both round once; the one not wanted is by 1
    values *= _TEN.take(-places, mode="clip")
    values /= _TEN.take(places, mode="clip")
    np.negative(values, out=values, where=scale >= _NEGATIVE)
    return values, hard


def _long(text: bytes, end: Ints, length: Ints, low: _Whole) -> tuple[Floats, Ints, Bools]:
    """Take numbers of more than eight characters, whose last eight are known, apart."""
    high_length = np.minimum(length - WIDTH, WIDTH)
    high = _whole(cells_before(text, end - WIDTH), high_length)
    low_places, high_places = low.scale % _NEGATIVE, high.scale % _NEGATIVE
    low_digits = WIDTH - low.marks.view(np.int64)
    digits = low_digits + high_length - high.marks.view(np.int64)
    hard = low.bad | high.bad | (digits > MOST_DIGITS) | (length > 2 * WIDTH)
    # the last eight characters may hold one point and no sign
    hard |= (low.marks > (low_places > 0)) | ((low_places > 0) & (high_places > 0))
    whole = np.where(high_places > 0, high.whole / 10, high.whole) * _TEN.take(low_digits, mode="clip")
    whole += np.where(low_places > 0, low.whole / 10, low.whole)
    places = np.where(high_places > 0, WIDTH + high_places - 1, 0)
    places = np.where(low_places > 0, low_places - 1, places)
    return whole, places + np.where(high.scale >= _NEGATIVE, _NEGATIVE, 0), hard


def _whole(cells: Cells, length: Ints) -> _Whole:
    """Take the last characters of each cell apart."""
    keep = _KEEP.take(length)
    x = cells
    x ^= _ZEROS
    x &= keep
    # against "0" a plus is 0x1B, a minus 0x1D and a point 0x1E: all have bit 4, signs bit 0, a minus bit 2
    marks = x >> _u(4)
    marks &= _ONES
    sign = marks & x
    point = marks ^ sign
    minus = x >> _u(2)
    minus &= sign
    below = point - _u(1)
    keep <<= _u(8)
    keep &= sign
    keep |= point & below
    x ^= point * _u(0x1E)
    sign *= _u(0x1B)
    x ^= sign
    x ^= minus * _u(0x1B ^ 0x1D)
    # what is left must be digits, adding six shows those above nine in the upper half, and zeros at marks
    other = x + _SIXES
    other |= x
    other &= _HIGH
    keep |= other
    other = marks * _u(0xFF)
    other &= x
    keep |= other
    # what stands behind the point moves down by one place
    below &= x
    x ^= below
    x >>= _u(8)
    x |= below
    point *= _PLACES
    point >>= _u(60)
    minus *= _ONES
    minus >>= _u(56)
    minus <<= _u(4)
    point |= minus
    marks *= _ONES
    marks >>= _u(56)
    return _Whole(_eight_digits(x), point.view(np.int64), marks, keep != 0)


def _eight_digits(x: Cells) -> Floats:
    """Turn cells of eight digits, each 0 to 9, into the numbers they are."""
    tens = x >> _u(8)
    x *= _u(10)
    x += tens
    mask = _u(0x000000FF000000FF)
    upper = x & mask
    upper *= _u(0x000F424000000064)
    x >>= _u(16)
    x &= mask
    x *= _u(0x0000271000000001)
    x += upper
    x >>= _u(32)
    return x.view(np.int64).astype(np.float64)
