"""The comparison of traced and planned ways sees what is shifted, missing, doubled or out of order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, RAPID
from fabctl.toolpath.trace import CHORD_MM, deviation

ORIGIN = np.zeros(3)


def rows(*moves):
    return np.array(list(moves), MOVE)


def job():
    """Two depths of a ring with a slot, a helix down, pecks in one place and a raster to and fro."""
    made = []
    for z in (-1, -2, -3):
        made += [
            (RAPID, (10, 0, 5), (0, 0), 0, 0),
            (FEED, (10, 0, z), (0, 0), 100, 0),
            (ARC_CCW, (10, 0, z), (-10, 0), 500, 0),
            (ARC_CW, (10, 0, z - 0.5), (-5, 0), 500, 0),
            (RAPID, (10, 0, 5), (0, 0), 0, 0),
        ]
    for z in (-1, -2, -3):
        made += [(FEED, (10, 0, z), (0, 0), 100, 0), (RAPID, (10, 0, 5), (0, 0), 0, 0)]
    for i in range(12):
        made += [
            (FEED, (20 * ((i + 1) % 2), 20 + 0.1 * i, 0), (0, 0), 900, 0),
            (FEED, (20 * ((i + 1) % 2), 20.1 + 0.1 * i, 0), (0, 0), 900, 0),
        ]
    return rows(*made)


def traced(moves, steps_per_mm=80, spacing_mm=0.7):
    """A way as a machine makes it: chords at step positions, in pieces of uneven length."""
    points, _ = flatten_moves(moves, ORIGIN, 0.002)
    points = np.round(np.vstack((ORIGIN, points)) * steps_per_mm) / steps_per_mm
    length = np.concatenate(([0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    at = np.union1d(length, np.arange(0, length[-1], spacing_mm))
    keep = np.append(True, np.diff(length) > 0)
    return np.column_stack([np.interp(at, length[keep], points[keep, k]) for k in range(3)])


def test_a_faithful_run_is_within_a_step_and_a_chord():
    found = deviation(traced(job()), job(), ORIGIN)
    assert found.max_mm < 0.0125 + 0.002
    assert found.first_beyond(0.02) is None
    assert found.move_mm.shape == (len(job()),)


def test_a_perfect_run_is_zero_but_for_the_chords():
    way = np.vstack((ORIGIN, flatten_moves(job(), ORIGIN, CHORD_MM)[0]))
    assert deviation(way, job(), ORIGIN).max_mm < 1e-9


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.05, 1.0))
def test_a_bulge_anywhere_is_seen_at_its_size(seed, size):
    way = traced(job())
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, len(way) - 1))
    way[k, 2] += size
    found = deviation(way, job(), ORIGIN)
    # up to its own height above what was there; a bulge along a vertical move hides at most in its way
    vertical = np.hypot(*(way[k + 1] - way[k - 1])[:2]) < 1e-9
    assert found.max_mm <= 1.1 * size + 0.05
    assert vertical or found.max_mm >= min(size, 0.5) * 0.3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_run_is_off_by_its_shift(axis):
    way = traced(job())
    way[50:, axis] += 0.1
    assert deviation(way, job(), ORIGIN).max_mm == pytest.approx(0.11, abs=0.03)


@pytest.mark.parametrize("move", [2, 3, 7, 12, 16, 18])
def test_a_missing_move_is_seen(move):
    """A depth, a peck, a helix: what is left lies everywhere near the plan, but not in order."""
    fewer = np.delete(job(), move)
    way = traced(fewer)
    found = deviation(way, job(), ORIGIN)
    assert found.max_mm > 0.4
    assert found.first_beyond(0.1) <= move + 1


@pytest.mark.parametrize("passes", [slice(0, 5), slice(15, 17), slice(2, 3)])
def test_a_doubled_piece_is_seen(passes):
    """Ring and peck end where they begin, so a second one leaves no gap."""
    moves = job()
    more = np.concatenate((moves[: passes.stop], moves[passes], moves[passes.stop :]))
    assert deviation(traced(more), moves, ORIGIN).max_mm > 0.4


def test_a_ring_made_the_other_way_round_is_seen():
    moves = job()
    other = moves.copy()
    other["motion"][2] = ARC_CW
    assert deviation(traced(other), moves, ORIGIN).max_mm > 5


def test_a_run_that_ends_early_is_seen():
    way = traced(job())
    assert deviation(way[: len(way) // 2], job(), ORIGIN).max_mm > 5


def test_a_way_that_jumps_a_spike_of_the_plan_is_seen():
    moves = rows(
        (FEED, (10, 0, 0), (0, 0), 100, 0),
        (FEED, (5, 0, 0), (0, 0), 100, 0),
        (FEED, (15, 0, 0), (0, 0), 100, 0),
    )
    assert deviation([(0, 0, 0), (15, 0, 0)], moves, ORIGIN).max_mm >= 2.5


def test_a_way_back_that_was_not_planned_is_seen_and_one_that_was_not_made_too():
    """Every place lies on the other way; only their order tells."""
    line = rows((FEED, (20, 0, 0), (0, 0), 100, 0))
    assert deviation([(0, 0, 0), (10, 0, 0), (9, 0, 0), (20, 0, 0)], line, ORIGIN).max_mm >= 0.5
    back = rows((FEED, (10, 0, 0), (0, 0), 100, 0), (FEED, (8, 0, 0), (0, 0), 100, 0))
    assert deviation([(0, 0, 0), (10, 0, 0)], back, ORIGIN).max_mm >= 1.0


def test_long_ways_of_short_rounded_moves_do_not_drift_apart():
    """Rounding makes each 0.1 mm move longer or shorter; over 12,000 of them by far more than a step."""
    angle = np.arange(1, 12001) * 0.01
    moves = np.zeros(12000, MOVE)
    moves["motion"], moves["feed"] = FEED, 1000
    moves["xyz"][:, 0] = (10 + angle / 4) * np.cos(angle) - 10
    moves["xyz"][:, 1] = (10 + angle / 4) * np.sin(angle)
    found = deviation(traced(moves, steps_per_mm=25), moves, ORIGIN)
    assert found.max_mm < 0.04


def test_nothing_against_nothing_and_nothing_against_something():
    none = np.zeros(0, MOVE)
    assert deviation(np.zeros((0, 3)), none, ORIGIN).max_mm == 0
    assert deviation(np.zeros((0, 3)), job(), ORIGIN).max_mm == np.inf
    with pytest.raises(InputError, match="finite"):
        deviation([[np.nan, 0, 0]], job(), ORIGIN)
