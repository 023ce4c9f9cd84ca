"""Materials: a sheet's thickness and how each kind of head works it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fabctl.shop.library import load, names
from fabctl.shop.schema import ABSENT, Key, Rule, Table

MILLING = Table(
    (
        Key("chip_diameter_mm", "numbers", "tool diameters of the next row, ascending", low=0.1, high=50),
        Key("chip_load_mm", "numbers", "feed of one tooth at each diameter", low=0.001, high=1),
        Key("surface_speed_min_m_min", "number", "slowest clean edge speed", low=1, high=3000),
        Key("surface_speed_max_m_min", "number", "fastest before it burns or melts", low=1, high=3000),
        Key("stepdown_ratio", "number", "depth of a pass in tool diameters", low=0.01, high=3),
        Key("stepover_ratio", "number", "of pocket rings, in diameters", default=0.4, low=0.05, high=0.95),
        Key("plunge_ratio", "number", "plunge rate as a share of the feed", default=0.3, low=0.01, high=1),
        Key("ramp_deg", "number", "steepest way down along a cut", default=3.0, low=0.5, high=45),
        Key("note", "text", "what the operator should know", default=""),
    ),
    (
        Rule(
            ("chip_load_mm", "chip_diameter_mm"),
            lambda loads, diameters: len(loads) == len(diameters),
            "not as many as chip_diameter_mm",
            "one chip load for each diameter",
        ),
        Rule(
            ("chip_diameter_mm",),
            lambda diameters: all(one < two for one, two in pairwise(diameters)),
            "not ascending",
            "diameters from thin to thick",
        ),
        Rule(
            ("surface_speed_max_m_min", "surface_speed_min_m_min"),
            lambda fast, slow: fast >= slow,
            "below surface_speed_min_m_min",
            "at least surface_speed_min_m_min",
        ),
    ),
)

LASER = Table(
    (
        Key("cut_energy_j_mm2", "number", "beam energy for 1 mm of cut, 1 mm deep", low=0.001, high=100),
        Key("pass_depth_mm", "number", "deepest cut of one pass", low=0.05, high=50),
        Key("engrave_energy_j_mm", "number", "for 1 mm of a dark line", low=0.0001, high=10),
        Key("score_energy_j_mm", "number", "for 1 mm of a groove to fold", low=0.0001, high=20),
        Key("max_power_w", "number", "more sets it on fire or melts it", default=1000.0, low=0.1, high=20000),
        Key("gamma", "number", "of pictures: above 1 lightens middle tones", default=1.0, low=0.1, high=10),
        Key(
            "power_curve",
            "pairs",
            "of pictures: darkness wanted, share of the power that burns it",
            default=ABSENT,
            low=0,
            high=1,
        ),
        Key("note", "text", "what the operator should know", default=""),
    ),
    (
        Rule(
            ("power_curve",),
            lambda curve: curve is None or all(one[0] < two[0] for one, two in pairwise(curve)),
            "not ascending in darkness",
            "pairs from white (0) to black (1)",
        ),
    ),
)

KNIFE = Table(
    (
        Key("feed_mm_min", "number", "feed of a drag knife", low=1, high=50000),
        Key("pass_depth_mm", "number", "deepest cut of one pass", low=0.01, high=20),
        Key("note", "text", "what the operator should know", default=""),
    )
)

PEN = Table(
    (
        Key("feed_mm_min", "number", "feed at which ink still covers", low=1, high=50000),
        Key("note", "text", "what the operator should know", default=""),
    )
)

MATERIAL = Table(
    (
        Key("name", "name", "the file's name without .toml"),
        Key("title", "text", "what a person calls it"),
        Key("thickness_mm", "number", "of the sheet", low=0.01, high=300),
        Key("density_kg_m3", "number", "for the weight of parts", low=1, high=25000),
        Key("never_laser", "text", "why no beam may touch it; empty when one may", default=""),
        Key("milling", "table", "left out when it cannot be milled", default=ABSENT, table=MILLING),
        Key("laser", "table", "left out when a laser cannot cut it", default=ABSENT, table=LASER),
        Key("knife", "table", "left out when a drag knife cannot cut it", default=ABSENT, table=KNIFE),
        Key("pen", "table", "left out when no pen writes on it", default=ABSENT, table=PEN),
    ),
    (
        Rule(
            ("never_laser", "laser"),
            lambda never, laser: not never or laser is None,
            "a material that no beam may touch has no table [laser]",
            "one of the two",
        ),
    ),
)
"""Schema of a material's file."""


