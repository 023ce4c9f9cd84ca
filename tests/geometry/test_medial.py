"""The medial axis: in the middle, connected, and no further off than it says."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.geometry.medial import medial_axis


def pieces(axis):
    """How many connected parts an axis has."""
    lines = shapely.linestrings(axis.points[axis.edges])
    return len(shapely.get_parts(shapely.line_merge(shapely.union_all(lines)).buffer(1e-6)).tolist())


def shapes():
    room = shapely.box(0, 0, 40, 20)
    return {
        "room": room,
        "ring": shapely.Point(0, 0).buffer(20).difference(shapely.Point(3, 0).buffer(6)),
        "ell": shapely.union_all([room, shapely.box(0, 0, 12, 50)]),
        "star": shapely.Polygon([(0, 0), (20, 8), (40, 0), (30, 20), (40, 42), (20, 30), (0, 40), (9, 20)]),
    }


@pytest.mark.parametrize("name", ["room", "ring", "ell", "star"])
@pytest.mark.parametrize("spacing", [0.3, 1.0])
def test_clearance_is_the_distance_to_the_wall_within_its_bound(name, spacing):
    region = shapes()[name]
    axis = medial_axis(region, spacing)
    true = shapely.distance(shapely.points(axis.points), region.boundary)
    assert len(axis.points) > 10
    assert np.all(axis.clearance_mm >= true - 1e-9)
    assert np.all(axis.clearance_mm <= np.sqrt(true**2 + (spacing / 2) ** 2) + 1e-9)
    assert shapely.contains_xy(region, *axis.points.T).all()


@pytest.mark.parametrize("name", ["room", "ring", "ell", "star"])
def test_the_axis_of_one_region_is_one_piece(name):
    assert pieces(medial_axis(shapes()[name], 0.5)) == 1


def test_the_axis_of_a_room_runs_along_its_middle_and_into_its_corners():
    axis = medial_axis(shapely.box(0, 0, 40, 20), 0.25)
    middle = axis.points[(axis.points[:, 0] > 11) & (axis.points[:, 0] < 29)]
    assert np.ptp(middle[:, 1]) < 0.01
    assert np.diff(np.sort(middle[:, 0])).max() < 0.5
    for corner in ((0, 0), (40, 0), (0, 20), (40, 20)):
        assert np.hypot(*(axis.points - corner).T).min() < 0.5
    assert axis.clearance_mm.max() == pytest.approx(10, abs=0.01)


def test_the_axis_of_a_ring_goes_around_its_hole():
    axis = medial_axis(shapes()["ring"], 0.5)
    ends = np.bincount(axis.edges.reshape(-1))
    assert ends.min() >= 2
    assert np.ptp(np.degrees(np.arctan2(*(axis.points - [1.5, 0]).T))) > 350


@given(st.integers(0, 300))
def test_points_of_the_axis_see_two_walls(seed):
    """Two spots of wall, a good way apart, are as near as the nearest."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    radius = rng.uniform(8, 20, 9)
    region = shapely.Polygon(np.column_stack((radius * np.cos(angle), radius * np.sin(angle))))
    axis = medial_axis(region, 0.4)
    sites = shapely.get_coordinates(shapely.segmentize(region.exterior, 0.1))
    away = np.hypot(*(axis.points[:, None] - sites[None]).transpose(2, 0, 1))
    near = away < axis.clearance_mm[:, None] + 0.2
    spread = [np.ptp(sites[row], axis=0).max() for row in near]
    assert np.all(np.array(spread) >= 2 * axis.clearance_mm * np.sin(np.radians(10)) / np.sqrt(2) - 0.2)


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, 1e-9])
def test_a_spacing_without_sense_is_refused(spacing):
    with pytest.raises(InputError, match="sampled"):
        medial_axis(shapely.box(0, 0, 1, 1), spacing)


def test_a_triangle_too_small_for_the_spacing_has_no_axis():
    assert len(medial_axis(shapely.Polygon([(0, 0), (1, 0), (0, 1)]), 5.0).edges) == 0
