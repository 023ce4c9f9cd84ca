"""The planned moves ahead of the wire, against what one would count by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.leg import Leg, distance_mm, length_mm
from fabctl.stream.ways import GROUP, Pace, Ways

RATES = (50.0, 40.0, 10.0)
START = (0.0, 0.0, 5.0)
place = st.floats(-20, 20).map(lambda value: round(value, 2))
centre = st.one_of(st.none(), st.tuples(place, place))


@st.composite
def paths(draw):
    """Draw legs of lines in order, some lines with several, some with none; a few repeated to make many."""
    few = draw(st.lists(st.tuples(st.integers(0, 2), place, place, place, centre), min_size=1, max_size=12))
    size = draw(st.one_of(st.integers(1, 30), st.integers(GROUP - 2, 3 * GROUP)))
    legs, number = [], 1
    while len(legs) < size:
        for more, x, y, z, middle in few:
            number += more
            legs.append(Leg(number, (x, y, z), middle, feed_mm_min=600.0))
    return legs


@given(paths(), st.data())
def test_law_the_window_is_what_was_sent_and_is_not_over(legs, data):
    ways = Ways(legs, START, 0.1, rates_mm_s=RATES)
    starts = [START, *[leg.end_mm for leg in legs]]
    over = sent = 0
    while sent <= legs[-1].number:
        sent += data.draw(st.integers(1, 2 * GROUP))
        ways.send(sent)
        there = [leg for leg in legs if leg.number <= sent]
        assert [(way.start_mm, way.leg) for way in ways.window()] == list(zip(starts, there, strict=False))[
            over:
        ]
        assert ways.tip_mm == starts[len(there)]
        if there[over:]:
            step = len(there) - over - data.draw(st.integers(1, min(30, len(there) - over)))
            ways.over(ways.first + step)
            over += step


@given(paths())
def test_law_each_way_begins_where_and_when_the_one_before_ends(legs):
    ways = Ways(legs, START, 0.1, rates_mm_s=RATES)
    ways.send(legs[-1].number)
    window, tip, soonest_s = ways.window(), START, 0.0
    for way in window:
        assert (way.start_mm, way.length_mm) == (tip, length_mm(tip, way.leg))
        assert way.soonest_s == pytest.approx(soonest_s)
        assert way.lasts_s >= way.length_mm * 60 / (2 * 600) - 1e-9
        tip, soonest_s = way.leg.end_mm, soonest_s + way.lasts_s


@given(paths(), place, place, place)
def test_law_no_move_a_position_lies_on_is_passed_over(legs, x, y, z):
    ways = Ways(legs, START, 0.5)
    ways.send(legs[-1].number)
    on_it = [
        index
        for index, way in enumerate(ways.window())
        if distance_mm((x, y, z), way.start_mm, way.leg) <= 0.5 - 1e-9
    ]
    assert set(on_it) <= set(ways.near(x, y))


def test_an_arc_is_near_where_it_bulges():
    ways = Ways([Leg(1, (1.0, 0.0, 0.0), (0.5, 0.0))], (0.0, 0.0, 0.0), 0.1)
    ways.send(1)
    assert (ways.near(0.5, -0.59), ways.near(0.5, -0.61)) == ([0], [])


@given(paths(), st.integers(0, 400), st.integers(1, 30), st.floats(0.001, 40))
def test_law_what_a_full_planner_cannot_hold_is_over(legs, acknowledged, blocks, least_mm):
    ways = Ways(legs, START, 0.1, least_mm)
    ways.send(legs[-1].number)
    made, block_mm, before = [], START, 0
    for leg in legs:
        made.append(before)
        if leg.centre_mm is not None or math.dist(block_mm, leg.end_mm) > least_mm:
            block_mm, before = leg.end_mm, before + 1
    made.append(before)
    answered = sum(leg.number <= acknowledged for leg in legs)
    wanted = next(at for at in range(answered + 1) if made[answered] - made[at] <= blocks)
    assert ways.beyond(acknowledged, blocks) == wanted


def test_an_axis_that_is_not_named_stays_where_it_is():
    nan = math.nan
    ways = Ways([Leg(1, (3.0, nan, nan)), Leg(2, (nan, 4.0, nan))], START, 0.1)
    ways.send(2)
    assert [way.leg.end_mm for way in ways.window()] == [(3.0, 0.0, 5.0), (3.0, 4.0, 5.0)]


def test_a_path_without_moves_plans_nothing():
    ways = Ways((), START, 0.1)
    ways.send(7)
    assert (ways.planned, ways.window(), ways.tip_mm) == (False, [], START)


@given(st.tuples(place, place, place), st.floats(1, 10000))
def test_law_no_move_is_quicker_than_its_feed_twice_over_nor_than_its_slowest_axis(end, feed):
    least_s = Pace(RATES).least_s(START, Leg(1, end, feed_mm_min=feed), math.dist(START, end))
    by_axis_s = max(abs(a - b) / rate for a, b, rate in zip(START, end, RATES, strict=True))
    assert least_s == pytest.approx(max(by_axis_s, math.dist(START, end) / (2 * feed / 60)))


def test_an_arc_is_as_quick_as_all_axes_together():
    half = Leg(1, (-10.0, 0.0, 0.0), (0.0, 0.0), feed_mm_min=math.inf)
    assert Pace((3.0, 4.0, 0.0)).least_s((10.0, 0.0, 0.0), half, 10 * math.pi) == pytest.approx(2 * math.pi)


def test_tiny_moves_make_every_third_a_block_from_group_to_group():
    tiny = [Leg(n, (n * 0.001, 0.0, 0.0)) for n in range(1, 3 * GROUP + 1)]
    ways = Ways(tiny, (0.0, 0.0, 0.0), 0.1, 0.0025)
    ways.send(3 * GROUP)
    assert ways.beyond(3 * GROUP, GROUP - 1) == 3
