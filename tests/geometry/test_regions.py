"""Regions: nesting against brute force, offsets and pockets against a raster."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fabctl.errors import DesignError, InputError
from fabctl.geometry.curves import Curves, from_paths, reverse, signed_areas
from fabctl.geometry.regions import (
    crossings,
    from_polygons,
    intersect,
    nest,
    offset,
    pocket_rings,
    subtract,
    to_polygons,
    unite,
)

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
BOW_TIE = [[0, 0], [100, 80], [100, 0], [0, 80]]


def squares(*places):
    """Closed squares as (x, y, side)."""
    return from_paths([(SQUARE * side + [x, y], None, True) for x, y, side in places])


def star(seed, points=24, reach=20.0):
    """A jagged simple polygon around the origin."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = rng.uniform(reach / 3, reach, points)
    return shapely.Polygon(np.column_stack((radius * np.cos(angle), radius * np.sin(angle))))


def raster(polygon, pitch=0.25, margin=6.0):
    """Points on a grid around a polygon."""
    x0, y0, x1, y1 = polygon.bounds
    x, y = np.meshgrid(
        np.arange(x0 - margin, x1 + margin, pitch) + 0.01, np.arange(y0 - margin, y1 + margin, pitch) + 0.01
    )
    return shapely.points(x.reshape(-1), y.reshape(-1))


@st.composite
def tilings(draw):
    """Squares from a quadtree: any two are apart, touching or nested."""
    cells, todo = [], [(0.0, 0.0, 64.0)]
    while todo and len(cells) < 40:
        x, y, side = todo.pop()
        if side < 2:
            continue
        if draw(st.booleans()):
            cells.append((x, y, side))
        if draw(st.booleans()):
            shrink = draw(st.sampled_from([0.0, 1.0]))
            half = (side - 2 * shrink) / 2
            todo += [(x + shrink + i * half, y + shrink + j * half, half) for i in (0, 1) for j in (0, 1)]
    return draw(st.permutations(cells))


@given(tilings())
def test_nesting_agrees_with_comparing_every_pair(cells):
    nesting = nest(squares(*cells))
    boxes = [(x, y, x + side, y + side) for x, y, side in cells]
    for i, a in enumerate(boxes):
        around = [
            j for j, b in enumerate(boxes)
            if j != i and b[0] <= a[0] and b[1] <= a[1] and b[2] >= a[2] and b[3] >= a[3]
        ]  # fmt: skip
        assert nesting.depth[i] == len(around)
        smallest = min(around, key=lambda j: boxes[j][2] - boxes[j][0], default=-1)
        assert nesting.parent[i] == smallest


def test_a_path_that_stands_twice_lies_in_its_first_copy():
    nesting = nest(squares((0, 0, 1), (0, 0, 1)))
    assert nesting.parent.tolist() == [-1, 0]
    assert nesting.depth.tolist() == [0, 1]


def test_circles_nest_as_circles():
    rings = from_paths([([[-r, 0], [r, 0]], [1, 1], True) for r in (2.0, 2.01, 1.99)])
    assert nest(rings).depth.tolist() == [1, 0, 2]


def test_paths_nest_only_in_their_group():
    rings = squares((0, 0, 4), (1, 1, 2), (1, 1, 1))
    assert nest(rings, [7, 3, 7]).depth.tolist() == [0, 0, 1]
    assert nest(rings, [7, 3, 7]).parent.tolist() == [-1, -1, 0]


def test_open_paths_and_lines_there_and_back_are_not_nested():
    paths = from_paths([(SQUARE * 9, None, True), (SQUARE + 1, None, False), ([[1, 1], [2, 2]], None, True)])
    assert nest(paths).depth.tolist() == [0, -1, -1]
    assert len(nest(from_paths([])).depth) == 0


def test_holes_and_islands_become_regions():
    regions = to_polygons(squares((0, 0, 10), (1, 1, 6), (2, 2, 2), (8, 8, 1)), 0.01)
    assert [region.area for region in regions] == [100 - 36 - 1, 4]
    assert [len(region.interiors) for region in regions] == [2, 0]


@given(st.permutations([(0, 0, 10), (1, 1, 6), (2, 2, 2), (20, 0, 3)]), st.booleans())
def test_regions_do_not_depend_on_order_or_direction(cells, turned):
    curves = squares(*cells)
    regions = to_polygons(reverse(curves) if turned else curves, 0.01)
    assert sorted(region.area for region in regions) == [4, 9, 64]


