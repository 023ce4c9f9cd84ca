"""Small jobs for the campaign of faults: each with its lines, its planned legs and its machine."""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.sim.controller import Options
from fabctl.stream.leg import Leg
from fabctl.stream.run import Order
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, Moves

Point = tuple[float, float, float]


@dataclass
class Job:
    """A program in mm, absolute, with the moves it plans."""

    lines: list[str] = field(default_factory=lambda: ["G21", "G90"])
    legs: list[Leg] = field(default_factory=list)
    here: Point = (0.0, 0.0, 0.0)
    full_scale: float = 1.0
    beam: bool = False
    feed: float = 0.0
    speed: float = 0.0
    pace: float = 1.0

    def say(self, *lines: str) -> None:
        """Add lines that do not move."""
        for line in lines:
            self.lines.append(line)
            self._note(line)

    def _paced(self, words: str) -> str:
        """Write another feed into the words of a move, for a quicker machine."""
        return re.sub(r"F(\d+)", lambda found: f"F{int(found[1]) * self.pace:g}", words)

    def _note(self, line: str) -> None:
        """Keep the feed and speed a line sets."""
        for letter, value in re.findall(r"([FSM])(\d+)", line):
            if letter == "F":
                self.feed = float(value)
            elif letter == "S":
                self.speed = float(value)
            elif value == "5":
                self.speed = 0.0

    def _leg(
        self, at: Point, words: str, *, centre: tuple[float, float] | None = None, cw: bool = False
    ) -> None:
        """Plan the move of the last line."""
        self._note(words)
        rapid = words.startswith("G0")
        power = 0.0 if self.beam and rapid else self.speed / self.full_scale
        feed = math.inf if rapid else self.feed
        self.legs.append(Leg(len(self.lines), at, centre, cw, feed, power))

    def go(self, x: float, y: float, z: float | None = None, words: str = "G0") -> None:
        """Add a straight move; without Z that axis is not named."""
        at = (round(x, 3), round(y, 3), self.here[2] if z is None else round(z, 3))
        words = self._paced(words)
        height = "" if z is None else f"Z{at[2]:.3f}"
        motion, tail = words[:2], words[2:]
        self.lines.append(f"{motion}X{at[0]:.3f}Y{at[1]:.3f}{height}{tail}")
        self._leg(at, words)
        self.here = at

    def turn(self, x: float, y: float, i: float, j: float, *, clockwise: bool = True) -> None:
        """Add an arc at the present height."""
        at = (round(x, 3), round(y, 3), self.here[2])
        self.lines.append(f"{'G2' if clockwise else 'G3'}X{at[0]:.3f}Y{at[1]:.3f}I{i:.3f}J{j:.3f}")
        self._leg(at, "G2", centre=(self.here[0] + i, self.here[1] + j), cw=clockwise)
        self.here = at

    @property
    def text(self) -> bytes:
        """The program."""
        return "".join(f"{line}\n" for line in self.lines).encode()

    @property
    def moves(self) -> Moves:
        """The planned moves as an array."""
        moves = np.zeros(len(self.legs), MOVE)
        here: Point = (0.0, 0.0, 0.0)
        # a few dozen legs
        for row, leg in zip(moves, self.legs, strict=True):
            row["xyz"] = leg.end_mm
            row["motion"] = FEED if leg.centre_mm is None else ARC_CW if leg.clockwise else ARC_CCW
            if leg.centre_mm is not None:
                row["ij"] = leg.centre_mm[0] - here[0], leg.centre_mm[1] - here[1]
            here = leg.end_mm
        return moves


def router(job: Job) -> None:
    """Mill a square with round corners, and a circle."""
    job.say("M3S5000", "G4P0.5")
    job.go(0, 0, 5)
    job.go(4, 0)
    job.go(4, 0, -1, "G1F300")
    job.go(16, 0, None, "G1F900")
    for x, y, i, j, then in ((20, 4, 0, 4, (20, 12)), (16, 16, -4, 0, (6, 16)), (2, 12, 0, -4, (2, 4))):
        job.turn(x, y, i, j, clockwise=False)
        job.go(*then, None, "G1")
    job.go(4, 0, None, "G1")
    for k in range(1, 31):
        angle = 2 * math.pi * k / 30
        job.go(10 + 6 * math.sin(angle), 8 - 8 * math.cos(angle), None, "G1")
    job.go(job.here[0], job.here[1], 5)
    job.go(0, 0)
    job.say("M5")


def raster(job: Job) -> None:
    """Engrave rows of many powers, M4."""
    job.say("M4S0")
    for row in range(6):
        y, forth = 0.4 * row, row % 2 == 0
        job.go(-2 if forth else 22, y, 0)
        for k in range(20):
            at = k + 1 if forth else 19 - k
            job.go(
                at, y, None, f"G1S{(137 * (row + 3) * (k + 1)) % 1000}" + ("F3000" if k + row == 0 else "")
            )
        job.go(22 if forth else -2, y, None, "G1S0")
    job.go(0, 0, 0)
    job.say("M5")


