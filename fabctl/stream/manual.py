"""What an operator does by hand with a machine: every act ends in one of the three named states of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

from fabctl.errors import LinkError, RefusedError, StoppedError, StoppedKnownError, StoppedUnknownError
from fabctl.shop.machine import Machine
from fabctl.stream.halt import Outcome, halt, head_is_off
from fabctl.stream.leg import Leg, distance_mm
from fabctl.stream.limits import braking_limit_s, tolerance_mm
from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.protocol import Answered, Event, LocalProtocolError
from fabctl.stream.replies import STANDING, Point, State, Status
from fabctl.stream.stops import Cause, EndState, Operator, remedy_for

AXES = "XYZ"
STALL_S = 1.6
SETTLE_S = 3.0
DRAIN = b"G4P0.01"
"""Answered only when the planner is empty; moves nothing."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ended(Generic[Result]):
    """How an act ended.

    Parameters
    ----------
    end_state : EndState
        One of the three.
    cause : Cause
        Which row of the table of stops.
    reason : str
        What was seen; empty when done.
    outcome : Outcome
        What is true afterwards.
    value : object or None
        What the act found out; None when it was stopped.
    """

    end_state: EndState
    cause: Cause
    reason: str
    outcome: Outcome
    value: Result | None = None

    def error(self, machine: Machine | None = None) -> StoppedError | None:
        """Return the error a caller raises for this end, or None when the act is done.

        Parameters
        ----------
        machine : Machine, optional
            For what a person does next.
        """
        if self.end_state is EndState.DONE:
            return None
        kind = StoppedKnownError if self.end_state is EndState.KNOWN else StoppedUnknownError
        head = {True: "head off", False: "THE HEAD IS STILL ON", None: "the head could not be seen to be off"}
        return kind(
            f"{self.end_state}: {self.reason}; {head[self.outcome.head_off]}",
            file=machine.name if machine is not None else "",
            remedy=remedy_for(
                self.cause,
                self.end_state,
                head_off=self.outcome.head_off,
                machine=machine.name if machine is not None else "NAME",
                homing=machine.homing if machine is not None else None,
                reason=self.reason,
            ),
        )


async def by_hand(
    link: Link, machine: Machine, act: Coroutine[Any, Any, Result], operator: Operator | None = None
) -> Ended[Result]:
    """Do one act, and stop by the table whatever goes wrong in it.

    Parameters
    ----------
    link : Link
        Nobody else awaits it meanwhile.
    machine : Machine
    act : coroutine
        One of this package's: `jog_step`, `touch_plate`, `trace_box` …
    operator : Operator, optional
        Any of its requests ends the act: there is nothing to go on with.

    Raises
    ------
    RefusedError
        When the act is none for this machine as it is; nothing moved.
    """
    link.strict, link.cause = True, None
    link.attend = attending(link, operator) if operator is not None else None
    try:
        value = await act
    except RefusedError:
        raise
    except LinkError as error:
        return await _stopped(link, machine, error)
    except GeneratorExit:
        # nobody drives this any more: no byte can be sent from here
        raise
    except BaseException as error:
        # whatever happened on our side, the machine comes first; the error goes on afterwards
        outcome = await halt(link, Cause.INTERRUPTED, machine)
        error.add_note(f"the machine was stopped: {outcome.words}")
        raise
    finally:
        link.attend = None
    outcome = Outcome(True, head_is_off(link), link.mpos_mm, link.work_mm)
    return Ended(EndState.DONE, Cause.DONE, "", outcome, value)


async def _stopped(link: Link, machine: Machine, error: LinkError) -> Ended[Any]:
    cause = link.cause or Cause.PORT_LOST
    outcome = await halt(link, cause, machine)
    end_state = EndState.KNOWN if outcome.position_known else EndState.UNKNOWN
    return Ended(end_state, cause, error.problem, outcome)


def attending(link: Link, operator: Operator) -> Callable[[], None]:
    """Return what ends an act at any request of the operator: a link calls it at each turn.

    Parameters
    ----------
    link : Link
    operator : Operator
    """

    def _attend() -> None:
        stop = operator.wants_hold or operator.wants_abort
        # homing knows neither hold nor abort: any request to stop is a reset there
        if operator.wants_reset or (stop and link.quiet):
            raise link.fail(Cause.OPERATOR_RESET, "the operator asked for a reset")
        if stop:
            raise link.fail(Cause.OPERATOR_ABORT, "the operator asked to stop")

    return _attend


