"""``fabctl level``: lay a G-code file onto stock whose height was probed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fabctl.cli.options import JSON, MACHINE, stock_named, whole_file
from fabctl.cli.show import as_json, facts, notes
from fabctl.units import format_duration, parse_length_mm

if TYPE_CHECKING:
    from fabctl.job.level import HeightMap, Levelled
    from fabctl.shop.machine import Machine
    from fabctl.shop.stock import Stock

MAP = click.option(
    "--map", "map_", metavar="MAP", help="Height map of the stock, from `fabctl machine level`."
)
TOLERANCE = click.option(
    "--tolerance",
    metavar="LENGTH",
    default="0.01",
    show_default=True,
    help="How far a cut may be from following the stock exactly.",
)


@click.command()
@click.argument("file", metavar="FILE.nc")
@MAP
@MACHINE
@TOLERANCE
@click.option("-M", "--material", metavar="MATERIAL", help="With --stock: cuts beside or below it are found.")
@click.option("--stock", metavar="WxH", help="Size of the sheet; work zero is its lower left corner.")
@click.option("-o", "--output", metavar="FILE", help="Write the program here; - is stdout.")
@JSON
def level(
    file: str,
    map_: str | None,
    machine: str | None,
    tolerance: str,
    material: str | None,
    stock: str | None,
    output: str | None,
    json_: bool,
) -> None:
    """Lay a G-code file onto stock as it was probed: bowed or tilted stock gets an even depth of cut.

    \b
    Examples:
      fabctl level drawing.nc --map plate.json -o levelled.nc
      fabctl level drawing.nc --map plate.json --tolerance 0.02 --json
      fabctl send drawing.nc -m router-3018 --map plate.json     in one go

    Lines and arcs are split only where the surface needs it; no rapid comes nearer to the stock than before.
    What comes out is checked like any program. The machine is the one the map was probed on.
    """
    from fabctl.shop.machine import load_machine

    height_map = map_named(map_, file)
    chosen = load_machine(machine or height_map.machine)
    piece = stock_named(material, stock)
    made = laid_out(file, chosen, height_map, piece, tolerance_mm=parse_length_mm(tolerance))
    notes(str(f) for f in made.report.findings if f.severity != "error")
    if output:
        whole_file(output, made.program.text)
    told = _told(made, made.report.program.line_count)
    if json_:
        as_json(told | {"output": output or ""})
    elif output != "-":
        click.echo(facts(spoken(made, height_map) | {"program": output or "not written: name it with -o"}))


def map_named(map_: str | None, file: str) -> HeightMap:
    """Read the height map of ``--map``.

    Raises
    ------
    InputError
        When none is named, or the file is none.
    """
    from fabctl.errors import InputError
    from fabctl.job.level import read_map

    if not map_:
        raise InputError(
            "--map missing: how high the stock is, nobody knows without it",
            file=file,
            remedy="probe it with `fabctl machine level`",
        )
    return read_map(Path(map_))


def laid_out(
    file: str,
    machine: Machine,
    height_map: HeightMap,
    stock: Stock | None,
    *,
    tolerance_mm: float | None = None,
    from_line: int | None = None,
) -> Levelled:
    """Read a G-code file and lay it onto the stock.

    Raises
    ------
    RefusedError
        When it may not run, flat or levelled, or is to be entered in its middle.
    """
    from fabctl.errors import RefusedError
    from fabctl.job.check import load_program
    from fabctl.job.level import TOLERANCE_MM
    from fabctl.job.level import level as lay

    if from_line is not None:
        raise RefusedError(
            "--map and --from together: the way back in is planned above flat stock",
            file=file,
            remedy="run the levelled program from its beginning",
        )
    within = TOLERANCE_MM if tolerance_mm is None else tolerance_mm
    return lay(load_program(Path(file)), machine, height_map, stock, tolerance_mm=within)


def spoken(made: Levelled, height_map: HeightMap) -> dict[str, str]:
    """Say what levelling came to, in words."""
    heights = height_map.surface.heights_mm
    rows, columns = heights.shape
    words = {
        "height map": f"{columns} × {rows} points of {height_map.taken[:16].replace('T', ' ')}, "
        f"{heights.min():+.3f} to {heights.max():+.3f} mm",
        "moves added": str(made.pieces),
        "lines": str(made.program.line_count),
    }
    if made.report.estimated_s is not None:
        words["time"] = format_duration(made.report.estimated_s)
    return words


def _told(made: Levelled, lines: int) -> dict[str, object]:
    return {
        "machine": made.report.machine.name,
        "lines_before": lines,
        "lines": made.program.line_count,
        "moves_added": made.pieces,
        "rise_mm": round(made.rise_mm, 4),
        "estimated_s": round(made.report.estimated_s or 0.0, 2),
        "sha256": made.program.digest,
    }
