"""From a permit to motion and its record: open the port, send, write down, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl import __version__
from fabctl.program.arcs import extents_mm
from fabctl.program.envelope import lost_axes
from fabctl.program.model import Program
from fabctl.record.files import atomic_write
from fabctl.record.journal import Journal
from fabctl.record.run import RunRecord, new_run_folder, runs_folder, write_run
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.stream.path import Leg
from fabctl.stream.port import Port, open_port
from fabctl.stream.run import Fact, Hooks, Pause, Progress, RunResult
from fabctl.stream.run import Order as Sending
from fabctl.stream.sender import run
from fabctl.stream.stops import Operator
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, starts

Floats = NDArray[np.float64]
Point = tuple[float, float, float]

SIM = "sim://"
"""The port of the built-in virtual controller."""


@dataclass(frozen=True)
class Stood:
    """Where work zero and tool were when a run ended, machine coordinates.

    Parameters
    ----------
    zero_mm : (x, y, z)
    place_mm : (x, y, z), optional
    """

    zero_mm: Point
    place_mm: Point | None = None


@dataclass(frozen=True)
class Bench:
    """A port with a machine behind it.

    Parameters
    ----------
    port : Port
    here_mm : (x, y, z), optional
        Work coordinates to give to the point where the tool stands after homing; None keeps the zero the
        controller has stored.
    sim : SimPort, optional
        The virtual controller, when that is what stands behind the port.
    """

    port: Port
    here_mm: Point | None = None
    sim: SimPort | None = None


def open_bench(url: str, machine: Machine, program: Program, stood: Stood | None = None) -> Bench:
    """Open the port of a machine.

    Parameters
    ----------
    url : str
        ``sim://``, with faults as in docs/virtual-controller.md, or whatever pyserial opens: a device,
        ``COM3``, ``socket://host:port``.
    machine : Machine
    program : Program
        What is to run; behind ``sim://`` the stock is laid so that it fits.
    stood : Stood, optional
        Where the run that is gone on with left work zero and tool: the virtual machine is brought there.

    Returns
    -------
    Bench

    Raises
    ------
    LinkError
        When the port cannot be opened.
    InputError
        When a ``sim://`` URL cannot be read.
    """
    if not url.startswith(SIM):
        return Bench(open_port(url, machine.baud))
    if stood is None:
        port = SimPort.from_url(url, machine.settings(), Options(cpu_model=True))
        return Bench(port, _laid_out(machine, program), port)
    place, options = machine.homed_mm, Options(cpu_model=True)
    if not machine.homing and stood.place_mm is not None:
        place = stood.place_mm
        options = Options(cpu_model=True, homed=True, start_mm=place)
    port = SimPort.from_url(url, machine.settings(), options)
    x, y, z = (round(at - zero, 3) for at, zero in zip(place, stood.zero_mm, strict=True))
    return Bench(port, (x, y, z if machine.has_z else 0.0), port)


def _laid_out(machine: Machine, program: Program) -> Point:
    """Lay the stock in the middle of the virtual machine: what the homed tool then reads in work mm."""
    low, high = extents_mm(program.moves, program.start)
    if not machine.homing:
        return (0.0, 0.0, 0.0)
    travel, homed = np.array(machine.travel_mm), np.array(machine.homed_mm)
    zero = -travel / 2 - (low + high) / 2
    # Z zero is laid as high as the highest rapid allows: where a tool over thin stock would be.
    zero[2] = homed[2] - max(high[2], 0.0) if machine.has_z else 0.0
    # Whole micrometres: the zero travels to the controller as text.
    here = np.round(homed - np.round(zero, 3), 3)
    return (float(here[0]), float(here[1]), float(here[2]))


def legs_of(program: Program) -> Iterator[Leg]:
    """Yield each move as the sender follows it.

    Parameters
    ----------
    program : Program
    """
    moves = program.moves
    centre = starts(moves, program.start)[:, :2] + moves["ij"]
    unknown = unnamed(program)
    lost = lost_axes(program) if len(program.state) else None
    if lost is not None:
        # G53 behind homing: the machine stands there already, and only it knows where that is
        unknown |= lost
    target = np.where(unknown, np.nan, moves["xyz"])
    arc = (moves["motion"] == ARC_CW) | (moves["motion"] == ARC_CCW)
    rows = zip(
        program.line.tolist(),
        target.tolist(),
        centre.tolist(),
        arc.tolist(),
        (moves["motion"] == ARC_CW).tolist(),
        strict=True,
    )
    for number, (x, y, z), (cx, cy), curved, clockwise in rows:  # the sender takes one leg a line, lazily
        yield Leg(number, (x, y, z), (cx, cy) if curved else None, clockwise)


def unnamed(program: Program) -> NDArray[np.bool_]:
    """Say which coordinates no line has named yet when a move is made, (n, 3).

    A section begins wherever the machine stands: its first retract names Z alone, and X and Y stay as they
    are, whatever the program's own rows assume.

    Parameters
    ----------
    program : Program
    """
    mask = np.zeros((len(program.moves), 3), bool)
    lines = program.text.splitlines()
    for section in program.sections:  # a handful of sections, a few lines each
        first = int(np.searchsorted(program.line, section.first_line))
        for axis, letter in enumerate(b"XYZ"):
            row = first
            while row < len(mask) and letter not in lines[program.line[row] - 1]:
                row += 1
            mask[first:row, axis] = True
    return mask


def _no_guard(_kind: str, _facts: Mapping[str, Fact]) -> None:
    """Let every transition pass."""


@dataclass(frozen=True)
class Work:
    """A checked program and what its record should say.

    Parameters
    ----------
    program : Program
    machine : Machine
    permit : Permit
    title : str
    material : str
        Name of the material; empty for a program of unknown origin.
    tools : tuple of str
    estimated_s : float
    parts : int
    cut_mm : float
        Length of all feed moves, mm.
    resumes : str
        Name of the run it goes on with; empty for a run of its own.
    first_line : int
        Line of the program entered at which it goes on; 1 for a whole program.
    opening_lines : int
        Lines of `program` that are the way back; the next one is `first_line`.
    home : bool, optional
        Whether to home first; None leaves it to the sender.
    stood : Stood, optional
        Where the run it goes on with ended.
    guard : callable
        Told of each transition and its facts once it is recorded; raises when the run must not go on.
    """

    program: Program
    machine: Machine
    permit: Permit
    title: str
    material: str = ""
    tools: tuple[str, ...] = ()
    estimated_s: float = 0.0
    parts: int = 0
    cut_mm: float = 0.0
    resumes: str = ""
    first_line: int = 1
    opening_lines: int = 0
    home: bool | None = None
    stood: Stood | None = None
    guard: Callable[[str, Mapping[str, Fact]], None] = _no_guard


@dataclass(frozen=True)
class Watchers:
    """Whom a run asks and tells.

    Parameters
    ----------
    operator : Operator
        Requests to hold, resume, abort or reset.
    arm : callable
        Asked before each section after the first; False ends the run.
    progress : callable
        Told at each status report.
    phase : callable
        Told of each transition by its name: connected, homed, started, section, end …
    """

    operator: Operator = field(default_factory=Operator)
    arm: Callable[[Pause], bool] = lambda _pause: False
    progress: Callable[[Progress], None] = lambda _progress: None
    phase: Callable[[str], None] = lambda _kind: None


@dataclass(frozen=True)
class TruePath:
    """Where the virtual controller's tool truly went, from the first line on.

    Parameters
    ----------
    xyz_mm : (k, 3) float64
        Vertices, mm, work coordinates.
    power : (k,) float64
        Share of full power on the way to each vertex, 0..1.
    sections : sequence of int
        First vertex of each section.
    """

    xyz_mm: Floats
    power: Floats
    sections: Sequence[int]


@dataclass(frozen=True)
class Run:
    """A run that has ended, and where its record is.

    Parameters
    ----------
    result : RunResult
    folder : Path
        Journal, program and summary.
    record : RunRecord
    true_path : TruePath, optional
        Where the tool truly went, which only the virtual controller can say.
    """

    result: RunResult
    folder: Path
    record: RunRecord
    true_path: TruePath | None = None


def carry_out(
    work: Work, bench: Bench, watchers: Watchers, *, root: Path | None = None, check_first: bool = False
) -> Run:
    """Send a permitted program and write down all that happened.

    Parameters
    ----------
    work : Work
    bench : Bench
    watchers : Watchers
    root : Path, optional
        Where the run's folder is made; the person's own place for runs when left out.
    check_first : bool
        Whether to send everything through the controller's check mode before anything moves.

    Returns
    -------
    Run
        Whatever its end: a stop is in the result, not an exception.

    Raises
    ------
    RefusedError, LinkError
        Before anything moved.
    InputError
        When the record cannot be written; the machine is stopped first.
    """
    started = datetime.now().astimezone()
    folder = new_run_folder(root or runs_folder(), work.title, started)
    atomic_write(folder / "program.nc", work.program.text)
    journal = Journal(folder)
    journal.transition("planned", _planned(work, bench, check_first=check_first))
    begun_s: list[float] = []

    def _transition(kind: str, facts: Mapping[str, Fact]) -> None:
        if kind in {"started", "section"}:
            begun_s.append(bench.port.clock_s())
        journal.transition(kind, facts)
        work.guard(kind, facts)
        watchers.phase(kind)

    def _progress(counts: Progress) -> None:
        journal.progress(counts)
        watchers.progress(counts)

    sending = Sending(
        program=work.program.text,
        machine=work.machine,
        permit=work.permit,
        legs=legs_of(work.program),
        here_mm=bench.here_mm,
        home=work.home,
        check_first=check_first,
    )
    hooks = Hooks(
        operator=watchers.operator,
        arm=watchers.arm,
        progress=_progress,
        sending=journal.sending,
        transition=_transition,
    )
    try:
        result = run(bench.port, sending, hooks)
    finally:
        journal.close()
    record = _record(work, result, started)
    write_run(folder, record)
    return Run(result, folder, record, _true_path(bench, begun_s))


def _planned(work: Work, bench: Bench, *, check_first: bool) -> dict[str, object]:
    """Gather what is certain before the first byte: the journal's first record."""
    program, stock = work.program, work.permit.stock
    return {
        "machine": work.machine.name,
        "machine_sha256": machine_digest(work.machine),
        "material": work.material,
        "title": work.title,
        "version": __version__,
        "port": bench.port.name,
        "program_sha256": program.digest,
        "lines": program.line_count,
        "sections": [section.first_line for section in program.sections],
        "tools": [section.tool for section in program.sections],
        "stock": None if stock is None else asdict(stock),
        "estimated_s": round(work.estimated_s, 3),
        "check_first": check_first,
        "resumes": work.resumes,
        "first_line": work.first_line,
        "opening_lines": work.opening_lines,
    }


