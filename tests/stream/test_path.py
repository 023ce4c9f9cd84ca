"""Positions on the planned path."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.path import Leg, PathWatch, distance_mm

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
