"""Laws of the virtual controller: time, motion, holds, overrides, what the wire can and cannot tell."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import LinkError, ProfileError
from fabctl.sim.controller import Controller, Options
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort
from fabctl.sim.realtime import State
from fabctl.sim.trace import Kind

FAST = {
    1: 255,
    110: 6000,
    111: 6000,
    112: 6000,
    120: 500,
    121: 500,
    122: 500,
    130: 2000,
    131: 2000,
    132: 2000,
}

coordinate = st.floats(-50, 50).map(lambda v: round(v, 3))
words = st.builds(
    lambda head, x, y, z, feed: f"{head}X{x}Y{y}Z{z}F{feed}",
    st.sampled_from(["G0", "G1"]), coordinate, coordinate, coordinate, st.integers(200, 8000),
)  # fmt: skip
programs = st.lists(words, min_size=1, max_size=40)


def run(lines, values=None, **options):
    """Stream a program through a port and return the port, run out and closed."""
    port = SimPort(FAST | (values or {}), Options(**options))
    port.read(1.0)
    coded = [(line + "\n").encode() for line in lines]
    heard, sent, flight = b"", 0, []
    while heard.count(b"\n") < len(coded):
        while sent < len(coded) and sum(flight) + len(coded[sent]) <= 127:
            port.write(coded[sent])
            flight.append(len(coded[sent]))
            sent += 1
        data = port.read(100)
        assert data, "stalled"
        heard += data
        del flight[: data.count(b"\n")]
    port.close()
    return port, heard


@settings(max_examples=25)
@given(programs)
def test_every_line_is_answered_once_and_the_ring_never_overflows(lines):
    port, heard = run(lines)
    assert heard == b"ok\r\n" * len(lines)
    receiver = port.controller.board.receiver
    assert receiver.dropped == 0
    assert receiver.most_in_ring <= 127


@settings(max_examples=25)
@given(programs, st.booleans())
def test_the_tool_ends_where_the_program_does(lines, cpu_model):
    port, _ = run(lines, cpu_model=cpu_model)
    end = [float(part) for part in lines[-1][3:].replace("Y", " ").replace("Z", " ").split("F")[0].split()]
    assert np.abs(port.trace.xyz_mm[-1] - end).max() <= 0.5 / 250 + 1e-9
    assert port.controller.state is State.IDLE


@settings(max_examples=15)
@given(programs)
def test_the_same_calls_give_the_same_bytes_and_the_same_path(lines):
    first, heard = run(lines, cpu_model=True, latency_s=0.001)
    second, again = run(lines, cpu_model=True, latency_s=0.001)
    assert heard == again
    assert np.array_equal(first.trace.time_s, second.trace.time_s)
    assert np.array_equal(first.trace.xyz_mm, second.trace.xyz_mm)


@settings(max_examples=25)
@given(programs)
def test_no_axis_is_faster_than_its_setting(lines):
    trace = run(lines)[0].trace
    spans = np.diff(trace.time_s)
    assert (spans > 0).all()
    # A short interval cannot be timed finer than the step it rounds to.
    speed = (np.abs(np.diff(trace.xyz_mm, axis=0)).max(axis=1) - 1 / 250) / spans
    assert speed.max(initial=0.0) <= 100.0 * 1.001


@settings(max_examples=25)
@given(programs)
def test_the_tool_stays_on_the_programmed_path(lines):
    """Every vertex lies within a step of the segment its line describes."""
    trace = run(lines)[0].trace
    ends = np.array(
        [
            [float(part) for part in line[3:].replace("Y", " ").replace("Z", " ").split("F")[0].split()]
            for line in lines
        ]
    )
    starts = np.vstack([np.zeros(3), ends[:-1]])
    moving = trace.moving()
    index = trace.line[moving] - 1
    a, b, p = starts[index], ends[index], trace.xyz_mm[moving]
    along = b - a
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    t = np.clip(((p - a) * along).sum(axis=1) / length, 0, 1)
    assert np.linalg.norm(p - a - t[:, None] * along, axis=1).max(initial=0.0) < 1.8 / 250


@settings(max_examples=20)
@given(st.integers(600, 6000), st.integers(50, 800), st.floats(0.8, 1.4))
def test_a_hold_stops_within_v_squared_over_2a_and_the_prepared_segments(feed, acceleration, at_s):
    port = SimPort(FAST | {120: acceleration}, Options())
    port.read(1.0)
    port.write(f"G1X1500F{feed}\n".encode())
    port.read(at_s)
    port.read(at_s)
    began = port.clock_s()
    port.write(b"!")
    while port.controller.state is not State.HOLD or not port.controller.board.rt.suspend:
        port.read(0.001)
    trace = port.trace
    v0, v1 = trace.position(np.array([began, began + 0.001]))[:, 0]
    speed = min(feed / 60, (v1 - v0) / 0.001 + 0.06 * acceleration)
    way = trace.xyz_mm[-1, 0] - v0
    assert way <= speed**2 / (2 * acceleration) + 0.06 * speed + 0.02
    port.write(b"~")
    port.close()
    assert port.trace.xyz_mm[-1, 0] == pytest.approx(1500)


@given(st.lists(st.integers(0, 255), max_size=400).map(bytes))
@settings(max_examples=60)
def test_no_bytes_whatever_break_the_controller(data):
    """Anything may come over the wire: the controller stays one that a reset brings back."""
    port = SimPort(FAST, Options())
    port.read(1.0)
    port.write(data)
    for _ in range(50):
        port.read(0.2)
    port.write(b"\x18")
    heard = b""
    for _ in range(20):
        heard += port.read(1.0)
    assert b"Grbl 1.1h" in heard
    assert port.controller.board.receiver.most_in_ring <= 128


def test_trapezoid_in_closed_form(connect):
    """100 mm at 50 mm/s and 500 mm/s²: 0.1 s up, 1.9 s along, 0.1 s down."""
    port, _ = run(["G1X100F3000"])
    first, last = port.trace.motion_span_s()
    assert last - first == pytest.approx(2.1, rel=1e-3)


def test_feed_override_changes_feed_and_not_rapids(connect):
    for line, expected in (("G1X100F3000", 100 / 75 + 0.15), ("G0X100", 1.2)):
        host = connect(FAST)
        # Two presses between two looks of the main program count once.
        for _ in range(5):
            host.port.write(b"\x91")
            host.wait(0.01)
        host.stream([line])
        host.until("Idle")
        first, last = host.port.trace.motion_span_s()
        assert last - first == pytest.approx(expected, rel=0.01)


def test_an_override_in_motion_takes_effect_within_the_prepared_segments(connect):
    host = connect(FAST)
    host.stream(["G1X200F3000"])
    host.wait(1.0)
    host.port.write(b"\x92")
    host.wait(0.3)
    _, fields = host.status()
    assert fields["FS"].startswith("2700,")
    host.until("Idle")
    assert host.port.trace.xyz_mm[-1, 0] == 200


def test_an_override_lifts_the_speed_through_junctions(connect):
    """Short blocks in line: twice the feed throughout, not only within each block."""
    host = connect(FAST)
    lines = [f"X{n}" for n in range(1, 101)]
    host.stream(["G1F3000", *lines[:14]])
    for _ in range(10):
        host.port.write(b"\x91")
        host.wait(0.001)
    host.stream(lines[14:])
    host.until("Idle")
    trace = host.port.trace
    at = np.interp([12, 14], trace.xyz_mm[:, 0], trace.time_s)
    assert 2 / (at[1] - at[0]) > 75


def test_rapid_override_halves_rapids(connect):
    host = connect(FAST)
    host.port.write(b"\x96")
    host.wait(0.05)
    host.stream(["G0X100"])
    host.until("Idle")
    first, last = host.port.trace.motion_span_s()
    assert last - first == pytest.approx(2.1, rel=0.01)


def test_spindle_override_scales_the_power(connect):
    host = connect(FAST)
    host.stream(["M3S500"])
    assert host.status()[1]["FS"] == "0,500"
    host.port.write(b"\x9b")
    host.wait(0.05)
    assert host.status()[1]["FS"] == "0,450"


def test_m4_power_follows_speed_in_laser_mode(connect):
    host = connect(FAST | {32: 1, 120: 100})
    host.stream(["M4S1000G1F3000X50"])
    host.until("Idle")
    trace = host.port.trace
    speed = np.linalg.norm(np.diff(trace.xyz_mm, axis=0), axis=1) / np.diff(trace.time_s)
    power = trace.power[1:]
    moving = trace.moving()[1:]
    assert np.abs(power[moving] - speed[moving] / 50)[1:-1].max() < 0.06
    assert power[moving].max() > 0.99
    assert host.port.controller.board.outputs.pwm == 0


def test_s_changes_do_not_stop_a_laser_but_stop_a_spindle(connect):
    lines = ["M3S100G1F3000", *(f"X{i}S{100 + i}" for i in range(1, 60))]
    times = {}
    for mode in (0, 1):
        port, _ = run(lines, {32: mode})
        first, last = port.trace.motion_span_s()
        times[mode] = last - first
    assert times[1] < 1.4
    assert times[0] > 3 * times[1]


def test_rapids_in_laser_mode_are_dark(connect):
    port, _ = run(["M3S1000", "G1X10F3000", "G0X20", "G1X30"], {32: 1})
    trace = port.trace
    assert trace.power[trace.kind == Kind.RAPID].max() == 0
    assert trace.power[trace.kind == Kind.FEED].min() == 1


@pytest.mark.parametrize(("asked", "steps"), [("0.01", 1), ("0.05", 1), ("0.22", 5), ("0.55", 11), ("1", 20)])
def test_dwells_are_whole_steps_of_50_ms(connect, asked, steps):
    host = connect()
    host.stream(["G4P0.05"])
    began = host.port.clock_s()
    host.stream([f"G4P{asked}"])
    assert host.port.clock_s() - began == pytest.approx(steps * 0.05, abs=0.002)


def test_check_mode_moves_nothing(connect):
    host = connect()
    host.ask("$C")
    assert host.stream(["G1X10F100", "M3S100", "G4P10", "G2X20I5", "G1X5Q"]) == ["ok"] * 4 + ["error:2"]
    host.wait(1.0)
    assert len(host.port.trace) == 1
    assert host.status()[0] == "Check"


def test_m0_waits_for_cycle_start(connect):
    host = connect()
    host.port.write(b"G0X1\nM0\nG0X2\n")
    host.wait(2.0)
    assert host.answers == ["ok"]
    assert host.status()[0] == "Hold:0"
    host.port.write(b"~")
    host.wait(2.0)
    assert host.answers == ["ok"] * 3
    assert host.port.trace.xyz_mm[-1, 0] == 2


def test_sleep_ends_with_a_reset_and_a_locked_machine(connect):
    host = connect()
    host.ask("M3S500")
    host.ask("$SLP")
    host.wait(0.5)
    assert "[MSG:Sleeping]" in host.others
    assert host.status() == ("Sleep", {"MPos": "0.000,0.000,0.000", "FS": "0,0", **_rest(host)})
    host.port.write(b"\x18")
    host.wait(0.5)
    assert host.status()[0] == "Alarm"


def _rest(host):
    """The rare fields of the last report, which come and go."""
    report = [line for line in host.others if line.startswith("<")][-1]
    parts = dict(part.split(":", 1) for part in report.strip("<>").split("|")[1:])
    return {name: text for name, text in parts.items() if name in {"WCO", "Ov", "A"}}


def test_homing_finds_the_corner_from_anywhere(connect):
    """True position and the firmware's agree afterwards, whichever ends the axes home to."""
    for mask in (0, 1, 3, 7):
        host = connect(
            {22: 1, 23: mask, 24: 300, 25: 2000, 130: 60, 131: 50, 132: 40}, start_mm=(-20, -30, -10)
        )
        assert host.stream(["$H"], quiet_s=120) == ["ok"]
        corner = [1.0 - travel if mask >> axis & 1 else -1.0 for axis, travel in enumerate((60, 50, 40))]
        assert host.port.trace.xyz_mm[-1] == pytest.approx(corner, abs=0.03)
        assert [float(t) for t in host.status()[1]["MPos"].split(",")] == pytest.approx(corner, abs=0.003)
        assert set(host.port.trace.kind.tolist()) == {Kind.STAND, Kind.HOMING}


