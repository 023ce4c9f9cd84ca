"""Places where a cutter's axis may stand, sorted into rows, and those of them in many regions at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 1 << 15
"""Numbers of ranges worked on at once: some ten arrays of this length stay in the processor's cache."""

_PLACES_PER_CELL = 2.0
"""Arbitrary places are sorted into square cells with about so many in each."""


@dataclass(frozen=True)
class Grid:
    """Places in rows and columns at one distance.

    Parameters
    ----------
    x_mm, y_mm : float
        The first place, lowest x and y.
    step_mm : float
        From place to place along both axes.
    columns, rows : int

    Raises
    ------
    InputError
        When the step is not above 0 or a number is not finite or negative.

    Examples
    --------
    >>> Grid(0.0, 5.0, 0.5, 3, 2).points_mm()[[0, 2, 5]].tolist()
    [[0.0, 5.0], [1.0, 5.0], [1.0, 5.5]]
    """

    x_mm: float
    y_mm: float
    step_mm: float
    columns: int
    rows: int

    def __post_init__(self) -> None:
        finite = bool(np.isfinite([self.x_mm, self.y_mm, self.step_mm]).all())
        if not finite or self.step_mm <= 0 or self.columns < 0 or self.rows < 0:
            raise InputError(f"no grid is like this: {self}", remedy="give a step above 0 and finite numbers")

    def x_of(self, column: ArrayLike) -> Floats:
        """Return x of columns, mm."""
        return np.asarray(self.x_mm + np.asarray(column) * self.step_mm)

    def y_of(self, row: ArrayLike) -> Floats:
        """Return y of rows, mm."""
        return np.asarray(self.y_mm + np.asarray(row) * self.step_mm)

    def points_mm(self) -> Floats:
        """List all places row by row, shape (rows · columns, 2), mm."""
        x, y = np.meshgrid(self.x_of(np.arange(self.columns)), self.y_of(np.arange(self.rows)))
        return np.column_stack((x.reshape(-1), y.reshape(-1)))


