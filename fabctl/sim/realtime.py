"""The controller's states, its real-time bytes, and the flags between interrupts and main program."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class State(enum.Enum):
    """What ``<…|`` in a status report begins with."""

    IDLE = "Idle"
    ALARM = "Alarm"
    CHECK = "Check"
    HOMING = "Home"
    CYCLE = "Run"
    HOLD = "Hold"
    JOG = "Jog"
    DOOR = "Door"
    SLEEP = "Sleep"


MOVING = frozenset({State.CYCLE, State.HOLD, State.DOOR, State.HOMING, State.SLEEP, State.JOG})
"""States in which the step generator is kept fed."""

BUSY = frozenset({State.HOMING, State.CYCLE, State.HOLD, State.JOG, State.DOOR})
"""States in which WCO and Ov are repeated at the slow pace, and FS shows a speed."""


class Exec:
    """Flags of the real-time executor, set by interrupts, cleared by the main program."""

    STATUS, START, STOPPED, HOLD, RESET, DOOR, CANCEL, SLEEP = (1 << n for n in range(8))


class Suspend:
    """Flags of a suspended main program."""

    (HOLD_COMPLETE, RESTART, RETRACTED, RESTORING, RESTORED, AJAR, MOTION_CANCEL, JOG_CANCEL) = (
        1 << n for n in range(8)
    )


class Steps:
    """Flags that steer the step generator."""

    END_MOTION, HOLD, SYSTEM, PWM = (1 << n for n in range(4))


class SpindleStop:
    """Flags of the spindle stop in a hold (0x9E, and laser mode's own)."""

    ENABLED, INITIATE, RESTORE, RESTORE_CYCLE = (1 << n for n in range(4))


RESET, STATUS, START, HOLD, DOOR, JOG_CANCEL = 0x18, 0x3F, 0x7E, 0x21, 0x84, 0x85

FEED_STEPS: dict[int, int] = {0x90: 0, 0x91: 10, 0x92: -10, 0x93: 1, 0x94: -1}
"""Feed override byte to change in %; 0 is back to 100."""
RAPID_LEVELS: dict[int, int] = {0x95: 100, 0x96: 50, 0x97: 25}
"""Rapid override byte to %."""
SPINDLE_STEPS: dict[int, int] = {0x99: 0, 0x9A: 10, 0x9B: -10, 0x9C: 1, 0x9D: -1}
"""Spindle override byte to change in %; 0 is back to 100."""
SPINDLE_STOP, FLOOD_TOGGLE, MIST_TOGGLE = 0x9E, 0xA0, 0xA1

REALTIME = frozenset({RESET, STATUS, START, HOLD}) | frozenset(range(0x80, 0x100))
"""Bytes that never enter the receive ring: taken as commands, or thrown away."""


@dataclass(slots=True)
class Overrides:
    """Overrides in %, and the counters that space out WCO and Ov in status reports."""

    feed: int = 100
    rapid: int = 100
    spindle: int = 100
    wco_counter: int = 0
    ovr_counter: int = 0


@dataclass(slots=True)
class Probe:
    """The probing cycle: running or not, its last contact in steps, and whether it counts."""

    active: bool = False
    away: bool = False
    steps: list[int] = field(default_factory=lambda: [0, 0, 0])
    succeeded: bool = False


@dataclass(slots=True)
class Realtime:
    """Everything interrupts and main program tell each other; all but `state` is cleared by a reset."""

    state: State = State.IDLE
    exec: int = 0
    alarm: int = 0
    motion: set[int] = field(default_factory=set)
    accessory: set[int] = field(default_factory=set)
    suspend: int = 0
    step_control: int = 0
    spindle_stop: int = 0
    soft_limit: bool = False
    overrides: Overrides = field(default_factory=Overrides)
    probe: Probe = field(default_factory=Probe)

    def pending(self) -> bool:
        """Return whether an interrupt has left something to do."""
        return bool(self.exec or self.alarm or self.motion or self.accessory)

    def clear(self) -> None:
        """Forget all but the state, as the start of the main program does."""
        self.exec = self.alarm = self.suspend = self.step_control = self.spindle_stop = 0
        self.soft_limit = False
        self.motion, self.accessory = set(), set()
        self.overrides, self.probe = Overrides(), Probe()
