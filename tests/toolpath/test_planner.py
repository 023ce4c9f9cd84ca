"""The planner's array operations against a literal, slow one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, CHUNK_MOVES, DWELL, FEED, MOVE, RAPID
from fabctl.toolpath.planner import (
    CHUNK_BLOCKS,
    Kinematics,
    chords,
    give_speeds,
    lay_out,
    look_ahead,
    plan,
    stops_cost_s,
)

LASER = Kinematics((80, 80, 400), (10000, 10000, 1000), (1200, 1200, 100), laser_mode=True)


def rows(*moves):
    return np.array(list(moves), MOVE)


def literal_planner(highest, gain, window):
    """Grbl's ring: plan when a block comes in, let the oldest go when it is full; entry speeds squared."""
    ring, reached = [], []

    def replan():
        for k in range(len(ring) - 1, 0, -1):
            after = ring[k + 1]["entry"] if k + 1 < len(ring) else 0.0
            ring[k]["entry"] = min(ring[k]["highest"], after + ring[k]["gain"])
        for k in range(len(ring) - 1):
            if ring[k]["entry"] < ring[k + 1]["entry"]:
                ring[k + 1]["entry"] = min(ring[k + 1]["entry"], ring[k]["entry"] + ring[k]["gain"])

    for top, change in zip(highest, gain, strict=True):
        ring.append({"highest": top, "gain": change, "entry": 0.0})
        replan()
        if len(ring) > window:
            reached.append(ring.pop(0)["entry"])
    return np.array(reached + [block["entry"] for block in ring])


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 30.0, 1e4]), st.floats(0.1, 200.0)), min_size=1, max_size=80
    ),
    st.integers(1, 16),
)
def test_windows_equal_the_ring_buffer(blocks, window):
    highest = np.array([0.0] + [b[0] for b in blocks[1:]])
    gain = np.array([b[1] for b in blocks])
    expected = literal_planner(highest, gain, window)
    assert np.allclose(look_ahead(highest, gain, window), expected, atol=1e-9)


def test_a_long_job_is_planned_as_if_it_were_seen_whole():
    """Law: where work is cut into pieces leaves no trace, at stops, dwells and specks least of all."""
    count = 2 * CHUNK_BLOCKS + 3 * CHUNK_MOVES // 2
    rng = np.random.default_rng(3)
    moves = np.zeros(count, MOVE)
    moves["motion"] = rng.choice([FEED, RAPID, DWELL], count, p=[0.9, 0.09, 0.01])
    moves["xyz"] = np.cumsum(rng.normal(0, 0.3, (count, 3)), axis=0)
    moves["feed"] = rng.choice([600, 3000, 9000], count)
    specks = rng.random(count) < 0.05
    specks[CHUNK_MOVES - 40 : CHUNK_MOVES + 40] = True
    moves["xyz"][specks] = moves["xyz"][np.maximum.accumulate(np.where(specks, 0, np.arange(count)))][specks]
    rest = (moves["motion"] == DWELL) | (rng.random(count) < 0.001)
    blocks = plan(moves, np.zeros(3), LASER, rest)

    made = np.flatnonzero(np.isin(np.arange(count), blocks.move))
    assert np.array_equal(made, blocks.move)
    steps = np.round(np.vstack((np.zeros(3), moves["xyz"])) * LASER.steps_per_mm)
    unit = (np.diff(steps, axis=0) / LASER.steps_per_mm)[made]
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    stood = np.cumsum(rest)[made]
    stops = np.concatenate(([True], np.diff(stood) > 0))
    assert np.array_equal(blocks.rest, stops)
    layout = lay_out(moves, np.zeros(3), LASER)
    assert np.allclose(1 / layout.acceleration_mm_s2, (np.abs(unit) / LASER.acceleration_mm_s2).max(axis=1))
    joint = np.flatnonzero(np.diff(made) == 1) + 1
    for k in [*joint[:50], *joint[np.searchsorted(made[joint], CHUNK_MOVES * np.arange(1, 5))]]:
        pair = lay_out(moves[made[k] - 1 : made[k] + 1], moves["xyz"][made[k] - 2], LASER)
        assert pair.corner2[-1] == pytest.approx(layout.corner2[k]) or made[k] < 2
    highest = np.where(stops, 0.0, layout.corner2)
    whole = look_ahead(highest, 2 * layout.acceleration_mm_s2 * layout.length_mm, LASER.look_ahead_blocks)
    assert np.allclose(blocks.entry_mm_s**2, whole, rtol=1e-9, atol=1e-6)
    assert np.array_equal(blocks.exit_mm_s, np.append(blocks.entry_mm_s[1:], 0))


