"""From a planned block to 10 ms segments: the velocity profile, sampled as Grbl samples it.

A segment runs at one speed; speed changes from one to the next. Up to five are prepared ahead, so
whatever is decided now shows up to 50 ms later. Works in mm and s.

Source: Grbl 1.1h, grbl/stepper.c.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

from fabctl.sim.cpu import CLOCK_HZ
from fabctl.sim.outputs import CCW, OFF, Outputs
from fabctl.sim.planner import Block, Planner
from fabctl.sim.realtime import Realtime, Steps
from fabctl.sim.settings import Settings

SEGMENT_S = 0.01
"""Length of a full segment (100 a second)."""
_AMASS_CYCLES = (CLOCK_HZ // 8000, CLOCK_HZ // 4000, CLOCK_HZ // 2000)
_SLOWEST_CYCLES = 0xFFFF
_ONE_STEP = 1.25
"""A segment covers at least this many steps of way, so that it has one to make."""


class Ramp(enum.Enum):
    """Phase of a velocity profile."""

    ACCEL = 0
    CRUISE = 1
    DECEL = 2
    DECEL_OVERRIDE = 3


@dataclass(slots=True)
class Profile:
    """Velocity profile of the block in preparation; distances are from the end of the block, in mm."""

    ramp: Ramp = Ramp.ACCEL
    complete_mm: float = 0.0
    speed: float = 0.0
    maximum: float = 0.0
    exit: float = 0.0
    accelerate_until: float = 0.0
    decelerate_after: float = 0.0

    def plan_hold(self, block: Block) -> None:
        """Brake to a stop, past the end of the block if it is too short."""
        self.ramp = Ramp.DECEL
        self.complete_mm = 0.0
        stop = block.millimeters - 0.5 / block.acceleration * block.entry_sqr
        if stop < 0.0:
            self.exit = math.sqrt(max(0.0, block.entry_sqr - 2 * block.acceleration * block.millimeters))
        else:
            self.complete_mm = stop
            self.exit = 0.0

    def plan(self, block: Block, exit_sqr: float, nominal: float) -> bool:
        """Plan a block between its entry and exit speeds; return True when it cannot slow down in time."""
        self.complete_mm = 0.0
        self.ramp = Ramp.ACCEL
        self.accelerate_until = length = block.millimeters
        self.exit = math.sqrt(exit_sqr)
        per = 0.5 / block.acceleration
        nominal_sqr, entry_sqr = nominal * nominal, block.entry_sqr
        intersect = 0.5 * (length + per * (entry_sqr - exit_sqr))
        if entry_sqr > nominal_sqr:
            return self._plan_slower(block, exit_sqr, nominal)
        if intersect <= 0.0:
            self.accelerate_until = 0.0
            self.maximum = self.exit
        elif intersect >= length:
            self.ramp = Ramp.DECEL
        else:
            self.decelerate_after = per * (nominal_sqr - exit_sqr)
            if self.decelerate_after < intersect:
                self.maximum = nominal
                if entry_sqr == nominal_sqr:
                    self.ramp = Ramp.CRUISE
                else:
                    self.accelerate_until -= per * (nominal_sqr - entry_sqr)
            else:
                self.accelerate_until = self.decelerate_after = intersect
                self.maximum = math.sqrt(2.0 * block.acceleration * intersect + exit_sqr)
        return False

    def _plan_slower(self, block: Block, exit_sqr: float, nominal: float) -> bool:
        per = 0.5 / block.acceleration
        self.accelerate_until = block.millimeters - per * (block.entry_sqr - nominal * nominal)
        if self.accelerate_until <= 0.0:
            self.ramp = Ramp.DECEL
            self.exit = math.sqrt(max(0.0, block.entry_sqr - 2 * block.acceleration * block.millimeters))
            return True
        self.decelerate_after = per * (nominal * nominal - exit_sqr)
        self.maximum = nominal
        self.ramp = Ramp.DECEL_OVERRIDE
        return False

    def advance(self, acceleration: float, length: float, minimum: float) -> tuple[float, float]:
        """Run the profile for one segment.

        Parameters
        ----------
        acceleration : float
            mm/s².
        length : float
            Distance to the end of the block in mm.
        minimum : float
            The segment must come at least this near to the end, however long it takes.

        Returns
        -------
        tuple of 2 float
            Time in s and the distance that remains in mm.
        """
        longest = span = SEGMENT_S
        elapsed, remaining = 0.0, length
        while True:
            span, remaining = self._phase(acceleration, length, remaining, span)
            elapsed += span
            if elapsed < longest:
                span = longest - elapsed
            elif remaining > minimum:
                longest += SEGMENT_S
                span = longest - elapsed
            else:
                break
            if remaining <= self.complete_mm:
                break
        return elapsed, remaining

    def _phase(
        self, acceleration: float, length: float, remaining: float, span: float
    ) -> tuple[float, float]:
        """Advance within the present phase; return the time used and the distance left."""
        change = acceleration * span
        if self.ramp is Ramp.ACCEL:
            left = remaining - span * (self.speed + 0.5 * change)
            if left >= self.accelerate_until:
                self.speed += change
                return span, left
            left = self.accelerate_until
            span = 2.0 * (length - left) / (self.speed + self.maximum)
            self.ramp = Ramp.DECEL if left == self.decelerate_after else Ramp.CRUISE
            self.speed = self.maximum
            return span, left
        if self.ramp is Ramp.CRUISE:
            left = remaining - self.maximum * span
            if left >= self.decelerate_after:
                return span, left
            self.ramp = Ramp.DECEL
            return (remaining - self.decelerate_after) / self.maximum, self.decelerate_after
        if self.ramp is Ramp.DECEL_OVERRIDE:
            if self.speed - self.maximum > change:
                left = remaining - span * (self.speed - 0.5 * change)
                self.speed -= change
                return span, left
            span = 2.0 * (length - self.accelerate_until) / (self.speed + self.maximum)
            self.ramp = Ramp.CRUISE
            self.speed = self.maximum
            return span, self.accelerate_until
        return self._brake(remaining, span, change)

    def _brake(self, remaining: float, span: float, change: float) -> tuple[float, float]:
        if self.speed > change:
            left = remaining - span * (self.speed - 0.5 * change)
            if left > self.complete_mm:
                self.speed -= change
                return span, left
        total = self.speed + self.exit
        span = 2.0 * (remaining - self.complete_mm) / total if total > 0 else 0.0
        self.speed = self.exit
        return span, self.complete_mm


@dataclass(slots=True, eq=False)
class Segment:
    """Steps at one rate: events `first` … `last` of a block's Bresenham line."""

    block: Block
    first: int
    last: int
    tick_s: float
    shift: int
    pwm: int

    @property
    def duration_s(self) -> float:
        """Time the segment takes in s."""
        return ((self.last - self.first) << self.shift) * self.tick_s


