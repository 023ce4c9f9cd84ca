"""``fabctl resume``: go on with a run that ended early, through a way back that a person has seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.make import raise_stopped, send_work
from fabctl.cli.motion import CHECK_FIRST, CONFIRM, PORT, demand_answers, demand_consent, port_of
from fabctl.cli.options import JSON, stock_named, whole_file
from fabctl.cli.send import tell_run
from fabctl.cli.show import as_json, facts, say
from fabctl.cli.status import where
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.job.resume import Resumption


@click.command()
@click.argument("run", metavar="RUN")
@click.option("-m", "--machine", metavar="MACHINE", help="Its machine, when no name here is its profile's.")
@click.option("-M", "--material", metavar="MATERIAL", help="With --stock: cuts beside it are found.")
@click.option("--stock", metavar="WxH", help="Size of the sheet; work zero is its lower left corner.")
@click.option("--from", "from_line", type=int, metavar="LINE", help="Go on from this earlier line.")
@PORT
@CONFIRM
@CHECK_FIRST
@click.option("-n", "--dry-run", is_flag=True, help="Write what would be sent; open no port.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where --dry-run writes; - is stdout.")
@click.option("--out", metavar="FOLDER", help="Where runs are kept, when not in your own place for them.")
@JSON
def resume(
    run: str,
    *,
    machine: str | None,
    material: str | None,
    stock: str | None,
    from_line: int | None,
    port: str | None,
    confirm: str | None,
    check_first: bool | None,
    dry_run: bool,
    output: str,
    out: str | None,
    json_: bool,
) -> None:
    """Go on with a run that ended early, through a safe way back.

    \b
    Examples:
      fabctl resume last --dry-run -o back.nc          look at it first
      fabctl resume last --port /dev/ttyUSB0
      fabctl resume 20260412-101500-stool --port COM3 --confirm router-3018

    RUN is a name `fabctl runs` lists, its beginning, a folder, or "last". The machine goes up, across, turns
    its head on above the stock, feeds down where it has cut already, and goes on with the first line that is
    not proven to be done. It is asked first whether tool, stock and work zero are as they were.
    """
    from fabctl.job.resume import look_back, resume_run
    from fabctl.job.world import demand_same_world
    from fabctl.record.run import find_run
    from fabctl.shop.machine import load_machine

    root = Path(out) if out else None
    past = look_back(find_run(run, root), load_machine(machine) if machine else None)
    resumption = resume_run(past, from_line, stock_named(material, stock))
    told = _told(resumption)
    if dry_run:
        _write(resumption, told, output, json_=json_)
        return
    port = demand_same_world(past, port, port_of(past.machine, port))
    demand_consent(past.machine, port, confirm, told)
    demand_answers(resumption.questions, port, confirm)
    ended = send_work(resumption.work, port, check_first=check_first, root=past.folder.parent)
    tell_run(ended, json_=json_)
    raise_stopped(ended)


def _told(resumption: Resumption) -> dict[str, str]:
    """Say what is known and what will move, for a person."""
    past, entry, work = resumption.past, resumption.entry, resumption.work
    certain = past.certain
    number = len(entry.steps)
    steps = {f"{i} of {number}": step for i, step in enumerate(entry.steps, 1)}
    return {
        "run": past.name,
        "was on": where(past.port) if past.port else "a port the journal does not name",
        "ended": certain.end_state,
        "proven": f"lines 1 to {certain.at_least} of {certain.lines} are carried out",
        "perhaps": f"lines up to {certain.at_most} begun; from line {entry.line} on all is cut again",
        "section": f"{entry.section}{f', tool {entry.tool}' if entry.tool else ''}",
        **steps,
        "time estimated": format_duration(work.estimated_s),
    }


def _write(resumption: Resumption, told: dict[str, str], output: str, *, json_: bool) -> None:
    """Write the program of a dry run, or all of it as JSON."""
    entry, certain = resumption.entry, resumption.past.certain
    if json_ and output == "-":
        output = ""
    if output:
        whole_file(output, entry.program.text)
    if json_:
        x, y, z = entry.state.position_mm
        value: dict[str, Any] = {
            "run": resumption.past.name,
            "end_state": certain.end_state,
            "executed_at_least": certain.at_least,
            "executed_at_most": certain.at_most,
            "line": entry.line,
            "opening_lines": entry.opening_lines,
            "section": entry.section,
            "tool": entry.tool,
            "position_mm": [x, y, z],
            "steps": list(entry.steps),
            "questions": list(resumption.questions),
            "sha256": entry.program.digest,
            "file": output or None,
        }
        as_json(value)
    say(facts(told))
    say("dry run: nothing was sent")