@pytest.mark.parametrize("share", [0, 2e-4, 0.1])
def test_what_stops_cost_is_what_the_same_job_takes_longer_with_them(share):
    """Law: cost = whole plan with stops − whole plan without, wherever the stops stand."""
    count = 4 * CHUNK_BLOCKS + 77
    rng = np.random.default_rng(5)
    moves = np.zeros(count, MOVE)
    moves["motion"], moves["feed"] = FEED, 3000
    moves["xyz"] = np.cumsum(np.abs(rng.normal(0, 0.3, (count, 3))), axis=0)
    rest = rng.random(count) < share
    if share:
        rest[[CHUNK_BLOCKS - 1, 2 * CHUNK_BLOCKS, 3 * CHUNK_BLOCKS + LASER.look_ahead_blocks]] = True
    layout = lay_out(moves, np.zeros(3), LASER)
    with_stops = give_speeds(layout, rest, LASER.look_ahead_blocks)
    without = give_speeds(layout, np.zeros(count, bool), LASER.look_ahead_blocks)
    expected = with_stops.seconds().sum() - without.seconds().sum()
    assert (expected > 0) == (share > 0)
    assert stops_cost_s(layout, with_stops, LASER.look_ahead_blocks) == pytest.approx(expected, abs=1e-7)


@given(st.lists(st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(-5, 5)), min_size=2, max_size=40))
def test_no_block_breaks_a_limit(points):
    """Speeds join without a jump, no axis is faster or harder accelerated than its settings."""
    moves = rows(*((FEED, p, (0, 0), 6000, 0) for p in points))
    blocks = plan(moves, np.zeros(3), LASER, np.zeros(len(moves), bool))
    if not len(blocks.move):
        return
    assert blocks.entry_mm_s[0] == 0
    assert blocks.exit_mm_s[-1] == 0
    assert np.array_equal(blocks.exit_mm_s[:-1], blocks.entry_mm_s[1:])
    change = np.abs(blocks.exit_mm_s**2 - blocks.entry_mm_s**2)
    assert np.all(change <= 2 * blocks.acceleration_mm_s2 * blocks.length_mm * (1 + 1e-9) + 1e-6)
    assert np.all(blocks.peak_mm_s <= 100 + 1e-9)
    assert np.all(blocks.peak_mm_s >= np.maximum(blocks.entry_mm_s, blocks.exit_mm_s) - 1e-6)


def test_a_reversal_stops_and_a_straight_joint_does_not():
    moves = rows(*((FEED, (x, 0, 0), (0, 0), 3000, 0) for x in (20, 40, 20)))
    blocks = plan(moves, np.zeros(3), LASER, np.zeros(3, bool))
    assert blocks.exit_mm_s.round(6).tolist() == [50.0, 0.0, 0.0]


def test_a_square_corner_takes_the_junction_speed():
    moves = rows((FEED, (50, 0, 0), (0, 0), 6000, 0), (FEED, (50, 50, 0), (0, 0), 6000, 0))
    blocks = plan(moves, np.zeros(3), LASER, np.zeros(2, bool))
    half = np.sqrt(0.5)
    expected = np.sqrt(1200 * np.sqrt(2) * 0.01 * half / (1 - half))
    assert blocks.exit_mm_s[0] == pytest.approx(expected)


def test_the_slowest_axis_governs_a_slanted_rapid():
    moves = rows((RAPID, (60, 0, 60), (0, 0), 0, 0))
    blocks = plan(moves, np.zeros(3), LASER, np.zeros(1, bool))
    assert blocks.peak_mm_s[0] * 60 == pytest.approx(1000 * np.sqrt(2))
    assert blocks.acceleration_mm_s2[0] == pytest.approx(100 * np.sqrt(2))


def test_moves_below_a_step_make_no_block():
    moves = rows((FEED, (0.001, 0, 0), (0, 0), 1000, 0), (DWELL, (0.001, 0, 0), (1, 0), 0, 0))
    assert len(plan(moves, np.zeros(3), LASER, np.zeros(2, bool)).move) == 0


@pytest.mark.parametrize(("motion", "sign"), [(ARC_CCW, 1), (ARC_CW, -1)])
def test_chords_lie_on_the_arc_and_a_helix_rises_evenly(motion, sign):
    moves = rows((motion, (0, 0, 3), (-5, 0), 1000, 0))
    points, move = chords(moves, np.zeros(3), 0.002)
    assert np.allclose(np.hypot(points[0] + 5, points[1]), 5)
    assert np.allclose(np.diff(points[2]), 3 / len(move))
    assert np.sign(points[1, 0]) == sign
    assert points[:, -1].tolist() == [0, 0, 3]
    assert len(move) == int(np.pi * 5 / np.sqrt(0.002 * (10 - 0.002)))


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_settings_are_named(wrong):
    with pytest.raises(InputError, match="must be positive"):
        Kinematics((80, 80, 80), (1000, 1000, wrong), (100, 100, 100))
