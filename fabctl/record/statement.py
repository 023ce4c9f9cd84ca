"""What can be said of a run, for the person who comes to the machine afterwards: certain things only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fabctl.errors import FabctlError
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.journal import Certain, first_record, last_certain
from fabctl.record.process import lives
from fabctl.record.run import is_virtual, run_folders, runs_folder
from fabctl.record.workorder import PROGRAM_NAME
from fabctl.shop.machine import load_machine

CarriedOn = Callable[[Path, Mapping[str, Any]], bool | None]
"""Tells whether somebody carries a run on right now, from its folder and its journal's first record; None
when that cannot be told. Whoever keeps machines open can be asked here before the process is looked for."""

GUARD_LOG = "guard.jsonl"
"""Where the guard beside a sender writes what it did when that sender died."""

GUARD_LATEST_S = 30.0
"""A guard notices within half a second and waits until all its machines stand; then it writes."""

_LOOK = "look that the machine stands and its head is off"
_AGAIN = "find the position anew (home, or set the zero by hand)"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is certain of one run.

    Parameters
    ----------
    name : str
        Of its folder.
    folder : Path
        Where it is.
    machine, title, port : str
        Empty when the journal does not say.
    state : str
        As the sender named the end; ``running``, ``held``, ``paused`` or ``preparing`` while its process
        lives; ``crashed`` when it was cut off, ``not started`` when nothing of the program was sent,
        ``not told`` when it cannot be found out whether the process lives, ``no journal``.
    pid : int
        The process that sends or sent it; 0 when not known.
    at_least, at_most, lines : int
        Lines wholly executed, last line that can have begun, lines of the program.
    whole : bool
        Whether the journal is all there.
    work_mm : (x, y, z) tuple or None
        Last position on record, work coordinates.
    head_off : bool or None
        Whether spindle or beam was seen to be off at the end; None when nobody can know.
    cause, reason : str
        Why it ended.
    guard : str
        What the guard came to after it held and reset the machine; empty when it did not have to.
    short : bool
        Whether the disk was so full that progress was no longer written.
    last : str
        When the journal was last written, ISO 8601.
    advice : str
        What to do next.
    asks_for : int
        The section that a person must answer for while it is paused; 0 when it is not.
    """

    name: str
    folder: Path
    machine: str = ""
    title: str = ""
    port: str = ""
    state: str = "no journal"
    pid: int = 0
    at_least: int = 0
    at_most: int = 0
    lines: int = 0
    whole: bool = False
    work_mm: tuple[float, ...] | None = None
    head_off: bool | None = None
    cause: str = ""
    reason: str = ""
    guard: str = ""
    short: bool = False
    last: str = ""
    advice: str = "nothing is on record: " + _LOOK
    asks_for: int = 0


def by_its_process(folder: Path, first: Mapping[str, Any]) -> bool | None:
    """Tell whether a run goes on: whether the process that opened its journal still lives."""
    del folder
    return lives(first)


def statement(folder: Path, carried_on: CarriedOn = by_its_process) -> Statement:
    """Say what is certain of a run.

    Parameters
    ----------
    folder : Path
        Of the run.
    carried_on : callable
        Whom to ask whether it still goes on.

    Raises
    ------
    InputError
        When the journal is there and cannot be read.
    """
    if not (folder / JOURNAL_NAME).is_file():
        return Statement(folder.name, folder)
    first, certain = first_record(folder), last_certain(folder)
    latest = certain.latest
    end, stop = latest.get("end", {}), latest.get("stop", {})
    goes_on = None if end else carried_on(folder, first)
    state = _state(certain, goes_on=goes_on)
    last = max((str(record["time"]) for record in latest.values()), default="")
    return Statement(
        name=folder.name,
        folder=folder,
        machine=str(first.get("machine", "")),
        title=str(first.get("title", "")),
        port=str(first.get("port", "")),
        state=state,
        pid=int(first.get("pid", 0)),
        at_least=certain.at_least,
        at_most=certain.at_most,
        lines=certain.lines,
        whole=certain.whole or bool(goes_on),
        work_mm=certain.work_mm,
        head_off=end.get("head_off"),
        cause=str(stop.get("cause", "")),
        reason=str(stop.get("reason", "")),
        guard=_guarded(folder, str(first.get("machine", "")), "" if end else last),
        short="short" in latest,
        last=last,
        advice=_advice(state, folder, first, certain.at_least + 1),
        asks_for=int(latest.get("section", {}).get("section", 1)) + 1 if state == "paused" else 0,
    )