@dataclass(frozen=True, slots=True)
class Milling:
    """Cutting data for tools that turn; see `MILLING` for each field's meaning and unit."""

    chip_diameter_mm: tuple[float, ...]
    chip_load_mm: tuple[float, ...]
    surface_speed_min_m_min: float
    surface_speed_max_m_min: float
    stepdown_ratio: float
    stepover_ratio: float = 0.4
    plunge_ratio: float = 0.3
    ramp_deg: float = 3.0
    note: str = ""

    def chip_mm(self, diameter_mm: float) -> float:
        """Return the chip load for a tool, mm a tooth: linear between rows, proportional below the first.

        Above the last row it stays: a thicker tool takes more, but nobody has measured it here.

        Examples
        --------
        >>> data = Milling((2.0, 4.0), (0.02, 0.06), 100, 400, 0.5)
        >>> data.chip_mm(1.0), data.chip_mm(3.0), data.chip_mm(8.0)
        (0.01, 0.04, 0.06)
        """
        rows = list(zip(self.chip_diameter_mm, self.chip_load_mm, strict=True))
        thin, load_mm = rows[0]
        if diameter_mm <= thin:
            return load_mm * diameter_mm / thin
        for thick, next_mm in rows[1:]:
            if diameter_mm <= thick:
                return round(load_mm + (next_mm - load_mm) * (diameter_mm - thin) / (thick - thin), 6)
            thin, load_mm = thick, next_mm
        return load_mm


@dataclass(frozen=True, slots=True)
class LaserData:
    """Beam data; see `LASER` for each field's meaning and unit."""

    cut_energy_j_mm2: float
    pass_depth_mm: float
    engrave_energy_j_mm: float
    score_energy_j_mm: float
    max_power_w: float = 1000.0
    gamma: float = 1.0
    power_curve: tuple[tuple[float, float], ...] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class KnifeData:
    """Drag knife data: feed in mm/min, deepest pass in mm."""

    feed_mm_min: float
    pass_depth_mm: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class PenData:
    """Pen data: feed in mm/min."""

    feed_mm_min: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One material as it lies in the shop.

    Parameters
    ----------
    name, title : str
        What files and what people call it.
    thickness_mm : float
        Of the sheet.
    density_kg_m3 : float
        For the weight of parts.
    never_laser : str
        Why no beam may touch it; empty when one may.
    milling, laser, knife, pen : optional
        Data for each kind of head; None when it cannot be worked so.
    """

    name: str
    title: str
    thickness_mm: float
    density_kg_m3: float
    never_laser: str = ""
    milling: Milling | None = None
    laser: LaserData | None = None
    knife: KnifeData | None = None
    pen: PenData | None = None


def material_names() -> tuple[str, ...]:
    """Return the names of all materials at hand, sorted."""
    return names("materials")


def load_material(name_or_path: str | os.PathLike[str]) -> Material:
    """Read and check a material.

    Parameters
    ----------
    name_or_path : str or path
        ``plywood-12`` or a TOML file.

    Raises
    ------
    ProfileError
        When there is none of that name, or with everything that is wrong in its file.

    Examples
    --------
    >>> load_material("plywood-12").thickness_mm
    12.0
    """
    values, _ = load("materials", name_or_path, MATERIAL)
    fields: dict[str, Any] = dict(values)
    for key, kind in (("milling", Milling), ("laser", LaserData), ("knife", KnifeData), ("pen", PenData)):
        fields[key] = None if values[key] is None else kind(**values[key])
    return Material(**fields)
