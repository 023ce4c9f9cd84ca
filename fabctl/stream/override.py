"""Feed, rapid and spindle overrides: which bytes change them, and whether they did.

Source: Grbl 1.1 doc/markdown/commands.md: 10 to 200 % in steps of 10 and 1; rapids at 100, 50 or 25 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fabctl.errors import RefusedError
from fabctl.stream.link import FAST_POLL_S, Link
from fabctl.stream.replies import Status
from fabctl.stream.rules import RULES, Realtime
from fabctl.stream.stops import Operator

LOWEST, HIGHEST = 10, 200
RAPIDS = {100: Realtime.RAPID_100, 50: Realtime.RAPID_50, 25: Realtime.RAPID_25}
ROUNDS = 4
"""How often bytes are sent again when some were lost on the way."""
SETTLE_S = 0.3
"""A report may be older than the bytes: so long after them it is not."""
REPORT_S = 6.0
"""Grbl tells its overrides after a change, and else with every 10th or 20th report."""

_FEED = (
    Realtime.FEED_100,
    Realtime.FEED_UP_10,
    Realtime.FEED_DOWN_10,
    Realtime.FEED_UP_1,
    Realtime.FEED_DOWN_1,
)
_SPEED = (
    Realtime.SPEED_100,
    Realtime.SPEED_UP_10,
    Realtime.SPEED_DOWN_10,
    Realtime.SPEED_UP_1,
    Realtime.SPEED_DOWN_1,
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Shares of what the program says, in per cent.

    Parameters
    ----------
    feed, rapid, speed : int
        As the controller reports them in ``Ov:``.
    """

    feed: int = 100
    rapid: int = 100
    speed: int = 100


def override_bytes(now: Overrides, wanted: Overrides) -> tuple[Realtime, ...]:
    """Choose the fewest real-time bytes that lead from one set of overrides to another.

    Parameters
    ----------
    now, wanted : Overrides

    Raises
    ------
    RefusedError
        When no bytes lead there.

    Examples
    --------
    >>> [code.name for code in override_bytes(Overrides(), Overrides(feed=118))]
    ['FEED_UP_10', 'FEED_UP_10', 'FEED_DOWN_1', 'FEED_DOWN_1']
    >>> override_bytes(Overrides(feed=173), Overrides(feed=100))
    (<Realtime.FEED_100: 144>,)
    """
    demand_possible(wanted)
    codes = _stepped(now.feed, wanted.feed, _FEED) + _stepped(now.speed, wanted.speed, _SPEED)
    return codes if now.rapid == wanted.rapid else (*codes, RAPIDS[wanted.rapid])


def demand_possible(wanted: Overrides) -> None:
    """Demand overrides a controller knows.

    Raises
    ------
    RefusedError
        When it does not.
    """
    for name, value in (("feed", wanted.feed), ("spindle", wanted.speed)):
        if not LOWEST <= value <= HIGHEST:
            raise RefusedError(
                f"a {name} override of {value} %", remedy=f"choose {LOWEST} to {HIGHEST} %; 100 is as written"
            )
    if wanted.rapid not in RAPIDS:
        raise RefusedError(f"a rapid override of {wanted.rapid} %", remedy="choose 100, 50 or 25 %")


def _stepped(now: int, wanted: int, codes: tuple[Realtime, ...]) -> tuple[Realtime, ...]:
    """Go there in tens and ones, from here or from 100; a step beyond the ends would be cut short there."""
    ways = []
    for origin, first in ((now, ()), (100, codes[:1])):
        for tens in range(-19, 20):
            ones = wanted - origin - 10 * tens
            if LOWEST <= origin + 10 * tens <= HIGHEST:
                steps = (codes[1] if tens > 0 else codes[2],) * abs(tens)
                ways.append((*first, *steps, *(codes[3] if ones > 0 else codes[4],) * abs(ones)))
    return min(ways, key=len)


async def read_overrides(link: Link) -> Overrides:
    """Poll until the controller tells its overrides.

    Parameters
    ----------
    link : Link

    Raises
    ------
    StoppedError
        When it does not.
    """
    return await _told(link, since_s=link.port.clock_s())


