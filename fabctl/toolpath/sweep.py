"""Which cells a cutter passes over on each piece of its way, and how deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fabctl.toolpath.cutter import Cutter
from fabctl.toolpath.moves import Bools, Floats, Ints


@dataclass(frozen=True)
class Pieces:
    """Straight pieces and level arcs of at most a quarter turn.

    Parameters
    ----------
    begin, end : (k, 3) float64
        mm.
    centre : (k, 2) float64
        Of arcs, mm.
    sense : (k,) float64
        1 counter-clockwise, −1 clockwise, 0 straight.
    move : (k,) int64
        The move each belongs to.
    """

    begin: Floats
    end: Floats
    centre: Floats
    sense: Floats
    move: Ints

    def take(self, keep: Bools) -> Pieces:
        """Return some of the pieces."""
        return Pieces(self.begin[keep], self.end[keep], self.centre[keep], self.sense[keep], self.move[keep])


def batches(
    pieces: Pieces,
    radius_mm: float,
    origin_mm: tuple[float, float],
    pitch_mm: float,
    shape: tuple[int, int],
    size: int,
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield piece, row and column of all cells a cutter may touch, in the order of the pieces.

    Parameters
    ----------
    pieces : Pieces
    radius_mm : float
    origin_mm, pitch_mm, shape
        The grid: corner, mm; pitch, mm; rows and columns.
    size : int
        Cells in a batch; a single row of cells may exceed it.

    Yields
    ------
    piece, row, column : (c,) int64
    """
    piece, row = _rows(pieces, radius_mm, origin_mm[1], pitch_mm, shape[0])
    y = np.asarray(origin_mm[1] + (row + 0.5) * pitch_mm, np.float64)
    left, right = _reach(pieces, piece, y, radius_mm)
    first = np.clip(np.ceil((left - origin_mm[0]) / pitch_mm - 0.5 - 1e-9), 0, shape[1]).astype(np.int64)
    past = np.clip(np.floor((right - origin_mm[0]) / pitch_mm - 0.5 + 1e-9) + 1, 0, shape[1])
    count = np.maximum(past.astype(np.int64) - first, 0)
    some = count > 0
    piece, row, first, count = piece[some], row[some], first[some], count[some]
    total = np.cumsum(count)
    low = 0
    while low < len(count):
        base = total[low] - count[low]
        high = max(int(np.searchsorted(total, base + size, side="right")), low + 1)
        part = slice(low, high)
        shift = first[part] - (total[part] - count[part] - base)
        column = np.arange(total[high - 1] - base) + np.repeat(shift, count[part])
        yield np.repeat(piece[part], count[part]), np.repeat(row[part], count[part]), column
        low = high


def _rows(
    pieces: Pieces, radius_mm: float, origin_mm: float, pitch_mm: float, rows: int
) -> tuple[Ints, Ints]:
    """Return each piece with each row of cells it may touch."""
    low = np.minimum(pieces.begin[:, 1], pieces.end[:, 1])
    high = np.maximum(pieces.begin[:, 1], pieces.end[:, 1])
    bulge = _sagitta(pieces)
    low, high = low - bulge - radius_mm, high + bulge + radius_mm
    first = np.clip(np.ceil((low - origin_mm) / pitch_mm - 0.5 - 1e-9), 0, rows).astype(np.int64)
    past = np.clip(np.floor((high - origin_mm) / pitch_mm - 0.5 + 1e-9) + 1, 0, rows).astype(np.int64)
    count = np.maximum(past - first, 0)
    piece = np.repeat(np.arange(len(count)), count)
    return piece, np.arange(len(piece)) + np.repeat(first - (np.cumsum(count) - count), count)


def _sagitta(pieces: Pieces) -> Floats:
    """Return how far each arc goes beyond the box of its ends at most, 0 for lines, (k,) mm."""
    arm = pieces.begin[:, :2] - pieces.centre
    chord = pieces.end[:, :2] - pieces.begin[:, :2]
    radius2, quarter = np.sum(arm * arm, axis=1), np.sum(chord * chord, axis=1) / 4
    sagitta = np.sqrt(radius2) - np.sqrt(np.maximum(radius2 - quarter, 0.0))
    return np.where(pieces.sense != 0, sagitta, 0.0)


