"""What an operator does by hand: jog, touch off, probe, frame, survey, unlock, override."""

import contextlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabctl.errors import RefusedError, StoppedKnownError, StoppedUnknownError
from fabctl.shop.machine import load_machine
from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.protocol import hard_limit
from fabctl.stream.controller import connect, read_offsets
from fabctl.stream.frame import Box, trace_box
from fabctl.stream.jog import HEARTBEAT_S, DeadMan, jog_along, jog_step, pace_of
from fabctl.stream.manual import by_hand
from fabctl.stream.override import Overrides, override_bytes, read_overrides, set_overrides
from fabctl.stream.prepare import home_machine
from fabctl.stream.probe import Feeler, measure_tool, touch, touch_plate
from fabctl.stream.reach import UNHOMED_MM, reach_mm
from fabctl.stream.replies import State
from fabctl.stream.rules import Realtime
from fabctl.stream.stops import Cause, EndState, Operator
from fabctl.stream.survey import Grid, survey
from fabctl.stream.touch import touch_off
from fabctl.stream.turns import drive
from fabctl.stream.unlock import Stand, unlock

PLYWOOD = "plywood-router-600x900"


class Hand:
    """One machine and an operator who stands before it."""

    def __init__(self, bench, name="router-3018", *, wiring=None, wire=None, start_mm=None):
        switched = load_machine(name).homing
        wiring = wiring or Wiring()
        wiring.switches = switched
        start_mm = start_mm or ((-200.0, -150.0, -9.0) if switched else (0.0, 0.0, 0.0))
        options = Options(homed=True, start_mm=start_mm, wiring=wiring)
        self.it = bench(name, options=options, wire=wire)
        self.machine, self.port, self.wiring = (
            self.it.machine,
            self.it.port,
            self.it.port.controller.board.plant.wiring,
        )
        self.operator = Operator()

        async def meet():
            link, controller = await connect(self.port, self.machine)
            if switched:
                await home_machine(link, self.machine, controller.settings, self.it.hooks())
            return link

        self.link = drive(self.port, meet())

    def do(self, act, *args, **more):
        return drive(
            self.port,
            by_hand(self.link, self.machine, act(self.link, self.machine, *args, **more), self.operator),
        )

    def stood(self):
        return self.port.trace.xyz_mm[-1]

    def still(self):
        """How far the tool goes in the next three seconds."""
        before = self.stood().copy()
        for _ in range(12):
            self.port.read(0.25)
        return math.dist(before, self.stood())


@pytest.fixture
def hand(bench):
    return lambda *args, **more: Hand(bench, *args, **more)


def key_for(hand, seconds):
    """A key that is held for some time, renewed as a keyboard would."""
    key = DeadMan(hand.port.clock_s)
    until_s = hand.port.clock_s() + seconds

    def renewing(data, now_s):
        if now_s < until_s:
            key.renew()
        return data

    hand.it.wire.down = renewing
    key.renew()
    return key, until_s


def test_a_step_goes_where_it_was_asked_and_is_verified(hand):
    me = hand()
    ended = me.do(jog_step, (3.0, -2.5, 1.0), 600)
    assert ended.end_state is EndState.DONE
    assert ended.error() is None
    assert ended.value.way_mm == pytest.approx((3, -2.5, 1), abs=0.003)
    assert me.stood() == pytest.approx((3, -2.5, 1), abs=0.003)


@pytest.mark.parametrize("said", [True, False])
def test_a_step_ends_where_it_is_when_nobody_is_there_any_more(hand, said):
    """Let go by a word, or by the silence of whoever asked: cancelled, position known, no stop."""
    me = hand()
    key, until_s = key_for(me, 0.5)
    if said:

        def let_go(data, now_s):
            if now_s >= until_s:
                key.let_go()
            key.renew()
            return data

        me.it.wire.down = let_go
    ended = me.do(jog_step, (9.0, 0.0, 0.0), 300, key)
    assert ended.end_state is EndState.DONE
    assert 1.0 < ended.value.way_mm[0] < 5.0
    assert ended.value.way_mm[0] == pytest.approx(me.stood()[0], abs=0.003)
    assert me.still() == 0
    assert b"\x18" not in me.it.wire.sent.partition(b"$J=")[2]


