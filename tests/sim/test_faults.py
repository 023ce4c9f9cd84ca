"""Faults as they are asked for, and what each does to the virtual controller."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError, LinkError
from fabctl.sim import mischief, spoil
from fabctl.sim.faults import KINDS, Count, faults_table
from fabctl.sim.port import SimPort
from fabctl.sim.url import parse_url, url_table

BRISK = {110: 3000, 111: 3000, 112: 3000, 120: 200, 121: 200, 122: 200, 1: 255}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "virtual-controller.md"
ASKED = {"seed": "7", "machine": "laser", "latency_ms": "16", "cpu": "1"}


def opened(faults="", settings=None, **more):
    query = "&".join(f"{key}={value}" for key, value in {"faults": faults, **more}.items())
    return SimPort.from_url(f"sim://?{query}", BRISK | (settings or {}))


def heard(port, seconds, ask=b""):
    """Let time pass, polling if asked to; return all that came."""
    data, end = b"", port.clock_s() + seconds
    while port.clock_s() < end:
        port.write(ask)
        data += port.read(0.05)
    return data


def test_the_page_shows_all_kinds_and_keys():
    page = PAGE.read_text(encoding="utf-8")
    assert faults_table() in page
    assert url_table() in page


def test_every_kind_has_its_doing_and_none_is_left_over():
    doings = {
        Count.SENT: set(spoil._ON_BYTES),
        Count.HEARD: {f"reply-{name}" for name in spoil._ON_BYTES},
        Count.ANSWERS: set(spoil._ON_ANSWERS),
        Count.SECONDS: set(mischief._AT_A_TIME),
        Count.ALWAYS: set(mischief._FROM_THE_START),
    }
    assert {count: {k.name for k in KINDS.values() if k.count is count} for count in Count} == doings
    assert len(KINDS) >= 30


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sim://?fault=byte-lost", 'did you mean "faults"'),
        ("sim://?faults=byte-last", 'did you mean "byte-lost"'),
        ("sim://?faults=ok-late:delay=1", 'did you mean "delay_s"'),
        ("sim://?faults=ok-late:delay_s=-1", "not within 0.001 … 600"),
        ("sim://?faults=byte-lost:at=nan", "not within"),
        ("sim://?faults=byte-lost:at=1:at=2", "at twice"),
        ("sim://?faults=latency:at=3", 'no parameter "at"'),
        ("sim://?seed=x", "seed=x"),
        ("sim://?seed=1&seed=2", "seed is there twice"),
        ("sim://laser", r"sim://\?machine=laser"),
        ("tty://?seed=1", "no sim:// URL"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_nearest_known(text, told):
    with pytest.raises(InputError, match=told):
        parse_url(text)


def test_a_url_says_machine_seed_and_wire():
    asked = parse_url("sim://?" + "&".join(f"{key}={value}" for key, value in ASKED.items()))
    assert (asked.machine, asked.seed) == ("laser", 7)
    assert (asked.options.latency_s, asked.options.cpu_model) == (0.016, True)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32))
def test_law_the_same_seed_is_the_same_run(name, seed):
    def run():
        port = opened(name, seed=seed)
        data = b""
        try:
            for k in range(12):
                port.write(b"G1X%dF3000\n?" % (k % 3))
                data += port.read(0.3)
        except LinkError:
            data += b"gone"
        return data, port.trace.xyz_mm.tolist()

    assert run() == run()


BANNER = b"\r\nGrbl 1.1h ['$' for help]\r\n"


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        ("byte-lost:at=1", b"error:2\r\nok\r\n"),
        ("newline-lost:at=0", b"ok\r\n"),
        ("line-lost:at=0", b"ok\r\n"),
        ("line-doubled:at=0", b"ok\r\nok\r\nok\r\n"),
        ("packet-lost:at=0:bytes=7", b"error:36\r\n"),
        ("reply-byte-lost:at=28", b"k\r\nok\r\n"),
        ("reply-newline-lost:at=28", b"okok\r\n"),
        ("ok-lost:at=1", b"ok\r\n"),
        ("ok-doubled:at=1", b"ok\r\nok\r\nok\r\n"),
        ("ok-error:at=2:code=9", b"ok\r\nerror:9\r\n"),
    ],
)
def test_what_a_fault_on_the_wire_does_to_two_lines(faults, answer):
    port = opened(faults)
    assert heard(port, 0.1) == BANNER
    port.write(b"G1F9\n")
    first = heard(port, 0.5)
    port.write(b"G4P0\n")
    assert first + heard(port, 0.5) == answer


def test_a_late_answer_is_not_overtaken_by_a_report():
    port = opened("ok-late:at=1:delay_s=2")
    port.read(0.1)
    port.write(b"G1X1F3000\n?")
    data = heard(port, 1.5)
    assert data == b""
    assert re.match(rb"ok\r\n<", heard(port, 1.0))


@pytest.mark.parametrize(
    ("faults", "banner", "forgets"),
    [
        ("reboot:at=1", True, True),
        ("reboot-silent:at=1", False, True),
        ("banner-lost:at=1", False, True),
        ("reset-button:at=1", True, False),
        ("false-banner:at=1", True, False),
    ],
)
def test_restarts_are_said_or_not_and_forget_the_position_or_not(faults, banner, forgets):
    port = opened(faults)
    port.write(b"G1X5F3000\n")
    port.read(0.9)
    data = heard(port, 2.0, b"?")
    assert (BANNER in data) == banner
    assert (b"Idle|MPos:0.000" in data) == forgets
    assert port.trace.position(3.0)[0] == 5.0


def test_a_power_cut_ends_motion_and_head_and_all_answers():
    port = opened("power-cut:at=0.5")
    port.write(b"M3S1000\nG1X50F1000\n")
    heard(port, 0.5)
    where = port.trace.xyz_mm[-1].copy()
    assert heard(port, 2.0, b"?") == b""
    assert port.controller.board.outputs.pwm == 0
    assert 0 < where[0] == pytest.approx(port.trace.xyz_mm[-1][0], abs=0.5)


def test_a_frozen_controller_runs_its_prepared_steps_out_and_leaves_the_head_on():
    port = opened("frozen:at=0.5")
    port.write(b"M3S1000\nG1X50F1000\n")
    heard(port, 3.0, b"?")
    assert 3 < port.trace.xyz_mm[-1][0] < 15
    assert port.controller.board.outputs.pwm == 255


def test_a_port_that_went_away_fails_and_its_controller_runs_on():
    port = opened("usb-renamed:at=0.5:after_s=1")
    port.write(b"G1X50F3000\n")
    with pytest.raises(LinkError, match="gone"):
        heard(port, 1.0)
    with pytest.raises(LinkError, match="gone"):
        port.write(b"!")
    again = port.found_again()
    assert again.name != port.name
    assert BANNER in heard(again, 0.5)
    assert again.trace.position(0.5)[0] < 25
    assert again.trace.xyz_mm[-1][0] == 50.0
    with pytest.raises(LinkError, match="closed"):
        port.read(0.1)


def test_a_port_that_is_gone_for_good_does_not_come_back():
    port = opened("usb-gone:at=0.1")
    with pytest.raises(LinkError, match="gone"):
        heard(port, 1.0)
    with pytest.raises(LinkError, match="come back"):
        port.found_again()


def test_a_stalled_host_and_a_jumping_clock():
    port = opened("host-stall:at=0.5:for_s=3,clock-jump:at=4:by_s=100")
    port.read(0.01)
    port.read(0.6)
    assert port.read(0.01) == b""
    assert 3.5 < port.clock_s() < 4.0
    port.read(0.5)
    assert 104 < port.clock_s() < 105


def test_a_ring_smaller_than_told_drops_bytes_in_silence():
    port = opened("ring-small:bytes=40")
    port.read(0.1)
    port.write(b"G4P0.5\n" + b"G1X1F100\n" * 8)
    data = heard(port, 8.0)
    assert port.controller.board.receiver.dropped > 0
    assert data.count(b"ok") < 9


def test_an_open_door_holds_until_it_is_shut():
    port = opened("door:at=0.5:for_s=3")
    port.write(b"G1X50F3000\n")
    assert b"<Door:1|" in heard(port, 2.0, b"?")
    assert b"<Door:0|" in heard(port, 3.0, b"?")
    port.write(b"~")
    heard(port, 2.0)
    assert port.trace.xyz_mm[-1][0] == 50.0


def test_hold_and_start_at_the_machine():
    port = opened("hold-button:at=0.3:for_s=2")
    port.write(b"G1X20F3000\n")
    assert b"<Hold:0|" in heard(port, 2.0, b"?")
    heard(port, 2.0)
    assert port.trace.xyz_mm[-1][0] == 20.0


def test_a_limit_switch_that_closes_alarms_at_once():
    port = opened("limit-closes:at=0.5", {21: 1, 22: 1})
    port.write(b"$X\nG1X50F3000\n")
    assert b"ALARM:1" in heard(port, 2.0)
    assert port.controller.board.plant.limits() & 1


def test_a_stuck_axis_and_lost_steps_are_seen_by_the_oracle_only():
    for faults, true_mm in [("axis-stuck:at=0", 0.0), ("steps-lost:at=0.05:steps=250", 4.0)]:
        port = opened(faults)
        port.write(b"G1X5F3000\n")
        assert b"Idle|MPos:5.000" in heard(port, 1.0, b"?")
        assert port.trace.xyz_mm[-1][0] == true_mm


def test_a_dead_head_has_no_power_whatever_is_reported():
    port = opened("spindle-dead")
    port.write(b"M3S1000\nG1X5F3000\n")
    assert b",1000|" in heard(port, 1.0, b"?")
    assert port.trace.power.max() == 0


def test_an_echo_brings_the_hosts_own_bytes_back():
    port = opened("echo:at=0.2:for_s=1")
    heard(port, 0.5)
    port.write(b"G1X5F3000\n")
    assert heard(port, 0.5) == b"G1X5F3000\nok\r\n"


def test_a_slow_controller_answers_late():
    times = []
    for faults in ("", "slow:at=0:times=50"):
        port = opened(faults)
        port.read(0.1)
        began = port.clock_s()
        port.write(b"G1X1F3000\n")
        port.read(2.0)
        times.append(port.clock_s() - began)
    assert times[1] > 10 * times[0]


def test_faults_come_again_when_asked_to():
    port = opened("byte-lost:at=50:every=50", seed=3)
    port.read(0.1)
    for k in range(100):
        port.write(b"G1X%dF3000\n" % (k % 7))
        port.read(0.2)
    assert port.controller.board.lines < 100