def burn(job: Job) -> None:
    """Cut two squares with a beam that does not follow the speed, M3."""
    job.go(0, 0, 0)
    for x in (0, 25):
        job.go(x, 0)
        job.say("M3S600")
        for side, (dx, dy) in enumerate(((20, 0), (20, 20), (0, 20), (0, 0))):
            job.go(x + dx, dy, None, "G1F1200" if side == 0 else "G1")
        job.say("M5")
    job.go(0, 0)


def drill(job: Job) -> None:
    """Drill nine holes, with a dwell in each."""
    job.say("M3S8000", "G4P0.5")
    job.go(0, 0, 3)
    for k in range(9):
        x, y = 6.0 * (k % 3), 6.0 * (k // 3)
        job.go(x, y)
        job.go(x, y, -2, "G1F200" if k == 0 else "G1")
        job.say("G4P0.22")
        job.go(x, y, 3)
    job.go(0, 0)
    job.say("M5")


def tools(job: Job) -> None:
    """Mill two contours with a tool change between them."""
    for tool in (1, 2):
        if tool > 1:
            job.say(f"T{tool}M6")
        job.say("M3S12000", "G4P0.3")
        job.go(0, 0, 4)
        job.go(10 * tool, 0)
        job.go(10 * tool, 0, -1, "G1F400")
        for k in range(1, 25):
            angle = 2 * math.pi * k / 24
            job.go(10 * tool * math.cos(angle), 10 * math.sin(angle), None, "G1F1800" if k == 1 else "G1")
        job.go(10 * tool, 0, 4)
        job.say("M5")
    job.go(0, 0)


@dataclass(frozen=True)
class Setup:
    """A job on its machine.

    Parameters
    ----------
    name : str
    machine : Machine
    job : Job
    homes : bool
        Whether the run homes first; else the controller knows its position already.
    """

    name: str
    machine: Machine
    job: Job
    homes: bool

    @property
    def start_mm(self) -> Point:
        """Where the carriage truly stands at power-on, machine coordinates."""
        machine = self.machine
        if not machine.homing:
            return (0.0, 0.0, 0.0)
        inward = 12.0 if self.homes else 150.0
        x, y, _ = (at - inward * high for at, high in zip(machine.homed_mm, self._high(), strict=True))
        return (x, y, machine.homed_mm[2] - 15.0) if machine.has_z else (x, y, 0.0)

    @property
    def here_mm(self) -> Point:
        """What the place the run begins at is called: room for the job between it and the switches."""
        if not self.homes:
            return (0.0, 0.0, 0.0)
        x, y, _ = (30.0 * high for high in self._high())
        return (x, y, 6.0 if self.machine.has_z else 0.0)

    def _high(self) -> Point:
        """Say for each axis whether it homes to the high end, 1, or the low one, -1."""
        ends = zip(self.machine.homed_mm, self.machine.travel_mm, strict=True)
        x, y, z = (1.0 if at > -travel / 2 else -1.0 for at, travel in ends)
        return x, y, z

    def options(self, **more: Any) -> Options:
        """How its virtual controller differs from an ideal one."""
        knows = self.machine.homing and not self.homes
        return Options(start_mm=self.start_mm, homed=bool(knows), **more)

    @functools.cached_property
    def order(self) -> Order:
        """What is sent."""
        digest = hashlib.sha256(self.job.text).hexdigest()
        permit = Permit(digest, self.machine.name, machine_digest(self.machine))
        return Order(
            self.job.text,
            self.machine,
            permit,
            legs=tuple(self.job.legs),
            here_mm=self.here_mm,
            home=self.homes,
        )


_JOBS: dict[str, tuple[str, Callable[[Job], None]]] = {
    "router": ("router-3018", router),
    "raster": ("laser-400", raster),
    "burn": ("laser-400", burn),
    "drill": ("router-3018", drill),
    "tools": ("plywood-router-600x900", tools),
}
NAMES = (*_JOBS, "raster-homing", "tools-homing")
"""All set-ups; ``-homing`` begins with a homing cycle."""


@functools.cache
def setup(name: str) -> Setup:
    """Return a job on its machine by name."""
    return setup_on(name, load_machine(machine_of(name)))


def machine_of(name: str) -> str:
    """Return the name of the machine a job is for."""
    return _JOBS[name.removesuffix("-homing")][0]


def setup_on(name: str, machine: Machine, pace: float = 1.0) -> Setup:
    """Return a job on a machine, its feeds made so many times quicker."""
    _, fill = _JOBS[name.removesuffix("-homing")]
    job = Job(full_scale=machine.head.full_scale, beam=machine.head.kind == "laser", pace=pace)
    fill(job)
    return Setup(name, machine, job, name.endswith("-homing"))
