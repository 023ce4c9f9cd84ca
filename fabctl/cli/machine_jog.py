"""``fabctl machine jog``: move a machine by hand, a step at a time or from a console."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.hand import HAND_DRY, Session, at_hand, demand_free, pairs_of, place_words
from fabctl.cli.machine_keys import demand_keys, jog_by_keys, tell_place
from fabctl.cli.motion import CONFIRM, PORT
from fabctl.cli.options import JSON
from fabctl.cli.show import as_json, facts, say
from fabctl.errors import FabctlError, InputError
from fabctl.units import parse_length_mm

if TYPE_CHECKING:
    from fabctl.shop.machine import Machine

Json = dict[str, Any]

CONSOLE = """x10 y-5 [f600]    jog by so much, mm
zero x y z0.5     set zero: this place is X0 Y0 Z0.5 (in G54)
probe 1.6         touch a plate so thick and set Z zero on the stock
home              find the switches
unlock kept       take the lock off after an alarm (or: unlock unknown)
where             say where it stands
quit              leave; the machine stays where it is"""


@click.command()
@click.argument("name", metavar="MACHINE")
@click.argument("moves", nargs=-1, metavar="[AXIS DISTANCE]...")
@click.option("--feed", type=float, help="Feed, mm/min; as fast as the axes can when left out.")
@click.option("--keys", is_flag=True, help="Arrow and page keys move it: tap for a step, hold to go on.")
@PORT
@CONFIRM
@HAND_DRY
@JSON
def jog(
    name: str,
    moves: tuple[str, ...],
    *,
    feed: float | None,
    keys: bool,
    port: str | None,
    confirm: str | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Move a machine by hand: one step, by the keys, or from a console when none is given.

    \b
    Examples:
      fabctl machine jog router-3018 x10                one step
      fabctl machine jog router-3018 x-5 z2 --feed 300
      fabctl machine jog router-3018                    a console: jog, zero, probe, home in one go
      fabctl machine jog router-3018 --keys             arrows X and Y, page up and down Z, q leaves

    A homed machine never leaves its travel. One that is not homed goes 10 mm at a time at most: its ends are
    not known. Ctrl-C stops it, position known.
    """
    from fabctl.shop.machine import load_machine

    machine = load_machine(name)
    way = pairs_of(moves)
    if keys:
        demand_keys(moves, json_=json_)
    typed = "as you press keys" if keys else "as you type: steps, homing, probing"
    told = {"moves": _said(way, feed) if way else typed}
    if dry_run:
        click.echo(facts(told))
        say("dry run: nothing moved")
        return
    through = demand_free(machine, port, confirm, told)
    if keys:
        tell_place(jog_by_keys(machine, through, feed))
        return
    with at_hand(machine, through) as session:
        if not way:
            _console(session, machine, json_=json_)
            return
        found = _step(session, way, feed)
    if json_:
        as_json(found)
    else:
        click.echo(facts({"stands": place_words(found["work_mm"]), "machine": place_words(found["mpos_mm"])}))


def _said(way: dict[str, float], feed: float | None) -> str:
    steps = " ".join(f"{axis}{part:+g}" for axis, part in way.items())
    return f"{steps} mm at {f'{feed:g} mm/min' if feed else 'rapid rate'}"


def _step(session: Session, way: dict[str, float], feed: float | None) -> Json:
    return session.do("jog", way_mm=[way.get(axis, 0.0) for axis in "XYZ"], feed_mm_min=feed)


def _console(session: Session, machine: Machine, *, json_: bool) -> None:
    """Take words until there are no more; what is refused is said, and the next word is waited for."""
    say(CONSOLE)
    for line in iter(_asked(machine), None):
        words = line.split()
        if not words:
            continue
        if words[0].lower() in {"quit", "q", "exit"}:
            return
        try:
            found = _obeyed(session, words)
        except FabctlError as error:
            say(f"fabctl: {error}")
            continue
        if json_:
            as_json(found)
        else:
            click.echo(f"{words[0]}: {_short(found)}")


def _asked(machine: Machine) -> Callable[[], str | None]:
    def _ask() -> str | None:
        if sys.stdin.isatty():
            click.echo(f"{machine.name}> ", nl=False, err=True)
        return sys.stdin.readline() or None

    return _ask


def _obeyed(session: Session, words: list[str]) -> Json:
    """Do what one line of the console says."""
    verb, rest = words[0].lower(), tuple(words[1:])
    if verb in _WORDS:
        least, most, act = _WORDS[verb]
        if least <= len(rest) <= most:
            return act(session, rest)
    elif verb[0] in "xyz":
        feeds = [word for word in words if word[0] in "fF"]
        way = pairs_of(tuple(word for word in words if word not in feeds))
        return _step(session, way, _feed(feeds))
    raise InputError(f"{' '.join(words)!r} is no word here", remedy=f"one of\n{CONSOLE}")


_WORDS: dict[str, tuple[int, int, Callable[[Session, tuple[str, ...]], Json]]] = {
    "home": (0, 0, lambda session, _: session.do("home")),
    "where": (0, 0, lambda session, _: session.do("where")),
    "zero": (1, 3, lambda session, axes: session.do("zero", here_mm=pairs_of(axes, default_mm=0.0))),
    "probe": (0, 1, lambda session, plate: session.do("probe", plate_mm=parse_length_mm((*plate, "0")[0]))),
    "unlock": (1, 1, lambda session, word: session.do("unlock", position=word[0])),
}
"""Words of the console: how many may follow at least and at most, and what is done."""


def _feed(words: list[str]) -> float | None:
    try:
        return float(words[0][1:]) if words else None
    except ValueError as error:
        raise InputError(f"{words[0]!r} is no feed", remedy="write f600") from error


def _short(found: Json) -> str:
    if "zeroed" in found:
        spread = found["touched"]["spread_mm"]
        return f"zero at {place_words(found['zeroed']['offset_mm'])}, touches {spread:.3f} mm apart"
    if "offset_mm" in found:
        return f"zero at {place_words(found['offset_mm'])}"
    return f"work {place_words(found.get('work_mm'))}, machine {place_words(found.get('mpos_mm'))}"
