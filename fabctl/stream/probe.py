"""Probing: find a surface by touching it twice, and believe the touch only when all of it fits.

Source: Grbl 1.1 doc/markdown/commands.md, motion_control.c (G38.2): a probe that is closed before it
starts is ALARM:4, one that never closes ALARM:5 and ``[PRB:…:0]``; the position stays true after both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import tolerance_mm
from fabctl.stream.link import Link
from fabctl.stream.manual import (
    AXES,
    SETTLE_S,
    answered,
    demand_axes,
    demand_idle,
    demand_place,
    travel,
    travel_limit_s,
    way_by,
)
from fabctl.stream.protocol import Event
from fabctl.stream.reach import demand_inside
from fabctl.stream.replies import Point, Probe, State, Status
from fabctl.stream.rules import Realtime
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause
from fabctl.stream.tell import tell
from fabctl.stream.touch import Zeroed, touch_off

PROBE_PIN = "P"


@dataclass(frozen=True, slots=True)
class Feeler:
    """How to probe.

    Parameters
    ----------
    depth_mm : float
        The longest way towards the surface.
    fast_mm_min, slow_mm_min : float
        Feed of the search and of the touch that counts.
    retract_mm : float
        Way back after each touch.
    agree_mm : float
        How far the two touches may lie apart.
    """

    depth_mm: float = 20.0
    fast_mm_min: float = 100.0
    slow_mm_min: float = 25.0
    retract_mm: float = 2.0
    agree_mm: float = 0.05

    def demand_sound(self) -> None:
        """Demand figures that can be probed with.

        Raises
        ------
        RefusedError
            When one is not positive, or the slow touch is no slower.
        """
        figures = (self.depth_mm, self.fast_mm_min, self.slow_mm_min, self.retract_mm, self.agree_mm)
        if not all(0 < figure < math.inf for figure in figures):
            raise RefusedError("a probe needs depth, feeds, retract and agreement above 0")
        if self.slow_mm_min > self.fast_mm_min:
            raise RefusedError(
                f"a slow touch at {self.slow_mm_min:g} mm/min after a fast one at {self.fast_mm_min:g}",
                remedy="let the second be the slower one: it is the one that counts",
            )


@dataclass(frozen=True, slots=True)
class Touched:
    """A surface that was found.

    Parameters
    ----------
    axis : str
    machine_mm : float
        Where, machine coordinate of that axis: the second touch.
    work_mm : float
        The same, work coordinate.
    spread_mm : float
        How far the first touch was off.
    """

    axis: str
    machine_mm: float
    work_mm: float
    spread_mm: float


@dataclass(frozen=True, slots=True)
class Plated:
    """A zero that was set on a surface.

    Parameters
    ----------
    touched : Touched
    zeroed : Zeroed
    """

    touched: Touched
    zeroed: Zeroed


async def touch(link: Link, machine: Machine, axis: str, sense: int, feeler: Feeler) -> Touched:
    """Touch a surface twice along one axis, fast then slow, and come back from it.

    Parameters
    ----------
    link : Link
        Idle, its probe open.
    machine : Machine
    axis : str
        ``X``, ``Y`` or ``Z``.
    sense : int
        −1 towards lower coordinates, 1 towards higher ones.
    feeler : Feeler

    Returns
    -------
    Touched
        The machine stands `Feeler.retract_mm` off the surface, or where it began when that is nearer.

    Raises
    ------
    RefusedError
        When the machine is not ready, the way leaves its travel, or the probe is closed. Nothing moved.
    StoppedError
        When the probe never closes, closes outside the way, does not open again, or the touches disagree.
    """
    demand_axes(machine, axis)
    feeler.demand_sound()
    status = await demand_idle(link)
    if PROBE_PIN in status.pins:
        raise RefusedError(
            "the probe is closed already: it touches, or its wires do",
            file=link.port.name,
            remedy="lift the tool off the plate, look at clip and wire; a probe wired the other way is $6",
        )
    at = AXES.index(axis)
    start = _work(link)[at]
    demand_inside(link, machine, _moved(_work(link), at, start + sense * feeler.depth_mm))
    first = await _search(link, machine, at, start + sense * feeler.depth_mm, feeler.fast_mm_min, start)
    await _back(link, machine, at, _off(first, start, sense, feeler.retract_mm))
    # the surface is where the first touch was, or the first touch was not of the surface
    beyond = first + sense * (2 * feeler.agree_mm + tolerance_mm(machine))
    second = await _search(link, machine, at, beyond, feeler.slow_mm_min, _work(link)[at])
    await _back(link, machine, at, _off(second, start, sense, feeler.retract_mm))
    spread = abs(second - first)
    if spread > feeler.agree_mm:
        raise link.fail(
            Cause.PROBE,
            f"two touches disagree: {axis}{first:.3f} and {axis}{second:.3f}, {spread:.3f} mm apart; "
            f"{feeler.agree_mm:g} mm are allowed",
        )
    zero = (link.wco_mm or (0.0, 0.0, 0.0))[at]
    return Touched(axis, round(second + zero, 4), round(second, 4), round(spread, 4))


async def touch_plate(
    link: Link,
    machine: Machine,
    plate_mm: float,
    feeler: Feeler,
    *,
    axis: str = "Z",
    sense: int = -1,
    system: str = "G54",
    hooks: Hooks | None = None,
) -> Plated:
    """Touch a plate that lies on the stock, or against its edge, and set that axis' zero to the stock.

    Parameters
    ----------
    link : Link
        Idle, the plate under the tool and clipped to the probe.
    machine : Machine
    plate_mm : float
        How much lies between the touch and the stock: the plate's thickness; at an edge with the radius
        of the tool. 0 for stock that conducts.
    feeler : Feeler
    axis, sense
        As for `touch`.
    system : str
        ``G54`` … ``G59``.
    hooks : Hooks, optional
        Told ``probed`` and ``zeroed``.

    Raises
    ------
    RefusedError, StoppedError
        As for `touch` and `touch_off`.
    """
    if not 0 <= plate_mm < 100:
        raise RefusedError(f"a plate {plate_mm} mm thick", remedy="measure it; 0 when there is none")
    told = hooks or Hooks()
    found = await touch(link, machine, axis, sense, feeler)
    # seen from the stock the touch lies on the side the tool came from
    here, stood = _work(link)[AXES.index(axis)] - found.work_mm - sense * plate_mm, link.mpos_mm
    await tell(link, told, "probed", axis=axis, touched_mm=found.machine_mm, spread_mm=found.spread_mm)
    return Plated(found, await touch_off(link, machine, {axis: here}, system, told, at_mm=stood))


async def measure_tool(
    link: Link,
    machine: Machine,
    feeler: Feeler,
    *,
    reference_mm: float | None = None,
    system: str = "G54",
    hooks: Hooks | None = None,
) -> Touched:
    """Touch a fixed plate with the tool in the head, and take up how much longer it is than the last one.

    Parameters
    ----------
    link : Link
        Idle, the tool above the plate, which stays where it is from tool to tool.
    machine : Machine
    feeler : Feeler
    reference_mm : float, optional
        `Touched.machine_mm` of the tool the zero was set with. Left out for that tool itself: nothing is
        changed then, and what is returned is the reference.
    system : str
        Whose Z zero is moved by the difference.
    hooks : Hooks, optional
        Told ``probed`` and ``zeroed``.

    Raises
    ------
    RefusedError, StoppedError
        As for `touch` and `touch_off`.
    """
    told = hooks or Hooks()
    found = await touch(link, machine, "Z", -1, feeler)
    await tell(link, told, "probed", axis="Z", touched_mm=found.machine_mm, spread_mm=found.spread_mm)
    if reference_mm is not None:
        await take_up(link, machine, found.machine_mm - reference_mm, system=system, hooks=told)
    return found


async def take_up(
    link: Link, machine: Machine, longer_mm: float, *, system: str = "G54", hooks: Hooks | None = None
) -> Zeroed:
    """Let Z zero follow a tool that is longer than the one it was set with.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
    longer_mm : float
        Negative for a shorter one.
    system : str
        Whose zero.
    hooks : Hooks, optional
        Told ``zeroed``.

    Raises
    ------
    RefusedError, StoppedError
        As for `touch_off`.
    """
    here, stood = _work(link)[2], link.mpos_mm
    return await touch_off(link, machine, {"Z": here - longer_mm}, system, hooks or Hooks(), at_mm=stood)


async def _search(
    link: Link, machine: Machine, at: int, target_mm: float, feed_mm_min: float, start_mm: float
) -> float:
    """Probe towards a target and return the touch's work coordinate; believe it only between the two."""
    here = _work(link)
    limit_s = travel_limit_s(machine, here, _moved(here, at, target_mm), feed_mm_min)
    way = way_by(link, machine, _moved((0.0, 0.0, 0.0), at, target_mm - here[at]))
    line = f"G21G90G38.2{AXES[at]}{target_mm:.3f}F{feed_mm_min:.1f}"
    heard = await answered(link, line.encode(), limit_s, way)
    await _release(link)
    touched = _touch_in(link, heard)
    zero = link.wco_mm or (0.0, 0.0, 0.0)
    value = touched[at] - zero[at]
    slack = tolerance_mm(machine)
    low, high = sorted((start_mm, target_mm))
    aside = max(
        abs(a - b - c) for i, (a, b, c) in enumerate(zip(touched, zero, here, strict=True)) if i != at
    )
    if not low - slack <= value <= high + slack or aside > slack:
        raise link.fail(
            Cause.PROBE,
            f"a touch at {touched}, off the way from {start_mm:.3f} to {target_mm:.3f} {AXES[at]}",
        )
    return value


