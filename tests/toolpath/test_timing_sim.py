"""Estimates against the virtual controller, which shares no code with them."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID, starts
from fabctl.toolpath.timing import ControllerCost, Kinematics, estimate
from fabctl.toolpath.trace import deviation

ORIGIN = np.zeros(3)
MACHINES = {
    "router": Kinematics((320, 320, 800), (3000, 3000, 1000), (120, 120, 60), 0.01, step_idle_ms=25),
    "laser": Kinematics((80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100), 0.01, laser_mode=True),
}
WINDOW_BYTES = 127


def settings(machine):
    """The $-numbers that make a virtual controller this machine."""
    made = {1: machine.step_idle_ms, 11: machine.junction_deviation_mm, 12: machine.arc_tolerance_mm}
    made |= {30: 1000, 31: 0, 32: int(machine.laser_mode)}
    for base, row in (
        (100, machine.steps_per_mm),
        (110, machine.max_rate_mm_min),
        (120, machine.acceleration_mm_s2),
    ):
        made |= {base + axis: value for axis, value in enumerate(row)}
    return made


def number(value):
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def lines_of(moves):
    """Plain lines, one a move, modal words said once."""
    said, lines, here = {}, [], starts(moves, ORIGIN)
    for move, begin in zip(moves, here, strict=True):
        if move["motion"] == DWELL:
            lines.append(f"G4P{move['ij'][0]:g}")
            continue
        words = {"G": "0123"[move["motion"]]} if said.get("G") != "0123"[move["motion"]] else {}
        words |= {a: number(move["xyz"][k]) for k, a in enumerate("XYZ") if move["xyz"][k] != begin[k]}
        if move["motion"] in (ARC_CW, ARC_CCW):
            words |= {"X": number(move["xyz"][0]), "Y": number(move["xyz"][1])}
            words |= {"I": number(move["ij"][0]), "J": number(move["ij"][1])}
        for letter, value in (("F", move["feed"]), ("S", 1000 * move["power"])):
            if (letter == "S" or move["motion"] != RAPID) and said.get(letter) != number(value):
                words[letter] = number(value)
        said |= {k: v for k, v in words.items() if k in "GFS"}
        lines.append("".join(a + v for a, v in words.items()))
    return lines


def run(moves, machine, *, cpu_model):
    """Stream a job by character counting; return the seconds from first to last step, and the trace."""
    port = SimPort(settings(machine), Options(cpu_model=cpu_model, latency_s=0.001))
    text = b""
    while b"Grbl" not in text:
        text += port.read(1.0)
    first = ["G21", "G90", "M4" if machine.laser_mode else "M3"]
    waiting = deque(f"{line}\n".encode() for line in first + lines_of(moves))
    flying, answers = deque(), b""
    while waiting or flying:
        while waiting and sum(flying) + len(waiting[0]) <= WINDOW_BYTES:
            flying.append(len(waiting[0]))
            port.write(waiting.popleft())
        answers += port.read(1.0)
        *whole, answers = answers.split(b"\r\n")
        for answer in whole:
            assert answer == b"ok", answer
            flying.popleft()
    port.close()
    begin, end = port.trace.motion_span_s()
    return end - begin, port.trace


def feeds(points, feed, power=None):
    moves = np.zeros(len(points), MOVE)
    moves["motion"], moves["feed"] = FEED, feed
    moves["xyz"][:, : np.shape(points)[1]] = np.round(points, 3)
    moves["power"] = 0.5 if power is None else power
    return moves


def raster():
    made = []
    for row in range(6):
        x = 0.5 * np.arange(1, 81)
        x = 40 - x if row % 2 else x
        line = feeds(
            np.column_stack((x, np.full(80, 0.2 * row))), 3000, np.round((np.arange(80) * 7 % 5 + 1) / 8, 3)
        )
        made += [line, feeds([[x[-1], 0.2 * (row + 1)]], 3000, 0)]
    return np.concatenate(made)


def chords(length=1.0, count=400):
    angle = np.arange(1, count + 1) * length / 20
    return feeds(np.column_stack((20 * np.cos(angle) - 20, 20 * np.sin(angle))), 2500)


def relief():
    x = 0.4 * np.arange(1, 500)
    return feeds(np.column_stack((x, 0 * x, 1.5 * np.sin(x / 4) + 0.3 * np.sin(2 * x))), 1500)


def arcs():
    made = [(ARC_CW if i % 2 else ARC_CCW, (4.0 * (i + 1), 0, 0), (2, 0), 1500, 0.5) for i in range(30)]
    return np.array([*made, (ARC_CCW, (120, 0, 3), (0, 8), 1500, 0.5)], MOVE)


def drilling():
    made = []
    for i in range(8):
        made += [
            (RAPID, (10 * i, 5 * (i % 3), 5), (0, 0), 0, 0.5),
            (FEED, (10 * i, 5 * (i % 3), -3), (0, 0), 200, 0.5),
            (DWELL, (10 * i, 5 * (i % 3), -3), (0.12, 0), 0, 0.5),
            (RAPID, (10 * i, 5 * (i % 3), 5), (0, 0), 0, 0.5),
        ]
    return np.array(made, MOVE)


def long_lines():
    return feeds([[200, 0], [200, 120], [0, 120], [0, 0], [150, 90]], 2800)


JOBS = {f.__name__: f for f in (raster, chords, relief, arcs, drilling, long_lines)}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("name", MACHINES)
def test_estimates_and_ways_agree_with_the_virtual_controller(name, job):
    """Times within half a percent, the traced way within a step of the laser."""
    machine, moves = MACHINES[name], JOBS[job]()
    if job == "raster" and not machine.laser_mode:
        moves["power"] = 0.5
    made, trace = run(moves, machine, cpu_model=True)
    guessed = estimate(moves, ORIGIN, replace(machine, cost=ControllerCost())).total_s
    assert guessed == pytest.approx(made, rel=0.005)
    assert deviation(trace.work_xyz_mm, moves, ORIGIN).max_mm < 0.0125


@pytest.mark.parametrize("job", ["fine chords", "fine raster"])
def test_starved_jobs_are_within_a_twentieth_and_warned_of(job):
    machine = replace(MACHINES["laser"], cost=ControllerCost())
    x = np.arange(1, 1500) * 0.1
    moves = (
        chords(0.1, 1500)
        if job == "fine chords"
        else feeds(x[:, None], 6000, np.arange(1499) % 2 * 0.5 + 0.2)
    )
    moves["feed"] = 6000
    made, _ = run(moves, machine, cpu_model=True)
    found = estimate(moves, ORIGIN, machine)
    assert found.total_s == pytest.approx(made, rel=0.05)
    assert "cannot keep up" in found.bites[-1]


def test_stop_ridden_jobs_are_within_a_twentieth_and_warned_of():
    machine = replace(MACHINES["router"], cost=ControllerCost())
    made, _ = run(raster(), machine, cpu_model=True)
    found = estimate(raster(), ORIGIN, machine)
    assert found.total_s == pytest.approx(made, rel=0.05)
    assert "full stops" in found.bites[0]
