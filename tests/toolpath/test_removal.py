"""Removed material against closed forms and brute force."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.cutter import Cutter, ball_end, bull_end, flat_end, v_end
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, FEED, MOVE, RAPID
from fabctl.toolpath.removal import HeightMap, blank, compare, engage, remove, remove_along

ORIGIN = np.array([0.0, 0.0, 5.0])
CUTTERS = {
    "flat": flat_end(4),
    "ball": ball_end(4),
    "bull": bull_end(4, 1),
    "v": v_end(4, 60),
    "v with tip": v_end(4, 90, 1.0),
}


def rows(*moves):
    return np.array(list(moves), MOVE)


def feed(*place):
    return (FEED, place, (0, 0), 100, 0)


def removed_mm3(stock, left):
    return stock.volume_mm3(-20) - left.volume_mm3(-20)


def edge_mm(cutter, r):
    """Height of a cutter's edge above its tip, from its drawing."""
    if cutter.cone_deg:
        return np.maximum(r - cutter.tip_mm / 2, 0) / np.tan(np.radians(cutter.cone_deg / 2))
    out = np.maximum(r - (cutter.diameter_mm / 2 - cutter.corner_mm), 0)
    return cutter.corner_mm - np.sqrt(np.maximum(cutter.corner_mm**2 - out**2, 0))


def brute(stock, way, cutter):
    """The stock after a cutter stood at each of many places."""
    z = stock.z_mm.copy()
    xs, ys = stock.centres()
    for x, y, tip in way:
        r = np.hypot(xs[None] - x, ys[:, None] - y)
        z = np.where(r <= cutter.radius_mm, np.minimum(z, tip + edge_mm(cutter, r)), z)
    return z


def test_a_slot_is_its_bottom_and_its_round_ends():
    stock = blank(40, 20, 0.05)
    left = remove(stock, rows(feed(10, 10, -2), feed(30, 10, -2)), np.array([10, 10, 0.0]), flat_end(6))
    assert removed_mm3(stock, left) == pytest.approx(2 * (20 * 6 + np.pi * 9), rel=1e-3)
    assert set(np.unique(left.z_mm)) == {-2.0, 0.0}


@pytest.mark.parametrize(
    ("cutter", "volume"),
    [
        (flat_end(6), np.pi * 9 * 2),
        (ball_end(6), np.pi * 4 * (3 - 2 / 3)),
        (v_end(6, 60), np.pi * 8 / 9),
        (v_end(12, 90, 2.0), np.pi / 3 * 2 * (1 + 3 + 9)),
    ],
)
def test_a_plunge_leaves_the_cutters_shape(cutter, volume):
    stock = blank(20, 20, 0.05)
    left = remove(stock, rows(feed(10, 10, -2)), np.array([10, 10, 5.0]), cutter)
    assert removed_mm3(stock, left) == pytest.approx(volume, rel=5e-3)
    assert left.z_mm.min() == pytest.approx(-2, abs=0.07)


def test_a_v_groove_is_a_prism_with_two_half_cones():
    stock = blank(40, 20, 0.05)
    left = remove(stock, rows(feed(10, 10, -2), feed(30, 10, -2)), np.array([10, 10, 5.0]), v_end(12, 90))
    assert removed_mm3(stock, left) == pytest.approx(20 * 4 + np.pi * 8 / 3, rel=2e-3)


def test_a_ramp_of_a_flat_cutter_removes_as_much_as_its_mean_depth():
    """Along a ramp each place ends at the lowest bottom over it: the wedge, shifted by the half chord."""
    stock = blank(60, 20, 0.1)
    ramp = rows(feed(50, 10, -4))
    left = remove(stock, ramp, np.array([10, 10, 0.0]), flat_end(6))
    xs, ys = stock.centres()
    half = np.sqrt(np.maximum(9 - (ys - 10) ** 2, 0))[:, None]
    inside = (np.abs(ys - 10) <= 3)[:, None]
    ahead = np.minimum(xs[None] + half, 50)
    expected = np.where(inside & (ahead >= 10) & (xs[None] - half <= 50), -(ahead - 10) / 10, 0.0)
    assert np.allclose(left.z_mm, np.minimum(expected, 0.0))


