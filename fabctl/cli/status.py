"""``fabctl status``: what is certain of a run, above all of one that was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.show import as_json, facts
from fabctl.errors import InputError

if TYPE_CHECKING:
    from fabctl.record.statement import Statement

HEADS = {True: "seen to be off at the end", False: "STILL ON when last seen", None: "not known: look at it"}
GOING_ON = ("running", "held", "preparing")


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--all", "all_", is_flag=True, help="All runs, not only the latest of each machine.")
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
@click.option("--out", metavar="FOLDER", help="Where runs are kept, when not in your own place for them.")
def status(run: str | None, all_: bool, json_: bool, out: str | None) -> int:
    """Say what is certain of a run: the latest of each machine, or one by its name.

    \b
    Examples:
      fabctl status                                   after a crash: what was cut off, and where
      fabctl status 20260301-123000-stool
      fabctl status --all --json

    Reads the journals and looks whether their processes still live; opens no port and starts nothing.
    """
    from fabctl.record.statement import find_run, latest_of_each_machine, run_folders, statement

    root = Path(out) if out else None
    if root is not None and not root.is_dir():
        raise InputError("there is no such folder", file=str(root), remedy="name the one --out named before")
    if run is not None:
        folders: tuple[Path, ...] = (find_run(run, root),)
    else:
        folders = run_folders(root) if all_ else latest_of_each_machine(root)
    said = [statement(folder) for folder in folders]
    if json_:
        as_json([_row(item) for item in said])
    elif not said:
        click.echo("no runs yet", err=True)
    else:
        click.echo("\n\n".join(facts(_words(item)) for item in said))
    return 0


def _row(said: Statement) -> dict[str, Any]:
    return {
        "name": said.name,
        "machine": said.machine,
        "title": said.title,
        "state": said.state,
        "pid": said.pid or None,
        "executed_at_least": said.at_least,
        "executed_at_most": said.at_most,
        "lines": said.lines,
        "journal_whole": said.whole,
        "work_mm": said.work_mm,
        "head_off": said.head_off,
        "cause": said.cause,
        "reason": said.reason,
        "last_record": said.last,
        "next": said.advice,
        "folder": str(said.folder),
    }


def _words(said: Statement) -> dict[str, str]:
    """Put a statement into words; what a state makes pointless is left out."""
    words = {"run": said.name}
    if said.machine:
        words["machine"] = said.machine
    words["state"] = f"{said.state}: {said.reason}" if said.reason else said.state
    if said.state != "no journal":
        words["last record"] = said.last or "none"
    if said.state not in {"no journal", "not started", "preparing"}:
        words |= _how_far(said)
    if said.state not in {*GOING_ON, "not started", "done"}:
        words["head"] = HEADS[said.head_off]
    return words | {"next": said.advice}


def _how_far(said: Statement) -> dict[str, str]:
    of = f" of {said.lines}" if said.lines else ""
    words = {"certain": f"the first {said.at_least} lines{of} are wholly executed"}
    if said.at_most > said.at_least:
        words["at most"] = f"no line after {said.at_most} can have begun"
    if not said.whole:
        words["journal"] = "cut or damaged: later records are missing, so any line may have begun"
        words.pop("at most", None)
    if said.work_mm is not None:
        where = ", ".join(f"{value:.3f}" for value in said.work_mm)
        known = "" if said.state in {"done", "stopped, position known"} else ", when last seen"
        words["position"] = f"{where} mm, work coordinates{known}"
    return words
