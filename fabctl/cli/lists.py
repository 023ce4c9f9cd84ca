"""Commands that list what the workshop has: machines, materials, tools, jobs, runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fabctl.cli.show import as_json, columns, say
from fabctl.errors import FabctlError, InputError

JSON = click.option("--json", "json_", is_flag=True, help="Print as JSON.")


if TYPE_CHECKING:
    from fabctl.record.run import RunEntry

Described = TypeVar("Described")


def _loaded(
    names: Sequence[str], load: Callable[[str], Described]
) -> tuple[list[Described], list[FabctlError]]:
    """Load what can be loaded, and keep what is wrong with the rest."""
    good, bad = [], []
    for name in names:
        try:
            good.append(load(name))
        except FabctlError as error:
            bad.append(error)
    return good, bad


def _listing(
    rows: Sequence[Any],
    json_: bool,
    heading: Sequence[str],
    row: Callable[[Any], list[str]],
    empty: str,
    bad: Sequence[FabctlError] = (),
) -> int:
    """Print a list, and say on stderr what could not be listed; return the exit code."""
    for error in bad:
        say(f"fabctl: {error}")
    if json_:
        as_json(rows)
    elif not rows:
        click.echo(empty, err=True)
    else:
        click.echo(columns([row(item) for item in rows], heading))
    return bad[0].exit_code if bad else 0


@click.command()
@JSON
def machines(json_: bool) -> int:
    """List the machines fabctl knows.

    \b
    Examples:
      fabctl machines
      fabctl machines --json

    --json names the file of each. Your own machines are TOML files in your configuration folder's
    machines/, which the last line names; docs/profiles.md shows how to describe one.
    """
    from fabctl.shop.library import user_folder
    from fabctl.shop.machine import load_machine, machine_names

    good, bad = _loaded(machine_names(), load_machine)
    rows = []
    for machine in good:
        x, y, z = machine.travel_mm
        rows.append(
            {
                "name": machine.name,
                "title": machine.title,
                "head": machine.head.kind,
                "travel_mm": [x, y, z],
                "firmware": machine.firmware.name,
                "attended_only": machine.attended_only,
                "file": machine.source,
            }
        )
    code = _listing(
        rows,
        json_,
        ["machine", "head", "x y z mm", "firmware", "what it is"],
        lambda m: [m["name"], m["head"], _size(m["travel_mm"]), m["firmware"], m["title"]],
        "no machines found",
        bad,
    )
    if not json_:
        say(f"your own machines: {user_folder('machines')}")
    return code


@click.command()
@JSON
def materials(json_: bool) -> int:
    """List the materials fabctl knows.

    \b
    Examples:
      fabctl materials
      fabctl materials --json
    """
    from fabctl.shop.material import load_material, material_names

    good, bad = _loaded(material_names(), load_material)
    rows = []
    for material in good:
        ways = [way for way in ("milling", "laser", "knife", "pen") if getattr(material, way) is not None]
        rows.append(
            {
                "name": material.name,
                "title": material.title,
                "thickness_mm": material.thickness_mm,
                "worked_by": ways,
            }
        )
    return _listing(
        rows,
        json_,
        ["material", "mm", "worked by", "what it is"],
        lambda m: [m["name"], f"{m['thickness_mm']:g}", ", ".join(m["worked_by"]), m["title"]],
        "no materials found",
        bad,
    )


@click.command()
@JSON
def tools(json_: bool) -> int:
    """List the tools fabctl knows.

    \b
    Examples:
      fabctl tools
      fabctl tools --json
    """
    from fabctl.shop.tool import load_tool, tool_names

    good, bad = _loaded(tool_names(), load_tool)
    rows = [
        {
            "name": tool.name,
            "title": tool.title,
            "kind": tool.kind,
            "diameter_mm": tool.diameter_mm,
            "cutting_length_mm": tool.cutting_length_mm,
        }
        for tool in good
    ]
    return _listing(
        rows,
        json_,
        ["tool", "kind", "mm", "what it is"],
        lambda t: [t["name"], t["kind"], f"{t['diameter_mm']:g}", t["title"]],
        "no tools found",
        bad,
    )


@click.command()
@JSON
def jobs(json_: bool) -> int:
    """List the worked examples that come with fabctl.

    \b
    Examples:
      fabctl jobs
      fabctl make stool
    """
    from fabctl.shop.job import job_names, load_job

    good, bad = _loaded(job_names(), load_job)
    rows = [
        {
            "name": Path(job.source).stem,
            "title": job.title,
            "machine": job.machine,
            "material": job.material,
            "design": job.design.name,
        }
        for job in good
    ]
    return _listing(
        rows,
        json_,
        ["job", "machine", "material", "what it is"],
        lambda j: [j["name"], j["machine"], j["material"], j["title"]],
        "no jobs found",
        bad,
    )


def _size(travel: Sequence[float]) -> str:
    return " × ".join(f"{value:g}" for value in travel)


@click.command()
@JSON
@click.option("--out", metavar="FOLDER", help="Where runs are kept, when not in your own place for them.")
def runs(json_: bool, out: str | None) -> int:
    """List recorded runs, newest first, and how each of them ended.

    \b
    Examples:
      fabctl runs
      fabctl runs --out out/stool --json

    A run that was cut off (crash, power) is listed with what its journal says for certain. Where a run was is
    a port, or "virtual": then nothing was cut.
    """
    from fabctl.cli.status import no_runs
    from fabctl.record.run import is_virtual, list_runs

    if out and not Path(out).is_dir():
        raise InputError("there is no such folder", file=out, remedy="name the one --out named before")
    rows = [_run_row(entry) for entry in list_runs(Path(out) if out else None)]
    return _listing(
        rows,
        json_,
        ["run", "machine", "port", "lines", "end"],
        lambda r: [
            r["name"],
            r["machine"],
            "virtual" if is_virtual(r["port"]) else r["port"],
            _certain(r),
            r["end_state"],
        ],
        no_runs(out),
    )


def _run_row(entry: RunEntry) -> dict[str, Any]:
    """Gather what record and journal say of a run; a run cut off has its journal alone."""
    from fabctl.record.journal import read_journal

    record, certain = entry.record, entry.certain
    row: dict[str, Any] = {
        "name": entry.name,
        "machine": "",
        "material": "",
        "port": "",
        "end_state": "no journal",
    }
    row |= {"executed_at_least": None, "executed_at_most": None, "lines": None}
    if certain:
        planned: dict[str, Any] = dict(*read_journal(entry.folder).records[:1])
        row |= {key: planned.get(key, "") for key in ("machine", "material", "port")}
        row |= {"executed_at_least": certain.at_least, "executed_at_most": certain.at_most}
        row |= {"lines": certain.lines, "end_state": certain.end_state}
    if record:
        row |= {"machine": record.machine, "material": record.material, "end_state": record.end_state}
    return row | {"folder": str(entry.folder)}


def _certain(row: dict[str, Any]) -> str:
    low, high = row["executed_at_least"], row["executed_at_most"]
    if low is None:
        return "?"
    return f"{low} of {row['lines']}" if low == high else f"{low} to {high} of {row['lines']}"
