"""Spindle or laser PWM and coolant pins.

Source: Grbl 1.1h, grbl/spindle_control.c and grbl/coolant_control.c.
"""

from __future__ import annotations

from fabctl.sim.cpu import Cpu
from fabctl.sim.realtime import Realtime
from fabctl.sim.settings import Settings
from fabctl.sim.trace import Trace

FULL_DUTY = 255
OFF, CW, CCW = 5, 3, 4
"""Spindle states, named by their M words."""


class Outputs:
    """The pins that switch something dangerous.

    Parameters
    ----------
    settings : Settings
        For $30, $31 and $32.
    rt : Realtime
        For the spindle override.
    trace : Trace
        Where every change is written down.
    cpu : Cpu
        The clock.
    """

    def __init__(self, settings: Settings, rt: Realtime, trace: Trace, cpu: Cpu) -> None:
        self._settings = settings
        self._rt = rt
        self._trace = trace
        self._cpu = cpu
        self.speed = 0.0
        self.pwm = 0
        self.direction = CW
        self.flood = False
        self.mist = False

    def duty_for(self, speed: float) -> int:
        """Return the PWM value 0 … 255 for an S word and take its speed as the reported one."""
        low, high = self._settings[31], self._settings[30]
        speed *= self._rt.overrides.spindle / 100.0
        if low >= high or speed >= high:
            self.speed = high
            return FULL_DUTY
        if speed <= low:
            self.speed = 0.0 if speed == 0 else low
            return 0 if speed == 0 else 1
        self.speed = speed
        return int((speed - low) * (FULL_DUTY - 1) / (high - low)) + 1

    def set_pwm(self, pwm: int) -> None:
        """Set the PWM now."""
        if pwm != self.pwm:
            self._trace.stand(self._cpu.now_s, self.pwm / FULL_DUTY)
            self.pwm = pwm

    def set_spindle(self, state: int, speed: float) -> None:
        """Set the spindle while nothing moves; the power of M4 in laser mode comes with motion only."""
        if state == OFF:
            self.speed = 0.0
            self.set_pwm(0)
        else:
            self.direction = state
            self.set_pwm(self.duty_for(0.0 if self._settings[32] and state == CCW else speed))
        self._rt.overrides.ovr_counter = 0

    def set_coolant(self, *, flood: bool, mist: bool) -> None:
        """Set the coolant pins."""
        self.flood, self.mist = flood, mist
        self._rt.overrides.ovr_counter = 0

    def kill(self) -> None:
        """Switch everything off at once, from an interrupt."""
        self.set_pwm(0)
        self.flood = self.mist = False

    def accessories(self) -> str:
        """Return the letters of the status report's ``A:`` field."""
        spindle = ("S" if self.direction == CW else "C") if self.pwm else ""
        return spindle + ("F" if self.flood else "") + ("M" if self.mist else "")
