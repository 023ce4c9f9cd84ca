"""Another tool in the middle of a run, measured on a setter or on a plate below it."""

import math

import numpy as np
import pytest

from fabctl.shop.setter import Setter
from fabctl.sim.controller import Options
from fabctl.sim.plant import Wiring
from fabctl.sim.port import SimPort
from fabctl.sim.protocol import hard_limit
from fabctl.stream.reach import reach_mm
from fabctl.stream.stops import Cause, EndState

PLYWOOD = "plywood-router-600x900"
SETTER = Setter(x_mm=-20.0, y_mm=-30.0, from_z_mm=-20.0, depth_mm=30.0, fast_mm_min=400.0, slow_mm_min=100.0)
HERE = (10.0, 20.0, 30.0)
"""Work coordinates of the homed corner: the stock's top lies 30 mm below it."""


class Change:
    """A run of two sections, and a person with two tools between them."""

    def __init__(self, bench, new_job, answers, *, setter=SETTER, longer_mm=2.5, plate_mm=-33.0, faults=()):
        self.answers, self.longer_mm = list(answers), longer_mm
        wiring = Wiring(switches=setter is not None, probe_z_mm=plate_mm)
        name, start_mm = (PLYWOOD, (-50.0, -60.0, -10.0)) if setter else ("router-3018", (0.0, 0.0, 0.0))
        options = Options(wiring=wiring, homed=True, start_mm=start_mm)
        self.it = bench(name, options=options, setter=setter)
        if faults:
            values = self.it.machine.settings()
            self.it.port = SimPort(values, options, tamper=self.it.wire, faults=faults, seed=1)
        # the board has a copy of its own
        self.wiring = self.it.port.controller.board.plant.wiring
        self.job = new_job()
        for end in (-5.0, -8.0):
            for word in ("G21", "G90", "G17", "G94", "G54"):
                self.job.say(word)
            self.job.go(0, 0, 5).say("M3S9000").go(-20, 0, 5).go(-20, 0, -1, 300).go(end - 20, 0, -1, 600)
            self.job.go(end - 20, 0, 5).say("M5").say("M0" if end == -5.0 else "G4P0.1")
        self.asked, self.new = 0, False

    def arm(self, pause):
        """Answer once all that was asked for is done."""
        done = self.it.kinds.count("measured") + self.it.kinds.count("unmeasured")
        if done < self.asked:
            return None
        if not self.answers:
            return True
        answer = self.answers.pop(0)
        if answer == "change":
            self.wiring.probe_z_mm += self.longer_mm
            return None
        if callable(answer):
            answer(self)
            return None
        if isinstance(answer, bool):
            return answer
        self.asked += 1
        self.hooks.operator.measure(answer)
        return None

    def run(self, **more):
        self.hooks = self.it.hooks(arm=self.arm)
        here = HERE if self.it.machine.homing else (0.0, 0.0, 5.0)
        given = {"here_mm": here, "home": None}
        return self.it.run(self.job, self.hooks, **(given | more))

    def told(self, kind):
        return [facts for told, facts in self.it.told if told == kind]

    def zeros(self):
        return [facts["zero_mm"] for facts in (*self.told("started"), *self.told("section"))]


@pytest.fixture
def change(bench, new_job):
    return lambda *answers, **more: Change(bench, new_job, answers, **more)


@pytest.mark.parametrize("longer_mm", [2.5, -4.0, 0.0])
@pytest.mark.parametrize("setter", [SETTER, None])
def test_z_zero_follows_the_new_tool_and_the_run_goes_on_where_it_paused(change, setter, longer_mm):
    plate = -33.0 if setter else -8.0
    it = change("old", "change", "new", setter=setter, longer_mm=longer_mm, plate_mm=plate)
    result = it.run()
    assert result.end_state is EndState.DONE, result.reason
    before, after = it.zeros()
    assert after == pytest.approx((before[0], before[1], before[2] + longer_mm), abs=0.004)
    old, new = it.told("measured")
    assert (old["tool"], new["tool"], new["section"]) == ("old", "new", 2)
    assert new["longer_mm"] == pytest.approx(longer_mm, abs=0.004)
    assert new["offsets"]["G54"] == pytest.approx(after, abs=0.002)
    (section,), (started,) = it.told("section"), it.told("started")
    assert section["work_mm"] == pytest.approx((-25, 0, 5), abs=0.02)
    # the deepest point of the second section is at Z-1 of the new tool's tip
    trace = it.it.port.trace
    assert trace.xyz_mm[-1] == pytest.approx(np.array([-28, 0, 5]) + after, abs=0.03)
    assert b"G43" not in it.it.wire.sent
    assert b"G92" not in it.it.wire.sent
    assert started["zero_mm"] == pytest.approx(before, abs=0.001)


def test_the_way_to_the_setter_is_at_the_top_of_the_travel(change):
    it = change("old", "change", "new")
    assert it.run().end_state is EndState.DONE
    way, top = it.it.port.trace.xyz_mm, reach_mm(it.it.machine)[1][2]
    at_setter = np.hypot(*(way[:, :2] - (SETTER.x_mm, SETTER.y_mm)).T) < 0.03
    assert way[at_setter, 2].min() == pytest.approx(-33.0, abs=0.8)
    # from the pause, 30 mm below the corner's X and 20 beside its Y, to the setter and back
    zero = it.zeros()[0]
    pause = (zero[0] - 25, zero[1])
    aside = (np.hypot(*(way[:, :2] - pause).T) > 0.05) & ~at_setter
    first, last = np.flatnonzero(at_setter)[[0, -1]]
    between = aside & (np.arange(len(way)) > first) & (np.arange(len(way)) < last)
    assert way[between, 2].min() == pytest.approx(top, abs=0.03)


