"""What the operations take and what they give: a `Step` in, `Cut` pieces out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabctl.geometry.curves import Curves
from fabctl.shop.job import Tabs
from fabctl.shop.recipe import Recipe
from fabctl.shop.tool import Tool
from fabctl.toolpath.moves import Moves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """What all operations on one stock share.

    Parameters
    ----------
    material_mm : float
        Thickness of the stock, mm.
    through_mm : float
        How far a through cut goes below the stock, mm.
    tolerance_mm : float
        Largest distance between the ideal path and the one written, mm: a fifth each for
        flattening and offsetting, three for fitting arcs.
    """

    material_mm: float
    through_mm: float = 0.0
    tolerance_mm: float = 0.01


@dataclass(frozen=True)
class Step:
    """One operation on some paths with one tool.

    Parameters
    ----------
    kind : str
        ``profile``, ``pocket``, ``drill`` or ``engrave``.
    name : str
        What a person reads: ``profile outside``.
    curves : Curves
        m paths on the stock, mm, work coordinates.
    ident : sequence of str
        What to call each path in a message.
    tool : Tool
    recipe : Recipe
    depth_mm : float
        Below the stock's top, mm; 0 for a head without depth.
    side : str
        ``outside``, ``inside`` or ``on``.
    level_mm : float
        Height at which a head without depth works, mm: of a pen that writes.
    tabs : Tabs, optional
    relief : bool
        Whether inside corners are cut out for a square counterpart (dogbones).
    rank : int
        Steps of a lower rank are made first.
    notes : sequence of str
        What a person should know of how it was decided.
    """

    kind: str
    name: str
    curves: Curves
    ident: Sequence[str]
    tool: Tool
    recipe: Recipe
    depth_mm: float
    side: str = "on"
    level_mm: float = 0.0
    tabs: Tabs | None = None
    relief: bool = False
    rank: int = 0
    notes: Sequence[str] = ()

    @property
    def width_mm(self) -> float:
        """Width of the cut at the stock's top, mm: of a V-bit what it opens at its depth."""
        return self.tool.width_mm(self.depth_mm) if self.depth_mm > 0 else self.tool.diameter_mm


@dataclass(frozen=True)
class Cut:
    """One piece of work without a rapid in it, from plunge to retract.

    Parameters
    ----------
    start : (3,) float64
        Where the tool stands when the moves begin, mm: at the stock's top, or at cutting height for a
        head without depth.
    moves : (n,) MOVE
        Plunge, ramps and cuts.
    ident : str
        The path it came from.
    """

    start: Floats
    moves: Moves
    ident: str


@dataclass(frozen=True)
class Cuts:
    """What one step comes to.

    Parameters
    ----------
    step : Step
    groups : sequence of sequence of Cut
        The cuts of a group are made in their order; groups may change places.
    notes : sequence of str
        What a person should know: corners the cutter cannot reach, paths left out.
    """

    step: Step
    groups: Sequence[Sequence[Cut]]
    notes: Sequence[str] = field(default=())
