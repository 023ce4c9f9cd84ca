"""Run one permitted program on one machine, from the first byte to a named end.

One thread, one loop: fill the controller's ring as far as the window allows, read, look, poll. Nothing that
moves is ever sent twice. How each way of ending is carried out is decided in `fabctl.stream.stops` alone.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from fabctl.errors import FabctlError, LinkError, RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.account import Account
from fabctl.stream.ahead import Ahead
from fabctl.stream.certainty import Certainty
from fabctl.stream.controller import Controller, connect, read_offsets
from fabctl.stream.ending import SETTLE_S, compare_words, stand_idle
from fabctl.stream.gather import AWAITED_S, BEAM_AWAITED_S, Gather
from fabctl.stream.halt import Outcome, halt, head_is_off, see_head
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import Link
from fabctl.stream.modal import Words
from fabctl.stream.override import Adjusting
from fabctl.stream.path import PathWatch
from fabctl.stream.pause import PAUSED, stay_held
from fabctl.stream.port import Port, Wakeable
from fabctl.stream.prepare import home_machine, set_zero
from fabctl.stream.reach import demand_inside
from fabctl.stream.replies import Point, State, Status
from fabctl.stream.run import Fact, Hooks, Order, Pause, RunResult
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell
from fabctl.stream.text import Text, WireLine, read_text
from fabctl.stream.toolchange import ToolLength
from fabctl.stream.turns import drive
from fabctl.stream.watch import Watch

TAKES_LINES = frozenset({State.IDLE, State.RUN, State.CHECK})
DRAIN = b"G4P0.01"
"""Answered only when the planner is empty; moves nothing."""


def run(port: Port, order: Order, hooks: Hooks | None = None) -> RunResult:
    """Send a program and stay with it until the machine stands still; blocking.

    Parameters
    ----------
    port : Port
        Open, and nobody else's. It stays open.
    order : Order
        What to send, for which machine, with its permit.
    hooks : Hooks, optional
        Whom to ask and tell.

    Returns
    -------
    RunResult
        Done, or stopped with position known or unknown. A stop is no exception here.

    Raises
    ------
    RefusedError
        Before the first byte when permit, program and machine do not belong together or the program holds
        what must not be sent; after connecting when the controller is another one. Nothing moved.
    LinkError
        When no sound connection comes about. Nothing moved.
    """
    hooks = hooks or Hooks()
    if isinstance(port, Wakeable):
        hooks.operator.wake = port.wake
    return drive(port, _connect_and_send(port, order, hooks))


async def _connect_and_send(port: Port, order: Order, hooks: Hooks) -> RunResult:
    text = permitted(order)
    link, controller = await connect(port, order.machine)
    return await send(link, controller, order, text, hooks)


def permitted(order: Order) -> Text:
    """Open an order's program, read it through once, and return it when it may run where it is to run.

    Raises
    ------
    RefusedError
        When permit, program and machine do not belong together, or the program holds what must not be
        sent. Nothing was sent.
    """
    text = read_text(order.program, order.machine.firmware.line_limit_chars)
    order.permit.demand(text.sha256, order.machine)
    return text


async def send(link: Link, controller: Controller, order: Order, text: Text, hooks: Hooks) -> RunResult:
    """Send a permitted program over a link that stands; as `run`, for whoever drives many links.

    Parameters
    ----------
    link, controller : Link, Controller
        As `connect` returned them; nobody else awaits this link meanwhile.
    order : Order
        What to send.
    text : Text
        Its program, from `permitted`.
    hooks : Hooks
        Whom to ask and tell.

    Raises
    ------
    RefusedError
        Before anything moved.
    """
    return await _Run(link, controller, order, text, hooks).carry_out()


class _Run:
    """One run over a link: prepare, stream, finish, or stop."""

    def __init__(self, link: Link, controller: Controller, order: Order, text: Text, hooks: Hooks) -> None:
        self._link = link
        self._controller = controller
        self._order = order
        self._text = text
        self._hooks = hooks
        self._watch = Watch(link, PathWatch((), (0, 0, 0), 0, 0), laser=False)
        self._account = self._open_account()
        self._section = 1
        self._adjusting = Adjusting(link, hooks.operator)
        self._length = ToolLength(order.machine, hooks, order.box_mm)
        link.attend = self._attend
        link.strict, link.cause = True, None
        x, y, z = order.machine.max_rate_mm_min
        link.certainty = Certainty((x / 60, y / 60, z / 60))
        self._words = Words()

    async def carry_out(self) -> RunResult:
        """Do all of it and name the end."""
        link = self._link
        try:
            await self._prepare()
            await self._stream(self._text.wire_lines())
            await self._finish()
        except LinkError as error:
            cause = link.cause or Cause.PORT_LOST
            outcome = await halt(link, cause, self._order.machine)
            return self._account.conclude(cause, error.problem, outcome)
        except GeneratorExit:
            # nobody drives this any more: no byte can be sent from here
            raise
        except BaseException as error:
            # whatever happened on our side, the machine comes first; the error goes on afterwards
            outcome = await halt(link, Cause.INTERRUPTED, self._order.machine)
            error.add_note(f"the machine was stopped: {outcome.words}")
            with contextlib.suppress(FabctlError, OSError):
                # it may be the journal itself that failed
                self._account.conclude(Cause.INTERRUPTED, f"{type(error).__name__}: {error}", outcome)
            raise
        outcome = Outcome(True, head_is_off(link), link.mpos_mm, link.work_mm)
        return self._account.conclude(Cause.DONE, "", outcome)

    async def _prepare(self) -> None:
        order, link, hooks = self._order, self._link, self._hooks
        await self._tell(
            "connected",
            version=self._controller.version,
            notes=self._controller.notes,
            blocks=self._controller.blocks,
            ring_bytes=self._controller.ring_bytes,
            offsets=self._controller.offsets,
        )
        locked = link.connection.state is State.ALARM
        needed = order.machine.homing and (locked or not link.homed)
        if needed if order.home is None else order.home:
            await home_machine(link, order.machine, self._controller.settings, hooks)
        elif locked:
            raise RefusedError(
                "the controller is in alarm: its position is not known",
                file=link.port.name,
                remedy="`fabctl machine home NAME`; without switches bring it to a known point by hand, then "
                "`fabctl machine unlock NAME` and `fabctl machine zero NAME`",
            )
        if order.here_mm is not None:
            await set_zero(link, order.machine, order.here_mm, hooks)
        if order.box_mm is not None:
            for corner in _corners(order.box_mm):
                demand_inside(link, order.machine, corner)
        if order.check_first:
            await self._check()
        status = await link.fresh_status()
        if status.state is not State.IDLE or link.work_mm is None:
            raise RefusedError(
                f"the controller is not ready: {status.state}",
                file=link.port.name,
                remedy="clear what it shows: door, limit switches, hold",
            )
        await self._tell(
            "armed",
            program_sha256=self._text.sha256,
            lines=self._text.lines,
            machine_sha256=order.permit.machine_sha256,
            head=order.machine.head.kind,
            homed=link.homed,
            wcs="G54",
            offsets=await read_offsets(link),
            **link.place,
        )
        self._begin(link.work_mm)
        await self._tell("started", **link.place)

    def _begin(self, start_mm: Point) -> None:
        machine, link = self._order.machine, self._link
        link.connection.begin_program()
        steps = [value for value in machine.steps_per_mm if value > 0]
        path = PathWatch(
            self._order.legs,
            start_mm,
            tolerance_mm(machine),
            self._controller.blocks,
            2 / min(steps),
            self._link.certainty.rates_mm_s,
        )
        self._words = Words()
        self._watch = Watch(link, path, machine.head.kind == "laser", machine, self._words)
        self._account = self._open_account()
        self._watch.restart()

    def _open_account(self) -> Account:
        now_s = self._link.port.clock_s()
        return Account(self._watch, self._hooks, self._text.lines, self._controller.notes, now_s)

    async def _check(self) -> None:
        """Send everything through check mode: parsed with all its limits, nothing moves."""
        link = self._link
        await link.command(b"$C")
        await link.wait_for(frozenset({State.CHECK}), SETTLE_S, "check mode")
        link.connection.begin_program()
        self._watch.restart()
        await self._stream(line for line in self._text.wire_lines() if not line.pause)
        await link.command(b"$C")
        await link.await_banner(SETTLE_S)
        await link.wait_for(frozenset({State.IDLE}), SETTLE_S, "leaving check mode")
        await self._tell("checked", lines=self._text.lines)

    async def _stream(self, lines: Iterator[WireLine]) -> None:
        """Keep the ring full until every line has its answer; stop for a person where the program says."""
        connection, ahead = self._link.connection, Ahead(lines)
        gather = Gather(self._link, BEAM_AWAITED_S if self._watch.laser else AWAITED_S)
        while ahead.line is not None or connection.unanswered:
            waiting = not connection.unanswered
            batch, line = self._fitting(ahead), ahead.line
            if batch:
                self._link.write_lines(batch, self._watch.poll_s)
                if waiting:
                    self._watch.restart()
            gather.after(len(batch), 0 if line is None or line.pause else len(line.text) + 1)
            await self._step()
            if line is not None and line.pause and not connection.unanswered:
                await self._pause_for_person(line)
                ahead.step()

    def _fitting(self, ahead: Ahead) -> bytes:
        """Take into account as many lines as may go now, and return their bytes."""
        connection = self._link.connection
        # what the operator asks for comes first; a check pass moves nothing and knows no hold
        stops = self._hooks.operator.wants_stop and connection.state is not State.CHECK
        if stops or connection.state not in TAKES_LINES:
            return b""
        batch = self._flowing(ahead) if connection.flows else b""
        if batch and (ahead.line is None or ahead.line.moves):
            # as many went as fit
            return batch
        return batch + self._one_by_one(ahead)

    def _one_by_one(self, ahead: Ahead) -> bytes:
        """Take each line for itself that may go now."""
        link, connection, batch = self._link, self._link.connection, b""
        while (
            (line := ahead.line) is not None
            and not line.pause
            and connection.fits(line.text)
            and self._hooks.sending(line.number) is not False
        ):
            if self._words.take(line.text):
                link.certainty.expect_offsets()
            batch += connection.send_line(line.text, line.number)
            ahead.step()
        return batch

    def _flowing(self, ahead: Ahead) -> bytes:
        """Take the moves that may go now together: nearly all there ever is to send."""
        connection = self._link.connection
        moves = ahead.moves(connection.room_bytes)
        if not moves or self._hooks.sending(moves[-1].number) is False:
            return b""
        ahead.step(len(moves))
        batch = connection.send_moves(moves)
        self._words.take_moves(batch)
        return batch

    async def _step(self) -> None:
        """Take one turn: the operator first, then what the controller says."""
        operator, link = self._hooks.operator, self._link
        # nothing moves in check mode, and it knows no hold: the request waits for its end
        if operator.wants_hold and link.connection.state is not State.CHECK:
            await self._stay_held(asked=True)
            return
        fresh = None
        for event in await link.pump(poll_s=self._watch.poll_s):
            if isinstance(event, Status):
                fresh = event
                self._watch.look(event)
                self._account.report(event)
        self._adjusting.look(fresh)
        if link.connection.state in PAUSED:
            await self._stay_held(asked=False)

    async def _stay_held(self, *, asked: bool) -> None:
        await stay_held(self._link, self._order.machine, self._hooks, self._account.report, asked=asked)
        self._watch.restart()

    def _attend(self) -> None:
        """Look after the operator; called at every turn of every wait."""
        operator, link = self._hooks.operator, self._link
        # homing knows neither hold nor abort: any request to stop is a reset there
        if operator.wants_reset or (link.quiet and (operator.wants_abort or operator.wants_hold)):
            raise link.fail(Cause.OPERATOR_RESET, "the operator asked for a reset")
        if operator.wants_abort:
            raise link.fail(Cause.OPERATOR_ABORT, "the operator asked for an abort")

    async def _pause_for_person(self, line: WireLine) -> None:
        await self._drain()
        _demand_head_off(self._link)
        self._section += 1
        executed = self._link.connection.executed
        await self._tell("pause", line=line.number, note=line.note, executed=executed)
        if not await self._armed(Pause(self._section, line.number, line.note)):
            raise self._link.fail(Cause.DECLINED, f"line {line.number}: {line.note}: not armed")
        await self._link.fresh_status()
        await self._tell("section", section=self._section, line=line.number, **self._link.place)
        self._watch.path.anywhere()
        self._watch.restart()

    async def _armed(self, pause: Pause) -> bool:
        """Ask until there is an answer, and stay with the machine meanwhile."""
        self._length.pause(pause.section)
        while (answer := self._hooks.arm(pause)) is None:
            if self._hooks.operator.wants_measure is None:
                await self._step()
                continue
            await self._length.measure(self._link)
            # a probe has a feed of its own, and each section says its feeds anew
            self._words = Words()
            self._watch.restart()
        return answer

    async def _drain(self) -> None:
        """Wait until the planner is empty and the machine stands at the end of what was sent."""
        link, connection = self._link, self._link.connection
        link.port.write(connection.send_line(DRAIN))
        self._watch.restart()
        while connection.unanswered:
            await self._step()
        await stand_idle(link, lambda: self._stay_held(asked=False))
        end_mm = self._watch.path.take_all(connection.sent)
        if self._watch.path.watches:
            _demand_position(self._link, self._order.machine, end_mm)
        connection.mark_executed(connection.sent)
        await compare_words(link, self._words)
        await see_head(link)

    async def _finish(self) -> None:
        await self._drain()
        status, end_mm = await self._link.fresh_status(), self._order.end_mm
        blocks, ring = self._controller.blocks, self._controller.ring_bytes
        left = status.blocks_free not in {None, blocks} or status.bytes_free not in {None, ring, ring - 1}
        if left:
            raise self._link.fail(
                Cause.LEFT_OVER, f"Bf:{status.blocks_free},{status.bytes_free} instead of {blocks},{ring}"
            )
        if end_mm is not None:
            _demand_position(self._link, self._order.machine, end_mm)
        _demand_head_off(self._link)

    async def _tell(self, kind: str, **facts: Fact) -> None:
        await tell(self._link, self._hooks, kind, **facts)


def _corners(box_mm: tuple[float, ...]) -> tuple[Point, Point]:
    x0, y0, z0, x1, y1, z1 = box_mm
    return (x0, y0, z0), (x1, y1, z1)


def _demand_position(link: Link, machine: Machine, wanted_mm: Point) -> None:
    found_mm = link.work_mm
    if found_mm is None or math.dist(found_mm, wanted_mm) > tolerance_mm(machine):
        raise link.fail(Cause.WRONG_END, f"at {found_mm}, planned {wanted_mm}")


def _demand_head_off(link: Link) -> None:
    if link.status is not None and head_is_off(link) is False:
        raise link.fail(Cause.HEAD_ON, f"the machine is idle and the head is on (S{link.status.speed:g})")
