"""``fabctl machine hold``, ``resume``, ``abort``, ``reset``, ``override``: a hand on a kept machine."""

from __future__ import annotations

from typing import Any

import click

from fabctl.cli.show import say
from fabctl.cli.words import _
from fabctl.errors import InputError

LIMIT_S = 5.0


@click.command()
@click.argument("name", metavar="MACHINE")
def hold(name: str) -> None:
    """Hold what a kept machine does: it brakes on its path and its head goes off.

    \b
    Examples:
      fabctl machine hold router-3018

    A hold is no emergency stop. `fabctl machine resume` goes on, `fabctl machine abort` ends the run.
    """
    say(_("asked for a hold of {doing}").format(**_ask(name, "hold")))


@click.command()
@click.argument("name", metavar="MACHINE")
def resume(name: str) -> None:
    """Let what a kept machine does go on from a hold.

    \b
    Examples:
      fabctl machine resume router-3018
    """
    say(_("asked to go on with {doing}").format(**_ask(name, "resume")))


@click.command()
@click.argument("name", metavar="MACHINE")
def abort(name: str) -> None:
    """End what a kept machine does: hold, stand still, reset; position stays known.

    \b
    Examples:
      fabctl machine abort router-3018
    """
    say(_("asked to end {doing}").format(**_ask(name, "abort")))


@click.command()
@click.argument("name", metavar="MACHINE")
def reset(name: str) -> None:
    """Reset a kept machine's controller at once; if it was moving, its position is lost.

    \b
    Examples:
      fabctl machine reset router-3018

    Not an emergency stop: that is a switch in the power line.
    """
    say(_("asked for a soft reset in {doing}").format(**_ask(name, "reset")))


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option("--feed", type=int, metavar="PERCENT", help="Of the programmed feed, 10 to 200.")
@click.option("--rapid", type=int, metavar="PERCENT", help="Of the rapids: 25, 50 or 100.")
@click.option(
    "--speed", type=int, metavar="PERCENT", help="Of the spindle's speed or the beam's power, 10 to 200."
)
def override(name: str, feed: int | None, rapid: int | None, speed: int | None) -> None:
    """Change the overrides of a kept machine, in mid-run too; the controller's own report must agree.

    \b
    Examples:
      fabctl machine override router-3018 --feed 80
      fabctl machine override laser-400 --rapid 50 --speed 110
    """
    wanted = {key: value for key, value in (("feed", feed), ("rapid", rapid), ("speed", speed)) if value}
    if not wanted:
        raise InputError(_("nothing to change"), remedy="name --feed, --rapid or --speed")
    _ask(name, "override", **wanted)
    say(_("asked for {shares}").format(shares=", ".join(f"{key} {value} %" for key, value in wanted.items())))


def _ask(name: str, what: str, **args: Any) -> dict[str, Any]:
    from fabctl.daemon.client import Line
    from fabctl.shop.machine import load_machine

    with Line(load_machine(name).name) as line:
        return line.ask(what, limit_s=LIMIT_S, **args)
