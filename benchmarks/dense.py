"""Dense jobs: short lines that an 8-bit controller barely keeps up with, and the machines they are for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from fabctl.shop.machine import Machine, load_machine
from fabctl.shop.permit import Permit, machine_digest
from fabctl.stream.leg import Leg
from fabctl.stream.replies import Point

LINES = 2000
"""As many as the figures of stock firmware on an instruction-accurate ATmega328P were measured with."""
HEADER = ("G21", "G90")


@dataclass(frozen=True)
class Dense:
    """One job.

    Parameters
    ----------
    name : str
        What it is.
    lines : tuple of str
        Without line endings; the first `head` of them make no move, every other one makes one.
    ends_mm : tuple of (x, y, z) float
        Where each moving line ends, work coordinates, mm.
    machine : Machine
        What it runs on.
    """

    name: str
    lines: tuple[str, ...]
    ends_mm: tuple[Point, ...]
    machine: Machine

    @property
    def head(self) -> int:
        """How many lines make no move."""
        return len(self.lines) - len(self.ends_mm)

    @property
    def text(self) -> bytes:
        """The program."""
        return "".join(f"{line}\n" for line in self.lines).encode("ascii")

    @property
    def bytes_a_line(self) -> float:
        """Bytes of a moving line, newline included."""
        moving = self.lines[self.head :]
        return sum(len(line) + 1 for line in moving) / len(moving)

    @property
    def permit(self) -> Permit:
        """A permit for exactly this text on exactly this machine."""
        return Permit(sha256(self.text).hexdigest(), self.machine.name, machine_digest(self.machine))

    def legs(self) -> Iterator[Leg]:
        """Yield the moves as the sender follows them."""
        for number, end in enumerate(self.ends_mm, start=self.head + 1):
            yield Leg(number, end)


def laser() -> Machine:
    """Return a belt laser: 80 steps/mm, 10 m/min, 1200 mm/s²."""
    made = load_machine("laser-400")
    return replace(made, acceleration_mm_s2=(1200.0, 1200.0, 100.0))


def router() -> Machine:
    """Return a quick router: 80 and 400 steps/mm, 10 and 5 m/min, 1200 and 500 mm/s²."""
    made = load_machine("router-3018")
    return replace(
        made,
        steps_per_mm=(80.0, 80.0, 400.0),
        max_rate_mm_min=(10000.0, 10000.0, 5000.0),
        acceleration_mm_s2=(1200.0, 1200.0, 500.0),
    )


def raster(lines: int = LINES) -> Dense:
    """Dots of 0.1 mm to and fro, another power each: `X0.1S70`."""
    texts, ends, x, y = [], [], 0, 0
    for index in range(lines):
        row, along = divmod(index, 100)
        if along == 99:
            y = row + 1
            texts.append(f"Y{y / 5:g}S0")
        else:
            x = along + 1 if row % 2 == 0 else 98 - along
            texts.append(f"X{x / 10:g}S{100 + 37 * index % 900}")
        ends.append((x / 10, y / 5, 0.0))
    return Dense("raster", (*HEADER, "M4S0", "G1F6000", *texts), tuple(ends), laser())


def chords(lines: int = LINES) -> Dense:
    """Chords of 0.2 mm round a circle of 20 mm: `G1X9.998Y0.200`."""
    turn = 2 * math.asin(0.01)
    points = [
        (round(10 * math.cos(turn * i) - 10, 3), round(10 * math.sin(turn * i), 3), 0.0)
        for i in range(1, lines + 1)
    ]
    texts = (f"G1X{x:.3f}Y{y:.3f}" for x, y, _ in points)
    return Dense("chords", (*HEADER, "G1F6000", *texts), tuple(points), router())


def heights(lines: int, decimals: int) -> list[Point]:
    """Walk over a wavy surface in steps of 0.2 mm, 60 mm to and fro."""
    points = []
    for index in range(lines):
        row, along = divmod(index, 300)
        x = 10 + 0.2 * (along if row % 2 == 0 else 299 - along)
        y = 10 + 0.2 * row
        z = 1.5 * math.sin(x / 4 + row / 9) + 0.1 * math.sin(x / 1.7)
        points.append((round(x, decimals), round(y, decimals), round(z, decimals)))
    return points


def relief(lines: int = LINES) -> Dense:
    """Write a relief as many programs do, 38 bytes a line: blanks, four decimals, F every time."""
    points = heights(lines, 4)
    texts = (f"G1 X{x:.4f} Y{y:.4f} Z{z:.4f} F3000" for x, y, z in points)
    return Dense("relief", (*HEADER, "G1 F3000", *texts), tuple(points), router())


def relief_rewritten(lines: int = LINES) -> Dense:
    """Write the same relief as fabctl does, three decimals and nothing twice."""
    points = heights(lines, 3)
    before: Point = (math.nan, math.nan, math.nan)
    texts = []
    for point in points:
        words = [f"{axis}{now:g}" for axis, now, old in zip("XYZ", point, before, strict=True) if now != old]
        texts.append("".join(words) or f"X{point[0]:g}")
        before = point
    return Dense("relief_rewritten", (*HEADER, "G1F3000", *texts), tuple(points), router())


def steps(lines: int = LINES) -> Dense:
    """Steps of 0.1 mm along X: `X12.3`."""
    ends = tuple((round(i / 10, 1), 0.0, 0.0) for i in range(1, lines + 1))
    texts = (f"X{x:.1f}" for x, _, _ in ends)
    return Dense("steps", (*HEADER, "M4S0", "G1F6000", *texts), ends, laser())


JOBS: dict[str, Callable[[int], Dense]] = {
    "raster": raster,
    "chords": chords,
    "relief": relief,
    "relief_rewritten": relief_rewritten,
    "steps": steps,
}


def write_program(path: Path, lines: int) -> None:
    """Write a program of many lines without ever holding it: steps of 0.1 mm to and fro."""
    with path.open("w", encoding="ascii") as file:
        file.write("G21\nG90\nG1F6000\n")
        for index in range(lines - 3):
            row, along = divmod(index, 1000)
            file.write(f"X{(along if row % 2 == 0 else 999 - along) / 10:.1f}\n")
