"""Seeded random sessions: lines, real-time bytes and power cuts in any order never break the controller."""

import random

import numpy as np
import pytest

from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort

LINES = """
G0X1|G1X5F500|G1Y-3F2000|G2X3Y3R4F300|G3X0Y0I2J2|G91|G90|G20|G21|G93|G94|G93G1X2F60|M3S500|M4S300|M5|S100|M8|M9
G4P0.1|G28|G30|G28.1|G92X1|G92.1|G10L20P1X0|G10L2P3X2|G54|G56|G43.1Z2|G49|G38.2Z-3F100|G38.3Z-1F100|G38.4Z1F50|M0
M2|M30|$$|$#|$G|$I|$N|$C|$X|$H|$HX|$J=G91X5F600|$J=X-2F300|$SLP|$N0=G21|$N0=|$32=1|$32=0|$20=1|$21=1|$22=1|$22=0
$21=0|$110=900|$1=255|$1=10|$RST=$|$13=1|(x!y)|G18|G19|G17|G80||G1X200F5000|G53G0X-5|foo|G1X
""".replace("\n", "|").split("|")
REALTIME = [bytes([b]) for b in (*b"?!~\x18\x84\x85", *range(0x90, 0xA2))]
WIRINGS = (
    None,
    Wiring(switches=True, probe_z_mm=-3.0),
    Wiring(probe_closed=True),
    Wiring(switches=True, stuck_axes=frozenset({0})),
    Wiring(switches=True, closed_axes=frozenset({2})),
)


def random_port(rng):
    homing, small = rng.randint(0, 1), {130: 60, 131: 60, 132: 40}
    settings = small | {24: 300, 25: 2000, 110: 3000, 111: 3000, 112: 2000, 120: 200, 121: 300, 122: 100}
    settings |= {
        1: rng.choice([25, 255]),
        10: rng.randint(0, 3),
        32: rng.randint(0, 1),
        21: rng.randint(0, 1),
    }
    settings |= {22: homing, 20: homing and rng.randint(0, 1)}
    options = Options(
        cpu_model=rng.random() < 0.5,
        homed=rng.random() < 0.5,
        latency_s=rng.choice([0, 0.001, 0.016]),
        wiring=rng.choice(WIRINGS),
    )
    return SimPort(settings, options)


def wait(port, seconds):
    heard, end = b"", port.clock_s() + seconds
    while port.clock_s() < end:
        heard += port.read(end - port.clock_s())
    return heard


def check_session(seed):
    """Play one random session; a reset at its end must always bring the banner."""
    rng = random.Random(seed)
    port = random_port(rng)
    for _ in range(rng.randint(10, 80)):
        kind = rng.random()
        if kind < 0.6:
            port.write((rng.choice(LINES) + "\n").encode())
        elif kind < 0.8:
            port.write(rng.choice(REALTIME))
        elif kind < 0.82:
            port.controller.power_cycle()
        port.read(rng.choice([0, 0.001, 0.01, 0.1, 1, 5]))
    wait(port, 3.0)
    heard = b""
    for _ in range(3):  # a reset that falls into an EEPROM write is not heard
        port.write(b"\x18")
        heard += wait(port, 1.0)
    assert b"Grbl 1.1h" in heard, seed
    assert (np.diff(port.trace.time_s) > 0).all(), seed
    assert port.controller.board.receiver.most_in_ring <= 128
    port.close()
    assert port.controller.board.outputs.pwm == 0 or port.controller.board.gc.modal.spindle != 5


def test_random_sessions_never_break_the_controller():
    for seed in range(100):
        check_session(seed)


@pytest.mark.campaign
def test_many_random_sessions_never_break_the_controller():
    for seed in range(1000, 5000):
        check_session(seed)
