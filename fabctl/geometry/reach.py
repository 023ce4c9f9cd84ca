"""Reach: what of a region a round tool cannot get to, where, and how narrow it is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from fabctl.errors import InputError
from fabctl.geometry.regions import from_polygons, offset

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Polygons = NDArray[np.object_]

_HALVINGS = 16
"""Rounds of the search for a width: its error is the tool's diameter over 2^16."""

_PARALLEL = np.radians(170.0)
"""Walls that turn less than this around a leftover meet in a corner; else they are the sides of a slot."""


@dataclass(frozen=True)
class TooFine:
    """What a tool leaves standing, piece by piece.

    Parameters
    ----------
    polygons : (k,) object
        Shapely polygons: the pieces.
    region : (k,) int64
        The region each piece belongs to.
    place_mm : (k, 2) float64
        A place in the widest part of each piece, mm.
    width_mm : (k,) float64
        Diameter of the largest circle in each piece, mm: the width of a slot, a neck or an island of
        material; of a corner, that of the circle that still fits behind the tool.
    corner : (k,) bool
        Whether the piece is what a round tool leaves in any inner corner, and not a slot or a neck.
    """

    polygons: Polygons
    region: Ints
    place_mm: Floats
    width_mm: Floats
    corner: Bools

    def __len__(self) -> int:
        return len(self.region)


def too_fine(polygons: Iterable[Polygon] | Polygons, tool_radius_mm: float, tolerance_mm: float) -> TooFine:
    """Find what of each region a round tool that stays inside it cannot reach.

    Parameters
    ----------
    polygons : (n,) shapely polygons
        Valid; what is to be cleared.
    tool_radius_mm : float
        mm.
    tolerance_mm : float
        As in `fabctl.geometry.regions.offset`. Leftovers no deeper than twice this are not counted, nor is
        a slot that misses the tool's diameter by no more than this.

    Returns
    -------
    TooFine
        Nothing when the tool reaches everything.

    Raises
    ------
    InputError
        When the tolerance is not above 0 or not below the radius.

    Notes
    -----
    The reachable part is the morphological opening of the region by the tool's disc.

    Examples
    --------
    >>> found = too_fine([shapely.box(0, 0, 20, 20)], 3.0, 0.01)
    >>> len(found), bool(found.corner.all())
    (4, True)
    """
    if not 0 < tolerance_mm < tool_radius_mm < np.inf:
        raise InputError(
            f"a tolerance of {tolerance_mm} mm does not suit a tool radius of {tool_radius_mm} mm",
            remedy="give a tolerance above 0 and below the radius",
        )
    regions = np.array(list(polygons), object)
    pieces, owners = [np.zeros(0, object)], [np.zeros(0, np.int64)]
    # Region by region: an opening belongs to one region, and offset gives its parts without a number.
    for number, region in enumerate(regions):
        core = offset([region], tolerance_mm - tool_radius_mm, tolerance_mm)
        grown = offset(core, tool_radius_mm + tolerance_mm, tolerance_mm)
        left = shapely.get_parts(shapely.difference(region, shapely.union_all(grown)))
        left = left[(shapely.get_type_id(left) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(left)]
        pieces.append(left)
        owners.append(np.full(len(left), number))
    found, region_of = np.concatenate(pieces), np.concatenate(owners)
    width_mm, place_mm = _widths(found, tool_radius_mm)
    # What rounding leaves along walls is no piece: it is thinner than what the offsets may be off.
    thick = width_mm > tolerance_mm / 2
    found, region_of = found[thick], region_of[thick]
    corner = _are_corners(found, regions[region_of], tolerance_mm)
    return TooFine(found, region_of, place_mm[thick], width_mm[thick], corner)


def _widths(pieces: Polygons, radius_mm: float) -> tuple[Floats, Floats]:
    """Find the largest circle in each piece by halving: how far can it shrink before it vanishes."""
    low, high = np.zeros(len(pieces)), np.full(len(pieces), radius_mm)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        gone = shapely.is_empty(shapely.buffer(pieces, -middle))
        high, low = np.where(gone, middle, high), np.where(gone, low, middle)
    kernel = shapely.buffer(pieces, -low)
    kernel = np.where(shapely.is_empty(kernel), pieces, kernel)
    return 2 * low, shapely.get_coordinates(shapely.point_on_surface(kernel)).reshape(-1, 2)


def _are_corners(pieces: Polygons, regions: Polygons, tolerance_mm: float) -> Bools:
    """Tell corners from slots and necks: one stretch of wall whose sides are far from parallel."""
    if not len(pieces):
        return np.zeros(0, bool)
    outlines = np.asarray(shapely.polygons(shapely.get_exterior_ring(pieces)), object)
    rings = from_polygons(outlines)
    start = rings.points
    after = np.arange(1, len(start) + 1)
    after[rings.offsets[1:] - 1] = rings.offsets[:-1]
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    owner = rings.owner()
    walls = np.asarray(shapely.boundary(regions), object)
    shapely.prepare(walls)
    middle = shapely.points((start + start[after]) / 2)
    on_wall = np.asarray(shapely.dwithin(walls[owner], middle, tolerance_mm / 10))
    step = (start[after] - start).view(np.complex128).reshape(-1)
    turn = np.angle(step * np.conj(step[before]))
    turn[~(on_wall & on_wall[before])] = 0
    stretches = np.bincount(owner[on_wall & ~on_wall[before]], minlength=len(pieces))
    turned = np.bincount(owner, turn, len(pieces))
    return np.asarray((stretches == 1) & (turned < _PARALLEL))