@dataclass(slots=True)
class _Cut:
    """What has been cut from the block in preparation."""

    steps_remaining: float = 0.0
    step_per_mm: float = 1.0
    dt_remainder: float = 0.0
    done: int = 0
    rate_adjusted: bool = False
    pwm: int = 0


@dataclass(slots=True)
class SegmentMaker:
    """Cuts the planner's first block into segments."""

    settings: Settings
    rt: Realtime
    planner: Planner
    outputs: Outputs
    profile: Profile = field(default_factory=Profile)
    block: Block | None = None
    _cut: _Cut = field(default_factory=_Cut)
    _recalculate: bool = False
    _slowing: bool = False

    def reset(self) -> None:
        """Forget the block in preparation."""
        self.profile, self._cut = Profile(), _Cut()
        self.block = None
        self._recalculate = self._slowing = False

    @property
    def rate_adjusted(self) -> bool:
        """Whether the power of the block in preparation follows its speed (M4 in laser mode)."""
        return self._cut.rate_adjusted

    def replan(self) -> None:
        """Take the planner's new speeds from the present speed on, at the next segment."""
        if self.block is not None:
            self._recalculate = True
            self.block.entry_sqr = self.profile.speed * self.profile.speed
            self.block = None

    def make(self) -> Segment | None:
        """Cut the next segment; None when there is nothing to cut or the motion is to end."""
        rt = self.rt
        if rt.step_control & Steps.END_MOTION:
            return None
        if self.block is None and not self._load():
            return None
        block, cut = self.block, self._cut
        if block is None:
            return None
        minimum = max(0.0, block.millimeters - _ONE_STEP / cut.step_per_mm)
        elapsed, remaining = self.profile.advance(block.acceleration, block.millimeters, minimum)
        self._set_power(block)
        return self._emit(block, elapsed, remaining)

    def _load(self) -> bool:
        rt, planner = self.rt, self.planner
        system = rt.step_control & Steps.SYSTEM
        queued = planner.blocks[0] if planner.blocks else None
        block = planner.system_block if system else queued
        if block is None:
            return False
        self.block = block
        if self._recalculate:
            self._recalculate = False
        else:
            self._begin(block)
        if rt.step_control & Steps.HOLD:
            self.profile.plan_hold(block)
        else:
            exit_sqr = 0.0 if system else planner.exit_speed_sqr()
            self._slowing |= self.profile.plan(block, exit_sqr, block.nominal_speed(rt.overrides))
        rt.step_control |= Steps.PWM
        return True

    def _begin(self, block: Block) -> None:
        profile = self.profile
        if self.rt.step_control & Steps.HOLD or self._slowing:
            profile.speed = profile.exit
            block.entry_sqr = profile.exit * profile.exit
            self._slowing = False
        else:
            profile.speed = math.sqrt(block.entry_sqr)
        adjusted = bool(self.settings[32]) and block.line.spindle == CCW
        events = float(block.events)
        self._cut = _Cut(events, events / block.millimeters, 0.0, 0, adjusted, self._cut.pwm)

    def _set_power(self, block: Block) -> None:
        cut, rt = self._cut, self.rt
        if not (cut.rate_adjusted or rt.step_control & Steps.PWM):
            return
        if block.line.spindle == OFF:
            self.outputs.speed = 0.0
            cut.pwm = 0
        else:
            speed = block.line.speed
            if cut.rate_adjusted:
                speed *= self.profile.speed / block.programmed_rate
            cut.pwm = self.outputs.duty_for(speed)
        rt.step_control &= ~Steps.PWM

    def _emit(self, block: Block, elapsed: float, remaining: float) -> Segment | None:
        cut, rt = self._cut, self.rt
        left = cut.step_per_mm * remaining
        whole_left, whole_before = math.ceil(left), math.ceil(cut.steps_remaining)
        count = whole_before - whole_left
        if count == 0 and rt.step_control & Steps.HOLD:
            rt.step_control |= Steps.END_MOTION
            return None
        elapsed += cut.dt_remainder
        per_step = elapsed / (whole_before - left) if whole_before > left else elapsed
        segment = self._timed(block, count, per_step)
        block.millimeters = remaining
        cut.steps_remaining = float(whole_left)
        cut.dt_remainder = (whole_left - left) * per_step
        if remaining == self.profile.complete_mm:
            if remaining > 0.0 or rt.step_control & Steps.SYSTEM:
                rt.step_control |= Steps.END_MOTION
            else:
                self.block = None
                self.planner.discard()
        return segment

    def _timed(self, block: Block, count: int, per_step_s: float) -> Segment:
        cycles = math.ceil(per_step_s * CLOCK_HZ)
        shift = sum(cycles >= bound for bound in _AMASS_CYCLES)
        cycles = min(cycles >> shift, _SLOWEST_CYCLES)
        first = self._cut.done
        self._cut.done = first + count
        # The timer counts from 0 to its compare value: one cycle more than it was given.
        return Segment(block, first, first + count, (cycles + 1) / CLOCK_HZ, shift, self._cut.pwm)
