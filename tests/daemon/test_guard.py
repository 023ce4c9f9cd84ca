"""The guard stops machines whose sender died, and leaves alone those whose sender ended in order."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fabctl.daemon.guard import Guard
from fabctl.sim.controller import Options
from fabctl.sim.serve import serve_pty

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are shared on POSIX only")

SENDER = """
import os, sys, time
from pathlib import Path
from fabctl.daemon.guard import Guard
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
guard = Guard(Path(sys.argv[2]))
guard.hold(port)
guard.beat()
os.write(port, b"M3S1000\\nG21G91G1X200F1000\\n")
print("moving", flush=True)
while True:
    guard.beat()
    time.sleep(0.02)
"""


@pytest.fixture
def machine():
    with serve_pty({110: 2000, 120: 100}, Options(homed=True)) as served:
        yield served


@pytest.fixture
def sender(machine, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SENDER, machine.url, str(tmp_path / "guard")], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"moving\n"
    time.sleep(0.7)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def log_of(tmp_path, limit_s=15):
    """Wait for what the guard wrote when it had acted."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if (tmp_path / "guard").is_file() and (text := (tmp_path / "guard").read_text()):
            return json.loads(text)
        time.sleep(0.05)
    return None


@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"])
def test_a_sender_that_dies_or_hangs_leaves_a_held_and_reset_machine(machine, sender, tmp_path, end):
    assert machine.controller.state.name == "CYCLE"
    sender.send_signal(getattr(signal, end))
    said = log_of(tmp_path)
    assert said["ends"] == ["stopped, position known"]
    machine.close()
    trace = machine.controller.trace
    assert machine.controller.board.outputs.pwm == 0
    assert 5 < trace.xyz_mm[-1][0] - trace.xyz_mm[0][0] < 150
    assert not any(event.name == "alarm" for event in trace.events)


def test_a_sender_that_beats_is_left_alone(machine, sender, tmp_path):
    time.sleep(1.0)
    assert machine.controller.state.name == "CYCLE"
    assert not (tmp_path / "guard").exists()


def test_a_sender_that_ends_in_order_is_no_reason_to_stop_anything(machine, tmp_path):
    port = os.open(machine.url, os.O_RDWR | os.O_NOCTTY)
    with Guard(tmp_path / "guard") as guard:
        guard.hold(port)
        guard.beat()
        os.write(port, b"G21G91G1X20F2000\n")
        time.sleep(0.3)
    time.sleep(0.3)
    os.close(port)
    machine.close()
    assert machine.controller.state.name in {"CYCLE", "IDLE"}
    assert not (tmp_path / "guard").exists()


def test_a_port_taken_back_is_not_stopped(machine, tmp_path):
    port = os.open(machine.url, os.O_RDWR | os.O_NOCTTY)
    other = os.open(os.devnull, os.O_RDWR)
    guard = Guard(tmp_path / "guard")
    guard.hold(other)
    guard.hold(port)
    guard.release(other)
    guard.release(port)
    time.sleep(0.8)
    guard.close()
    os.close(other)
    os.close(port)
    assert not (tmp_path / "guard").exists()
