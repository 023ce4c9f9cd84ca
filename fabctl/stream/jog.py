"""Jogging: by a step, or for as long as a key is held; never beyond the travel.

Source: Grbl 1.1, doc/markdown/jogging.md: a jog is ``$J=``, is cancelled by 0x85, and changes no mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fabctl.errors import RefusedError
from fabctl.shop.machine import Machine
from fabctl.stream.limits import braking_limit_s
from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.manual import (
    AXES,
    STALL_S,
    Way,
    answered,
    demand_axes,
    demand_idle,
    demand_place,
    send,
    travel_limit_s,
    way_by,
)
from fabctl.stream.protocol import Answered
from fabctl.stream.reach import demand_room, room_mm
from fabctl.stream.replies import Point, State, Status
from fabctl.stream.rules import Realtime
from fabctl.stream.stops import Cause

HEARTBEAT_S = 0.25
"""A key that was not renewed for so long has been let go."""
SEGMENT_S = 0.1
BLOCKS = 10
"""Segments under way at most: a planner holds 15, and braking must fit into them."""
AGAIN_S = 0.5
LINE_WAY_S = 0.05
LEAST_MM = 0.001


class DeadMan:
    """A key that counts as held only while it is renewed.

    Parameters
    ----------
    clock_s : callable
        The port's clock.
    limit_s : float
        How long a renewal lasts.

    Examples
    --------
    >>> now = [0.0]
    >>> key = DeadMan(lambda: now[0])
    >>> key.renew(); now[0] = 0.2
    >>> key.held
    True
    >>> now[0] = 0.3
    >>> key.held
    False
    """

    def __init__(self, clock_s: Callable[[], float], limit_s: float = HEARTBEAT_S) -> None:
        self._clock_s = clock_s
        self._limit_s = limit_s
        self._until_s = -math.inf
        self._gone = False

    def renew(self) -> None:
        """Say that the key is still held; from a signal handler or another thread, too."""
        self._until_s = self._clock_s() + self._limit_s

    def let_go(self) -> None:
        """Say that it is not, for good: a renewal that was under way already changes nothing."""
        self._gone = True

    @property
    def held(self) -> bool:
        """Whether the last renewal is fresh, and nobody said otherwise."""
        return not self._gone and self._clock_s() <= self._until_s


@dataclass(frozen=True, slots=True)
class Jogged:
    """Where a jog led.

    Parameters
    ----------
    way_mm : (x, y, z) float
        Made, by the machine's own count.
    mpos_mm, work_mm : (x, y, z) float or None
        Where the machine stands.
    at_end : bool
        Whether a continuous jog ended because there was no room left.
    """

    way_mm: Point
    mpos_mm: Point | None
    work_mm: Point | None
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """What a machine does along one direction.

    Parameters
    ----------
    unit : (x, y, z) float
        Of length 1.
    feed_mm_min : float
        No axis is asked for more than its rate.
    braking_mm : float
        From that feed to standing still: v²/2a.
    segment_mm : float
        Length of the pieces a continuous jog is fed in.
    """

    unit: Point
    feed_mm_min: float
    braking_mm: float
    segment_mm: float


def pace_of(machine: Machine, direction: Point, feed_mm_min: float | None = None) -> Pace:
    """Say how fast a machine may jog along a direction, and how soon it stands.

    Parameters
    ----------
    machine : Machine
    direction : (x, y, z) float
        Of any length.
    feed_mm_min : float, optional
        Held to what the axes can do; as much as they can when left out.

    Raises
    ------
    RefusedError
        When there is no direction, or no feed.

    Examples
    --------
    >>> from fabctl.shop.machine import load_machine
    >>> pace_of(load_machine("router-3018"), (1.0, 0.0, 0.0), 5000).feed_mm_min
    2000.0
    """
    length = math.hypot(*direction)
    if not 0 < length < math.inf:
        raise RefusedError("a jog without a direction", remedy="name an axis and a distance: x10")
    if feed_mm_min is not None and not 0 < feed_mm_min < math.inf:
        raise RefusedError(f"a jog with a feed of {feed_mm_min} mm/min", remedy="give a feed above 0")
    x, y, z = (part / length for part in direction)
    shares = [abs(part) for part in (x, y, z)]
    limits = zip(shares, machine.max_rate_mm_min, machine.acceleration_mm_s2, strict=True)
    own = [(rate / share, acceleration / share) for share, rate, acceleration in limits if share]
    feed = float(min(rate for rate, _ in own))
    feed = feed if feed_mm_min is None else min(feed, feed_mm_min)
    speed, acceleration = feed / 60, min(acceleration for _, acceleration in own)
    seconds = max(SEGMENT_S, speed / (2 * acceleration * BLOCKS))
    return Pace((x, y, z), feed, speed**2 / (2 * acceleration), max(speed * seconds, LEAST_MM))


async def jog_step(
    link: Link,
    machine: Machine,
    way_mm: Point,
    feed_mm_min: float | None = None,
    key: DeadMan | None = None,
) -> Jogged:
    """Jog by a step and return when the machine stands there.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
    way_mm : (x, y, z) float
        From where it stands.
    feed_mm_min : float, optional
        As for `pace_of`.
    key : DeadMan, optional
        Renewed by whoever asked, for as long as they are there: without them the step is cancelled.

    Returns
    -------
    Jogged
        The way made is shorter than the step when it was cancelled.

    Raises
    ------
    RefusedError
        When the way leaves the travel, is too long for a machine that is not homed, or the machine is not
        ready. Nothing moved.
    StoppedError
        When it does not end there.
    """
    demand_axes(machine, _named(way_mm))
    pace = pace_of(machine, way_mm, feed_mm_min)
    await demand_idle(link)
    demand_room(link, machine, way_mm)
    start, here = link.mpos_mm, link.work_mm or (0.0, 0.0, 0.0)
    goal = _plus(here, way_mm)
    way = way_by(link, machine, way_mm)
    await answered(link, jog_line(way_mm, pace.feed_mm_min), STALL_S, way)
    if await _still(link, travel_limit_s(machine, here, goal, pace.feed_mm_min), way, key):
        demand_place(link, machine, goal)
    else:
        await _cancel(way, unless_over=False)
    return _jogged(link, start)


async def jog_along(
    link: Link, machine: Machine, direction: Point, key: DeadMan, feed_mm_min: float | None = None
) -> Jogged:
    """Jog for as long as a key is held, then stand still.

    Parameters
    ----------
    link : Link
        Idle.
    machine : Machine
    direction : (x, y, z) float
        Of any length.
    key : DeadMan
        Renewed from elsewhere while the key is down.
    feed_mm_min : float, optional
        As for `pace_of`.

    Returns
    -------
    Jogged

    Raises
    ------
    RefusedError
        As for `jog_step`.
    StoppedError
        At a fault; the table of stops applies.

    Notes
    -----
    The planner never holds more than it takes to keep the feed, braking distance and two segments: that is
    where the machine stands, at the latest, should this host die. With the host alive a let-go key cancels
    the jog, and it stands after the braking distance and one segment.
    """
    demand_axes(machine, _named(direction))
    pace = pace_of(machine, direction, feed_mm_min)
    await demand_idle(link)
    start = link.mpos_mm
    way = _scaled(pace.unit, 2 * max(sum(machine.travel_mm), 1.0))
    room = room_mm(link, machine, way) * 2 * max(sum(machine.travel_mm), 1.0)
    run = _Stretch(way_by(link, machine, (0.0, 0.0, 0.0)), pace, room)
    while key.held and not run.over:
        run.feed()
        await run.look()
    await _cancel(run.way, unless_over=run.over)
    return _jogged(link, start, at_end=run.over)


@dataclass
class _Stretch:
    """A continuous jog: how much is asked for, and how much of that is made."""

    way: Way
    pace: Pace
    room_mm: float
    asked_mm: float = 0.0
    _since_s: float = -math.inf
    _asked: Point = (0.0, 0.0, 0.0)

    @property
    def over(self) -> bool:
        """Whether all the room there is has been asked for and made."""
        spent = self.room_mm - self.asked_mm < LEAST_MM
        return spent and not self.way.link.connection.unanswered and self.made_mm >= self.asked_mm - 0.01

    @property
    def made_mm(self) -> float:
        """Way made by the last report."""
        return self.way.made_mm

    def feed(self) -> None:
        """Ask for one more segment when the planner would run dry without it."""
        pace, link = self.pace, self.way.link
        # reports are old by one poll, and a line takes its time to get there
        ahead = pace.braking_mm + pace.segment_mm + pace.feed_mm_min / 60 * (FAST_POLL_S + LINE_WAY_S)
        left = self.room_mm - self.asked_mm
        if left < LEAST_MM or self.asked_mm - self.made_mm > ahead or link.connection.unanswered:
            return
        self.asked_mm += min(pace.segment_mm, left)
        goal = _scaled(pace.unit, self.asked_mm)
        step = _plus(goal, _scaled(self._asked, -1.0))
        # what is written is rounded: the next segment takes up what this one lost
        x, y, z = (round(part, 3) for part in step)
        self._asked = _plus(self._asked, (x, y, z))
        # nothing may be beyond what was asked for
        self.way.corners_mm = (self.way.corners_mm[0], _plus(self.way.corners_mm[0], self._asked))
        if (x, y, z) != (0, 0, 0):
            send(link, jog_line((x, y, z), pace.feed_mm_min))
            self._since_s = link.port.clock_s()

    async def look(self) -> None:
        """Take in what the controller says; an answer that does not come is a stall."""
        link = self.way.link
        events = await link.pump(FAST_POLL_S, FAST_POLL_S)
        for event in events:
            if isinstance(event, Status):
                self.way.look()
        if any(isinstance(event, Answered) for event in events):
            return
        waited_s = link.port.clock_s() - self._since_s
        if link.connection.unanswered and waited_s > STALL_S:
            raise link.fail(Cause.STALL, f"no answer to a jog for {waited_s:.1f} s")


async def _cancel(way: Way, *, unless_over: bool) -> None:
    """Send 0x85 until the machine stands; the byte may be lost, and a last segment may come after it."""
    link = way.link
    limit_s = braking_limit_s(way.machine)
    if unless_over:
        await _still(link, limit_s, way)
        return
    deadline_s = link.port.clock_s() + limit_s
    sent_s = -math.inf
    quiet = 0
    while quiet < 2:
        now_s = link.port.clock_s()
        if link.connection.state in {State.JOG, State.IDLE} and now_s - sent_s > AGAIN_S:
            link.realtime(Realtime.JOG_CANCEL)
            sent_s = now_s
        for event in await link.pump(FAST_POLL_S, FAST_POLL_S):
            if isinstance(event, Status):
                way.look()
                standing = event.state is State.IDLE and not link.connection.unanswered
                quiet = quiet + 1 if standing else 0
        if link.port.clock_s() > deadline_s:
            raise link.fail(Cause.STALL, f"the jog does not end: still {link.connection.state}")


async def _still(link: Link, limit_s: float, way: Way, key: DeadMan | None = None) -> bool:
    """Wait until a jog has come to its end by itself, and say so; False once its key is let go."""
    deadline_s = link.port.clock_s() + limit_s
    before, standing = None, 0
    while standing < 2:
        if key is not None and not key.held:
            return False
        for event in await link.pump(FAST_POLL_S, FAST_POLL_S):
            if isinstance(event, Status):
                way.look()
                same = event.state is State.IDLE and link.mpos_mm == before
                standing, before = standing + 1 if same else 0, link.mpos_mm
        if link.port.clock_s() > deadline_s:
            raise link.fail(Cause.STALL, f"the jog does not end: still {link.connection.state}")
    return True


def jog_line(way_mm: Point, feed_mm_min: float) -> bytes:
    """Write a jog, relative and in mm.

    Examples
    --------
    >>> jog_line((10.0, 0.0, -0.5), 600)
    b'$J=G91G21X10.000Z-0.500F600.0'
    """
    words = "".join(f"{axis}{part:.3f}" for axis, part in zip(AXES, way_mm, strict=True) if part)
    return f"$J=G91G21{words}F{feed_mm_min:.1f}".encode()


def _named(way: Point) -> str:
    return "".join(axis for axis, part in zip(AXES, way, strict=True) if part)


def _plus(a: Point, b: Point) -> Point:
    x, y, z = (round(left + right, 9) for left, right in zip(a, b, strict=True))
    return x, y, z


def _scaled(a: Point, by: float) -> Point:
    x, y, z = (part * by for part in a)
    return x, y, z


def _jogged(link: Link, start: Point | None, *, at_end: bool = False) -> Jogged:
    end = link.mpos_mm
    x, y, z = (b - a for a, b in zip(start or (0, 0, 0), end or (0, 0, 0), strict=True))
    return Jogged((round(x, 4), round(y, 4), round(z, 4)), end, link.work_mm, at_end)