def test_a_step_whose_key_is_renewed_is_made_whole(hand):
    me = hand()
    key, _ = key_for(me, 60)
    assert me.do(jog_step, (9.0, 0.0, 0.0), 300, key).value.way_mm[0] == pytest.approx(9, abs=0.003)


def test_a_jog_changes_no_mode_and_asks_no_axis_for_more_than_it_can(hand):
    me = hand()
    me.do(jog_step, (0.0, 5.0, 5.0), 99999)
    sent = me.it.wire.sent
    assert b"G90" not in sent
    pace = pace_of(me.machine, (0, 1, 1), 99999)
    assert pace.feed_mm_min == pytest.approx(800 * math.sqrt(2))
    assert f"F{pace.feed_mm_min:.1f}".encode() in sent


def test_a_machine_that_is_not_homed_goes_a_hands_breadth_and_says_so(hand):
    me = hand()
    with pytest.raises(RefusedError, match="not homed"):
        me.do(jog_step, (10.5, 0.0, 0.0))
    assert me.still() == 0
    key, _ = key_for(me, 5)
    ended = me.do(jog_along, (1, 0, 0), key)
    assert ended.value.at_end
    assert me.stood()[0] == pytest.approx(UNHOMED_MM, abs=0.01)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_no_jog_leaves_the_travel(bench, seed):
    """Law: whatever is asked for, step or held key, every point of the true path lies in the travel."""
    rng = np.random.default_rng(seed)
    me = Hand(bench, PLYWOOD)
    begun = me.port.clock_s()
    low, high = reach_mm(me.machine)
    for _ in range(6):
        direction = tuple(rng.choice([-1.0, 0.0, 0.3, 1.0], 3).tolist())
        if not any(direction):
            continue
        if rng.random() < 0.6:
            key, _ = key_for(me, float(rng.uniform(0.1, 12)))
            assert me.do(jog_along, direction, key, float(rng.uniform(500, 9000))).end_state is EndState.DONE
        else:
            way = tuple(float(part * rng.uniform(1, 900)) for part in direction)
            with contextlib.suppress(RefusedError):
                assert me.do(jog_step, way).end_state is EndState.DONE
    path = me.port.trace.xyz_mm[me.port.trace.time_s >= begun]
    assert np.all(path >= np.array(low) - 0.02)
    assert np.all(path <= np.array(high) + 0.02)


@pytest.mark.parametrize(("name", "feed"), [("router-3018", 2000), (PLYWOOD, 6000), (PLYWOOD, 600)])
def test_a_key_let_go_stops_within_braking_and_a_segment(hand, name, feed):
    me = hand(name, start_mm=None)
    if name == "router-3018":
        me.link.homed = True  # room enough to reach the feed
    direction = (-1.0, 0.0, 0.0)
    key, until_s = key_for(me, 2.5)
    ended = me.do(jog_along, direction, key, feed)
    assert ended.end_state is EndState.DONE
    pace = pace_of(me.machine, direction, feed)
    # the last renewal lasts a heartbeat; then a poll, the wire, and the firmware's own prepared segments
    noticed_s = until_s + HEARTBEAT_S + 0.1
    at = me.port.trace.position(np.array([noticed_s]))[0]
    assert math.dist(at, me.stood()) <= pace.braking_mm + pace.segment_mm + 0.05 * feed / 60
    assert me.still() == 0
    way = abs(ended.value.way_mm[0])
    assert way == pytest.approx(
        abs(me.stood()[0] - me.port.trace.position(np.array([until_s - 2.5]))[0][0]), abs=0.02
    )
    assert way > 0.6 * 2.5 * feed / 60 - pace.braking_mm


def test_a_held_key_keeps_the_feed(hand):
    """The segments join: after speeding up the feed never drops before the key is let go."""
    me = hand(PLYWOOD)
    key, until_s = key_for(me, 4)
    me.do(jog_along, (-1.0, -0.2, 0.0), key, 4000)
    times = np.linspace(until_s - 3, until_s, 200)
    at = me.port.trace.position(times)
    speed = np.linalg.norm(np.diff(at, axis=0), axis=1) / np.diff(times) * 60
    assert speed.min() > 3800


