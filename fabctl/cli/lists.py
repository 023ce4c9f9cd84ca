"""Commands that list what the workshop has: machines, materials, tools, jobs, runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from fabctl.cli.show import as_json, columns

JSON = click.option("--json", "json_", is_flag=True, help="Print as JSON.")


def _listing(
    rows: Sequence[Any], json_: bool, heading: Sequence[str], row: Callable[[Any], list[str]], empty: str
) -> None:
    if json_:
        as_json(rows)
    elif not rows:
        click.echo(empty, err=True)
    else:
        click.echo(columns([row(item) for item in rows], heading))


@click.command()
@JSON
def machines(json_: bool) -> None:
    """List the machines fabctl knows.

    \b
    Examples:
      fabctl machines
      fabctl machines --json

    Your own machines are TOML files in the folder `fabctl machines --json` names for each;
    docs/profiles.md shows how to describe one.
    """
    from fabctl.shop.machine import load_machine, machine_names

    rows = []
    for name in machine_names():
        machine = load_machine(name)
        x, y, z = machine.travel_mm
        rows.append(
            {
                "name": machine.name,
                "title": machine.title,
                "head": machine.head.kind,
                "travel_mm": [x, y, z],
                "firmware": machine.firmware.name,
                "attended_only": machine.attended_only,
            }
        )
    _listing(
        rows,
        json_,
        ["machine", "head", "x y z mm", "firmware", "what it is"],
        lambda m: [m["name"], m["head"], _size(m["travel_mm"]), m["firmware"], m["title"]],
        "no machines found",
    )


@click.command()
@JSON
def materials(json_: bool) -> None:
    """List the materials fabctl knows.

    \b
    Examples:
      fabctl materials
      fabctl materials --json
    """
    from fabctl.shop.material import load_material, material_names

    rows = []
    for name in material_names():
        material = load_material(name)
        ways = [way for way in ("milling", "laser", "knife", "pen") if getattr(material, way) is not None]
        rows.append(
            {
                "name": material.name,
                "title": material.title,
                "thickness_mm": material.thickness_mm,
                "worked_by": ways,
            }
        )
    _listing(
        rows,
        json_,
        ["material", "mm", "worked by", "what it is"],
        lambda m: [m["name"], f"{m['thickness_mm']:g}", ", ".join(m["worked_by"]), m["title"]],
        "no materials found",
    )


@click.command()
@JSON
def tools(json_: bool) -> None:
    """List the tools fabctl knows.

    \b
    Examples:
      fabctl tools
      fabctl tools --json
    """
    from fabctl.shop.tool import load_tool, tool_names

    rows = []
    for name in tool_names():
        tool = load_tool(name)
        rows.append(
            {
                "name": tool.name,
                "title": tool.title,
                "kind": tool.kind,
                "diameter_mm": tool.diameter_mm,
                "cutting_length_mm": tool.cutting_length_mm,
            }
        )
    _listing(
        rows,
        json_,
        ["tool", "kind", "mm", "what it is"],
        lambda t: [t["name"], t["kind"], f"{t['diameter_mm']:g}", t["title"]],
        "no tools found",
    )


@click.command()
@JSON
def jobs(json_: bool) -> None:
    """List the worked examples that come with fabctl.

    \b
    Examples:
      fabctl jobs
      fabctl make stool
    """
    from fabctl.shop.job import job_names, load_job

    rows = []
    for name in job_names():
        job = load_job(name)
        rows.append(
            {
                "name": name,
                "title": job.title,
                "machine": job.machine,
                "material": job.material,
                "design": job.design.name,
            }
        )
    _listing(
        rows,
        json_,
        ["job", "machine", "material", "what it is"],
        lambda j: [j["name"], j["machine"], j["material"], j["title"]],
        "no jobs found",
    )


def _size(travel: Sequence[float]) -> str:
    return " × ".join(f"{value:g}" for value in travel)


@click.command()
@JSON
@click.option("--out", metavar="FOLDER", help="Where runs are kept, when not in your own place for them.")
def runs(json_: bool, out: str | None) -> None:
    """List recorded runs, newest first, and how each of them ended.

    \b
    Examples:
      fabctl runs
      fabctl runs --out out/stool --json

    A run that was cut off (crash, power) is listed with what its journal says for certain.
    """
    from pathlib import Path

    from fabctl.record.run import list_runs

    rows = []
    for entry in list_runs(Path(out) if out else None):
        record, certain = entry.record, entry.certain
        end = record.end_state if record else certain.end_state if certain else "no journal"
        rows.append(
            {
                "name": entry.name,
                "machine": record.machine if record else "",
                "material": record.material if record else "",
                "end_state": end,
                "executed_at_least": certain.at_least if certain else None,
                "executed_at_most": certain.at_most if certain else None,
                "lines": certain.lines if certain else None,
                "folder": str(entry.folder),
            }
        )
    _listing(
        rows,
        json_,
        ["run", "machine", "lines", "end"],
        lambda r: [r["name"], r["machine"], _certain(r), r["end_state"]],
        "no runs yet",
    )


def _certain(row: dict[str, Any]) -> str:
    low, high = row["executed_at_least"], row["executed_at_most"]
    if low is None:
        return "?"
    return f"{low} of {row['lines']}" if low == high else f"{low} to {high} of {row['lines']}"
