"""Reach: slots, necks, islands and corners a tool cannot get to."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.geometry.reach import too_fine

RADIUS = 3.0


def test_a_region_with_round_corners_is_reached_everywhere():
    assert len(too_fine([shapely.box(0, 0, 30, 20).buffer(4, quad_segs=64)], RADIUS, 0.01)) == 0


@pytest.mark.parametrize("width", [0.5, 2.0, 5.9])
def test_a_neck_between_two_rooms_is_found_with_its_width(width):
    rooms = shapely.union_all(
        [shapely.box(0, 0, 30, 30), shapely.box(30, 10, 60, 10 + width), shapely.box(60, 0, 90, 30)]
    )
    found = too_fine([rooms], RADIUS, 0.01)
    neck = np.flatnonzero(~found.corner)
    assert len(neck) == 1
    assert found.width_mm[neck[0]] == pytest.approx(width, abs=0.05)
    assert 30 < found.place_mm[neck[0]][0] < 60
    assert np.count_nonzero(found.corner) == 8


def test_a_dead_end_slot_is_no_corner():
    key = shapely.union_all([shapely.box(0, 0, 30, 30), shapely.box(30, 10, 50, 12)])
    found = too_fine([key], RADIUS, 0.01)
    assert np.count_nonzero(~found.corner) == 1
    assert found.width_mm[~found.corner][0] == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("angle", [60, 90, 120])
def test_what_is_left_in_a_corner_is_as_wide_as_geometry_says(angle):
    """Between both walls and the tool a circle of r (1 − sin(α/2)) / (1 + sin(α/2)) fits."""
    half = np.radians(angle / 2)
    reach = 60 * np.tan(half)
    found = too_fine([shapely.Polygon([(0, 0), (60, -reach), (60, reach)])], RADIUS, 0.001)
    nearest = np.argmin(np.hypot(*found.place_mm.T))
    wanted = 2 * RADIUS * (1 - np.sin(half)) / (1 + np.sin(half))
    assert found.corner[nearest]
    assert found.width_mm[nearest] == pytest.approx(wanted, abs=0.01)


def test_a_region_too_small_for_the_tool_is_named_by_its_number():
    found = too_fine([shapely.box(0, 0, 40, 40).buffer(5), shapely.Point(100, 0).buffer(2)], RADIUS, 0.01)
    assert found.region.tolist() == [1]
    assert found.width_mm[0] == pytest.approx(4, abs=0.05)
    assert not found.corner[0]


def test_a_slot_that_misses_the_diameter_by_the_tolerance_is_reached():
    found = too_fine([shapely.box(0, 0, 50, 5.99)], RADIUS, 0.01)
    assert found.corner.all()


@given(st.integers(0, 500))
def test_pieces_lie_in_the_region_and_out_of_the_tools_reach(seed):
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    radius = rng.uniform(4, 20, 16)
    region = shapely.Polygon(np.column_stack((radius * np.cos(angle), radius * np.sin(angle))))
    found = too_fine([region], RADIUS, 0.02)
    opened, slimmer = (
        region.buffer(-radius, quad_segs=64).buffer(radius, quad_segs=64)
        for radius in (RADIUS, RADIUS - 0.06)
    )
    left = shapely.union_all(found.polygons)
    assert left.difference(region.buffer(1e-9)).area < 1e-6
    assert left.intersection(opened.buffer(-0.1)).area < 1e-6
    assert region.difference(slimmer.buffer(0.1)).difference(left.buffer(1e-6)).area < 1e-3
    assert shapely.contains_xy(found.polygons, *found.place_mm.T).all()


@pytest.mark.parametrize("tolerance", [0.0, 3.0, np.nan])
def test_a_tolerance_that_does_not_suit_the_tool_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        too_fine([shapely.box(0, 0, 1, 1)], RADIUS, tolerance)
