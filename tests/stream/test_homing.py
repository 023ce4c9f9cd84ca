"""Homing: the longest it can take, what a controller that dies in it looks like, and how that ends."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import ProfileError
from fabctl.shop.firmware import load_firmware
from fabctl.shop.machine import Homing, load_machine, machine_names
from fabctl.sim.controller import Options
from fabctl.sim.faults import parse_faults
from fabctl.sim.port import SimPort
from fabctl.stream.controller import connect
from fabctl.stream.homing import MARGIN, MARGIN_S, SEARCH_FACTOR, homing_limit_s
from fabctl.stream.manual import by_hand
from fabctl.stream.prepare import home_machine
from fabctl.stream.run import Hooks
from fabctl.stream.stops import Cause, EndState, Operator
from fabctl.stream.turns import drive

HOMING = [name for name in machine_names() if load_machine(name).homing]
PROFILES = Path(__file__).parents[2] / "firmware_profiles"
PLYWOOD = "plywood-router-600x900"
RIGHT_AFTER_S = 5.0
"""What a stop takes after its cause was seen: a reset, twice, and its banner."""


class Homed:
    """A machine that homes from so many travels away from its switches, and how that went."""

    def __init__(self, name, *, faults="", away=1.0, operator=None):
        self.machine = machine = load_machine(name)
        sides = zip(machine.travel_mm, machine.home, strict=True)
        # a switch at the low end is found from above
        start_mm = tuple(-away * mm if end == "max" else (away - 1) * mm for mm, end in sides)
        self.port = SimPort(
            machine.settings(), Options(start_mm=start_mm), faults=parse_faults(faults), seed=1
        )
        self.link, controller = drive(self.port, connect(self.port, machine))
        self.limit_s = homing_limit_s(self.link.firmware, machine, controller.settings)
        begun_s = self.port.controller.clock_s
        act = home_machine(self.link, machine, controller.settings, Hooks())
        self.ended = drive(self.port, by_hand(self.link, machine, act, operator))
        self.took_s = self.port.controller.clock_s - begun_s


@pytest.mark.parametrize("name", HOMING)
def test_homing_from_the_far_corner_ends_well_inside_its_limit(name):
    homed = Homed(name)
    assert homed.ended.end_state is EndState.DONE
    assert homed.link.homed
    assert homed.link.mpos_mm[:2] == pytest.approx(homed.machine.homed_mm[:2], abs=0.02)
    assert homed.took_s < 0.75 * homed.limit_s


@pytest.mark.parametrize("name", HOMING)
def test_switches_at_the_very_end_of_the_search_are_found_inside_the_limit(name):
    """What is too long for the travel and not yet for Grbl: the limit is never shorter than the truth."""
    homed = Homed(name, away=SEARCH_FACTOR - 0.01)
    assert homed.ended.end_state is EndState.DONE
    assert homed.took_s < (homed.limit_s - MARGIN_S) / MARGIN + 0.5


@pytest.mark.parametrize("name", HOMING)
@pytest.mark.parametrize("fault", ["frozen", "power-cut"])
def test_a_controller_that_falls_silent_in_homing_is_noticed_within_the_limit(name, fault):
    homed = Homed(name, faults=f"{fault}:at=4")
    ended = homed.ended
    assert (ended.end_state, ended.cause) == (EndState.UNKNOWN, Cause.SILENCE)
    assert not homed.link.homed
    assert homed.took_s < homed.limit_s + RIGHT_AFTER_S
    assert homed.limit_s < 95


@pytest.mark.parametrize("fault", ["reboot-silent", "banner-lost"])
def test_a_controller_that_answers_polls_again_is_not_waited_for(fault):
    """It restarted and did not say so: it would have said nothing, were it homing."""
    homed = Homed(PLYWOOD, faults=f"{fault}:at=4")
    assert (homed.ended.end_state, homed.ended.cause) == (EndState.UNKNOWN, Cause.RESTART)
    assert homed.took_s < 4 + 2 + RIGHT_AFTER_S


def test_a_lost_answer_to_homing_is_a_stall_as_soon_as_the_machine_is_idle():
    clean = Homed(PLYWOOD)
    # four are answers to what is asked at connecting
    homed = Homed(PLYWOOD, faults="ok-lost:at=5")
    assert (homed.ended.end_state, homed.ended.cause) == (EndState.UNKNOWN, Cause.STALL)
    assert homed.took_s < clean.took_s + 2 + RIGHT_AFTER_S


def test_a_switch_that_never_closes_is_the_controllers_own_alarm_before_the_limit():
    homed = Homed(PLYWOOD, faults="limit-stuck:axis=1")
    assert (homed.ended.end_state, homed.ended.cause) == (EndState.UNKNOWN, Cause.ALARM_LOST)
    assert homed.took_s < homed.limit_s


def test_the_operator_ends_homing_at_once():
    operator = Operator()
    operator.hold()
    homed = Homed(PLYWOOD, operator=operator)
    assert (homed.ended.end_state, homed.ended.cause) == (EndState.UNKNOWN, Cause.OPERATOR_RESET)
    assert homed.took_s < RIGHT_AFTER_S


_SLOW = {25: 800.0, 24: 40.0, 26: 500.0}


def test_the_controllers_own_rates_count_where_they_are_slower_than_the_profiles():
    machine = load_machine(PLYWOOD)
    ours = homing_limit_s(machine.firmware, machine, {})
    assert homing_limit_s(machine.firmware, machine, _SLOW) > 1.5 * ours
    # a digit lost on the wire does not make the wait too short
    assert homing_limit_s(machine.firmware, machine, {25: 9000.0, 24: 0.0}) == ours


def test_the_limit_is_grbls_own_sum():
    """Z up, then X and Y together: search, pull off, touch slowly, pull off, settling each time."""
    machine = load_machine(PLYWOOD)
    z = (120 + 3 + 3) / 25 + 3 * 25 / 100 + 15 / (100 / 60) + (100 / 60) / 100 + 4 * 0.25
    xy = (1350 + 3 + 3) / 25 + 3 * 25 / 250 + 15 / (100 / 60) + (100 / 60) / 250 + 4 * 0.25
    found = homing_limit_s(machine.firmware, machine, machine.settings())
    assert found == pytest.approx(MARGIN_S + MARGIN * (z + xy))


def test_cycles_a_controller_tells_or_nobody_knows_are_never_too_short():
    machine = load_machine(PLYWOOD)
    hal, grbl = load_firmware("grblhal"), load_firmware("grbl-1.1")
    told = machine.settings() | {43: 1, 44: 4, 45: 3, 46: 0}
    one_by_one = machine.settings() | {43: 1, 44: 4, 45: 1, 46: 2}
    known = homing_limit_s(hal, machine, told)
    assert (
        homing_limit_s(grbl, machine, machine.settings()) < known < homing_limit_s(hal, machine, one_by_one)
    )
    unknown = homing_limit_s(hal, machine, machine.settings())
    assert homing_limit_s(hal, machine, one_by_one) < unknown
    assert homing_limit_s(hal, machine, told | {43: 3}) > known


def test_a_cycle_of_something_else_than_axes_is_refused(tmp_path):
    text = (PROFILES / "firmware" / "grbl-1.1.toml").read_text(encoding="utf-8")
    odd = tmp_path / "odd.toml"
    odd.write_text(text.replace('homing_cycles = ["z"', 'homing_cycles = ["a"'), encoding="utf-8")
    with pytest.raises(ProfileError, match="homing_cycles"):
        load_firmware(str(odd))


@settings(max_examples=100)
@given(
    travel=st.tuples(*[st.floats(5, 60)] * 3),
    rate=st.tuples(*[st.floats(300, 6000)] * 3),
    acceleration=st.tuples(*[st.floats(5, 2000)] * 3),
    seek=st.floats(200, 5000),
    locate=st.floats(60, 600),
    debounce=st.integers(0, 600),
    pull=st.floats(0.3, 5),
    away=st.tuples(*[st.floats(0.05, 1.49)] * 3),
)
def test_law_no_homing_takes_longer_than_its_limit(
    travel, rate, acceleration, seek, locate, debounce, pull, away
):
    """Whatever the settings, wherever the switches: the virtual controller is done within the limit."""
    machine = replace(
        load_machine(PLYWOOD),
        travel_mm=travel,
        max_rate_mm_min=rate,
        acceleration_mm_s2=acceleration,
        limits=Homing(True, locate_mm_min=locate, seek_mm_min=seek, debounce_ms=debounce, pull_off_mm=pull),
    )
    start_mm = tuple(-share * mm for share, mm in zip(away, travel, strict=True))
    port = SimPort(machine.settings(), Options(start_mm=start_mm))
    while port.read(1.0):
        pass
    limit_s = homing_limit_s(machine.firmware, machine, {})
    port.write(b"$H\n")
    # the bound holds without its margin too, but for the last debounce's rounding
    heard = port.read((limit_s - MARGIN_S) / MARGIN + 0.1)
    assert heard in {b"ok\r\n", b"ALARM:8\r\n"}
