"""Job files: which design, on what, and what to do with each layer or colour of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fabctl.errors import ProfileError
from fabctl.shop.library import locate, names, read_toml
from fabctl.shop.recipe import MOST_PASSES, Overrides
from fabctl.shop.schema import ABSENT, Key, Rule, Table, check
from fabctl.units import LENGTH_MM

OPERATION_KINDS = ("profile", "pocket", "drill", "engrave", "score", "ignore")
SIDES = ("auto", "outside", "inside", "on")
ORDERS = ("inner-first", "as-written")

TABS = Table(
    (
        Key("count", "integer", "tabs on each closed path", default=4, low=1, high=100),
        Key("width_mm", "number", "length of a tab along the path", default=6.0, low=0.5, high=100),
        Key("height_mm", "number", "what is left standing", default=1.5, low=0.1, high=50),
    )
)

DITHERS = ("floyd-steinberg", "burkes", "sierra", "bayer", "threshold")

RASTER = Table(
    (
        Key("width_mm", "number", "of the picture; as its file says", default=ABSENT, low=0.1, high=10000),
        Key("pitch_mm", "number", "of the lines; as wide as the beam", default=ABSENT, low=0.01, high=10),
        Key("levels", "integer", "steps of power; 1 is on or off", default=1, low=1, high=255),
        Key("dither", "text", "how greys become steps", default=DITHERS[0], choices=DITHERS),
        Key("both_ways", "flag", "every second line from right to left", default=True),
        Key("feed_mm_min", "number", "instead of the recipe's", default=ABSENT, low=1, high=100000),
        Key("power", "number", "of black, instead of the recipe's", default=ABSENT, low=0, high=1),
    )
)

OPERATION = Table(
    (
        Key("kind", "text", "what is done", choices=OPERATION_KINDS),
        Key("name", "text", "what the summary calls it", default=""),
        Key("layer", "text", "paths of this layer; * and ? stand for any text", default=""),
        Key("colour", "text", "paths of this colour, #rrggbb", default=""),
        Key("ident", "text", "paths of this id; * and ? stand for any text", default=""),
        Key("side", "text", "of a profile: where the tool runs", default="auto", choices=SIDES),
        Key("depth_mm", "number", "how deep, positive downwards", default=ABSENT, low=0.001, high=300),
        Key("depth", "text", "instead of depth_mm: all the way", default="", choices=("", "through")),
        Key("tool", "name", "another tool than the job's", default=ABSENT),
        Key("tabs", "table", "bridges that hold a part in place", default=ABSENT, table=TABS),
        Key("relief", "flag", "cut inner corners out for a square counterpart", default=False),
        Key("feed_mm_min", "number", "instead of the recipe's", default=ABSENT, low=1, high=100000),
        Key("plunge_mm_min", "number", "instead of the recipe's", default=ABSENT, low=1, high=100000),
        Key("stepdown_mm", "number", "instead of the recipe's", default=ABSENT, low=0.001, high=100),
        Key("stepover_mm", "number", "instead of the recipe's", default=ABSENT, low=0.001, high=100),
        Key("power", "number", "of a beam, instead of the recipe's", default=ABSENT, low=0, high=1),
        Key("rpm", "number", "instead of the recipe's", default=ABSENT, low=1, high=200000),
        Key("passes", "integer", "instead of the recipe's", default=ABSENT, low=1, high=MOST_PASSES),
    ),
    (
        Rule(
            ("layer", "colour", "ident"),
            lambda *texts: any(texts),
            "nothing says which paths are meant",
            'at least one of layer, colour, ident (ident = "*" means all that are left)',
        ),
        Rule(
            ("colour",),
            lambda colour: colour == "" or _is_colour(colour),
            "not a colour",
            "#rrggbb with hexadecimal digits",
        ),
        Rule(
            ("depth", "depth_mm"),
            lambda depth, depth_mm: not depth or depth_mm is None,
            "both depth and depth_mm are given",
            "one of the two",
        ),
        Rule(
            ("depth_mm", "kind", "depth"),
            lambda depth_mm, kind, depth: kind != "pocket" or depth_mm is not None or depth == "through",
            "a pocket needs its depth",
            'depth_mm = a number, or depth = "through"',
        ),
        Rule(
            ("side", "kind"),
            lambda side, kind: side == "auto" or kind == "profile",
            "only a profile has a side",
            "left out for other kinds",
        ),
        Rule(
            ("tabs", "kind"),
            lambda tabs, kind: tabs is None or kind == "profile",
            "only a profile has tabs",
            "left out for other kinds",
        ),
    ),
)

JOB = Table(
    (
        Key(
            "job",
            "table",
            "what is made from what",
            table=Table(
                (
                    Key("title", "text", "what a person calls it"),
                    Key("design", "path", "the drawing, beside or below the job file"),
                    Key("machine", "name", "the machine; `fabctl machines` lists them"),
                    Key("material", "name", "the material; `fabctl materials` lists them"),
                    Key("tool", "name", "the tool; `fabctl tools` lists them"),
                    Key(
                        "units",
                        "text",
                        "the drawing's unit, when the file does not say or says it wrong",
                        default="",
                        choices=("", *sorted(unit for unit in LENGTH_MM if unit != '"')),
                    ),
                    Key("order", "text", "of the cuts", default="inner-first", choices=ORDERS),
                )
            ),
        ),
        Key(
            "stock",
            "table",
            "the piece that lies on the machine",
            table=Table(
                (
                    Key("width_mm", "number", "along X", low=1, high=10000),
                    Key("height_mm", "number", "along Y", low=1, high=10000),
                    Key("thickness_mm", "number", "as measured", default=ABSENT, low=0.01, high=300),
                )
            ),
        ),
        Key(
            "placement",
            "table",
            "where the drawing's lower left corner comes to lie on the stock",
            default={},
            table=Table(
                (
                    Key("origin_x_mm", "number", "from the left edge", default=10.0, low=-10000, high=10000),
                    Key("origin_y_mm", "number", "from the lower edge", default=10.0, low=-10000, high=10000),
                    Key("rotation_deg", "number", "counterclockwise, first", default=0.0, low=-360, high=360),
                )
            ),
        ),
        Key(
            "operation",
            "tables",
            "what to do; the first that selects a path has it",
            default=(),
            table=OPERATION,
        ),
        Key("raster", "table", "how a picture is burnt", default=ABSENT, table=RASTER),
    ),
    (
        Rule(
            ("operation", "raster"),
            lambda operations, raster: raster is not None or 0 < len(operations) <= 200,
            "no operation, or more than 200",
            "from 1 to 200 tables [[operation]], or a table [raster] for a picture",
        ),
        Rule(
            ("raster", "operation"),
            lambda raster, operations: raster is None or not operations,
            "a picture has no paths for operations",
            "[raster] or [[operation]]",
        ),
    ),
)
"""Schema of jobs/*.toml."""


@dataclass(frozen=True, slots=True)
class Tabs:
    """Bridges that hold a part: how many on each closed path, length along it and height, mm."""

    count: int = 4
    width_mm: float = 6.0
    height_mm: float = 1.5


@dataclass(frozen=True, slots=True)
class Operation:
    """What to do with the paths a selector picks; see `OPERATION` for each field's meaning.

    Parameters
    ----------
    kind : str
        One of `OPERATION_KINDS`.
    layer, colour, ident : str
        What a path must match, all that are not empty; `*` and `?` in layer and ident.
    side : str
        One of `SIDES`; of a profile.
    depth_mm : float, optional
        Positive downwards; None with `through` false means the kind's own depth.
    through : bool
        All the way.
    tool : str, optional
        Another tool than the job's.
    tabs : Tabs, optional
        Of a profile.
    relief : bool
        Whether a profile's inner corners are cut out for a square counterpart (dogbones).
    overrides : Overrides
        Values instead of the recipe's.
    """

    kind: str
    name: str = ""
    layer: str = ""
    colour: str = ""
    ident: str = ""
    side: str = "auto"
    depth_mm: float | None = None
    through: bool = False
    tool: str | None = None
    tabs: Tabs | None = None
    relief: bool = False
    overrides: Overrides = field(default_factory=Overrides)

    def selects(self, layer: str, colour: str, ident: str) -> bool:
        """Return whether a path of this layer, colour and id is meant.

        Examples
        --------
        >>> Operation("profile", layer="cut*").selects("cut-outside", "#ff0000", "path7")
        True
        >>> Operation("profile", layer="cut*", colour="#0000ff").selects("cut-outside", "#ff0000", "path7")
        False
        """
        return (
            (not self.layer or fnmatchcase(layer, self.layer))
            and (not self.colour or colour.lower() == self.colour)
            and (not self.ident or fnmatchcase(ident, self.ident))
        )


@dataclass(frozen=True, slots=True)
class Raster:
    """How a picture is burnt; see `RASTER` for each field's meaning.

    Parameters
    ----------
    width_mm : float, optional
        Of the picture on the stock; as its file says when left out.
    pitch_mm : float, optional
        Of lines and dots; the beam's width when left out.
    levels : int
        Steps of power above none; 1 is a beam that is on or off.
    dither : str
        One of `DITHERS`.
    both_ways : bool
        Whether every second line runs from right to left.
    feed_mm_min, power : float, optional
        Instead of the recipe's for engraving.
    """

    width_mm: float | None = None
    pitch_mm: float | None = None
    levels: int = 1
    dither: str = DITHERS[0]
    both_ways: bool = True
    feed_mm_min: float | None = None
    power: float | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the drawing's lower left corner lies on the stock (mm), after turning it (deg)."""

    origin_x_mm: float = 10.0
    origin_y_mm: float = 10.0
    rotation_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """One job file.

    Parameters
    ----------
    title : str
        What a person calls it.
    design : Path
        The drawing: an existing file in the job's folder or below.
    machine, material, tool : str
        Names, to be loaded with `load_machine` and the like.
    width_mm, height_mm : float
        Of the stock, along X and Y.
    operations : tuple of Operation
        In the order of the file; the first that selects a path has it.
    units : str
        The drawing's unit; empty to believe the file.
    order : str
        One of `ORDERS`.
    thickness_mm : float, optional
        As measured; None takes the material's.
    placement : Placement
        Of the drawing on the stock.
    raster : Raster, optional
        How a picture is burnt; then there are no operations.
    source : str
        The job file.
    """

    title: str
    design: Path
    machine: str
    material: str
    tool: str
    width_mm: float
    height_mm: float
    operations: tuple[Operation, ...]
    units: str = ""
    order: str = "inner-first"
    thickness_mm: float | None = None
    placement: Placement = field(default_factory=Placement)
    raster: Raster | None = None
    source: str = ""


def operation_of(operations: Iterable[Operation], layer: str, colour: str, ident: str) -> Operation | None:
    """Return the first operation that selects a path of a drawing, or None when none does."""
    return next((one for one in operations if one.selects(layer, colour, ident)), None)


def _is_colour(text: str) -> bool:
    return len(text) == 7 and text[0] == "#" and all(digit in "0123456789abcdefABCDEF" for digit in text[1:])


def job_names() -> tuple[str, ...]:
    """Return the names of all jobs at hand, the person's own and the shipped examples, sorted."""
    return names("jobs")


def load_job(name_or_path: str | os.PathLike[str]) -> Job:
    """Read and check a job file.

    Parameters
    ----------
    name_or_path : str or path
        ``stool`` or a TOML file.

    Returns
    -------
    Job
        Its design exists; machine, material and tool are names yet to be loaded.

    Raises
    ------
    ProfileError
        When the file is missing, anything in it is wrong, or its design is not in its folder.
    """
    path = locate("jobs", name_or_path)
    values = check(read_toml(path), JOB, file=str(path))
    head, stock = values["job"], values["stock"]
    return Job(
        title=head["title"],
        design=_design(path, head["design"]),
        machine=head["machine"],
        material=head["material"],
        tool=head["tool"],
        units=head["units"],
        order=head["order"],
        placement=Placement(**values["placement"]),
        raster=None if values["raster"] is None else Raster(**values["raster"]),
        operations=tuple(map(_operation, values["operation"])),
        source=str(path),
        **stock,
    )


def _design(job_file: Path, relative: str) -> Path:
    # A link could lead out of the folder although the text does not.
    folder = job_file.resolve().parent
    inside = (folder / relative).resolve().is_relative_to(folder)
    design = job_file.parent / relative
    if not inside or not design.is_file():
        seen = "is not here" if inside else "leads out of the job's folder"
        raise ProfileError(
            f"{relative!r} {seen}",
            file=str(job_file),
            place="[job] design",
            remedy="put the drawing beside the job file and write its name",
        )
    return design


def _operation(values: dict[str, Any]) -> Operation:
    wishes = {key.name: values[key.name] for key in fields(Overrides)}
    tabs = values["tabs"]
    return Operation(
        kind=values["kind"],
        name=values["name"],
        layer=values["layer"],
        colour=values["colour"].lower(),
        ident=values["ident"],
        side=values["side"],
        depth_mm=values["depth_mm"],
        through=values["depth"] == "through",
        tool=values["tool"],
        tabs=None if tabs is None else Tabs(**tabs),
        relief=values["relief"],
        overrides=Overrides(**wishes),
    )
