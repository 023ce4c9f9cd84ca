"""``fabctl machine hold``, ``resume``, ``abort``, ``reset``, ``override``: a hand on a kept machine."""

from __future__ import annotations

from typing import Any

import click

from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, say
from fabctl.cli.words import _
from fabctl.errors import InputError

LIMIT_S = 5.0
Json = dict[str, Any]

ACTS = {
    "home": "homing",
    "jog": "a jog",
    "jog_along": "a jog",
    "zero": "the setting of a zero",
    "probe": "a probe",
    "measure": "the measuring of a tool",
    "frame": "a frame",
    "survey": "the probing of a height map",
    "unlock": "an unlock",
    "where": "a look at the position",
    "override": "the setting of overrides",
}
"""What a keeper does by hand, as a person calls it."""

SAID = {
    "hold": {
        "run": "asked for a hold of run {run}; `fabctl machine resume {machine}` goes on",
        "pause": "asked for a hold of run {run}, which waits for section {section}; "
        "`fabctl machine resume {machine}` comes before the section",
        "early": "asked for a hold of run {run} before its first line: if it homes now, homing and run end; "
        "else it stays held, or does not begin",
        "act": "asked to stop {act}: what is done by hand is not held, it ends",
    },
    "resume": {
        "run": "asked to go on with run {run} from a hold",
        "pause": "asked to go on with run {run} from a hold; section {section} is not begun by it, "
        "but by `fabctl machine answer {machine}`",
        "early": "asked to go on with run {run} from a hold; it has not come to its first line",
        "act": "nothing to go on with: {act} is never held",
    },
    "abort": {
        "run": "asked to end run {run}: hold, stand still, reset",
        "pause": "asked to end run {run} before section {section}",
        "early": "asked to end run {run} before its first line",
        "act": "asked to end {act}",
    },
    "reset": {
        "run": "asked for a soft reset in run {run}",
        "pause": "asked for a soft reset in run {run} before section {section}",
        "early": "asked for a soft reset of run {run} before its first line",
        "act": "asked for a soft reset in {act}",
    },
    "override": {
        "run": "asked for {wanted} in run {run}",
        "pause": "asked for {wanted} in run {run} from section {section} on",
        "early": "asked for {wanted} in run {run} from its first line on",
    },
}
"""What was asked for, by what the request met."""


@click.command()
@click.argument("name", metavar="MACHINE")
@JSON
def hold(name: str, *, json_: bool) -> None:
    """Hold what a kept machine does: it brakes on its path and its head goes off.

    \b
    Examples:
      fabctl machine hold router-3018

    A run stays held until `fabctl machine resume` or `abort`; what is done by hand ends. A hold is no
    emergency stop.
    """
    _hand(name, "hold", json_=json_)


@click.command()
@click.argument("name", metavar="MACHINE")
@JSON
def resume(name: str, *, json_: bool) -> None:
    """Let a kept machine's run go on from a hold.

    \b
    Examples:
      fabctl machine resume router-3018
    """
    _hand(name, "resume", json_=json_)


@click.command()
@click.argument("name", metavar="MACHINE")
@JSON
def abort(name: str, *, json_: bool) -> None:
    """End what a kept machine does: hold, stand still, reset; position stays known.

    \b
    Examples:
      fabctl machine abort router-3018
    """
    _hand(name, "abort", json_=json_)


@click.command()
@click.argument("name", metavar="MACHINE")
@JSON
def reset(name: str, *, json_: bool) -> None:
    """Reset a kept machine's controller at once; if it was moving, its position is lost.

    \b
    Examples:
      fabctl machine reset router-3018

    Not an emergency stop: that is a switch in the power line.
    """
    _hand(name, "reset", json_=json_)


@click.command()
@click.argument("name", metavar="MACHINE")
@click.option("--feed", type=int, metavar="PERCENT", help="Of the programmed feed, 10 to 200.")
@click.option("--rapid", type=int, metavar="PERCENT", help="Of the rapids: 25, 50 or 100.")
@click.option(
    "--speed", type=int, metavar="PERCENT", help="Of the spindle's speed or the beam's power, 10 to 200."
)
@JSON
def override(name: str, *, feed: int | None, rapid: int | None, speed: int | None, json_: bool) -> None:
    """Change the overrides of a kept machine, in mid-run too; the controller's own report must agree.

    \b
    Examples:
      fabctl machine override router-3018 --feed 80
      fabctl machine override laser-400 --rapid 50 --speed 110
    """
    given = (("feed", feed), ("rapid", rapid), ("speed", speed))
    wanted: Json = {key: value for key, value in given if value is not None}
    if not wanted:
        raise InputError(_("nothing to change"), remedy="name --feed, --rapid or --speed")
    _hand(name, "override", json_=json_, wanted=wanted)


def _hand(name: str, asked: str, *, json_: bool, wanted: Json | None = None) -> None:
    """Ask a keeper for something at once, and say what it was asked of."""
    from fabctl.daemon.client import Line
    from fabctl.shop.machine import load_machine

    machine = load_machine(name).name
    with Line(machine) as line:
        reached = line.ask(asked, limit_s=LIMIT_S, **(wanted or {}))
    at_rest = "doing" not in reached
    if at_rest:
        # at rest overrides are set before the reply: it is what the controller reports
        reached = {"doing": None, "run": None, "begun": False, "pause": None, "overrides": reached}
    if json_:
        as_json({"machine": machine, "asked": asked, **({"wanted": wanted} if wanted else {}), **reached})
    elif at_rest:
        say(_("the controller reports {found}").format(found=_shares(reached["overrides"])))
    else:
        say(asked_words(asked, machine, reached, wanted))


def asked_words(asked: str, machine: str, reached: Json, wanted: Json | None = None) -> str:
    """Say what was asked for, and of what.

    Parameters
    ----------
    asked : str
        ``hold``, ``resume``, ``abort``, ``reset`` or ``override``.
    machine : str
        Its name.
    reached : dict
        What the keeper replied: ``doing``, ``run``, ``begun`` and ``pause``.
    wanted : dict, optional
        Overrides, per cent.

    Examples
    --------
    >>> asked_words("abort", "router-3018", {"doing": "jog", "run": None, "begun": True, "pause": None})
    'asked to end a jog'
    """
    doing, run, pause = str(reached["doing"]), reached["run"], reached["pause"]
    key = "act" if run is None else "pause" if pause else "run" if reached["begun"] else "early"
    return _(SAID[asked][key]).format(
        machine=machine,
        run=run,
        act=_(ACTS.get(doing, doing)),
        section=pause["section"] if pause else "",
        wanted=_shares(wanted or {}),
    )


def _shares(shares: Json) -> str:
    return ", ".join(f"{key} {value} %" for key, value in shares.items())
