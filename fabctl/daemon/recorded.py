"""A run from its folder: what was checked is sent, what happens is written down, and its end is summed up."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from fabctl import __version__
from fabctl.daemon.guard import GUARD_LOG
from fabctl.daemon.guarding import Guard, why_unguarded
from fabctl.daemon.haste import coming_first
from fabctl.daemon.returning import guard_from
from fabctl.errors import FabctlError, LinkError, RefusedError
from fabctl.record.journal import Journal
from fabctl.record.run import RunRecord, write_run
from fabctl.record.workorder import LEGS_NAME, PROGRAM_NAME, WorkOrder, read_work_order
from fabctl.record.writer import Ticket, failed
from fabctl.shop.machine import Machine
from fabctl.shop.permit import Permit
from fabctl.stream.controller import Controller, connect
from fabctl.stream.legs import read_legs
from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.port import Port, Wakeable
from fabctl.stream.replies import Point
from fabctl.stream.run import Fact, Hooks, Order, Pause, Progress, RunResult, Written
from fabctl.stream.sender import send
from fabctl.stream.stops import Operator
from fabctl.stream.text import Text
from fabctl.stream.turns import bytes_within, drive

Value = TypeVar("Value")
ASK_AGAIN_S = 0.05
SHORT = "the disk is nearly full: progress is no longer written, only transitions; free some space"


@dataclass(frozen=True)
class Watchers:
    """Whom a run asks and tells.

    Parameters
    ----------
    operator : Operator
        Requests to hold, resume, abort or reset.
    arm : callable
        Asked before each section after the first until it answers; False ends the run. Where others can
        answer, too, None says that there is nothing to say here any more.
    progress : callable
        Told at each status report.
    phase : callable
        Told of each transition by its name and facts: connected, homed, started, section, end …
    note : callable
        Told, in words, what the operator should know at once: the guard is gone, the disk nearly full.
    answered : callable
        Told that somebody else answered a section, and whether with yes: nobody needs to be asked any more.
    """

    operator: Operator = field(default_factory=Operator)
    arm: Callable[[Pause], bool | None] = lambda _pause: False
    progress: Callable[[Progress], None] = lambda _progress: None
    phase: Callable[[str, Mapping[str, Fact]], None] = lambda _kind, _facts: None
    note: Callable[[str], None] = lambda _text: None
    answered: Callable[[int, bool], None] = lambda _section, _yes: None


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
        self._end: Ticket | None = None
        self._begun = False
        self.order = order_of(folder, self.work, machine, here_mm)
        self.text = Text(self.order.program, machine.firmware.line_limit_chars)

    def demand(self) -> None:
        """Raise unless this machine is the one the program was checked for, and its bytes may be sent.

        Raises
        ------
        RefusedError
            When they are not; nothing was sent.
        """
        for _ in self.text.examine():
            pass
        self.order.permit.demand(self.text.sha256, self._machine)

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
        if not self.text.sha256:
            for _ in self.text.examine():
                self._demand_wanted()
                await link.pump(0.0)
        self.order.permit.demand(self.text.sha256, self._machine)
        started = datetime.now().astimezone()
        work = self.work
        self._demand_wanted()
        journal, lost = await self._aside(link, self._new_journal)
        try:
            if lost is not None:
                raise lost
            journal.begin_transition("planned", _planned(work, link))
            result = await send(link, controller, self.order, self.text, self._hooks(journal))
            if journal.short:
                result = replace(result, notes=(*result.notes, SHORT))
        finally:
            await self._aside(link, journal.close)
        self._demand_written(result)
        record = _record(work, result, started)
        await self._aside(link, lambda: write_run(self.folder, record))
        return Ended(result, record)

    def _tell_short(self, journal: Journal) -> bool:
        """Tell of a disk that is nearly full, and write it down, while there is room for that."""
        journal.begin_transition("short", {})
        with contextlib.suppress(OSError, ValueError):
            self._watchers.note(SHORT)
        return True

    def _demand_written(self, result: RunResult) -> None:
        """Raise when it never came to the disk how the run ended: `fabctl status` will not know of it."""
        try:
            if self._end is not None and not self._end.done:
                raise failed(str(self.folder), OSError(errno.EIO, "the end of the run is not on disk"))
        except FabctlError as error:
            raise _noted(error, result.end_state.value, result.head_off) from None

    def _new_journal(self) -> Journal:
        estimated_s = self.work.estimated_s
        return Journal(self.folder, lines=self.text.lines, estimated_s=estimated_s, wake=self._wake)

    async def _aside(self, link: Link, call: Callable[[], Value]) -> tuple[Value, LinkError | None]:
        return (call(), None) if self._patient else await aside(link, call)

    def _demand_wanted(self) -> None:
        """Raise when the operator asked for any kind of stop, before a byte was sent."""
        if self._watchers.operator.wants_stop:
            raise RefusedError(
                "stopped by the operator before anything was sent",
                file=self.work.title,
                remedy="start it again when ready",
            )

    def _hooks(self, journal: Journal) -> Hooks:
        watchers = self._watchers
        compare = guard_from(self._machine, self.work.expects) if self.work.expects else None
        short = False
        closing = _Closing(journal, self._patient)

        def _transition(kind: str, facts: Mapping[str, Fact]) -> Written | None:
            self._begun = self._begun or kind == "started"
            write = closing if kind in {"stop", "end"} else journal.begin_transition
            ticket = write(kind, facts)
            self._end = ticket if kind == "end" else None
            if ticket is None:
                return None
            if self._patient:
                ticket.wait()
            if compare is not None:
                compare(kind, facts)
            watchers.phase(kind, facts)
            return lambda: ticket.done

        def _progress(counts: Progress) -> None:
            nonlocal short
            journal.progress(counts)
            short = journal.short and (short or self._tell_short(journal))
            watchers.progress(counts._replace(journal_short=True) if short else counts)

        def _sending(number: int) -> bool:
            return self._may_send(journal, number)

        return Hooks(watchers.operator, watchers.arm, _progress, _sending, _transition)

    def _may_send(self, journal: Journal, number: int) -> bool:
        # what was asked for is done first; a check pass moves nothing, and takes no hold
        if self._begun and self._watchers.operator.wants_stop:
            return False
        if not self._patient:
            return journal.may_send(number)
        journal.sending(number)
        return True


@dataclass
class _Closing:
    """Writes how a run ended; when that cannot be written, it is told all the same, with the error."""

    journal: Journal
    patient: bool
    failed: FabctlError | None = None

    def __call__(self, kind: str, facts: Mapping[str, Fact]) -> Ticket | None:
        """Write ``stop``, then ``end``; raise only when the second has told how the machine was left."""
        try:
            if self.failed is None:
                ticket = self.journal.begin_transition(kind, facts)
                if self.patient:
                    ticket.wait()
                return ticket
        except FabctlError as error:
            self.failed = error
        if kind == "end" and self.failed is not None:
            raise _noted(self.failed, str(facts["end_state"]), facts["head_off"])
        return None


def _noted(error: FabctlError, end_state: str, head_off: object) -> FabctlError:
    """Note on an error how the machine was left."""
    head = "not seen to be off" if head_off is None else "off" if head_off else "STILL ON"
    error.add_note(f"the run ended all the same: {end_state}, head {head}")
    return error


class Asking:
    """Asks a person in a thread of its own, so that the machine is watched while they think.

    Parameters
    ----------
    arm : callable
        Asks and waits; or answers None for "not yet" itself.
    wake : callable, optional
        Called once there is an answer.
    """

    def __init__(self, arm: Callable[[Pause], bool | None], wake: Callable[[], None] | None = None) -> None:
        self._arm = arm
        self._wake = wake or (lambda: None)
        self._pause: Pause | None = None
        self._answers: list[bool | None] = []

    def __call__(self, pause: Pause) -> bool | None:
        """Return the answer once there is one, None before."""
        if self._answers and self._pause == pause:
            answer = self._answers.pop()
            self._pause = None
            return answer
        if self._pause != pause:
            self._pause = pause
            threading.Thread(target=self._ask, args=(pause,), name="ask", daemon=True).start()
        return None

    def _ask(self, pause: Pause) -> None:
        answer = False
        try:
            while (given := self._arm(pause)) is None:
                time.sleep(ASK_AGAIN_S)
            answer = given
        finally:
            self._answers.append(answer)
            self._wake()


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
        box_mm=work.box_mm,
        here_mm=here_mm,
        home=work.home,
        check_first=work.check_first,
    )


async def aside(link: Link, call: Callable[[], Value]) -> tuple[Value, LinkError | None]:
    """Do what waits for a disk in a thread of its own, and stay with the machine meanwhile.

    Parameters
    ----------
    link : Link
        Polled meanwhile.
    call : callable
        Must not touch the link. What it raises is raised here.

    Returns
    -------
    object
        What `call` returned.
    LinkError or None
        What went wrong with the link meanwhile: whoever called decides what ends by it.
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
    lost: LinkError | None = None
    while thread.is_alive():
        try:
            if lost is None:
                await link.pump(FAST_POLL_S)
            else:
                await bytes_within(FAST_POLL_S)
        except LinkError as error:
            lost = lost or error
            # a port that is gone says so at once, again and again
            thread.join(ASK_AGAIN_S / 10)
    if errors:
        raise errors[0]
    return values[0], lost


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
        "opening_lines": work.opening_lines,
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