def latest_of_each_machine(root: Path | None = None) -> tuple[Path, ...]:
    """Find the newest run of each machine, and of its virtual twin, newest first.

    Of the journals only the first record is read.

    Parameters
    ----------
    root : Path, optional
        Where runs stand; `runs_folder` when not given.
    """
    newest: dict[tuple[str, bool], Path] = {}
    for folder in run_folders(root):
        newest.setdefault(_machine(folder), folder)
    return tuple(newest.values())


def _machine(folder: Path) -> tuple[str, bool]:
    """Return which machine a run was on, and whether on its virtual twin."""
    if not (folder / JOURNAL_NAME).is_file():
        return "", False
    first = first_record(folder)
    return str(first.get("machine", "")), is_virtual(str(first.get("port", "")))


def _state(certain: Certain, *, goes_on: bool | None) -> str:
    if "end" in certain.latest:
        return certain.end_state
    if goes_on:
        return _live_state(certain)
    if goes_on is None and certain.latest:
        return "not told"
    return certain.end_state


def _live_state(certain: Certain) -> str:
    if "started" not in certain.latest:
        return "preparing"
    held, resumed, paused, begun = (
        int(certain.latest.get(kind, {}).get("n", -1)) for kind in ("hold", "resume", "pause", "section")
    )
    if held > resumed:
        return "held"
    return "paused" if paused > begun else "running"


def _guarded(folder: Path, machine: str, last: str) -> str:
    """Return what a guard came to: that of the run's own process, or of the keeper of its machine."""
    for said in _noted(folder):
        return str(said["ends"][0])
    if not last:
        return ""
    last_s = datetime.fromisoformat(last).timestamp()
    for place in dict.fromkeys((folder.parent, runs_folder())):
        for said in _noted(place):
            machines, late_s = said.get("machines", []), said.get("time", 0.0) - last_s
            if machine in machines and -1.0 <= late_s <= GUARD_LATEST_S:
                return str(said["ends"][machines.index(machine)])
    return ""


def _noted(place: Path) -> Iterator[dict[str, Any]]:
    """Read what guards did, the latest first; one that was gone and replaced is noted there, too."""
    # none, or a line that a crash has cut: then nothing is known of it
    with suppress(OSError, ValueError):
        for line in reversed((place / GUARD_LOG).read_text(encoding="utf-8").splitlines()):
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("ends"):
                    yield said


def _advice(state: str, folder: Path, first: Mapping[str, Any], line: int) -> str:
    name = folder.name if folder.parent == runs_folder() else str(folder)
    match state:
        case "done":
            return "nothing: it is done"
        case "running" | "held" | "preparing":
            return f"it goes on in process {first.get('pid')}: hold or end it there"
        case "paused":
            return f"it waits in process {first.get('pid')}: answer where it was begun, or end it there"
        case "not told":
            host = first.get("host") or "another computer"
            return f"look on {host} whether process {first.get('pid', '?')} still lives; if not, {_LOOK}"
        case "not started":
            return "nothing of the program was sent: start it again"
        case "stopped, position known":
            return f"fabctl resume {name}, or start again"
        case _ if is_virtual(str(first.get("port", ""))):
            return "start again: it was on the virtual controller, nothing is cut"
        case _:
            return f"{_LOOK}; {_AGAIN}; then {_way_on(folder, name, first, line)}, or start again"


def _way_on(folder: Path, name: str, first: Mapping[str, Any], line: int) -> str:
    """Say how a run whose position was lost goes on: only a machine with switches finds it again."""
    machine = str(first.get("machine", ""))
    resume = f"fabctl resume {name}"
    run = f"fabctl run {folder / PROGRAM_NAME} -m {machine or 'MACHINE'} --from {line}"
    try:
        return resume if load_machine(machine).homing else run
    except FabctlError:
        return f"{resume} on a machine that homes, {run} on one without switches"
