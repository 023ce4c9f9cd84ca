"""Whether the position a controller reports can still be believed: signs of a restart it did not tell of.

A controller that lost its power for a moment counts from zero again, and its banner may be lost with it.
What remains to be seen: a position that jumps, an alarm nobody was told of, offsets told out of their turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabctl.stream.replies import Point, State, Status

SLACK_MM = 0.5
SLACK_S = 0.1
"""Reports may be under way so long: two of them are then farther apart in time than their arrivals."""
TURN_REPORTS = 8
"""Grbl tells the offsets with every tenth report at most, and with the first after a start."""
ORIGIN: Point = (0.0, 0.0, 0.0)


@dataclass
class Certainty:
    """What speaks against a controller's position.

    Parameters
    ----------
    rates_mm_s : (x, y, z) float, optional
        Fastest each axis can be; without it a jump cannot be told from a move.

    Attributes
    ----------
    lost : str
        Why the position is wrong for certain; empty when it is not.
    doubtful : bool
        Whether it may be wrong: nothing that stops a run, but then nobody may say the position is known.

    Examples
    --------
    >>> sure = Certainty((50.0, 50.0, 20.0))
    >>> for x, time_s in ((100.0, 1.0), (104.0, 1.1), (0.0, 1.2), (0.5, 1.3)):
    ...     sure.report(Status(State.RUN), (x, 0.0, 0.0), time_s)
    >>> sure.lost
    'the position jumped from 104.000, 0.000, 0.000 to 0.500, 0.000, 0.000'
    """

    rates_mm_s: Point | None = None
    lost: str = ""
    doubtful: bool = False
    _place_mm: Point | None = None
    _jump: tuple[Point, float] | None = None
    _batch_s: tuple[float, float] = (-math.inf, -math.inf)
    _state: State | None = None
    _told: bool = False
    _zero_mm: Point | None = None
    _since_zero: int = TURN_REPORTS
    _expected: int = 0

    @property
    def proven(self) -> bool:
        """Whether nothing at all speaks against the position."""
        return not self.lost and not self.doubtful and self._jump is None

    def alarm(self, *, loses: bool) -> None:
        """Take in that an alarm was told, and whether one of its kind loses the position."""
        self._told = True
        if loses:
            self.lost = self.lost or "an alarm that loses the position"

    def restart(self, *, asked: bool) -> None:
        """Take in a start-up banner."""
        if not asked:
            self.lost = self.lost or "the controller restarted by itself"
        self._told, self._state, self._since_zero = True, None, TURN_REPORTS

    def forget(self) -> None:
        """Begin anew: the position was just found."""
        self.lost, self.doubtful = "", False
        self.skip()

    def skip(self) -> None:
        """Compare nothing with what was before: the machine homes, and counts anew."""
        self._place_mm = self._state = self._jump = None
        self._batch_s = (-math.inf, -math.inf)

    def expect_offsets(self) -> None:
        """Take in that a line was sent after which the controller tells its offsets, whatever their turn."""
        self._expected += 1

    def report(
        self, status: Status, place_mm: Point | None, now_s: float, *, unanswered: bool = False
    ) -> None:
        """Take in a status report.

        Parameters
        ----------
        status : Status
        place_mm : (x, y, z) float or None
            The machine position it tells, mm.
        now_s : float
            When it came, on the port's clock.
        unanswered : bool
            Whether a poll before it may never have been answered.
        """
        if status.state is State.ALARM and self._state not in {None, State.ALARM, State.HOME}:
            if not self._told:
                self.lost = self.lost or "in alarm, and none was told"
        elif status.state is not State.ALARM:
            self._told = False
        self._state = status.state
        self._offsets(status)
        if place_mm is not None:
            self._continuity(place_mm, now_s, starts=unanswered or status.wco_mm is not None)

    def _offsets(self, status: Status) -> None:
        if status.wco_mm is None:
            self._since_zero += 1
            return
        if self._since_zero < TURN_REPORTS and status.wco_mm == self._zero_mm:
            self.doubtful = self.doubtful or not self._expected
            self._expected = max(0, self._expected - 1)
        self._zero_mm, self._since_zero = status.wco_mm, 0

    def _continuity(self, place_mm: Point, now_s: float, *, starts: bool) -> None:
        """Compare a place with the one before; `starts` says whether a start can lie between them.

        Either its first report is this one, and tells the offsets, or that one was lost.
        """
        # the report before came with the batch before: it is no older than the one before that
        oldest_s = self._batch_s[0]
        if now_s > self._batch_s[1]:
            self._batch_s = (self._batch_s[1], now_s)
        before_mm, self._place_mm = self._place_mm, place_mm
        if before_mm is None or before_mm == place_mm:
            return
        # a start counts from zero; so does a machine that comes home
        self.doubtful = self.doubtful or (starts and place_mm == ORIGIN)
        if self._jump is not None:
            # one report alone may have been damaged: the next one tells
            before_mm, oldest_s = self._jump
        jumped = self._too_far(before_mm, place_mm, now_s - oldest_s + SLACK_S)
        if not jumped:
            self._jump = None
        elif self._jump is None:
            self._jump = before_mm, oldest_s
        else:
            self.lost = self.lost or f"the position jumped from {_said(before_mm)} to {_said(place_mm)}"

    def _too_far(self, before_mm: Point, place_mm: Point, within_s: float) -> bool:
        """Whether a place is farther away than the machine can have gone."""
        if self.rates_mm_s is None or not math.isfinite(within_s):
            return False
        # axis by axis: at every report
        (bx, by, bz), (x, y, z), (rx, ry, rz) = before_mm, place_mm, self.rates_mm_s
        return (
            abs(x - bx) > rx * within_s + SLACK_MM
            or abs(y - by) > ry * within_s + SLACK_MM
            or abs(z - bz) > rz * within_s + SLACK_MM
        )


def _said(place_mm: Point) -> str:
    return ", ".join(f"{value:.3f}" for value in place_mm)
