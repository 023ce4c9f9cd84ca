"""Contacts of a cutter with facets, edges and vertices: where the axis can be, and how high the tip is then.

`fabctl.geometry.contact` finds them in a mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.cuttershape import CutterShape

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Patches(Protocol):
    """Contacts of one kind; each has a region of axis positions outside of which it is not the highest."""

    @property
    def low_mm(self) -> Floats:
        """Lowest y of each region, shape (n,)."""

    @property
    def high_mm(self) -> Floats:
        """Highest y of each region, shape (n,)."""

    def span_mm(self, item: Ints, low_mm: Floats, high_mm: Floats) -> tuple[Floats, Floats]:
        """Bound x of the regions of `item` while y is within bounds, all (k,); left above right is empty."""

    def tip_mm(self, item: Ints, x_mm: Floats, y_mm: Floats) -> Floats:
        """Return the height of the tip when the axis is there, shape (k,); −inf without contact.

        Everywhere, also outside of the region, the cutter then reaches a point of the mesh and not less.
        """


@dataclass(frozen=True)
class Box:
    """Boxes seen from above, (n,) float64 each, mm or mm/mm."""

    x0: Floats
    x1: Floats
    y0: Floats
    y1: Floats

    def take(self, index: Ints | Bools) -> Box:
        """Pick boxes."""
        return Box(self.x0[index], self.x1[index], self.y0[index], self.y1[index])


@dataclass(frozen=True)
class Facets:
    """Contacts inside facets.

    Parameters
    ----------
    x, y : (3, n) float64
        Where the axis is when the cutter touches each corner with the facet's slope, mm.
    along_x, along_y : (n,) float64
        The facet's gradient, mm/mm.
    base_mm, bottom_mm, top_mm : (n,) float64
        Height of the tip at the first corner, at the lowest and at the highest one.
    slack_mm : float
        How far the facet reaches over its edges.
    """

    x: Floats
    y: Floats
    along_x: Floats
    along_y: Floats
    base_mm: Floats
    bottom_mm: Floats
    top_mm: Floats
    slack_mm: float

    @property
    def low_mm(self) -> Floats:
        """Lowest y of each region."""
        return np.asarray(self.y.min(axis=0) - self.slack_mm)

    @property
    def high_mm(self) -> Floats:
        """Highest y of each region."""
        return np.asarray(self.y.max(axis=0) + self.slack_mm)

    def span_mm(self, item: Ints, low_mm: Floats, high_mm: Floats) -> tuple[Floats, Floats]:
        """Bound x over a band of y; see `Patches`. On a band without height the bounds are exact."""
        x, y = self.x[:, item], self.y[:, item]
        left, right = np.full(len(item), np.inf), np.full(len(item), -np.inf)
        for k in range(3):
            near, far = _chord(x[k], y[k], x[k - 1], y[k - 1], low_mm, high_mm, self.slack_mm)
            left, right = np.minimum(left, near), np.maximum(right, far)
        return left - self.slack_mm, right + self.slack_mm

    def tip_mm(self, item: Ints, x_mm: Floats, y_mm: Floats) -> Floats:
        """Return the height of contact whether or not it is inside the facet; ask `holds` as well."""
        rise = self.along_x[item] * (x_mm - self.x[0, item]) + self.along_y[item] * (y_mm - self.y[0, item])
        return np.asarray(np.clip(self.base_mm[item] + rise, self.bottom_mm[item], self.top_mm[item]))

    def holds(self, item: Ints, x_mm: Floats, y_mm: Floats) -> Bools:
        """Tell whether the contact is inside the facet, shape (k,)."""
        inside = np.ones(len(item), bool)
        x, y = self.x[:, item], self.y[:, item]
        turn = np.sign((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]))
        for k in range(3):
            ex, ey = x[k] - x[k - 1], y[k] - y[k - 1]
            aside = ex * (y_mm - y[k - 1]) - ey * (x_mm - x[k - 1])
            inside &= aside * turn >= -self.slack_mm * np.hypot(ex, ey)
        return inside


@dataclass(frozen=True)
class Edges:
    """Contacts on edges.

    Parameters
    ----------
    shape : CutterShape
    x, y, z : (n,) float64
        One end, mm.
    ex, ey : (n,) float64
        Direction from there, of length 1 seen from above.
    length_mm : (n,) float64
        Seen from above.
    rise : (n,) float64
        mm/mm along the edge.
    offset : Box
        Where the axis is, seen from the point of contact, mm.
    right_mm, left_mm : (n,) float64
        How far the axis is to the left of the edge, at least and at most.
    """

    shape: CutterShape
    x: Floats
    y: Floats
    z: Floats
    ex: Floats
    ey: Floats
    length_mm: Floats
    rise: Floats
    offset: Box
    right_mm: Floats
    left_mm: Floats

    def take(self, index: Ints) -> Edges:
        """Pick edges."""
        ends = (self.x[index], self.y[index], self.z[index], self.ex[index], self.ey[index])
        line = (self.length_mm[index], self.rise[index])
        offset = self.offset.take(index)
        return Edges(self.shape, *ends, *line, offset, self.right_mm[index], self.left_mm[index])

    @property
    def low_mm(self) -> Floats:
        """Lowest y of each region."""
        return np.asarray(self.y + np.minimum(self.ey * self.length_mm, 0) + self.offset.y0)

    @property
    def high_mm(self) -> Floats:
        """Highest y of each region."""
        return np.asarray(self.y + np.maximum(self.ey * self.length_mm, 0) + self.offset.y1)

    def span_mm(self, item: Ints, low_mm: Floats, high_mm: Floats) -> tuple[Floats, Floats]:
        """Bound x over a band of y; see `Patches`."""
        x, y, length = self.x[item], self.y[item], self.length_mm[item]
        far_x, far_y = x + self.ex[item] * length, y + self.ey[item] * length
        offset = self.offset.take(item)
        left, right = _chord(x, y, far_x, far_y, low_mm - offset.y1, high_mm - offset.y0, 0.0)
        near, far = self._strip(item, low_mm, high_mm)
        return np.maximum(left + offset.x0, near), np.minimum(right + offset.x1, far)

    def _strip(self, item: Ints, low_mm: Floats, high_mm: Floats) -> tuple[Floats, Floats]:
        """Bound x over a band of y in the strips beside the endless lines of edges."""
        x, y, ex, ey = self.x[item], self.y[item], self.ex[item], self.ey[item]
        one, other = (low_mm - y) * ex, (high_mm - y) * ex
        across = np.abs(ey) > 1e-6
        ey = np.where(across, ey, 1.0)
        start = (np.minimum(one, other) - self.left_mm[item]) / ey
        end = (np.maximum(one, other) - self.right_mm[item]) / ey
        near, far = x + np.minimum(start, end), x + np.maximum(start, end)
        return np.where(across, near, -np.inf), np.where(across, far, np.inf)

    def tip_mm(self, item: Ints, x_mm: Floats, y_mm: Floats) -> Floats:
        """Return the height of contact; see `Patches`."""
        dx, dy = x_mm - self.x[item], y_mm - self.y[item]
        ex, ey = self.ex[item], self.ey[item]
        foot = dx * ex + dy * ey
        aside = dy * ex - dx * ey
        aside *= aside
        rise = self.rise[item]
        at = np.clip(foot + self.shape.lag_mm(aside, rise), 0.0, self.length_mm[item])
        away = at - foot
        aside += away * away
        return _resting(self.shape, self.z[item] + rise * at, aside)


@dataclass(frozen=True)
class Vertices:
    """Contacts at vertices.

    Parameters
    ----------
    shape : CutterShape
    x, y, z : (n,) float64
        mm.
    offset : Box
        As in `Edges`.
    """

    shape: CutterShape
    x: Floats
    y: Floats
    z: Floats
    offset: Box

    def take(self, index: Ints) -> Vertices:
        """Pick vertices."""
        return Vertices(self.shape, self.x[index], self.y[index], self.z[index], self.offset.take(index))

    @property
    def low_mm(self) -> Floats:
        """Lowest y of each region."""
        return np.asarray(self.y + self.offset.y0)

    @property
    def high_mm(self) -> Floats:
        """Highest y of each region."""
        return np.asarray(self.y + self.offset.y1)

    def span_mm(self, item: Ints, low_mm: Floats, high_mm: Floats) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Bound x over a band of y; see `Patches`."""
        x = self.x[item]
        return x + self.offset.x0[item], x + self.offset.x1[item]

    def tip_mm(self, item: Ints, x_mm: Floats, y_mm: Floats) -> Floats:
        """Return the height of contact; see `Patches`."""
        dx, dy = x_mm - self.x[item], y_mm - self.y[item]
        return _resting(self.shape, self.z[item], dx * dx + dy * dy)


def _resting(shape: CutterShape, z: Floats, square: Floats) -> Floats:
    """Return the height of the tip when a point at z, squared distance from the axis given, is touched."""
    return np.where(square <= shape.radius_mm**2 * (1 + 1e-13), z - shape.height_mm(square), -np.inf)


def _chord(
    x0: Floats, y0: Floats, x1: Floats, y1: Floats, low: Floats, high: Floats, slack: float
) -> tuple[Floats, Floats]:
    """Bound x of a stretch of line over a band of y; inf and −inf where it does not come there."""
    up = y1 >= y0
    bottom, top = np.where(up, y0, y1), np.where(up, y1, y0)
    start, end = np.where(up, x0, x1), np.where(up, x1, x0)
    span = top - bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        run = (end - start) / span
        near = np.where(low > bottom, start + np.minimum(low - bottom, span) * run, start)
        far = np.where(high < top, end - np.minimum(top - high, span) * run, end)
    flat = span <= 0
    near, far = np.where(flat, start, near), np.where(flat, end, far)
    miss = (low > top + slack) | (high < bottom - slack)
    left = np.where(miss, np.inf, np.minimum(near, far))
    return left, np.where(miss, -np.inf, np.maximum(near, far))
