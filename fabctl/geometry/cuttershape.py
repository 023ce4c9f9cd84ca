"""The outline of a rotating cutter as geometry sees it: what can touch a surface, and where.

The cutter is the body of revolution above the curve ``height(d)``, d the distance from its axis, 0 ≤ d ≤
radius; height(0) = 0 is the tip, and above the radius stands a shaft without end. The curve is convex. Where
it touches a surface of the slope s (mm rise per mm), its point of contact lies ``reach(s)`` off the axis,
uphill: the one number that tells every contact apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 1e-11
"""Slopes below this are level: over a cutter's radius they rise less than a float of the height resolves."""

_NEWTON = 60
"""Steps allowed to the bull nose's contact: four do nearly always, over twenty only near level edges."""

_SETTLED = 1e-10
"""Share of the radius by which the contact may still be off: the height is then off by its square."""


@dataclass(frozen=True)
class CutterShape:
    """A flat, ball, bull or cone cutter.

    The bottom is flat out to `flat_mm`; from there a rounded corner or a cone rises to the radius.

    Parameters
    ----------
    radius_mm : float
    corner_mm : float
        Radius of the rounded corner: 0 is a flat cutter, `radius_mm` a ball, between them a bull nose.
    angle_deg : float
        Full angle of a cone; 0 is no cone.
    tip_mm : float
        Diameter of a cone's flat tip, as tools are sold by.

    Raises
    ------
    InputError
        When no cutter has this shape.

    Examples
    --------
    >>> CutterShape(3.0, corner_mm=3.0).height_mm(np.array([0.0, 9.0])).tolist()
    [0.0, 3.0]
    >>> CutterShape(3.0, angle_deg=90.0).height_mm(np.array([1.0, 4.0])).round(12).tolist()
    [1.0, 2.0]
    """

    radius_mm: float
    corner_mm: float = 0.0
    angle_deg: float = 0.0
    tip_mm: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.radius_mm, self.corner_mm, self.angle_deg, self.tip_mm)
        wrong = not np.all(np.isfinite(numbers)) or self.radius_mm <= 0 or min(numbers) < 0
        wrong = wrong or self.corner_mm > self.radius_mm or self.tip_mm >= 2 * self.radius_mm
        wrong = wrong or self.angle_deg >= 180 or (self.angle_deg > 0 and self.corner_mm > 0)
        if wrong or (self.tip_mm > 0 and self.angle_deg == 0):
            raise InputError(
                f"no cutter has this shape: {self}",
                remedy="give a radius above 0 and either a corner up to it or a cone below 180 deg",
            )

    @property
    def flat_mm(self) -> float:
        """Radius of the flat bottom, mm; 0 for a ball or a sharp cone."""
        return self.tip_mm / 2 if self.angle_deg > 0 else self.radius_mm - self.corner_mm

    @property
    def steepness(self) -> float:
        """Rise of the cone per mm outward; infinite for a cutter without cone."""
        return float(1 / np.tan(np.radians(self.angle_deg) / 2)) if self.angle_deg > 0 else np.inf

    @property
    def rise_mm(self) -> float:
        """Height of the cutter's edge where the shaft begins, above the tip, mm."""
        if self.angle_deg > 0:
            return (self.radius_mm - self.flat_mm) * self.steepness
        return self.corner_mm

    def height_mm(self, square_mm2: Floats) -> Floats:
        """Measure the cutter's surface above its tip.

        Parameters
        ----------
        square_mm2 : (n,) float64
            Squared distances from the axis, mm²; beyond the radius they count as the radius.

        Returns
        -------
        (n,) float64
            mm.
        """
        inside = np.minimum(square_mm2, self.radius_mm**2)
        if self.angle_deg > 0:
            return np.asarray(np.maximum(np.sqrt(inside) - self.flat_mm, 0.0) * self.steepness)
        if self.corner_mm == 0:
            return np.zeros_like(inside)
        if self.flat_mm == 0:
            return np.asarray(self.radius_mm - np.sqrt(self.radius_mm**2 - inside))
        out = np.maximum(np.sqrt(inside) - self.flat_mm, 0.0)
        return np.asarray(self.corner_mm - np.sqrt(np.maximum(self.corner_mm**2 - out * out, 0.0)))

    def width_mm(self, height_mm: Floats) -> Floats:
        """Measure the cutter's radius at heights above its tip; the inverse of `height_mm`.

        Parameters
        ----------
        height_mm : (n,) float64
            0 or above.

        Returns
        -------
        (n,) float64
            mm.
        """
        up = np.minimum(height_mm, self.rise_mm)
        if self.angle_deg > 0:
            return np.where(up >= self.rise_mm, self.radius_mm, self.flat_mm + up / self.steepness)
        return np.asarray(self.flat_mm + np.sqrt(np.maximum((2 * self.corner_mm - up) * up, 0.0)))

    def reach_mm(self, slope: Floats) -> tuple[Floats, Floats]:
        """Find how far from the axis the cutter touches a surface of a slope.

        Parameters
        ----------
        slope : (n,) float64
            Rise per mm along the steepest way up, 0 or above; may be huge, not infinite.

        Returns
        -------
        nearest, farthest : (n,) float64
            mm; they differ where the cutter touches along a line: level under a flat bottom, or a cone that
            lies on its side.
        """
        level = slope <= LEVEL
        if self.angle_deg > 0:
            nearest = np.where(slope > self.steepness * (1 + 1e-9), self.radius_mm, self.flat_mm)
            farthest = np.where(slope < self.steepness * (1 - 1e-9), self.flat_mm, self.radius_mm)
        else:
            nearest = self.flat_mm + self.corner_mm * (slope / np.sqrt(1 + slope * slope))
            farthest = nearest
        return np.where(level, 0.0, nearest), farthest

    def touch_mm(self, slope: Floats) -> tuple[Floats, Floats]:
        """Find one point of contact with a plane of a slope.

        Parameters
        ----------
        slope : (n,) float64
            As in `reach_mm`.

        Returns
        -------
        out : (n,) float64
            Distance of the contact from the axis, uphill, mm; 0 where the plane is level.
        up : (n,) float64
            Height of the contact above the tip, mm.
        """
        level = slope <= LEVEL
        if self.angle_deg > 0:
            steep = slope > self.steepness
            out = np.where(steep, self.radius_mm, self.flat_mm)
            up = np.where(steep, self.rise_mm, 0.0)
        else:
            secant = np.sqrt(1 + slope * slope)
            out = self.flat_mm + self.corner_mm * (slope / secant)
            up = self.corner_mm * (slope * slope / (secant * (secant + 1)))
        return np.where(level, 0.0, out), np.where(level, 0.0, up)

    def lag_mm(self, aside2_mm2: Floats, slope: Floats) -> Floats:
        """Find where on a straight edge the cutter touches it.

        Parameters
        ----------
        aside2_mm2 : (n,) float64
            Squared distance of the axis from the edge's line, seen from above, mm².
        slope : (n,) float64
            Rise of the edge per mm forward, seen from above.

        Returns
        -------
        (n,) float64
            How far the contact lies ahead of the axis' foot on the line, mm; negative when the edge falls.

        Notes
        -----
        The height that the edge asks for is concave along the edge; its top has a closed form for flat, ball
        and cone. The bull nose leads to a quartic: with y the sine of the angle by which the surface normal
        leans across the edge, the distance aside is ``c·y + f·μ·y / √(m² + y²)``, μ² = 1 + m², which is
        concave and rises with y, so that Newton's method from below cannot overshoot.
        """
        steep = np.abs(slope)
        most = np.sqrt(np.maximum(self.radius_mm**2 - aside2_mm2, 0.0))
        if self.angle_deg > 0:
            share = np.minimum(steep / self.steepness, 1.0)
            rest = np.sqrt(np.maximum(1 - share * share, 1e-300))
            cone = np.minimum(np.sqrt(aside2_mm2) * share / rest, most)
            tip = np.sqrt(np.maximum(self.flat_mm**2 - aside2_mm2, 0.0))
            ahead = np.where(share >= 1, most, np.maximum(cone, tip))
        elif self.corner_mm == 0:
            ahead = most
        elif self.flat_mm == 0:
            ahead = most * (steep / np.sqrt(1 + steep * steep))
        else:
            ahead = np.minimum(self._bull_lag(np.sqrt(aside2_mm2), steep), most)
        return np.asarray(np.sign(slope) * ahead)

    def _bull_lag(self, aside: Floats, steep: Floats) -> Floats:
        flat, corner = self.flat_mm, self.corner_mm
        aside = np.minimum(aside, self.radius_mm)
        m = np.maximum(steep, 1e-150)
        m2 = m * m
        mu = np.sqrt(1 + m2)
        lean = np.maximum((aside - flat) / corner, aside * m / (corner * m + flat * mu))
        end = corner + flat * m2 / (1 + m2)
        lean = np.clip(np.maximum(lean, 1 - (self.radius_mm - aside) / end), 0.0, 1.0)
        lean = _climb(lean, aside, m2, mu, flat, corner)
        out = flat / np.sqrt(m2 + lean * lean) + corner / mu
        return np.asarray(m * np.sqrt(1 - lean * lean) * out)


def _climb(lean: Floats, aside: Floats, m2: Floats, mu: Floats, flat: float, corner: float) -> Floats:
    """Solve ``corner·y + flat·mu·y / √(m2 + y²) = aside`` for y from starts below it; see `lag_mm`."""
    done = lean
    open_rows: Ints = np.arange(len(lean))
    for _ in range(_NEWTON):
        root = 1 / np.sqrt(m2 + lean * lean)
        inner = flat * mu * root
        slack = aside - (corner + inner) * lean
        lean = np.clip(lean + slack / (corner + inner * m2 * root * root), 0.0, 1.0)
        done[open_rows] = lean
        far = np.flatnonzero(slack > _SETTLED * (flat + corner))
        if not len(far):
            break
        if 2 * len(far) < len(lean):
            open_rows = open_rows[far]
            lean, aside, m2, mu = (values[far] for values in (lean, aside, m2, mu))
    return done
