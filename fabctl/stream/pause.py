"""A feed hold: brake, spindle or beam off, wait for a person, go on where it was left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fabctl.shop.machine import Machine
from fabctl.stream.halt import BRAKED, head_is_off
from fabctl.stream.limits import braking_limit_s
from fabctl.stream.link import FAST_POLL_S, POLL_S, Link
from fabctl.stream.replies import State, Status
from fabctl.stream.rules import Realtime
from fabctl.stream.run import Hooks, Written
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell

BEAM_REPORTS = 4
AGAIN_S = 0.5
"""A byte that stops may be lost on the wire; so long after it, it is sent again."""
TOOL_AGAIN_REPORTS = 20
UNASKED_LIMIT_S = 600.0
"""A button at the machine may hold it as long as somebody is there; a flipped byte holds it for ever."""
PAUSED: frozenset[State] = frozenset(
    {
        State.HOLD_DONE,
        State.HOLD_BRAKING,
        State.DOOR_CLOSED,
        State.DOOR_OPEN,
        State.DOOR_BRAKING,
        State.DOOR_RESUMING,
    }
)
RESUMABLE: frozenset[State] = frozenset({State.HOLD_DONE, State.DOOR_CLOSED})


async def stay_held(
    link: Link, machine: Machine, hooks: Hooks, report: Callable[[Status], None], *, asked: bool
) -> None:
    """Hold until the operator, here or with a button at the machine, goes on.

    Parameters
    ----------
    link : Link
        Its `attend` ends the run when the operator wants that instead.
    machine : Machine
        How long it brakes, and whether a hold turns its head off by itself.
    hooks : Hooks
        Told ``hold`` once the machine stands, and ``resume`` before it moves again.
    report : callable
        Told of each status report.
    asked : bool
        Whether the operator asked here; else the controller already holds.

    Raises
    ------
    StoppedError
        When the machine does not hold, or a beam stays on in it.
    """
    hooks.operator.wants_hold = hooks.operator.wants_resume = False
    # what was told before may be of a head that is off by now
    before = link.accessories
    link.accessories = (link.status and link.status.accessories) or ""
    held = _Hold(link, machine, hooks, asked, link.port.clock_s())
    if asked:
        held.brake()
    while not held.over:
        calm = held.told and not held.turning
        status = await _turn(link, report, POLL_S if calm else FAST_POLL_S)
        if status is not None:
            await held.look()
    # the controller turns on again what was on, and tells it seconds later
    link.accessories = link.accessories or before


@dataclass
class _Hold:
    """What one hold has come to."""

    link: Link
    machine: Machine
    hooks: Hooks
    asked: bool
    since_s: float
    told: bool = False
    turning: int = 0
    over: bool = False
    braked_s: float = -math.inf
    written: Written | None = None

    def brake(self) -> None:
        """Send the hold."""
        self.braked_s = self.link.port.clock_s()
        self.link.realtime(Realtime.HOLD)

    async def look(self) -> None:
        """Take in a fresh report: tell, stop the tool, give up, go on, or be over."""
        link, state = self.link, self.link.connection.state
        if state in BRAKED and not self.told:
            self.told = True
            executed = link.connection.executed
            # the head is looked at while the disk is waited for
            self.written = self.hooks.transition(
                "hold", {"asked": self.asked, "executed": executed, **link.place}
            )
        if self.written is not None and self.written():
            self.written = None
        if state is State.HOLD_DONE and head_is_off(link) is False:
            self._stop_tool()
        else:
            self.turning = 0
        self.over = state not in PAUSED and (self.told or not self.asked)
        if not self.over:
            self._mind_the_time()
            await self._resume_when_asked()

    def _mind_the_time(self) -> None:
        link, waited_s = self.link, self.link.port.clock_s() - self.since_s
        if not self.asked and waited_s > UNASKED_LIMIT_S:
            raise link.fail(Cause.HELD, f"{link.connection.state} for ten minutes and nobody resumed")
        moving = self.asked and link.connection.state not in PAUSED
        if moving and link.port.clock_s() - self.braked_s > AGAIN_S:
            self.brake()
        if not self.told and waited_s > braking_limit_s(self.machine):
            raise link.fail(Cause.SILENCE, f"the machine does not hold: still {link.connection.state}")

    async def _resume_when_asked(self) -> None:
        operator, link = self.hooks.operator, self.link
        if not operator.wants_resume or self.written is not None or link.connection.state not in RESUMABLE:
            return
        operator.wants_resume = False
        await tell(link, self.hooks, "resume", **link.place)
        if operator.wants_hold or link.connection.state not in RESUMABLE:
            # while the disk was waited for somebody thought better of it, or opened the door
            operator.wants_hold = self.told = False
            self.since_s = link.port.clock_s()
            return
        link.realtime(Realtime.START)

    def _stop_tool(self) -> None:
        """Stop a spindle that turns on in a hold; a beam is turned off by the hold itself.

        0x9E toggles: it is sent after a second report, for the first may be older than the firmware's own
        stop, and again only when many reports later a speed is still told: then it was lost.
        """
        self.turning += 1
        if self.machine.head.laser_mode:
            if self.turning >= BEAM_REPORTS:
                raise self.link.fail(Cause.BEAM_STANDING, "the beam is still on in a hold")
            return
        turns = self.link.status is not None and bool(self.link.status.speed)
        if self.turning == 2 or (turns and self.turning % TOOL_AGAIN_REPORTS == 2):
            self.link.realtime(Realtime.SPINDLE_STOP)


async def _turn(link: Link, report: Callable[[Status], None], poll_s: float) -> Status | None:
    fresh = None
    for event in await link.pump(poll_s, poll_s):
        if isinstance(event, Status):
            fresh = event
            report(event)
    return fresh