@settings(max_examples=15)
@given(
    st.sampled_from(sorted(CUTTERS)),
    st.lists(st.tuples(st.floats(2, 10), st.floats(2, 10), st.floats(-4, 1)), min_size=2, max_size=3),
)
def test_any_line_agrees_with_a_cutter_set_down_everywhere_along_it(name, places):
    stock = blank(12, 12, 0.5)
    cutter = CUTTERS[name]
    moves = rows(*(feed(*p) for p in places[1:]))
    left = remove(stock, moves, np.array(places[0]), cutter)
    way = np.vstack([np.linspace(a, b, 400) for a, b in pairwise(places)])
    expected = brute(stock, way, cutter)
    # standing places are a spacing apart: the brute sweep may stay a little above, and miss the rim
    assert np.all(left.z_mm <= expected + 1e-9)
    steep = np.abs(np.diff(way, axis=0)).max() * (4 if cutter.cone_deg else 1) + 1e-9
    away = left.z_mm < expected - max(steep, 0.02) - 0.05
    assert np.count_nonzero(away) <= 0.04 * away.size


@pytest.mark.parametrize("name", CUTTERS)
def test_steep_and_shallow_ramps_agree_with_many_places(name):
    stock = blank(12, 6, 0.25)
    cutter = CUTTERS[name]
    for z in (-0.3, -6.0):
        ends = np.array([[3, 3, 0.0], [9, 3.4, z]])
        left = remove(stock, rows(feed(*ends[1])), ends[0], cutter)
        expected = brute(stock, np.linspace(ends[0], ends[1], 1500), cutter)
        assert np.all(left.z_mm <= expected + 1e-9)
        assert np.quantile(expected - left.z_mm, 0.97) < 0.02


@pytest.mark.parametrize("motion", [ARC_CW, ARC_CCW])
@pytest.mark.parametrize("name", ["flat", "v", "bull"])
@pytest.mark.parametrize("end", [(15, 10), (5, 10), (10, 15), (13, 14)])
def test_a_level_arc_agrees_with_its_chords(motion, name, end):
    from fabctl.toolpath.flatten import flatten_moves

    stock = blank(20, 20, 0.4)
    start = np.array([15, 10, -1.0])
    moves = rows((motion, (*end, -1), (-5, 0), 100, 0))
    points, _ = flatten_moves(moves, start, 1e-6)
    exact = remove(stock, moves, start, CUTTERS[name])
    chords = remove(stock, rows(*(feed(*p) for p in points)), start, CUTTERS[name])
    assert np.abs(exact.z_mm - chords.z_mm).max() < 1e-4


def test_a_ring_is_its_area():
    stock = blank(60, 60, 0.1)
    left = remove(
        stock, rows((ARC_CCW, (50, 30, -1), (-20, 0), 100, 0)), np.array([50, 30, -1.0]), flat_end(4)
    )
    assert removed_mm3(stock, left) == pytest.approx(2 * np.pi * 20 * 4, rel=2e-3)


def test_a_helix_ends_as_a_ring_at_its_depth():
    stock = blank(20, 20, 0.1)
    helix = rows((ARC_CCW, (14, 10, -2), (-4, 0), 100, 0), (ARC_CCW, (14, 10, -2), (-4, 0), 100, 0))
    left = remove(stock, helix, np.array([14, 10, 0.0]), flat_end(2))
    assert removed_mm3(stock, left) == pytest.approx(2 * 2 * np.pi * 4 * 2, rel=5e-3)


@pytest.mark.parametrize("name", CUTTERS)
def test_order_does_not_matter_to_what_is_left_and_cutting_twice_changes_nothing(name):
    rng = np.random.default_rng(2)
    stock = blank(30, 30, 0.3)
    places = rng.uniform((0, 0, -3), (30, 30, 1), (30, 3))
    moves = rows(*(feed(*p) for p in places))
    there = remove(stock, moves, ORIGIN, CUTTERS[name])
    back = remove(stock, rows(*(feed(*p) for p in [*places[-2::-1], ORIGIN])), places[-1], CUTTERS[name])
    assert np.allclose(there.z_mm, back.z_mm, atol=1e-9)
    assert np.array_equal(remove(there, moves, ORIGIN, CUTTERS[name]).z_mm, there.z_mm)
    assert np.all(there.z_mm <= stock.z_mm)


@pytest.mark.parametrize("name", CUTTERS)
def test_engagement_adds_up_and_leaves_the_same(name):
    rng = np.random.default_rng(3)
    stock = blank(30, 30, 0.3)
    moves = rows(*(feed(*p) for p in rng.uniform((0, 0, -3), (30, 30, 1), (40, 3))))
    found = engage(stock, moves, ORIGIN, CUTTERS[name])
    left = remove(stock, moves, ORIGIN, CUTTERS[name])
    assert np.allclose(found.left.z_mm, left.z_mm, atol=1e-8)
    assert found.volume_mm3.sum() == pytest.approx(removed_mm3(stock, left), rel=1e-6)
    one_by_one, here = [], stock
    for k in range(len(moves)):
        begin = ORIGIN if k == 0 else moves["xyz"][k - 1]
        after = remove(here, moves[k : k + 1], begin, CUTTERS[name])
        one_by_one.append(removed_mm3(here, after))
        here = after
    assert np.allclose(found.volume_mm3, one_by_one, atol=1e-5)


