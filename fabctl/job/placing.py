"""Where a design comes to lie: a solid in sheets side by side, a drawing on its stock within the travel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fabctl.design.model import Design, Note
from fabctl.errors import InputError, RefusedError
from fabctl.geometry.curves import extents
from fabctl.operations.sheets import sheets
from fabctl.shop.job import Placement
from fabctl.shop.machine import Machine
from fabctl.shop.material import Material
from fabctl.shop.stock import Stock, stock_of
from fabctl.shop.tool import Tool

MARGIN_MM = 4.0
"""Left between a drawing and the stock's edge beside the tool's width when nobody places it, mm."""

MOST_TURN_DEG = 360.0
"""A drawing is turned no further than once round, deg."""

SLACK_MM = 1e-6
"""What floating point may add to a drawing that fits to the hair, mm."""


def in_sheets(design: Design, room_mm: tuple[float, float], thickness_mm: float, tool: Tool) -> Design:
    """Slice a solid into sheets laid out on the stock; leave a drawing as it is.

    Parameters
    ----------
    design : Design
    room_mm : (width, height)
        Of stock or machine, mm.
    thickness_mm : float
        Of a sheet, mm.
    tool : Tool
        What goes round each slice.

    Returns
    -------
    Design
        Contours instead of the solid's none.

    Raises
    ------
    RefusedError
        When the slices do not fit, are too many, or there is nothing to slice.
    """
    if design.mesh is None:
        return design
    edge = 2 * _margin_mm(tool)
    width, height = room_mm
    gap = _margin_mm(tool) + tool.diameter_mm
    made = sheets(design.mesh, thickness_mm, width - edge, height - edge, gap, source=design.source)
    flat = replace(
        design,
        curves=made.curves,
        layer=made.names,
        colour=[""] * len(made.names),
        ident=[f"{name}, contour {i + 1}" for i, name in enumerate(made.names)],
    )
    return flat.with_notes(*(Note("sheets", text) for text in made.notes))


def place(
    design: Design,
    machine: Machine,
    material: Material,
    tool: Tool,
    placement: Placement | None,
    stock_mm: tuple[float, float] | None,
    thickness_mm: float,
) -> tuple[Design, Stock]:
    """Move a drawing onto its stock; refuse what machine or stock cannot hold.

    Parameters
    ----------
    design : Design
    machine : Machine
    material : Material
    tool : Tool
        Its width is left free at the edge when nobody places the drawing.
    placement : Placement, optional
        Where the drawing's lower left corner comes to lie, and how it is turned before.
    stock_mm : (width, height), optional
        mm; as large as the drawing needs when left out.
    thickness_mm : float
        Of the stock, mm.

    Returns
    -------
    Design
        On the stock, mm, work coordinates.
    Stock

    Raises
    ------
    InputError
        When there is nothing to place, or a placement or size is no ordinary number.
    RefusedError
        When the drawing does not lie on the stock and within the machine's travel.
    """
    at = placement or Placement(_margin_mm(tool), _margin_mm(tool))
    _demand_numbers(at, design.source)
    angle = np.radians(at.rotation_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    if at.rotation_deg % 90 == 0:
        cos, sin = np.round(cos), np.round(sin)
    turned = design.curves.transform([[cos, -sin, 0.0], [sin, cos, 0.0]])
    x0, y0, x1, y1 = extents(turned)
    width, height = x1 - x0, y1 - y0
    _demand_room(design, machine, width, height)
    right, top = at.origin_x_mm + width, at.origin_y_mm + height
    _demand_travel(design, machine, at, right, top)
    curves = turned.transform([[1.0, 0.0, at.origin_x_mm - x0], [0.0, 1.0, at.origin_y_mm - y0]])
    room = stock_mm or (at.origin_x_mm + right, at.origin_y_mm + top)
    stock = stock_of(material, *room, thickness_mm)
    if right > room[0] or top > room[1] or min(at.origin_x_mm, at.origin_y_mm) < 0:
        raise RefusedError(
            f"the drawing ({width:.1f} × {height:.1f} mm at {at.origin_x_mm:g}, {at.origin_y_mm:g}) does not "
            f"lie on the stock of {room[0]:g} × {room[1]:g} mm",
            file=design.source,
            remedy="take a larger stock, move or turn the drawing (--rotate 90)",
        )
    placed = replace(design, curves=curves)
    if stock_mm is None:
        said = f"no stock named: as large as the drawing needs, {room[0]:.1f} × {room[1]:.1f} mm"
        placed = placed.with_notes(Note("stock", f"{said}; --stock names yours"))
    return placed, stock


def _margin_mm(tool: Tool) -> float:
    return MARGIN_MM + tool.diameter_mm


def _demand_room(design: Design, machine: Machine, width_mm: float, height_mm: float) -> None:
    """Refuse a drawing larger than the machine before hours are spent on it."""
    x, y, _ = machine.travel_mm
    if not np.isfinite(width_mm + height_mm):
        raise InputError("there is nothing to cut", file=design.source, remedy="draw closed or open paths")
    if width_mm <= x and height_mm <= y:
        return
    turn = "turn it (--rotate 90), or " if height_mm <= x and width_mm <= y else ""
    raise RefusedError(
        f"the drawing is {width_mm:.1f} × {height_mm:.1f} mm; {machine.title} reaches {x:g} × {y:g} mm",
        file=design.source,
        remedy=f"{turn}choose a larger machine (fabctl machines), or name the drawing's unit (--units)",
    )


def _demand_numbers(at: Placement, source: str) -> None:
    """Refuse a placement that is no ordinary number: it would end as nan in every coordinate."""
    if not abs(at.rotation_deg) <= MOST_TURN_DEG:
        raise InputError(
            f"a drawing cannot be turned by {at.rotation_deg:g}°",
            file=source,
            remedy=f"give an angle from {-MOST_TURN_DEG:g} to {MOST_TURN_DEG:g}° (--rotate 90)",
        )
    if not (math.isfinite(at.origin_x_mm) and math.isfinite(at.origin_y_mm)):
        raise InputError(
            f"a drawing cannot be placed at {at.origin_x_mm:g}, {at.origin_y_mm:g} mm",
            file=source,
            remedy="give two ordinary lengths (--at 10,10)",
        )


def _demand_travel(design: Design, machine: Machine, at: Placement, right_mm: float, top_mm: float) -> None:
    """Refuse a drawing placed beyond where the machine reaches from the stock's corner."""
    x, y, _ = machine.travel_mm
    if right_mm <= x + SLACK_MM and top_mm <= y + SLACK_MM:
        return
    raise RefusedError(
        f"placed at {at.origin_x_mm:g}, {at.origin_y_mm:g} mm the drawing ends at {right_mm:.1f}, "
        f"{top_mm:.1f} mm; {machine.title} reaches {x:g} × {y:g} mm",
        file=design.source,
        remedy="place it nearer to the stock's corner (--at), or choose a larger machine (fabctl machines)",
    )
