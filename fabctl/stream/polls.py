"""What was asked of a controller with `?`, and what of it has been answered, on the port's own clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

QUICKEST_GROWS = 1.01
"""The quickest answer to a poll is forgotten by so much at each of the next."""
LATE_S = 0.04
"""Reports that were held up together come together, but for so much."""


@dataclass
class Polls:
    """The polls of one controller.

    Parameters
    ----------
    last_s : float
        When the latest was sent, s.
    open : int
        How many have no report yet. One that was lost on the way leaves one open until the poll after the
        next report: had it been only late, it would have come on the heels of that one.
    quickest_s : float
        How long a poll waits for its report, s: the quickest of late. Slower ones say how busy the
        controller is, or this host.

    Examples
    --------
    >>> polls = Polls()
    >>> polls.asked(1.0)
    >>> polls.asked(1.2)
    >>> polls.silent_s(1.5), polls.open
    (0.5, 2)
    >>> polls.answered(1.5)
    >>> polls.silent_s(1.6), polls.open, polls.quickest_s
    (0.0, 1, 0.5)
    >>> polls.asked(2.1)
    >>> polls.open
    1
    """

    last_s: float = -math.inf
    open: int = 0
    quickest_s: float = 0.0
    _since_s: float | None = None
    _answered_s: float = -math.inf

    def asked(self, now_s: float) -> None:
        """Note that a poll was sent."""
        self.last_s = now_s
        if self._since_s is None:
            self._since_s = now_s
            if now_s - self._answered_s > self.quickest_s + LATE_S:
                self.open = 0
        self.open += 1

    def answered(self, now_s: float) -> None:
        """Note that a report came."""
        self.open = max(0, self.open - 1)
        self._answered_s = now_s
        if self._since_s is not None:
            waited_s = now_s - self._since_s
            self.quickest_s = min(waited_s, QUICKEST_GROWS * self.quickest_s or waited_s)
            self._since_s = None

    def forget(self) -> None:
        """Begin anew to count how long the controller is silent: what is open will not be answered."""
        self._since_s, self.open = None, 0

    @property
    def waits(self) -> bool:
        """Whether no report has come since a poll was sent."""
        return self._since_s is not None

    def silent_s(self, now_s: float) -> float:
        """Return how long the oldest poll has waited for a report, s."""
        return 0.0 if self._since_s is None else now_s - self._since_s
