"""``fabctl machine conform``: try a controller against the table of facts, and say which firmware it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.options import JSON, MACHINE
from fabctl.cli.show import as_json, facts, say
from fabctl.cli.words import _, counted
from fabctl.errors import InputError, LinkError

if TYPE_CHECKING:
    from fabctl.conform.identify import Fit
    from fabctl.conform.suite import Outcome, Report
    from fabctl.shop.machine import Machine
    from fabctl.stream.port import Port

SIM = "sim://"
COUNTED = {
    "holds": ("{count} holds", "{count} hold"),
    "differs": ("{count} differs", "{count} differ"),
    "skipped": ("{count} skipped", "{count} skipped"),
}
"""Each verdict as a number of facts comes to it: one, and none or several."""
COLOURS = {"holds": "green", "differs": "red", "skipped": "yellow"}


@click.command()
@click.argument("port", metavar="PORT")
@MACHINE
@click.option("--motion", is_flag=True, help="Allow moves of at most 7 mm from where the machine stands.")
@click.option("--outputs", is_flag=True, help="Allow spindle, beam and coolant to be switched for seconds.")
@click.option("--eeprom", is_flag=True, help="Allow settings to be stored; they are put back.")
@click.option("--confirm", metavar="NAME", help="For scripts: do not ask; the machine's name, or the port.")
@click.option("--row", "rows", multiple=True, metavar="ROW", help="Play this row alone; may be repeated.")
@click.option("--baud", type=click.IntRange(300, 12_000_000), help="Speed of the port. Default 115200.")
@click.option("--profile-out", metavar="FILE.toml", help="Write a machine's description from `$$` here.")
@JSON
def conform(
    port: str,
    machine: str | None,
    motion: bool,
    outputs: bool,
    eeprom: bool,
    confirm: str | None,
    rows: tuple[str, ...],
    baud: int | None,
    profile_out: str | None,
    json_: bool,
) -> int:
    """Try a controller against the facts a sender relies on.

    \b
    Examples:
      fabctl machine conform /dev/ttyUSB0
      fabctl machine conform COM3 -m router-3018 --motion --eeprom
      fabctl machine conform socket://192.168.1.20:23 --profile-out my-router.toml

    By itself it moves nothing, switches nothing and stores nothing. Each fact holds, differs or is skipped;
    the exit code is 5 when one differs. docs/conform.md says what is tried and how.
    """
    from fabctl.conform.facts import load_facts
    from fabctl.conform.suite import conform as play
    from fabctl.shop.machine import load_machine

    known = {case.row for case in load_facts().cases}
    if unknown := sorted(set(rows) - known):
        raise InputError(f"no row {', '.join(unknown)}", place="--row", remedy=f"one of {', '.join(known)}")
    target = _new_file(profile_out) if profile_out else None
    chosen = load_machine(machine) if machine else None
    asked = {"motion": motion, "outputs": outputs, "eeprom": eeprom}
    allowed = tuple(name for name, given in asked.items() if given)
    _demand_consent(port, chosen, allowed, confirm)
    speed = baud or (chosen.baud if chosen else 115200)
    opened = _open(port, chosen, speed)
    try:
        report = play(
            opened, machine=chosen, allowed=allowed, rows=rows, tell=None if json_ else _tell_outcome
        )
    finally:
        opened.close()
    if json_:
        as_json(_values(report))
    else:
        _tell(report)
    if target is not None:
        _write_profile(target, report, speed)
    return 0 if report.conforms else LinkError.exit_code


def _new_file(name: str) -> Path:
    """Say where a description goes, before anything is tried.

    Raises
    ------
    InputError
        When the file is there already, or could not be loaded under its name.
    """
    from fabctl.shop.schema import is_name

    path = Path(name)
    if path.suffix != ".toml" or not is_name(path.stem):
        raise InputError(
            "not a name for a description", file=name, remedy="letters, digits and dashes, then .toml"
        )
    if path.exists():
        raise InputError(
            "the file is there already", file=name, remedy="name another: a description is never replaced"
        )
    return path


def _demand_consent(
    port: str, machine: Machine | None, allowed: tuple[str, ...], confirm: str | None
) -> None:
    """Ask before anything moves or turns; scripts name the machine or the port.

    Raises
    ------
    InputError
        When something else is confirmed, or nobody is there to ask.
    """
    severe = [name for name in allowed if name in {"motion", "outputs"}]
    if not severe or port.startswith(SIM):
        return
    name = machine.name if machine else port
    if confirm is not None:
        if confirm != name:
            raise InputError(
                f"--confirm {confirm}, but this is {name}",
                remedy=f"--confirm {name} once you are sure it is free and watched",
            )
        return
    say("It will move by itself, be stopped hard, or switch spindle and beam on.", colour="red")
    say("A software stop is not an emergency stop: keep the real one within reach.", colour="red")
    if not sys.stdin.isatty():
        raise InputError(
            "nobody is there to ask", remedy=f"--confirm {name} says that it is free and watched"
        )
    click.confirm("Tool out, 7 mm free on every side, beam covered?", abort=True, err=True)


def _open(port: str, machine: Machine | None, baud: int) -> Port:
    if port.startswith(SIM):
        from fabctl.sim.port import SimPort

        return SimPort.from_url(port, machine.settings() if machine else None)
    from fabctl.stream.port import open_port

    return open_port(port, baud)


def _tell_outcome(outcome: Outcome) -> None:
    from fabctl.conform.facts import NEEDS

    if outcome.detail == NEEDS["bench"]:
        # nobody at a machine can do anything about these: --json lists them
        return
    mark = click.style(f"{_(outcome.verdict.value):8}", fg=COLOURS[outcome.verdict.value])
    click.echo(f"{mark}{outcome.row:>3}  {outcome.name}")
    if outcome.detail:
        click.echo(f"{'':13}{outcome.detail}")


def _tell(report: Report) -> None:
    from fabctl.conform.suite import Verdict

    identity, fits = report.identity, report.identity.fits
    chosen = next(fit for fit in fits if fit.name == report.firmware)
    counts = ", ".join(counted(*COUNTED[verdict.value], report.count(verdict)) for verdict in Verdict)
    words = {
        "port": report.port,
        "banner": identity.banner,
        "version": identity.version or "not told",
        "state found": identity.state,
        "facts of": report.firmware,
        "facts": counts,
        "firmware profile that fits": _best(fits),
    }
    click.echo()
    click.echo(facts(words))
    for line in chosen.unknown:
        click.echo(f"not understood by {chosen.name}: {line}")
    for text in chosen.differs:
        click.echo(f"not as {chosen.name}: {text}")
    for difference in report.differences:
        click.echo(f"setting differs: {difference}")
    for note in report.notes:
        say(f"note: {note}", colour="yellow")


def _best(fits: tuple[Fit, ...]) -> str:
    best = fits[0]
    if best.whole:
        return best.name + (f", but {', '.join(best.differs)}" if best.differs else "")
    lines = counted("{count} line", "{count} lines", len(best.unknown))
    return f"none wholly; the nearest is {best.name}, which does not understand {lines}"


def _values(report: Report) -> dict[str, Any]:
    identity = report.identity
    return {
        "port": report.port,
        "conforms": report.conforms,
        "firmware": report.firmware,
        "banner": identity.banner,
        "version": identity.version,
        "state": identity.state,
        "settings": {str(number): text for number, text in identity.stored.settings.items()},
        "fits": [
            {"firmware": fit.name, "not_understood": list(fit.unknown), "differs": list(fit.differs)}
            for fit in identity.fits
        ],
        "facts": [
            {"row": o.row, "name": o.name, "verdict": o.verdict.value, "detail": o.detail}
            for o in report.outcomes
        ],
        "settings_that_differ": [str(difference) for difference in report.differences],
        "notes": list(report.notes),
    }


def _write_profile(path: Path, report: Report, baud: int) -> None:
    from fabctl.cli.options import whole_file
    from fabctl.shop.skeleton import machine_skeleton

    text = machine_skeleton(path.stem, report.firmware, report.identity.stored.values, baud=baud)
    whole_file(str(path), text.encode("utf-8"))
    say(f"written: {path}; correct the lines with a remark before the first cut")
