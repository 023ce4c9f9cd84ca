"""A bench for the sender: machines that home or not, programs with their legs, a wire that can be spoilt."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.stream.leg import Leg
from fabctl.stream.run import Hooks, Order, RunResult
from fabctl.stream.sender import run


def _same(data: bytes, now_s: float) -> bytes:
    return data


@dataclass
class Wire:
    """What happens to bytes on the way, and what went over it."""

    down: Callable[[bytes, float], bytes] = _same
    up: Callable[[bytes, float], bytes] = _same
    log: list[tuple[str, bytes]] = field(default_factory=list)

    def to_controller(self, data: bytes, now_s: float) -> bytes:
        self.log.append(("down", data))
        return self.down(data, now_s)

    def to_host(self, data: bytes, now_s: float) -> bytes:
        data = self.up(data, now_s)
        self.log.append(("up", data))
        return data

    @property
    def sent(self) -> bytes:
        return b"".join(data for way, data in self.log if way == "down")


@dataclass
class Job:
    """A program with its legs, mm, absolute."""

    lines: list[str] = field(default_factory=lambda: ["G21", "G90"])
    legs: list[Leg] = field(default_factory=list)

    def say(self, line: str) -> "Job":
        self.lines.append(line)
        return self

    def go(self, x, y, z, feed=None) -> "Job":
        word = "G0" if feed is None else "G1"
        tail = "" if feed is None else f"F{feed}"
        self.lines.append(f"{word}X{x:.3f}Y{y:.3f}Z{z:.3f}{tail}")
        self.legs.append(Leg(len(self.lines), (round(x, 3), round(y, 3), round(z, 3))))
        return self

    def arc(self, x, y, z, i, j, start, *, clockwise=True, feed=600) -> "Job":
        self.lines.append(f"{'G2' if clockwise else 'G3'}X{x:.3f}Y{y:.3f}I{i:.3f}J{j:.3f}F{feed}")
        self.legs.append(Leg(len(self.lines), (x, y, z), (start[0] + i, start[1] + j), clockwise))
        return self

    @property
    def text(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines).encode()


def square(*, spindle=True, chords=60) -> Job:
    """A job with everything in it: spindle, dwell, plunge, chords, an arc, a retract."""
    job = Job()
    if spindle:
        job.say("M3S5000").say("G4P0.5")
    job.go(0, 0, 5).go(10, 0, 5).go(10, 0, -1, 300)
    for k in range(1, chords + 1):
        angle = 2 * math.pi * k / chords
        job.go(10 * math.cos(angle), 10 * math.sin(angle), -1, 900)
    job.arc(10, 0, -1, -10, 0, (10, 0)).go(10, 0, 5).go(0, 0, 5)
    return job.say("M5") if spindle else job


class Bench:
    """One machine on the virtual controller."""

    def __init__(self, name="router-3018", *, settings=None, options=None, wire=None, **facts):
        self.machine: Machine = replace(load_machine(name), **facts)
        self.wire = wire or Wire()
        values = self.machine.settings() | (settings or {})
        self.port = SimPort(values, options, tamper=self.wire)
        self.told: list[tuple[str, dict]] = []

    def permit(self, text: bytes) -> Permit:
        digest = hashlib.sha256(text).hexdigest()
        return Permit(digest, self.machine.name, machine_digest(self.machine))

    def order(self, job: Job, **more) -> Order:
        given = {"here_mm": (0.0, 0.0, 0.0), "legs": tuple(job.legs), "home": False} | more
        return Order(job.text, self.machine, self.permit(job.text), **given)

    def hooks(self, **more) -> Hooks:
        return Hooks(transition=lambda kind, facts: self.told.append((kind, dict(facts))), **more)

    def run(self, job: Job, hooks: Hooks | None = None, **more) -> RunResult:
        return run(self.port, self.order(job, **more), hooks or self.hooks())

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    def rest(self) -> tuple[float, float]:
        """Let five seconds pass: how far the tool moved in them, mm, and the power at their end."""
        self.port.read(0.5)
        before = self.port.trace.xyz_mm[-1]
        for _ in range(10):
            self.port.read(0.5)
        trace = self.port.trace
        return float(math.dist(before, trace.xyz_mm[-1])), self.port.controller.board.outputs.pwm


@pytest.fixture
def bench():
    return Bench


@pytest.fixture
def wire():
    return Wire


@pytest.fixture
def new_job():
    return Job


@pytest.fixture
def square_job():
    return square


@pytest.fixture
def homed():
    """A machine with switches that was homed before and stands in the middle of its travel."""
    return lambda x=-200.0, y=-150.0, z=0.0: Options(homed=True, start_mm=(x, y, z))
