"""``fabctl machine unlock``: take the lock off after an alarm, on a person's word."""

from __future__ import annotations

import click

from fabctl.cli.hand import HAND_DRY, at_hand, demand_free, place_words
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option(
    "--position",
    type=click.Choice(["kept", "unknown"]),
    help="Your word on it: kept, when no axis was moved or lost a step; else unknown.",
)
@PORT
@CONFIRM
@HAND_DRY
@JSON
def unlock(
    name: str, position: str | None, port: str | None, confirm: str | None, dry_run: bool, json_: bool
) -> None:
    """Take the lock off a controller after an alarm; nothing moves.

    \b
    Examples:
      fabctl machine unlock router-3018 --position kept
      fabctl machine unlock plywood-router-600x900 --position unknown --port /dev/ttyUSB0

    Homing is the better way wherever there are switches: your word makes no machine homed, and one that is
    not homed is moved by hand in small steps only. What you say of the position is written down.
    """
    from fabctl.errors import InputError
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    if position is None:
        raise InputError(
            "--position missing: only a person can say whether the machine stands where it thinks",
            remedy="--position kept, or --position unknown and set the zero anew afterwards",
        )
    told = {"moves": "nothing", "position": f"{position}, by your word"}
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing was sent")
        return
    through = demand_free(machine, port, confirm, told, home=False)
    with at_hand(machine, through, home=False) as session:
        found = session.do("unlock", position=position)
    if json_:
        as_json(found)
    else:
        click.echo(
            facts({"unlocked": f"position {position}", "machine position": place_words(found["mpos_mm"])})
        )
