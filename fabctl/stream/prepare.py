"""Bring a machine to where a program may begin: home it, set the work zero."""

from __future__ import annotations

import math

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import Link
from fabctl.stream.replies import BuildOptions, Message, Point, Version
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell

HOMING_S = 180.0


async def home_machine(link: Link, hooks: Hooks) -> None:
    """Home with ``$H``; the controller answers no poll meanwhile.

    Raises
    ------
    StoppedError
        When homing ends in an alarm, not within three minutes, or another command than ``$H`` was answered.
    """
    # until it is homed nobody may say that its position is known
    link.certainty.doubtful = True
    link.quiet = True
    try:
        heard = await link.command(b"$H", HOMING_S)
    finally:
        link.quiet = False
        link.forgive_silence()
    # one flipped bit makes $X or $I of it, and both are answered ok
    others = [event for event in heard if isinstance(event, (Version, BuildOptions, Message))]
    if any(not isinstance(event, Message) or "nlocked" in event.text for event in others):
        raise link.fail(Cause.UNKNOWN_REPLY, f"the answer to $H is that of another command: {others[0]}")
    link.certainty.forget()
    await link.fresh_status()
    link.homed = True
    await tell(link, hooks, "homed", mpos_mm=link.mpos_mm)


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
