"""Material removal: a stock as a height map, and what moves leave of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError
from fabctl.toolpath.cutter import Cutter
from fabctl.toolpath.fit import simplify
from fabctl.toolpath.flatten import cut_arcs
from fabctl.toolpath.moves import (
    ARC_CCW,
    ARC_CW,
    DWELL,
    FEED,
    MOVE,
    RAPID,
    Bools,
    Floats,
    Ints,
    Moves,
    starts,
    sweeps,
)
from fabctl.toolpath.sweep import Pieces, batches, swept

CELLS_AT_ONCE = 1 << 18
"""Cells worked on at a time: few enough for the processor's cache."""
GONE_MM = 1e-9
"""Less than this is not removed but rounded."""


@dataclass(frozen=True)
class HeightMap:
    """How high material stands over a grid of places.

    Parameters
    ----------
    origin_mm : (float, float)
        Lower left corner of the first cell, work coordinates.
    pitch_mm : float
        Width and depth of a cell.
    z_mm : (ny, nx) float64
        Height over the centre of each cell, exact there; row 0 is the lowest y.
    """

    origin_mm: tuple[float, float]
    pitch_mm: float
    z_mm: Floats

    def __post_init__(self) -> None:
        if not (self.pitch_mm > 0 and np.all(np.isfinite(self.origin_mm)) and self.z_mm.ndim == 2):
            raise InputError(
                f"no grid has a pitch of {self.pitch_mm} mm and the shape {self.z_mm.shape}",
                remedy="give a pitch above 0 and rows of cells",
            )
        self.z_mm.setflags(write=False)

    def centres(self) -> tuple[Floats, Floats]:
        """Return the x of each column, (nx,), and the y of each row, (ny,), mm."""
        ny, nx = self.z_mm.shape
        return _centres(self, np.arange(nx), 0), _centres(self, np.arange(ny), 1)

    def volume_mm3(self, floor_mm: float) -> float:
        """Measure what stands above a height, mm³."""
        return float(np.maximum(self.z_mm - floor_mm, 0.0).sum() * self.pitch_mm**2)


@dataclass(frozen=True)
class Engagement:
    """What each move takes away.

    Parameters
    ----------
    volume_mm3 : (n,) float64
    deepest_mm : (n,) float64
        Most that a move takes off any place.
    left : HeightMap
        What is left at the end.
    """

    volume_mm3: Floats
    deepest_mm: Floats
    left: HeightMap

    def rapids_through(self, moves: Moves, tolerance_mm: float = 1e-3) -> Ints:
        """List the rapids that go through material, ascending rows of `moves`."""
        return np.flatnonzero((moves["motion"] == RAPID) & (self.deepest_mm > tolerance_mm))


@dataclass(frozen=True)
class Difference:
    """How what is left differs from what was wanted.

    Parameters
    ----------
    over_mm : (ny, nx) float64
        Material left above the target; negative where it was gouged.
    gouged : (ny, nx) bool
        More than the tolerance below the target.
    remaining : (ny, nx) bool
        More than the tolerance above it.
    gouge_mm, gouge_mm3, remaining_mm3 : float
        Deepest gouge, and the volumes.
    """

    over_mm: Floats
    gouged: Bools
    remaining: Bools
    gouge_mm: float
    gouge_mm3: float
    remaining_mm3: float


def blank(
    width_mm: float,
    height_mm: float,
    pitch_mm: float,
    *,
    top_mm: float = 0.0,
    origin_mm: tuple[float, float] = (0.0, 0.0),
) -> HeightMap:
    """Return a flat stock.

    Parameters
    ----------
    width_mm, height_mm : float
        In x and y; rounded up to whole cells.
    pitch_mm : float
    top_mm : float
        Height of its upper side.
    origin_mm : (float, float)
        Lower left corner.

    Returns
    -------
    HeightMap

    Raises
    ------
    InputError
        When a size is not positive.
    """
    if not (width_mm > 0 and height_mm > 0 and pitch_mm > 0):
        raise InputError(
            f"a stock of {width_mm} × {height_mm} mm in cells of {pitch_mm} mm has no place to cut",
            remedy="give sizes above 0",
        )
    shape = (int(np.ceil(height_mm / pitch_mm - 1e-9)), int(np.ceil(width_mm / pitch_mm - 1e-9)))
    return HeightMap(origin_mm, pitch_mm, np.full(shape, float(top_mm)))


