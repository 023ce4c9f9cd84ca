"""Curves: ragged paths of lines and arcs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry import curves as c

CIRCLE = c.from_paths([([[10, 0], [-10, 0]], [1, 1], True)])
SQUARE = c.from_paths([([[0, 0], [4, 0], [4, 4], [0, 4]], None, True)])
EMPTY = c.from_paths([])


@st.composite
def paths(draw):
    count = draw(st.integers(2, 7))
    # Neighbouring vertices stand at least 1 mm apart: a path doubling back on a point has no tangent there.
    x = np.cumsum(draw(st.lists(st.floats(1, 20), min_size=count, max_size=count)))
    y = draw(st.lists(st.floats(-50, 50), min_size=count, max_size=count))
    bulge = draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.3, -0.4, 1.0, -1.0, 1.7]), min_size=count, max_size=count)
    )
    return c.from_paths([(np.column_stack((x, y)), bulge, draw(st.booleans()))])


def test_empty_curves_have_no_extents_and_no_lengths():
    assert len(EMPTY) == 0
    assert np.isnan(c.extents(EMPTY)).all()
    assert c.lengths(EMPTY).shape == (0,)
    assert len(c.flatten(EMPTY, 0.1)) == 0


def test_a_circle_keeps_its_exact_length_area_and_extents():
    assert c.lengths(CIRCLE)[0] == pytest.approx(20 * np.pi, rel=1e-14)
    assert c.signed_areas(CIRCLE)[0] == pytest.approx(100 * np.pi, rel=1e-12)
    assert c.extents(CIRCLE) == pytest.approx((-10, -10, 10, 10))


@given(paths(), st.floats(0.001, 1))
def test_flattened_arcs_stay_within_the_tolerance_and_on_the_arc(curves, tolerance):
    flat = c.flatten(curves, tolerance)
    assert not flat.bulge.any()
    start, end, bulge, _ = c.segments(curves)
    centres = c.arc_centres(start, end, bulge)
    middles = (np.add(*c.segments(flat)[:2])) / 2
    arc = bulge != 0
    if arc.any() and (~arc).sum() == 0:
        radius = np.hypot(*(start - centres).T)
        miss = np.abs(np.hypot(*(middles[:, None] - centres[None]).transpose(2, 0, 1)) - radius)
        assert miss.min(axis=1).max() <= tolerance * (1 + 1e-6) + 1e-9
    shorter = c.lengths(flat)[0] - c.lengths(curves)[0]
    assert shorter <= 1e-9


@given(paths())
def test_reversing_twice_is_the_identity_and_flips_the_area(curves):
    back = c.reverse(curves)
    assert c.signed_areas(back) == pytest.approx(-c.signed_areas(curves), abs=1e-6)
    assert c.lengths(back) == pytest.approx(c.lengths(curves))
    twice = c.reverse(back)
    assert np.allclose(twice.points, curves.points)
    assert np.allclose(twice.bulge, curves.bulge)


@given(paths(), st.lists(st.floats(0, 1), max_size=6))
def test_splitting_changes_neither_length_nor_extents_nor_area(curves, shares):
    points, bulge, closed = curves[0]
    length = c.lengths(curves)[0]
    at = np.sort(np.array(shares)) * length
    new_points, new_bulge, index = c.split(points, bulge, at, closed=closed)
    cut = c.from_paths([(new_points, new_bulge, closed)])
    assert c.lengths(cut)[0] == pytest.approx(length, rel=1e-9)
    assert c.extents(cut) == pytest.approx(c.extents(curves), abs=1e-6)
    assert c.signed_areas(cut) == pytest.approx(c.signed_areas(curves), rel=1e-7, abs=1e-5)
    pieces = [(new_points[i : i + 2], new_bulge[i : i + 2], False) for i in range(len(new_points) - 1)]
    reach = np.concatenate(([0], np.cumsum(c.lengths(c.from_paths(pieces)))))
    inside = index < len(reach)
    assert reach[index[inside]] == pytest.approx(at[inside], abs=1e-6)


def test_taking_paths_keeps_their_points_in_the_order_asked_for():
    both = c.from_paths([CIRCLE[0], SQUARE[0]])
    assert c.lengths(both.take([1, 0])) == pytest.approx([16, 20 * np.pi])
    assert c.lengths(both.take(np.array([False, True]))) == pytest.approx([16])


def test_a_mirror_flips_arcs_and_uneven_scaling_of_arcs_is_refused():
    mirrored = CIRCLE.transform([[-1, 0, 0], [0, 1, 0]])
    assert c.signed_areas(mirrored)[0] == pytest.approx(-100 * np.pi)
    with pytest.raises(ValueError, match="flatten first"):
        CIRCLE.transform([[2, 0, 0], [0, 1, 0]])
    assert c.extents(SQUARE.transform([[2, 0, 1], [0, 1, 0]])) == (1, 0, 9, 4)


def test_the_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        SQUARE.points[0, 0] = 1
