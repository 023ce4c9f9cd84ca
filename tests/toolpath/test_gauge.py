"""How far a piece is off, against dense sampling and against every other bend."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.toolpath.gauge import ArcGauge, Bends, LineGauge, inner

EXACT = Bends(grid_mm=0.0, farthest_mm=5000.0)


def gauge(points, tolerance_mm=0.01, landed=None):
    return ArcGauge(points, points if landed is None else landed, tolerance_mm, EXACT)


def whole(points):
    return np.array([0]), np.array([len(points) - 1])


def arc_points(radius, sweep, count, turn=0.0):
    angle = turn + np.linspace(0, sweep, count)
    return radius * np.column_stack((np.cos(angle), np.sin(angle)))


def farthest_from_arc(points, bulge):
    """Largest distance of a densely sampled polyline from the circle of a piece, both ways in."""
    t = np.linspace(0, 1, 400)[:, None]
    dense = np.concatenate([a + (b - a) * t for a, b in pairwise(points)])
    half = 2 * np.arctan(bulge)
    chord = complex(*(points[-1] - points[0]))
    radius = chord / (2 * np.sin(half))
    centre = complex(*points[0]) + radius * 1j * np.exp(-1j * half)
    return np.abs(np.abs(dense @ np.array([1, 1j]) - centre) - abs(radius)).max()


@given(
    st.floats(0.5, 2000),
    st.floats(0.05, np.pi),
    st.sampled_from([-1, 1]),
    st.floats(0, 6),
    st.integers(4, 90),
)
def test_points_of_an_arc_are_found_to_be_one(radius, sweep, side, turn, count):
    points = arc_points(radius, side * sweep, count, turn)
    sagitta = radius * (1 - np.cos(sweep / (count - 1) / 2))
    it = gauge(points, 0.001)
    error, bend = it.probe(*whole(points))
    assert error[0] <= sagitta / 0.001 + 1e-6
    bulge = it.bulge(*whole(points), bend)
    if bend[0]:
        assert bulge[0] == pytest.approx(side * np.tan(sweep / 4), rel=1e-4, abs=1e-6)
        assert it.measure(*whole(points), bend)[0] == pytest.approx(sagitta / 0.001, rel=1e-3, abs=1e-6)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.floats(1, 100), st.floats(0.2, 2.5), st.sampled_from([-1, 1]))
def test_the_error_measured_is_the_largest_distance_of_vertices_and_chords(seed, radius, sweep, side):
    rng = np.random.default_rng(seed)
    points = arc_points(radius, side * sweep, 30, seed)
    points[1:-1] += rng.normal(0, radius * sweep / 3000, (28, 2))
    tolerance = radius / 20
    it = gauge(points, tolerance)
    bend = np.array([side * np.tan(sweep / 2) / np.hypot(*(points[-1] - points[0])) * rng.uniform(0.9, 1.1)])
    error = it.measure(*whole(points), bend)[0]
    if np.isfinite(error):
        far = farthest_from_arc(points, it.bulge(*whole(points), bend)[0])
        # a chord is taken to come as near as half its length allows, wherever its nearest point is
        longest = np.hypot(*np.diff(points, axis=0).T).max()
        assert far - 1e-9 <= error * tolerance <= far + longest**2 / radius / 4


def test_a_straight_way_has_no_bend():
    way = np.column_stack((np.linspace(0, 4, 80), np.linspace(0, 3, 80)))
    it = gauge(way, 0.001)
    _, bend = it.probe(*whole(way))
    assert bend[0] == pytest.approx(0, abs=1e-12)
    assert it.measure(*whole(way), bend)[0] <= 1


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_no_other_bend_is_much_better_than_the_one_found(seed):
    """Wherever one of them is near to holding; beyond, the circle is not the way's at all."""
    rng = np.random.default_rng(seed)
    s = np.linspace(0, 4, 80)
    heading = np.polyval(rng.normal(0, 1, 4) * [0.0001, 0.001, 0.2, 1], s)
    points = np.cumsum(0.05 * np.column_stack((np.cos(heading), np.sin(heading))), axis=0)
    it = gauge(points, 0.001)
    _, bend = it.probe(*whole(points))
    found = it.measure(*whole(points), bend)[0]
    rivals = bend[0] * np.linspace(0.8, 1.25, 181) + np.linspace(-0.002, 0.002, 181)
    begin, end = np.zeros(181, np.int64), np.full(181, 79)
    best = it.measure(begin, end, rivals).min()
    if bend[0] == 0:
        assert found <= 1, "a line is taken where it does"
    else:
        assert found <= 1.1 * best + 0.1 or best > 1


def test_a_way_that_turns_back_is_never_a_piece():
    there = np.array([[0, 0], [1, 0], [2, 0], [1.5, 0], [3, 0.0]])
    assert np.isinf(gauge(there).measure(*whole(there), np.zeros(1))[0])
    assert np.isinf(LineGauge(there, 0.01).measure(*whole(there), np.zeros(1))[0])
    angle = np.array([0, 0.1, 0.2, 0.15, 0.3, 0.4])
    arc = 10 * np.column_stack((np.cos(angle), np.sin(angle)))
    it = gauge(arc, 0.1)
    assert np.isinf(it.measure(*whole(arc), it.probe(*whole(arc))[1])[0])


def test_a_way_back_to_where_it_began_is_as_far_off_as_it_went():
    loop = np.array([[0, 0], [0.02, 0], [0.02, 0.02], [0, 0.0]])
    assert gauge(loop, 0.01).probe(*whole(loop))[0][0] > 1
    assert LineGauge(loop, 0.01).measure(*whole(loop), np.zeros(1))[0] == pytest.approx(2 * np.sqrt(2))


def test_more_than_half_a_circle_is_no_arc():
    points = arc_points(5.0, 1.2 * np.pi, 60)
    error, _ = gauge(points).probe(*whole(points))
    assert error[0] > 1


@given(st.integers(2, 60), st.integers(1, 20))
def test_vertices_looked_at_lie_between_the_ends_and_are_all_where_there_are_few(span, count):
    at = inner(np.array([7]), np.array([7 + span]), count)[:, 0]
    assert np.all((at > 7) & (at < 7 + span))
    if span - 1 <= count:
        assert set(at) == set(range(8, 7 + span))


def test_lines_in_space_are_measured_in_space():
    points = np.array([[0, 0, 0], [1, 0.03, 0.04], [2, 0, 0.0]])
    it = LineGauge(points, 0.05)
    assert it.probe(*whole(points))[0][0] == pytest.approx(1)
    assert it.measure(*whole(points), np.zeros(1))[0] == pytest.approx(1)
