"""Path data and flattening, against svgelements as a second opinion and against the exact curves."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from svgelements import Path

from fabctl.design.svg_curves import curves_of
from fabctl.design.svg_path import Pen, path
from fabctl.errors import DesignError
from fabctl.geometry.curves import flatten, lengths

UP = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
NUMBER = st.floats(-50, 50).map(lambda value: round(value, 3))
RADIUS = st.floats(0.5, 60).map(lambda value: round(value, 3))


def run(letter, *arguments):
    return st.tuples(st.sampled_from([letter, letter.lower()]), st.tuples(*arguments))


COMMAND = st.one_of(
    run("L", NUMBER, NUMBER),
    run("H", NUMBER),
    run("V", NUMBER),
    run("C", *[NUMBER] * 6),
    run("Q", *[NUMBER] * 4),
    run("A", RADIUS, RADIUS, NUMBER, st.integers(0, 1), st.integers(0, 1), NUMBER, NUMBER),
)
# A smooth command follows its own kind only: after another one the second opinion is not the standard's.
SMOOTH = st.one_of(
    st.tuples(run("C", *[NUMBER] * 6), run("S", *[NUMBER] * 4)),
    st.tuples(run("Q", *[NUMBER] * 4), run("T", NUMBER, NUMBER)),
)
DATA = st.lists(st.one_of(st.tuples(COMMAND), SMOOTH), min_size=1, max_size=3).map(
    lambda items: "M1 2" + "".join(letter + " ".join(map(str, v)) for item in items for letter, v in item)
)


def drawn(text, tolerance_mm=0.01, matrix=UP):
    pen = Pen()
    path(pen, text)
    element = np.zeros(len(pen.heads), np.int64)
    return curves_of(pen, [matrix], element, ["p"], tolerance_mm)


def line_of(curves):
    """All segments of the first path as a shapely line, arcs cut 100 times finer than any tolerance here."""
    flat = flatten(curves.take([0]), 1e-4)
    points = flat.points
    return shapely.linestrings(np.vstack((points, points[:1])) if flat.closed[0] else points)


def exact_points(text, count=60):
    """Points of the exact curve, by svgelements."""
    points = [segment.point(t) for segment in Path(text)[1:] for t in np.linspace(0, 1, count)]
    return np.array([(point.x, point.y) for point in points])


@settings(max_examples=50)
@given(DATA)
def test_law_no_point_of_the_curve_is_farther_off_than_the_tolerance(text):
    """And none of what is cut is farther off the curve, to what the samples can tell."""
    curves = drawn(text, 0.05)
    if not len(curves):
        return
    exact = exact_points(text)
    assert shapely.distance(shapely.points(exact), line_of(curves)).max() <= 0.05 + 2e-4
    sampled = shapely.linestrings(exact_points(text, 200))
    assert shapely.distance(shapely.points(curves.points), sampled).max() <= 0.05 + 0.02


@settings(max_examples=50)
@given(DATA, st.floats(0.002, 0.5))
def test_law_the_length_comes_near_from_the_tolerance(text, tolerance_mm):
    curves = drawn(text, tolerance_mm)
    finer = drawn(text, tolerance_mm / 50)
    rough, fine = lengths(curves).sum(), lengths(finer).sum()
    assert rough == pytest.approx(fine, rel=0.05, abs=len(curves.points) * tolerance_mm)


@settings(max_examples=50)
@given(DATA)
def test_law_a_finer_tolerance_never_needs_fewer_points(text):
    assert len(drawn(text, 0.001).points) >= len(drawn(text, 0.1).points)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("M0 0L1 1 2 0", "M0 0 L1 1 L2 0"),
        ("M0 0 1 1 2 0", "M0 0 L1 1 L2 0"),
        ("m1 1 1 1m5 5l1 1", "M1 1L2 2M7 7L8 8"),
        ("M0 0h1v1h-1z", "M0,0 H1 V1 H0 Z"),
        ("M0,0z m5 5 l1 0", "M0 0 M5 5 L6 5"),
        ("M1 1h2v2z l5 5", "M1 1H3V3L1 1 M1 1L6 6"),
        ("M.5.5-.5-.5", "M0.5 0.5 L-0.5 -0.5"),
        ("M0 0L1e1-1E-1", "M0 0L10 -0.1"),
        ("M0 0a5 5 0 0110 0", "M0 0 A5 5 0 0 1 10 0"),
        ("M0 0a5 5 0 1 110 0 5,5,0,0,0,2,2", "M0 0 A5 5 0 1 1 10 0 A5 5 0 0 0 12 2"),
        ("M0 0Q5 5 10 0T20 0", "M0 0Q5 5 10 0Q15 -5 20 0"),
        ("M0 0C0 5 5 5 5 0S10-5 10 0", "M0 0C0 5 5 5 5 0C5-5 10-5 10 0"),
        ("M0 0Q5 5 10 0S15 5 20 0", "M0 0Q5 5 10 0C10 0 15 5 20 0"),
        ("M0 0A0 5 0 0 1 5 5", "M0 0L5 5"),
        ("M0 0A1 1 0 0 1 10 0", "M0 0A5 5 0 0 1 10 0"),
        ("M0 0A-5 5 0 0 1 10 0", "M0 0A5 5 0 0 1 10 0"),
    ],
)
def test_short_and_long_writing_mean_the_same(text, other):
    one, two = drawn(text), drawn(other)
    assert np.allclose(lengths(one).sum(), lengths(two).sum(), rtol=1e-12)
    assert np.allclose(one.points[-1], two.points[-1])


@pytest.mark.parametrize("text", ["", " ", "M5 5", "M5 5z", "M1 1M2 2"])
def test_a_path_without_a_segment_draws_nothing(text):
    assert len(drawn(text)) == 0


@pytest.mark.parametrize(
    "text", ["5 5", "M0 0 X", "M0 0 L1 1 foo", "M0 0 z5", "M0 0,,x", "M NaN 0", "M0 0 C1 2 3 4 5"]
)
def test_a_path_is_read_whole_or_refused(text):
    with pytest.raises(DesignError, match="character"):
        drawn(text)


def test_a_full_turn_of_two_arcs_is_two_half_circles():
    curves = drawn("M5 0A5 5 0 0 1 -5 0A5 5 0 0 1 5 0z")
    assert len(curves.points) == 2
    assert np.abs(curves.bulge) == pytest.approx(1)
    assert curves.closed.all()


def test_the_circle_of_four_cubics_every_program_writes_becomes_arcs():
    k = 4 / 3 * math.tan(math.pi / 8)
    quarters = f"C5 {5 * k} {5 * k} 5 0 5S-5 {5 * k} -5 0S{-5 * k} -5 0 -5S5 {-5 * k} 5 0z"
    curves = drawn("M5 0" + quarters)
    assert len(curves.points) == 4
    assert curves.bulge == pytest.approx(math.tan(math.pi / 8), rel=1e-3)
    assert lengths(curves).sum() == pytest.approx(10 * math.pi, rel=1e-3)


def test_a_cubic_that_goes_back_on_itself_is_no_arc():
    curves = drawn("M0 0C0 0 24 36 0 0")
    assert not curves.bulge.any()
    assert curves.points[:, 1].max() == pytest.approx(16, abs=0.1)


def test_a_straight_cubic_is_one_line():
    assert len(drawn("M0 0C1 1 2 2 9 9").points) == 2


def test_a_scale_without_measure_is_refused_before_it_is_drawn():
    with pytest.raises(DesignError, match="limit is 3000000"):
        drawn("M0 0" + "C 90000 0 -90000 90000 90000 90000" * 2000, 1e-4)
