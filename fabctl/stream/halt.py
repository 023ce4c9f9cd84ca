"""Carry out a stop: brake, reset, and find out what is true afterwards. Nothing here moves the machine."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from fabctl.errors import LinkError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import braking_limit_s
from fabctl.stream.link import FAST_POLL_S, SILENCE_S, Link
from fabctl.stream.replies import STANDING, Banner, Point, State, Status
from fabctl.stream.rules import Realtime
from fabctl.stream.stops import STOPS, Answer, Cause

AGAIN_S = 0.5
"""A stop byte may be lost on the wire; sending it again is harmless."""
BLIND_S = 0.2
"""So long a beam is left to a hold of which nothing can be read."""
IDLE_REPORTS = 3
HEAD_S = 1.5
HEAD_POLL_S = 0.02
BRAKED: frozenset[State] = frozenset({State.HOLD_DONE, State.DOOR_CLOSED, State.DOOR_OPEN})
RESTARTED: frozenset[State] = frozenset({State.IDLE, State.ALARM})
"""What a controller says of itself once it has restarted; an alarm waits for an unlock."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is true after a stop.

    Parameters
    ----------
    position_known : bool
        Whether the controller's position can be believed.
    head_off : bool or None
        Whether spindle or beam is commanded off; None when it could not be found out.
    mpos_mm, work_mm : (x, y, z) float or None
        Where the controller says it is, machine and work coordinates.
    """

    position_known: bool
    head_off: bool | None
    mpos_mm: Point | None
    work_mm: Point | None

    @property
    def words(self) -> str:
        """The same for a person."""
        head = {True: "off", False: "STILL ON", None: "not seen to be off"}[self.head_off]
        return f"position {'known' if self.position_known else 'unknown'}, head {head}"


NOTHING_KNOWN = Outcome(position_known=False, head_off=None, mpos_mm=None, work_mm=None)


async def halt(link: Link, cause: Cause, machine: Machine) -> Outcome:
    """Do what the table says for a cause, and verify.

    Parameters
    ----------
    link : Link
        Its faults are no longer causes from here on.
    cause : Cause
        Why the run ends.
    machine : Machine
        How long it takes to stand still, and whether its head burns where it stands.
    """
    link.strict = False
    outcome = await _halted(link, cause, machine)
    link.homed = link.homed and outcome.position_known
    return outcome


async def _halted(link: Link, cause: Cause, machine: Machine) -> Outcome:
    """Stop, reset, and compare what is there afterwards with where the machine stood."""
    stood = link.mpos_mm if link.connection.state in STANDING else None
    answer = STOPS[cause].answer
    try:
        if answer is Answer.HOLD:
            stood = await _brake(link, machine)
        heard = await link.reset()
        after = await _report_after(link)
    except LinkError:
        # the port is gone: nothing can be sent or known any more
        return NOTHING_KNOWN
    if after is None or not any(isinstance(event, Banner) for event in heard):
        return NOTHING_KNOWN
    same = answer is Answer.RELEASE or (stood is not None and link.mpos_mm == stood)
    # an alarm that came with the reset, and loses the position, is among what certainty knows
    known = same and after.state in RESTARTED and link.certainty.proven
    return Outcome(known, head_is_off(link), link.mpos_mm, link.work_mm)


def head_is_off(link: Link) -> bool | None:
    """Tell from the last report whether spindle or beam is commanded off; None when it does not say."""
    status = link.status
    if status is None or status.speed is None:
        return None
    # a hold in the last moments before M5 leaves the head on at speed 0: only the pin itself tells
    return status.speed == 0 and not set(link.accessories) & {"S", "C"}


async def _brake(link: Link, machine: Machine) -> Point | None:
    """Hold until the machine stands; return where, or None when it never said so.

    Without a report nobody knows whether a beam is out: it is not waited for as long as a spindle is.
    """
    if link.connection.state in {State.CHECK, State.ALARM, State.SLEEP}:
        return link.mpos_mm
    limit_s, blind_s = braking_limit_s(machine), BLIND_S if machine.head.kind == "laser" else SILENCE_S
    start_s = sent_s = link.port.clock_s()
    seen_s = start_s - link.silent_s
    idle = 0
    _hold(link)
    while max(link.port.clock_s() - start_s - limit_s, link.port.clock_s() - seen_s - blind_s) < 0:
        for event in await link.pump(FAST_POLL_S, FAST_POLL_S):
            if not isinstance(event, Status):
                continue
            seen_s = link.port.clock_s()
            idle = idle + 1 if event.state is State.IDLE else 0
            # a jog that is held ends in Idle; one such report may be older than the hold
            if event.state in BRAKED or idle >= IDLE_REPORTS:
                return link.mpos_mm
        if link.port.clock_s() - sent_s > AGAIN_S and link.connection.state is State.RUN:
            sent_s = link.port.clock_s()
            _hold(link)
    return None


def _hold(link: Link) -> None:
    link.port.write(link.connection.send_realtime(Realtime.HOLD))


async def see_head(link: Link) -> None:
    """Wait for a report that tells of the head's own pin: Grbl sends one in ten or twenty."""
    until_s = link.port.clock_s() + HEAD_S
    while link.port.clock_s() < until_s:
        for event in await link.pump(HEAD_POLL_S, HEAD_POLL_S):
            if isinstance(event, Status) and event.overrides is not None:
                return


async def _report_after(link: Link) -> Status | None:
    if link.connection.awaits_banner:
        return None
    link.forgive_silence()
    # what was told before the reset is no longer true
    link.accessories = ""
    with contextlib.suppress(LinkError):
        status = await link.fresh_status()
        if status.overrides is None:
            await see_head(link)
        return link.status
    return None