def test_a_host_that_dies_while_a_key_is_held_leaves_little_on_the_way(hand):
    """What the controller still holds is braking distance and two segments, not the whole travel."""
    me = hand(PLYWOOD)
    key = DeadMan(me.port.clock_s, 1e9)
    key.renew()
    work = by_hand(me.link, me.machine, jog_along(me.link, me.machine, (-1.0, 0.0, 0.0), key, 6000))
    wait_s, end_s = work.send(None), me.port.clock_s() + 3
    while me.port.clock_s() < end_s:
        wait_s = work.send(me.port.read(wait_s))
    at = me.port.trace.position(np.array([end_s]))[0]
    work.close()
    assert me.still() > 0
    pace = pace_of(me.machine, (-1.0, 0.0, 0.0), 6000)
    latency_mm = 0.2 * 6000 / 60
    assert math.dist(at, me.stood()) <= pace.braking_mm + 2 * pace.segment_mm + latency_mm


def test_a_limit_switch_during_a_jog_is_an_alarm_with_position_unknown(hand):
    me = hand(PLYWOOD)
    key, until_s = key_for(me, 30)
    renewing, broken = me.it.wire.down, []

    def break_wire(data, now_s):
        if now_s > until_s - 29 and not broken:
            broken.append(now_s)
            hard_limit(me.port.controller.board)
        return renewing(data, now_s)

    me.it.wire.down = break_wire
    ended = me.do(jog_along, (-1.0, 0.0, 0.0), key)
    assert (ended.end_state, ended.cause) == (EndState.UNKNOWN, Cause.ALARM_LOST), ended.reason
    assert isinstance(ended.error(), StoppedUnknownError)
    assert not me.link.homed
    assert me.still() == 0


def lose(what, after=1):
    """Lose the n-th occurrence of a text on its way to the host."""
    seen = [0]

    def up(data, now_s):
        if what in data:
            seen[0] += 1
            if seen[0] == after:
                return data.replace(what, b"", 1)
        return data

    return up


@pytest.mark.parametrize("act", ["step", "along", "touch", "frame"])
def test_a_lost_ok_ends_every_act_by_name_and_position_known(hand, act):
    me = hand(wiring=Wiring(probe_z_mm=-4.0))
    me.it.wire.up = lose(b"ok\r\n", 2 if act in ("along", "touch") else 1)
    calls = {
        "step": (jog_step, (2.0, 0.0, 0.0)),
        "along": (jog_along, (1.0, 0.0, 0.0), DeadMan(me.port.clock_s, 1e9)),
        "touch": (touch, "Z", -1, Feeler(depth_mm=8)),
        "frame": (trace_box, Box((0, 0), (5, 5), 2.0)),
    }
    if act == "along":
        calls[act][2].renew()
    ended = me.do(*calls[act])
    assert ended.cause is Cause.STALL
    assert ended.end_state is EndState.KNOWN
    assert isinstance(ended.error(), StoppedKnownError)
    assert me.still() == 0


def test_a_lost_jog_cancel_is_sent_again(hand):
    me = hand(PLYWOOD)
    key, _ = key_for(me, 1.0)
    renewing, lost = me.it.wire.down, []

    def down(data, now_s):
        if b"\x85" in data and not lost:
            lost.append(now_s)
            return renewing(data.replace(b"\x85", b""), now_s)
        return renewing(data, now_s)

    me.it.wire.down = down
    assert me.do(jog_along, (-1.0, 0.0, 0.0), key, 3000).end_state is EndState.DONE
    assert lost
    assert me.still() == 0


