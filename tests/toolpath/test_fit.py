"""Merging points into lines and arcs: the bound, measured by dense sampling."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.fit import fit_arcs, fit_moves, simplify
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, FEED, MOVE, RAPID, lengths


def dense(points, count=9):
    """Points of a polyline, many on every chord."""
    points = np.asarray(points, float)
    if len(points) < 2:
        return points
    t = np.linspace(0, 1, count, endpoint=False)[None, :, None]
    inner = points[:-1, None] * (1 - t) + points[1:, None] * t
    return np.vstack((inner.reshape(-1, points.shape[1]), points[-1:]))


def dense_piece(a, b, bulge, count=150):
    """Points of one line or arc, drawn from the bulge's definition alone."""
    t = np.linspace(0, 1, count)
    if bulge == 0:
        return a + (b - a) * t[:, None]
    half = 2 * np.arctan(bulge)
    chord = complex(*(b - a))
    radius = chord / (2 * np.sin(half))
    centre = complex(*a) + radius * 1j * np.exp(-1j * half)
    arm = complex(*a) - centre
    z = centre + arm * np.exp(1j * 2 * half * t)
    return np.column_stack((z.real, z.imag))


def distance_to_polyline(points, polyline):
    """Nearest distance of each point to a polyline, by brute force."""
    a, b = polyline[:-1], polyline[1:]
    d = b - a
    length2 = np.maximum(np.sum(d * d, axis=1), 1e-300)
    best = np.full(len(points), np.inf)
    for start, step, l2 in zip(a, d, length2, strict=True):
        t = np.clip((points - start) @ step / l2, 0, 1)
        best = np.minimum(best, np.linalg.norm(points - start - t[:, None] * step, axis=1))
    return best


def assert_within(points, fitted, tolerance, closed=False):
    """Each piece and the vertices it stands for are within the tolerance of each other, both ways."""
    whole = np.vstack((points, points[:1])) if closed else np.asarray(points, float)
    source = np.append(fitted.source, len(points)) if closed else fitted.source
    ends = np.vstack((fitted.points, fitted.points[:1])) if closed else fitted.points
    for i in range(len(source) - 1):
        drawn = whole[source[i] : source[i + 1] + 1]
        piece = dense_piece(ends[i], ends[i + 1], fitted.bulge[i])
        assert piece[-1] == pytest.approx(ends[i + 1], abs=1e-7)
        # the samples' own chords cut inside the arc by this much
        slack = np.linalg.norm(piece[1] - piece[0]) * np.tan(np.arctan(abs(fitted.bulge[i])) / 149) / 2
        assert distance_to_polyline(dense(drawn), piece).max() <= tolerance + slack + 1e-9
        assert distance_to_polyline(piece, drawn).max() <= tolerance + 1e-9


def wave(amplitude, turns, count, seed):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, turns, count)
    phase = rng.uniform(0, 6, 4)
    x = 10 * t + amplitude * np.sin(3 * t + phase[0])
    y = 8 * np.sin(t + phase[1]) + amplitude * np.cos(7 * t + phase[2])
    return np.column_stack((x, y))


@settings(max_examples=40)
@given(
    st.floats(0, 3),
    st.integers(2, 250),
    st.integers(0, 10**6),
    st.sampled_from([0.005, 0.02, 0.3]),
    st.sampled_from([None, 3]),
)
def test_fitted_curves_stay_within_the_tolerance_both_ways(amplitude, count, seed, tolerance, decimals):
    points = wave(amplitude, 3, count, seed)
    fitted = fit_arcs(points, tolerance, decimals=decimals)
    assert_within(points, fitted, tolerance)
    assert fitted.source[0] == 0
    assert fitted.source[-1] == count - 1
    assert np.all(np.diff(fitted.source) > 0)


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=25),
    st.sampled_from([0.01, 0.7, 2.0]),
)
def test_any_zigzag_stays_within_the_tolerance(points, tolerance):
    """Repeated points, reversals and crossings included."""
    p = np.array(points, float)
    assert_within(p, fit_arcs(p, tolerance), tolerance)
    kept = simplify(p, tolerance)
    for a, b in pairwise(kept):
        chord = p[[a, b]]
        assert distance_to_polyline(p[a : b + 1], chord).max() <= tolerance + 1e-9


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.001, 0.02))
def test_rounded_centres_stay_within_the_tolerance_as_a_controller_draws_them(seed, noise):
    """Centre and ends rounded to 3 decimals; Grbl draws with the start's radius."""
    rng = np.random.default_rng(seed)
    points = wave(1.0, 2, 400, seed) + rng.normal(0, noise / 20, (400, 2))
    fitted = fit_arcs(points, 0.005 + noise, decimals=3)
    assert np.array_equal(fitted.points, np.round(fitted.points, 3))
    a, b = fitted.points[:-1], fitted.points[1:]
    for i in np.flatnonzero(fitted.bulge[:-1]):
        offset = (1 - fitted.bulge[i] ** 2) / (4 * fitted.bulge[i])
        chord = b[i] - a[i]
        ij = np.round(chord / 2 + np.array([-chord[1], chord[0]]) * offset, 3)
        centre, radius = a[i] + ij, np.hypot(*ij)
        assert abs(np.hypot(*(b[i] - centre)) - radius) <= 0.005
        drawn = dense(points[fitted.source[i] : fitted.source[i + 1] + 1])
        assert np.abs(np.hypot(*(drawn - centre).T) - radius).max() <= 0.005 + noise + 1e-9