async def _release(link: Link) -> None:
    """Let a stepper forget that a probe braked it.

    Grbl 1.1h leaves its step control held after a touch: a reset before the next motion would say ALARM:3,
    reset while moving, of a machine that stands. A cycle start in Idle with nothing queued clears that.
    """
    await link.wait_for(frozenset({State.IDLE}), SETTLE_S, "the end of the probe")
    if link.connection.state is State.IDLE:
        link.realtime(Realtime.START)
    await link.fresh_status()


def _touch_in(link: Link, heard: list[Event]) -> Point:
    probes = [event for event in heard if isinstance(event, Probe)]
    if len(probes) != 1 or not probes[0].touched:
        raise link.fail(Cause.PROBE, f"no touch was reported: {probes or 'no [PRB:…]'}")
    return probes[0].xyz_mm


async def _back(link: Link, machine: Machine, at: int, goal_mm: float) -> None:
    """Come off the surface and demand that the probe is open again."""
    x, y, z = (goal_mm if i == at else None for i in range(3))
    await travel(link, machine, (x, y, z))
    goal = _work(link)
    status: Status = await link.fresh_status()
    demand_place(link, machine, goal)
    if PROBE_PIN in status.pins:
        raise link.fail(Cause.PROBE, f"the probe is still closed at {AXES[at]}{goal_mm:.3f}")


def _off(touched_mm: float, start_mm: float, sense: int, retract_mm: float) -> float:
    """Return where to come back to: not farther than from where it came."""
    back = touched_mm - sense * retract_mm
    return min(back, start_mm) if sense < 0 else max(back, start_mm)


def _work(link: Link) -> Point:
    if link.work_mm is None:
        raise RefusedError(
            "the controller does not tell its work offset", file=link.port.name, remedy="connect again"
        )
    return link.work_mm


def _moved(point: Point, at: int, value: float) -> Point:
    x, y, z = (value if i == at else old for i, old in enumerate(point))
    return x, y, z
