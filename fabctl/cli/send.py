"""``fabctl send``, also called ``fabctl run``: check a G-code file, write it anew, stream it, record it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fabctl.cli.level import MAP, laid_out, map_named, spoken
from fabctl.cli.make import next_step, raise_stopped, send_work
from fabctl.cli.motion import CHECK_FIRST, CONFIRM, DRY, PORT, SIM, demand_answers, demand_consent, port_of
from fabctl.cli.options import JSON, MACHINE, machine_named, stock_named
from fabctl.cli.show import as_json, facts, notes, say
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.job.folder import Work
    from fabctl.job.level import HeightMap
    from fabctl.job.run import Run
    from fabctl.shop.machine import Machine
    from fabctl.shop.stock import Stock


@click.command()
@click.argument("file", metavar="FILE.nc")
@MACHINE
@click.option("-M", "--material", metavar="MATERIAL", help="With --stock: cuts beside or below it are found.")
@click.option("--stock", metavar="WxH", help="Size of the sheet; work zero is its lower left corner.")
@MAP
@click.option("--from", "from_line", type=int, metavar="LINE", help="Begin at this line of the file, safely.")
@PORT
@CONFIRM
@CHECK_FIRST
@DRY
@click.option("--out", metavar="FOLDER", help="Keep the run's folder here instead of your own runs.")
@JSON
def send(
    file: str,
    *,
    machine: str | None,
    material: str | None,
    stock: str | None,
    map_: str | None,
    from_line: int | None,
    port: str | None,
    confirm: str | None,
    check_first: bool | None,
    dry_run: bool,
    out: str | None,
    json_: bool,
) -> None:
    """Check a G-code file and stream it to a machine.

    \b
    Examples:
      fabctl send drawing.nc -m router-3018                       on the virtual controller
      fabctl send drawing.nc -m router-3018 --port /dev/ttyUSB0
      fabctl send drawing.nc -m router-3018 --port COM3 --confirm router-3018
      fabctl send - -m router-3018 --confirm router-3018 < drawing.nc
      fabctl run drawing.nc -m router-3018 --from 120             what stands before is cut

    The file itself never reaches the wire: its motion is read, checked and written anew. First Ctrl-C: feed
    hold. Second: soft reset. Neither is an emergency stop.
    """
    from fabctl.job.level import zero_guard

    chosen = machine_named(machine, file)
    piece = stock_named(material, stock)
    height_map = map_named(map_, file) if map_ else None
    work, told = _checked(file, chosen, piece, height_map, from_line=from_line)
    asked: tuple[str, ...] = ()
    if from_line is not None:
        work, way_back, asked = _entered(work, from_line, piece)
        told |= way_back
    work = replace(work, material=material or "")
    if dry_run:
        _tell_dry(work, told, json_=json_)
        return
    port = port_of(chosen, port)
    if height_map is not None and not port.startswith(SIM):
        work = replace(work, guard=zero_guard(height_map, chosen))
    demand_consent(chosen, port, confirm, told)
    demand_answers(asked, port, confirm)
    run = send_work(work, port, check_first=check_first, root=Path(out) if out else None)
    tell_run(run, json_=json_)
    raise_stopped(run)


run = send
"""The same command by the name the record of its work has."""


def _checked(
    file: str, machine: Machine, stock: Stock | None, height_map: HeightMap | None, *, from_line: int | None
) -> tuple[Work, dict[str, str]]:
    """Check a file for its machine and write it anew, flat or laid onto the stock; say what it comes to."""
    from fabctl.job.check import STDIN, inspect, load_program, rewritten
    from fabctl.job.folder import Work

    told = {}
    if height_map is None:
        report = inspect(load_program(Path(file)), machine, stock)
        program, permit = rewritten(report, stock)
    else:
        laid = laid_out(file, machine, height_map, stock, from_line=from_line)
        report, program, permit = laid.report, laid.program, laid.permit
        told["height map"] = spoken(laid, height_map)["height map"] + ": the same stock, not moved since"
    notes(str(f) for f in report.findings if f.severity != "error")
    title = Path(file).stem if file != STDIN else "stdin"
    estimated = report.estimated_s or 0.0
    work = Work(program, machine, permit, title, estimated_s=estimated, cut_mm=report.cut_mm)
    return work, {
        "program": f"{file}, {report.program.line_count} lines, {program.line_count} on the wire",
        "cut length": f"{report.cut_mm / 1000:.3f} m",
        "time estimated": format_duration(estimated),
        **told,
    }


def _entered(work: Work, from_line: int, stock: Stock | None) -> tuple[Work, dict[str, str], tuple[str, ...]]:
    """Find the safe way into the middle of a program; return it with what is said and asked before it."""
    from fabctl.job.resume import enter_at, questions

    entry, entered = enter_at(work.program, work.machine, from_line, stock, work.title)
    told = {
        "from line": f"{from_line}",
        "way back": "\n          ".join(entry.steps),
        "time estimated": format_duration(entered.estimated_s),
    }
    return entered, told, questions(entry, work.machine)


def _tell_dry(work: Work, told: dict[str, str], *, json_: bool) -> None:
    """Say what would be sent: for programs or for people."""
    if json_:
        program = work.program
        value = {
            "machine": work.machine.name,
            "lines": program.line_count,
            "sha256": program.digest,
            "cut_length_mm": round(work.cut_mm, 3),
            "estimated_s": round(work.estimated_s, 1),
            "first_line": work.first_line,
            "opening_lines": work.opening_lines,
        }
        as_json(value)
    else:
        click.echo(facts(told))
    say("dry run: nothing was sent")


def tell_run(run: Run, *, json_: bool) -> None:
    """Say how a run ended, and what can come next: for programs or for people."""
    record, step = run.record, next_step(run)
    if json_:
        as_json(
            {
                "end_state": record.end_state,
                "cause": record.cause,
                "lines": record.lines,
                "lines_executed": record.executed,
                "taken_s": record.taken_s,
                "estimated_s": record.estimated_s,
                "head_off": record.head_off,
                "notes": list(record.notes),
                "folder": str(run.folder),
                **step,
            }
        )
        return
    words = {
        "end": f"{record.end_state}: {record.executed} of {record.lines} lines executed",
        "time": f"{format_duration(record.taken_s)}, estimated {format_duration(record.estimated_s)}",
        "record": str(run.folder / "run.json"),
        **({"notes": "; ".join(record.notes)} if record.notes else {}),
        **step,
    }
    click.echo(facts(words))
