"""``fabctl machine probe``: find the stock with a touch plate and set zero on it."""

from __future__ import annotations

from typing import Any

import click

from fabctl.cli.hand import HAND_DRY, WCS, at_hand, demand_free, place_words
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say
from fabctl.errors import InputError
from fabctl.units import parse_length_mm

TOWARDS = {"z-": ("Z", -1), "x-": ("X", -1), "x+": ("X", 1), "y-": ("Y", -1), "y+": ("Y", 1)}
"""Ways a probe goes: towards the plate, downwards or against an edge."""

PROBING = (
    click.option(
        "--depth", metavar="LENGTH", default="20", show_default=True, help="Longest way to the plate."
    ),
    click.option("--fast", type=float, default=100.0, show_default=True, help="Feed of the search, mm/min."),
    click.option(
        "--slow", type=float, default=25.0, show_default=True, help="Feed of the touch that counts, mm/min."
    ),
    click.option(
        "--agree",
        metavar="LENGTH",
        default="0.05",
        show_default=True,
        help="How far the two touches may lie apart.",
    ),
)


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option(
    "--plate",
    metavar="LENGTH",
    default="0",
    show_default=True,
    help="Thickness of the plate; 0 for stock that conducts.",
)
@click.option(
    "--towards",
    type=click.Choice(list(TOWARDS)),
    default="z-",
    show_default=True,
    help="Where to: down, or against an edge.",
)
@click.option(
    "--tool-diameter",
    metavar="LENGTH",
    default="0",
    show_default=True,
    help="At an edge: half of it lies between touch and stock.",
)
@PROBING[0]
@PROBING[1]
@PROBING[2]
@PROBING[3]
@click.option(
    "--reference",
    metavar="LENGTH",
    help="Machine Z of the last tool's touch on a fixed plate: Z zero follows the new tool.",
)
@click.option(
    "--measure", is_flag=True, help="Touch a fixed plate and set nothing: the reference for later tools."
)
@WCS
@PORT
@CONFIRM
@HAND_DRY
@JSON
def probe(
    name: str,
    *,
    plate: str,
    towards: str,
    tool_diameter: str,
    depth: str,
    fast: float,
    slow: float,
    agree: str,
    reference: str | None,
    measure: bool,
    wcs: str,
    port: str | None,
    confirm: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Touch a plate twice, fast then slow, and set zero to the stock below it.

    \b
    Examples:
      fabctl machine probe router-3018 --plate 1.6                 Z zero on the stock
      fabctl machine probe router-3018 --towards x+ --plate 10 --tool-diameter 6
      fabctl machine probe router-3018 --measure --json            how far the tool sticks out
      fabctl machine probe router-3018 --reference -41.235         after a tool change

    Refused when the probe is closed before it starts; stopped when it never closes, closes off its way, does
    not open again, or the two touches disagree. The position stays known.
    """
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    axis, sense = TOWARDS[towards]
    feeler = {
        "depth_mm": parse_length_mm(depth),
        "fast_mm_min": fast,
        "slow_mm_min": slow,
        "agree_mm": parse_length_mm(agree),
    }
    told = {
        "moves": f"{axis} by up to {sense * feeler['depth_mm']:+g} mm, at {fast:g} mm/min, twice",
    }
    tool_only = measure or reference is not None
    if tool_only:
        if axis != "Z":
            raise InputError("--measure and --reference are about Z", remedy="leave --towards out")
        told["sets"] = "nothing" if reference is None else f"Z of {wcs.upper()} by what the tool is longer"
        args: dict[str, Any] = {"reference_mm": None if reference is None else parse_length_mm(reference)}
    else:
        between = parse_length_mm(plate) + (parse_length_mm(tool_diameter) / 2 if axis != "Z" else 0.0)
        told["sets"] = f"{axis} zero of {wcs.upper()}, {between:g} mm beyond the touch"
        args = {"plate_mm": between, "axis": axis, "sense": sense}
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing moved")
        return
    through = demand_free(machine, port, confirm, told)
    with at_hand(machine, through) as session:
        act = "measure" if tool_only else "probe"
        found = session.do(act, feeler=feeler, system=wcs.upper(), **args)
    if json_:
        as_json(found)
        return
    touched = found if tool_only else found["touched"]
    words = {
        "touched": f"{touched['axis']}{touched['machine_mm']:.3f} on the machine",
        "agreement": f"{touched['spread_mm']:.3f} mm between the two touches",
    }
    if not tool_only:
        words["set"] = f"{found['zeroed']['system']} lies at {place_words(found['zeroed']['offset_mm'])}"
    click.echo(facts(words))