def _record(work: Work, result: RunResult, started: datetime) -> RunRecord:
    return RunRecord(
        design=Path(work.program.source).name,
        program_sha256=work.program.digest,
        machine=work.machine.name,
        material=work.material,
        tools=work.tools,
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now().astimezone().isoformat(timespec="seconds"),
        end_state=result.end_state.value,
        cause=result.cause.value,
        version=__version__,
        estimated_s=round(work.estimated_s, 3),
        taken_s=round(result.duration_s, 3),
        cut_length_mm=round(work.cut_mm, 3),
        parts=work.parts,
        lines=result.lines,
        executed=result.executed,
        head_off=result.head_off,
        files={"program": "program.nc"},
        notes=result.notes,
    )


def _true_path(bench: Bench, begun_s: Sequence[float]) -> TruePath | None:
    """Take the virtual tool's way since the first line out of its trace."""
    if bench.sim is None or not begun_s:
        return None
    trace = bench.sim.trace
    first = np.maximum(np.searchsorted(trace.time_s, begun_s, side="right") - 1, 0)
    times, offsets = trace.offset_changes
    # The work zero was set just before: the vertex the tool stands at was reached under the old one.
    zero = offsets[max(int(np.searchsorted(times, begun_s[0], side="right")) - 1, 0)]
    start = int(first[0])
    return TruePath(trace.xyz_mm[start:] - zero, trace.power[start:], (first - start).tolist())
