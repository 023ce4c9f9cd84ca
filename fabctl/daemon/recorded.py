"""A run from its folder: what was checked is sent, what happens is written down, and its end is summed up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from fabctl import __version__
from fabctl.errors import LinkError
from fabctl.record.journal import Journal
from fabctl.record.run import RunRecord, write_run
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, WorkOrder, read_work_order
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.stream.controller import Controller
from fabctl.stream.legs import read_legs
from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.replies import Point
from fabctl.stream.run import Fact, Hooks, Order, Pause, Progress, RunResult, Written
from fabctl.stream.sender import send
from fabctl.stream.stops import Operator
from fabctl.stream.text import Text

Value = TypeVar("Value")


@dataclass(frozen=True)
class Watchers:
    """Whom a run asks and tells.

    Parameters
    ----------
    operator : Operator
        Requests to hold, resume, abort or reset.
    arm : callable
        Asked before each section after the first until it answers; False ends the run.
    progress : callable
        Told at each status report.
    phase : callable
        Told of each transition by its name and facts: connected, homed, started, section, end …
    """

    operator: Operator = field(default_factory=Operator)
    arm: Callable[[Pause], bool | None] = lambda _pause: False
    progress: Callable[[Progress], None] = lambda _progress: None
    phase: Callable[[str, Mapping[str, Fact]], None] = lambda _kind, _facts: None


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its result, and the record that was written."""

    result: RunResult
    record: RunRecord


class RecordedRun:
    """A program in its run's folder, on its way through a machine.

    Parameters
    ----------
    folder : Path
        Holds program, planned path and work order; journal and record are written there.
    machine : Machine
        Where it runs.
    watchers : Watchers
        Whom to ask and tell.
    here_mm : (x, y, z) float, optional
        Work coordinates to give to the point where the tool stands after homing.
    patient : bool
        Whether the journal may keep the caller waiting for the disk: right where time is virtual. Else
        the machine is watched meanwhile.
    wake : callable, optional
        Called from another thread when something written is safe.

    Raises
    ------
    InputError
        When the folder does not hold a work order.
    """

    def __init__(
        self,
        folder: Path,
        machine: Machine,
        watchers: Watchers,
        *,
        here_mm: Point | None = None,
        patient: bool = False,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self.folder = folder
        self.work = read_work_order(folder)
        self._machine = machine
        self._watchers = watchers
        self._patient = patient
        self._wake = wake
        self.order = order_of(folder, self.work, machine, here_mm)
        self.text = Text(self.order.program, machine.firmware.line_limit_chars)

    async def carry_out(self, link: Link, controller: Controller) -> Ended:
        """Check that these are the checked bytes, send them, and write the record.

        Parameters
        ----------
        link, controller : Link, Controller
            As `connect` returned them.

        Raises
        ------
        RefusedError
            Before anything moved.
        InputError
            When program or journal fails; the machine is stopped first.
        """
        for _ in self.text.examine():
            if not self._patient:
                await link.pump(0.0)
        self.order.permit.demand(self.text.sha256, self._machine)
        started = datetime.now().astimezone()
        work = self.work
        journal = Journal(self.folder, lines=self.text.lines, estimated_s=work.estimated_s, wake=self._wake)
        try:
            journal.begin_transition("planned", _planned(work, link))
            result = await send(link, controller, self.order, self.text, self._hooks(journal))
        finally:
            if self._patient:
                journal.close()
            else:
                await aside(link, journal.close)
        record = _record(work, result, started)
        if self._patient:
            write_run(self.folder, record)
        else:
            await aside(link, lambda: write_run(self.folder, record))
        return Ended(result, record)

    def _hooks(self, journal: Journal) -> Hooks:
        watchers = self._watchers

        def _transition(kind: str, facts: Mapping[str, Fact]) -> Written | None:
            ticket = journal.begin_transition(kind, facts)
            if self._patient:
                ticket.wait()
            watchers.phase(kind, facts)
            return lambda: ticket.done

        def _progress(counts: Progress) -> None:
            journal.progress(counts)
            watchers.progress(counts)

        def _sending(number: int) -> bool:
            if not self._patient:
                return journal.may_send(number)
            journal.sending(number)
            return True

        return Hooks(watchers.operator, watchers.arm, _progress, _sending, _transition)


def order_of(folder: Path, work: WorkOrder, machine: Machine, here_mm: Point | None = None) -> Order:
    """Return what the sender is given for a run's folder.

    Parameters
    ----------
    folder : Path
        The run's.
    work : WorkOrder
        Its work order.
    machine : Machine
        Where it is to run; the sender compares it with the permit.
    here_mm : (x, y, z) float, optional
        As in `Order`.
    """
    return Order(
        program=folder / PROGRAM_NAME,
        machine=machine,
        permit=Permit(work.program_sha256, work.machine, work.machine_sha256),
        legs=read_legs(folder / LEGS_NAME, work.program_sha256),
        end_mm=work.end_mm,
        here_mm=here_mm,
        check_first=work.check_first,
    )


async def aside(link: Link, call: Callable[[], Value]) -> Value:
    """Do what waits for a disk in a thread of its own, and stay with the machine meanwhile.

    Parameters
    ----------
    link : Link
        Polled meanwhile.
    call : callable
        Must not touch the link.
    """
    values: list[Value] = []
    errors: list[BaseException] = []

    def _work() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=_work, name="disk")
    thread.start()
    try:
        while thread.is_alive():
            await link.pump(FAST_POLL_S)
    except LinkError:
        # whoever uses the link next sees the same: what was begun here is ended first
        thread.join()
    if errors:
        raise errors[0]
    return values[0]


def _planned(work: WorkOrder, link: Link) -> dict[str, object]:
    return {
        "machine": work.machine,
        "machine_sha256": work.machine_sha256,
        "material": work.material,
        "program_sha256": work.program_sha256,
        "lines": work.lines,
        "port": link.port.name,
        "title": work.title,
        "tools": work.section_tools,
        "sections": work.sections,
        "stock": work.stock,
        "estimated_s": work.estimated_s,
        "version": __version__,
        "check_first": work.check_first,
        "first_line": work.first_line,
        "resumes": work.resumes,
    }


def _record(work: WorkOrder, result: RunResult, started: datetime) -> RunRecord:
    return RunRecord(
        design=Path(work.source).name,
        program_sha256=work.program_sha256,
        machine=work.machine,
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
        files={"program": PROGRAM_NAME},
        notes=result.notes,
    )
