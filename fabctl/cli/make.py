"""``fabctl make``: plan, check, send and record in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.motion import (
    CHECK_FIRST,
    CONFIRM,
    DRY,
    KEPT,
    PORT,
    checks_first,
    demand_consent,
    hands_on,
    port_of,
    progress_bar,
)
from fabctl.cli.options import JSON, MACHINE, order_from, placing
from fabctl.cli.pause import Asker
from fabctl.cli.plan import approved, planned, spoken, summary
from fabctl.cli.show import as_json, facts, notes, say
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.job.folder import Work
    from fabctl.job.plan import Plan
    from fabctl.job.run import Run


@click.command()
@click.argument("design", metavar="JOB|DESIGN")
@MACHINE
@placing
@PORT
@CONFIRM
@CHECK_FIRST
@DRY
@click.option("--out", metavar="FOLDER", help="Keep the run's folder here instead of your own runs.")
@JSON
def make(
    design: str,
    port: str | None,
    confirm: str | None,
    check_first: bool | None,
    dry_run: bool,
    out: str | None,
    json_: bool,
    **placing: Any,
) -> None:
    """Make a job or a design: plan, check, send, record.

    \b
    Examples:
      fabctl make jobs/stool.toml
      fabctl make drawing.svg -m router-3018 -M plywood-6 --port /dev/ttyUSB0
      fabctl make stool -m plywood-router-600x900 --dry-run

    Without --port it runs on the machine's keeper (`fabctl machine serve`) if there is one, else on the
    virtual controller. The run's folder keeps the program, the journal, the
    record and the pictures. Ctrl-C is a feed hold, a second one a soft reset.
    """
    from fabctl.job.folder import Work
    from fabctl.job.plan import measure

    say(f"planning {design}")
    made = planned(order_from(design, **placing))
    findings, permit = approved(made)
    notes(str(f) for f in findings)
    figures = measure(made)
    work = Work(
        program=made.program,
        machine=made.order.machine,
        permit=permit,
        title=made.order.title,
        material=made.order.material.name,
        tools=tuple(dict.fromkeys(cut.step.tool.name for cut in made.cuts)),
        estimated_s=made.timing.total_s,
        parts=figures.parts,
        cut_mm=figures.cut_mm,
    )
    if dry_run:
        _tell(summary(made), spoken(made), json_)
        say("dry run: nothing was sent")
        return
    port = port_of(made.order.machine, port)
    demand_consent(made.order.machine, port, confirm, spoken(made))
    run = send_work(work, port, check_first=check_first, root=Path(out) if out else None)
    figures_run = after(made, run)
    _tell(summary(made) | figures_run[0], figures_run[1], json_)
    raise_stopped(run)


def send_work(work: Work, port: str, *, check_first: bool | None, root: Path | None) -> Run:
    """Open the port and carry a run out, with bar and Ctrl-C.

    Raises
    ------
    RefusedError, LinkError
        Before anything moved.
    """
    from fabctl.daemon.recorded import Watchers
    from fabctl.job.run import carry_out, open_bench
    from fabctl.stream.stops import Operator

    sections = tuple(section.tool for section in work.program.sections)
    program = work.program
    check_first = checks_first(check_first, port, work.machine.name, program.digest, program.line_count)
    if port == KEPT:
        return _send_kept(work, sections, check_first=check_first, root=root)
    operator = Operator()
    bench = open_bench(port, work.machine, work.program, work.stood)
    try:
        with hands_on(operator) as hands, progress_bar(work.title, work.estimated_s) as screen:
            arm = Asker(port, sections, screen, work.machine, hands)
            watchers = Watchers(operator, arm, screen.tell, hands.phase, screen.note)
            return carry_out(work, bench, watchers, root=root, check_first=check_first)
    finally:
        bench.port.close()


def _send_kept(work: Work, sections: tuple[str, ...], *, check_first: bool, root: Path | None) -> Run:
    from fabctl.daemon.client import Line
    from fabctl.daemon.recorded import Watchers
    from fabctl.daemon.remote import RemoteOperator
    from fabctl.job.run import carry_out_kept

    with Line(work.machine.name) as line:
        operator = RemoteOperator(line)
        with hands_on(operator) as hands, progress_bar(work.title, work.estimated_s) as screen:
            arm = Asker(KEPT, sections, screen, work.machine, hands)
            watchers = Watchers(operator, arm, screen.tell, hands.phase, screen.note, arm.answered)
            return carry_out_kept(work, line, watchers, root=root, check_first=check_first)


def after(made: Plan, run: Run) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw the pictures and say what a run came to: for programs and for people."""
    from fabctl.job.picture import draw_run

    pictures = draw_run(made, run)
    record = run.record
    told: dict[str, Any] = {
        "end_state": record.end_state,
        "taken_s": record.taken_s,
        "lines_executed": record.executed,
        "head_off": record.head_off,
        "notes": list(record.notes),
        "deviation_mm": pictures.deviation_mm,
        "folder": str(run.folder),
        "files": {"program": "program.nc", **pictures.files},
    }
    spoken_after = {
        "end": f"{record.end_state}: {record.executed} of {record.lines} lines executed",
        "parts": str(record.parts),
        "cut length": f"{record.cut_length_mm / 1000:.2f} m",
        "material": f"{made.order.material.title}, {made.stock.width_mm:.1f} × {made.stock.height_mm:.1f} mm",
        "time": f"{format_duration(record.taken_s)}, estimated {format_duration(record.estimated_s)}",
    }
    if pictures.deviation_mm is not None:
        spoken_after["true path"] = f"within {pictures.deviation_mm:.4f} mm of the planned one everywhere"
    for name, file in told["files"].items():
        spoken_after[name] = str(run.folder / file)
    spoken_after["record"] = str(run.folder / "run.json")
    step = next_step(run)
    return told | step, spoken_after | step


def next_step(run: Run) -> dict[str, str]:
    """Say what a person can do after a run that did not come to its end; nothing after one that did."""
    from fabctl.record.statement import statement

    return {} if run.result.error() is None else {"next": statement(run.folder).advice}


def raise_stopped(run: Run) -> None:
    """Raise when a run did not come to its end.

    The place named is a line of the program that was sent: a foreign file is written anew, and has others.

    Raises
    ------
    StoppedError
        With the exit code of its end.
    """
    error = run.result.error(str(run.folder / "program.nc"), machine=run.record.machine)
    if error is not None:
        raise error


def _tell(told: dict[str, Any], words: dict[str, str], json_: bool) -> None:
    if json_:
        as_json(told)
    else:
        click.echo(facts(words))
