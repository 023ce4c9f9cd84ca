"""A solid built from sheets: slices of the material's thickness, laid out side by side on the stock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.geometry.curves import Curves
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.slicing import Slices, sheet_heights, slice_mesh

Floats = NDArray[np.float64]

MOST_SHEETS = 400
"""A solid of more sheets is more likely in the wrong unit than meant."""


SAME_HEIGHT_MM = 0.01
"""Sheets stacked as high as the solid to this need no word about it, mm."""


@dataclass(frozen=True)
class Sheets:
    """Slices laid out side by side.

    Parameters
    ----------
    curves : Curves
        m contours, lower left corner at 0, 0, mm.
    names : sequence of str
        The sheet of each contour: ``sheet 1`` is the lowest.
    notes : sequence of str
        What a person should know.
    """

    curves: Curves
    names: Sequence[str]
    notes: Sequence[str]


def sheets(
    mesh: Mesh, thickness_mm: float, width_mm: float, height_mm: float, gap_mm: float, *, source: str
) -> Sheets:
    """Slice a solid into sheets and lay the slices out in rows.

    Parameters
    ----------
    mesh : Mesh
    thickness_mm : float
        Of the material, mm; each slice is taken in the middle of its sheet.
    width_mm, height_mm : float
        Room for the rows on the stock, mm.
    gap_mm : float
        Left between two slices, mm.
    source : str
        The file, for messages.

    Returns
    -------
    Sheets

    Raises
    ------
    RefusedError
        When the slices do not fit, are too many, or there is nothing to slice.
    """
    heights = sheet_heights(mesh, thickness_mm)
    if len(heights) > MOST_SHEETS:
        raise RefusedError(
            f"the solid would take {len(heights)} sheets of {thickness_mm:g} mm; {MOST_SHEETS} are the most",
            file=source,
            remedy="take thicker material, or name the drawing's unit (--units)",
        )
    slices = slice_mesh(mesh, heights)
    if not len(slices.contours):
        raise RefusedError(
            f"no slice of {thickness_mm:g} mm meets the solid",
            file=source,
            remedy="take thinner material, or name the drawing's unit (--units)",
        )
    low, high = _boxes(slices)
    shift = _rows(low, high, width_mm, height_mm, gap_mm, source)
    whole = slices.contours
    points = whole.points + shift[slices.plane][whole.owner()]
    curves = Curves(points, whole.bulge, whole.offsets, whole.closed)
    names = [f"sheet {plane + 1}" for plane in slices.plane.tolist()]
    return Sheets(curves, names, _notes(slices, thickness_mm, float(np.ptp(mesh.vertices[:, 2]))))


def _notes(slices: Slices, thickness_mm: float, solid_mm: float) -> list[str]:
    """Say what was sliced and where the mesh had to be closed."""
    said = [f"sliced into {len(slices.heights_mm)} sheets of {thickness_mm:g} mm"]
    stack_mm = len(slices.heights_mm) * thickness_mm
    if abs(stack_mm - solid_mm) > SAME_HEIGHT_MM:
        said[0] += f": stacked they are {stack_mm:g} mm high, the solid is {round(solid_mm, 2):g} mm"
    bridged = slices.bridged_mm[slices.bridged_mm > 0]
    if len(bridged):
        widest = bridged.max()
        said.append(f"{len(bridged)} contours closed over gaps in the mesh, the widest {widest:.2f} mm")
    return said


def _boxes(slices: Slices) -> tuple[Floats, Floats]:
    """Box of each plane's contours, (p, 2) each, mm; nan where the plane is empty."""
    plane = slices.plane[slices.contours.owner()]
    low = np.full((len(slices.heights_mm), 2), np.inf)
    high = -low
    np.minimum.at(low, plane, slices.contours.points)
    np.maximum.at(high, plane, slices.contours.points)
    empty = ~np.isfinite(low[:, 0])
    low[empty] = high[empty] = np.nan
    return low, high


def _rows(low: Floats, high: Floats, width_mm: float, height_mm: float, gap_mm: float, source: str) -> Floats:
    """Place boxes in rows from the lower left; return the shift of each, (p, 2) mm."""
    shift = np.zeros_like(low)
    x = y = row = 0.0
    for i, (a, b) in enumerate(zip(low, high, strict=True)):  # each place depends on the one before
        if np.isnan(a[0]):
            continue
        size = b - a
        if x > 0 and x + size[0] > width_mm:
            x, y, row = 0.0, y + row + gap_mm, 0.0
        if size[0] > width_mm or y + size[1] > height_mm:
            raise RefusedError(
                f"sheet {i + 1} of {len(low)} ({size[0]:.1f} × {size[1]:.1f} mm) does not fit: there is room "
                f"for {width_mm:.0f} × {height_mm:.0f} mm",
                file=source,
                remedy="take a larger stock or machine, or thicker material for fewer sheets",
            )
        shift[i] = (x - a[0], y - a[1])
        x += size[0] + gap_mm
        row = max(row, float(size[1]))
    return shift