def run_folder(
    port: Port,
    folder: Path,
    machine: Machine,
    watchers: Watchers,
    *,
    here_mm: Point | None = None,
    patient: bool = False,
) -> Ended:
    """Carry out a run's folder on a port, from the first byte to the record; blocking.

    A guard process stops the machine when this one dies, where the port can be shared with one.

    Parameters
    ----------
    port : Port
        Open, and nobody else's. It stays open.
    folder, machine, watchers, here_mm, patient
        As for `RecordedRun`.

    Raises
    ------
    RefusedError, LinkError
        Before anything moved.
    InputError
        When program or journal fails; the machine is stopped first.
    """
    wake = port.wake if isinstance(port, Wakeable) else None
    watchers.operator.wake = wake
    if not patient:
        watchers = replace(watchers, arm=Asking(watchers.arm, wake))
    run = RecordedRun(folder, machine, watchers, here_mm=here_mm, patient=patient, wake=wake)
    # a long program takes its time to read: before anybody expects a beat, and as ordinary work
    run.demand()
    with contextlib.ExitStack() as stack:
        if not patient:
            stack.enter_context(coming_first())
        beat = stack.enter_context(guarding(port, folder / GUARD_LOG, machine.name, watchers.note))
        return drive(port, _meet_and_run(port, machine, run), beat)


async def _meet_and_run(port: Port, machine: Machine, run: RecordedRun) -> Ended:
    return await run.carry_out(*await connect(port, machine))


@contextlib.contextmanager
def guarding(
    port: Port, log: Path, machine: str, note: Callable[[str], None]
) -> Iterator[Callable[[], None] | None]:
    """Let a guard process hold a port while the context lasts; None where there can be none.

    Parameters
    ----------
    port : Port
        Open.
    log : Path
        Where the guard writes what it did.
    machine : str
        Whose port it is.
    note : callable
        Told, in words, when the guard is gone.
    """
    descriptor = getattr(port, "descriptor", None)
    if descriptor is None or why_unguarded():
        yield None
        return
    with Guard(log, note) as guard, guard.holding(descriptor, machine):
        yield guard.beat
