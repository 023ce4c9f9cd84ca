"""Where a carriage may go: from the travel of a homed machine, or a hand's breadth on any other."""

from __future__ import annotations

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import Link
from fabctl.stream.replies import Point

UNHOMED_MM = 10.0
"""A machine that does not know where its ends are is moved by so much at a time, and an eye is kept on it."""
SLACK_MM = 0.001


def reach_mm(machine: Machine) -> tuple[Point, Point]:
    """Return the lowest and highest machine coordinates by hand, mm: the travel, but off switches and limits.

    A target on the very end may be a step beyond it once controller and host have rounded.

    Parameters
    ----------
    machine : Machine

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> machine = load_machine("plywood-router-600x900")
    >>> low, high = reach_mm(machine)
    >>> high[2] == machine.homed_mm[2]
    True
    """
    low, high = machine.envelope_mm
    margin = tolerance_mm(machine)
    ends = zip(machine.home, low, high, machine.homed_mm, strict=True)
    # an axis that is missing has no room, and needs none
    pairs = [
        (min(a + margin, homed), homed) if home == "max" else (homed, max(b - margin, homed))
        for home, a, b, homed in ends
    ]
    (x0, x1), (y0, y1), (z0, z1) = pairs
    return (x0, y0, z0), (x1, y1, z1)


def room_mm(link: Link, machine: Machine, way_mm: Point) -> float:
    """Return how much of a way the carriage may make, as a share: 1 is all of it.

    Parameters
    ----------
    link : Link
        Its last position, and whether it is homed.
    machine : Machine
    way_mm : (x, y, z) float
        From where it stands.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> from fabctl.sim.port import SimPort
    >>> machine = load_machine("router-3018")
    >>> room_mm(Link(SimPort(), machine.firmware), machine, (20.0, 0.0, 0.0))
    0.5
    """
    length = sum(part * part for part in way_mm) ** 0.5
    if not link.homed or link.mpos_mm is None:
        return min(1.0, UNHOMED_MM / length) if length else 1.0
    shares = [1.0]
    for here, part, low, high in zip(link.mpos_mm, way_mm, *reach_mm(machine), strict=True):
        if part:
            room = high - here if part > 0 else here - low
            shares.append(max(0.0, room / abs(part)))
    return min(shares)


def demand_room(link: Link, machine: Machine, way_mm: Point) -> None:
    """Demand that the carriage may make a whole way.

    Raises
    ------
    RefusedError
        When it would leave the travel, or, not homed, goes farther than a hand's breadth.
    """
    share = room_mm(link, machine, way_mm)
    if share >= 1 - SLACK_MM:
        return
    most = ", ".join(f"{axis}{share * part:+.3f}" for axis, part in zip("XYZ", way_mm, strict=True) if part)
    if link.homed:
        raise RefusedError(
            f"that leaves the travel of {machine.title}; as far as it goes: {most}",
            file=link.port.name,
            remedy="take a shorter way",
        )
    raise RefusedError(
        f"the machine is not homed: its ends are not known, so at most {UNHOMED_MM:g} mm at a time ({most})",
        file=link.port.name,
        remedy="home it, or go in smaller steps and look",
    )


def demand_inside(link: Link, machine: Machine, work_mm: Point) -> None:
    """Demand that a place in work coordinates lies within the travel; of a machine not homed nobody can say.

    Raises
    ------
    RefusedError
        When it does not.
    """
    if not link.homed or link.wco_mm is None:
        return
    low, high = reach_mm(machine)
    slack = tolerance_mm(machine)
    axes = zip("XYZ"[: 3 if machine.has_z else 2], work_mm, link.wco_mm, low, high, strict=False)
    for axis, value, zero, least, most in axes:
        at = value + zero
        if not least - slack <= at <= most + slack:
            raise RefusedError(
                f"{axis}{value:.3f} is at {at:.3f} on the machine, outside {least:.3f} to {most:.3f} mm",
                file=link.port.name,
                remedy="set the work zero elsewhere",
            )
