"""Tabs: left standing, as wide and high as asked for, where they hold and are easy to sand."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from fabctl.geometry.curves import from_paths, lengths, split
from fabctl.operations.profile import profile
from fabctl.operations.step import Setup
from fabctl.operations.tabs import place_tabs, tab_count
from fabctl.shop.job import Tabs
from fabctl.toolpath.cutter import Cutter
from fabctl.toolpath.removal import blank, remove

sides = st.floats(30, 300)


@given(
    st.lists(st.floats(5, 80), min_size=3, max_size=12), st.integers(1, 8), st.floats(0.5, 8), st.floats(0, 6)
)
def test_tabs_never_meet_never_cross_the_start_and_keep_their_length(bench, r, count, width, cut_mm):
    points = np.array(bench.polar(r)[0])
    tabs = Tabs(count, width, 1.0)
    length = float(lengths(from_paths([(points, None, True)]))[0])
    at = place_tabs(points, np.zeros(len(points)), tabs, cut_mm)
    assert len(at) == tab_count(length, tabs, cut_mm) <= count
    assert np.diff(at, axis=1) == pytest.approx(width + cut_mm)
    flat = at.ravel()
    assert np.all(np.diff(flat) >= -1e-9)
    assert len(flat) == 0 or (flat[0] >= -1e-9 and flat[-1] <= length + 1e-9)


@given(sides, sides, st.integers(1, 6))
def test_on_a_rectangle_every_tab_stands_on_a_straight_side(bench, width, height, count):
    points = np.array([[width / 2, 0], [width, 0], [width, height], [0, height], [0, 0]])
    tabs = Tabs(count, 3.0, 1.0)
    assume(2 * (width + height) / count > 24)
    at = place_tabs(points, np.zeros(5), tabs, 6.0)
    corners = np.cumsum([width / 2, height, width, height])
    for begin, end in at:
        assert not np.any((corners > begin + 1e-6) & (corners < end - 1e-6))


def test_where_all_is_round_tabs_avoid_the_corners(bench):
    """A lens of two arcs has no straight stretch but two sharp points."""
    t = 0.4
    points, bulge = np.array([[0.0, 0], [100, 0]]), np.array([t, t])
    at = place_tabs(points, bulge, Tabs(4, 5.0, 1.0), 6.0)
    half = float(lengths(from_paths([(points, bulge, True)]))[0]) / 2
    assert len(at) == 4
    assert not np.any((at[:, 0] < half - 1e-6) & (at[:, 1] > half + 1e-6))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_the_stretches_beside_the_start_are_smooth_too(count):
    """A lens begun in the middle of an arc: every tab finds a place between its corners."""
    t = 0.4
    points, bulge = np.array([[0.0, 0], [100, 0]]), np.array([t, t])
    half = float(lengths(from_paths([(points, bulge, True)]))[0]) / 2
    points, bulge, _ = split(points, bulge, np.array([half * 0.15]), closed=True)
    points, bulge = np.roll(points, -1, axis=0), np.roll(bulge, -1)
    at = place_tabs(points, bulge, Tabs(count, 5.0, 1.0), 6.0)
    assert len(at) == count
    corners = np.array([0.85, 1.85]) * half
    for begin, end in at:
        assert not np.any((corners > begin + 1e-6) & (corners < end - 1e-6))


@pytest.mark.parametrize("shape", ["rectangle", "circle", "star"])
def test_tabs_stand_full_height_and_full_width_when_the_material_is_really_cut(bench, shape):
    path = {
        "rectangle": bench.rectangle(15, 15, 60, 40),
        "circle": bench.circle(45, 40, 50),
        "star": bench.polar([25, 14, 25, 14, 25, 14, 25, 14, 25], 45, 40),
    }[shape]
    tabs, setup = Tabs(3, 6.0, 1.5), Setup(12.0, 0.3)
    made = profile(bench.step(path, side="outside", tabs=tabs), setup)
    ((cut,),) = made.groups
    pitch = 0.25
    left = remove(blank(90, 80, pitch), cut.moves, cut.start, Cutter(6.0)).z_mm
    cut_away = left < -12.0
    standing = (left > -11.9) & (left < -1)
    assert left[standing] == pytest.approx(-10.5), "1.5 mm above the sheet's underside, not the tool's floor"
    y, x = np.nonzero(standing)
    cells = shapely.union_all(
        shapely.box(x * pitch - 0.01, y * pitch - 0.01, (x + 1) * pitch + 0.01, (y + 1) * pitch + 0.01)
    )
    # Along the edges of the cut a tab runs out in cusps thinner than a cell.
    islands = [island for island in getattr(cells, "geoms", [cells]) if island.area > 2]
    assert len(islands) == 3
    for island in islands:
        box = island.minimum_rotated_rectangle.exterior.length / 2
        # Across the cut a tab spans all of it, along it at least its width.
        assert box >= 6.0 + 6.0 - 3 * pitch
        assert island.area >= 6.0 * 6.0 * 0.9
    # The part hangs in its sheet by the tabs alone: without them it would be an island.
    solid = ~cut_away
    assert _pieces(solid & ~standing) == 2
    assert _pieces(solid) == 1


def _pieces(cells):
    """Count what hangs together, edge by edge."""
    rows = []
    for y, line in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(int), [0]))))
        rows += [shapely.box(a, y, b, y + 1.001) for a, b in edges.reshape(-1, 2)]
    union = shapely.union_all(rows).buffer(-0.2)
    return len(getattr(union, "geoms", [union]))


def test_the_path_starts_beside_its_tabs(bench):
    step = bench.step(bench.rectangle(0, 0, 100, 100), side="outside", tabs=Tabs(4, 6.0, 1.5))
    ((cut,),) = profile(step, bench.setup).groups
    raised = cut.moves["xyz"][np.isclose(cut.moves["xyz"][:, 2], -10.5)][:, :2]
    assert np.hypot(*(raised - cut.start[:2]).T).min() > 3.0


def test_a_tab_does_not_change_the_shape_of_the_path(bench):
    points, bulge = np.array([[10.0, 0], [-10, 0]]), np.array([1.0, 1.0])
    at = place_tabs(points, bulge, Tabs(2, 4.0, 1.0), 3.0)
    cut_points, _, index = split(points, bulge, at.ravel(), closed=True)
    assert len(at) == 2
    assert np.hypot(*cut_points[index % len(cut_points)].T) == pytest.approx(10.0)
