"""Dense lines of curves become arcs again."""

from __future__ import annotations

from fabctl.geometry.curves import Curves
from fabctl.toolpath.fit import fit_arcs

DECIMALS = 3
"""Programs are written in whole micrometres."""


def fit_curves(curves: Curves, tolerance_mm: float) -> Curves:
    """Replace runs of short lines by lines and arcs; arcs that are there stay.

    Parameters
    ----------
    curves : Curves
        m paths.
    tolerance_mm : float
        Largest distance between a path and what stands for it, mm.

    Returns
    -------
    Curves
        The same m paths, beginning and ending where they did.
    """
    fitted = fit_arcs(
        curves.points,
        tolerance_mm,
        offsets=curves.offsets,
        closed=curves.closed,
        bulge=curves.bulge,
        decimals=DECIMALS,
    )
    return Curves(fitted.points, fitted.bulge, fitted.offsets, curves.closed)
