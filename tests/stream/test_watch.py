"""Feeds and powers nothing was planned with, seen in the reports; and what is only slow, and is not."""

import re

import pytest

from fabctl.errors import StoppedError
from fabctl.shop.firmware import load_firmware
from fabctl.sim.port import SimPort
from fabctl.stream.leg import Leg
from fabctl.stream.link import Link
from fabctl.stream.path import PathWatch
from fabctl.stream.replies import State, Status
from fabctl.stream.stops import Cause, EndState
from fabctl.stream.watch import Watch


def with_words(job, *, feed, power):
    """The same job, each leg with its feed and power."""
    legs = [leg._replace(feed_mm_min=feed, power=power) for leg in job.legs]
    job.legs[:] = legs
    return job


def mill(new_job):
    job = new_job().say("M3S5000")
    for k in range(1, 9):
        job.go(10.0 * (k % 2), 1.0 * k, 0, 600)
    return with_words(job.say("M5"), feed=600.0, power=0.5)


def spoilt(wire, old, new):
    return wire(down=lambda data, now_s: data.replace(old, new))


def test_a_run_as_planned_is_done(bench, new_job):
    assert bench().run(mill(new_job)).end_state is EndState.DONE


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"F600", b"F900", "F[0-9]+ where at most F600"),
        (b"M3S5000", b"M3S9000", "S9000 where at most S5000"),
        (b"M3S5000", b"M3S3000", "S3000 where at least S5000"),
    ],
)
def test_another_feed_or_speed_than_planned_is_seen_while_it_runs(bench, wire, new_job, old, new, told):
    result = bench(wire=spoilt(wire, old, new)).run(mill(new_job))
    assert (result.cause, result.end_state) == (Cause.NOT_AS_PLANNED, EndState.KNOWN)
    assert re.search(told, result.reason)
    assert result.duration_s < 3


def test_a_feed_too_low_is_found_at_the_end(bench, wire, new_job):
    result = bench(wire=spoilt(wire, b"F600", b"F60")).run(mill(new_job))
    assert (result.cause, result.reason) == (Cause.NOT_AS_PLANNED, "the controller has F60 instead of F600")


def test_an_override_is_no_other_feed_or_speed(bench, new_job):
    it = bench()
    it.port.controller.at(1.0, lambda: it.port.controller.board.rt.motion.add(0x91))
    it.port.controller.at(1.5, lambda: it.port.controller.board.rt.accessory.add(0x9A))
    it.port.controller.at(3.0, lambda: it.port.controller.board.rt.motion.add(0x90))
    assert it.run(mill(new_job)).end_state is EndState.DONE


def test_legs_without_feed_and_power_are_not_compared(bench, wire, new_job):
    job = with_words(mill(new_job), feed=None, power=None)
    assert isinstance(job.legs[0], Leg)
    result = bench(wire=spoilt(wire, b"M3S5000", b"M3S9000")).run(job)
    assert result.reason == "the controller has S9000 instead of S5000"


def test_a_speed_beyond_full_scale_is_cut_by_the_controller_and_is_as_planned(bench, new_job):
    job = new_job().say("M3S15000")
    for k in range(1, 9):
        job.go(10.0 * (k % 2), 1.0 * k, 0, 600)
    assert bench().run(with_words(job.say("M5"), feed=600.0, power=1.5)).reason == ""


def test_a_feed_of_nothing_is_one_not_known(bench, new_job):
    assert bench().run(with_words(mill(new_job), feed=0.0, power=0.5)).end_state is EndState.DONE


def test_a_beam_of_m3_is_seen_to_stand_before_the_report_names_it(bench, new_job, homed, wire):
    """A: is told every two seconds; what turned the beam on is known sooner."""
    silent = wire(up=lambda data, now_s: re.sub(rb"\|A:[A-Z]+", b"", data))
    it = bench("laser-400", options=homed(), wire=silent)
    job = new_job().say("M3S500").go(10, 0, 0, 1000).say("G4P5").go(0, 0, 0, 1000).say("M5")
    assert it.run(job).cause is Cause.BEAM_STANDING


def test_a_beam_of_m4_goes_out_by_itself_where_it_stands(bench, new_job, homed):
    job = new_job().say("M4S500").go(10, 0, 0, 1000).say("G4P2").go(0, 0, 0, 1000).say("M5")
    assert bench("laser-400", options=homed()).run(job).end_state is EndState.DONE


@pytest.mark.parametrize(("polls", "stops"), [(1, True), (2, False)])
def test_a_beam_stands_only_if_a_later_look_shows_it_again(polls, stops):
    """Two reports of one moment may be read apart on a busy host."""
    port = SimPort()
    link = Link(port, load_firmware("grbl-1.1"), accessories="S")
    watch = Watch(link, PathWatch((), (0, 0, 0), 0, 0), laser=True)
    burning = Status(State.RUN, (0, 0, 0), feed_mm_min=0, speed=500, accessories="S")
    for _ in range(polls):
        link.polls.asked(port.clock_s())
    link.polls.answered(port.clock_s())
    watch.look(burning)
    port.read(0.03)
    if stops:
        with pytest.raises(StoppedError, match="at standstill"):
            watch.look(burning)
    else:
        watch.look(burning)
        port.read(0.03)
        with pytest.raises(StoppedError, match="at standstill"):
            watch.look(burning)
