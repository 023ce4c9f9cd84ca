"""``fabctl check``: read a G-code file and say what this machine would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fabctl.cli.options import JSON, MACHINE, machine_named, stock_named
from fabctl.cli.show import as_json, facts
from fabctl.units import format_duration

if TYPE_CHECKING:
    from fabctl.job.check import Report


@click.command()
@click.argument("file", metavar="FILE.nc")
@MACHINE
@click.option("-M", "--material", metavar="MATERIAL", help="With --stock: cuts beside or below it are found.")
@click.option("--stock", metavar="WxH", help="Size of the sheet; work zero is its lower left corner.")
@JSON
def check(file: str, machine: str | None, material: str | None, stock: str | None, json_: bool) -> int:
    """Read a G-code file and list what a machine would make of it.

    \b
    Examples:
      fabctl check drawing.nc -m router-3018
      fabctl check drawing.nc -m router-3018 -M plywood-6 --stock 300x180 --json
      fabctl check - -m router-3018 < drawing.nc                  from standard input

    Every finding has its line and its remedy; docs/checks.md explains them all. Exit code 0: the file may
    run; 4: an error forbids it.
    """
    from fabctl.job.check import inspect, load_program

    chosen = machine_named(machine, file)
    report = inspect(load_program(Path(file)), chosen, stock_named(material, stock))
    if json_:
        as_json(_told(report))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        click.echo(facts(_spoken(report)))
    return 0 if report.passed else 4


def _told(report: Report) -> dict[str, object]:
    return {
        "file": report.program.source,
        "machine": report.machine.name,
        "passed": report.passed,
        "lines": report.program.line_count,
        "low_mm": [round(float(v), 4) for v in report.low_mm],
        "high_mm": [round(float(v), 4) for v in report.high_mm],
        "cut_length_mm": round(report.cut_mm, 3),
        "estimated_s": None if report.estimated_s is None else round(report.estimated_s, 2),
        "findings": [
            {
                "severity": f.severity,
                "code": f.code,
                "line": f.line,
                "lines": list(f.lines),
                "count": f.count,
                "problem": f.problem,
                "remedy": f.remedy,
            }
            for f in report.findings
        ],
    }


def _spoken(report: Report) -> dict[str, str]:
    low, high = report.low_mm, report.high_mm
    size = ", ".join(f"{axis} {a:g} … {b:g}" for axis, a, b in zip("XYZ", low, high, strict=True))
    counts = {s: sum(f.severity == s for f in report.findings) for s in ("error", "warning", "note")}
    said = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts.items() if count)
    words = {
        "file": f"{report.program.source}, {report.program.line_count} lines",
        "machine": report.machine.title,
        "extents mm": size,
        "cut length": f"{report.cut_mm / 1000:.3f} m",
    }
    if report.estimated_s is not None:
        words["time"] = format_duration(report.estimated_s)
    words["findings"] = said or "none"
    words["verdict"] = "may run" if report.passed else "refused: see the errors"
    return words
