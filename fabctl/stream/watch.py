"""Look at every status report of a run for what a sound run never shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fabctl.shop.machine import Machine
from fabctl.stream.certainty import SLACK_S
from fabctl.stream.leg import Leg
from fabctl.stream.link import Link
from fabctl.stream.modal import Words
from fabctl.stream.path import PathWatch, Place
from fabctl.stream.replies import Point, State, Status
from fabctl.stream.stops import Cause

STALL_S = 1.6
"""With a poll every 0.2 s a stall is noticed within 2 s."""
WATCH_POLL_S = 0.1
"""While a program runs: what strays is seen within 0.15 s. Ten reports a second cost an 8-bit board 0.8 %."""
SOON_S = 0.03
AT_ONCE_S = 0.02
"""A report that shows the same moment once more is passed over, and there is time for that."""
STANDING_BEAM_S = 0.025
"""Between the report that first shows it and the one that stops it; in all less than 0.3 s."""
PIERCING_S = 0.3
FEED_MARGIN = 1.01
SPEED_MARGIN = 1.005
MOVING: frozenset[State] = frozenset({State.RUN, State.IDLE, State.CHECK})

_DWELL = re.compile(rb"G0*4(?![0-9.])")
_SECONDS = re.compile(rb"P(\d*\.?\d*)")


@dataclass
class Watch:
    """What was last seen to go on, and since when.

    Parameters
    ----------
    link : Link
        Where the counters are.
    path : PathWatch
        The planned moves under way.
    laser : bool
        Whether the head burns where it stands.
    machine : Machine, optional
        What S means; without it feed and power are not compared.
    words : Words
        What was sent.

    Attributes
    ----------
    poll_s : float
        How soon the next report is wanted, s: sooner when the last one was odd.
    """

    link: Link
    path: PathWatch
    laser: bool
    machine: Machine | None = None
    words: Words = field(default_factory=Words)
    place: Place = field(default_factory=lambda: Place(0, 0, 0.0))
    _since_s: float = 0.0
    _acknowledged: tuple[int, int] = (0, 0)
    _position_mm: Point | None = None
    _beam_since_s: float | None = None
    _beam_polls: int = 0
    _overrides: tuple[int, int, int] = (100, 100, 100)
    _odd: str = ""
    _batch_s: tuple[float, float] = (0.0, 0.0)

    @property
    def poll_s(self) -> float:
        """How soon the next report is wanted, s: sooner when the last one was odd."""
        if self._beam_since_s is not None:
            return AT_ONCE_S
        return SOON_S if self._odd else WATCH_POLL_S

    def __post_init__(self) -> None:
        """Begin now, where the machine stands."""
        self._batch_s = (self.link.port.clock_s(),) * 2

    def restart(self) -> None:
        """Begin to wait anew: after a pause, or when lines are sent after none were under way."""
        self._since_s = self.link.port.clock_s()
        self._beam_since_s = None

    def look(self, status: Status) -> None:
        """Judge one report.

        Raises
        ------
        StoppedError
            At a stall, off the path, at a feed or power nothing was planned with, or a beam that stands
            still.
        """
        self._look_for_progress(status)
        self._look_at_beam(status)
        self._look_at_path()
        self._look_at_words(status)

    def _look_for_progress(self, status: Status) -> None:
        connection, now_s = self.link.connection, self.link.port.clock_s()
        answered = (connection.acknowledged, connection.unanswered)
        if (
            answered != self._acknowledged
            or self.link.mpos_mm != self._position_mm
            or not connection.unanswered
            or status.state not in MOVING
        ):
            self._acknowledged, self._position_mm, self._since_s = answered, self.link.mpos_mm, now_s
            return
        waited_s = now_s - self._since_s
        if waited_s > STALL_S + dwell_s(connection.oldest_line):
            oldest = connection.oldest_line.decode()
            raise self.link.fail(
                Cause.STALL,
                f"{status.state} for {waited_s:.1f} s without an answer to {oldest}: "
                f"{connection.unanswered} lines unanswered",
            )

    def _look_at_beam(self, status: Status) -> None:
        now_s = self.link.port.clock_s()
        # with M4 the firmware itself turns the beam off at standstill, and S of the report may be an old one;
        # which of them turned it on, the report says every two seconds only
        burns = (
            self.laser
            and status.state in MOVING
            and status.feed_mm_min == 0
            and bool(status.speed)
            and ("S" in self.link.accessories or self.words.steady)
            # a short dwell that was asked for burns as asked for
            and not 0 < dwell_s(self.link.connection.oldest_line) <= PIERCING_S
        )
        if not burns:
            self._beam_since_s = None
        elif self._beam_since_s is None:
            # a report that answers an earlier poll shows the same moment once more
            self._beam_since_s, self._beam_polls = now_s, self.link.polls.open
        elif self._beam_polls > 0:
            self._beam_polls -= 1
        elif now_s - self._beam_since_s > STANDING_BEAM_S:
            raise self.link.fail(
                Cause.BEAM_STANDING, f"S{status.speed:g} at standstill for {now_s - self._beam_since_s:.1f} s"
            )

    def locate(self) -> None:
        """Place the last reported position on the path and mark what it proves executed."""
        connection, work_mm = self.link.connection, self.link.work_mm
        if work_mm is None:
            return
        now_s = self.link.port.clock_s()
        # the place before was reported after the batch before its own had come
        within_s = now_s - self._batch_s[0] + SLACK_S
        if now_s > self._batch_s[1]:
            self._batch_s = (self._batch_s[1], now_s)
        self.place = self.path.locate(work_mm, connection.sent, connection.acknowledged_then, within_s)
        connection.mark_executed(max(connection.executed, min(self.place.at_least, connection.sent)))

    def _look_at_path(self) -> None:
        connection, work_mm = self.link.connection, self.link.work_mm
        if work_mm is None or connection.state is State.CHECK:
            return
        self.locate()
        if self.place.off_mm > 0:
            where = ", ".join(f"{value:.3f}" for value in work_mm)
            raise self.link.fail(
                Cause.OFF_PATH,
                f"at {where}: {self.place.off_mm:.3f} mm off every move of lines "
                f"{self.place.at_least + 1} … {connection.sent}",
            )
        if not self.path.in_order:
            raise self.link.fail(
                Cause.OFF_PATH,
                f"after line {self.place.at_least} a move was left out, or not made to its end",
            )

    def _look_at_words(self, status: Status) -> None:
        """Compare feed and speed with the moves that can be under way; a second odd report ends the run."""
        before = now = self._overrides
        if status.overrides is not None:
            now = self._overrides = status.overrides
        odd, legs = "", self.path.near()
        if legs and status.state is State.RUN and self.machine is not None:
            lowest, highest = min(before[2], now[2]) / 100, max(before[2], now[2]) / 100
            odd = _odd_feed(status, legs, max(before[0], now[0]) / 100) or _odd_speed(
                status, legs, self.machine, (lowest, highest)
            )
        if odd and self._odd:
            # a head that fell to nothing by itself is what a restart looks like
            self.link.certainty.doubtful |= status.speed == 0
            raise self.link.fail(Cause.NOT_AS_PLANNED, odd)
        self._odd = odd


def _odd_feed(status: Status, legs: list[Leg], override: float) -> str:
    """Say what is wrong with a feed; nothing below the planned one is, a machine takes its time."""
    feeds = [leg.feed_mm_min for leg in legs if leg.feed_mm_min]
    if status.feed_mm_min is None or len(feeds) < len(legs):
        return ""
    most = max(feeds) * override
    if status.feed_mm_min <= most * FEED_MARGIN + 1:
        return ""
    return f"F{status.feed_mm_min:g} where at most F{most:g} was planned"


def _odd_speed(status: Status, legs: list[Leg], machine: Machine, overrides: tuple[float, float]) -> str:
    """Say what is wrong with a speed or power."""
    # the controller cuts what is beyond its full scale
    powers = [min(leg.power, 1.0) for leg in legs if leg.power is not None]
    if status.speed is None or len(powers) < len(legs):
        return ""
    head = machine.head
    low, high = min(powers) * head.full_scale * overrides[0], max(powers) * head.full_scale * overrides[1]
    if high > 0:
        high = max(high, head.min_rpm)
    if status.speed > high * SPEED_MARGIN + 1:
        return f"S{status.speed:g} where at most S{high:g} was planned"
    # in laser mode the power follows the speed down
    if not head.laser_mode and status.speed < low / SPEED_MARGIN - 1:
        return f"S{status.speed:g} where at least S{low:g} was planned"
    return ""


def dwell_s(line: bytes) -> float:
    """Return how long a line makes the controller wait by itself, s.

    Examples
    --------
    >>> dwell_s(b"G4P2.5"), dwell_s(b"G43.1Z1"), dwell_s(b"G1X4P2")
    (2.5, 0.0, 0.0)
    """
    seconds = _SECONDS.search(line) if _DWELL.search(line) else None
    return float(seconds.group(1) or 0) if seconds and seconds.group(1) != b"." else 0.0
