"""Touching off: give work coordinates to the place where the tool stands, in any of G54 to G59.

Always through G10 L20, which survives a reset; never G92, which does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.controller import read_offsets
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import Link
from fabctl.stream.manual import AXES, answered, demand_axes, demand_idle
from fabctl.stream.replies import Point
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell

SYSTEMS = {f"G{54 + at}": at + 1 for at in range(6)}
"""Work coordinate systems, and what G10 L20 calls them."""
WRITE_S = 5.0
FARTHEST_MM = 10_000.0


@dataclass(frozen=True, slots=True)
class Zeroed:
    """A work coordinate system as the controller keeps it now.

    Parameters
    ----------
    system : str
        ``G54`` … ``G59``.
    offset_mm : (x, y, z) float
        Where its zero lies, machine coordinates.
    before_mm : (x, y, z) float
        Where it lay.
    """

    system: str
    offset_mm: Point
    before_mm: Point


async def touch_off(
    link: Link,
    machine: Machine,
    here_mm: Mapping[str, float],
    system: str,
    hooks: Hooks,
    *,
    at_mm: Point | None = None,
) -> Zeroed:
    """Set what the present position is called, and read back that it took.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
        For its steps and axes.
    here_mm : mapping of str to float
        Work coordinate of each axis to set, ``X``, ``Y``, ``Z``; the others stay.
    system : str
        ``G54`` … ``G59``.
    hooks : Hooks
        Told ``zeroed``.
    at_mm : (x, y, z) float, optional
        Where the machine stood when `here_mm` was found, machine coordinates; where it stands now when left
        out.

    Returns
    -------
    Zeroed

    Raises
    ------
    RefusedError
        When there is nothing to set, or the controller does not show it afterwards.
    StoppedError
        When the machine does not stand still meanwhile.
    """
    words = _words(here_mm, system)
    demand_axes(machine, "".join(here_mm))
    await demand_idle(link)
    stood = at_mm or link.mpos_mm
    _demand_still(link, machine, stood)
    before = await read_offsets(link)
    wanted = _wanted(link, before, here_mm, system)
    link.certainty.expect_offsets()
    await answered(link, f"G10L20P{SYSTEMS[system]}{words}".encode(), WRITE_S)
    after = await read_offsets(link)
    slack = tolerance_mm(machine)
    for name, offset in before.items():
        goal = wanted if name == system else offset
        found = after.get(name)
        if found is None or max(abs(a - b) for a, b in zip(found, goal, strict=True)) > slack:
            raise RefusedError(
                f"the work zero did not take: {name} should be {goal}, the controller says {found}",
                file=link.port.name,
                remedy="look for G92 and tool length offsets with `$#`; switch the controller off and on",
            )
    await link.fresh_status()
    _demand_still(link, machine, stood)
    await tell(link, hooks, "zeroed", wcs=system, **link.place)
    return Zeroed(system, after[system], before[system])


def _demand_still(link: Link, machine: Machine, stood: Point | None) -> None:
    here = link.mpos_mm
    if stood is None or here is None or math.dist(stood, here) > tolerance_mm(machine):
        raise link.fail(Cause.RESTART, f"nothing was to move, and it went from {stood} to {here}")


def _words(here_mm: Mapping[str, float], system: str) -> str:
    if system not in SYSTEMS:
        raise RefusedError(f"{system} is no work coordinate system", remedy=f"one of {', '.join(SYSTEMS)}")
    if not here_mm or not set(here_mm) <= set(AXES):
        raise RefusedError(
            f"axes {', '.join(map(str, here_mm)) or 'none'} to set", remedy="name some of X, Y and Z"
        )
    far = [f"{axis}{value}" for axis, value in here_mm.items() if not abs(value) < FARTHEST_MM]
    if far:
        raise RefusedError(f"a zero at {', '.join(far)} mm", remedy="give an ordinary number")
    return "".join(f"{axis}{here_mm[axis]:.3f}" for axis in AXES if axis in here_mm)


def _wanted(link: Link, offsets: Mapping[str, Point], here_mm: Mapping[str, float], system: str) -> Point:
    """Say where the zero must lie: the machine's position less what it is called, and less G92."""
    mpos, old, shift = link.mpos_mm, offsets.get(system), offsets.get("G92", (0.0, 0.0, 0.0))
    if mpos is None or old is None:
        raise RefusedError(
            f"the controller does not tell {system if mpos else 'its position'}",
            file=link.port.name,
            remedy="switch the controller off and on",
        )
    x, y, z = (
        round(at - here_mm[axis] - more, 4) if axis in here_mm else kept
        for axis, at, kept, more in zip(AXES, mpos, old, shift, strict=True)
    )
    return x, y, z
