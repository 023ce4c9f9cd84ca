"""Time estimates: how fast, and how far off real firmware and the virtual controller."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.measure import measure_row
from benchmarks.motions import relief
from fabctl.program.read import read
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.toolpath.moves import RAPID, Moves, lengths
from fabctl.toolpath.timing import ControllerCost, Kinematics, Timing, estimate

MOVES = 1_000_000
ORIGIN = np.zeros(3)
WINDOW_BYTES = 127
HEADER = ["G21", "G90"]


@dataclass(frozen=True)
class Work:
    moves: Moves

    @property
    def facts(self) -> dict[str, Any]:
        return {"moves": len(self.moves)}


MACHINES = {
    "belt": Kinematics((40, 40, 200), (8000, 8000, 1500), (400, 400, 150), 0.02),
    "router3018": Kinematics((800, 800, 800), (2000, 2000, 800), (30, 30, 20), 0.01, step_idle_ms=25),
    "laser": Kinematics((80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100), 0.01, laser_mode=True),
}
GOLDEN_S = {
    "belt": (32.352, 11.080, 22.762, 2.500, 33.070),
    "router3018": (38.252, 13.161, 88.542, 7.272, 53.804),
    "laser": (32.134, 11.025, 14.005, 2.422, 32.927),
}
"""Stock Grbl 1.1h on an ATmega328P, simulated instruction by instruction; jobs in the order of `GOLDEN`."""


def drill(columns: int = 3, dwell_s: float = 0.22) -> list[str]:
    holes = [
        line
        for j in range(3)
        for i in range(columns)
        for line in (f"G0 X{20 * i} Y{20 * j}", "G1 Z-3 F200", f"G4 P{dwell_s}", "G0 Z5")
    ]
    return [*HEADER, "M3 S1000", "G0 Z5", *holes, "M5", "G0 X0 Y0"]


def circle(count: int, radius_mm: float) -> list[str]:
    turn = 2 * math.pi / count
    return [
        f"G1 X{radius_mm * math.cos(turn * i) - radius_mm:.3f} Y{radius_mm * math.sin(turn * i):.3f}"
        for i in range(1, count + 1)
    ]


GOLDEN = {
    "square": [*HEADER, "G1 F1500", *(["G1 X100", "G1 Y100", "G1 X0", "G1 Y0"] * 2)],
    "circles": [*HEADER, "G17", "G1 F1200", "G2 X0 Y0 I20 J0", *(["G3 X0 Y0 I0 J5"] * 3)],
    "zigzag": [*HEADER, "G1 F3000", *(f"G1 X{i / 2:.1f} Y{i % 2 / 2:.1f}" for i in range(1, 401))],
    "poly": [*HEADER, "G1 F2400", *circle(471, 15)],
    "drill": drill(),
}
STARTS = {"drill": 10}
"""Starts from rest of each job, one where none is said."""


def raster() -> list[str]:
    lines = [*HEADER, "M4 S0", "G1 F3000"]
    for row in range(8):
        across = range(1, 81) if row % 2 == 0 else range(79, -1, -1)
        lines += [f"X{i / 2:.1f} S{125 * (1 + i * 7 % 5)}" for i in across]
        lines.append(f"Y{(row + 1) / 5:.1f} S0")
    return [*lines, "M5"]


def relief_lines() -> list[str]:
    heights = (0.4 * i for i in range(1, 500))
    rows = (f"X{x:.3f} Z{1.5 * math.sin(x / 4) + 0.3 * math.sin(2 * x):.3f}" for x in heights)
    return [*HEADER, "G1 F1500", *rows]


def arcs() -> list[str]:
    rows = (f"G{2 + i % 2} X{4 * (i + 1)} Y0 I2 J0" for i in range(30))
    return [*HEADER, "G17", "G1 F1500", *rows, "G3 X120 Y0 Z3 I0 J8"]


SIMULATED: dict[str, Callable[[], list[str]]] = {
    "raster": raster,
    "chords": lambda: [*HEADER, "G1 F2500", *circle(300, 40)],
    "relief": relief_lines,
    "arcs": arcs,
    "drilling": lambda: drill(4, 0.12),
    "long_lines": lambda: [*HEADER, "G1 F2800", "X200", "Y120", "X0", "Y0", "X150 Y90"],
}
STARVED: dict[str, Callable[[], list[str]]] = {
    "fine_chords": lambda: [*HEADER, "G1 F6000", *circle(1500, 24)],
    "fine_raster": lambda: [
        *[*HEADER, "M4 S1", "G1 F6000"],
        *(f"X{i / 10:.1f} S{200 + 500 * (i % 2)}" for i in range(1, 1500)),
    ],
}


def prepare(scale: float) -> Work:
    return Work(relief(round(MOVES * scale)))


def ours(work: Work) -> Timing:
    return estimate(work.moves, ORIGIN, MACHINES["laser"])


def estimated(lines: list[str], machine: Kinematics) -> Timing:
    """Time lines as a person's program: read first, with stops where the head is switched."""
    program = read("\n".join(lines).encode())
    spindle = program.state["spindle"]
    sync = np.diff(spindle, prepend=spindle[:1]) != 0
    chars = np.array([len(lines[number - 1]) for number in program.line])
    return estimate(program.moves, program.start, machine, sync=sync, line_chars=chars)