def test_regions_and_back_keep_area_and_run_the_right_way():
    regions = to_polygons(reverse(squares((0, 0, 10), (1, 1, 6), (2, 2, 2))), 0.01)
    curves = from_polygons(regions)
    assert sorted(signed_areas(curves).tolist()) == [-36, 4, 100]
    assert curves.closed.all()
    assert unite(to_polygons(curves, 0.01))[0].equals(unite(regions)[0]) or len(regions) == 2


def test_nothing_gives_nothing():
    none = from_paths([])
    assert len(to_polygons(none, 0.01)) == 0
    assert len(from_polygons([])) == 0
    assert len(from_polygons([shapely.Polygon()])) == 0
    assert len(offset([], 1.0, 0.01)) == 0


def test_a_bow_tie_is_refused_with_its_place():
    with pytest.raises(DesignError, match=r"path 1 crosses itself near x 50\.000 y 40\.000") as caught:
        to_polygons(from_paths([(SQUARE, None, True), (BOW_TIE, None, True)]), 0.01)
    assert caught.value.place == "path 1"
    assert caught.value.remedy


def test_a_bow_tie_is_repaired_into_two_triangles_when_asked():
    curves = from_paths([(BOW_TIE, None, True)])
    path, place = crossings(curves, 0.01)
    assert path.tolist() == [0]
    assert place.tolist() == [[50, 40]]
    assert [region.area for region in to_polygons(curves, 0.01, repair=True)] == [2000, 2000]


def test_touching_oneself_at_a_corner_is_no_crossing():
    eight = from_paths([([[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1]], None, True)])
    assert len(crossings(eight, 0.01)[0]) == 0
    assert sum(region.area for region in to_polygons(eight, 0.01)) == 2


@pytest.mark.parametrize("other", [(5, 5, 10), (5, 2, 6), (-1, 4, 2.0), (9, 9, 3)])
def test_two_paths_that_cross_are_refused_or_taken_even_odd(other):
    curves = squares((0, 0, 10), other)
    with pytest.raises(DesignError, match="two closed paths cross"):
        to_polygons(curves, 0.01)
    repaired = unite(to_polygons(curves, 0.01, repair=True))
    x, y, side = other
    both = shapely.box(0, 0, 10, 10).symmetric_difference(shapely.box(x, y, x + side, y + side))
    assert sum(region.area for region in repaired) == pytest.approx(both.area)


