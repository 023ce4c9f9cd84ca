"""Positions on the planned path."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.leg import Leg, distance_mm
from fabctl.stream.path import PathWatch

coordinate = st.floats(-100, 100)
point = st.tuples(coordinate, coordinate, coordinate)


def test_a_position_proves_the_lines_before_its_move():
    watch = PathWatch([Leg(n, (float(n), 0, 0)) for n in range(1, 9)], (0, 0, 0), 0.01, 15)
    place = watch.locate((3.5, 0, 0), sent=8, acknowledged=6)
    assert (place.at_least, place.at_most, place.off_mm) == (3, 4, 0)


def test_where_the_path_crosses_itself_the_bounds_stay_apart():
    watch = PathWatch([Leg(1, (10, 0, 0)), Leg(2, (0, 0, 0)), Leg(3, (0, 5, 0))], (0, 0, 0), 0.01, 15)
    place = watch.locate((5, 0, 0), sent=3, acknowledged=3)
    assert (place.at_least, place.at_most) == (0, 2)
    place = watch.locate((0, 2, 0), sent=3, acknowledged=3)
    assert (place.at_least, place.at_most) == (2, 3)


def test_only_moves_that_were_sent_count():
    watch = PathWatch([Leg(1, (10, 0, 0)), Leg(2, (10, 10, 0))], (0, 0, 0), 0.01, 15)
    assert watch.locate((10, 5, 0), sent=1, acknowledged=1).off_mm == pytest.approx(5)


def test_what_is_proven_never_goes_back():
    watch = PathWatch([Leg(n, (float(n), 0, 0)) for n in range(1, 9)], (0, 0, 0), 0.01, 15)
    assert watch.locate((3.5, 0, 0), 8, 8).at_least == 3
    place = watch.locate((1.5, 0, 0), 8, 8)
    assert place.at_least == 3
    assert place.off_mm > 1


def test_a_full_planner_proves_older_moves():
    back_and_forth = [Leg(n, (float(n % 2), 0, 0)) for n in range(1, 101)]
    watch = PathWatch(back_and_forth, (0, 0, 0), 0.01, 15)
    assert watch.locate((0.5, 0, 0), sent=100, acknowledged=100).at_least == 100 - (15 + 6 + 1)


def test_without_a_path_nothing_is_proven_and_nothing_is_off():
    place = PathWatch((), (0, 0, 0), 0.01, 15).locate((5, 5, 5), sent=3, acknowledged=2)
    assert (place.at_least, place.at_most, place.off_mm) == (0, 3, 0)


@given(point, point, st.floats(0, 1))
def test_law_every_point_of_a_line_is_on_it(start, end, share):
    here = tuple(a + (b - a) * share for a, b in zip(start, end, strict=True))
    assert distance_mm(here, start, Leg(1, end)) < 1e-9


@given(st.floats(0, 6), st.floats(0.01, 6.2), st.floats(0, 1), st.booleans(), st.floats(-5, 5))
def test_law_every_point_of_a_helix_is_on_it(first, sweep, share, clockwise, rise):
    sense = -1 if clockwise else 1

    def at(part):
        angle = first + sense * sweep * part
        return 3 + 10 * math.cos(angle), 4 + 10 * math.sin(angle), rise * part

    leg = Leg(1, at(1.0), (3.0, 4.0), clockwise)
    assert distance_mm(at(share), at(0.0), leg) < 1e-6
    x, y, z = at(share)
    outside = (3 + (x - 3) * 1.1, 4 + (y - 4) * 1.1, z)
    assert distance_mm(outside, at(0.0), leg) == pytest.approx(1.0, abs=0.02)


def test_an_arc_that_ends_where_it_starts_is_a_full_circle():
    leg = Leg(1, (10, 0, 0), (0, 0))
    assert distance_mm((-10, 0, 0), (10, 0, 0), leg) < 1e-9


RATES = (30.0, 30.0, 10.0)


def followed(legs, *samples, feed=600.0):
    """Whether places, each with the time since the one before, can follow each other on the legs."""
    legs = [leg._replace(feed_mm_min=feed) for leg in legs]
    watch = PathWatch(legs, (0, 0, 3), 0.01, 15, rates_mm_s=RATES)
    for place, within_s in samples:
        assert watch.locate(place, sent=99, acknowledged=0, within_s=within_s).off_mm == 0
        if not watch.in_order:
            return False
    return True


HOLES = [Leg(1, (0, 0, -5)), Leg(2, (0, 0, 3)), Leg(3, (10, 0, 3)), Leg(4, (10, 0, -5)), Leg(5, (10, 0, 3))]


def test_a_hole_as_deep_as_planned_is_in_order():
    down = [((0, 0, 3 - 0.9 * k), 0.1) for k in range(9)]
    up = [((0, 0, -5 + 0.9 * k), 0.1) for k in range(9)]
    assert followed(HOLES, *down, ((0, 0, -5), 0.5), *up, ((3, 0, 3), 0.5))


def test_a_hole_left_out_is_not():
    assert not followed(HOLES, ((0, 0, 3), 0.1), ((0.5, 0, 3), 0.3))


def test_a_hole_not_drilled_to_its_end_is_not():
    assert not followed(HOLES, ((0, 0, 3), 0.1), ((0, 0, 2), 0.3), ((0, 0, 3), 0.3), ((0.5, 0, 3), 0.3))


def test_time_enough_puts_it_in_order_again():
    assert followed(HOLES, ((0, 0, 3), 0.1), ((0.5, 0, 3), 3.0))


def test_a_feed_doubled_by_the_operator_is_no_shortcut():
    assert followed(
        HOLES, ((0, 0, 3), 0.1), ((0, 0, 1), 0.2), ((0, 0, -1), 0.2), ((0, 0, -3), 0.2), feed=300.0
    )


@pytest.mark.parametrize("axis", range(3))
def test_no_axis_is_sooner_there_than_it_can_be(axis):
    far = [0.0, 0.0, 0.0]
    far[axis] = 5.0
    rates = tuple(1.0 if at else 1e9 for at in far)
    legs = [Leg(1, tuple(far)), Leg(2, (0, 0, 0)), Leg(3, (9, 9, 9))]
    for within_s, in_order in ((1.0, False), (20.0, True)):
        watch = PathWatch(legs, (0, 0, 0), 0.01, 15, rates_mm_s=rates)
        watch.locate((0, 0, 0), sent=9, acknowledged=0, within_s=0.1)
        watch.locate((4.5, 4.5, 4.5), sent=9, acknowledged=0, within_s=within_s)
        assert watch.in_order is in_order


def test_after_a_person_was_there_any_place_is_in_order():
    watch = PathWatch(HOLES, (0, 0, 3), 0.01, 15, rates_mm_s=RATES)
    watch.locate((0, 0, 3), sent=9, acknowledged=0, within_s=0.1)
    watch.anywhere()
    watch.locate((9, 0, 3), sent=9, acknowledged=0, within_s=0.1)
    assert watch.in_order


def test_a_circle_left_out_is_seen_although_it_ends_where_it_begins():
    circle = [Leg(1, (0, 0, 3), (-5.0, 0.0), True), Leg(2, (10, 0, 3))]
    assert not followed(circle, ((0, 0, 3), 0.1), ((2, 0, 3), 0.3))
    assert followed(circle, ((0, 0, 3), 0.1), ((2, 0, 3), 4.0))


def test_tiny_moves_prove_older_ones_once_they_have_come_as_far_as_a_step():
    tiny = [Leg(n, (n * 0.001, 0, 0)) for n in range(1, 1001)]
    watch = PathWatch(tiny, (0, 0, 0), 0.5, 15, least_mm=0.0025)
    place = watch.locate((1.0, 0, 0), sent=1000, acknowledged=1000)
    # three of them make a block at the latest
    assert 1000 - 3 * (15 + 6 + 2) <= place.at_least <= 1000 - (15 + 6 + 1)


def test_moves_that_stay_within_a_step_prove_nothing():
    shivers = [Leg(n, (0.001 * (n % 2), 0, 0)) for n in range(1, 1001)]
    watch = PathWatch(shivers, (0, 0, 0), 0.01, 15, least_mm=0.0025)
    assert watch.locate((0, 0, 0), sent=1000, acknowledged=1000).at_least == 0