async def demand_idle(link: Link) -> Status:
    """Return a fresh report of a machine that stands ready.

    Raises
    ------
    RefusedError
        When it is locked, busy, held or asleep, or has not told its work offset.
    """
    status = await link.fresh_status()
    if status.state is State.ALARM:
        raise RefusedError(
            "the controller is locked: its position may not be true",
            file=link.port.name,
            remedy="home it (fabctl machine home), or unlock it (fabctl machine unlock)",
        )
    if status.state is not State.IDLE or link.work_mm is None:
        raise RefusedError(
            f"the controller is not ready: {status.state}",
            file=link.port.name,
            remedy="clear what it shows: door, limit switches, hold",
        )
    return status


@dataclass(slots=True)
class Way:
    """A way the machine is on: where a changed byte sends it elsewhere, it is stopped.

    A position that falls back along the way is a machine that restarted and told nobody: it counts anew.

    Parameters
    ----------
    link : Link
    machine : Machine
        How near to the way is near enough.
    corners_mm : tuple of (x, y, z) float
        From where it starts to where it ends, machine coordinates. They may be lengthened on the way.
    """

    link: Link
    machine: Machine
    corners_mm: tuple[Point, ...]
    _made_mm: float = 0.0

    def look(self) -> None:
        """Demand that the last reported position lies on the way, and no farther back than before.

        Raises
        ------
        StoppedError
            When it does not.
        """
        here, slack = self.link.mpos_mm, tolerance_mm(self.machine)
        if here is None:
            return
        places, before = [], 0.0
        for a, b in pairwise(self.corners_mm):
            length = math.dist(a, b)
            along = _share(here, a, b) * length
            places.append((distance_mm(here, a, Leg(1, b)), before + along))
            before += length
        near = [made for off, made in places if off <= slack]
        if not near:
            off = min(off for off, _ in places)
            raise self.link.fail(
                Cause.OFF_PATH,
                f"at {here}, {off:.3f} mm off the way from {self.corners_mm[0]} to {self.corners_mm[-1]}",
            )
        if max(near) < self._made_mm - slack:
            raise self.link.fail(
                Cause.RESTART, f"at {here}, back by {self._made_mm - max(near):.3f} mm: it counts anew"
            )
        # where the way crosses itself the nearest place ahead is meant
        ahead = [made for made in near if made >= self._made_mm - slack]
        self._made_mm = max(self._made_mm, min(ahead))

    @property
    def made_mm(self) -> float:
        """How far the machine has come along the way, by its reports."""
        return self._made_mm


def _share(here: Point, a: Point, b: Point) -> float:
    """Return how far along a straight piece a point lies, 0 to 1."""
    along = [end - start for start, end in zip(a, b, strict=True)]
    to = [at - start for start, at in zip(a, here, strict=True)]
    square = sum(part * part for part in along)
    return min(1.0, max(0.0, sum(p * q for p, q in zip(along, to, strict=True)) / square)) if square else 0.0


def way_by(link: Link, machine: Machine, *deltas_mm: Point) -> Way:
    """Return the way from where the machine stands.

    Parameters
    ----------
    link : Link
    machine : Machine
    *deltas_mm : (x, y, z) float
        Each corner, from where it stands.

    Raises
    ------
    RefusedError
        When the controller does not tell where it stands.
    """
    here = link.mpos_mm
    if here is None:
        raise RefusedError("the controller does not tell its position", file=link.port.name)
    corners = [here]
    for delta in deltas_mm:
        x, y, z = (at + part for at, part in zip(here, delta, strict=True))
        corners.append((x, y, z))
    return Way(link, machine, tuple(corners))


