"""Executing segments in time: steps, stops, and the switches they meet on the way.

Event-driven: what a segment does is known when it begins, so only its end, and the first step at which
a watched switch changes, are moments of their own.

Source: Grbl 1.1h, grbl/stepper.c (the step interrupt).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from fabctl.sim.cpu import PREPARE_S, Cpu
from fabctl.sim.outputs import FULL_DUTY, Outputs
from fabctl.sim.plant import Plant
from fabctl.sim.profile import Segment, SegmentMaker
from fabctl.sim.realtime import MOVING, Exec, Realtime, State
from fabctl.sim.settings import Settings
from fabctl.sim.trace import Trace, Vertex

SEGMENTS_AHEAD = 5
NEVER = math.inf

Watch = Callable[[list[int]], bool]


class Stepper:
    """The step interrupt and the queue it feeds from.

    Parameters
    ----------
    maker : SegmentMaker
        Where segments come from.
    plant : Plant
        What is moved.
    trace : Trace
        Where it is written down.
    cpu : Cpu
        The clock.
    """

    def __init__(self, maker: SegmentMaker, plant: Plant, trace: Trace, cpu: Cpu) -> None:
        self.maker = maker
        self._plant = plant
        self._trace = trace
        self._cpu = cpu
        self.queue: deque[Segment] = deque()
        self.position = [0, 0, 0]
        self.running = False
        self.due_s = NEVER
        self._began_s = 0.0
        self._done = 0
        self._hit: int | None = None
        self.watch: tuple[Watch, Callable[[], None]] | None = None

    @property
    def _rt(self) -> Realtime:
        return self.maker.rt

    @property
    def _settings(self) -> Settings:
        return self.maker.settings

    @property
    def _outputs(self) -> Outputs:
        return self.maker.outputs

    def prepare(self) -> bool:
        """Prepare one segment if one is wanted and can be had; return whether it was."""
        if len(self.queue) >= SEGMENTS_AHEAD or self._rt.state not in MOVING:
            return False
        segment = self.maker.make()
        if segment is None:
            return False
        self._cpu.spend(PREPARE_S)
        if segment.last > segment.first:
            self.queue.append(segment)
        return True

    def wake(self) -> None:
        """Fill the queue and start the step interrupt."""
        while self.prepare():
            pass
        if not self.running:
            self.running = True
            self._trace.stand(self._cpu.now_s, self._outputs.pwm / FULL_DUTY)
            self._begin_next()

    def _begin_next(self) -> None:
        now = self._cpu.now_s
        if not self.queue:
            self._stop(now)
            return
        segment = self.queue[0]
        self._began_s = now
        if segment.first == 0:
            self._done = 0
        self._outputs.pwm = segment.pwm
        self._cpu.stepping(1.0 / segment.tick_s)
        self.due_s = now + segment.duration_s
        self._hit = None
        if self.watch is not None:
            self._look_ahead(segment)

    def _look_ahead(self, segment: Segment) -> None:
        """Find the first step of a segment at which the watched switch is met."""
        if self.watch is None:
            return
        met = self.watch[0]
        low, high = self._done, segment.last
        if not met(self._plant.after(_delta(segment, low, high))):
            return
        while high - low > 1:
            middle = (low + high) // 2
            if met(self._plant.after(_delta(segment, self._done, middle))):
                high = middle
            else:
                low = middle
        self._hit = high
        self.due_s = self._began_s + ((high - segment.first) << segment.shift) * segment.tick_s

    def fire(self) -> None:
        """Do what is due now: meet a switch, or end a segment and begin the next."""
        segment = self.queue[0]
        if self._hit is not None:
            self._commit(segment, self._hit)
            self._vertex(segment)
            self._hit = None
            self.due_s = self._began_s + segment.duration_s
            if self.watch is not None:
                self.watch[1]()
                if self.running and self.watch is not None:
                    self._look_ahead(segment)
            return
        self._commit(segment, segment.last)
        self._vertex(segment, key=(segment.block, segment.tick_s, segment.shift, segment.pwm))
        self.queue.popleft()
        self._begin_next()

    def _commit(self, segment: Segment, events: int) -> None:
        if events <= self._done:
            return
        delta = _delta(segment, self._done, events)
        for axis in range(3):
            self.position[axis] += delta[axis]
        self._plant.move(delta)
        self._done = events

    def _vertex(self, segment: Segment, key: object = None) -> None:
        line = segment.block.line
        vertex = Vertex(segment.pwm / FULL_DUTY, line.kind, line.ordinal)
        self._trace.add(self._cpu.now_s, self._plant.position_mm(), vertex, key)

    def sync(self) -> None:
        """Bring the position up to this moment."""
        if self.running and self.queue:
            segment = self.queue[0]
            # A hair on top: times are sums of floats, and a step that is due now has been made.
            ticks = int((self._cpu.now_s - self._began_s) / segment.tick_s + 1e-6)
            self._commit(segment, min(segment.first + (ticks >> segment.shift), segment.last))

    def go_idle(self) -> None:
        """Stop the step interrupt, wherever it is, and hold the motors for $1 ms."""
        if self.running:
            self.sync()
            if self.queue:
                self._vertex(self.queue[0])
        self.running = False
        self.due_s = NEVER
        self._cpu.load = 0.0
        self._lock_motors()

    def _lock_motors(self) -> None:
        lock_ms, rt = self._settings[1], self._rt
        if (lock_ms != 255 or rt.alarm) and rt.state is not State.HOMING:
            self._cpu.wait(lock_ms / 1000.0)

    def _stop(self, now_s: float) -> None:
        """End of the queue: the motion is over, or it starved."""
        self.running = False
        self.due_s = NEVER
        self._cpu.load = 0.0
        self._lock_motors()
        if self.maker.rate_adjusted:
            self._outputs.pwm = 0
        self._rt.exec |= Exec.STOPPED
        self._trace.stand(now_s, self._outputs.pwm / FULL_DUTY)

    def reset(self) -> None:
        """Stop and forget everything prepared."""
        self.go_idle()
        self.queue.clear()
        self.maker.reset()
        self._hit = None
        self._done = 0

    def speed_mm_s(self) -> float:
        """Return the speed reported: that of the segment prepared last."""
        return self.maker.profile.speed


def _delta(segment: Segment, first: int, last: int) -> tuple[int, int, int]:
    """Return the steps of each axis between two events of a block's Bresenham line."""
    events = segment.block.events
    twice = 2 * events

    def _made(steps: int, count: int) -> int:
        # An axis steps when its counter, begun at half, passes the number of events.
        done = -((events - 2 * count * abs(steps)) // twice)
        return done if steps >= 0 else -done

    x, y, z = segment.block.steps
    return (
        _made(x, last) - _made(x, first),
        _made(y, last) - _made(y, first),
        _made(z, last) - _made(z, first),
    )