def test_a_rapid_through_the_stock_is_named_and_one_over_it_is_not():
    stock = blank(40, 20, 0.5)
    moves = rows(
        (RAPID, (5, 5, 5), (0, 0), 0, 0),
        feed(5, 5, -2),
        (RAPID, (30, 5, -1), (0, 0), 0, 0),
        (RAPID, (30, 5, 5), (0, 0), 0, 0),
        (RAPID, (30, 15, 0), (0, 0), 0, 0),
        (RAPID, (5, 15, 0), (0, 0), 0, 0),
        (DWELL, (5, 15, 0), (1, 0), 0, 0),
    )
    found = engage(stock, moves, ORIGIN, flat_end(4))
    assert found.rapids_through(moves).tolist() == [2]
    assert found.deepest_mm[1] == pytest.approx(2)
    assert found.volume_mm3[5] == 0


def test_nothing_is_removed_below_the_stocks_underside():
    stock = blank(20, 20, 0.1)
    moves = rows(feed(10, 10, -9))
    found = engage(stock, moves, np.array([10, 10, 5.0]), flat_end(6), floor_mm=-6)
    assert found.volume_mm3[0] == pytest.approx(np.pi * 9 * 6, rel=5e-3)
    assert found.deepest_mm[0] == 6


def test_a_traced_way_cuts_what_the_plan_cuts():
    stock = blank(30, 20, 0.2)
    plan = rows(feed(5, 5, -1), feed(25, 12, -1), feed(25, 12, 2))
    way = np.vstack([np.linspace(a, b, 60) for a, b in [((5, 5, 2), (5, 5, -1)), ((5, 5, -1), (25, 12, -1))]])
    along = remove_along(stock, way, ball_end(4))
    assert np.abs(along.z_mm - remove(stock, plan, way[0], ball_end(4)).z_mm).max() < 1e-6
    assert remove_along(stock, np.zeros((0, 3)), ball_end(4)) is stock


def test_gouges_and_rests_are_measured_against_a_target():
    stock = blank(20, 20, 0.5)
    target = remove(stock, rows(feed(15, 10, -2)), np.array([5, 10, -2.0]), flat_end(4))
    deep = remove(stock, rows(feed(10, 10, -2.5)), np.array([5, 10, -2.5]), flat_end(4))
    found = compare(deep, target, 0.1)
    assert found.gouge_mm == 0.5
    assert found.gouge_mm3 == pytest.approx(0.5 * np.count_nonzero(deep.z_mm < 0) * 0.25)
    assert found.remaining_mm3 == pytest.approx(
        2 * np.count_nonzero((target.z_mm < 0) & (deep.z_mm == 0)) * 0.25
    )
    assert not compare(target, target, 0.0).gouged.any()


def test_moves_off_the_stock_change_nothing():
    stock = blank(10, 10, 0.5)
    far = rows(feed(100, 100, -3), feed(-50, 80, -3))
    assert np.array_equal(remove(stock, far, np.array([90, 90, -3.0]), flat_end(6)).z_mm, stock.z_mm)
    assert np.array_equal(remove(stock, np.zeros(0, MOVE), ORIGIN, flat_end(6)).z_mm, stock.z_mm)


def test_impossible_cutters_grids_and_moves_are_named():
    for wrong in ((0.0,), (4.0, 3.0), (4.0, 0.0, 180.0), (4.0, 1.0, 60.0), (4.0, 0.0, 60.0, 5.0), (np.nan,)):
        with pytest.raises(InputError, match="shape"):
            Cutter(*wrong)
    with pytest.raises(InputError, match="no place to cut"):
        blank(0, 10, 1)
    with pytest.raises(InputError, match="no grid"):
        HeightMap((0, 0), -1, np.zeros((2, 2)))
    with pytest.raises(InputError, match="not finite"):
        remove(blank(5, 5, 1), rows(feed(np.nan, 0, 0)), ORIGIN, flat_end(1))
    with pytest.raises(InputError, match="grids"):
        compare(blank(5, 5, 1), blank(5, 6, 1), 0.1)
