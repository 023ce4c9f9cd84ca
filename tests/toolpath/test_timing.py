"""Times against the real firmware's, and the laws every time obeys."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID, lengths
from fabctl.toolpath.timing import ControllerCost, Kinematics, energy_j, estimate, homing_s, remaining_s

ORIGIN = np.zeros(3)
PROFILES = {
    "belt": Kinematics((40, 40, 200), (8000, 8000, 1500), (400, 400, 150), 0.02),
    "router3018": Kinematics((800, 800, 800), (2000, 2000, 800), (30, 30, 20), 0.01, step_idle_ms=25),
    "laser": Kinematics((80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100), 0.01, laser_mode=True),
}


def rows(moves):
    return np.array(list(moves), MOVE)


def feeds(points, feed):
    return rows((FEED, (*p, 0.0)[:3], (0, 0), feed, 0) for p in points)


def golden_drill():
    made = [(RAPID, (0, 0, 5), (0, 0), 0, 1)]
    for y in (0, 20, 40):
        for x in (0, 20, 40):
            made += [
                (RAPID, (x, y, 5), (0, 0), 0, 1),
                (FEED, (x, y, -3), (0, 0), 200, 1),
                (DWELL, (x, y, -3), (0.22, 0), 0, 1),
                (RAPID, (x, y, 5), (0, 0), 0, 1),
            ]
    return rows([*made, (RAPID, (0, 0, 5), (0, 0), 0, 0)])


def golden_poly():
    turn = 2 * math.pi / 471
    return feeds(
        ((round(15 * math.cos(turn * i) - 15, 3), round(15 * math.sin(turn * i), 3)) for i in range(1, 472)),
        2400,
    )


JOBS = {
    "square": (feeds([(100, 0), (100, 100), (0, 100), (0, 0)] * 2, 1500), 1),
    "circles": (
        rows([(ARC_CW, ORIGIN, (20, 0), 1200, 0), *[(ARC_CCW, ORIGIN, (0, 5), 1200, 0)] * 3]),
        1,
    ),
    "zigzag": (feeds(((0.5 * i, 0.5 * (i % 2)) for i in range(1, 401)), 3000), 1),
    "poly": (golden_poly(), 1),
    "drill": (golden_drill(), 10),
}
GOLDEN_S = {
    "belt": (32.352, 11.080, 22.762, 2.500, 33.070),
    "router3018": (38.252, 13.161, 88.542, 7.272, 53.804),
    "laser": (32.134, 11.025, 14.005, 2.422, 32.927),
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("profile", PROFILES)
def test_golden_times_of_the_real_firmware(profile, job):
    """Within 0.5 %, or 60 ms a start: the cold start is not modelled."""
    moves, begins = JOBS[job]
    golden = GOLDEN_S[profile][list(JOBS).index(job)]
    total = estimate(moves, ORIGIN, PROFILES[profile]).total_s
    assert abs(total - golden) <= max(0.005 * golden, 0.06 * begins)
    assert abs(total / golden - 1) < 0.02


def test_the_circles_are_as_many_blocks_as_the_firmware_makes():
    assert len(estimate(JOBS["circles"][0], ORIGIN, PROFILES["belt"]).blocks.move) == 555


CUTS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=30)


@given(CUTS)
def test_no_job_is_faster_than_its_length_over_its_feed(points):
    moves = feeds(points, 2000)
    timing = estimate(moves, ORIGIN, PROFILES["laser"])
    floor = lengths(moves, ORIGIN).sum() / 2000 * 60
    assert timing.total_s >= floor * (1 - 1e-3) - 0.05
    assert timing.total_s == pytest.approx(timing.at_s()[-1])


@given(CUTS, st.integers(-3, 3))
def test_moving_the_whole_job_by_whole_steps_keeps_its_time(points, cells):
    shift = np.array([cells * 0.25, -cells * 0.5, cells])
    moves = feeds(np.round(np.array(points) * 80) / 80 + 0.001, 2000)
    moved = moves.copy()
    moved["xyz"] += shift
    here = estimate(moves, ORIGIN, PROFILES["laser"]).move_s
    there = estimate(moved, ORIGIN + shift, PROFILES["laser"]).move_s
    assert np.allclose(here, there)


@given(CUTS)
def test_going_back_takes_as_long_as_going(points):
    """With unlimited look-ahead, a path and its reverse take the same time."""
    far = replace(PROFILES["laser"], look_ahead_blocks=64, steps_per_mm=(0, 0, 0))
    there = feeds(points, 2000)
    back = feeds([*points[-2::-1], (0, 0)], 2000)
    last = np.array([*points[-1], 0])
    forth_s = estimate(there, ORIGIN, far).total_s
    assert estimate(back, last, far).total_s == pytest.approx(forth_s, abs=1e-6)


@given(CUTS)
def test_a_longer_look_ahead_is_never_slower(points):
    fine = np.concatenate([np.linspace(a, b, 9)[1:] for a, b in zip([(0, 0), *points], points, strict=False)])
    times = [
        estimate(feeds(fine, 6000), ORIGIN, replace(PROFILES["laser"], look_ahead_blocks=k)).total_s
        for k in (1, 2, 5, 14, 60)
    ]
    assert all(b <= a + 1e-9 for a, b in pairwise(times))


def test_overrides_change_feeds_and_rapids_each_by_its_own():
    moves = rows([(FEED, (400, 0, 0), (0, 0), 1000, 1), (RAPID, (0, 0, 0), (0, 0), 0, 1)])
    plain = estimate(moves, ORIGIN, PROFILES["laser"]).move_s
    feed = estimate(moves, ORIGIN, PROFILES["laser"], feed_override=2.0).move_s
    rapid = estimate(moves, ORIGIN, PROFILES["laser"], rapid_override=0.25).move_s
    assert feed[0] == pytest.approx(plain[0] / 2, rel=0.01)
    assert feed[1] == pytest.approx(plain[1])
    assert rapid[1] == pytest.approx(plain[1] * 4, rel=0.1)
    assert rapid[0] == pytest.approx(plain[0])


def test_remaining_time_falls_move_by_move_to_nothing():
    moves = JOBS["drill"][0]
    left = [
        remaining_s(moves, ORIGIN, PROFILES["belt"], done=k, feed_override=1.5) for k in range(len(moves) + 1)
    ]
    assert left[0] == estimate(moves, ORIGIN, PROFILES["belt"], feed_override=1.5).total_s
    assert left[-1] == 0
    assert all(b <= a for a, b in pairwise(left))


def raster(count=2000):
    return rows((FEED, (0.5 * i, 0, 0), (0, 0), 3000, 0.25 * (i % 2) + 0.25) for i in range(1, count + 1))


def test_power_changes_stop_a_machine_out_of_laser_mode_and_are_said():
    ridden = estimate(raster(), ORIGIN, PROFILES["laser"])
    stopped = estimate(raster(), ORIGIN, replace(PROFILES["laser"], laser_mode=False, step_idle_ms=25))
    assert ridden.stops == 0
    assert ridden.bites == ()
    assert stopped.stops == 1999
    assert stopped.stop_s == pytest.approx(stopped.total_s - ridden.total_s)
    assert stopped.total_s > 3 * ridden.total_s
    assert "1999 full stops" in stopped.bites[0]
    assert "$32=1" in stopped.bites[0]


def test_a_word_that_empties_the_planner_stops_the_machine():
    moves = feeds([(50, 0), (100, 0)], 3000)
    through = estimate(moves, ORIGIN, PROFILES["laser"])
    stopped = estimate(moves, ORIGIN, PROFILES["laser"], sync=np.array([False, True]))
    assert through.exit_mm_min[0] == pytest.approx(3000)
    assert stopped.exit_mm_min[0] == 0
    assert stopped.stops == 1
    assert stopped.total_s > through.total_s
    slower = replace(PROFILES["laser"], sync_s=0.5, step_idle_ms=100)
    again = estimate(moves, ORIGIN, slower, sync=np.array([False, True]))
    assert again.total_s == pytest.approx(stopped.total_s + 0.497 + 0.1)


@pytest.mark.parametrize(("asked_s", "made_s"), [(0.22, 0.25), (0.25, 0.25), (0.251, 0.3), (0.0, 0.0)])
def test_dwells_are_rounded_up_to_the_firmwares_steps(asked_s, made_s):
    moves = rows([(DWELL, (0, 0, 0), (asked_s, 0), 0, 0)])
    assert estimate(moves, ORIGIN, PROFILES["belt"]).total_s == pytest.approx(made_s)


LINES_PER_S = [
    # Measured on a simulated ATmega328P with stock Grbl 1.1h: way, chord, characters a line, lines a second.
    ("line", 0.1, 6, 410),
    ("circle", 0.1, 17, 328),
]


@pytest.mark.parametrize(("way", "chord_mm", "chars", "measured"), LINES_PER_S)
def test_a_starved_controller_makes_as_many_lines_a_second_as_measured(way, chord_mm, chars, measured):
    count = 2000
    along = chord_mm * np.arange(1, count + 1)
    circle = np.round(np.column_stack((20 * np.cos(along / 20), 20 * np.sin(along / 20))), 3)
    points = circle if way == "circle" else np.column_stack((along, np.zeros(count)))
    moves = feeds(points, 6000)
    machine = replace(PROFILES["laser"], acceleration_mm_s2=(9000, 9000, 100), cost=ControllerCost())
    start = np.array([*points[0], 0])
    timing = estimate(moves, start, machine, line_chars=np.full(count, chars, np.int64))
    assert count / timing.total_s == pytest.approx(measured, rel=0.1)
    assert timing.starved_share > 0.9
    assert "cannot keep up" in timing.bites[0]
    assert timing.total_s > estimate(moves, start, replace(machine, cost=None)).total_s


def test_an_unstarved_job_does_not_wait():
    slow = replace(PROFILES["belt"], cost=ControllerCost())
    timing = estimate(JOBS["square"][0], ORIGIN, slow)
    assert timing.starved_s == 0
    assert not timing.starved.any()


def test_the_speed_profile_integrates_to_the_path():
    moves = JOBS["circles"][0]
    times, speeds = estimate(moves, ORIGIN, PROFILES["router3018"]).profile()
    assert np.all(np.diff(times) >= -1e-12)
    way = np.sum(np.diff(times) * (speeds[1:] + speeds[:-1]) / 2) / 60
    assert way == pytest.approx(lengths(moves, ORIGIN).sum(), rel=1e-3)


def test_energy_of_a_spindle_counts_time_and_of_a_riding_beam_length():
    moves = rows([(FEED, (60, 0, 0), (0, 0), 600, 0.5), (RAPID, (0, 0, 0), (0, 0), 0, 0.5)])
    timing = estimate(moves, ORIGIN, PROFILES["laser"])
    assert energy_j(moves, ORIGIN, timing, 100) == pytest.approx(50 * timing.total_s)
    assert energy_j(moves, ORIGIN, timing, 100, with_speed=True) == pytest.approx(50 * 6.0)


def test_homing_is_seek_pull_off_locate_pull_off():
    still = replace(PROFILES["belt"], acceleration_mm_s2=(1e9, 1e9, 1e9))
    total = homing_s(still, (300, 200, 50), seek_mm_min=600, locate_mm_min=60, pull_off_mm=1)
    z = 50 / 10 + 1 / 1 + 2 * 1 / 10 + 1.0
    xy = 300 / 10 + 1 / 1 + 2 * 1 / 10 + 1.0
    assert total == pytest.approx(z + xy, rel=1e-4)


@pytest.mark.parametrize(
    ("row", "start"),
    [
        ((FEED, (math.nan, 0, 0), (0, 0), 100, 0), ORIGIN),
        ((RAPID, (0, math.inf, 0), (0, 0), 0, 0), ORIGIN),
        ((FEED, (1, 0, 0), (0, 0), 0, 0), ORIGIN),
        ((ARC_CW, (1, 0, 0), (math.nan, 0), 100, 0), ORIGIN),
        ((DWELL, (0, 0, 0), (-1, 0), 0, 0), ORIGIN),
        ((FEED, (1, 0, 0), (0, 0), 100, 0), np.array([0, math.nan, 0])),
    ],
)
def test_what_cannot_be_timed_is_named(row, start):
    with pytest.raises(InputError, match=r"cannot be timed|not a place"):
        estimate(rows([row]), start, PROFILES["belt"])


def test_nothing_takes_no_time():
    timing = estimate(np.zeros(0, MOVE), ORIGIN, replace(PROFILES["belt"], cost=ControllerCost()))
    assert timing.total_s == 0
    assert timing.starved_share == 0
