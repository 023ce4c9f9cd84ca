"""``fabctl machine level``: probe the stock's height on a grid and keep it as a map."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.hand import HAND_DRY, at_hand, demand_free, lengths_of
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say
from fabctl.errors import InputError
from fabctl.units import parse_length_mm

if TYPE_CHECKING:
    from fabctl.shop.machine import Machine


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option(
    "--area",
    metavar="X,Y,X,Y",
    required=True,
    help="Corners of the area, lower left first, work coordinates.",
)
@click.option("--grid", metavar="NxN", default="5x5", show_default=True, help="Points along X and along Y.")
@click.option(
    "--above",
    metavar="LENGTH",
    default="3",
    show_default=True,
    help="Height above Z0 at which it goes from point to point.",
)
@click.option(
    "--below", metavar="LENGTH", default="2", show_default=True, help="How deep below Z0 the stock may lie."
)
@click.option("--fast", type=float, default=100.0, show_default=True, help="Feed of the search, mm/min.")
@click.option(
    "--slow", type=float, default=25.0, show_default=True, help="Feed of the touch that counts, mm/min."
)
@click.option("-o", "--output", metavar="MAP", help="Keep the map here; MACHINE-heights.json when left out.")
@PORT
@CONFIRM
@HAND_DRY
@JSON
def level(
    name: str,
    *,
    area: str,
    grid: str,
    above: str,
    below: str,
    fast: float,
    slow: float,
    output: str | None,
    port: str | None,
    confirm: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Probe the stock's height on a grid and keep it as a map for `fabctl level` and `fabctl send --map`.

    \b
    Examples:
      fabctl machine level router-3018 --area 0,0,100,80 --grid 5x4 -o plate.json
      fabctl machine level router-3018 --area 5,5,295,175 --grid 8x5 --above 5 --port /dev/ttyUSB0

    Work zero is set and the probe clipped on before. Each point is touched twice; a point that is not found,
    or not believed, ends it: a map with a hole is none.
    """
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    x0, y0, x1, y1 = lengths_of(area, 4, "--area")
    columns, rows = _counts(grid)
    above_mm, below_mm = parse_length_mm(above), parse_length_mm(below)
    told = {
        "moves": f"to {columns} × {rows} points from X{x0:g} Y{y0:g} to X{x1:g} Y{y1:g}, "
        f"across at Z{above_mm:g}, probing down to Z{-below_mm:g}",
    }
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing moved")
        return
    through = demand_free(machine, port, confirm, told)
    with at_hand(machine, through) as session:
        found = session.do(
            "survey",
            event=_tell,
            low_mm=[x0, y0],
            high_mm=[x1, y1],
            columns=columns,
            rows=rows,
            above_mm=above_mm,
            below_mm=below_mm,
            feeler={"fast_mm_min": fast, "slow_mm_min": slow},
        )
    path = Path(output or f"{machine.name}-heights.json")
    told_after = _kept(path, machine, found)
    if json_:
        as_json(told_after)
    else:
        low, high = told_after["low_mm"], told_after["high_mm"]
        words = {
            "heights": f"{low:+.3f} to {high:+.3f} mm about Z0",
            "agreement": f"{found['spread_mm']:.3f} mm between two touches at most",
            "map": str(path),
        }
        click.echo(facts(words))


def _counts(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().replace("×", "x").partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise InputError(f"{text!r} is no grid", place="--grid", remedy="write points along X and Y: 5x4")
    return int(columns), int(rows)


def _tell(event: dict[str, Any]) -> None:
    if event.get("event") == "survey":
        say(f"point {event['done']} of {event['of']}")


def _kept(path: Path, machine: Machine, found: dict[str, Any]) -> dict[str, Any]:
    """Write the map and say what it holds."""
    import numpy as np

    from fabctl.job.level import HeightMap, write_map
    from fabctl.toolpath.level import Surface

    grid = found["grid"]
    heights = np.array(found["heights_mm"], float)
    rows, columns = heights.shape
    (x0, y0), (x1, y1) = grid["low_mm"], grid["high_mm"]
    surface = Surface((x0, y0), ((x1 - x0) / (columns - 1), (y1 - y0) / (rows - 1)), heights)
    x, y, z = found["zero_mm"]
    taken = datetime.now().astimezone().isoformat(timespec="seconds")
    write_map(path, HeightMap(surface, machine.name, taken, (x, y, z), found["spread_mm"]))
    return {
        "map": str(path),
        "low_mm": float(heights.min()),
        "high_mm": float(heights.max()),
        "spread_mm": found["spread_mm"],
        "heights_mm": heights.tolist(),
    }
