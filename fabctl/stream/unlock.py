"""Unlocking: ``$X``, and only with a word from a person about where the machine stands."""

from __future__ import annotations

from enum import StrEnum

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.link import Link
from fabctl.stream.manual import SETTLE_S, answered
from fabctl.stream.replies import Point, State
from fabctl.stream.run import Hooks
from fabctl.stream.tell import tell


class Stand(StrEnum):
    """What a person says of the position."""

    KEPT = "kept"
    UNKNOWN = "unknown"


async def unlock(link: Link, machine: Machine, stand: Stand, hooks: Hooks) -> Point | None:
    """Take the lock off after an alarm.

    Parameters
    ----------
    link : Link
        In alarm.
    machine : Machine
    stand : Stand
        ``kept``: no axis was moved, by hand or by a lost step, since the position was last true. It is
        written down as the person's word. It makes no machine homed: one that was homed over this link and
        whose alarm lost nothing (a probe, a soft limit) stays so, any other counts as not homed.
        ``unknown``: counts as not homed, and the zero must be set anew.
    hooks : Hooks
        Told ``unlocked`` before the byte is sent.

    Returns
    -------
    (x, y, z) float or None
        Where the controller now says it stands, machine coordinates, mm.

    Raises
    ------
    RefusedError
        When there is no lock to take off, or it does not come off.
    """
    status = await link.fresh_status()
    if status.state is not State.ALARM:
        raise RefusedError(
            f"there is no lock to take off: the controller is {status.state}", file=link.port.name
        )
    await tell(link, hooks, "unlocked", stand=stand.value, machine=machine.name, mpos_mm=link.mpos_mm)
    await answered(link, b"$X", SETTLE_S)
    await link.wait_for(frozenset({State.IDLE}), SETTLE_S, "unlocking")
    link.homed = link.homed and stand is Stand.KEPT
    return link.mpos_mm