def test_a_power_cut_forgets_nothing_stored(connect):
    host = connect()
    host.ask("$100=400")
    host.ask("G10L2P3X7")
    host.port.controller.power_cycle()
    host.wait(1.0)
    host.others.clear()
    host.ask("$#")
    assert "[G56:7.000,0.000,0.000]" in host.others
    host.ask("$$")
    assert "$100=400.000" in host.others


def test_power_cycle_forgets_the_position(connect):
    """Opening a port with DTR resets the board: it believes to be at zero, wherever it stands."""
    host = connect()
    host.stream(["G0X10Y10"])
    host.wait(0.1)
    host.port.controller.power_cycle()
    host.wait(1.0)
    _, fields = host.status()
    assert fields["MPos"] == "0.000,0.000,0.000"
    stopped = host.port.trace.xyz_mm[-1].copy()
    assert 0 < stopped[0] < 10
    host.stream(["G0X1"])
    host.until("Idle")
    assert host.port.trace.xyz_mm[-1] == pytest.approx([stopped[0] + 1, stopped[1], 0])


def test_a_flipped_bit_can_be_seen_from_outside(connect):
    """A status sample off the planned path, or an end that is not the program's, betrays a wrong byte."""
    lines = [f"G1X{20 * math.cos(t / 30):.3f}Y{20 * math.sin(t / 30):.3f}F2000" for t in range(190)]
    spoiled = list(lines)
    spoiled[100] = lines[100].replace("Y", "Z")
    host = connect({112: 3000, 122: 200})
    assert host.stream(spoiled) == ["ok"] * len(lines)
    host.until("Idle")
    path = host.port.trace.xyz_mm
    assert np.abs(path[:, 2]).max() > 1, "the oracle shows the fault"
    assert host.status()[1]["MPos"].split(",")[2] != "0.000", "and so does the last report"


