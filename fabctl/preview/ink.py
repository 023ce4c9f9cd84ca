"""Very many short strokes as pixels: whole arrays where a drawing library takes one line a call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LONG_PX = 64
"""Longer pieces are drawn one by one: there each call has much to do."""
CHUNK_ROWS = 1 << 16
"""Pieces looked at together: their columns stay in the processor's cache."""


def ink(points: Floats, offsets: Ints, shape: tuple[int, int], width_px: int) -> Bools:
    """Find the pixels polylines cover.

    Parameters
    ----------
    points : (n, 2) float64
        px, x to the right and y down, all polylines one after the other; whole numbers are pixel centres.
        What lies outside the picture leaves no ink, or some at its edge.
    offsets : (m + 1,) int64
        Polyline i has the points ``offsets[i]:offsets[i + 1]``.
    shape : (int, int)
        Height and width of the picture.
    width_px : int
        Of the line, at least 1.

    Returns
    -------
    (height, width) bool
        Points are rounded to pixels first, so no edge is off by more than one.

    Examples
    --------
    >>> stair = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 2.0]])
    >>> ink(stair, np.array([0, 3]), (3, 5), 1).astype(int)
    array([[1, 1, 1, 1, 0],
           [0, 0, 0, 1, 0],
           [0, 0, 0, 1, 0]])
    """
    height, width = shape
    cells = np.clip(np.rint(points), 0, (width - 1, height - 1)).astype(np.int32)
    mask = np.zeros(shape, bool)
    flat = mask.reshape(-1)
    flat[cells[:, 1].astype(np.int64) * width + cells[:, 0]] = True
    size = np.abs(cells[1:] - cells[:-1]).max(axis=1) if len(cells) > 1 else np.zeros(0, np.int32)
    size[offsets[1:-1] - 1] = 0  # from the end of a polyline to the next one's beginning no line leads
    _short(cells, np.flatnonzero((size > 1) & (size <= LONG_PX)), size, flat, width)
    _long(cells, np.flatnonzero(size > LONG_PX), mask)
    return widened(mask, width_px)


def _short(cells: NDArray[np.int32], rows: Ints, size: NDArray[np.int32], flat: Bools, width: int) -> None:
    """Mark the pixels between the ends of short pieces: all of a chunk take their k-th step together."""
    for begin in range(0, len(rows), CHUNK_ROWS):
        some = rows[begin : begin + CHUNK_ROWS]
        some = some[np.argsort(-size[some], kind="stable")]  # those still under way are always the first ones
        count = size[some]
        at = cells[some].T + np.float32(0.5)
        step = (cells[some + 1] - cells[some]).T / count.astype(np.float32)
        for k in range(1, int(count[0])):
            under_way = int(np.searchsorted(-count, -k))
            at, step = at[:, :under_way], step[:, :under_way]
            at += step
            flat[at[1].astype(np.int64) * width + at[0].astype(np.int32)] = True


def _long(cells: NDArray[np.int32], rows: Ints, mask: Bools) -> None:
    """Mark the pixels of long pieces, those that fall on each other once."""
    if not len(rows):
        return
    ends = np.unique(np.hstack((cells[rows], cells[rows + 1])), axis=0)
    image = Image.new("L", mask.shape[::-1])
    draw = ImageDraw.Draw(image)
    for piece in ends.tolist():  # pillow takes one line a call
        draw.line(piece, fill=1)
    mask |= np.asarray(image, bool)


def widened(mask: Bools, width_px: int) -> Bools:
    """Widen thin lines to discs of a diameter around each pixel.

    Parameters
    ----------
    mask : (height, width) bool
    width_px : int
        1 leaves the mask as it is; an even one has its odd pixel to the right and below, as pillow's.

    Returns
    -------
    (height, width) bool
    """
    if width_px % 2 == 0:
        mask = mask.copy()
        mask[1:] |= mask[:-1].copy()
        mask[:, 1:] |= mask[:, :-1].copy()
    if width_px <= 2:
        return mask
    radius = (width_px - 1) // 2 + 0.5
    across = _across(mask, int(radius) + 1)
    wide = across <= np.int16(radius)
    for dy in range(1, min(int(radius) + 1, len(mask))):
        near = across <= np.int16(np.sqrt(radius * radius - dy * dy))
        wide[dy:] |= near[:-dy]
        wide[:-dy] |= near[dy:]
    return wide


def _across(mask: Bools, most: int) -> NDArray[np.int16]:
    """Return how far to the left or right the next ink is, px, at most `most`."""
    column = np.arange(mask.shape[1], dtype=np.int16)
    before = np.maximum.accumulate(np.where(mask, column, np.int16(-most)), axis=1)
    behind = np.where(mask, column, np.int16(mask.shape[1] + most))[:, ::-1]
    behind = np.minimum.accumulate(behind, axis=1)[:, ::-1]
    distance: NDArray[np.int16] = np.minimum(np.minimum(column - before, behind - column), np.int16(most))
    return distance
