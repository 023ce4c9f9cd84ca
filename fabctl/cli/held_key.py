"""What a key that is tapped or held means, from nothing but the moments at which a terminal sends it.

A terminal tells of no release. It sends a key once when it is pressed, again after its initial delay (a
quarter to two thirds of a second), and from then on every 30 to 100 ms for as long as it is down. So each
press is a tap, and two short gaps in a row make it a held key; when its repeats stay away, it was let go.
"""

from __future__ import annotations

import math

from fabctl.cli.keyboard import Key

REPEAT_S = 0.12
"""Gap of a repeated key at most: the slowest keyboards in their default repeat every 0.1 s."""
HELD_GAPS = 2
"""Short gaps in a row that make a key a held one: two taps that a network hands over at once are none."""
MISSED = 3
"""A key has been let go once so many of its repeats would have come, by the longest gap between them …"""
RELEASE_S = (0.12, 0.2)
"""… but no sooner and no later than this; the keeper's own limit, 0.25 s, stands behind it."""
QUIET_S = 0.25
"""After a stop a key counts again once none has come for so long: one that is still down starts nothing."""
TAP_S = 0.4
"""A tap that could not be obeyed for so long is forgotten: nothing moves that is not expected any more."""


class HeldKey:
    """The motion key under the operator's finger.

    Examples
    --------
    >>> finger = HeldKey()
    >>> finger.arrived(Key.UP, 0.0); finger.tapped(0.0)
    <Key.UP: 'up'>
    >>> finger.tapped(0.0)
    >>> for now_s in (0.50, 0.53, 0.56):
    ...     finger.arrived(Key.UP, now_s)
    >>> finger.held(0.6)
    <Key.UP: 'up'>
    >>> finger.held(0.8)
    """

    def __init__(self) -> None:
        self._key: Key | None = None
        self._last_s = -math.inf
        self._gaps = 0
        self._gap_s = 0.0
        self._tapped_s = -math.inf
        self._stopped = False

    def arrived(self, key: Key, now_s: float) -> None:
        """Take in that a terminal sent a key.

        Parameters
        ----------
        key : Key
            Of those that move; keys that come together count once.
        now_s : float
            When.
        """
        gap_s, self._last_s = now_s - self._last_s, now_s
        if self._stopped and gap_s <= QUIET_S:
            return
        self._stopped = False
        repeated = key is self._key and gap_s <= REPEAT_S
        self._gaps = self._gaps + 1 if repeated else 0
        self._gap_s = max(self._gap_s, gap_s) if repeated else 0.0
        self._key, self._tapped_s = key, now_s

    def held(self, now_s: float) -> Key | None:
        """Return the key that is held down, if one is."""
        soonest_s, latest_s = RELEASE_S
        limit_s = min(latest_s, max(soonest_s, MISSED * self._gap_s))
        return self._key if self._gaps >= HELD_GAPS and now_s - self._last_s <= limit_s else None

    def tapped(self, now_s: float) -> Key | None:
        """Return a key that was pressed and not obeyed yet, once."""
        fresh = now_s - self._tapped_s <= TAP_S
        self._tapped_s = -math.inf
        return self._key if fresh else None

    def stop(self, now_s: float) -> None:
        """Forget the key; it counts again once it has been let go."""
        self._stopped, self._key, self._gaps = True, None, 0
        self._tapped_s, self._last_s = -math.inf, max(self._last_s, now_s)