@pytest.mark.parametrize("distance", [-3.0, -0.7, 0.5, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_offsets_agree_with_measured_distances(seed, distance):
    """Every raster point is inside exactly when its distance says so, a tolerance around the edge aside."""
    region = star(seed)
    points = raster(region)
    away = np.where(shapely.contains(region, points), -1, 1) * shapely.distance(points, region.exterior)
    grown = shapely.union_all(offset([region], distance, 0.02))
    shapely.prepare(grown)
    clear = np.abs(away - distance) > 0.02
    assert np.array_equal(shapely.contains(grown, points)[clear], (away < distance)[clear])


@given(st.integers(0, 999), st.floats(0.1, 4.0))
def test_shrinking_then_growing_stays_inside(seed, distance):
    region = star(seed)
    opened = shapely.union_all(offset(offset([region], -distance, 0.02), distance, 0.02))
    assert opened.difference(region.buffer(0.041)).is_empty


def test_each_region_grows_on_its_own():
    grown = offset([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)], 5.0, 0.01)
    assert len(grown) == 2


def test_a_region_may_fall_apart_or_vanish():
    dumbbell = unite([shapely.box(0, 0, 10, 10), shapely.box(10, 4, 20, 6), shapely.box(20, 0, 30, 10)])
    assert len(offset(dumbbell, -2.0, 0.01)) == 2
    assert len(offset(dumbbell, -6.0, 0.01)) == 0
    assert offset(dumbbell, 0.0, 0.01)[0].equals(dumbbell[0])


@pytest.mark.parametrize(
    ("distance", "tolerance"), [(np.nan, 0.01), (np.inf, 0.01), (1.0, 0.0), (1.0, np.nan)]
)
def test_offsets_without_measure_are_refused(distance, tolerance):
    with pytest.raises(InputError, match="offset"):
        offset([shapely.box(0, 0, 1, 1)], distance, tolerance)


def pocket_specimens():
    island = shapely.box(0, 0, 60, 40).difference(shapely.Point(25, 20).buffer(7))
    wedge = shapely.Polygon([(0, 0), (60, 0), (80, 10), (60, 20), (30, 12)])
    return {
        "island": island,
        "wedge": wedge,
        "star": star(3, points=12, reach=30.0),
        "disc": shapely.Point(0, 0).buffer(15),
    }


@pytest.mark.parametrize("stepover", [1.2, 3.0, 4.5, 6.0])
@pytest.mark.parametrize("name", ["island", "wedge", "star", "disc"])
def test_pocket_rings_clear_all_the_tool_can_reach_and_no_more(name, stepover):
    region, radius, tolerance = pocket_specimens()[name], 3.0, 0.01
    rings = pocket_rings(region, radius, stepover, tolerance)
    tracks = shapely.union_all([shapely.linearrings(ring.points) for ring in rings])
    points = raster(region, pitch=0.5)
    reached = shapely.distance(points, tracks)
    allowed = shapely.buffer(region, -radius, quad_segs=200)
    reachable = shapely.distance(points, allowed)
    assert np.all(reached[reachable < radius - 4 * tolerance] <= radius)
    assert np.all(reachable[reached < radius] <= radius + 2 * tolerance)


def test_rings_follow_a_ring_of_the_level_before_a_stepover_away():
    rings = pocket_rings(pocket_specimens()["island"], 2.0, 1.5, 0.01)
    assert {ring.level for ring in rings} == set(range(max(ring.level for ring in rings) + 1))
    for ring in rings:
        if ring.level == 0:
            assert ring.parent == -1
            continue
        before = rings[ring.parent]
        assert before.level == ring.level - 1
        gap = shapely.distance(shapely.linearrings(before.points), shapely.linearrings(ring.points))
        assert gap == pytest.approx(1.5, abs=0.03)


def test_rings_run_with_the_material_on_one_side():
    rings = pocket_rings(pocket_specimens()["island"], 2.0, 1.5, 0.01)
    area = signed_areas(from_paths([(ring.points, None, True) for ring in rings]))
    assert np.array_equal(area < 0, [ring.hole for ring in rings])
    assert any(ring.hole for ring in rings)


def test_a_slot_of_the_tools_width_gets_its_ring():
    assert len(pocket_rings(shapely.box(0, 0, 50, 6), 3.0, 3.0, 0.01)) == 1
    assert pocket_rings(shapely.box(0, 0, 50, 5.9), 3.0, 3.0, 0.01) == []


def test_rings_around_an_island_keep_few_vertices():
    region = shapely.box(-60, -60, 60, 60).difference(shapely.Point(0, 0).buffer(5, quad_segs=8))
    rings = pocket_rings(region, 3.0, 2.0, 0.01)
    assert max(len(ring.points) for ring in rings) < 500


@pytest.mark.parametrize("stepover", [0.0, -1.0, 6.1, np.nan])
def test_a_stepover_that_does_not_fit_the_tool_is_refused(stepover):
    with pytest.raises(InputError, match="stepover"):
        pocket_rings(shapely.box(0, 0, 9, 9), 3.0, stepover, 0.01)


def test_uniting_subtracting_and_intersecting():
    a, b = shapely.box(0, 0, 4, 4), shapely.box(2, 0, 6, 4)
    assert [region.area for region in unite([a, b])] == [24]
    assert [region.area for region in subtract([a], [b])] == [8]
    assert [region.area for region in intersect([a, b], [shapely.box(3, 0, 9, 1)])] == [1, 3]


def test_two_hundred_thousand_vertices_are_offset_and_nested():
    angle = np.linspace(0, 2 * np.pi, 200_001)[:-1]
    radius = 200 + 5 * np.sin(angle * 300)
    big = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
    curves = from_paths([(big, None, True), (SQUARE, None, True)])
    assert isinstance(curves, Curves)
    assert nest(curves).depth.tolist() == [0, 1]
    shrunk = offset(to_polygons(curves, 0.01)[:1], -3.0, 0.01)
    assert shrunk[0].area == pytest.approx(shapely.buffer(shapely.Polygon(big), -3).area, rel=1e-3)
