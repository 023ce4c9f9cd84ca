"""``fabctl machine home``: let a machine find its switches."""

from __future__ import annotations

import click

from fabctl.cli.hand import HAND_DRY, at_hand, demand_free, place_words
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say


@click.command()
@click.argument("name", metavar="MACHINE")
@PORT
@CONFIRM
@HAND_DRY
@JSON
def home(name: str, port: str | None, confirm: str | None, dry_run: bool, json_: bool) -> None:
    """Let a machine find its switches: from then on it knows where it stands.

    \b
    Examples:
      fabctl machine home plywood-router-600x900
      fabctl machine home plywood-router-600x900 --port /dev/ttyUSB0

    Z first, then X and Y. Ctrl-C resets: homing knows no hold, and the position is lost then.
    """
    from fabctl.errors import RefusedError
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    if not machine.homing:
        raise RefusedError(
            f"{machine.title} has no switches to home to",
            remedy="jog it to where zero shall be and set it: fabctl machine zero",
        )
    axes = "XYZ" if machine.has_z else "XY"
    ends = ", ".join(f"{axis} {end}" for axis, end in zip(axes, machine.home, strict=False))
    told = {"moves": f"to its switches: {ends}"}
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing moved")
        return
    through = demand_free(machine, port, confirm, told, home=False)
    with at_hand(machine, through, home=False) as session:
        found = session.do("home")
    if json_:
        as_json(found)
    else:
        click.echo(facts({"homed": "yes", "machine position": place_words(found["mpos_mm"])}))