def test_an_unplugged_job_runs_out_what_it_has(connect):
    """14 lines of 5 mm in flight: some 64 mm and 1.8 s more."""
    host = connect(FAST)
    lines = ["G91G1F2500", *["X5"] * 200]
    host.port.write("\n".join(lines[:40]).encode() + b"\n")
    host.wait(1.0)
    gone = host.port.clock_s()
    before = host.port.trace.position(gone)[0]
    host.port.controller.board.receiver._coming.clear()
    host.port.close()
    assert 40 < host.port.trace.xyz_mm[-1, 0] - before < 200


def test_the_eeprom_is_deaf_for_3_4_ms_a_changed_byte(connect):
    host = connect()
    host.ask("G10L2P1X1")
    began = host.port.clock_s()
    assert host.ask("G10L2P1X1") == "ok"
    unchanged = host.port.clock_s() - began
    began = host.port.clock_s()
    assert host.ask("G10L2P1X2.7182818") == "ok"
    assert host.port.clock_s() - began - unchanged == pytest.approx(5 * 0.0034, abs=0.0041)


def test_a_restore_by_send_response_takes_half_a_second(connect):
    """Some 60 settings written one by one."""
    host = connect()
    host.others.clear()
    host.ask("$$")
    listed = list(host.others)
    assert len(listed) == 34
    began = host.port.clock_s()
    for line in listed:
        number, value = line[1:].split("=")
        changed = float(value) + (1 if int(number) in {24, 25, 110, 111, 112, 130, 131, 132} else 0)
        assert host.ask(f"${number}={changed:g}") == "ok"
    assert 0.05 < host.port.clock_s() - began < 1.0


