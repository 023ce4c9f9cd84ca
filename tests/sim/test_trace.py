"""The oracle's arrays: read-only, true to the controller, small."""

import numpy as np
import pytest

from fabctl.sim.trace import Kind


def test_arrays_cannot_be_written(connect):
    host = connect()
    host.stream(["G0X1"])
    host.until("Idle")
    trace = host.port.trace
    for values in (trace.time_s, trace.xyz_mm, trace.power, trace.kind, trace.line, trace.work_xyz_mm):
        assert len(values) == len(trace)
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_position_agrees_with_what_the_controller_reports(connect):
    """At any moment of a run, within a step."""
    host = connect()
    host.stream(["G1X20Y10F1500", "G2X0Y0I-5J-8", "G0X5"])
    samples = []
    while True:
        state, fields = host.status()
        samples.append((host.port.clock_s(), [float(t) for t in fields["MPos"].split(",")]))
        if state == "Idle":
            break
        host.wait(0.017)
    times = np.array([t for t, _ in samples])
    # The report left the board when its first byte did: its length and a line's time before it came.
    told = np.array([p for _, p in samples])
    before, after = host.port.trace.position(times - 0.008), host.port.trace.position(times)
    low, high = np.minimum(before, after) - 0.01, np.maximum(before, after) + 0.01
    assert ((told >= low) & (told <= high)).all()


def test_kinds_and_lines_name_their_cause(connect):
    host = connect()
    host.stream(["G0X1", "G1X2F500", "G4P0.1"])
    host.stream(["$J=X3F500"])
    host.until("Idle")
    trace = host.port.trace
    assert {(Kind(k), n) for k, n in zip(trace.kind, trace.line, strict=True) if k != Kind.STAND} == {
        (Kind.RAPID, 1),
        (Kind.FEED, 2),
        (Kind.JOG, 4),
    }


def test_a_long_move_is_few_vertices(connect):
    """Cruising is one interval, however long: memory follows what changes."""
    host = connect({130: 5000})
    host.stream(["G1X4000F600"])
    host.until("Idle", within_s=1000)
    assert len(host.port.trace) < 40
    assert host.port.trace.end_s > 400


def test_work_coordinates_follow_the_offset(connect):
    host = connect()
    host.stream(["G0X10", "G92X0", "G0X5"])
    host.until("Idle")
    assert host.port.trace.xyz_mm[-1, 0] == pytest.approx(15)
    assert host.port.trace.work_xyz_mm[-1, 0] == pytest.approx(5)


def test_work_coordinates_are_true_for_a_machine_that_was_never_homed(connect):
    """The firmware counts from where it was switched on; the oracle knows where that is."""
    host = connect({21: 1, 130: 100, 131: 100, 132: 50}, start_mm=(-60.0, -40.0, -20.0))
    host.stream(["G0X5Y-5"])
    host.until("Idle")
    assert host.port.trace.xyz_mm[-1] == pytest.approx([-55, -45, -20])
    assert host.port.trace.work_xyz_mm[-1] == pytest.approx([5, -5, 0])


def test_power_changes_at_rest_are_vertices(connect):
    host = connect()
    host.stream(["M3S1000", "G4P0.5", "M5"])
    host.wait(0.5)
    trace = host.port.trace
    on = np.diff(trace.time_s)[trace.power[1:] == 1]
    assert on.sum() == pytest.approx(0.5, abs=0.01)


def test_events_are_noted(connect):
    host = connect({22: 1, 130: 20, 131: 20, 132: 20})
    host.stream(["$H"], quiet_s=100)
    host.stream(["G1X-15F100"])
    host.wait(0.5)
    host.port.write(b"\x18")
    host.wait(2.0)
    assert [(event.name, event.detail) for event in host.port.trace.events] == [
        ("homed", ""),
        ("alarm", "3"),
        ("reset", ""),
    ]