def test_a_touch_on_the_setter_counts_for_the_next_pause_too(bench, new_job):
    it = Change(bench, new_job, ["old", "change", "new", True, "change", "new"])
    third = [line for line in it.job.lines[-13:] if line != "G4P0.1"]
    for line in ["M0", *third]:
        it.job.say(line)
    it.job.legs = []
    assert it.run(legs=()).end_state is EndState.DONE
    first, second, third = it.zeros()
    assert second[2] - first[2] == pytest.approx(2.5, abs=0.004)
    assert third[2] - second[2] == pytest.approx(2.5, abs=0.004)


@pytest.mark.parametrize("setter", [SETTER, None])
def test_a_new_tool_is_not_measured_against_nothing(change, setter):
    it = change("new", setter=setter, plate_mm=-33.0 if setter else -8.0)
    result = it.run()
    assert result.end_state is EndState.DONE
    assert "old one was not measured" in it.told("unmeasured")[0]["reason"]
    assert it.zeros()[0] == it.zeros()[1]
    assert b"G38" not in it.it.wire.sent


def test_a_request_from_before_the_pause_measures_nothing(change):
    it = change()
    it.hooks = it.it.hooks(arm=it.arm)
    it.hooks.operator.measure("old")
    assert it.it.run(it.job, it.hooks, here_mm=HERE, home=None).end_state is EndState.DONE
    assert b"G38" not in it.it.wire.sent


def test_a_probe_that_is_closed_from_the_start_moves_nothing_and_the_pause_goes_on(change):
    def closed(it):
        it.wiring.probe_closed = True

    def opened(it):
        it.wiring.probe_closed = False

    it = change(closed, "old", opened, "old")
    assert it.run().end_state is EndState.DONE
    assert "closed already" in it.told("unmeasured")[0]["reason"]
    assert len(it.told("measured")) == 1


def dead(it):
    it.wiring.probe_dead = True


@pytest.mark.parametrize("setter", [SETTER, None])
def test_a_probe_that_never_closes_ends_the_run_position_known(change, setter):
    result = change(dead, "old", setter=setter).run()
    assert (result.cause, result.end_state) == (Cause.ALARM_KNOWN, EndState.KNOWN)
    assert result.executed == 14
    assert "ALARM:5" in result.reason
    assert "start closer to it" in result.error(machine="mill").remedy


def in_the_touch(it, do):
    """Do something a moment after the first probe line goes out."""
    seen = []

    def down(data, now_s):
        if b"G38.2" in data:
            seen.append(now_s)
        elif seen and now_s > seen[0] + 0.5:
            seen.clear()
            do(it)
        return data

    it.it.wire.down = down


@pytest.mark.parametrize("wish", ["hold", "abort", "reset"])
def test_any_request_of_the_operator_ends_it_by_name(change, wish):
    it = change("old")
    in_the_touch(it, lambda it: getattr(it.hooks.operator, wish)())
    result = it.run()
    if wish == "reset":
        assert (result.cause, result.end_state) == (Cause.OPERATOR_RESET, EndState.UNKNOWN)
    else:
        assert (result.cause, result.end_state) == (Cause.OPERATOR_ABORT, EndState.KNOWN)
    assert it.it.rest()[0] == 0


def test_a_limit_switch_on_the_way_ends_it_position_unknown(change):
    it = change("old")
    in_the_touch(it, lambda it: hard_limit(it.it.port.controller.board))
    result = it.run()
    assert (result.cause, result.end_state) == (Cause.ALARM_LOST, EndState.UNKNOWN)
    assert it.it.rest()[0] == 0


def test_a_port_that_is_lost_in_mid_measure_ends_it_position_unknown(change):
    it = change("old")

    def pull(it):
        it.it.port.mischief.gone = True

    in_the_touch(it, pull)
    result = it.run()
    assert (result.cause, result.end_state) == (Cause.PORT_LOST, EndState.UNKNOWN)


def test_touches_that_disagree_are_not_believed(change):
    it, touches = change("old"), []

    def down(data, now_s):
        if b"G38.2" in data:
            touches.append(now_s)
            if len(touches) == 2:
                it.wiring.probe_z_mm -= 0.08
        return data

    it.it.wire.down = down
    result = it.run()
    assert (result.cause, result.end_state) == (Cause.PROBE, EndState.KNOWN)
    assert not it.told("measured")


def test_a_zero_that_does_not_take_ends_the_run(change):
    it = change("old", "change", "new")
    it.it.wire.down = lambda data, now_s: data.replace(b"G10L20P1Z", b"G10L20P2Z")
    result = it.run()
    assert (result.cause, result.end_state) == (Cause.PROBE, EndState.KNOWN)
    assert "did not take" in result.reason
    assert len(it.told("measured")) == 1


def test_a_tool_too_long_for_the_job_ends_the_run_before_it_goes_on(change):
    it = change("old", "change", "new", longer_mm=12.0, plate_mm=-42.0)
    result = it.run(box_mm=(-28.0, 0.0, -1.0, 0.0, 0.0, 20.0))
    assert (result.cause, result.end_state) == (Cause.PROBE, EndState.KNOWN)
    assert "outside" in result.reason
    assert math.dist(it.told("measured")[1]["zero_mm"], it.zeros()[0]) == pytest.approx(12, abs=0.01)


def test_a_machine_that_lost_its_homing_does_not_look_for_its_setter(change):
    it = change("old", plate_mm=-70.0)
    result = it.run(home=False)
    assert result.end_state is EndState.DONE
    assert "not homed" in it.told("unmeasured")[0]["reason"]