def _reach(pieces: Pieces, piece: Ints, y: Floats, radius_mm: float) -> tuple[Floats, Floats]:
    """Return the stretch of each row a piece may touch: of a line exact, of an arc its box."""
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for place in (pieces.begin, pieces.end):
        half2 = radius_mm**2 - (y - place[piece, 1]) ** 2
        half = np.sqrt(np.maximum(half2, 0.0))
        on = half2 >= 0
        left = np.where(on, np.minimum(left, place[piece, 0] - half), left)
        right = np.where(on, np.maximum(right, place[piece, 0] + half), right)
    step = pieces.end[:, :2] - pieces.begin[:, :2]
    length = np.hypot(step[:, 0], step[:, 1])
    ux, uy = (step / np.where(length > 0, length, 1.0)[:, None]).T
    up = y - pieces.begin[piece, 1]
    low, high = np.full(len(y), -np.inf), np.full(len(y), np.inf)
    # Between its ends a line reaches where 0 ≤ along ≤ length and |aside| ≤ radius, two bands of x.
    for slope, at, least, most in (
        (ux[piece], up * uy[piece], 0.0, length[piece]),
        (-uy[piece], up * ux[piece], -radius_mm, radius_mm),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (least - at) / slope, (most - at) / slope
        tilted = np.abs(slope) > 1e-12
        within = (at >= least - 1e-9) & (at <= most + 1e-9)
        low = np.maximum(low, np.where(tilted, np.minimum(one, other), np.where(within, -np.inf, np.inf)))
        high = np.minimum(high, np.where(tilted, np.maximum(one, other), np.where(within, np.inf, -np.inf)))
    band = (low <= high) & (length[piece] > 0)
    x = pieces.begin[piece, 0]
    left = np.where(band, np.minimum(left, x + low), left)
    right = np.where(band, np.maximum(right, x + high), right)
    return _ring(pieces, piece, left, right, radius_mm)


def _ring(
    pieces: Pieces, piece: Ints, left: Floats, right: Floats, radius_mm: float
) -> tuple[Floats, Floats]:
    """Widen the stretches of arcs to the box of arc and cutter."""
    arc = pieces.sense[piece] != 0
    if not arc.any():
        return left, right
    more = _sagitta(pieces) + radius_mm
    x0 = np.minimum(pieces.begin[:, 0], pieces.end[:, 0]) - more
    x1 = np.maximum(pieces.begin[:, 0], pieces.end[:, 0]) + more
    return np.where(arc, x0[piece], left), np.where(arc, x1[piece], right)


def swept(pieces: Pieces, piece: Ints, x: Floats, y: Floats, cutter: Cutter) -> tuple[Floats, Bools]:
    """Return the lowest height the cutter reaches over places on its pieces, and whether it does.

    Parameters
    ----------
    pieces : Pieces
    piece : (c,) int64
        The piece asked for at each place.
    x, y : (c,) float64
        mm.
    cutter : Cutter

    Returns
    -------
    height_mm : (c,) float64
    inside : (c,) bool
    """
    step = pieces.end - pieces.begin
    length = np.hypot(step[:, 0], step[:, 1])
    safe = np.where(length > 0, length, 1.0)
    ux, uy = step[:, 0] / safe, step[:, 1] / safe
    slope = np.where(length > 0, step[:, 2] / safe, 0.0)
    level = np.where(length > 0, pieces.begin[:, 2], np.minimum(pieces.begin[:, 2], pieces.end[:, 2]))
    dx, dy = x - pieces.begin[piece, 0], y - pieces.begin[piece, 1]
    along = dx * ux[piece] + dy * uy[piece]
    aside2 = dx * dx + dy * dy
    radius2 = cutter.radius_mm**2
    if slope.any():
        aside2 = np.maximum(aside2 - along * along, 0.0)
        # Where nothing rises the nearest place cuts deepest; else the cutter is behind or ahead of it.
        rising = np.flatnonzero((slope[piece] != 0) & (aside2 <= radius2))
        lag = np.zeros(len(piece))
        lag[rising] = cutter.lag_mm(aside2[rising], slope[piece[rising]])
        at = np.minimum(np.maximum(along - lag, 0.0), length[piece])
        ahead = along - at
        square = aside2 + ahead * ahead
        base = level[piece] + slope[piece] * at
    else:
        at = np.minimum(np.maximum(along, 0.0), length[piece])
        square = aside2 - at * (2 * along - at)
        base = level[piece]
    if np.any(pieces.sense):
        curved = np.flatnonzero(pieces.sense[piece])
        square[curved] = _from_arc(pieces, piece[curved], x[curved], y[curved])
    return base + cutter.height_mm(square), square <= radius2 * (1 + 1e-12)


def _from_arc(pieces: Pieces, piece: Ints, x: Floats, y: Floats) -> Floats:
    """Return squared distances of places from level arcs below a half turn, (c,) mm²."""
    px, py = x - pieces.centre[piece, 0], y - pieces.centre[piece, 1]
    a = (pieces.begin[:, :2] - pieces.centre)[piece]
    b = (pieces.end[:, :2] - pieces.centre)[piece]
    sense = pieces.sense[piece]
    between = (sense * (a[:, 0] * py - a[:, 1] * px) >= 0) & (sense * (px * b[:, 1] - py * b[:, 0]) >= 0)
    near = np.hypot(px, py) - np.hypot(a[:, 0], a[:, 1])
    ends = np.minimum((px - a[:, 0]) ** 2 + (py - a[:, 1]) ** 2, (px - b[:, 0]) ** 2 + (py - b[:, 1]) ** 2)
    return np.asarray(np.where(between, near * near, ends), np.float64)
