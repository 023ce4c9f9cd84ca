"""The guard stops machines whose sender died, and leaves alone those whose sender ended in order."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from fabctl.daemon.guarding import Guard
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.serve import serve_pty

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are shared on POSIX only")

SENDER = """
import os, sys, time
from pathlib import Path
from fabctl.daemon.guarding import Guard
log, how, *urls = sys.argv[1:]
ports = [os.open(url, os.O_RDWR | os.O_NOCTTY) for url in urls]
guard = Guard(Path(log))
for number, port in enumerate(ports):
    guard.hold(port, f"machine {number}")
guard.beat()
for port in ports:
    os.write(port, b"$H\\n" if how == "homes" else b"M3S1000\\nG21G91G1X200F1000\\n")
began = time.monotonic()
said = None
with guard:
    while True:
        guard.beat()
        if said != (said := (guard.pid, guard.missing)):
            print(*said, flush=True)
        if how == "cannot":
            sys.executable = "/nowhere"
        if how == "raises" and time.monotonic() > began + 1:
            raise ValueError("a mistake")
        time.sleep(0.02)
"""


@pytest.fixture
def machine():
    with serve_pty({110: 2000, 120: 100}, Options(homed=True)) as served:
        yield served


@contextmanager
def sending(log, *urls, how="goes on"):
    """Send and beat in another process; yields it, and the number of its guard once that one is there."""
    process = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(log), how, *urls],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, guard_of(process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def guard_of(process) -> int:
    """Wait until a guard is there, and return its number."""
    for line in process.stdout:
        pid, _, missing = line.strip().partition(" ")
        if not missing:
            return int(pid)
    raise AssertionError("the sender ended")


@pytest.fixture
def sender(machine, tmp_path):
    with sending(tmp_path / "guard", machine.url) as (process, _):
        time.sleep(0.7)
        yield process


def log_of(folder, limit_s=15, name="guard"):
    """Wait for what the guard wrote when it had acted."""
    log = folder / name
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if log.is_file():
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            if acted := [line for line in lines if "ends" in line]:
                return acted[-1]
        time.sleep(0.05)
    return None


@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"])
def test_a_sender_that_dies_or_hangs_leaves_a_held_and_reset_machine(machine, sender, tmp_path, end):
    assert machine.controller.state.name == "CYCLE"
    sender.send_signal(getattr(signal, end))
    said = log_of(tmp_path)
    assert (said["machines"], said["ends"]) == (["machine 0"], ["stopped, position known"])
    machine.close()
    trace = machine.controller.trace
    assert machine.controller.board.outputs.pwm == 0
    assert 5 < trace.xyz_mm[-1][0] - trace.xyz_mm[0][0] < 150
    assert not any(event.name == "alarm" for event in trace.events)


def test_a_machine_that_homes_is_reset_where_it_is(tmp_path):
    """It answers no poll and knows no hold: nobody waits until its homing is over."""
    far = Options(start_mm=(0.0, 0.0, -150.0))
    with serve_pty({22: 1, 25: 600, 112: 600, 120: 100}, far) as machine:
        with sending(tmp_path / "guard", machine.url, how="homes") as (process, _):
            time.sleep(0.7)
            assert machine.controller.state.name == "HOMING"
            process.kill()
            said = log_of(tmp_path)
        assert said["ends"] == ["stopped, position unknown"]
        machine.close()
        trace = machine.controller.trace
        # 15 s of way up lay before it
        assert trace.motion_span_s()[1] - trace.motion_span_s()[0] < 6
        assert -150 < trace.xyz_mm[-1][2] < -60


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


@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"])
def test_a_guard_that_dies_or_hangs_is_replaced_and_the_next_one_stops_the_machine(machine, tmp_path, end):
    with sending(tmp_path / "guard", machine.url) as (process, guard):
        os.kill(guard, getattr(signal, end))
        assert "the guard process is gone" in process.stdout.readline()
        another = guard_of(process)
        assert another != guard
        assert machine.controller.state.name == "CYCLE"
        process.kill()
        assert log_of(tmp_path)["ends"] == ["stopped, position known"]
    machine.close()
    assert machine.controller.board.outputs.pwm == 0
    assert "gone" in (tmp_path / "guard").read_text().splitlines()[0]


def test_a_guard_that_cannot_be_started_again_is_said_to_be_missing(machine, tmp_path):
    with sending(tmp_path / "guard", machine.url, how="cannot") as (process, guard):
        time.sleep(2.0)
        os.kill(guard, signal.SIGKILL)
        said = [process.stdout.readline() for _ in range(1)]
        assert said[0].startswith("0 the guard process cannot be started")
        assert machine.controller.state.name == "CYCLE"


def test_a_sender_that_ends_by_a_mistake_leaves_its_guard_to_stop_the_machine(machine, tmp_path):
    """In order ends who has stopped the machine first; an error that nobody expected has not."""
    with sending(tmp_path / "guard", machine.url, how="raises") as (process, _):
        assert process.wait(20) == 1
        assert log_of(tmp_path, 0.1)["ends"] == ["stopped, position known"]
    machine.close()
    assert machine.controller.board.outputs.pwm == 0


def test_a_machine_that_does_not_answer_keeps_no_other_ones_head_on(machine, tmp_path):
    near, far = os.openpty()
    with sending(tmp_path / "guard", os.ttyname(far), machine.url) as (process, _):
        time.sleep(0.5)
        process.kill()
        until_s = time.monotonic() + 3
        while machine.controller.board.outputs.pwm and time.monotonic() < until_s:
            time.sleep(0.02)
        assert machine.controller.board.outputs.pwm == 0
        os.close(near)
        os.close(far)
        said = log_of(tmp_path)
        assert said["machines"] == ["machine 0", "machine 1"]
        assert said["ends"] == ["stopped, position unknown", "stopped, position known"]


def test_a_command_that_dies_in_the_middle_of_an_act_by_hand_leaves_a_machine_that_stands(tmp_path):
    machine = load_machine("router-3018")
    command = ["machine", "jog", machine.name, "x9", "--feed", "60", "--confirm", machine.name]
    environment = os.environ | {
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
    }
    with serve_pty(machine.settings(), Options()) as served:
        process = subprocess.Popen(
            [sys.executable, "-m", "fabctl", *command, "--port", served.url],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        until_s = time.monotonic() + 20
        while served.controller.state.name != "JOG" and time.monotonic() < until_s:
            time.sleep(0.02)
        process.kill()
        process.wait()
        until_s = time.monotonic() + 3
        while served.controller.state.name == "JOG" and time.monotonic() < until_s:
            time.sleep(0.02)
        assert served.controller.state.name == "IDLE"
        assert served.controller.trace.xyz_mm[-1][0] < 4
        said = log_of(tmp_path / "fabctl" / "runs", name="guard.jsonl")
    assert (said["machines"], said["ends"]) == ([machine.name], ["stopped, position known"])
