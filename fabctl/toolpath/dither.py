"""Tones to few levels of power: nearest level, ordered dither, error diffusion.

Everything is in whole numbers, `UNIT` to a level: sums come out the same in any order, so a wavefront over
thousands of rows gives bit for bit what a loop over single dots gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fabctl.errors import InputError

Tones = NDArray[np.int32]
Levels = NDArray[np.uint8]

UNIT_BITS = 16
UNIT = 1 << UNIT_BITS
"""One level of power in the whole numbers that tones are counted in."""

MOST_LEVELS = 255

_ZERO_ERROR = UNIT // 2
"""Errors are kept with half a level added: then rounding to the nearest level is cutting off bits."""


@dataclass(frozen=True)
class Kernel:
    """How the error of a dot is shared among dots not yet decided.

    Parameters
    ----------
    taps : tuple of (int, int, int)
        Rows down, columns to the right, weight.
    bits : int
        The weights add up to ``2**bits``: nothing of the error is lost but at the borders.

    Examples
    --------
    >>> KERNELS["floyd-steinberg"].skew
    2
    """

    taps: tuple[tuple[int, int, int], ...]
    bits: int

    @property
    def skew(self) -> int:
        """By how many dots a row must stay behind the row above it."""
        return 1 + max((-across + down - 1) // down for down, across, _ in self.taps if down)

    @property
    def rows(self) -> int:
        """How many rows down an error reaches."""
        return max(down for down, _, _ in self.taps)


KERNELS: dict[str, Kernel] = {
    "floyd-steinberg": Kernel(((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)), 4),
    "burkes": Kernel(((0, 1, 8), (0, 2, 4), (1, -2, 2), (1, -1, 4), (1, 0, 8), (1, 1, 4), (1, 2, 2)), 5),
    "sierra": Kernel(
        (
            *((0, 1, 5), (0, 2, 3)),
            *((1, -2, 2), (1, -1, 4), (1, 0, 5), (1, 1, 4), (1, 2, 2)),
            *((2, -1, 2), (2, 0, 3), (2, 1, 2)),
        ),
        5,
    ),
}
"""Kernels whose weights add up to a power of two (R. Floyd and L. Steinberg 1976, D. Burkes 1988,
F. Sierra 1989). Those that add up to 42 or 48 would cost a division a dot and look no better burnt."""

DITHERS = ("threshold", "bayer", *KERNELS)
"""Ways from tones to levels. ``threshold`` takes the nearest level: with one level it is black or white."""


def bayer_matrix(order: int = 3) -> NDArray[np.int32]:
    """Return the ordered-dither matrix, shape (2**order, 2**order): each of 0 … 4**order − 1 once.

    Source
    ------
    B. E. Bayer, An optimum method for two-level rendition of continuous-tone pictures, 1973.

    Examples
    --------
    >>> bayer_matrix(1).tolist()
    [[0, 2], [3, 1]]
    """
    matrix = np.zeros((1, 1), np.int32)
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]]).astype(np.int32)
    return matrix


def nearest(tones: Tones) -> Levels:
    """Round each tone to the nearest level, halves up.

    Parameters
    ----------
    tones : (h, w) int32
        `UNIT` to a level, 0 to `MOST_LEVELS` levels.

    Returns
    -------
    (h, w) uint8

    Examples
    --------
    >>> nearest(np.array([[0, UNIT // 2 - 1, UNIT // 2, UNIT]], np.int32)).tolist()
    [[0, 0, 1, 1]]
    """
    return ((tones + UNIT // 2) >> UNIT_BITS).astype(np.uint8)


def ordered(tones: Tones, first_row: int = 0) -> Levels:
    """Round each tone up or down by an 8 × 8 Bayer matrix.

    Over any whole tile of one tone the mean is right to 1/128 of a level.

    Parameters
    ----------
    tones : (h, w) int32
        `UNIT` to a level.
    first_row : int
        Where the rows stand in the image: the matrix is tied to it.

    Returns
    -------
    (h, w) uint8
    """
    h, w = tones.shape
    step = UNIT // 64
    # a tone must exceed the threshold to go up: white stays white, a whole level stays itself
    thresholds = UNIT - step // 2 - 1 - bayer_matrix() * step
    rows = (first_row + np.arange(h)) % 8
    up = thresholds[rows][:, np.arange(w) % 8]
    return ((tones + (UNIT - 1 - up)) >> UNIT_BITS).astype(np.uint8)


def diffuse(tones: Tones, kernel: Kernel, above: Tones | None = None) -> tuple[Levels, Tones]:
    """Diffuse errors over a block of rows.

    A dot takes the nearest level to its tone plus the weighted errors of dots decided before, rounded to
    1/`UNIT` of a level. A row needs the row above only up to `Kernel.skew` − 1 dots ahead, so all dots with
    the same ``column + skew × row`` are decided at once: ``w + skew × h`` steps instead of ``w × h``.
    What leaves at the borders is lost: at most half a level times its weights for each dot there.

    Parameters
    ----------
    tones : (h, w) int32
        `UNIT` to a level, 0 to `MOST_LEVELS` levels.
    kernel : Kernel
    above : (kernel.rows, w) int32, optional
        What the call for the rows above returned.

    Returns
    -------
    levels : (h, w) uint8
    below : (kernel.rows, w) int32
        Errors of the last rows, for the next block.
    """
    h, w = tones.shape
    reach, skew = kernel.rows, kernel.skew
    if above is None:
        above = np.full((reach, w), _ZERO_ERROR, np.int32)
    most_lag = max(across + skew * down for down, across, _ in kernel.taps)
    # work[t, r] is the dot of row r, column t - most_lag - skew * r; dots outside the image have no error
    steps, lanes = most_lag + w + skew * (h + reach - 1), h + reach
    total = np.empty((steps, lanes), np.int32)
    error = np.full((steps, lanes), _ZERO_ERROR, np.int32)
    upright = _upright(total, most_lag, skew, w)
    upright[reach:] = (tones << kernel.bits) + (1 << (kernel.bits - 1))
    _upright(error, most_lag, skew, w)[:reach] = above
    _sweep(total, error, kernel, most_lag, w)
    levels = (upright[reach:] >> UNIT_BITS).astype(np.uint8)
    return levels, _upright(error, most_lag, skew, w)[h:].copy()


def _upright(slanted: Tones, lead: int, skew: int, width: int) -> Tones:
    """View a slanted buffer as the image it holds, shape (lanes, width)."""
    down, across = slanted.strides
    lanes = slanted.shape[1]
    return as_strided(slanted[lead:], (lanes, width), (skew * down + across, down))


def _sweep(total: Tones, error: Tones, kernel: Kernel, lead: int, width: int) -> None:
    """Decide all dots, one slanted front after the other."""
    reach, skew = kernel.rows, kernel.skew
    lanes = total.shape[1]
    taps = [(across + skew * down, down, weight) for down, across, weight in kernel.taps]
    gathered, part = np.empty(lanes, np.int32), np.empty(lanes, np.int32)
    multiply, add, shift, mask = np.multiply, np.add, np.right_shift, np.bitwise_and
    # the loop is over fronts: each depends on those before it
    for t in range(lead + skew * reach, len(total)):
        past = t - lead
        low = max(reach, (past - width) // skew + 1)
        high = min(lanes, past // skew + 1)
        if low >= high:
            continue
        here = total[t, low:high]
        into, some = gathered[: high - low], part[: high - low]
        first = True
        for lag, down, weight in taps:
            source = error[t - lag, low - down : high - down]
            if first:
                multiply(source, weight, into)
                first = False
            elif weight == 1:
                add(into, source, into)
            else:
                multiply(source, weight, some)
                add(into, some, into)
        add(into, here, into)
        shift(into, kernel.bits, here)
        mask(here, UNIT - 1, error[t, low:high])


def dither(blocks: Iterable[Tones], kind: str) -> Iterator[Levels]:
    """Turn an image of tones, given in blocks of rows, into levels.

    Parameters
    ----------
    blocks : iterable of (h, w) int32
        From the top; `UNIT` to a level. How the image is cut does not change a dot.
    kind : str
        One of `DITHERS`.

    Yields
    ------
    (h, w) uint8
        Of each block.

    Raises
    ------
    InputError
        When the kind is unknown.

    Examples
    --------
    >>> grey = np.full((4, 4), UNIT // 2, np.int32)
    >>> next(dither([grey], "bayer")).tolist()
    [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    """
    if kind not in DITHERS:
        raise InputError(f"no dithering is called {kind!r}", remedy="one of " + ", ".join(DITHERS))
    row, above = 0, None
    for tones in blocks:
        if kind == "threshold":
            yield nearest(tones)
        elif kind == "bayer":
            yield ordered(tones, row)
        else:
            levels, above = diffuse(tones, KERNELS[kind], above)
            yield levels
        row += len(tones)
