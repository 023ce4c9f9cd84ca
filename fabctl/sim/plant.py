"""The machine behind the controller: where the carriage truly stands, its switches and its probe.

True coordinates are those a correct homing leads to: the homed corner near zero, the travel below it
(above it on axes that home to the other end keep the same frame: travel from −max to 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from fabctl.sim.settings import Settings


@dataclass(slots=True)
class Wiring:
    """What is connected to the board, and what a test does to it.

    Parameters
    ----------
    switches : bool
        Limit switches at the homing ends.
    probe_z_mm : float, optional
        True Z of a surface that closes the probe circuit; None is an open circuit.
    probe_closed : bool
        The circuit is closed all the time.
    stuck_axes : frozenset of int
        Axes whose switch never closes.
    closed_axes : frozenset of int
        Axes whose switch never opens.
    probe_dead : bool
        The circuit never closes.
    door_open : bool
        The door is open: a suspended machine stays so.
    """

    switches: bool = False
    probe_z_mm: float | None = None
    probe_closed: bool = False
    stuck_axes: frozenset[int] = frozenset()
    closed_axes: frozenset[int] = frozenset()
    probe_dead: bool = False
    door_open: bool = False


class Plant:
    """True position in steps and the switches that depend on it.

    Parameters
    ----------
    settings : Settings
        For steps/mm, travel and homing directions.
    wiring : Wiring
        What is connected.
    start_mm : tuple of 3 float
        True position at power-on.
    """

    def __init__(self, settings: Settings, wiring: Wiring, start_mm: tuple[float, float, float]) -> None:
        self._settings = settings
        self.wiring = wiring
        scale = settings.axes.steps_per_mm
        self._scale = scale
        self.steps = [round(mm * per_mm) for mm, per_mm in zip(start_mm, scale, strict=True)]
        self.locked = [False, False, False]
        self.stuck: set[int] = set()

    def position_mm(self) -> tuple[float, float, float]:
        """Return the true position in mm.

        The motors' steps per mm are those of power-on: a ``$100=`` changes what the firmware believes.
        """
        s, f = self.steps, self._scale
        return s[0] / f[0], s[1] / f[1], s[2] / f[2]

    def move(self, delta: tuple[int, int, int]) -> None:
        """Make steps on every axis that is not locked."""
        steps, locked, stuck = self.steps, self.locked, self.stuck
        for axis in range(3):
            if delta[axis] and not locked[axis] and axis not in stuck:
                steps[axis] += delta[axis]

    def after(self, delta: tuple[int, int, int]) -> list[int]:
        """Return the steps the plant would stand at after a move."""
        return [
            s + (0 if lock or axis in self.stuck else d)
            for axis, (s, d, lock) in enumerate(zip(self.steps, delta, self.locked, strict=True))
        ]

    def limits(self, steps: list[int] | None = None) -> int:
        """Return the closed limit switches as a mask, here or at a position in steps."""
        wiring = self.wiring
        if not wiring.switches:
            return 0
        at = self.steps if steps is None else steps
        homes_low = int(self._settings[23])
        mask = 0
        for axis in range(3):
            if axis in wiring.closed_axes:
                mask |= 1 << axis
            elif axis not in wiring.stuck_axes:
                mm = at[axis] / self._scale[axis]
                low = homes_low >> axis & 1
                travel = self._settings.axes.travel_mm[axis]
                mask |= (mm <= -travel if low else mm >= 0) << axis
        return mask

    def probe_touches(self, steps: list[int] | None = None) -> bool:
        """Return whether the probe circuit is closed, here or at a position in steps."""
        wiring = self.wiring
        if wiring.probe_dead:
            return False
        if wiring.probe_closed:
            return True
        at = self.steps if steps is None else steps
        return wiring.probe_z_mm is not None and at[2] <= wiring.probe_z_mm * self._scale[2]