@pytest.mark.parametrize("radius", [0.4, 3.0, 60.0])
@pytest.mark.parametrize("direction", [1, -1])
def test_flattened_circles_come_back_as_circles(radius, direction):
    step = 2 * np.arccos(1 - 0.004 / radius)
    angle = direction * np.arange(0, 2 * np.pi, step)
    points = np.column_stack((7 + radius * np.cos(angle), radius * np.sin(angle) - 2))
    fitted = fit_arcs(points, 0.005, closed=[True])
    assert fitted.bulge.tolist() == [direction, direction]
    assert fitted.points[0] == pytest.approx(points[0])
    assert fitted.points[1] == pytest.approx([7 - radius, -2], abs=1e-6)


def test_a_slot_is_two_lines_and_its_round_ends():
    angle = np.linspace(-np.pi / 2, np.pi / 2, 80)
    right = np.column_stack((20 + 3 * np.cos(angle), 3 * np.sin(angle)))
    fitted = fit_arcs(np.vstack((right, -right)), 0.005, closed=[True], offsets=[0, 160])
    assert len(fitted.points) <= 4
    assert np.count_nonzero(fitted.bulge == 0) == 2
    assert_within(np.vstack((right, -right)), fitted, 0.005, closed=True)


def test_corners_are_kept():
    side = np.linspace(0, 10, 50)
    points = np.vstack((np.column_stack((side, 0 * side)), np.column_stack((0 * side[1:] + 10, side[1:]))))
    fitted = fit_arcs(points, 0.005)
    assert fitted.points.tolist() == [[0, 0], [10, 0], [10, 10]]
    assert not fitted.bulge.any()


def test_a_way_that_turns_back_keeps_its_turn():
    points = np.array([[0, 0], [5, 0], [9, 0], [4, 0], [2, 0]], float)
    assert simplify(points, 0.1).tolist() == [0, 2, 4]
    assert fit_arcs(points, 0.1).points[:, 0].tolist() == [0, 9, 2]


def test_a_way_round_several_times_keeps_its_turns():
    angle = np.arange(21) * 2 * np.pi / 6.4
    points = np.column_stack((np.cos(angle), np.sin(angle)))
    fitted = fit_arcs(points, 0.2, corner_deg=180)
    pieces = [dense_piece(*fitted.points[i : i + 2], fitted.bulge[i]) for i in range(len(fitted.points) - 1)]
    way = np.vstack(pieces)
    turned = np.unwrap(np.arctan2(way[:, 1], way[:, 0]))
    assert turned[-1] == pytest.approx(angle[-1])


