"""The whole table on one port: what conforms, what does not, and how the machine is left."""

import os

import numpy as np
import pytest

from fabctl.conform.identify import identify
from fabctl.conform.play import Player
from fabctl.conform.suite import Verdict, conform
from fabctl.errors import LinkError
from fabctl.shop.machine import load_machine
from fabctl.sim.board import Build
from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort
from fabctl.sim.serve import serve_pty, serve_socket
from fabctl.stream.port import open_port
from tests.stream.peer import described, fluid, hal

BRISK = {110: 3000, 111: 3000, 112: 3000, 120: 200, 121: 200, 122: 200}
ALL = ("motion", "outputs", "eeprom")


class Wire:
    """Takes bytes away or puts others in their place, either way."""

    def __init__(self, *, down=(), up=()):
        self.down, self.up = dict(down), dict(up)
        self.sent = b""

    def to_controller(self, data, now_s):
        self.sent += data
        return self._changed(data, self.down)

    def to_host(self, data, now_s):
        return self._changed(data, self.up)

    @staticmethod
    def _changed(data, changes):
        for old, new in changes.items():
            data = data.replace(old, new)
        return data


def differing(report):
    return {outcome.name for outcome in report.outcomes if outcome.verdict is Verdict.DIFFERS}


def test_a_grbl_conforms_and_nothing_of_it_is_touched():
    port = SimPort({110: 3000, 10: 3}, Options(homed=True))
    before = bytes(port.controller.board.settings.eeprom)
    report = conform(port)
    assert report.conforms
    assert report.firmware == report.identity.fits[0].name == "grbl-1.1"
    assert report.count(Verdict.HOLDS) >= 15
    assert len(np.unique(port.trace.xyz_mm, axis=0)) == 1
    assert not port.trace.power.any()
    assert bytes(port.controller.board.settings.eeprom) == before


def test_with_all_allowed_the_machine_stays_near_and_comes_back_and_keeps_what_it_kept():
    port = SimPort(BRISK | {10: 2, 30: 24000, 31: 3000}, Options(start_mm=(20, 30, -40)))
    player = Player(port, {})
    player.listen(0.5)
    for line in ("G10L2P1X1Y2Z3", "G10L2P2X-4.5", "$N1=G54"):
        player.ask(line)
    before = bytes(port.controller.board.settings.eeprom)
    report = conform(port, allowed=ALL)
    assert report.conforms
    assert report.count(Verdict.HOLDS) >= 34
    assert bytes(port.controller.board.settings.eeprom) == before
    way = port.trace.xyz_mm - (20, 30, -40)
    assert way.min() >= -0.51
    assert way.max() <= 7.01
    assert np.abs(way[-1]).max() < 0.01
    assert port.controller.board.outputs.pwm == 0
    assert any("home" in note for note in report.notes)


@pytest.mark.parametrize(
    ("wire", "build", "ring", "name"),
    [
        ({}, {}, 256, "overflow of the ring is silent"),
        ({"up": {b"OPT:V,15": b"OPT:V,31"}}, {}, 128, "the build info names ring and planner"),
        ({"up": {b"error:11": b"ok"}}, {}, 128, "80 characters do not"),
        ({"up": {b"error:2\r": b"ok\r"}}, {}, 128, "after an error the next line is taken as if nothing was"),
        ({"down": {b"\x91": b""}}, {}, 128, "feed overrides"),
        ({"down": {b"\x96": b"\x97"}}, {}, 128, "rapid overrides"),
        ({"down": {b"\x85": b""}}, {}, 128, "a jog is cancelled by 0x85"),
        ({"down": {b"!": b""}}, {}, 128, "hold and resume"),
        ({"down": {b"\xa0": b""}}, {}, 128, "flood is toggled by 0xA0"),
        ({}, {"mist": True}, 128, "mist is not built in"),
        ({"up": {b"ALARM:5\r\n": b""}}, {}, 128, "a failed probe is answered with an alarm, a result and ok"),
        (
            {"up": {b"[G92:0.000": b"[G92:5.000"}},
            {},
            128,
            "a soft reset forgets modes, G92 and the tool's length",
        ),
    ],
)
def test_a_controller_that_does_otherwise_is_found_out(wire, build, ring, name):
    port = SimPort(BRISK, Options(build=Build(**build)), tamper=Wire(**wire))
    port.controller.board.receiver.ring_bytes = ring
    report = conform(port, allowed=ALL)
    assert name in differing(report)
    assert not report.conforms


