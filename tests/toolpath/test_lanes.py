"""Pieces grown side by side: they cover every stretch, each has been measured, few are wasted."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.toolpath.gauge import ArcGauge, Bends, LineGauge
from fabctl.toolpath.lanes import merge_points

EXACT = Bends(grid_mm=0.0, farthest_mm=5000.0)


def clothoid(rate_mm2, count, step_mm=0.05):
    """A way whose curvature grows evenly, from none."""
    s = np.arange(count) * step_mm
    heading = rate_mm2 * s**2 / 2
    return np.cumsum(step_mm * np.column_stack((np.cos(heading), np.sin(heading))), axis=0)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 0.05), st.integers(2, 3000))
def test_pieces_cover_their_stretches_and_every_one_holds(seed, noise, count):
    rng = np.random.default_rng(seed)
    points = clothoid(0.002, count) + rng.normal(0, noise, (count, 2))
    cut = np.unique(np.append(rng.integers(0, count, 3), (0, count - 1)))
    for gauge in (ArcGauge(points, points, 0.01, EXACT), LineGauge(points, 0.01)):
        at, bulge = merge_points(gauge, cut[:-1], cut[1:])
        assert set(cut[:-1]) <= set(at)
        end = np.append(at[1:], count - 1)
        c = np.hypot(*(points[end] - points[at]).T) / 2
        # bend from bulge: tan of a quarter of the sweep to half the curvature's tangent
        bend = np.divide(bulge, c * (1 - bulge**2), out=np.zeros(len(at)), where=bulge != 0)
        assert np.all((end - at == 1) | (gauge.measure(at, end, bend) <= 1 + 1e-6))


def test_pieces_of_a_clothoid_are_nearly_as_few_as_can_be():
    points = clothoid(3e-5, 22000)[2000:]
    at, _ = merge_points(ArcGauge(points, points, 0.005, EXACT), np.array([0]), np.array([19999]))
    longest = np.cbrt(72 * np.sqrt(3) * 0.005 / 3e-5)
    assert len(at) <= 1.03 * 19999 * 0.05 / longest


def test_a_bump_between_the_points_looked_at_is_not_lost():
    points = np.column_stack((np.arange(5000) * 0.1, np.zeros(5000)))
    points[3210, 1] = 0.05
    for gauge in (ArcGauge(points, points, 0.01, EXACT), LineGauge(points, 0.01)):
        at, _ = merge_points(gauge, np.array([0]), np.array([4999]))
        assert 3210 in at
        assert len(at) <= 5


def test_seams_of_lanes_do_not_show_in_a_line():
    points = np.column_stack((np.arange(100000) * 0.1, np.zeros(100000)))
    at, bulge = merge_points(ArcGauge(points, points, 0.01, EXACT), np.array([0]), np.array([99999]))
    assert at.tolist() == [0]
    assert bulge.tolist() == [0]


def test_nothing_to_cover_gives_no_piece():
    points = np.zeros((3, 2))
    at, bulge = merge_points(LineGauge(points, 0.01), np.array([1, 2]), np.array([1, 2]))
    assert len(at) == len(bulge) == 0
