"""Connecting to other firmwares: a peer that says what grblHAL and FluidNC say, byte for byte."""

from dataclasses import dataclass, field, replace

import pytest

from fabctl.errors import LinkError, RefusedError
from fabctl.shop.firmware import load_firmware
from fabctl.shop.machine import load_machine
from fabctl.sim.port import SimPort
from fabctl.stream.controller import connect
from fabctl.stream.replies import State
from fabctl.stream.turns import drive

ROUTER = load_machine("router-3018")


def described(name):
    """The small router with another controller in it."""
    return replace(ROUTER, firmware=load_firmware(name))


def dump(machine, **changed):
    """``$$`` of a controller that is as the machine wants it, with some settings changed or gone."""
    wanted = machine.firmware.settings.wanted(machine.settings())
    values = wanted | {int(n[1:]): v for n, v in changed.items()}
    return [f"${n}={v:g}" for n, v in sorted(values.items()) if v is not None]


@dataclass
class Peer:
    """A controller of few words: it answers lines from a table, each after a millisecond."""

    answers: dict[str, list[str]]
    banner: str
    status: str
    name: str = "peer"
    time_s: float = 0.0
    out: bytes = b""
    line: bytes = field(default=b"")

    def write(self, data):
        for byte in data:
            if byte == 0x18:
                self.out += f"\r\n{self.banner}\r\n".encode()
            elif byte == ord("?"):
                self.out += f"{self.status}\r\n".encode()
            elif byte == ord("\n"):
                said = self.answers.get(self.line.decode(), ["error:3"])
                self.out += "".join(f"{text}\r\n" for text in said).encode()
                self.line = b""
            else:
                self.line += bytes([byte])

    def read(self, timeout_s):
        out, self.out = self.out, b""
        self.time_s += 0.001 if out else max(timeout_s, 50e-6)
        return out

    def clock_s(self):
        return self.time_s

    def close(self):
        """Nothing to close."""


def hal(machine, offsets=("[G54:0.000,0.000,0.000:0.00]",), **changed):
    build = ["[VER:1.1f.20260817:]", "[OPT:VNMSL,100,1024,3,0]", "[AXS:3:XYZ]", "[FIRMWARE:grblHAL]", "ok"]
    answers = {
        "$I": build,
        "$$": [*dump(machine, **changed), "$300=grblHAL", "$395=N/A", "ok"],
        "$N": ["$N0=", "$N1=", "ok"],
        "$#": [*offsets, "[G92:0.000,0.000,0.000]", "[HOME:0.000,0.000,0.000:0]", "[TLO:0.000]", "ok"],
    }
    status = "<Idle|MPos:0.000,0.000,0.000|Bf:100,1023|FS:0,0|Ov:100,100,100|A:>"
    return Peer(answers, "GrblHAL 1.1f ['$' or '$HELP' for help]", status)


def fluid(machine, startup="", **changed):
    answers = {
        "$I": ["[VER:4.0 FluidNC v4.0.1 (esp32-noradio) :]", "[OPT:MPHS]", "[MSG:Machine: router]", "ok"],
        "$$": [*dump(machine, **changed), "ok"],
        "$/macros/startup_line0": [f"$/macros/startup_line0={startup}", "ok"],
        "$/macros/startup_line1": ["$/macros/startup_line1=", "ok"],
        "$#": ["[G54:0.000,0.000,0.000]", "[G92:0.000,0.000,0.000]", "[TLO:0.000,0.000,0.000]", "ok"],
    }
    status = "<Idle|MPos:0.000,0.000,0.000|FS:0,0>"
    return Peer(answers, "Grbl 4.0 [FluidNC v4.0.1 (esp32-noradio) '$' for help]", status)


def test_grblhal_is_met_with_its_own_ring_and_planner():
    machine = described("grblhal")
    peer = hal(machine)
    link, controller = drive(peer, connect(peer, machine))
    assert (controller.ring_bytes, controller.blocks) == (1024, 100)
    assert link.connection.window_bytes == 512
    assert controller.state is State.IDLE
    assert controller.offsets["G54"] == (0, 0, 0)


def test_fluidnc_which_names_no_ring_gets_half_of_the_usual():
    machine = described("fluidnc")
    peer = fluid(machine)
    link, controller = drive(peer, connect(peer, machine))
    assert (controller.ring_bytes, controller.blocks) == (256, 15)
    assert link.connection.window_bytes == 127


def test_a_switch_that_is_a_mask_on_grblhal_is_compared_bit_by_bit():
    machine = replace(described("grblhal"), limits=replace(ROUTER.limits, invert_switches=True, enabled=True))
    sound = hal(machine, s5=7, s22=0b100101)
    drive(sound, connect(sound, machine))
    one_axis = hal(machine, s5=1)
    with pytest.raises(RefusedError, match=r"\$5 is 1, the profile says 7"):
        drive(one_axis, connect(one_axis, machine))


def test_a_work_coordinate_system_that_is_rotated_is_refused():
    machine = described("grblhal")
    peer = hal(machine, offsets=("[G54:0.000,0.000,0.000:12.50]",))
    with pytest.raises(LinkError, match=r"never says.*12\.50"):
        drive(peer, connect(peer, machine))


def test_a_line_fluidnc_would_run_at_every_start_is_refused():
    machine = described("fluidnc")
    peer = fluid(machine, startup="M3S1000")
    with pytest.raises(RefusedError, match="M3S1000"):
        drive(peer, connect(peer, machine))


def test_a_controller_that_speaks_another_dialect_is_refused():
    """A profile of Grbl 1.1 does not pass a FluidNC off as one."""
    peer = fluid(described("fluidnc"))
    with pytest.raises(LinkError, match="does not speak"):
        drive(peer, connect(peer, described("grbl-1.1")))


@pytest.mark.parametrize("name", ["grblhal", "fluidnc"])
def test_the_virtual_controller_stands_in_for_a_machine_of_any_firmware(name):
    machine = described(name)
    port = SimPort(machine.settings())
    link, controller = drive(port, connect(port, machine))
    assert link.firmware.name == "grbl-1.1"
    assert (controller.ring_bytes, controller.version) == (128, "1.1h.20190825")