async def answered(link: Link, line: bytes, limit_s: float, way: Way | None = None) -> list[Event]:
    """Send one line and return all that came up to its answer; a lost answer is a stall, not a silence.

    Parameters
    ----------
    link : Link
    line : bytes
    limit_s : float
        The longest the controller may take, motion included.
    way : Way, optional
        Where the machine goes meanwhile; it stands when left out.

    Raises
    ------
    StoppedError
        When it is refused; when the controller stands idle with the answer owing; after the limit; when the
        machine is somewhere else.
    """
    port, connection = link.port, link.connection
    send(link, line)
    since_s = still_s = port.clock_s()
    heard: list[Event] = []
    while True:
        for event in await link.pump(FAST_POLL_S, FAST_POLL_S):
            heard.append(event)
            if isinstance(event, Answered) and event.line == line:
                return heard
            if isinstance(event, Status):
                still_s = still_s if event.state in STANDING else port.clock_s()
                if way is not None:
                    way.look()
        now_s = port.clock_s()
        if now_s - still_s > STALL_S or now_s - since_s > limit_s:
            raise link.fail(
                Cause.STALL,
                f"{connection.state or 'no state'} and no answer to {line.decode()} "
                f"for {now_s - since_s:.1f} s",
            )


def send(link: Link, line: bytes) -> None:
    """Send one line of our own.

    Raises
    ------
    StoppedError
        When the controller takes none now: somebody holds it, or opened a door.
    """
    try:
        link.port.write(link.connection.send_line(line))
    except LocalProtocolError as error:
        raise link.fail(Cause.HELD, f"{link.connection.state or 'no state'}: {error.problem}") from error


async def travel(
    link: Link,
    machine: Machine,
    to_mm: tuple[float | None, float | None, float | None],
    feed_mm_min: float | None = None,
) -> None:
    """Go to a place in work coordinates, straight, and return when the machine stands there.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
        How long it may take, and how near is near enough.
    to_mm : (x, y, z) float or None
        None for an axis that stays.
    feed_mm_min : float, optional
        A rapid when left out.

    Raises
    ------
    StoppedError
        When it leaves the way, or does not end there.
    """
    here = link.work_mm or (0.0, 0.0, 0.0)
    goal = _replaced(here, to_mm)
    words = "".join(
        f"{axis}{value:.3f}" for axis, value in zip(AXES, to_mm, strict=True) if value is not None
    )
    motion = f"G0{words}" if feed_mm_min is None else f"G1{words}F{feed_mm_min:.0f}"
    dx, dy, dz = (b - a for a, b in zip(here, goal, strict=True))
    way = way_by(link, machine, (dx, dy, dz))
    await answered(link, f"G21G90{motion}".encode(), SETTLE_S, way)
    await answered(link, DRAIN, travel_limit_s(machine, here, goal, feed_mm_min), way)
    await link.wait_for(frozenset({State.IDLE}), SETTLE_S, "the end of the way")
    await link.fresh_status()
    demand_place(link, machine, goal)


def _replaced(here: Point, to_mm: tuple[float | None, ...]) -> Point:
    x, y, z = (old if new is None else round(new, 3) for old, new in zip(here, to_mm, strict=True))
    return x, y, z


def travel_limit_s(machine: Machine, here_mm: Point, goal_mm: Point, feed_mm_min: float | None) -> float:
    """Return the longest a straight way may take, s: braking, starting and as much again.

    Parameters
    ----------
    machine : Machine
    here_mm, goal_mm : (x, y, z) float
    feed_mm_min : float or None
        None for a rapid.
    """
    rates = [rate if feed_mm_min is None else min(rate, feed_mm_min) for rate in machine.max_rate_mm_min]
    ways = (abs(b - a) for a, b in zip(here_mm, goal_mm, strict=True))
    slowest = max(way * 60 / rate for way, rate in zip(ways, rates, strict=True))
    # an axis' own share of a feed along a diagonal is smaller than the feed, at worst by √3
    return 2 * braking_limit_s(machine) + 2 * slowest


def demand_place(link: Link, machine: Machine, goal_mm: Point) -> None:
    """Demand that the position last reported is the one planned, work coordinates.

    Raises
    ------
    StoppedError
        When it is not.
    """
    found = link.work_mm
    if found is None or math.dist(found, goal_mm) > tolerance_mm(machine):
        raise link.fail(Cause.WRONG_END, f"at {found}, planned {goal_mm}")


def demand_axes(machine: Machine, axes: str) -> None:
    """Demand that a machine has the axes named.

    Raises
    ------
    RefusedError
        When it has no Z.
    """
    if "Z" in axes.upper() and not machine.has_z:
        raise RefusedError(
            f"{machine.title} has no Z axis", remedy="name X and Y only; see `fabctl machine show`"
        )
