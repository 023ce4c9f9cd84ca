"""Everything on the board in one place, for the functions that make up the firmware."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from fabctl.errors import LinkError
from fabctl.sim.cpu import Cpu
from fabctl.sim.outputs import Outputs
from fabctl.sim.parser import ParserState
from fabctl.sim.planner import Planner
from fabctl.sim.plant import Plant
from fabctl.sim.realtime import Realtime
from fabctl.sim.settings import Settings
from fabctl.sim.stepper import Stepper
from fabctl.sim.trace import Trace
from fabctl.sim.wire import Receiver, Transmitter


class Wait(NamedTuple):
    """Why the main program stands still: it goes on when the condition holds."""

    until: Callable[[], bool]
    polls: bool = True
    """Whether it also goes on when an interrupt left a flag."""


Program = Generator[Wait, None, None]
"""A piece of the main program; it yields wherever the firmware would loop and wait."""


def _always() -> bool:
    return True


def _never() -> bool:
    return False


PAUSE = Wait(_always, polls=False)
"""Go on as soon as the CPU is free."""
POLL = Wait(_never)
"""Go on when an interrupt left a flag."""


class ResetError(LinkError):
    """The main program unwinds to its start: a soft reset."""

    def __init__(self) -> None:
        super().__init__("soft reset", remedy="none needed: the main program starts anew")


@dataclass(slots=True)
class Build:
    """What the firmware was compiled with."""

    mist: bool = False
    homing_lock: bool = True
    startup_lines: int = 2


@dataclass(slots=True)
class Board:
    """The parts of the controller."""

    cpu: Cpu
    settings: Settings
    rt: Realtime
    gc: ParserState
    planner: Planner
    stepper: Stepper
    outputs: Outputs
    plant: Plant
    trace: Trace
    receiver: Receiver
    transmitter: Transmitter
    build: Build = field(default_factory=Build)
    lines: int = 0

    def position_mm(self) -> list[float]:
        """Return the position the firmware believes in, in mm."""
        steps = self.stepper.position
        return [n / s for n, s in zip(steps, self.settings.axes.steps_per_mm, strict=True)]

    def note_offset(self) -> None:
        """Tell the trace how true coordinates become work coordinates."""
        self.stepper.sync()
        offset = [
            wco + true - believed
            for wco, true, believed in zip(
                self.gc.offset(), self.plant.position_mm(), self.position_mm(), strict=True
            )
        ]
        self.trace.work_offset(self.cpu.now_s, offset)
