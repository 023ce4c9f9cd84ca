"""``fabctl machine zero``: give work coordinates to the place where the tool stands."""

from __future__ import annotations

import click

from fabctl.cli.hand import HAND_DRY, WCS, at_hand, demand_free, pairs_of, place_words
from fabctl.cli.motion import CONFIRM, PORT, SIM
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say


@click.command()
@click.argument("name", metavar="MACHINE")
@click.argument("axes", nargs=-1, required=True, metavar="AXIS[VALUE]...")
@WCS
@PORT
@CONFIRM
@HAND_DRY
@JSON
def zero(
    name: str,
    axes: tuple[str, ...],
    wcs: str,
    port: str | None,
    confirm: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Give work coordinates to the place where the tool stands; nothing moves.

    \b
    Examples:
      fabctl machine zero router-3018 x y z            zero is here
      fabctl machine zero router-3018 z1.6             the tool stands on a 1.6 mm plate
      fabctl machine zero router-3018 x-3 --wcs G55    a 6 mm tool touches the stock's left edge

    It is stored in the controller (G10 L20, never G92), read back, and survives a reset.
    """
    from fabctl.errors import RefusedError
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    here = pairs_of(axes, default_mm=0.0)
    told = {
        "sets": ", ".join(f"{axis}{value:g}" for axis, value in here.items()) + f" here, in {wcs.upper()}"
    }
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing was sent")
        return
    if machine.homing and port is not None and not port.startswith(SIM):
        raise RefusedError(
            "opening the port makes the machine forget where it stands: a zero set then means nothing",
            file=machine.name,
            remedy="keep it (fabctl machine serve), or jog, probe and zero in one go: fabctl machine jog",
        )
    through = demand_free(machine, port, confirm, told)
    with at_hand(machine, through) as session:
        found = session.do("zero", here_mm=here, system=wcs.upper())
    if json_:
        as_json(found)
    else:
        words = {
            "set": f"{found['system']} lies at {place_words(found['offset_mm'])} on the machine",
            "was": place_words(found["before_mm"]),
        }
        click.echo(facts(words))
