"""The shape a rotating cutter sweeps out: its height above the tip at each distance from its axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabctl.errors import InputError
from fabctl.toolpath.moves import Floats

BISECTIONS = 52
"""Halvings that leave nothing of a float's precision."""


@dataclass(frozen=True)
class Cutter:
    """A flat, ball, bull or V cutter.

    The bottom is flat out to `flat_mm`, then either a rounded corner of `corner_mm` or a cone, out to the
    diameter. `flat_end`, `ball_end`, `bull_end` and `v_end` name the usual ones.

    Parameters
    ----------
    diameter_mm : float
    corner_mm : float
        Radius of the corner; half the diameter is a ball.
    cone_deg : float
        Full angle of the cone; 0 is none.
    tip_mm : float
        Diameter of a cone's flat tip.

    Examples
    --------
    >>> Cutter(6.0, corner_mm=3.0).height_mm(np.array([0.0, 9.0])).tolist()
    [0.0, 3.0]
    """

    diameter_mm: float
    corner_mm: float = 0.0
    cone_deg: float = 0.0
    tip_mm: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.diameter_mm, self.corner_mm, self.cone_deg, self.tip_mm)
        wrong = not np.all(np.isfinite(numbers)) or self.diameter_mm <= 0 or min(numbers) < 0
        wrong = wrong or self.corner_mm > self.radius_mm or self.tip_mm > self.diameter_mm
        if wrong or self.cone_deg >= 180 or (self.cone_deg > 0 and self.corner_mm > 0):
            raise InputError(
                f"no cutter has this shape: {self}",
                remedy="give a diameter above 0 and a corner up to half of it or a cone below 180 deg",
            )

    @property
    def radius_mm(self) -> float:
        """Half the diameter, mm."""
        return self.diameter_mm / 2

    @property
    def flat_mm(self) -> float:
        """Radius of the flat bottom, mm."""
        return self.tip_mm / 2 if self.cone_deg > 0 else self.radius_mm - self.corner_mm

    @property
    def steepness(self) -> float:
        """Rise of the cone per mm outward."""
        return float(1 / np.tan(np.radians(self.cone_deg) / 2))

    def height_mm(self, square_mm2: Floats) -> Floats:
        """Return the height of the edge above the tip at squared distances from the axis, same shape, mm.

        Beyond the cutter's radius the height of the radius.
        """
        inside = np.minimum(square_mm2, self.radius_mm**2)
        if self.cone_deg > 0:
            return np.asarray(np.maximum(np.sqrt(inside) - self.flat_mm, 0.0) * self.steepness)
        if self.corner_mm == 0:
            return np.zeros_like(inside)
        if self.flat_mm == 0:
            return np.asarray(self.radius_mm - np.sqrt(self.radius_mm**2 - inside))
        out = np.maximum(np.sqrt(inside) - self.flat_mm, 0.0)
        return np.asarray(self.corner_mm - np.sqrt(np.maximum(self.corner_mm**2 - out * out, 0.0)))

    def lag_mm(self, aside2_mm2: Floats, slope: Floats) -> Floats:
        """Find where a cutter on an inclined way is when it cuts a point deepest.

        Parameters
        ----------
        aside2_mm2 : (n,) float64
            Squared distance of the point from the way's line, seen from above; within the radius.
        slope : (n,) float64
            Rise of the way per mm forward.

        Returns
        -------
        (n,) float64
            How far the point then lies ahead of the axis, mm; behind it on a descending way.

        Notes
        -----
        The height over the point is convex along the way, so the place is the root of a rising function:
        in closed form for flat, ball and cone, by bisection for a corner round a flat.
        """
        most = np.sqrt(np.maximum(self.radius_mm**2 - aside2_mm2, 0.0))
        sign, steep = np.sign(slope), np.abs(slope)
        if self.cone_deg > 0:
            share = np.minimum(steep / self.steepness, 1 - 1e-15)
            cone = np.sqrt(aside2_mm2) * share / np.sqrt(1 - share * share)
            edge = np.sqrt(np.maximum(self.flat_mm**2 - aside2_mm2, 0.0))
            return np.asarray(sign * np.minimum(np.maximum(cone, edge), most))
        if self.corner_mm == 0:
            return np.asarray(sign * most)
        if self.flat_mm == 0:
            return np.asarray(sign * most * steep / np.sqrt(1 + steep * steep))
        low, high = np.zeros_like(most), most.copy()
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            away = np.sqrt(aside2_mm2 + middle * middle)
            out = np.clip(away - self.flat_mm, 0.0, self.corner_mm)
            rise = np.sqrt(np.maximum(self.corner_mm**2 - out * out, 0.0)) * away
            # Edge slope times direction, both multiplied by `rise` so that nothing is divided by zero.
            before = out * middle < steep * rise
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.asarray(sign * low)


def flat_end(diameter_mm: float) -> Cutter:
    """Return an end mill with a flat bottom."""
    return Cutter(diameter_mm)


def ball_end(diameter_mm: float) -> Cutter:
    """Return a ball-nose cutter."""
    return Cutter(diameter_mm, corner_mm=diameter_mm / 2)


def bull_end(diameter_mm: float, corner_mm: float) -> Cutter:
    """Return an end mill with rounded corners."""
    return Cutter(diameter_mm, corner_mm=corner_mm)


def v_end(diameter_mm: float, angle_deg: float, tip_mm: float = 0.0) -> Cutter:
    """Return a V cutter of a full angle, perhaps with a flat tip."""
    return Cutter(diameter_mm, cone_deg=angle_deg, tip_mm=tip_mm)
