"""Ordering keeps every path and every rule, and never travels more than the nearest neighbour."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.toolpath.neighbours import nearest
from fabctl.toolpath.order import order_paths


def scene(seed, count, closed_share=0.3):
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 100, (count, 2)).round(1)
    closed = rng.random(count) < closed_share
    end = np.where(closed[:, None], start, start + rng.normal(0, 8, (count, 2)))
    return start, end, closed, rng


def walked(order, start, end, closed, from_point=(0, 0), entries=None):
    """Travel of an order, added up leg by leg."""
    at, total = np.array(from_point, float), 0.0
    for path, turned, entry in zip(order.index, order.reversed, order.entry, strict=True):
        into, out = (end[path], start[path]) if turned else (start[path], end[path])
        if closed[path] and entries is not None and entries[1][path + 1] > entries[1][path]:
            into = out = entries[0][entries[1][path] + entry]
        total += np.hypot(*(into - at))
        at = out
    return total


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_every_path_is_made_once_and_the_travel_is_true(seed, count):
    start, end, closed, _ = scene(seed, count)
    found = order_paths(start, end, closed, from_point=(3, 4))
    assert sorted(found.index.tolist()) == list(range(count))
    assert not found.reversed[closed[found.index]].any()
    assert found.travel_mm == pytest.approx(walked(found, start, end, closed, (3, 4)))


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 60))
def test_rules_groups_and_directions_are_kept(seed, count):
    start, end, closed, rng = scene(seed, count)
    group = rng.integers(0, 3, count)
    rank = rng.permutation(count)
    pairs = rng.integers(0, count, (count // 2, 2))
    pairs = pairs[(rank[pairs[:, 0]] < rank[pairs[:, 1]]) & (group[pairs[:, 0]] <= group[pairs[:, 1]])]
    reversible = rng.random(count) < 0.5
    found = order_paths(start, end, closed, group=group, before=pairs, reversible=reversible)
    place = np.empty(count, int)
    place[found.index] = np.arange(count)
    assert sorted(found.index.tolist()) == list(range(count))
    assert np.all(place[pairs[:, 0]] < place[pairs[:, 1]])
    assert np.all(np.diff(group[found.index]) >= 0)
    assert not found.reversed[~reversible[found.index]].any()


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 150), st.booleans())
def test_travel_is_never_longer_than_by_nearest_neighbour(seed, count, ruled):
    start, end, closed, rng = scene(seed, count)
    pairs = np.sort(rng.integers(0, count, (count // 3, 2)), axis=1) if ruled else np.zeros((0, 2), int)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    better = order_paths(start, end, closed, before=pairs)
    assert better.travel_mm <= order_paths(start, end, closed, before=pairs, improve=False).travel_mm + 1e-6


def test_two_opt_and_or_opt_gain_a_tenth_over_the_nearest_neighbour():
    start, end, closed, _ = scene(1, 1500, 0)
    greedy = order_paths(start, end, closed, improve=False).travel_mm
    assert order_paths(start, end, closed).travel_mm < 0.9 * greedy


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_few_paths_come_close_to_the_best_order_there_is(seed, count):
    start, end, closed, _ = scene(seed, count, 0)
    best = np.inf
    for index in permutations(range(count)):
        for flips in product((False, True), repeat=count):
            at, total = np.zeros(2), 0.0
            for path in index:
                into, out = (end[path], start[path]) if flips[path] else (start[path], end[path])
                total, at = total + np.hypot(*(into - at)), out
            best = min(best, total)
    found = order_paths(start, end, closed).travel_mm
    assert best - 1e-9 <= found <= 1.35 * best


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_entries_and_directions_are_the_best_for_the_order(seed, count):
    rng = np.random.default_rng(seed)
    start, end, closed, _ = scene(seed, count, 0.6)
    size = np.where(closed, rng.integers(0, 4, count), 0)
    entries = (rng.uniform(0, 100, (size.sum(), 2)), np.concatenate(([0], np.cumsum(size))))
    found = order_paths(start, end, closed, entries=entries)
    assert found.travel_mm == pytest.approx(walked(found, start, end, closed, entries=entries))
    choices = [
        [(start[p], end[p]), (end[p], start[p])]
        if not closed[p]
        else [(e, e) for e in entries[0][entries[1][p] : entries[1][p + 1]]] or [(start[p], start[p])]
        for p in found.index
    ]
    best = min(
        sum(
            np.hypot(*(into - out))
            for (into, _), out in zip(way, [np.zeros(2), *(o for _, o in way)][:-1], strict=True)
        )
        for way in product(*choices)
    )
    assert found.travel_mm == pytest.approx(best)


def test_inner_is_cut_before_outer_even_if_farther():
    start = np.array([[1.0, 0], [50, 0]])
    found = order_paths(start, start, [True, True], before=[[1, 0]])
    assert found.index.tolist() == [1, 0]


def test_the_same_input_gives_the_same_order():
    start, end, closed, _ = scene(7, 300)
    one, two = order_paths(start, end, closed), order_paths(start.copy(), end.copy(), closed.copy())
    assert np.array_equal(one.index, two.index)
    assert np.array_equal(one.reversed, two.reversed)


def test_many_paths_in_one_place_are_ordered_too():
    start = np.zeros((700, 2))
    found = order_paths(start, start, np.ones(700, bool))
    assert sorted(found.index.tolist()) == list(range(700))
    assert found.travel_mm == 0


def test_contradictions_and_bad_points_are_named():
    points = np.array([[0.0, 0], [1, 1], [2, 2]])
    closed = np.ones(3, bool)
    with pytest.raises(InputError, match="circle"):
        order_paths(points, points, closed, before=[[0, 1], [1, 0]])
    with pytest.raises(InputError, match="groups"):
        order_paths(points, points, closed, before=[[0, 1]], group=[1, 0, 0])
    with pytest.raises(InputError, match="groups"):
        order_paths(points, points, closed, before=[[0, 3]])
    with pytest.raises(InputError, match="finite"):
        order_paths(points * np.nan, points, closed)
    with pytest.raises(InputError, match="number"):
        order_paths(points, points[:2], closed)


@pytest.mark.parametrize("spread", ["even", "clusters", "line"])
def test_neighbour_lists_hold_the_nearest(spread):
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 100, (2000, 2))
    if spread == "clusters":
        points = np.repeat(points[:50], 40, axis=0) + rng.normal(0, 1e-3, (2000, 2))
    if spread == "line":
        points[:, 1] = 0
    found = nearest(points, 8)
    gap = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(gap, np.inf)
    true = np.sort(gap, axis=1)[:, :8]
    got = np.take_along_axis(gap, found, axis=1)
    assert not np.any(found == np.arange(2000)[:, None])
    assert np.mean(got[:, 0] <= true[:, 0] + 1e-12) > 0.99
    assert np.mean(got[:, 4] <= true[:, 4] + 1e-12) > 0.95