def test_two_writes_back_to_back_lose_bytes(connect):
    host = connect()
    lines = [f"G10L2P{1 + i % 6}X{i * 1.37:.3f}Y{i * 2.71:.3f}" for i in range(60)]
    answers = host.stream(lines, quiet_s=5)
    assert len(answers) < len(lines)
    assert host.port.controller.board.receiver.dropped > 0


def test_reports_in_inches(connect):
    host = connect({13: 1})
    host.stream(["G0X25.4"])
    host.until("Idle")
    assert host.status()[1]["MPos"].startswith("1.0000,0.0000")


def test_wpos_by_setting(connect):
    host = connect({10: 0})
    host.stream(["G10L2P1X2"])
    assert host.status()[1]["WPos"].startswith("-2.000,0.000")


def test_rare_fields_come_at_their_pace(connect):
    """Idle: WCO and Ov once in ten reports each."""
    host = connect()
    reports = [host.status()[1] for _ in range(40)]
    assert [n for n, r in enumerate(reports) if "WCO" in r] == [0, 10, 20, 30]
    assert [n for n, r in enumerate(reports) if "Ov" in r] == [1, 11, 21, 31]


def test_rare_fields_come_less_often_in_motion(connect):
    """Busy: WCO once in thirty, Ov once in twenty."""
    host = connect()
    host.stream(["G1X100F1000"])
    reports = [host.status()[1] for _ in range(70)]
    assert [n for n, r in enumerate(reports) if "WCO" in r] == [0, 30, 60]
    assert [n for n, r in enumerate(reports) if "Ov" in r] == [1, 21, 41, 61]


