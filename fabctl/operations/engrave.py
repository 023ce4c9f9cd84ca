"""Engrave and score: follow the drawn line itself."""

from __future__ import annotations

from fabctl.operations.arcs import fit_curves
from fabctl.operations.passes import cut_path
from fabctl.operations.step import Cuts, Setup, Step


def engrave(step: Step, setup: Setup) -> Cuts:
    """Follow every path on the line, arcs as arcs.

    Parameters
    ----------
    step : Step
    setup : Setup

    Returns
    -------
    Cuts
    """
    paths = zip(fit_curves(step.curves, setup.tolerance_mm / 2), step.ident, strict=True)
    return Cuts(
        step,
        [
            [cut_path(step, setup, points, bulge, closed=closed, ident=name)]
            for (points, bulge, closed), name in paths
        ],
        step.notes,
    )