class Places(Protocol):
    """Places in rows; a row is a line or a band of y."""

    def rows_between(self, low_mm: Floats, high_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first row that has something of each range of y, and the one after the last."""

    def band_mm(self, row: Ints) -> tuple[Floats, Floats]:
        """Bound y of rows."""

    def places_between(self, row: Ints, left_mm: Floats, right_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first place of a row in each range of x, and the one after the last."""


class Nodes:
    """The places of a grid; rows are lines.

    Parameters
    ----------
    grid : Grid
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.count = grid.columns * grid.rows
        self.x = np.tile(grid.x_of(np.arange(grid.columns)), grid.rows)
        self.y = np.repeat(grid.y_of(np.arange(grid.rows)), grid.columns)
        self.exact_rows = True

    def rows_between(self, low_mm: Floats, high_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first row in bounds and the row after the last."""
        grid = self.grid
        return _between(low_mm, high_mm, grid.y_mm, grid.step_mm, grid.rows)

    def band_mm(self, row: Ints) -> tuple[Floats, Floats]:
        """Bound y of the places in rows."""
        y = self.grid.y_of(row)
        return y, y

    def places_between(self, row: Ints, left_mm: Floats, right_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first place in bounds and the one after the last, in the order of `x` and `y`."""
        grid = self.grid
        first, last = _between(left_mm, right_mm, grid.x_mm, grid.step_mm, grid.columns)
        start = row * grid.columns
        return start + first, start + last


class Cells:
    """Arbitrary places sorted into the square cells of a grid; rows are bands.

    Parameters
    ----------
    points_mm : (n, 2) float64
        At least one.
    """

    def __init__(self, points_mm: Floats) -> None:
        low, high = points_mm.min(axis=0), points_mm.max(axis=0)
        width, depth = np.maximum(high - low, 1e-9)
        step = max(
            float(np.sqrt(width * depth * _PLACES_PER_CELL / len(points_mm))), max(width, depth) / 65536
        )
        columns, rows = int(width / step) + 1, int(depth / step) + 1
        self.grid = Grid(float(low[0]), float(low[1]), step, columns, rows)
        cell = np.clip(((points_mm - low) / step).astype(np.int64), 0, [columns - 1, rows - 1])
        number = cell[:, 1] * columns + cell[:, 0]
        self.order = np.argsort(number, kind="stable")
        self.x, self.y = np.ascontiguousarray(points_mm[self.order].T)
        self.count = len(points_mm)
        self.start = np.searchsorted(number[self.order], np.arange(columns * rows + 1))
        self.exact_rows = False

    def rows_between(self, low_mm: Floats, high_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first row of cells in bounds and the row after the last."""
        grid = self.grid
        return cells_between(low_mm, high_mm, grid.y_mm, grid.step_mm, grid.rows)

    def band_mm(self, row: Ints) -> tuple[Floats, Floats]:
        """Bound y of the places in rows of cells, a little wider than they are."""
        low = self.grid.y_of(row)
        slack = 1e-9 * self.grid.step_mm + 1e-13 * np.abs(low)
        return low - slack, low + self.grid.step_mm + slack

    def places_between(self, row: Ints, left_mm: Floats, right_mm: Floats) -> tuple[Ints, Ints]:
        """Return the first place in the cells in bounds and the one after the last."""
        grid = self.grid
        first, last = cells_between(left_mm, right_mm, grid.x_mm, grid.step_mm, grid.columns)
        start = row * grid.columns
        return self.start[start + first], self.start[start + np.maximum(last, first)]


def ranges(first: Ints, last: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the numbers of many ranges, in blocks.

    Parameters
    ----------
    first, last : (n,) int64
        Range i has the numbers from first to before last; none when last is not above first.

    Yields
    ------
    which, number : (k,) int64
        The range and the number; k stays near `BLOCK` unless a single range is longer.

    Examples
    --------
    >>> [(a.tolist(), b.tolist()) for a, b in ranges(np.array([5, 3, 0]), np.array([7, 3, 1]))]
    [([0, 0, 2], [5, 6, 0])]
    """
    some = np.flatnonzero(last > first)
    count = last[some] - first[some]
    end = np.cumsum(count)
    done = 0
    # A block at a time, so that memory is bounded and the arrays stay in cache.
    while done < len(some):
        base = end[done] - count[done]
        stop = max(int(np.searchsorted(end, base + BLOCK, side="right")), done + 1)
        part = slice(done, stop)
        which = np.repeat(some[part], count[part])
        number = np.arange(end[stop - 1] - base)
        number += np.repeat(first[some[part]] - (end[part] - count[part] - base), count[part])
        yield which, number
        done = stop


def _between(low: Floats, high: Floats, origin: float, step: float, count: int) -> tuple[Ints, Ints]:
    """Return the first node at or above low and the one after the last at or below high."""
    first = np.ceil(np.clip((low - origin) / step, 0, count))
    last = np.floor(np.clip((high - origin) / step, -1, count - 1)) + 1
    return first.astype(np.int64), last.astype(np.int64)


def cells_between(low: Floats, high: Floats, origin: float, step: float, count: int) -> tuple[Ints, Ints]:
    """Find the cells of a row that ranges touch.

    Parameters
    ----------
    low, high : (n,) float64
        mm; a range with low above high touches none.
    origin, step : float
        Where the first cell begins and how wide each is, mm.
    count : int

    Returns
    -------
    first, last : (n,) int64
        The first cell and the one after the last, within 0…count.
    """
    slack = 1e-9
    first = np.floor(np.clip((low - origin) / step - slack, 0, count))
    last = np.floor(np.clip((high - origin) / step + slack, -1, count - 1)) + 1
    return first.astype(np.int64), np.where(low <= high, last, first).astype(np.int64)
