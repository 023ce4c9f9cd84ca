"""``fabctl machine frame``: trace a job's box above the stock."""

from __future__ import annotations

from pathlib import Path

import click

from fabctl.cli.hand import HAND_DRY, at_hand, demand_free, lengths_of
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say
from fabctl.errors import InputError
from fabctl.units import parse_length_mm


@click.command()
@click.argument("name", metavar="MACHINE")
@click.argument("file", required=False, metavar="[FILE.nc]")
@click.option(
    "--box", metavar="X,Y,X,Y", help="Corners, lower left first; those of the program when left out."
)
@click.option(
    "--height", metavar="LENGTH", help="Z it is traced at; the machine's clearance height when left out."
)
@click.option(
    "--feed", type=float, help="Feed, mm/min, held to what X and Y can do; 3000 or that when left out."
)
@PORT
@CONFIRM
@HAND_DRY
@JSON
def frame(
    name: str,
    file: str | None,
    box: str | None,
    height: str | None,
    feed: float | None,
    port: str | None,
    confirm: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Trace a job's box above the stock: a person sees where it will be cut before it is.

    \b
    Examples:
      fabctl machine frame router-3018 drawing.nc
      fabctl machine frame laser-400 drawing.nc --feed 1500
      fabctl machine frame router-3018 --box 0,0,120,80 --height 10

    The head is off; a laser shows its way only at the `pointer_power` of its profile. On a homed machine the
    box is refused beforehand when it does not lie within the travel.
    """
    from fabctl.shop.machine import load_machine
    from fabctl.stream.frame import FEED_MM_MIN, framing_feed_mm_min

    machine = load_machine(name)
    low_x, low_y, high_x, high_y = lengths_of(box, 4, "--box") if box else _box_of(file)
    at_mm = parse_length_mm(height) if height else machine.clearance_mm
    feed_mm_min = framing_feed_mm_min(machine, FEED_MM_MIN if feed is None else feed)
    head = "off"
    if machine.head.pointer_power:
        head = f"a beam at {machine.head.pointer_power:.1%}: eyes protected"
    told = {
        "moves": f"round X{low_x:g} Y{low_y:g} to X{high_x:g} Y{high_y:g}"
        + (f" at Z{at_mm:g}" if machine.has_z else "")
        + f", {feed_mm_min:g} mm/min",
        "head": head,
    }
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing moved")
        return
    through = demand_free(machine, port, confirm, told)
    with at_hand(machine, through) as session:
        found = session.do(
            "frame",
            low_mm=[low_x, low_y],
            high_mm=[high_x, high_y],
            height_mm=at_mm,
            feed_mm_min=feed_mm_min,
        )
    if json_:
        as_json(found)
    else:
        checked = "known to lie within the travel" if found["checked"] else "not homed: nobody could check it"
        click.echo(facts({"traced": told["moves"], "box": checked}))


def _box_of(file: str | None) -> list[float]:
    """Measure the box of a program's cuts."""
    if not file:
        raise InputError("no program and no --box", remedy="name the program that will run, or a box")
    from fabctl.job.box import cut_box_mm
    from fabctl.job.check import load_program

    low, high = cut_box_mm(load_program(Path(file)))
    return [*low[:2].tolist(), *high[:2].tolist()]