@pytest.mark.parametrize("act", ["step", "along", "probe", "frame"])
def test_a_digit_changed_on_the_wire_stops_the_machine_on_its_wrong_way(hand, act):
    """Grbl has no checksum: X3.000 that became X83.000 is obeyed, and noticed by where the machine is."""
    me = hand(wiring=Wiring(probe_z_mm=-40.0))
    changes = {
        "step": (b"X3.000", b"X83.000"),
        "along": (b"X3.333", b"X83.333"),
        "probe": (b"Z-8.000", b"Z-38.000"),
        "frame": (b"G1X5.000", b"G1X65.000"),
    }
    me.it.wire.down = lambda data, now_s: data.replace(*changes[act])
    key = DeadMan(me.port.clock_s, 1e9)
    key.renew()
    calls = {
        "step": (jog_step, (3.0, 0.0, 0.0)),
        "along": (jog_along, (1.0, 0.0, 0.0), key),
        "probe": (touch, "Z", -1, Feeler(depth_mm=8, fast_mm_min=800)),
        "frame": (trace_box, Box((0, 0), (5, 5), 2.0)),
    }
    ended = me.do(*calls[act])
    assert ended.cause is Cause.OFF_PATH
    assert ended.end_state is EndState.KNOWN
    farthest = {"step": 30, "along": 36, "probe": 14, "frame": 30}[act]
    assert np.abs(me.port.trace.xyz_mm).max() < farthest
    assert me.still() == 0


def test_any_request_of_the_operator_ends_an_act(hand):
    me = hand(PLYWOOD)
    key, until_s = key_for(me, 20)
    renewing = me.it.wire.down

    def down(data, now_s):
        if now_s > until_s - 18:
            me.operator.hold()
        return renewing(data, now_s)

    me.it.wire.down = down
    ended = me.do(jog_along, (-1.0, 0.0, 0.0), key)
    assert (ended.cause, ended.end_state) == (Cause.OPERATOR_ABORT, EndState.KNOWN)
    assert me.still() == 0


@pytest.mark.parametrize("system", ["G54", "G57"])
@pytest.mark.parametrize("here", [{"X": 5.0}, {"X": -1.5, "Y": 0.0, "Z": 12.345}, {"Z": 0.0}])
def test_a_zero_goes_into_its_own_system_and_nowhere_else(hand, system, here):
    me = hand()
    me.do(jog_step, (4.0, 3.0, -2.0))
    ended = me.do(touch_off, here, system, me.it.hooks())
    assert ended.end_state is EndState.DONE
    offsets = drive(me.port, read_offsets(me.link))
    for name in ("G54", "G55", "G56", "G57", "G58", "G59"):
        wanted = [
            at - here[axis] if axis in here and name == system else 0
            for axis, at in zip("XYZ", (4, 3, -2), strict=True)
        ]
        assert offsets[name] == pytest.approx(tuple(wanted), abs=0.003)
    assert b"G92" not in me.it.wire.sent
    assert "zeroed" in me.it.kinds


def test_a_zero_that_does_not_take_is_refused(hand):
    me = hand()
    me.it.wire.down = lambda data, now_s: data.replace(b"X5.000", b"X6.000")
    with pytest.raises(RefusedError, match="did not take"):
        me.do(touch_off, {"X": 5.0}, "G54", me.it.hooks())


@pytest.mark.parametrize(
    ("here", "system"), [({}, "G54"), ({"A": 1}, "G54"), ({"X": 1}, "G60"), ({"X": math.nan}, "G54")]
)
def test_a_zero_of_nothing_or_nowhere_is_refused(hand, here, system):
    me = hand()
    with pytest.raises(RefusedError):
        me.do(touch_off, here, system, me.it.hooks())
    assert b"G10" not in me.it.wire.sent


def test_a_plate_sets_zero_to_the_stock_below_it(hand):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))
    ended = me.do(touch_plate, 1.5, Feeler(depth_mm=12), hooks=me.it.hooks())
    assert ended.end_state is EndState.DONE
    assert ended.value.touched.spread_mm <= 0.05
    # the stock's top is a plate's thickness below the touch
    assert ended.value.zeroed.offset_mm[2] == pytest.approx(-7.5, abs=0.01)
    assert me.link.work_mm[2] == pytest.approx(me.stood()[2] + 7.5, abs=0.01)
    assert [kind for kind in me.it.kinds if kind in {"probed", "zeroed"}] == ["probed", "zeroed"]


def test_the_slow_touch_counts(hand):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))
    ended = me.do(touch, "Z", -1, Feeler(depth_mm=12, fast_mm_min=800, slow_mm_min=10))
    assert ended.value.machine_mm == pytest.approx(-6.0, abs=0.003)


