"""Go on with a run that ended early: what its journal proves, what must hold first, and what is then sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fabctl.daemon.returning import Facts, Guard, Stood, stood
from fabctl.errors import InputError, RefusedError
from fabctl.job.folder import Work
from fabctl.job.plan import time_program
from fabctl.program.check import permit
from fabctl.program.model import Program
from fabctl.program.resume import ReEntry, cuts, reenter
from fabctl.program.state import own_program
from fabctl.record.journal import Certain, first_record, last_certain
from fabctl.record.process import lives
from fabctl.record.run import RunEntry, RunRecord, list_runs, read_run
from fabctl.record.workorder import PROGRAM_NAME
from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import machine_digest
from fabctl.shop.stock import Stock
from fabctl.stream.stops import EndState
from fabctl.toolpath.moves import lengths


@dataclass(frozen=True)
class Past:
    """A run that is over, as its folder tells it.

    Parameters
    ----------
    folder : Path
    machine : Machine
    program : Program
        What was sent.
    certain : Certain
        What the journal proves.
    planned : mapping
        The journal's first record.
    record : RunRecord or None
        The summary; None when the run never came to writing it.
    program_sha256 : str
        Digest of the file as it is now, hexadecimal.
    """

    folder: Path
    machine: Machine
    program: Program
    certain: Certain
    planned: Facts
    record: RunRecord | None
    program_sha256: str

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return self.folder.name

    @property
    def port(self) -> str:
        """Where it ran; empty when the journal does not say."""
        return str(self.planned.get("port", ""))

    @property
    def line(self) -> int:
        """The first line that is not proven to be carried out."""
        return self.certain.at_least + 1

    @property
    def stood(self) -> Stood | None:
        """Where work zero and tool were last, machine coordinates; None when the journal does not say."""
        return stood(self.certain.latest)

    @property
    def position_known(self) -> bool:
        """Whether the machine stood still at a place that was verified."""
        return self.certain.end_state == EndState.KNOWN


@dataclass(frozen=True)
class Condition:
    """Something that must hold before a run goes on, and does not.

    Parameters
    ----------
    problem, remedy : str
    """

    problem: str
    remedy: str


@dataclass(frozen=True)
class Resumption:
    """A run that can go on.

    Parameters
    ----------
    past : Past
    entry : ReEntry
        The way back, to be shown.
    work : Work
        What is sent when a person agrees.
    questions : tuple of str
        What only a person can know.
    """

    past: Past
    entry: ReEntry
    work: Work
    questions: tuple[str, ...]


def look_back(folder: Path, machine: Machine | None = None) -> Past:
    """Read all that a run's folder says.

    Parameters
    ----------
    folder : Path
    machine : Machine, optional
        Its description, when the run's own machine is known by no name here.

    Raises
    ------
    InputError
        When journal or program is missing.
    """
    certain, planned = last_certain(folder), first_record(folder)
    record = None
    if (folder / "run.json").is_file():
        record = read_run(folder)
    path = folder / PROGRAM_NAME
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the program that was sent cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="bring the run's folder back whole, or send the program with --from LINE",
        ) from error
    name = str(planned.get("machine") or (record.machine if record else ""))
    if machine is None and not name:
        raise InputError("the journal names no machine", file=str(folder), remedy="name it with -m")
    chosen = machine or load_machine(name)
    tools = tuple(planned.get("tools") or ())
    program = own_program(text, str(path), chosen, tools)
    return Past(folder, chosen, program, certain, planned, record, hashlib.sha256(text).hexdigest())


def open_conditions(past: Past) -> tuple[Condition, ...]:
    """Find what stands against going on, before any port is opened.

    Parameters
    ----------
    past : Past

    Returns
    -------
    tuple of Condition
        Empty when nothing does.
    """
    certain, machine = past.certain, past.machine
    found: list[Condition] = []
    if certain.end_state == EndState.DONE:
        found.append(Condition("the run is done", "run the program again to make another part"))
    elif certain.end_state == "not started":
        found.append(Condition("nothing of this run was ever sent", "run the program from its first line"))
    elif certain.end_state == "crashed":
        found += _of_a_crash(past)
    found += _of_the_papers(past)
    if not past.position_known and not machine.homing and certain.end_state != EndState.DONE:
        found.append(
            Condition(
                f"the position is not known ({certain.end_state}), and {machine.title} has no switches to "
                "find it again",
                "touch off work zero by hand where it was, then `fabctl run FILE --from LINE` "
                f"with line {past.line}",
            )
        )
    later = _later_run(past)
    if later is not None:
        found.append(Condition(f"{later} went on with this run already", f"fabctl resume {later}"))
    return tuple(found)


def _of_a_crash(past: Past) -> list[Condition]:
    if lives(past.planned):
        pid = past.planned.get("pid")
        return [
            Condition(
                f"the run's own process still lives (process {pid})", "wait for its end, or stop it there"
            )
        ]
    return []


def _of_the_papers(past: Past) -> list[Condition]:
    """Compare program and machine with what the journal says was sent, and where."""
    latest = past.certain.latest
    found: list[Condition] = []
    wanted = {str(f["program_sha256"]) for f in latest.values() if f.get("program_sha256")}
    if past.record is not None:
        wanted.add(past.record.program_sha256)
    if wanted and wanted != {past.program_sha256}:
        found.append(
            Condition(
                "program.nc is no longer the program that was sent",
                "bring the file back as it was, or send the right program with --from LINE",
            )
        )
    machines = {str(f["machine_sha256"]) for f in latest.values() if f.get("machine_sha256")}
    if machines and machines != {machine_digest(past.machine)}:
        found.append(
            Condition(
                f"the description of {past.machine.name} has changed since the run",
                "bring the profile back as it was, or send the program anew with --from LINE",
            )
        )
    if past.stood is None and past.certain.end_state not in (EndState.DONE, "not started"):
        found.append(
            Condition(
                "the journal does not say where work zero was",
                "touch off work zero again, then send the program with --from LINE",
            )
        )
    return found


def _later_run(past: Past) -> str | None:
    """Name the run that went on with this one and cut, if there is one."""
    for entry in list_runs(past.folder.parent):
        if entry.certain is not None and entry.name != past.name and _went_on(entry, past.name):
            return entry.name
    return None


def _went_on(entry: RunEntry, name: str) -> bool:
    planned = first_record(entry.folder)
    started = entry.certain is not None and entry.certain.at_most > int(planned.get("opening_lines", 0))
    return planned.get("resumes") == name and started


def resume_run(past: Past, line: int | None = None, stock: Stock | None = None) -> Resumption:
    """Prepare to go on with a run.

    Parameters
    ----------
    past : Past
    line : int, optional
        An earlier line to go on from than the first that is not proven.
    stock : Stock, optional
        What the way back is checked against.

    Returns
    -------
    Resumption

    Raises
    ------
    RefusedError
        When a condition is open, or nothing is left to cut.
    InputError
        When a later line is asked for than is proven.
    """
    refuse(open_conditions(past), past.name)
    if line is not None and line > past.line:
        raise InputError(
            f"line {line}, but only the lines before {past.line} are proven to be carried out",
            file=past.name,
            remedy=f"go on from line {past.line} or an earlier one",
        )
    there = past.stood
    zero_mm = there.zero_mm if there else None
    entry = reenter(past.program, past.machine, line or past.line, zero_mm=zero_mm)
    latest = past.certain.latest
    _demand_own_zero(latest, entry.section, past.name)
    # a tool that was measured in a pause has moved G54 since the run was armed
    offsets = latest.get("measured", latest.get("armed", {})).get("offsets") or {}
    guard = Guard(past.machine, there, offsets, top_mm=_top(entry, past.machine))
    record = past.record
    work = replace(
        work_of(entry, past.machine, stock, _title(past)),
        material=str(past.planned.get("material") or (record.material if record else "")),
        parts=record.parts if record else 0,
        resumes=past.name,
        stood=there,
        guard=guard,
    )
    return Resumption(past, entry, work, questions(entry, past.machine, certain=past.certain))


def _demand_own_zero(latest: Mapping[str, Facts], section: int, name: str) -> None:
    """Demand that Z zero is for certain that of the tool that comes next.

    Raises
    ------
    RefusedError
        When a tool of a later section was measured, for the zero is its own; when the run ended between a
        touch and the word that the zero has followed it.
    """
    measured = latest.get("measured", {})
    if latest.get("probed", {}).get("n", -1) > measured.get("n", -1):
        raise RefusedError(
            "the run ended while Z zero was set for another tool: which tool's it is now, is not certain",
            file=name,
            remedy="touch off Z with the tool that is in, then run its program from that line: "
            "`fabctl run FILE --from LINE`",
        )
    if measured.get("tool") == "new" and section < measured["section"]:
        raise RefusedError(
            f"Z zero was set for the tool of section {measured['section']}, and this is in section {section}",
            file=name,
            remedy="go on from a later line; or touch off Z with this section's tool and run its program "
            "from there: `fabctl run FILE --from LINE`",
        )


def _title(past: Past) -> str:
    title = str(past.planned.get("title") or (Path(past.record.design).stem if past.record else ""))
    return title or past.name


def _top(entry: ReEntry, machine: Machine) -> float | None:
    """Return how high the tool may stand for the first move not to go down; None where it cannot."""
    return None if machine.homing or not machine.has_z else float(entry.program.moves["xyz"][0, 2])


def refuse(conditions: Sequence[Condition], name: str) -> None:
    """Raise when a condition is open.

    Raises
    ------
    RefusedError
        Naming all of them, each with its remedy.
    """
    if conditions:
        first, *others = conditions
        more = "".join(f"; also: {c.problem} ({c.remedy})" for c in others)
        raise RefusedError(f"cannot go on: {first.problem}{more}", file=name, remedy=first.remedy)


def work_of(entry: ReEntry, machine: Machine, stock: Stock | None, title: str) -> Work:
    """Check and permit a way back like any other program.

    Parameters
    ----------
    entry : ReEntry
    machine : Machine
    stock : Stock or None
    title : str

    Raises
    ------
    RefusedError
        When `check` finds an error in it.
    """
    program = entry.program
    allowed = permit(program, machine, stock)
    feeding = cuts(program.moves)
    return Work(
        program=program,
        machine=machine,
        permit=allowed,
        title=title,
        tools=tuple(dict.fromkeys(section.tool for section in program.sections if section.tool)),
        estimated_s=time_program(program, machine).total_s,
        cut_mm=float(lengths(program.moves, program.start)[feeding].sum()),
        first_line=entry.line,
        opening_lines=entry.opening_lines,
        home=True if machine.homing else None,
    )


def enter_at(
    program: Program, machine: Machine, line: int, stock: Stock | None = None, title: str = "program"
) -> tuple[ReEntry, Work]:
    """Prepare to run a program from a line, without a journal to prove what was cut.

    Parameters
    ----------
    program : Program
        In our own bytes; of a rewritten one, `line` is a line of the file it was read from.
    machine : Machine
    line : int
    stock : Stock, optional
    title : str

    Returns
    -------
    ReEntry, Work

    Raises
    ------
    RefusedError
        When nothing is left to cut from there.
    """
    own_line = line
    if len(program.original_line):
        rows = (program.original_line >= line) & (program.origin >= 0)
        own_line = int(program.line[np.argmax(rows)]) if rows.any() else program.line_count
    entry = reenter(program, machine, own_line)
    guard = Guard(machine, None, {}, top_mm=_top(entry, machine))
    return entry, replace(work_of(entry, machine, stock, title), guard=guard)


def questions(entry: ReEntry, machine: Machine, *, certain: Certain | None = None) -> tuple[str, ...]:
    """List what only a person can know before a run goes on.

    Parameters
    ----------
    entry : ReEntry
    machine : Machine
    certain : Certain, optional
        What the journal proves; without one the person vouches for that too.
    """
    asked = ["The stock has not moved since it was cut?"]
    if machine.head.kind != "laser":
        tool = entry.tool or "the tool that cut there"
        asked.insert(0, f"{tool} is in, its tip where it was when work zero was set?")
    if certain is None:
        asked.insert(0, f"Everything before line {entry.line} is cut?")
        asked.insert(1, "Work zero is where it was for those cuts?")
    if machine.homing:
        asked.append("The tool may rise and the machine home: nothing is in the way?")
    return tuple(asked)
