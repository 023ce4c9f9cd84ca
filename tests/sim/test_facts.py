"""The measured facts about Grbl, replayed against the virtual controller and, marked real, against a board.

FABCTL_GRBL_PORT names the board's port (any pyserial URL). Cases that move do so by a few millimetres from
where the machine stands; cases that need other settings than the board's, or write its EEPROM, stay off it.
"""

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort

TABLE = tomllib.loads((Path(__file__).parent / "grbl_facts.toml").read_text(encoding="utf-8"))
CASES = TABLE["case"]
ROWS = [str(n) for n in range(1, 24)] + ["6a", "6b"]
AXES = {"x": 0, "y": 1, "z": 2}
MOVING = {110: 3000, 111: 3000, 112: 3000, 120: 200, 121: 200, 122: 200}
"""Settings of a brisk small machine, where a case names none."""


@dataclass
class Player:
    """Plays the steps of a case on a port."""

    port: object
    power: object = None
    buffer: bytes = b""
    lines: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)

    def listen(self, seconds):
        end = self.port.clock_s() + seconds
        while (left := end - self.port.clock_s()) > 0:
            self.buffer += self.port.read(left)
            *whole, self.buffer = self.buffer.split(b"\n")
            for line in (piece.decode("latin-1").strip() for piece in whole):
                (self.reports if line.startswith("<") else self.lines).append(line)

    def until(self, done, seconds):
        end = self.port.clock_s() + seconds
        while not done() and self.port.clock_s() < end:
            self.listen(0.01)
        return done()

    def check_step(self, step):
        self.lines.clear()
        began = self.port.clock_s()
        self.port.write(step.get("send", "").encode("latin-1"))
        self.listen(step.get("wait", 0))
        if "expect" in step:
            arrived = self.until(lambda: in_order(step["expect"], self.lines), step.get("within", 2.0))
            assert arrived, f"expected {step['expect']}, came {self.lines}"
        if "never" in step:
            assert not [line for line in self.lines if re.fullmatch(step["never"], line)]
        if "count" in step:
            pattern, least, most = step["count"]
            count = sum(bool(re.fullmatch(pattern, line)) for line in self.lines if line)
            assert least <= count <= most, f"{count} × {pattern}: {self.lines}"
        if "status" in step:
            self.check_status(step["status"], began)
        if "power" in step and self.power is not None:
            low, high = step["power"]
            assert low <= self.power() <= high

    def check_status(self, wanted, began):
        state = re.compile(wanted["state"])
        end = self.port.clock_s() + wanted.get("within", 5.0)
        report = ""
        while self.port.clock_s() < end:
            self.reports.clear()
            self.port.write(b"?")
            if not self.until(lambda: self.reports, 0.2):
                if wanted.get("silent"):
                    return
                continue
            report = self.reports[-1]
            fits = re.fullmatch(wanted.get("report", ".*"), report)
            if state.fullmatch(report[1:].split("|")[0]) and fits:
                break
        else:
            pytest.fail(f"state {wanted} never came; last {report}")
        if "after" in wanted:
            low, high = wanted["after"]
            assert low <= self.port.clock_s() - began <= high
        self.check_figures(wanted, report)

    def check_figures(self, wanted, report):
        fields = dict(part.split(":", 1) for part in report.strip("<>").split("|")[1:])
        position = [float(text) for text in fields["MPos"].split(",")]
        speeds = [float(text) for text in fields["FS"].split(",")]
        figures = {name: position[axis] for name, axis in AXES.items()} | dict(
            zip(("speed", "spindle"), speeds, strict=True)
        )
        for name in figures.keys() & wanted.keys():
            low, high = wanted[name]
            assert low <= figures[name] <= high, f"{name}: {report}"


def in_order(patterns, lines):
    """Return whether the patterns match lines in this order, others between them."""
    rest = iter(lines)
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in patterns)


def sim_port(case):
    options = dict(case.get("options", {}))
    wiring = {
        name: frozenset(value) if isinstance(value, list) else value
        for name in ("switches", "probe_z_mm", "probe_closed", "stuck_axes", "closed_axes")
        if (value := options.pop(name, None)) is not None
    }
    if "start_mm" in options:
        options["start_mm"] = tuple(options["start_mm"])
    settings = {int(n): v for n, v in case.get("settings", {}).items()}
    if not options.get("blank_eeprom"):
        settings = MOVING | settings
    return SimPort(settings, Options(wiring=Wiring(**wiring) if wiring else None, **options))


def name_of(case):
    return f"{case['row']}: {case['name']}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_virtual_controller_holds_every_fact(case):
    port = sim_port(case)
    outputs = port.controller.board.outputs
    player = Player(port, power=lambda: outputs.pwm / 255)
    if case.get("reset", True):
        player.listen(0.5)
    for step in case["steps"]:
        player.check_step(step)


def test_every_row_is_covered():
    """Each fact has a case, or a named test or reason why none can be."""
    elsewhere = {row["row"]: row for row in TABLE["elsewhere"]}
    assert {case["row"] for case in CASES} | elsewhere.keys() == set(ROWS)
    for row in elsewhere.values():
        if "test" in row:
            file, test = row["test"].split("::")
            assert f"def {test}(" in (Path(__file__).parent / file).read_text(encoding="utf-8")
        else:
            assert len(row["reason"]) > 20


def test_a_wrong_fact_is_noticed():
    """The player can fail: a row turned into its opposite does."""
    case = next(case for case in CASES if case["row"] == "10" and "no alarm" in case["name"])
    port = sim_port(case)
    player = Player(port)
    player.listen(0.5)
    player.check_step(case["steps"][0])
    with pytest.raises(AssertionError):
        player.check_step({"send": "\x18", "wait": 1.0, "never": "ALARM.*"})


class RealPort:
    """A board at the other end of a pyserial URL, with the port surface of the virtual one."""

    def __init__(self, url):
        import time

        import serial

        self.serial = serial.serial_for_url(url, baudrate=115200, timeout=0)
        self.clock_s = time.monotonic
        time.sleep(2.0)  # opening the port resets the board

    def write(self, data):
        self.serial.write(data)

    def read(self, timeout_s):
        self.serial.timeout = timeout_s
        return self.serial.read(1) + self.serial.read(self.serial.in_waiting)


def fit_for_a_board(case):
    return case.get("real", True) and not case.get("settings") and not case.get("options")


@pytest.fixture(scope="module")
def board():
    url = os.environ.get("FABCTL_GRBL_PORT")
    if not url:
        pytest.skip("FABCTL_GRBL_PORT names no controller")
    port = RealPort(url)
    yield port
    port.write(b"\x18")
    port.serial.close()


@pytest.mark.real
@pytest.mark.parametrize("case", [case for case in CASES if fit_for_a_board(case)], ids=name_of)
def test_a_real_controller_holds_every_fact(case, board):
    player = Player(board)
    board.write(b"\x18")
    player.listen(1.0)
    board.write(b"$X\n")
    player.listen(0.5)
    player.check_status({"state": "Idle"}, board.clock_s())
    offset = [float(t) for t in re.search(r"MPos:([^|]*)", player.reports[-1]).group(1).split(",")]
    for step in case["steps"]:
        player.check_step(shifted(step, offset))


def shifted(step, offset):
    """Return a step with its positions counted from where the board stands."""
    if "status" not in step:
        return step
    status = dict(step["status"])
    for name, axis in AXES.items():
        if name in status:
            status[name] = [figure + offset[axis] for figure in status[name]]
    return step | {"status": status}