def test_a_probe_that_never_closes_is_alarm_5_and_the_position_stays_known(hand):
    me = hand(wiring=Wiring(probe_z_mm=None))
    ended = me.do(touch_plate, 0.0, Feeler(depth_mm=5), hooks=me.it.hooks())
    assert (ended.cause, ended.end_state) == (Cause.ALARM_KNOWN, EndState.KNOWN)
    assert "ALARM:5" in ended.reason
    assert "zeroed" not in me.it.kinds
    assert me.stood()[2] == pytest.approx(-5, abs=0.01)
    assert me.still() == 0


def test_a_probe_that_is_closed_before_it_starts_moves_nothing(hand):
    me = hand(wiring=Wiring(probe_closed=True))
    with pytest.raises(RefusedError, match="closed already"):
        me.do(touch, "Z", -1, Feeler(depth_mm=5))
    assert me.still() == 0
    assert b"G38" not in me.it.wire.sent


def test_a_probe_closed_by_the_time_it_starts_is_alarm_4(hand):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))

    def down(data, now_s):
        me.wiring.probe_closed = me.wiring.probe_closed or b"G38" in data
        return data

    me.it.wire.down = down
    ended = me.do(touch, "Z", -1, Feeler(depth_mm=12))
    assert (ended.cause, ended.end_state) == (Cause.ALARM_KNOWN, EndState.KNOWN)
    assert "ALARM:4" in ended.reason


def test_a_probe_that_stays_closed_after_the_touch_is_not_believed(hand):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))

    def up(data, now_s):
        me.wiring.probe_closed = me.wiring.probe_closed or b"[PRB:" in data
        return data

    me.it.wire.up = up
    ended = me.do(touch, "Z", -1, Feeler(depth_mm=12))
    assert (ended.cause, ended.end_state) == (Cause.PROBE, EndState.KNOWN)


def test_touches_that_disagree_are_not_believed(hand):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))

    def up(data, now_s):
        if b"[PRB:" in data:
            me.wiring.probe_z_mm = -6.08
        return data

    me.it.wire.up = up
    ended = me.do(touch, "Z", -1, Feeler(depth_mm=12))
    assert (ended.cause, ended.end_state) == (Cause.PROBE, EndState.KNOWN)
    assert "disagree" in ended.reason


@pytest.mark.parametrize(
    "flipped", [b"[PRB:0.000,0.000,-6.000:0]", b"[PRB:0.000,0.000,3.000:1]", b"[PRB:9.000,0.000,-6.000:1]"]
)
def test_a_report_of_a_touch_outside_the_band_is_not_believed(hand, flipped):
    me = hand(wiring=Wiring(probe_z_mm=-6.0))
    whole = bytearray()

    def up(data, now_s):
        whole.extend(data)
        at = whole.rfind(b"\n") + 1
        out = re.sub(rb"\[PRB:[^]]*\]", flipped, bytes(whole[:at]))
        del whole[:at]
        return out

    me.it.wire.up = up
    ended = me.do(touch, "Z", -1, Feeler(depth_mm=12))
    assert ended.cause is Cause.PROBE
    assert ended.end_state is EndState.KNOWN


def test_tools_of_different_length_keep_the_same_zero(hand):
    """A second tool, 3.2 mm longer, touches the fixed plate 3.2 mm higher: zero follows."""
    me = hand(wiring=Wiring(probe_z_mm=-8.0))
    first = me.do(measure_tool, Feeler(depth_mm=12)).value
    before = drive(me.port, read_offsets(me.link))["G54"][2]
    me.wiring.probe_z_mm = -4.8
    me.do(jog_step, (0.0, 0.0, 6.0))
    second = me.do(measure_tool, Feeler(depth_mm=12), reference_mm=first.machine_mm)
    assert second.end_state is EndState.DONE
    after = drive(me.port, read_offsets(me.link))["G54"][2]
    assert after - before == pytest.approx(3.2, abs=0.01)


def test_a_frame_goes_round_the_box_above_the_stock_with_the_head_off(hand):
    me = hand()
    begun = me.port.clock_s()
    ended = me.do(trace_box, Box((2, 3), (30, 20), 5.0), 1500)
    assert ended.end_state is EndState.DONE
    assert not ended.value.checked
    trace = me.port.trace
    path = trace.xyz_mm[trace.time_s > begun]
    assert path[:, 2].max() == pytest.approx(5, abs=0.01)
    across = path[np.abs(path[:, 0] + path[:, 1]) > 0.01]
    assert across[:, 2].min() == pytest.approx(5, abs=0.01)
    assert (path[:, 0].max(), path[:, 1].max()) == pytest.approx((30, 20), abs=0.01)
    assert trace.power.max() == 0


