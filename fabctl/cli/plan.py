"""``fabctl plan``: a design or a job becomes G-code; nothing moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.options import JSON, MACHINE, order_from, placing, whole_file
from fabctl.cli.show import as_json, facts, notes, say
from fabctl.errors import RefusedError
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.job.plan import Order, Plan
    from fabctl.program.model import Finding, Program
    from fabctl.shop.permit import Permit


@click.command()
@click.argument("design", metavar="DESIGN|JOB")
@MACHINE
@placing
@click.option("-o", "--output", metavar="FILE", help="Write the program here; - is stdout.")
@JSON
def plan(design: str, output: str | None, json_: bool, **placing: Any) -> None:
    """Turn a design (SVG, DXF, STL), a picture or a job into G-code for a machine and a material.

    \b
    Examples:
      fabctl plan drawing.svg -m router-3018 -M plywood-6 -o drawing.nc
      fabctl plan case.dxf -m laser-400 -M acrylic-3 --units mm --stock 300x200
      fabctl plan photo.png -m laser-400 -M plywood-3 --width 80 -o photo.nc
      fabctl plan stool -o stool.nc

    Closed contours are cut outside, those inside them inside and first; open lines are followed; circles of
    the tool's size are drilled. Layers and colours named engrave, score, pocket, drill or ignore (or blue,
    green) are taken as such: docs/operations.md. Without -o the program is only described.
    """
    made = planned(order_from(design, **placing))
    findings, _ = approved(made)
    if output:
        whole_file(output, made.program.text)
    notes(str(f) for f in findings)
    if json_ and output != "-":
        as_json(summary(made) | {"notes": list(made.notes), "file": output})
    elif output != "-":
        click.echo(facts({key.replace("_", " "): str(value) for key, value in spoken(made).items()}))
        say(f"written to {output}" if output else "nothing written: -o FILE keeps the program")


def planned(order: Order) -> Plan:
    """Plan an order and tell its notes, the reader's before anything can be refused.

    Raises
    ------
    DesignError, RefusedError
        As `fabctl.job.plan.plan` does.
    """
    from fabctl.job.plan import plan as make_plan

    told: list[str] = []

    def _tell(text: str) -> None:
        told.append(text)
        notes([text])

    made = make_plan(order, _tell)
    notes(note for note in made.notes if note not in told)
    return made


def approved(made: Plan) -> tuple[tuple[Finding, ...], Permit]:
    """Check what was planned; a refusal names the drawing, not lines of a program nobody has yet.

    Raises
    ------
    RefusedError
        When this machine or stock cannot take it.
    """
    from fabctl.job.check import approve

    try:
        return approve(made.program, made.order.machine, made.stock)
    except RefusedError as error:
        error.file, error.place = made.design.source, "as planned"
        error.remedy += "; --at, or [placement] in a job file, moves the drawing on the stock"
        raise


def summary(made: Plan) -> dict[str, Any]:
    """Say what a plan comes to, for programs."""
    from fabctl.job.plan import measure

    figures = measure(made)
    return {
        "design": made.design.source,
        "machine": made.order.machine.name,
        "material": made.order.material.name,
        "stock_mm": [made.stock.width_mm, made.stock.height_mm, made.stock.thickness_mm],
        "tools": list(dict.fromkeys(cut.step.tool.name for cut in made.cuts)),
        "parts": figures.parts,
        "cut_length_mm": round(figures.cut_mm, 1),
        "rapid_length_mm": round(figures.rapid_mm, 1),
        "estimated_s": round(made.timing.total_s, 1),
        "lines": made.program.line_count,
        "bytes": len(made.program.text),
        "sha256": made.program.digest,
        "operations": [
            {
                "name": cut.step.name,
                "kind": cut.step.kind,
                "paths": len(cut.step.curves),
                "tool": cut.step.tool.name,
                "depth_mm": round(cut.step.depth_mm, 3),
                "feed_mm_min": cut.step.recipe.feed_mm_min,
            }
            for cut in made.cuts
        ],
    }


def extents_text(program: Program) -> str:
    """Say how far a program reaches, mm in work coordinates."""
    from fabctl.program.arcs import extents_mm

    low, high = extents_mm(program.moves, program.start)
    return ", ".join(f"{axis} {a:g} … {b:g}" for axis, a, b in zip("XYZ", low, high, strict=True)) + " mm"


def spoken(made: Plan) -> dict[str, str]:
    """Say what a plan comes to, for people."""
    told = summary(made)
    width, height, thick = told["stock_mm"]
    return {
        "design": told["design"],
        "machine": made.order.machine.title,
        "material": f"{made.order.material.title}, {width:.1f} × {height:.1f} × {thick:g} mm",
        "tools": ", ".join(told["tools"]),
        "operations": ", ".join(f"{o['name']} ({o['paths']})" for o in told["operations"]),
        "parts": str(told["parts"]),
        "cut length": f"{told['cut_length_mm'] / 1000:.2f} m, rapids {told['rapid_length_mm'] / 1000:.2f} m",
        "extents": extents_text(made.program),
        "first tool": told["tools"][0] if told["tools"] else "",
        "time estimated": format_duration(told["estimated_s"]),
        "program": f"{told['lines']} lines, {told['bytes']} bytes",
    }
