"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from fabctl.errors import InputError
from fabctl.units import parse_length_mm

if TYPE_CHECKING:
    from fabctl.job.plan import Order
    from fabctl.shop.job import Placement
    from fabctl.shop.machine import Machine
    from fabctl.shop.stock import Stock

Command = TypeVar("Command", bound=Callable[..., Any])

MACHINE = click.option(
    "-m", "--machine", metavar="MACHINE", help="Machine: a name `fabctl machines` lists, or a TOML file."
)
JSON = click.option("--json", "json_", is_flag=True, help="Print the result as JSON on stdout.")

_PLACING: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-M",
        "--material",
        metavar="MATERIAL",
        help="Material: a name `fabctl materials` lists, or a TOML file.",
    ),
    click.option("-t", "--tool", metavar="TOOL", help="Tool; the thickest that fits when left out."),
    click.option("--stock", metavar="WxH", help="Size of the sheet, such as 600x400 or 24inx18in."),
    click.option("--thickness", metavar="LENGTH", help="As measured; the material's when left out."),
    click.option("--units", metavar="UNIT", help="Unit of the drawing: mm, in, px90 …"),
    click.option("--at", metavar="X,Y", help="Where the drawing's lower left corner lies on the stock."),
    click.option("--rotate", type=float, default=0.0, metavar="DEG", help="Turn the drawing first."),
    click.option("--width", metavar="LENGTH", help="Of a picture to burn; as its file says when left out."),
)


def placing(command: Command) -> Command:
    """Give a command the options that say on what and where a design is made."""
    decorated: Any = command
    for option in reversed(_PLACING):
        decorated = option(decorated)
    return cast("Command", decorated)


def order_from(
    design: str,
    machine: str | None,
    material: str | None,
    tool: str | None,
    stock: str | None,
    thickness: str | None,
    units: str | None,
    at: str | None,
    rotate: float,
    width: str | None,
) -> Order:
    """Turn a command line into an order: of a job file (TOML or a name) or of a design.

    Raises
    ------
    InputError
        When an option cannot be read, or machine and material are missing for a design.
    """
    from fabctl.job.plan import order_of
    from fabctl.shop.job import Raster, load_job

    if is_job(design):
        given = {"--tool": tool, "--stock": stock, "--thickness": thickness, "--units": units, "--at": at}
        given["--width"] = width
        surplus = [name for name, value in given.items() if value] + (["--rotate"] if rotate else [])
        if surplus:
            raise InputError(
                f"{', '.join(surplus)} and a job file: the job file says it itself",
                file=design,
                remedy="change the job file, or plan its drawing directly",
            )
        return order_of(load_job(design), machine=machine, material=material)
    if not machine or not material:
        both = (("--machine", machine), ("--material", material))
        raise InputError(
            f"{' and '.join(name for name, value in both if not value)} missing: the same drawing is made "
            "differently on each",
            file=design,
            remedy="name them; `fabctl machines` and `fabctl materials` list what is known",
        )
    order = _order(design, machine, material, tool, stock, thickness, units, _placement(at, rotate))
    return order if width is None else replace(order, raster=Raster(width_mm=_length(width, "--width")))


def is_job(text: str) -> bool:
    """Say whether a person means a job file: a TOML file, or the name of a job that is no file here."""
    from fabctl.shop.job import job_names

    return text.lower().endswith(".toml") or (not Path(text).exists() and text in job_names())


def _order(
    design: str,
    machine: str,
    material: str,
    tool: str | None,
    stock: str | None,
    thickness: str | None,
    units: str | None,
    placement: Placement | None,
) -> Order:
    from fabctl.job.plan import Order
    from fabctl.shop.machine import load_machine
    from fabctl.shop.material import load_material

    return Order(
        design=Path(design),
        machine=load_machine(machine),
        material=load_material(material),
        title=Path(design).stem,
        tool=tool,
        stock_mm=_pair(stock, "x", "--stock") if stock else None,
        thickness_mm=_length(thickness, "--thickness") if thickness else None,
        units=units,
        placement=placement,
    )


def _placement(at: str | None, rotate: float) -> Placement | None:
    from fabctl.shop.job import Placement

    if not at and not rotate:
        return None
    x, y = _pair(at, ",", "--at") if at else (10.0, 10.0)
    return Placement(x, y, rotate)


def _pair(text: str, separator: str, option: str) -> tuple[float, float]:
    parts = re.split(rf"\s*[{separator}×]\s*", text.strip().lower())
    if len(parts) != 2:
        raise InputError(
            f"{text!r} is not a pair of lengths",
            place=option,
            remedy=f"write two lengths with {separator!r} between them, such as 600{separator}400",
        )
    return _length(parts[0], option), _length(parts[1], option)


def _length(text: str, option: str) -> float:
    """Parse a length of an option; what is wrong with it names the option."""
    try:
        return parse_length_mm(text)
    except InputError as error:
        error.place = option
        raise


def whole_file(path: str, data: bytes) -> None:
    """Write a file whole or not at all; ``-`` is stdout.

    Raises
    ------
    InputError
        When the place cannot be written to.
    """
    if path == "-":
        sys.stdout.buffer.write(data)
        return
    from fabctl.record.files import atomic_write

    atomic_write(Path(path), data)


def machine_named(machine: str | None, file: str) -> Machine:
    """Load the machine of ``-m``.

    Raises
    ------
    InputError
        When none is named.
    """
    from fabctl.shop.machine import load_machine

    if not machine:
        raise InputError(
            "--machine missing: a program is right or wrong for one machine only",
            file=file,
            remedy="name it with -m; `fabctl machines` lists what is known",
        )
    return load_machine(machine)


def stock_named(material: str | None, stock: str | None) -> Stock | None:
    """Load the stock of ``-M`` and ``--stock``; None when neither is given.

    Raises
    ------
    InputError
        When only one of the two is given.
    """
    from fabctl.shop.material import load_material
    from fabctl.shop.stock import stock_of

    if material is None and stock is None:
        return None
    if not material or not stock:
        raise InputError("--material and --stock go together", remedy="give both, or neither")
    return stock_of(load_material(material), *_pair(stock, "x", "--stock"))
