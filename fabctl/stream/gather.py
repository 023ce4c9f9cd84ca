"""How long answers may lie before they are read: several at once cost a fraction of one by one.

Waking for every answer is nine tenths of what a line costs the host. The controller's ring holds lines for
some 20 to 50 ms to come; as long as the way there and back and the rest together stay below that, nothing
waits. A controller that did run dry is rested for less from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.stream.link import Link
from fabctl.stream.port import Gathers

MOST_S = 0.04
AWAITED_S = 0.035
"""The most while a report is under way: with a poll every 0.1 s, what strays is seen within 0.15 s."""
BEAM_AWAITED_S = 0.02
"""The same where a beam may burn: it is not to stand for 0.3 s."""
SHARE = 0.8
"""Of the time the ring lasts. The rest is for a host that wakes late; behind the ring stands the planner."""
CUT = 0.7
"""Of the rest after which the ring was found dry."""
LONGER_S = 0.0003
"""How much longer the rest may be at each turn, after a ring that ran dry has cut it."""
TURNS = 4
"""So often the rate is looked at."""
KEPT = 0.4
"""What came before counts less each time: the rate follows the program's."""
MEASURE_S = 2.0
"""So often no answer lies while a report is awaited, to learn how long the way is."""
BYTE_S = 10 / 115_200
REPORT_S = 55 * BYTE_S
"""What a report itself takes on the wire; an `ok` takes next to nothing."""


@dataclass
class Gather:
    """The rate at which one controller takes bytes, and the rest that follows from it.

    Parameters
    ----------
    link : Link
        Whose port is told, if it is one that can rest.
    awaited_s : float
        The most while a report is under way, s.
    """

    link: Link
    awaited_s: float = BEAM_AWAITED_S
    _port: Gathers | None = None
    _turns: int = 0
    _bytes: float = 0.0
    _seconds: float = 0.0
    _then_s: float | None = None
    _longest_s: float = 0.0
    _allowed_s: float = MOST_S
    _measuring: bool = True
    _measure_s: float = 0.0

    def __post_init__(self) -> None:
        """See whether the port can rest."""
        self._port = self.link.port if isinstance(self.link.port, Gathers) else None

    def after(self, sent_bytes: int, line_bytes: int) -> None:
        """Tell the port how long the next read may rest, after the ring was filled.

        Parameters
        ----------
        sent_bytes : int
            What was written this turn; what fits now is as much as was answered.
        line_bytes : int
            Length of the line that did not fit; 0 when there is nothing more to send for now.
        """
        if self._port is not None:
            self._port.gather_s = self.rest_s(sent_bytes, line_bytes, self.link.port.clock_s())

    def rest_s(self, sent_bytes: int, line_bytes: int, now_s: float) -> float:
        """Return how long most of the ring lasts, s; 0 while a report is awaited that shows the way."""
        waits = self.link.polls.waits
        if not line_bytes:
            return self.awaited_s if waits else MOST_S
        if not sent_bytes:
            return 0.0
        self._turns += 1
        self._bytes += sent_bytes
        if self.link.connection.in_flight_bytes == sent_bytes:
            # the controller had to wait: it is quicker than its rate so far says
            self._allowed_s = CUT * min(self._allowed_s, self._longest_s)
        elif self._allowed_s < MOST_S:
            self._allowed_s += LONGER_S
        if self._turns >= TURNS:
            self._learn(line_bytes, now_s)
        rest_s = min(self._allowed_s, self._longest_s)
        if waits or self._measuring:
            return 0.0 if self._measures(now_s, waits=waits) else min(self.awaited_s, rest_s)
        return rest_s

    def _learn(self, line_bytes: int, now_s: float) -> None:
        """See how long most of a ring lasts at the rate of late."""
        if self._then_s is None:
            self._bytes = 0.0
        else:
            self._seconds += now_s - self._then_s
            lasts_s = (self.link.connection.window_bytes - line_bytes) * self._seconds / self._bytes
            way_s = max(0.0, self.link.polls.quickest_s - REPORT_S) + line_bytes * BYTE_S
            self._longest_s = max(0.0, min(MOST_S, SHARE * lasts_s, lasts_s - way_s))
        self._turns, self._then_s = 0, now_s
        self._bytes *= KEPT
        self._seconds *= KEPT

    def _measures(self, now_s: float, *, waits: bool) -> bool:
        """Tell whether a report is awaited whose delay is to be the way's alone."""
        if waits:
            self._measuring = self._measuring or now_s >= self._measure_s
            return self._measuring
        self._measuring, self._measure_s = False, now_s + MEASURE_S
        return False