def by_length(lines: list[str], machine: Kinematics) -> float:
    """Divide length by feed, as most senders do; s."""
    moves = read("\n".join(lines).encode()).moves
    feed = np.where(moves["motion"] == RAPID, machine.max_rate_mm_min[0], np.maximum(moves["feed"], 1e-9))
    return float(np.sum(lengths(moves, ORIGIN) / feed) * 60)


def settings(machine: Kinematics) -> dict[int, float]:
    made = {1: machine.step_idle_ms, 11: machine.junction_deviation_mm, 12: machine.arc_tolerance_mm}
    made |= {30: 1000, 31: 0, 32: int(machine.laser_mode)}
    rows = {100: machine.steps_per_mm, 110: machine.max_rate_mm_min, 120: machine.acceleration_mm_s2}
    return made | {base + axis: value for base, row in rows.items() for axis, value in enumerate(row)}


def simulated_s(lines: list[str], machine: Kinematics) -> float:
    """Run lines on the virtual controller by character counting; s from the first to the last step."""
    port = SimPort(settings(machine), Options(cpu_model=True, latency_s=0.001))
    greeting = b""
    while b"Grbl" not in greeting:
        greeting += port.read(1.0)
    waiting, flying, answers = deque(f"{line}\n".encode() for line in lines), deque[int](), b""
    while waiting or flying:
        while waiting and sum(flying) + len(waiting[0]) <= WINDOW_BYTES:
            flying.append(len(waiting[0]))
            port.write(waiting.popleft())
        answers += port.read(1.0)
        *whole, answers = answers.split(b"\r\n")
        for answer in whole:
            if answer != b"ok":
                raise RuntimeError(f"the virtual controller answered {answer!r}")
            flying.popleft()
    port.close()
    begin, end = port.trace.motion_span_s()
    return float(end - begin)


def golden_errors() -> dict[str, float]:
    """Compare with real firmware, in percent."""
    errors, plain, beyond = [], [], []
    for name, machine in MACHINES.items():
        for (job, lines), golden_s in zip(GOLDEN.items(), GOLDEN_S[name], strict=True):
            off_s = abs(estimated(lines, machine).total_s - golden_s)
            errors.append(off_s / golden_s * 100)
            plain.append(abs(by_length(lines, machine) / golden_s - 1) * 100)
            beyond.append(off_s - max(0.005 * golden_s, 0.06 * STARTS.get(job, 1)))
    return {
        "golden_within_half_percent_or_60_ms_a_start": max(beyond) <= 0,
        "golden_error_max_percent": max(errors),
        "golden_error_median_percent": float(np.median(errors)),
        "length_over_feed_error_max_percent": max(plain),
        "length_over_feed_error_median_percent": float(np.median(plain)),
    }


def simulated_errors(jobs: dict[str, Callable[[], list[str]]]) -> dict[str, float]:
    """Compare with the virtual controller, CPU and link modelled, in percent; the worse of two machines."""
    out = {}
    for job, make in jobs.items():
        lines, errors = make(), []
        for name in ("router3018", "laser"):
            machine = replace(MACHINES[name], cost=ControllerCost())
            if "S" in "".join(lines) and job.endswith("raster") and not machine.laser_mode:
                continue
            true_s = simulated_s(lines, machine)
            errors.append(abs(estimated(lines, machine).total_s / true_s - 1) * 100)
        out[f"{job}_error_percent"] = max(errors)
    return out


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(__name__, scale, "{moves:,} moves of a relief, time and speed of every move", {})
    row["moves_per_s"] = row["moves"] / row["ours_s"]
    row["worst_starved_error_percent"] = max(simulated_errors(STARVED).values())
    warned = [
        estimated(make(), replace(MACHINES["laser"], cost=ControllerCost())).bites
        for make in STARVED.values()
    ]
    row["starved_warned"] = all(map(bool, warned))
    return row | golden_errors() | simulated_errors(SIMULATED)