def test_what_differs_is_told_with_what_was_expected_and_what_came():
    port = SimPort(BRISK, tamper=Wire(up={b"error:11": b"error:36"}))
    outcome = next(o for o in conform(port).outcomes if o.verdict is Verdict.DIFFERS)
    assert "expected error:11" in outcome.detail
    assert "came error:36" in outcome.detail


@pytest.mark.parametrize(
    ("line", "state"), [(b"G21G91G1F100X50\n", "Run"), (b"$J=G21G91X50F100\n", "Jog"), (b"$H\n", "silent")]
)
def test_a_machine_at_work_is_left_alone(line, state):
    wire = Wire()
    port = SimPort(BRISK | {22: int(line == b"$H\n")}, tamper=wire)
    port.read(0.5)
    port.write(line)
    port.read(0.1)
    wire.sent = b""
    with pytest.raises(LinkError, match=r"at work|does not answer"):
        conform(port)
    assert set(wire.sent) <= {ord("?")}


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (Wire(down={b"\n": b""}), "answers no line"),
        (Wire(down={b"\x18": b""}), "no banner after a reset"),
        (Wire(up={bytes([byte]): b"" for byte in range(256)}), "does not answer"),
    ],
)
def test_a_controller_that_is_hard_of_hearing_is_not_said_to_differ(wire, said):
    port = SimPort(BRISK, tamper=wire)
    port.read(1.0)
    with pytest.raises(LinkError, match=said):
        conform(port)


def test_a_locked_machine_is_unlocked_for_the_test_and_that_is_told():
    report = conform(SimPort({22: 1}))
    assert report.identity.state == "Alarm"
    assert any("unlocked" in note for note in report.notes)
    assert differing(report) == set()


def test_what_cannot_be_put_back_is_named():
    port = SimPort(BRISK, tamper=Wire(down={b"$100=250": b"$100=777"}))
    report = conform(port, allowed=ALL, rows=["6"])
    assert any("not as it was found" in note and "$100=250.000" in note for note in report.notes)


def test_a_reset_ends_what_was_begun_when_it_is_broken_off():
    port = SimPort(BRISK)

    def stop(outcome):
        if outcome.name == "a jog is cancelled by 0x85":
            port.write(b"$X\nM3S1000\n")
            while not port.controller.board.outputs.pwm:
                port.read(0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conform(port, allowed=ALL, tell=stop)
    port.read(0.5)
    assert port.controller.board.outputs.pwm == 0


@pytest.mark.parametrize(("name", "peer"), [("grblhal", hal), ("fluidnc", fluid)])
def test_other_firmwares_are_known_by_what_they_say(name, peer):
    machine = described(name)
    identity = identify(Player(peer(machine), {}))
    assert identity.fits[0].name == name
    assert identity.fits[0].whole
    assert not identity.fits[1].whole
    wanted = machine.firmware.settings.wanted(machine.settings())
    assert {n: v for n, v in identity.stored.values.items() if n in wanted} == wanted


def test_a_controller_no_profile_understands_does_not_conform():
    port = SimPort(BRISK, tamper=Wire(up={b"[OPT:": b"[OPTIONS:"}))
    report = conform(port, rows=["3"])
    assert differing(report) == set()
    assert not report.conforms
    assert any("OPTIONS" in line for line in report.identity.fits[0].unknown)


def test_settings_that_are_not_the_machines_are_named():
    machine = load_machine("router-3018")
    report = conform(SimPort(machine.settings() | {110: 999}), machine=machine, rows=["3"])
    assert [difference.number for difference in report.differences] == [110]
    assert not report.conforms
    assert conform(SimPort(machine.settings()), machine=machine, rows=["3"]).conforms


SERVERS = [serve_socket, serve_pty] if os.name == "posix" else [serve_socket]


@pytest.mark.parametrize("serve", SERVERS)
def test_it_works_on_a_port_in_real_time(serve, tmp_path):
    with serve(BRISK) as served:
        port = open_port(served.url, lock_folder=tmp_path)
        report = conform(port, rows=["3", "4"])
        port.close()
    assert report.conforms
    assert report.count(Verdict.HOLDS) == 4
