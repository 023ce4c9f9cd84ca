"""Bring a machine to where a program may begin: home it, set the work zero."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.homing import homing_limit_s
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import HELD, Link
from fabctl.stream.manual import send
from fabctl.stream.protocol import Answered, Event
from fabctl.stream.replies import BuildOptions, Message, Point, State, Status, Version
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell

NOT_HOMING: frozenset[State] = frozenset({State.IDLE, State.ALARM})
"""States of a controller that no longer does what ``$H`` asked for; its answer would have come before."""


async def home_machine(link: Link, machine: Machine, told: Mapping[int, float], hooks: Hooks) -> None:
    """Home with ``$H``; most controllers answer no poll meanwhile.

    Parameters
    ----------
    link : Link
        Nobody else awaits it meanwhile.
    machine : Machine
        For how long it may take.
    told : mapping of int to float
        The settings the controller itself named when it was met.
    hooks : Hooks
        Told ``homed``.

    Raises
    ------
    StoppedError
        When homing ends in an alarm, does not end in the longest time it can take (`homing_limit_s`), is no
        longer under way, does not leave the machine idle, or another command than ``$H`` was answered.
    """
    # until it is homed nobody may say that its position is known
    link.certainty.doubtful = True
    link.quiet = True
    try:
        heard = await _home(link, homing_limit_s(link.firmware, machine, told))
    finally:
        link.quiet = False
        link.forgive_silence()
    # one flipped bit makes $X or $I of it, and both are answered ok
    others = [event for event in heard if isinstance(event, (Version, BuildOptions, Message))]
    if any(not isinstance(event, Message) or "nlocked" in event.text for event in others):
        raise link.fail(Cause.UNKNOWN_REPLY, f"the answer to $H is that of another command: {others[0]}")
    link.certainty.forget()
    status = await link.fresh_status()
    if status.state is not State.IDLE and status.state not in HELD:
        raise link.fail(Cause.STATE_JUMP, f"homed, and then {status.state}")
    link.homed = True
    await tell(link, hooks, "homed", mpos_mm=link.mpos_mm)


async def _home(link: Link, limit_s: float) -> list[Event]:
    """Send ``$H`` and return all that came up to its answer."""
    clock_s = link.port.clock_s
    # reports that may have been on their way, and the one of a poll right behind the command
    allowed = link.polls.open + 1
    send(link, b"$H")
    until_s = clock_s() + limit_s
    heard: list[Event] = []
    strange = 0
    while True:
        for event in await link.pump():
            heard.append(event)
            if isinstance(event, Answered) and event.line == b"$H":
                return heard
            if isinstance(event, Status):
                strange = strange + 1 if event.state in NOT_HOMING else 0
                if strange > allowed:
                    cause = Cause.STALL if event.state is State.IDLE else Cause.RESTART
                    raise link.fail(cause, f"{event.state}, and no answer to $H: it homes no longer")
        if clock_s() > until_s:
            raise link.fail(Cause.SILENCE, f"no answer to $H within {limit_s:.0f} s, the longest it can take")


async def set_zero(link: Link, machine: Machine, here_mm: Point, hooks: Hooks) -> None:
    """Give work coordinates to the point where the tool stands, in G54, through G10 L20.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
        For its steps.
    here_mm : (x, y, z) float
        What the present position is to be called, mm.
    hooks : Hooks
        Told ``zeroed``.

    Raises
    ------
    RefusedError
        When the controller does not show those coordinates afterwards.
    """
    words = "".join(f"{axis}{value:.3f}" for axis, value in zip("XYZ", here_mm, strict=True))
    await link.command(b"G54")
    await link.command(b"G10L20P1" + words.encode())
    await link.fresh_status()
    if link.work_mm is None or math.dist(link.work_mm, here_mm) > tolerance_mm(machine):
        raise RefusedError(
            f"the work zero did not take: asked for {here_mm}, the controller says {link.work_mm}",
            file=link.port.name,
            remedy="look for G92 and tool length offsets with `$#`; switch the controller off and on",
        )
    await tell(link, hooks, "zeroed", wcs="G54", **link.place)
