"""``fabctl status``: what is certain of a run, above all of one that was cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fabctl.cli.show import as_json, facts
from fabctl.errors import InputError, LinkError

if TYPE_CHECKING:
    from fabctl.record.statement import Statement

Live = dict[str, Any]
"""What a daemon says of a machine it keeps."""

ANSWER_LIMIT_S = 2.0
HEADS = {True: "seen to be off at the end", False: "STILL ON when last seen", None: "not known: look at it"}
GOING_ON = ("running", "held", "paused", "preparing")


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

    Reads the journals, looks whether their processes still live, and asks whoever keeps a machine
    (`fabctl machine serve`); opens no port and starts nothing.
    """
    from fabctl.record.run import is_virtual
    from fabctl.record.statement import statement

    kept = _kept()
    said = [statement(folder, partial(_carried_on, kept)) for folder in _folders(run, out, all_=all_)]
    told = {item.machine for item in said if not is_virtual(item.port)}
    idle = {name: live for name, live in kept.items() if run is None and name not in told}
    if json_:
        as_json(_rows(said, kept, idle))
    elif said or idle:
        click.echo("\n\n".join(map(facts, _blocks(said, kept, idle))))
    else:
        click.echo(no_runs(out), err=True)
    return 0


def no_runs(out: str | None) -> str:
    """Say that nothing is on record, and where it was looked for."""
    from fabctl.record.run import runs_folder

    return f"no runs yet in {out or runs_folder()}; --out names another folder"


def _rows(said: list[Statement], kept: Mapping[str, Live], idle: Mapping[str, Live]) -> list[dict[str, Any]]:
    """Put runs, and machines kept that have none, into rows for programs."""
    rows = [_row(item) | {"kept": _kept_of(item, kept)} for item in said]
    return rows + [{"name": "", "machine": name, "kept": live} for name, live in idle.items()]


def _blocks(
    said: list[Statement], kept: Mapping[str, Live], idle: Mapping[str, Live]
) -> list[dict[str, str]]:
    """Put runs, and machines kept that have none, into words."""
    blocks = [_words(item, _kept_of(item, kept)) for item in said]
    return blocks + [{"machine": name} | _live_words(live) for name, live in idle.items()]


def _folders(run: str | None, out: str | None, *, all_: bool) -> tuple[Path, ...]:
    from fabctl.record.run import find_run, run_folders
    from fabctl.record.statement import latest_of_each_machine

    root = Path(out) if out else None
    if root is not None and not root.is_dir():
        raise InputError("there is no such folder", file=str(root), remedy="name the one --out named before")
    if run is not None:
        return (find_run(run, root),)
    return run_folders(root) if all_ else latest_of_each_machine(root)


def _kept() -> dict[str, Live]:
    """Ask every daemon what its machine does now; who does not answer in time is left out."""
    from fabctl.daemon.client import Line, kept_machines

    kept = {}
    for name in kept_machines():
        with suppress(LinkError), Line(name) as line:
            kept[name] = line.ask("status", limit_s=ANSWER_LIMIT_S)
    return kept


def _carried_on(kept: Mapping[str, Live], folder: Path, first: Mapping[str, Any]) -> bool | None:
    """Tell whether a run goes on: the daemon knows best of its own port, else the process is looked for."""
    from fabctl.record.statement import by_its_process

    live = kept.get(str(first.get("machine")))
    if live is not None and live.get("port") == first.get("port"):
        return live.get("run") == folder.name
    return by_its_process(folder, first)


def _kept_of(said: Statement, kept: Mapping[str, Live]) -> Live | None:
    """Return what the keeper of a run's machine says; a virtual machine has none."""
    from fabctl.record.run import is_virtual

    return None if is_virtual(said.port) else kept.get(said.machine)


def _live_words(live: Live | None) -> dict[str, str]:
    if live is None:
        return {}
    words = {"kept": f"on {live['port']}: {live['trouble'] or live['state']}"}
    if pause := live.get("pause"):
        words["waits"] = (
            f"for an answer before section {pause['section']}: line {pause['line']}, {pause['note']}"
        )
    if live["work_mm"] is not None:
        words["stands at"] = _point(live["work_mm"])
    if live.get("unguarded"):
        words["unguarded"] = f"NOTHING GUARDS IT: {live['unguarded']}"
    elif live.get("guard_restarts"):
        words["guarded"] = f"again: its guard was gone {live['guard_restarts']} times"
    return words


def _row(said: Statement) -> dict[str, Any]:
    return {
        "name": said.name,
        "machine": said.machine,
        "title": said.title,
        "port": said.port,
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
        "guard": said.guard,
        "journal_short": said.short,
        "last_record": said.last,
        "asks_for_section": said.asks_for or None,
        "next": said.advice,
        "folder": str(said.folder),
    }


def _words(said: Statement, live: Live | None) -> dict[str, str]:
    """Put a statement into words; what a state makes pointless is left out."""
    words = {"run": said.name}
    if said.machine:
        words["machine"] = said.machine
    if said.port:
        words["port"] = where(said.port)
    words["state"] = f"{said.state}: {said.reason}" if said.reason else said.state
    if said.state != "no journal":
        words["last record"] = said.last or "none"
    if said.state not in {"no journal", "not started", "preparing"}:
        words |= _how_far(said)
    if said.short:
        words["disk"] = "was nearly full: progress was no longer written, so it may be farther than this"
    if said.guard:
        words["guard"] = f"held and reset the machine when its sender died: {said.guard}"
    if said.state not in {*GOING_ON, "not started", "done"}:
        words["head"] = HEADS[said.head_off]
    return words | _next(said, live) | _live_words(live)


def _next(said: Statement, live: Live | None) -> dict[str, str]:
    """Say what a run waits for, and what a person can do."""
    name = said.machine
    if live is None or live.get("run") != said.name:
        waits = {"waits": f"for an answer before section {said.asks_for}"} if said.asks_for else {}
        return waits | {"next": said.advice}
    if live.get("pause"):
        return {"next": f"fabctl machine answer {name}, when the tool is in, or abort {name}"}
    if said.state == "held":
        return {"next": f"fabctl machine resume {name} goes on, abort {name} ends it"}
    return {"next": f"it goes on: fabctl machine hold {name}, or abort {name}"}


def where(port: str) -> str:
    """Say where a run was; nobody shall take a virtual one for a part.

    Examples
    --------
    >>> where("sim://"), where("/dev/ttyUSB0")
    ('sim://, the virtual controller: nothing was cut', '/dev/ttyUSB0')
    """
    from fabctl.record.run import is_virtual

    return f"{port}, the virtual controller: nothing was cut" if is_virtual(port) else port


def _how_far(said: Statement) -> dict[str, str]:
    of = f" of {said.lines}" if said.lines else ""
    proven = {0: f"no line{of} is", 1: f"the first line{of} is"}
    words = {
        "certain": f"{proven.get(said.at_least, f'the first {said.at_least} lines{of} are')} wholly executed"
    }
    if said.at_most > said.at_least:
        words["at most"] = f"no line after {said.at_most} can have begun"
    if not said.whole:
        words["journal"] = "cut or damaged: later records are missing, so any line may have begun"
        words.pop("at most", None)
    if said.work_mm is not None:
        known = "" if said.state in {"done", "stopped, position known"} else ", when last seen"
        words["position"] = _point(said.work_mm) + known
    return words


def _point(work_mm: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in work_mm) + " mm, work coordinates"