def remove(stock: HeightMap, moves: Moves, start: NDArray[np.float64], cutter: Cutter) -> HeightMap:
    """Cut a stock with moves, rapids too if they touch it.

    Parameters
    ----------
    stock : HeightMap
    moves : (n,) MOVE
        The point is the cutter's tip.
    start : (3,) float64
        mm.
    cutter : Cutter

    Returns
    -------
    HeightMap
        Exact at every cell's centre for lines, plunges and ramps and for level arcs; helices are cut as
        chords a thousandth of the pitch off.
    """
    z = stock.z_mm.ravel().copy()
    pieces = _pieces(moves, start, stock.pitch_mm, cutter.radius_mm)
    below = np.minimum(pieces.begin[:, 2], pieces.end[:, 2]) < z.max(initial=-np.inf)
    pieces = pieces.take(below)
    for _, cell, height in _swept_cells(stock, pieces, cutter):
        np.minimum.at(z, cell, height)
    return HeightMap(stock.origin_mm, stock.pitch_mm, z.reshape(stock.z_mm.shape))


def remove_along(stock: HeightMap, points_mm: ArrayLike, cutter: Cutter) -> HeightMap:
    """Cut a stock along a polyline, such as a controller's traced way.

    Parameters
    ----------
    stock : HeightMap
    points_mm : (k, 3) float
    cutter : Cutter

    Returns
    -------
    HeightMap
        As `remove`, of the polyline simplified to a fiftieth of the pitch.
    """
    points = np.asarray(points_mm, float).reshape(-1, 3)
    if not len(points):
        return stock
    points = points[simplify(points, stock.pitch_mm / 50)]
    moves = np.zeros(len(points), MOVE)
    moves["motion"] = FEED
    moves["xyz"] = points
    return remove(stock, moves, points[0], cutter)


def engage(
    stock: HeightMap, moves: Moves, start: NDArray[np.float64], cutter: Cutter, floor_mm: float = -np.inf
) -> Engagement:
    """Cut a stock and tell what each move took away of it as it was then.

    Parameters
    ----------
    stock : HeightMap
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    cutter : Cutter
    floor_mm : float
        Underside of the stock: below it there is nothing to take away.

    Returns
    -------
    Engagement
    """
    z = stock.z_mm.ravel().copy()
    volume, deepest = np.zeros(len(moves)), np.zeros(len(moves))
    pieces = _pieces(moves, start, stock.pitch_mm, cutter.radius_mm)
    below = np.minimum(pieces.begin[:, 2], pieces.end[:, 2]) < z.max(initial=-np.inf)
    pieces = pieces.take(below)
    for batch in _swept_cells(stock, pieces, cutter):
        piece, cell, height = _deeper(batch, z, floor_mm)
        if not len(cell):
            continue
        fresh = np.append(True, cell[1:] != cell[:-1])
        head = np.flatnonzero(fresh)
        was = _minimum_before(height, fresh, np.maximum(z[cell[head]], floor_mm))
        taken = np.maximum(was - height, 0.0)
        owner = pieces.move[piece]
        volume += np.bincount(owner, taken, minlength=len(moves)) * stock.pitch_mm**2
        np.maximum.at(deepest, owner, taken)
        z[cell[head]] = np.minimum(z[cell[head]], np.minimum.reduceat(height, head))
    left = HeightMap(stock.origin_mm, stock.pitch_mm, z.reshape(stock.z_mm.shape))
    return Engagement(volume, deepest, left)


