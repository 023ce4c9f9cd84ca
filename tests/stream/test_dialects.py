"""Connecting to other firmwares: a peer that says what grblHAL and FluidNC say, byte for byte."""

from dataclasses import replace

import pytest

from fabctl.errors import LinkError, RefusedError
from fabctl.sim.port import SimPort
from fabctl.stream.controller import connect
from fabctl.stream.replies import State
from fabctl.stream.turns import drive
from tests.stream.peer import ROUTER, described, fluid, hal


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