async def set_overrides(
    link: Link, *, feed: int | None = None, rapid: int | None = None, speed: int | None = None
) -> Overrides:
    """Set overrides and return what the controller then reports.

    Parameters
    ----------
    link : Link
        In a state that takes them: idle, running or held.
    feed, rapid, speed : int, optional
        Per cent; what is left out stays.

    Raises
    ------
    RefusedError
        When a value cannot be, or the controller takes no overrides now.
    StoppedError
        When the controller does not come to report them.
    """
    # what is asked for is judged before anything is read
    demand_possible(Overrides(*(100 if value is None else value for value in (feed, rapid, speed))))
    now = await read_overrides(link)
    wanted = Overrides(
        now.feed if feed is None else feed,
        now.rapid if rapid is None else rapid,
        now.speed if speed is None else speed,
    )
    for _ in range(ROUNDS):
        codes = override_bytes(now, wanted)
        if not codes:
            return now
        _demand_taken(link, codes)
        for code in codes:
            link.realtime(code)
        # a report under way may be older than the bytes: the one after it is not
        await link.fresh_status()
        now = await read_overrides(link)
    if now != wanted:
        raise RefusedError(
            f"the overrides do not come out as asked: {wanted}, the controller says {now}",
            file=link.port.name,
            remedy="bytes are lost on the way: look at the cable",
        )
    return now


class Adjusting:
    """Brings the overrides of a job under way to where the operator wants them, report by report.

    Parameters
    ----------
    link : Link
        Its job is never waited for: bytes go when the state takes them.
    operator : Operator
        Whose wish it is; the wish is forgotten once the controller reports it, or gives up on it.
    """

    def __init__(self, link: Link, operator: Operator) -> None:
        self._link = link
        self._operator = operator
        # a machine that was at hand before a job may have others than 100 %
        self._now: Overrides | None = None
        self._rounds = 0
        self._sent_s = -math.inf

    def look(self, status: Status | None) -> None:
        """Take in a report, if there is one, and send what is missing.

        Parameters
        ----------
        status : Status, optional
            The latest report; None at a turn without one.
        """
        told = None if status is None else status.overrides
        if told is not None:
            self._now = Overrides(*told)
        wishes = self._operator.wants_overrides
        if not wishes:
            return
        if self._now is None:
            if self._rounds == 0:
                self._send(_afresh(wishes))
            return
        wanted = replace(self._now, **wishes)
        # once bytes are on their way, only a report says what they made of it
        known = told is not None or self._rounds == 0
        if (known and wanted == self._now) or self._rounds >= ROUNDS:
            self._operator.wants_overrides = {}
            self._rounds = 0
        elif known and self._link.port.clock_s() - self._sent_s > SETTLE_S:
            self._send(override_bytes(self._now, wanted))

    def _send(self, codes: tuple[Realtime, ...]) -> None:
        state = self._link.connection.state
        if state is None or not set(codes) <= RULES[state].realtime:
            return
        self._rounds += 1
        self._sent_s = self._link.port.clock_s()
        for code in codes:
            self._link.realtime(code)


def _afresh(wishes: Mapping[str, int]) -> tuple[Realtime, ...]:
    """Choose the bytes that lead to some overrides wherever they are now: by way of 100 %."""
    codes: tuple[Realtime, ...] = ()
    for name, steps in (("feed", _FEED), ("speed", _SPEED)):
        if name in wishes:
            codes += (steps[0], *_stepped(100, wishes[name], steps))
    return (*codes, RAPIDS[wishes["rapid"]]) if "rapid" in wishes else codes


def _demand_taken(link: Link, codes: tuple[Realtime, ...]) -> None:
    state = link.connection.state
    if state is None or not set(codes) <= RULES[state].realtime:
        raise RefusedError(
            f"the controller takes no overrides now: {state or 'no state'}",
            file=link.port.name,
            remedy="wait until it is idle, running or held",
        )


async def _told(link: Link, since_s: float) -> Overrides:
    while link.port.clock_s() - since_s < REPORT_S:
        for event in await link.pump(FAST_POLL_S, FAST_POLL_S):
            if isinstance(event, Status) and event.overrides is not None:
                return Overrides(*event.overrides)
    raise RefusedError(
        "the controller does not tell its overrides",
        file=link.port.name,
        remedy="a firmware that reports no Ov: has none; leave them at 100 %",
    )
