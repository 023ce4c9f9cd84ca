"""The keys of a terminal: a pseudo-terminal at one end, a controller in real time at the other."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.serve import serve_pty

MACHINES = Path(__file__).resolve().parents[2] / "firmware_profiles" / "machines"
NAME = "router-3018"
PLYWOOD = "plywood-router-600x900"
RIGHT, UP, PAGE_UP = b"\x1b[C", b"\x1b[A", b"\x1b[5~"
REPEAT_S = 0.04
SOON_S = 20.0


class Operator:
    """Somebody at a terminal, with eyes on the machine."""

    def __init__(self, process, master, plant):
        self.process, self._master, self._plant = process, master, plant
        self.screen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                if select.select([self._master], [], [], 0.1)[0]:
                    self.screen += os.read(self._master, 4096)
                elif self.process.poll() is not None:
                    return
            except (OSError, ValueError):
                return

    def sees(self, word):
        until_s = time.monotonic() + SOON_S
        while word not in self.screen:
            assert time.monotonic() < until_s, self.screen.decode(errors="replace")[-2000:]
            time.sleep(0.02)

    def at(self):
        return self._plant.position_mm()

    def press(self, key):
        os.write(self._master, key)

    def hold(self, key, for_s, until=lambda: False):
        """Hold a key as a keyboard does: once, its delay, then again and again."""
        until_s = time.monotonic() + for_s
        self.press(key)
        time.sleep(0.5)
        while time.monotonic() < until_s and not until():
            self.press(key)
            time.sleep(REPEAT_S)

    def rests(self, quiet_s=0.6):
        """Wait until nothing has moved for a while, and return where it stands."""
        until_s, before, since_s = time.monotonic() + SOON_S, self.at(), time.monotonic()
        while time.monotonic() - since_s < quiet_s:
            assert time.monotonic() < until_s, "it never stands"
            time.sleep(0.01)
            if self.at() != before:
                before, since_s = self.at(), time.monotonic()
        return before

    def close_terminal(self):
        master, self._master = self._master, -1
        os.close(master)


@contextmanager
def operator_at(plant, *argv, environment=None):
    """Run the keys in a terminal of their own."""
    if sys.platform == "win32":
        pytest.skip("pseudo-terminals are a POSIX thing")
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fabctl", "machine", "jog", *argv],
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
        start_new_session=True,
    )
    os.close(slave)
    operator = Operator(process, master, plant)
    try:
        operator.sees(b"Idle")
        yield operator
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(SOON_S)
        process.stdout.close()
        if operator._master >= 0:
            os.close(master)


@pytest.fixture
def through_the_keeper(kept):
    """The keys of a machine that is kept, not homed."""
    plant = kept.served.controller.board.plant
    there = {"XDG_RUNTIME_DIR": str(kept.folder.parent.parent)}
    with operator_at(plant, NAME, "--keys", "--confirm", NAME, environment=there) as operator:
        yield operator
    with kept.line() as line:
        assert line.ask("status")["doing"] is None


@pytest.fixture
def on_a_port():
    """The keys of a machine on a port of their own, not homed."""
    if sys.platform == "win32":
        pytest.skip("pseudo-terminals are a POSIX thing")
    machine = load_machine(NAME)
    with serve_pty(machine.settings(), Options(homed=True, start_mm=(-150.0, -90.0, -20.0))) as served:
        plant = served.controller.board.plant
        with operator_at(plant, NAME, "--keys", "--confirm", NAME, "--port", served.url) as operator:
            yield operator


@pytest.fixture(params=["through_the_keeper", "on_a_port"])
def operator(request):
    """Both ways to a machine."""
    return request.getfixturevalue(request.param)


def test_a_tap_is_a_step_and_a_held_key_goes_on_until_it_is_let_go(operator):
    x, y, z = operator.at()
    operator.press(RIGHT)
    assert operator.rests() == pytest.approx((x + 0.1, y, z), abs=0.004)
    operator.press(b"+")
    operator.press(b"+")
    time.sleep(0.1)
    operator.press(PAGE_UP)
    assert operator.rests() == pytest.approx((x + 0.1, y, z + 1.0), abs=0.004)
    operator.hold(UP, 1.6)
    let_go = operator.at()
    end = operator.rests()
    # two presses before the repeats come are two steps of 1 mm; all beyond is the held key's
    assert end[1] - y > 4.0
    # 500 mm/min: 8.3 mm/s for 0.25 s, braking, and what a busy host adds
    assert end[1] - let_go[1] < 8.0
    assert (end[0], end[2]) == pytest.approx((x + 0.1, z + 1.0), abs=0.004)
    operator.press(b"q")
    assert operator.process.wait(SOON_S) == 0
    assert b"stands" in operator.process.stdout.read()


@pytest.mark.parametrize("key", [b"\x1b", pytest.param(b" ", marks=pytest.mark.campaign)])
def test_stop_ends_it_at_once_and_a_key_still_down_starts_nothing(through_the_keeper, key):
    operator = through_the_keeper
    operator.hold(UP, 1.0)
    before = operator.at()
    operator.press(key)
    for _ in range(40):
        time.sleep(REPEAT_S)
        operator.press(UP)
    # 1.6 s of a key still down would be 13 mm
    assert operator.rests()[1] - before[1] < 5.0
    operator.press(b"q")
    assert operator.process.wait(SOON_S) == 0


def test_a_terminal_that_is_closed_stops_the_machine(on_a_port):
    operator = on_a_port
    operator.hold(RIGHT, 1.0)
    before = operator.at()
    operator.close_terminal()
    assert operator.rests()[0] - before[0] < 8.0
    assert operator.process.wait(SOON_S) == 5


@pytest.mark.campaign
@pytest.mark.parametrize("number", ["SIGHUP", "SIGKILL"])
def test_a_process_that_dies_stops_the_machine(operator, number):
    operator.hold(RIGHT, 1.0)
    before = operator.at()
    operator.process.send_signal(getattr(signal, number))
    assert operator.rests()[0] - before[0] < 8.0
    assert operator.process.wait(SOON_S) == (5 if number == "SIGHUP" else -signal.SIGKILL)


@pytest.mark.campaign
def test_a_long_step_is_cancelled_when_nobody_is_there_any_more(through_the_keeper):
    operator = through_the_keeper
    operator.press(b"++++ss")
    time.sleep(0.2)
    x, _, _ = operator.at()
    operator.press(RIGHT)
    until_s = time.monotonic() + SOON_S
    while operator.at()[0] == x and time.monotonic() < until_s:
        time.sleep(0.01)
    operator.process.kill()
    assert 0 < operator.rests()[0] - x < 6.0


@pytest.mark.campaign
def test_a_machine_that_is_not_homed_goes_no_farther_than_a_hands_breadth_at_a_time(on_a_port):
    operator = on_a_port
    operator.press(b"fff")
    y = operator.at()[1]
    operator.hold(UP, 2.5)
    # two steps of 0.1 mm, then at most 10 mm in one go, however long the key is down
    assert operator.rests()[1] - y <= 10.3
    assert b"let go" in operator.screen


def test_the_travel_is_never_left(tmp_path):
    """A homed machine, its key held down well beyond the end."""
    if sys.platform == "win32":
        pytest.skip("pseudo-terminals are a POSIX thing")
    quick = replace(load_machine(PLYWOOD).limits, locate_mm_min=600.0, debounce_ms=20, pull_off_mm=1.0)
    machine = replace(load_machine(PLYWOOD), limits=quick)
    text = (MACHINES / f"{PLYWOOD}.toml").read_text()
    text = text.replace("locate_mm_min = 100", "locate_mm_min = 600\ndebounce_ms = 20")
    file = tmp_path / f"{PLYWOOD}.toml"
    file.write_text(text.replace("pull_off_mm = 3", "pull_off_mm = 1"))
    x, y, z = machine.homed_mm
    options = Options(start_mm=(x - 1, y - 1, z - 1), wiring=Wiring(switches=True))
    with serve_pty(machine.settings(), options) as served:
        plant = served.controller.board.plant
        arguments = (str(file), "--keys", "--confirm", PLYWOOD, "--port", served.url)
        with operator_at(plant, *arguments) as operator:
            assert operator.at() == pytest.approx((x, y, z), abs=0.02)
            operator.hold(b"\x1b[D", 1.0)
            assert operator.rests(0.4)[0] < x - 1
            operator.press(b"ff")
            operator.hold(RIGHT, 1.5)
            assert operator.rests(0.4)[0] == pytest.approx(x, abs=0.02)
            operator.press(b"q")
            assert operator.process.wait(SOON_S) == 0
    low, high = machine.envelope_mm
    way = served.controller.trace.xyz_mm
    assert (way >= [at - 0.01 for at in low]).all()
    assert (way <= [at + 0.01 for at in high]).all()