def compare(left: HeightMap, target: HeightMap, tolerance_mm: float) -> Difference:
    """Compare what is left with what was wanted.

    Parameters
    ----------
    left, target : HeightMap
        On the same grid.
    tolerance_mm : float
        Less than this is neither gouge nor rest.

    Returns
    -------
    Difference

    Raises
    ------
    InputError
        When the grids differ.
    """
    same = left.z_mm.shape == target.z_mm.shape and left.pitch_mm == target.pitch_mm
    if not (same and left.origin_mm == target.origin_mm):
        raise InputError(
            "two height maps on different grids cannot be compared", remedy="use one grid for both"
        )
    over = left.z_mm - target.z_mm
    gouged, remaining = over < -tolerance_mm, over > tolerance_mm
    cell = left.pitch_mm**2
    return Difference(
        over,
        gouged,
        remaining,
        float(np.maximum(-over, 0.0).max(initial=0.0)),
        float(-over[gouged].sum() * cell),
        float(over[remaining].sum() * cell),
    )


def _deeper(batch: tuple[Ints, Ints, Floats], z: Floats, floor_mm: float) -> tuple[Ints, Ints, Floats]:
    """Keep the entries that cut, sorted by cell and on each cell in the order of the moves."""
    piece, cell, height = batch
    cuts = np.flatnonzero(height < z[cell] - GONE_MM)
    cuts = cuts[np.argsort(cell[cuts], kind="stable")]
    return piece[cuts], cell[cuts], np.maximum(height[cuts], floor_mm)


def _minimum_before(height: Floats, fresh: Bools, was: Floats) -> Floats:
    """Return the height each entry found: the least of those before it on its cell, (n,)."""
    run = np.cumsum(fresh) - 1
    # Runs follow one another downward, so that one running minimum serves them all.
    low = min(float(height.min()), float(was.min()))
    span = max(float(height.max()), float(was.max())) - low + 1.0
    shifted = height - low - run * span
    least = np.minimum.accumulate(shifted) + low + run * span
    before = np.empty_like(height)
    before[1:] = least[:-1]
    before[fresh] = was
    return before


def _swept_cells(stock: HeightMap, pieces: Pieces, cutter: Cutter) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Yield, batch by batch in the order of the moves, piece, cell and height of every cell touched."""
    ny, nx = stock.z_mm.shape
    for piece, row, column in batches(
        pieces, cutter.radius_mm, stock.origin_mm, stock.pitch_mm, (ny, nx), CELLS_AT_ONCE
    ):
        x, y = _centres(stock, column, 0), _centres(stock, row, 1)
        height, inside = swept(pieces, piece, x, y, cutter)
        yield piece[inside], (row * nx + column)[inside], height[inside]


def _centres(grid: HeightMap, index: Ints, axis: int) -> Floats:
    """Return where the centres of columns (axis 0) or rows (axis 1) lie, mm."""
    return np.asarray(grid.origin_mm[axis] + (index + 0.5) * grid.pitch_mm, np.float64)


def _pieces(moves: Moves, start: NDArray[np.float64], pitch_mm: float, radius_mm: float) -> Pieces:
    """Cut moves into lines and level arcs of at most a quarter turn and a few cutters' length."""
    begin = starts(moves, start)
    if not (np.all(np.isfinite(begin)) and np.all(np.isfinite(moves["xyz"]))):
        raise InputError("a move to cut with is not finite", remedy="repair the program")
    turn = sweeps(moves, start)
    radius = np.hypot(moves["ij"][:, 0], moves["ij"][:, 1])
    arc = (moves["motion"] == ARC_CW) | (moves["motion"] == ARC_CCW)
    level = arc & (begin[:, 2] == moves["xyz"][:, 2])
    step = 2 * np.arccos(1 - np.minimum(pitch_mm / 1000 / np.maximum(radius, pitch_mm), 1.0))
    short = np.minimum(np.pi / 2, 8 * radius_mm / np.maximum(radius, pitch_mm))
    count = np.abs(turn) / np.where(level, short, step)
    points, move = cut_arcs(moves, start, np.maximum(np.ceil(count - 1e-9), 1).astype(np.int64))
    ends = np.ascontiguousarray(points.T)
    heads = np.vstack((np.reshape(start, (1, 3)), ends[:-1])) if len(ends) else ends
    centre = begin[:, :2] + moves["ij"]
    real = (moves["motion"] != DWELL)[move]
    whole = Pieces(heads, ends, centre[move], np.where(level, np.sign(turn), 0.0)[move], move)
    return whole.take(real)
