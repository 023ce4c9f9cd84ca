"""The box a program cuts in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import RefusedError
from fabctl.program.arcs import reach
from fabctl.program.model import Program
from fabctl.toolpath.moves import DWELL, RAPID, starts

Floats = NDArray[np.float64]


def cut_box_mm(program: Program) -> tuple[Floats, Floats]:
    """Measure where a program cuts; where rapids go does not count.

    Parameters
    ----------
    program : Program

    Returns
    -------
    low, high : (3,) float64
        mm, work coordinates.

    Raises
    ------
    RefusedError
        When it cuts nowhere.
    """
    motion = program.moves["motion"]
    cutting = (motion != RAPID) & (motion != DWELL)
    if not cutting.any():
        raise RefusedError("the program cuts nothing: it has no box", file=program.source)
    low, high = reach(program.moves, program.start)
    begin = starts(program.moves, program.start)[cutting]
    return np.minimum(low[cutting], begin).min(axis=0), np.maximum(high[cutting], begin).max(axis=0)
