"""Framing: trace the box of a job above the stock, so that a person sees where it will be cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.halt import head_is_off
from fabctl.stream.link import Link
from fabctl.stream.manual import (
    DRAIN,
    SETTLE_S,
    answered,
    demand_idle,
    demand_place,
    travel,
    travel_limit_s,
    way_by,
)
from fabctl.stream.reach import demand_inside
from fabctl.stream.replies import Point, State
from fabctl.stream.stops import Cause

FEED_MM_MIN = 3000.0
"""Slow enough to follow with the eyes, and to reach for the switch."""
OFF = b"M5"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the stock, work coordinates.

    Parameters
    ----------
    low_mm, high_mm : (x, y) float
        Its corners.
    height_mm : float
        Z at which it is traced; counts only for machines that have a Z axis.
    """

    low_mm: tuple[float, float]
    high_mm: tuple[float, float]
    height_mm: float


@dataclass(frozen=True, slots=True)
class Framed:
    """A box that was traced.

    Parameters
    ----------
    box : Box
    feed_mm_min : float
    pointer_power : float
        Share of full power of the beam that showed it; 0 when it was off.
    checked : bool
        Whether it was known beforehand to lie within the travel: only a homed machine can tell.
    """

    box: Box
    feed_mm_min: float
    pointer_power: float
    checked: bool


def framing_feed_mm_min(machine: Machine, wanted_mm_min: float = FEED_MM_MIN) -> float:
    """Return the feed a box is traced with: what was asked for, held to what X and Y can do.

    Parameters
    ----------
    machine : Machine
    wanted_mm_min : float

    Raises
    ------
    RefusedError
        When it is none.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> framing_feed_mm_min(load_machine("router-3018"))
    2000.0
    """
    if not wanted_mm_min > 0:
        raise RefusedError(f"a frame with a feed of {wanted_mm_min:g} mm/min", remedy="give a feed above 0")
    return min(wanted_mm_min, *machine.max_rate_mm_min[:2])


async def trace_box(link: Link, machine: Machine, box: Box, feed_mm_min: float = FEED_MM_MIN) -> Framed:
    """Rise, go round a box once, and stand at its first corner with the head off.

    Parameters
    ----------
    link : Link
        Idle, its work zero set.
    machine : Machine
        A laser's pointer power, if its profile names one, marks the way.
    box : Box
    feed_mm_min : float
        As `framing_feed_mm_min` takes it.

    Raises
    ------
    RefusedError
        When the box has no size, lies below the stock's top or outside the travel, or the feed is none.
        Nothing moved.
    StoppedError
        At a fault, or when the head is not seen to be off at the end.
    """
    _demand_sound(machine, box)
    feed = framing_feed_mm_min(machine, feed_mm_min)
    await demand_idle(link)
    _, _, z = link.work_mm or (0.0, 0.0, 0.0)
    height = max(box.height_mm, z) if machine.has_z else z
    (x0, y0), (x1, y1) = box.low_mm, box.high_mm
    corners = tuple((x, y, height) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)))
    for corner in corners[:4]:
        demand_inside(link, machine, corner)
    await answered(link, OFF, SETTLE_S)
    if height > z:
        await travel(link, machine, (None, None, height))
    await travel(link, machine, (x0, y0, None))
    power = machine.head.pointer_power
    await _round(link, machine, corners, feed, power * machine.head.full_scale)
    if head_is_off(link) is False:
        raise link.fail(Cause.HEAD_ON, "the head is on after the frame")
    demand_place(link, machine, (round(x0, 3), round(y0, 3), round(height, 3)))
    return Framed(box, feed, power, link.homed)


def _demand_sound(machine: Machine, box: Box) -> None:
    (x0, y0), (x1, y1) = box.low_mm, box.high_mm
    if not (x0 <= x1 and y0 <= y1):
        raise RefusedError(f"no box from {box.low_mm} to {box.high_mm}", remedy="name its lower left first")
    if machine.has_z and not box.height_mm > 0:
        raise RefusedError(f"a frame at Z{box.height_mm:g} would touch the stock", remedy="trace it above Z0")


async def _round(
    link: Link, machine: Machine, corners: tuple[Point, ...], feed_mm_min: float, speed: float
) -> None:
    """Go round once and stand, the head off."""
    # M3 shows an even line, and the way is sent as a whole: the beam never stands still at a corner
    head = f"M3S{speed:.2f}" if speed else ""
    limit_s = sum(travel_limit_s(machine, a, b, feed_mm_min) for a, b in pairwise(corners))
    x0, y0, _ = corners[0]
    way = way_by(link, machine, *((x - x0, y - y0, 0.0) for x, y, _ in corners))
    for x, y, _ in corners[1:]:
        line = f"G21G90{head}G1X{x:.3f}Y{y:.3f}F{feed_mm_min:.0f}"
        await answered(link, line.encode(), limit_s, way)
        head = ""
    await answered(link, OFF, limit_s, way)
    await answered(link, DRAIN, limit_s, way)
    await link.wait_for(frozenset({State.IDLE}), SETTLE_S, "the end of the frame")
    await link.fresh_status()
