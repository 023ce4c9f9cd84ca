"""A feed hold: brake, spindle or beam off, wait for a person, go on where it was left."""

from __future__ import annotations

from collections.abc import Callable

from fabctl.shop.machine import Machine
from fabctl.stream.halt import BRAKED, head_is_off
from fabctl.stream.limits import braking_limit_s
from fabctl.stream.link import FAST_POLL_S, POLL_S, Link
from fabctl.stream.protocol import Realtime
from fabctl.stream.replies import State, Status
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause

BEAM_REPORTS = 4
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


def stay_held(
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
    operator, asked_s = hooks.operator, link.port.clock_s()
    operator.wants_hold = operator.wants_resume = False
    if asked:
        link.realtime(Realtime.HOLD)
    told, turning = False, 0
    while True:
        status = _turn(link, report, POLL_S if told else FAST_POLL_S)
        if status is None:
            continue
        state = link.connection.state
        if state in BRAKED and not told:
            told = True
            facts = {"asked": asked, "executed": link.connection.executed, "work_mm": link.work_mm}
            hooks.transition("hold", facts)
        if state is State.HOLD_DONE and head_is_off(link) is False:
            turning += 1
            _stop_tool(link, machine, turning)
        if state not in PAUSED and (told or not asked):
            return
        if not asked and link.port.clock_s() - asked_s > UNASKED_LIMIT_S:
            raise link.fail(Cause.HELD, f"{state} for ten minutes and nobody resumed")
        if not told and link.port.clock_s() - asked_s > braking_limit_s(machine):
            raise link.fail(Cause.SILENCE, f"the machine does not hold: still {state}")
        if operator.wants_resume and state in {State.HOLD_DONE, State.DOOR_CLOSED}:
            operator.wants_resume = False
            hooks.transition("resume", {"work_mm": link.work_mm})
            link.realtime(Realtime.START)


def _turn(link: Link, report: Callable[[Status], None], poll_s: float) -> Status | None:
    fresh = None
    for event in link.pump(poll_s, poll_s):
        if isinstance(event, Status):
            fresh = event
            report(event)
    return fresh


def _stop_tool(link: Link, machine: Machine, turning: int) -> None:
    """Stop a spindle that turns on in a hold; a beam is turned off by the hold itself.

    0x9E toggles: it is sent once, and only after a second report, for the first may be older than the
    firmware's own stop.
    """
    if turning == 2 and not machine.head.laser_mode:
        link.realtime(Realtime.SPINDLE_STOP)
    if turning >= BEAM_REPORTS and machine.head.laser_mode:
        raise link.fail(Cause.BEAM_STANDING, "the beam is still on in a hold")
