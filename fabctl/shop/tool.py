"""Tools: what is held in the spindle, the pen holder or the beam."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from fabctl.shop.library import load, names
from fabctl.shop.schema import Key, Rule, Table

TOOL_KINDS = ("endmill", "ballnose", "vbit", "drill", "laser", "pen", "knife")
ROTATING = frozenset({"endmill", "ballnose", "vbit", "drill"})

TOOL = Table(
    (
        Key("name", "name", "the file's name without .toml"),
        Key("title", "text", "what a person calls it"),
        Key("kind", "text", "what sort of tool", choices=TOOL_KINDS),
        Key("diameter_mm", "number", "cutting width; of a beam its kerf", low=0.01, high=100),
        Key("tip_mm", "number", "flat at the tip of a V-bit", default=0.0, low=0, high=50),
        Key(
            "angle_deg",
            "number",
            "whole angle of the tip; 0 for a flat or round one",
            default=0.0,
            low=0,
            high=179,
        ),
        Key("flutes", "integer", "cutting edges; 0 for tools that do not turn", default=0, low=0, high=12),
        Key(
            "cutting_length_mm",
            "number",
            "how deep it can cut before the shank rubs; 0 for beam and pen",
            default=0.0,
            low=0,
            high=200,
        ),
        Key("max_rpm", "number", "never turned faster", default=60000.0, low=1, high=200000),
    ),
    (
        Rule(
            ("flutes", "kind"),
            lambda flutes, kind: (flutes > 0) == (kind in ROTATING),
            "does not fit the kind",
            "at least 1 for endmill, ballnose, vbit and drill; 0 for the others",
        ),
        Rule(
            ("cutting_length_mm", "kind"),
            lambda length, kind: length > 0 or kind in {"laser", "pen"},
            "a tool that cuts needs a cutting length",
            "more than 0 mm",
        ),
        Rule(
            ("angle_deg", "kind"),
            lambda angle, kind: 10 <= angle <= 170 or kind != "vbit",
            "a V-bit needs the angle of its tip",
            "from 10 to 170 deg",
        ),
        Rule(
            ("tip_mm", "diameter_mm"),
            lambda tip, diameter: tip < diameter,
            "the tip is not smaller than the tool",
            "less than diameter_mm",
        ),
    ),
)
"""Schema of a tool's file."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Parameters
    ----------
    name, title : str
        What files and what people call it.
    kind : str
        One of `TOOL_KINDS`.
    diameter_mm : float
        Cutting diameter; of a beam its kerf, of a pen its line.
    tip_mm, angle_deg : float
        Of a V-bit: flat at the tip and whole angle.
    flutes : int
        Cutting edges; 0 for tools that do not turn.
    cutting_length_mm : float
        Deepest cut; 0 for beam and pen.
    max_rpm : float
        Never turned faster.
    """

    name: str
    title: str
    kind: str
    diameter_mm: float
    tip_mm: float = 0.0
    angle_deg: float = 0.0
    flutes: int = 0
    cutting_length_mm: float = 0.0
    max_rpm: float = 60000.0

    def width_mm(self, depth_mm: float) -> float:
        """Return how wide a groove of a depth is at the top, mm; depth counted positive downwards.

        Examples
        --------
        >>> Tool("v", "V", "vbit", 6.0, tip_mm=0.0, angle_deg=90.0, flutes=1).width_mm(1.0)
        2.0
        """
        if self.kind == "vbit":
            wide = self.tip_mm + 2 * max(depth_mm, 0.0) * math.tan(math.radians(self.angle_deg / 2))
            return min(self.diameter_mm, round(wide, 9))
        if self.kind == "ballnose" and depth_mm < self.diameter_mm / 2:
            depth = max(depth_mm, 0.0)
            return 2 * math.sqrt(depth * (self.diameter_mm - depth))
        return self.diameter_mm


def tool_names() -> tuple[str, ...]:
    """Return the names of all tools at hand, sorted."""
    return names("tools")


def load_tool(name_or_path: str | os.PathLike[str]) -> Tool:
    """Read and check a tool.

    Parameters
    ----------
    name_or_path : str or path
        ``endmill-3.175`` or a TOML file.

    Raises
    ------
    ProfileError
        When there is none of that name, or with everything that is wrong in its file.

    Examples
    --------
    >>> load_tool("endmill-6").diameter_mm
    6.0
    """
    values, _ = load("tools", name_or_path, TOOL)
    return Tool(**values)
