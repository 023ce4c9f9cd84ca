"""From a permit to motion and its record: open the port, send, write down, compare."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fabctl.daemon.client import Line
from fabctl.daemon.recorded import Watchers, run_folder
from fabctl.daemon.remote import run_kept
from fabctl.daemon.returning import Stood
from fabctl.errors import FabctlError, LinkError, RefusedError
from fabctl.job.folder import Work, lay_out
from fabctl.program.arcs import extents_mm
from fabctl.program.model import Program
from fabctl.record.framing import JOURNAL_NAME
from fabctl.record.run import RunRecord, new_run_folder, runs_folder
from fabctl.shop.machine import Machine
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.stream.port import Port, open_port
from fabctl.stream.run import Fact, RunResult

Floats = NDArray[np.float64]
Point = tuple[float, float, float]

SIM = "sim://"
"""The port of the built-in virtual controller."""


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
    folder = prepare(work, root, check_first=check_first)
    begun_s: list[float] = []

    def _phase(kind: str, facts: Mapping[str, Fact]) -> None:
        if kind in {"started", "section"}:
            begun_s.append(bench.port.clock_s())
        watchers.phase(kind, facts)

    with _nothing_left(folder, RefusedError, LinkError):
        ended = run_folder(
            bench.port,
            folder,
            work.machine,
            replace(watchers, phase=_phase),
            here_mm=bench.here_mm,
            patient=bench.sim is not None,
        )
    return Run(ended.result, folder, ended.record, _true_path(bench, begun_s))


def carry_out_kept(
    work: Work, line: Line, watchers: Watchers, *, root: Path | None = None, check_first: bool = False
) -> Run:
    """Let the machine's keeper send a permitted program and write down all that happens.

    Parameters
    ----------
    work : Work
    line : Line
        To the keeper of the work's machine.
    watchers : Watchers
        With a `RemoteOperator`.
    root, check_first
        As for `carry_out`.

    Raises
    ------
    RefusedError, LinkError
        Before anything moved, or when the keeper is gone.
    """
    folder = prepare(work, root, check_first=check_first)
    # A keeper that is gone may have begun: only its own no is certain.
    with _nothing_left(folder, RefusedError):
        ended = run_kept(line, folder, watchers)
    return Run(ended.result, folder, ended.record)


@contextmanager
def _nothing_left(folder: Path, *errors: type[FabctlError]) -> Iterator[None]:
    """Take a run's folder away when the run was refused before its journal began: it is no run."""
    try:
        yield
    except errors:
        if not (folder / JOURNAL_NAME).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def prepare(work: Work, root: Path | None = None, *, check_first: bool = False) -> Path:
    """Make a run's folder and lay out in it all that a sender needs.

    Parameters
    ----------
    work : Work
    root : Path, optional
        Where the folder is made; the person's own place for runs when left out.
    check_first : bool
        Whether to send everything through the controller's check mode before anything moves.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    folder = new_run_folder(root or runs_folder(), work.title, datetime.now().astimezone())
    lay_out(folder, work, check_first=check_first)
    return folder


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
