"""Job times against an ATmega328P with stock Grbl 1.1h, simulated instruction by instruction."""

import math

import pytest


def axes(settings, steps, rates, accelerations):
    columns = ((100, steps), (110, rates), (120, accelerations))
    return settings | {base + axis: value for base, row in columns for axis, value in enumerate(row)}


PROFILES = {
    "belt": axes({1: 255, 11: 0.02, 12: 0.002, 32: 0}, (40, 40, 200), (8000, 8000, 1500), (400, 400, 150)),
    "router3018": axes({1: 25, 11: 0.01, 12: 0.002, 32: 0}, (800,) * 3, (2000, 2000, 800), (30, 30, 20)),
    "laser": axes(
        {1: 255, 11: 0.01, 12: 0.002, 32: 1}, (80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100)
    ),
}


def drill():
    holes = [
        line
        for j in range(3)
        for i in range(3)
        for line in (f"G0 X{20 * i} Y{20 * j}", "G1 Z-3 F200", "G4 P0.22", "G0 Z5")
    ]
    return ["G21", "G90", "M3 S1000", "G0 Z5", *holes, "M5", "G0 X0 Y0"]


JOBS = {
    "square": ["G21", "G90", "G1 F1500", *(["G1 X100", "G1 Y100", "G1 X0", "G1 Y0"] * 2)],
    "circles": ["G21", "G90", "G17", "G1 F1200", "G2 X0 Y0 I20 J0", *(["G3 X0 Y0 I0 J5"] * 3)],
    "zigzag": ["G21", "G90", "G1 F3000", *(f"G1 X{0.5 * i:.1f} Y{0.5 * (i % 2):.1f}" for i in range(1, 401))],
    "poly": [
        "G21",
        "G90",
        "G1 F2400",
        *(
            f"G1 X{15 * math.cos(2 * math.pi * i / 471) - 15:.3f} Y{15 * math.sin(2 * math.pi * i / 471):.3f}"
            for i in range(1, 472)
        ),
    ],
    "drill": drill(),
}
GOLDEN_S = {
    "belt": (32.352, 11.080, 22.762, 2.500, 33.070),
    "router3018": (38.252, 13.161, 88.542, 7.272, 53.804),
    "laser": (32.134, 11.025, 14.005, 2.422, 32.927),
}
TIMES = [
    (profile, job, seconds)
    for profile, row in GOLDEN_S.items()
    for job, seconds in zip(JOBS, row, strict=True)
]


def job_time_s(host, job):
    answers = host.stream(JOBS[job])
    assert answers == ["ok"] * len(JOBS[job])
    host.port.close()
    first, last = host.port.trace.motion_span_s()
    return last - first


@pytest.mark.parametrize(("profile", "job", "golden_s"), TIMES)
def test_job_times_with_the_cpu_modelled(connect, profile, job, golden_s):
    """Within 0.1 %: the largest part is left by stops, where each costs a moment of computing."""
    host = connect(PROFILES[profile], cpu_model=True, latency_s=0.001)
    assert job_time_s(host, job) == pytest.approx(golden_s, rel=1e-3)


@pytest.mark.parametrize(("profile", "job", "golden_s"), TIMES)
def test_job_times_without_cpu_cost(connect, profile, job, golden_s):
    """Within 0.2 %, and within 0.02 % where nothing stops."""
    host = connect(PROFILES[profile])
    assert job_time_s(host, job) == pytest.approx(golden_s, rel=2e-3 if job == "drill" else 2e-4)


def test_the_planner_makes_555_blocks_of_the_circles(connect):
    """One vertex at least for every block of the arcs job."""
    host = connect(PROFILES["belt"])
    job_time_s(host, "circles")
    trace = host.port.trace
    assert trace.xyz_mm[-1] == pytest.approx([0, 0, 0], abs=1e-9)
    radii = trace.xyz_mm[trace.line == 5] - [20, 0, 0]
    off = abs((radii[:, 0] ** 2 + radii[:, 1] ** 2) ** 0.5 - 20)
    assert off.max() < 0.002 + 0.5 * 2**0.5 / 40


def test_streaming_rates_fall_as_on_the_real_board(connect):
    """Raster lines: some 376 a second by character counting, 62.5 by send-response at 16 ms."""
    lines = [f"X0.1S{100 + 7 * i % 150}" for i in range(600)]
    head = ["G21G91G1F6000", "M4S1"]
    counting = connect(PROFILES["laser"] | {120: 2000}, cpu_model=True, latency_s=0.001)
    counting.stream(head)
    began = counting.port.clock_s()
    counting.stream(lines)
    rate = len(lines) / (counting.port.clock_s() - began)
    assert rate == pytest.approx(376, rel=0.1)
    waiting = connect(PROFILES["laser"] | {120: 2000}, cpu_model=True, latency_s=0.016)
    waiting.stream(head)
    began = waiting.port.clock_s()
    for line in lines[:100]:
        waiting.ask(line)
    assert 100 / (waiting.port.clock_s() - began) == pytest.approx(62.5, rel=0.02)