def test_a_reset_stops_the_coolant(connect):
    host = connect()
    host.ask("M8")
    assert host.port.controller.board.outputs.flood
    host.port.write(b"\x18")
    host.wait(0.3)
    assert not host.port.controller.board.outputs.flood


def test_the_chosen_work_system_is_shown(connect):
    host = connect()
    for number in range(54, 60):
        host.ask(f"G{number}")
        host.others.clear()
        host.ask("$G")
        assert host.others[0].startswith(f"[GC:G0 G{number} ")


def test_a_probe_records_its_contact_and_stops_behind_it(connect):
    host = connect(wiring=Wiring(probe_z_mm=-3.25))
    assert host.ask("G38.2Z-10F300", wait_s=10) == "ok"
    assert "[PRB:0.000,0.000,-3.252:1]" in host.others
    assert -3.25 - 0.06 - 0.3 < host.port.trace.xyz_mm[-1, 2] < -3.25
    host.ask("G10L20P1Z0")


def test_a_closed_port_says_so():
    port = SimPort()
    port.close()
    port.close()
    with pytest.raises(LinkError, match="closed"):
        port.read(0.1)
    with pytest.raises(LinkError, match="closed"):
        port.write(b"?")


def test_impossible_settings_are_refused():
    for bad in ({999: 1}, {100: -1}, {0: 1}, {20: 1}):
        with pytest.raises(ProfileError, match="refused"):
            Controller(bad)


def test_polling_alone_lets_time_pass():
    port = SimPort()
    heard = b""
    for _ in range(2000):
        heard += port.read(0)
    assert b"Grbl" in heard


def test_latency_comes_in_whole_intervals(connect):
    host = connect(latency_s=0.016)
    for _ in range(5):
        host.ask("G21")
        assert (host.port.clock_s() / 0.016) % 1 == pytest.approx(0, abs=1e-6) or (
            host.port.clock_s() / 0.016
        ) % 1 == pytest.approx(1, abs=1e-6)


def test_bytes_take_their_time_on_the_wire(connect):
    host = connect()
    began = host.port.clock_s()
    host.stream(["(" + "x" * 120 + ")"])
    assert host.port.clock_s() - began == pytest.approx((123 + 4) * 10 / 115200, rel=1e-6)
