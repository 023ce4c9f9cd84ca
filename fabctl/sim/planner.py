"""The 16-block planner: junction speeds, and the backward and forward pass at every new block.

Works in mm and s throughout. One slot of the ring is always empty, so 15 blocks can wait.

Source: Grbl 1.1h, grbl/planner.c; junction deviation after Jeon, "Improving Grbl: Cornering Algorithm"
(2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fabctl.sim.realtime import Overrides
from fabctl.sim.settings import Settings
from fabctl.sim.trace import Kind

USABLE_BLOCKS = 15
MINIMUM_SPEED_MM_S = 1.0 / 60.0
_UNLIMITED = 1e38
_STRAIGHT = 0.999999


@dataclass(slots=True)
class Line:
    """How a straight move is to be made, from the parser to the planner."""

    feed: float = 0.0
    rapid: bool = False
    inverse_time: bool = False
    no_override: bool = False
    system: bool = False
    spindle: int = 5
    speed: float = 0.0
    kind: Kind = Kind.FEED
    ordinal: int = 0


@dataclass(slots=True, eq=False)
class Block:
    """A planned straight move; speeds in mm/s, squares of speeds in mm²/s², lengths in mm."""

    line: Line
    steps: tuple[int, int, int]
    events: int
    millimeters: float
    acceleration: float
    rapid_rate: float
    programmed_rate: float
    max_junction_sqr: float
    entry_sqr: float = 0.0
    max_entry_sqr: float = 0.0

    def nominal_speed(self, overrides: Overrides) -> float:
        """Return the speed in mm/s this block runs at under the overrides in force."""
        speed = self.programmed_rate
        if self.line.rapid:
            speed *= overrides.rapid / 100.0
        else:
            if not self.line.no_override:
                speed *= overrides.feed / 100.0
            speed = min(speed, self.rapid_rate)
        return max(speed, MINIMUM_SPEED_MM_S)


class Planner:
    """The ring of waiting blocks.

    Parameters
    ----------
    settings : Settings
        For steps/mm, rates, accelerations and junction deviation.
    overrides : callable
        Gives the overrides in force.
    """

    def __init__(self, settings: Settings, overrides: Callable[[], Overrides]) -> None:
        self._settings = settings
        self._overrides = overrides
        self.blocks: list[Block] = []
        self.system_block: Block | None = None
        self.position = [0, 0, 0]
        self.replanned = 0
        self._planned = 0
        self._previous_unit = (0.0, 0.0, 0.0)
        self._previous_nominal = 0.0
        self.on_tail_change: Callable[[], None] = lambda: None

    def reset(self) -> None:
        """Forget every block and the junction with the last one."""
        self.blocks.clear()
        self._planned = 0
        self._previous_unit = (0.0, 0.0, 0.0)
        self._previous_nominal = 0.0

    def full(self) -> bool:
        """Return whether no block fits any more."""
        return len(self.blocks) >= USABLE_BLOCKS

    def has_room(self) -> bool:
        """Return whether another block fits."""
        return len(self.blocks) < USABLE_BLOCKS

    def free(self) -> int:
        """Return how many blocks fit, as Bf reports it."""
        return USABLE_BLOCKS - len(self.blocks)

    def discard(self) -> None:
        """Drop the first block, wholly handed to the step generator."""
        if self.blocks:
            self.blocks.pop(0)
            if self._planned:
                self._planned -= 1

    def exit_speed_sqr(self) -> float:
        """Return the squared speed in mm²/s² at the end of the first block."""
        return self.blocks[1].entry_sqr if len(self.blocks) > 1 else 0.0

    def add(self, target_mm: list[float], line: Line, from_steps: list[int] | None = None) -> bool:
        """Plan a move to a machine position; return False when it is shorter than a step.

        Parameters
        ----------
        target_mm : list of 3 float
            Machine coordinates.
        line : Line
            How to move.
        from_steps : list of 3 int, optional
            Where a system motion (homing) starts; other moves start at the end of the last one.
        """
        axes = self._settings.axes
        start = self.position if from_steps is None else from_steps
        target = [math.floor(abs(t) * s + 0.5) * (1 if t >= 0 else -1)
                  for t, s in zip(target_mm, axes.steps_per_mm, strict=True)]  # fmt: skip
        steps = (target[0] - start[0], target[1] - start[1], target[2] - start[2])
        events = max(abs(steps[0]), abs(steps[1]), abs(steps[2]))
        if events == 0:
            return False
        delta = [n / s for n, s in zip(steps, axes.steps_per_mm, strict=True)]
        length = math.sqrt(delta[0] * delta[0] + delta[1] * delta[1] + delta[2] * delta[2])
        unit = (delta[0] / length, delta[1] / length, delta[2] / length)
        rapid_rate = _axis_limit(axes.max_rate_mm_s, unit)
        rate = rapid_rate
        if not line.rapid:
            rate = line.feed / 60.0 * (length if line.inverse_time else 1.0)
        acceleration = _axis_limit(axes.acceleration_mm_s2, unit)
        block = Block(line, steps, events, length, acceleration, rapid_rate, rate, 0.0)
        if line.system:
            self.system_block = block
            return True
        if self.blocks:
            block.max_junction_sqr = self._junction_sqr(unit)
        nominal = block.nominal_speed(self._overrides())
        _limit_entry(block, nominal, self._previous_nominal)
        self._previous_nominal, self._previous_unit = nominal, unit
        self.position = target
        self.blocks.append(block)
        self.recalculate()
        return True

    def _junction_sqr(self, unit: tuple[float, float, float]) -> float:
        px, py, pz = self._previous_unit
        cosine = -(px * unit[0] + py * unit[1] + pz * unit[2])
        if cosine > _STRAIGHT:
            return 0.0
        if cosine < -_STRAIGHT:
            return _UNLIMITED
        junction = (unit[0] - px, unit[1] - py, unit[2] - pz)
        length = math.sqrt(junction[0] ** 2 + junction[1] ** 2 + junction[2] ** 2)
        direction = (junction[0] / length, junction[1] / length, junction[2] / length)
        acceleration = _axis_limit(self._settings.axes.acceleration_mm_s2, direction)
        sine = math.sqrt(0.5 * (1.0 - cosine))
        return acceleration * self._settings[11] * sine / (1.0 - sine)

    def recalculate(self) -> None:
        """Run the backward and the forward pass over what is not yet optimal."""
        blocks, planned = self.blocks, self._planned
        last = len(blocks) - 1
        self.replanned = max(0, last - planned)
        if last <= planned:
            return
        block = blocks[last]
        exit_sqr = min(block.max_entry_sqr, 2.0 * block.acceleration * block.millimeters)
        block.entry_sqr = exit_sqr
        index = last - 1
        if index == 0:
            self.on_tail_change()
        # A sequential recurrence over at most 15 blocks: nothing to vectorise.
        while index > planned:
            block = blocks[index]
            index -= 1
            if index == 0:
                self.on_tail_change()
            if block.entry_sqr != block.max_entry_sqr:
                reachable = exit_sqr + 2.0 * block.acceleration * block.millimeters
                block.entry_sqr = min(reachable, block.max_entry_sqr)
            exit_sqr = block.entry_sqr
        self._forward()

    def _forward(self) -> None:
        blocks = self.blocks
        following = blocks[self._planned]
        for index in range(self._planned + 1, len(blocks)):
            block, following = following, blocks[index]
            if block.entry_sqr < following.entry_sqr:
                reachable = block.entry_sqr + 2.0 * block.acceleration * block.millimeters
                if reachable < following.entry_sqr:
                    following.entry_sqr = reachable
                    self._planned = index
            if following.entry_sqr == following.max_entry_sqr:
                self._planned = index

    def reinitialize(self) -> None:
        """Plan anew from the first block, which may be half done."""
        self.on_tail_change()
        self._planned = 0
        self.recalculate()

    def update_overrides(self) -> None:
        """Work out every block's speed limits again after an override."""
        previous = _UNLIMITED
        overrides = self._overrides()
        for block in self.blocks:
            nominal = block.nominal_speed(overrides)
            _limit_entry(block, nominal, previous)
            previous = nominal
        self._previous_nominal = previous


def _axis_limit(limits: tuple[float, float, float], unit: tuple[float, float, float]) -> float:
    """Return the largest value along a direction that keeps every axis within its own limit."""
    value = _UNLIMITED
    for limit, part in zip(limits, unit, strict=True):
        if part:
            value = min(value, abs(limit / part))
    return value


def _limit_entry(block: Block, nominal: float, previous: float) -> None:
    slower = min(nominal, previous)
    block.max_entry_sqr = min(slower * slower, block.max_junction_sqr)