def test_a_frame_outside_the_travel_moves_nothing(hand):
    me = hand(PLYWOOD)
    before = me.stood().copy()
    with pytest.raises(RefusedError, match="outside"):
        me.do(trace_box, Box((0, 0), (30, 20), 5.0))
    with pytest.raises(RefusedError, match="stock"):
        me.do(trace_box, Box((-60, -60), (-30, -20), 0.0))
    assert np.array_equal(before, me.stood())


@pytest.mark.parametrize("power", [0.0, 0.02])
def test_a_laser_points_only_where_its_profile_allows_it(bench, power, tmp_path):
    text = (Path(__file__).parents[2] / "firmware_profiles/machines/laser-400.toml").read_text("utf-8")
    file = tmp_path / "laser-400.toml"
    file.write_text(text.replace("[head]", f"[head]\npointer_power = {power}"), "utf-8")
    me = Hand(bench, file)
    drive(me.port, touch_off(me.link, me.machine, {"X": 0.0, "Y": 0.0}, "G54", me.it.hooks()))
    begun = me.port.clock_s()
    ended = me.do(trace_box, Box((10, 10), (60, 50), 0.0), 3000)
    assert ended.end_state is EndState.DONE
    assert ended.value.pointer_power == power
    trace = me.port.trace
    shone = trace.power[trace.time_s > begun]
    assert shone.max() == pytest.approx(power, abs=0.005)
    assert me.port.controller.board.outputs.pwm == 0


def test_a_survey_finds_the_height_of_every_node(hand):
    me = hand(wiring=Wiring(probe_z_mm=-0.4))
    drive(me.port, jogged(me, 4.0))
    done = []
    grid = Grid((0, 0), (20, 10), 3, 2, above_mm=3, below_mm=2)
    ended = me.do(survey, grid, Feeler(fast_mm_min=300, slow_mm_min=60), lambda n, of: done.append((n, of)))
    assert ended.end_state is EndState.DONE
    assert np.array(ended.value.heights_mm) == pytest.approx(np.full((2, 3), -0.4), abs=0.01)
    assert done[-1] == (6, 6)
    assert me.stood() == pytest.approx((0, 0, 3), abs=0.01)
    assert grid.pitch_mm == (10, 10)


async def jogged(me, up):
    await jog_step(me.link, me.machine, (0.0, 0.0, up))


def test_a_survey_with_a_node_too_deep_is_none(hand):
    me = hand(wiring=Wiring(probe_z_mm=-0.4))
    touched = []

    def up(data, now_s):
        if b"[PRB:" in data:
            touched.append(1)
            me.wiring.probe_z_mm = -0.4 if len(touched) < 6 else -9.0
        return data

    me.it.wire.up = up
    drive(me.port, jogged(me, 4.0))
    ended = me.do(survey, Grid((0, 0), (20, 10), 3, 2), Feeler(fast_mm_min=300, slow_mm_min=60))
    assert (ended.cause, ended.end_state, ended.value) == (Cause.ALARM_KNOWN, EndState.KNOWN, None)


@pytest.mark.parametrize(
    "grid",
    [
        Grid((0, 0), (20, 10), 1, 2),
        Grid((5, 0), (5, 10), 2, 2),
        Grid((0, 0), (9, 9), 60, 60),
        Grid((0, 0), (9, 9), 3, 3, above_mm=0),
    ],
)
def test_a_grid_that_spans_nothing_is_refused(hand, grid):
    me = hand()
    with pytest.raises(RefusedError):
        me.do(survey, grid, Feeler())


def test_a_lock_comes_off_only_when_there_is_one(hand):
    me = hand(PLYWOOD)
    with pytest.raises(RefusedError, match="no lock"):
        drive(me.port, unlock(me.link, me.machine, Stand.KEPT, me.it.hooks()))
    assert me.link.homed
    assert b"$X" not in me.it.wire.sent