def test_a_way_back_along_an_arc_keeps_its_turn():
    angle = np.array([0, 0.05, 0.1, 0.15, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
    points = 10 * np.column_stack((np.cos(angle), np.sin(angle)))
    fitted = fit_arcs(points, 0.01, corner_deg=180)
    assert_within(points, fitted, 0.01)
    pieces = [dense_piece(*fitted.points[i : i + 2], fitted.bulge[i]) for i in range(len(fitted.points) - 1)]
    way = np.vstack(pieces)
    assert np.abs(np.diff(np.arctan2(way[:, 1], way[:, 0]))).sum() == pytest.approx(0.6, abs=0.02)


def test_given_arcs_stay_and_lines_around_them_are_merged():
    points = np.array([[0, 0], [1, 0], [2, 0], [4, 0], [5, 0], [6, 0]], float)
    fitted = fit_arcs(points, 0.01, bulge=[0, 0, 1.0, 0, 0, 0])
    assert fitted.points[:, 0].tolist() == [0, 2, 4, 6]
    assert fitted.bulge.tolist() == [0, 1, 0, 0]


def test_paths_do_not_mix():
    many = [wave(1, 1, 60, s) for s in range(5)]
    offsets = np.arange(6) * 60
    together = fit_arcs(np.vstack(many), 0.01, offsets=offsets, closed=[False, True, False, True, False])
    for i, points in enumerate(many):
        alone = fit_arcs(points, 0.01, closed=[bool(i % 2)])
        part = slice(together.offsets[i], together.offsets[i + 1])
        assert np.array_equal(together.points[part], alone.points)
        assert np.array_equal(together.bulge[part], alone.bulge)
        assert np.array_equal(together.source[part], alone.source + 60 * i)


def test_a_dense_curve_becomes_a_ninth_of_its_lines_and_fewer_arcs():
    """300 mm in 3,000 points, 5 µm: the measure of docs on the link."""
    t = np.linspace(0, 2 * np.pi, 3000)
    points = np.column_stack((60 * np.cos(t) + 4 * np.cos(3 * t), 35 * np.sin(t)))
    assert len(simplify(points, 0.005)) <= 3000 / 9
    assert len(fit_arcs(points, 0.005, decimals=3).points) <= 3000 / 40


def test_long_stretches_are_worked_in_lanes_without_seams():
    """A line and a large arc of many lanes each end as one piece or nearly so."""
    line = np.column_stack((np.linspace(0, 500, 20000), np.zeros(20000)))
    assert len(simplify(line, 0.001)) <= 6
    angle = np.linspace(0, 1.5, 9000)
    arc = 300 * np.column_stack((np.cos(angle), np.sin(angle)))
    assert len(fit_arcs(arc, 0.005).points) <= 4


def test_merging_moves_keeps_heights_feeds_and_rapids():
    angle = np.linspace(0, np.pi, 200)[1:]
    moves = np.zeros(402, MOVE)
    moves["motion"] = FEED
    moves[0] = (RAPID, (10, 0, 0), (0, 0), 0, 0)
    moves["feed"][1:] = 600
    moves["xyz"][1:200, :2] = 10 * np.column_stack((np.cos(angle), np.sin(angle)))
    moves["xyz"][200] = (-10, 0, -2)
    moves["xyz"][201:400, :2] = -moves["xyz"][1:200, :2]
    moves["xyz"][201:400, 2] = -2
    moves["xyz"][400:, :2] = ((12, 0), (14, 0))
    moves["xyz"][400:, 2] = -2
    moves["feed"][401] = 900
    merged, source = fit_moves(moves, np.zeros(3), 0.005)
    assert merged["motion"].tolist() == [RAPID, ARC_CCW, FEED, ARC_CCW, FEED, FEED]
    assert source.tolist() == [0, 199, 200, 399, 400, 401]
    assert np.array_equal(merged["feed"], moves["feed"][source])
    assert lengths(merged, np.zeros(3)).sum() == pytest.approx(lengths(moves, np.zeros(3)).sum(), rel=1e-4)


def test_clockwise_stays_clockwise():
    angle = -np.linspace(0, 2, 100)
    moves = np.zeros(99, MOVE)
    moves["motion"], moves["feed"] = FEED, 100
    moves["xyz"][:, :2] = (5 * np.column_stack((np.cos(angle), np.sin(angle))))[1:]
    merged, _ = fit_moves(moves, np.array([5.0, 0, 0]), 0.01)
    assert merged["motion"].tolist() == [ARC_CW]
    assert merged["ij"][0] == pytest.approx([-5, 0], abs=1e-6)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="not finite"):
        fit_arcs([[0, 0], [np.nan, 1]], 0.1)
    with pytest.raises(InputError, match="decimals"):
        fit_arcs([[0, 0], [1, 1]], 0.001, decimals=3)
    with pytest.raises(InputError, match="tolerance"):
        simplify([[0, 0], [1, 1]], -1)
    with pytest.raises(InputError, match="without a point"):
        fit_arcs([[0, 0], [1, 1]], 0.1, offsets=[0, 0, 2])
    assert len(simplify(np.zeros((0, 2)), 0.1)) == 0
    assert len(fit_arcs(np.zeros((0, 2)), 0.1).points) == 0
    assert len(fit_arcs([[1, 2]], 0.1).points) == 1
