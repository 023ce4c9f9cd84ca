"""How well one line or arc stands for a stretch of points.

Stretches come many at once, by their first and last vertex. A gauge knows two ways to look at them: `probe`
takes a few points of each and finds the best piece, quickly; `measure` takes every point and every chord and
says how far the piece is off. All errors are shares of what is allowed: up to 1 a piece holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fabctl.toolpath.moves import Floats, Ints


class Gauge(Protocol):
    """What the growing of pieces needs to know of them."""

    growth: float
    """How an error grows with the length of a piece: this power of it."""
    lane_points: int
    """Much longer stretches are worked on as lanes of about so many points."""

    def probe(self, begin: Ints, end: Ints) -> tuple[Floats, Floats]:
        """Return error and bend of the best piece over each stretch, from a few of its points."""
        ...

    def measure(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return the error of pieces over all their points; infinite where the way turns back."""
        ...

    def bulge(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return the bulge of each piece."""
        ...


@dataclass(frozen=True)
class Bends:
    """What an arc must keep to.

    Parameters
    ----------
    grid_mm : float
        Spacing the centre will be rounded to; 0 leaves it exact.
    farthest_mm : float
        Largest radius.
    """

    grid_mm: float
    farthest_mm: float


def spread(begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """List the vertices of stretches, both ends included.

    Parameters
    ----------
    begin, end : (k,) int64

    Returns
    -------
    row : (r,) int64
        Vertices of the first stretch, then of the second …
    size, head : (k,) int64
        How many each has, and where its first stands in `row`.

    Examples
    --------
    >>> [part.tolist() for part in spread(np.array([0, 5]), np.array([2, 6]))]
    [[0, 1, 2, 5, 6], [3, 2], [0, 3]]
    """
    size = end - begin + 1
    head = np.cumsum(size) - size
    return np.arange(size.sum()) + np.repeat(begin - head, size), size, head


def inner(begin: Ints, end: Ints, count: int) -> Ints:
    """Choose vertices evenly between the ends of stretches; all of them where there are no more.

    Parameters
    ----------
    begin, end : (k,) int64
    count : int

    Returns
    -------
    (count, k) int64
        Ascending down each column.

    Examples
    --------
    >>> inner(np.array([0, 10]), np.array([100, 13]), 4).T.tolist()
    [[13, 38, 62, 87], [11, 11, 12, 12]]
    """
    odd = np.arange(1, 2 * count, 2)[:, None]
    return np.asarray(begin + 1 + odd * (end - begin - 1) // (2 * count), np.int64)


class LineGauge:
    """Lines between vertices of a polyline in two or three dimensions.

    Parameters
    ----------
    points : (n, d) float64
        mm.
    tolerance_mm : float
        Largest distance of a vertex from its line; steps along the line never go back.
    """

    growth = 2.0
    lane_points = 256
    _PROBED = 5

    def __init__(self, points: Floats, tolerance_mm: float) -> None:
        # column by column: gathers of rows are several times slower
        self._columns = [np.ascontiguousarray(column) for column in points.T]
        # exactly on the line is within a tolerance of nothing
        self._allowed2 = max(tolerance_mm**2, np.finfo(float).tiny)

    def _chords(self, begin: Ints, end: Ints) -> list[Floats]:
        chord = [column[end] - column[begin] for column in self._columns]
        length = np.sqrt(sum((part * part for part in chord), np.zeros(len(begin))))
        length[length == 0] = 1.0
        return [part / length for part in chord]

    def probe(self, begin: Ints, end: Ints) -> tuple[Floats, Floats]:
        """Return the error of the line over each stretch at five of its vertices; no line is bent."""
        at = inner(begin, end, self._PROBED)
        square, along = np.zeros(at.shape), np.zeros(at.shape)
        for column, unit in zip(self._columns, self._chords(begin, end), strict=True):
            offset = column[at] - column[begin]
            square += offset * offset
            offset *= unit
            along += offset
        along *= along
        square -= along
        return np.sqrt(np.maximum(square.max(axis=0), 0.0) / self._allowed2), np.zeros(len(begin))

    def measure(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return the error of the line over each stretch; `bend` is not looked at."""
        del bend
        row, size, head = spread(begin, end)
        square, along = np.zeros(len(row)), np.zeros(len(row))
        for column, unit in zip(self._columns, self._chords(begin, end), strict=True):
            offset = column[row]
            offset -= np.repeat(column[begin], size)
            square += offset * offset
            offset *= np.repeat(unit, size)
            along += offset
        onward = np.empty(len(row))
        np.subtract(along[1:], along[:-1], out=onward[1:])
        onward[head] = 0.0
        along *= along
        square -= along
        off = np.sqrt(np.maximum(np.maximum.reduceat(square, head), 0.0) / self._allowed2)
        return np.where(np.minimum.reduceat(onward, head) >= 0, off, np.inf)

    def bulge(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return zeros."""
        del end, bend
        return np.zeros(len(begin))


class ArcGauge:
    """Lines and arcs through both end vertices of each stretch.

    With the chord from (−c, 0) to (c, 0) the circles through both ends are those round (0, k). Their *bend*
    is w = 1/2k, half the curvature seen from far away and 0 for the line, and a point lies on one where
    g = w·(x² + y² − c²) − y vanishes. Its distance from the circle is exactly g / (ρ + √(ρ² + |w|·g)) with
    ρ² = ¼ + c²w², g counted outwards: so the largest and the smallest g of a stretch tell all, without a
    division by a bend that may be nothing.

    Parameters
    ----------
    points : (n, 2) float64
        The way as drawn, mm.
    landed : (n, 2) float64
        Where pieces may begin and end: the same, perhaps rounded.
    tolerance_mm : float
        Largest distance, vertices and chords alike.
    bends : Bends
    """

    growth = 3.0
    lane_points = 1024
    _PROBED = 11

    def __init__(self, points: Floats, landed: Floats, tolerance_mm: float, bends: Bends) -> None:
        self._x, self._y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
        self._left, self._low = self._x, self._y
        if landed is not points:
            self._left, self._low = np.ascontiguousarray(landed[:, 0]), np.ascontiguousarray(landed[:, 1])
        self._step_x = np.diff(self._x, append=self._x[-1:])
        self._step_y = np.diff(self._y, append=self._y[-1:])
        # a chord comes nearer to a centre than its ends: by no more than its half length allows
        self._quarter = self._step_x * self._step_x
        self._quarter += self._step_y * self._step_y
        self._quarter *= 0.25
        self._sag = self._quarter.copy()
        np.maximum(self._quarter[1:], self._quarter[:-1], out=self._sag[1:])
        self._tolerance_mm = tolerance_mm
        self._bends = bends

    def _chords(self, begin: Ints, end: Ints) -> tuple[Floats, ...]:
        """Return first point, half chord, unit vector and c² of each stretch."""
        x, y = self._left[begin], self._low[begin]
        half_x, half_y = (self._left[end] - x) / 2, (self._low[end] - y) / 2
        c2 = half_x * half_x + half_y * half_y
        c = np.sqrt(c2)
        c[c == 0] = 1.0
        return x, y, half_x, half_y, half_x / c, half_y / c, c2

    def probe(self, begin: Ints, end: Ints) -> tuple[Floats, Floats]:
        """Return error and bend of the best line or arc over each stretch, from eleven of its vertices.

        The circle begins as that through the middle one and is set by two exchanges as Remez does them: the
        two vertices that lie farthest out and farthest in become equally far. A line is taken where it does.

        Source
        ------
        E. Remez 1934, for the exchange.
        """
        at = inner(begin, end, self._PROBED)
        from_x, from_y, half_x, half_y, unit_x, unit_y, c2 = self._chords(begin, end)
        x, y = self._x[at] - from_x, self._y[at] - from_y
        aside = y * unit_x
        aside -= x * unit_y
        x -= half_x
        y -= half_y
        excess = x * x
        excess += y * y
        excess -= c2
        middle = len(at) // 2
        # of a half circle the excess vanishes: one a millionth less is as good, and on the right side
        bend = aside[middle] / np.minimum(excess[middle], -1e-6 * c2 - np.finfo(float).tiny)
        gap = bend * excess
        gap -= aside
        each = np.arange(len(begin))
        for _ in range(2):
            out, into = (gap.argmax(axis=0), each), (gap.argmin(axis=0), each)
            lever = excess[out] + excess[into]
            able = lever < -1e-3 * c2
            bend -= np.where(able, (gap[out] + gap[into]) / np.where(able, lever, 1.0), 0.0)
            np.multiply(excess, bend, out=gap)
            gap -= aside
        gap *= np.where(bend < 0, -1.0, 1.0)
        high = gap.max(axis=0)
        low = gap.min(axis=0) - self._sag[at[middle]] * np.abs(bend)
        left, right = aside.max(axis=0), -aside.min(axis=0)
        off = self._off(bend, c2, (high, low), np.where(bend > 0, left, right))
        line = np.maximum(left, right)
        if not c2.all():
            line = np.where(c2 > 0, line, np.sqrt(np.maximum(excess.max(axis=0), 0.0)))
        line /= self._tolerance_mm
        straight = line <= 1
        return np.where(straight, np.minimum(line, off), off), np.where(straight, 0.0, bend)

    def measure(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return the error of a line or arc of a given bend over each stretch.

        Every vertex is measured, and every chord; every step must go on along the piece, and no vertex lie
        on the centre's side of the ends by more than the tolerance: by continuity the piece is then within
        the tolerance of the polyline as well.
        """
        row, size, head = spread(begin, end)
        from_x, from_y, half_x, half_y, unit_x, unit_y, c2 = self._chords(begin, end)
        sign = np.where(bend < 0, -1.0, 1.0)
        x, y = self._x[row], self._y[row]
        x -= np.repeat(from_x + half_x, size)
        y -= np.repeat(from_y + half_y, size)
        unit_x, unit_y = np.repeat(unit_x, size), np.repeat(unit_y, size)
        bent, signed = np.repeat(bend, size), np.repeat(sign, size)
        aside = y * unit_x
        aside -= x * unit_y
        gap = x * x
        gap += y * y
        gap -= np.repeat(c2, size)
        gap *= bent
        gap -= aside
        gap *= signed
        high = np.maximum.reduceat(gap, head)
        sag = self._sag[row]
        sag[head], sag[head + size - 1] = self._quarter[begin], self._quarter[end - 1]
        signed *= bent
        signed *= sag
        gap -= signed
        low = np.minimum.reduceat(gap, head)
        left, right = np.maximum.reduceat(aside, head), -np.minimum.reduceat(aside, head)
        off = self._off(bend, c2, (high, low), np.where(bend > 0, left, right))
        off = np.where(bend == 0, np.maximum(left, right) / self._tolerance_mm, off)
        # the step along the tangent where it begins
        step_x, step_y = self._step_x[row], self._step_y[row]
        x *= step_y
        y *= step_x
        x -= y
        bent *= 2
        x *= bent
        unit_x *= step_x
        unit_y *= step_y
        unit_x += unit_y
        unit_x += x
        unit_x[head + size - 1] = 0.0
        return np.where(np.minimum.reduceat(unit_x, head) >= 0, off, np.inf)

    def _off(self, bend: Floats, c2: Floats, gaps: tuple[Floats, Floats], beyond: Floats) -> Floats:
        """Turn the largest and smallest g of each stretch into an error; infinite where no arc may be.

        `beyond` is how far vertices lie on the centre's side of the chord.
        """
        tolerance, high, low = self._tolerance_mm, *gaps
        steep = np.abs(bend)
        rho = np.sqrt(0.25 + c2 * bend * bend)
        # a rounded centre moves the drawn arc by no more than this (centre off by grid/√2, ends held)
        slack = tolerance - self._bends.grid_mm * np.sqrt(2) * np.sqrt(c2) * steep / rho
        inner = rho * rho + steep * low
        able = (slack > 0) & (inner >= 0) & (beyond <= tolerance) & (c2 > 0)
        able &= (rho < self._bends.farthest_mm * steep) & (rho > 2 * tolerance * steep)
        outside = high / (rho + np.sqrt(np.maximum(rho * rho + steep * high, 0.0)))
        inside = -low / (rho + np.sqrt(np.maximum(inner, 0.0)))
        return np.where(able, np.maximum(outside, inside) / np.where(able, slack, 1.0), np.inf)

    def bulge(self, begin: Ints, end: Ints, bend: Floats) -> Floats:
        """Return the bulge of each piece: 0 for a line."""
        *_, c2 = self._chords(begin, end)
        return np.asarray(bend * np.sqrt(c2) / (0.5 + np.sqrt(0.25 + c2 * bend * bend)), np.float64)