@pytest.mark.parametrize("stand", list(Stand))
def test_a_machine_never_homed_stays_so_whatever_is_said(bench, stand):
    me = bench(PLYWOOD, options=Options(start_mm=(-100, -100, -20)))

    async def whole():
        link, controller = await connect(me.port, me.machine)
        assert controller.state is State.ALARM
        with pytest.raises(RefusedError, match="locked"):
            await jog_step(link, me.machine, (-1.0, 0.0, 0.0))
        await unlock(link, me.machine, stand, me.hooks())
        return link

    link = drive(me.port, whole())
    assert link.connection.state is State.IDLE
    assert not link.homed
    assert me.told[-1] == ("unlocked", {"stand": stand.value, "machine": PLYWOOD, "mpos_mm": (0.0, 0.0, 0.0)})


@pytest.mark.parametrize("stand", list(Stand))
def test_a_probe_that_found_nothing_leaves_a_homed_machine_homed_on_a_persons_word(hand, stand):
    me = hand(PLYWOOD)
    assert me.do(touch, "Z", -1, Feeler(depth_mm=2, fast_mm_min=500)).cause is Cause.ALARM_KNOWN
    with pytest.raises(RefusedError, match="locked"):
        me.do(jog_step, (-1.0, 0.0, 0.0))
    assert me.do(unlock, stand, me.it.hooks()).end_state is EndState.DONE
    assert me.link.homed is (stand is Stand.KEPT)


EVERY = range(10, 201)


def _obeyed(now, codes):
    """What Grbl makes of the bytes."""
    feed, rapid, speed = now.feed, now.rapid, now.speed
    steps = {"100": None, "UP_10": 10, "DOWN_10": -10, "UP_1": 1, "DOWN_1": -1}
    for code in codes:
        kind, _, what = code.name.partition("_")
        if kind == "RAPID":
            rapid = int(what)
            continue
        old = feed if kind == "FEED" else speed
        new = 100 if steps[what] is None else min(200, max(10, old + steps[what]))
        feed, speed = (new, speed) if kind == "FEED" else (feed, new)
    return Overrides(feed, rapid, speed)


def test_override_bytes_lead_there_from_anywhere_and_are_few():
    """Law: from each share to each other, at most 15 bytes, and no step beyond the ends."""
    for now in EVERY[::3]:
        for wanted in EVERY[::2]:
            codes = override_bytes(Overrides(feed=now), Overrides(feed=wanted))
            assert _obeyed(Overrides(feed=now), codes).feed == wanted
            assert len(codes) <= 15


@given(
    *[st.builds(Overrides, st.integers(10, 200), st.sampled_from([25, 50, 100]), st.integers(10, 200))] * 2
)
def test_all_three_overrides_go_at_once(now, wanted):
    assert _obeyed(now, override_bytes(now, wanted)) == wanted


@pytest.mark.parametrize(
    "wanted", [Overrides(feed=9), Overrides(feed=201), Overrides(rapid=75), Overrides(speed=0)]
)
def test_an_override_no_controller_has_is_refused(wanted):
    with pytest.raises(RefusedError):
        override_bytes(Overrides(), wanted)


def test_overrides_are_set_and_read_back(hand):
    me = hand()
    found = drive(me.port, set_overrides(me.link, feed=137, rapid=25, speed=80))
    assert found == Overrides(137, 25, 80)
    assert drive(me.port, set_overrides(me.link, feed=100)) == Overrides(100, 25, 80)


def test_lost_override_bytes_are_noticed_and_made_up_for(hand):
    me = hand()
    seen = [0]

    def down(data, now_s):
        seen[0] += data in (b"\x91", b"\x93")
        return b"" if data in (b"\x91", b"\x93") and seen[0] % 3 == 1 else data

    me.it.wire.down = down
    assert drive(me.port, set_overrides(me.link, feed=134)).feed == 134
    me.it.wire.down = lambda data, now_s: b"" if data == bytes([Realtime.FEED_UP_10]) else data
    with pytest.raises(RefusedError, match="do not come out"):
        drive(me.port, set_overrides(me.link, feed=180))
    assert drive(me.port, read_overrides(me.link)).feed < 180
