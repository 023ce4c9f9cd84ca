"""Drop cutter: exact against brute force and closed forms; never into the mesh, always onto it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.geometry.contact import contacts
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.dropcutter import drop_grid, drop_points
from fabctl.geometry.mesh import Mesh, flip
from fabctl.geometry.places import Grid, ranges
from fabctl.toolpath.cutter import v_end
from tests.geometry import droporacle
from tests.geometry.cutters import EVERY_SHAPE, SHAPES, ball_mesh, some_mesh, terrain
from tests.geometry.solids import box


def assert_same(got, want, within):
    missing = np.isneginf(want)
    assert np.array_equal(np.isneginf(got), missing)
    assert np.all(np.abs(got[~missing] - want[~missing]) <= np.broadcast_to(within, want.shape)[~missing])


@EVERY_SHAPE
@settings(max_examples=18)
@given(seed=st.integers(0, 10**6))
def test_every_height_is_the_one_brute_force_finds(shape, seed):
    mesh = some_mesh(seed)
    rng = np.random.default_rng(seed + 1)
    places = np.concatenate((rng.uniform(-3, 8, (9, 2)), rng.integers(-2, 6, (4, 2)) + 0.5))
    assert_same(drop_points(mesh, shape, places), droporacle.drop(mesh, shape, places), 1e-10)


@EVERY_SHAPE
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), step=st.floats(0.3, 1.3))
@example(seed=147, step=1.01)
def test_a_grid_gives_what_its_places_give_one_by_one(shape, seed, step):
    """As exactly as a place is known: at a rim that stands upright, an ulp of it is 1e-8 mm of height."""
    mesh, grid = some_mesh(seed), Grid(-3.03, -3.01, step, 12, 11)
    places = grid.points_mm()
    want = drop_points(mesh, shape, places)
    nudges = 1e-14 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    ulps = [drop_points(mesh, shape, places + nudge) for nudge in nudges]
    there = [np.where(np.isneginf(heights), 0.0, heights) for heights in (want, *ulps)]
    known = np.abs(np.array(there[1:]) - there[0]).max(axis=0)
    assert_same(drop_grid(mesh, shape, grid).reshape(-1), want, 1e-11 + 2 * known)


@EVERY_SHAPE
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_the_cutter_never_enters_the_mesh_and_always_touches_it(shape, seed):
    """Points all over the triangles stay below the cutter; the highest of them is just under it."""
    mesh = terrain(np.random.default_rng(seed), 5, 1.5)
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 4, (6, 2))
    tips = drop_points(mesh, shape, places)
    weight = rng.dirichlet((0.5, 0.5, 0.5), 4000)
    points = np.einsum("nk,tkd->tnd", weight, mesh.vertices[mesh.triangles]).reshape(-1, 3)
    for place, tip in zip(places, tips, strict=True):
        square = np.sum((points[:, :2] - place) ** 2, axis=1)
        under = square <= shape.radius_mm**2
        gap = tip + shape.height_mm(square[under]) - points[under, 2]
        assert gap.min() >= -1e-9
        assert gap.min() <= 0.05


@EVERY_SHAPE
@given(seed=st.integers(0, 10**6), shift=st.tuples(*[st.floats(-200, 200)] * 3))
@settings(max_examples=15)
def test_moving_the_mesh_moves_the_heights(shape, seed, shift):
    mesh = some_mesh(6 * seed + 1)
    places = np.random.default_rng(seed).uniform(-1, 4, (15, 2))
    moved = Mesh(mesh.vertices + np.array(shift), mesh.triangles.copy())
    want = drop_points(mesh, shape, places) + shift[2]
    assert np.allclose(drop_points(moved, shape, places + np.array(shift[:2])), want, rtol=0, atol=1e-9)


@EVERY_SHAPE
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_more_triangles_never_lower_the_cutter(shape, seed):
    mesh = some_mesh(seed)
    places = np.random.default_rng(seed).uniform(-3, 8, (40, 2))
    fewer = Mesh(mesh.vertices.copy(), mesh.triangles[::2].copy())
    assert np.all(drop_points(mesh, shape, places) >= drop_points(fewer, shape, places) - 1e-12)


@EVERY_SHAPE
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_which_way_triangles_face_makes_no_difference(shape, seed):
    mesh = some_mesh(seed)
    places = np.random.default_rng(seed).uniform(-3, 8, (40, 2))
    turned = mesh.triangles.copy()
    turned[::3] = turned[::3, ::-1]
    want = drop_points(mesh, shape, places)
    assert_same(drop_points(flip(mesh), shape, places), want, 1e-12)
    assert_same(drop_points(Mesh(mesh.vertices.copy(), turned), shape, places), want, 1e-12)


@EVERY_SHAPE
@pytest.mark.parametrize("slope", [0.0, 1e-12, 1e-6, 0.3, 1.0, 3.0, 50.0])
def test_an_inclined_plane_has_its_closed_form(shape, slope):
    far = 1000.0
    corners = np.array([[-far, -far, 0], [far, -far, 0], [far, far, 0], [-far, far, 0.0]])
    turn = 0.7
    corners[:, 2] = slope * (corners[:, 0] * np.cos(turn) + corners[:, 1] * np.sin(turn))
    plane = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))
    x, y = 3.0, -5.0
    cos = 1 / np.hypot(1, slope)
    if shape.angle_deg > 0:
        steep = max(slope - shape.steepness, 0.0)
        want = slope * shape.flat_mm + steep * (shape.radius_mm - shape.flat_mm)
    else:
        want = slope * shape.flat_mm + shape.corner_mm / cos - shape.corner_mm
    want += slope * (x * np.cos(turn) + y * np.sin(turn))
    assert drop_points(plane, shape, [[x, y]])[0] == pytest.approx(want, abs=1e-10 * (1 + slope))


def test_a_ball_on_a_ball_rolls_on_the_larger_one():
    mesh, shape = ball_mesh(10.0), SHAPES["ball"]
    grid = Grid(-11.7, -11.7, 0.39, 61, 61)
    heights = drop_grid(mesh, shape, grid)
    reach2 = 12.0**2 - np.sum(grid.points_mm() ** 2, axis=1).reshape(heights.shape)
    want = np.sqrt(np.maximum(reach2, 0.0)) - 2.0
    on = reach2 > 4.0
    facet = 10.0 * (1 - np.cos(np.pi / 60)) * 2
    assert np.all(heights[on] <= want[on] + 1e-9)
    assert np.all(heights[on] >= want[on] - facet * 12 / np.sqrt(reach2[on]))


def test_a_ball_on_a_vertex_is_exact():
    heights = drop_points(ball_mesh(10.0), SHAPES["ball"], [[0.0, 0.0]])
    assert heights[0] == pytest.approx(10.0, abs=1e-12)


def test_beside_a_wall_the_flat_cutter_falls_when_one_radius_away():
    block, shape = box((0, 0, 0), (10, 10, 5)), SHAPES["flat"]
    places = [[12 - 1e-9, 5], [12, 5], [12 + 1e-9, 5], [10 + 1.4, 10 + 1.4], [10 + 1.42, 10 + 1.42]]
    assert drop_points(block, shape, places, floor_mm=-7).tolist() == [5, 5, -7, 5, -7]


def test_a_triangle_without_area_counts_as_its_edges():
    line = Mesh(np.array([[0, 0, 1], [4, 0, 1], [2, 0, 1.0]]), np.array([[0, 1, 2]]))
    twice = Mesh(np.array([[0, 0, 1], [4, 0, 1.0]]), np.array([[0, 1, 1]]))
    for mesh in (line, twice):
        got = drop_points(mesh, SHAPES["ball"], [[3.0, 0.0], [3.0, 2.1]], floor_mm=-9)
        assert got.tolist() == [1.0, -9.0]


def test_a_corner_that_is_in_no_triangle_is_not_there():
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, np.nan], [0, 0, 9]]), np.array([[0, 1, 2]]))
    assert drop_points(mesh, SHAPES["ball"], [[0.2, 0.2]]).tolist() == [0.0]


def test_without_triangles_or_places_there_is_nothing_above_the_floor():
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int64))
    assert np.isneginf(drop_grid(empty, SHAPES["bull"], Grid(0, 0, 1, 3, 2))).all()
    assert drop_points(empty, SHAPES["bull"], [[1, 1]], floor_mm=-3).tolist() == [-3.0]
    assert drop_points(box((0, 0, 0), (1, 1, 1)), SHAPES["bull"], np.empty((0, 2))).shape == (0,)
    assert drop_grid(box((0, 0, 0), (1, 1, 1)), SHAPES["bull"], Grid(0, 0, 1, 0, 4)).shape == (4, 0)


def test_a_corner_at_no_place_is_named():
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, np.inf], [0, 1, 0]]), np.array([[0, 1, 3], [0, 1, 2]]))
    with pytest.raises(InputError, match="not at a finite place") as caught:
        drop_grid(mesh, SHAPES["ball"], Grid(0, 0, 1, 2, 2))
    assert caught.value.place == "triangle 1"


def test_a_vertex_that_does_not_exist_is_named():
    mesh = Mesh(np.zeros((3, 3)), np.array([[0, 1, 3]]))
    with pytest.raises(InputError, match="does not exist"):
        drop_points(mesh, SHAPES["ball"], [[0, 0]])


def test_a_place_that_is_not_finite_is_named():
    with pytest.raises(InputError, match="not finite") as caught:
        drop_points(box((0, 0, 0), (1, 1, 1)), SHAPES["ball"], [[0, 0], [np.nan, 0]])
    assert caught.value.place == "place 1"


@pytest.mark.parametrize(
    "numbers",
    [
        {"radius_mm": 0.0},
        {"radius_mm": np.nan},
        {"radius_mm": 2.0, "corner_mm": 2.1},
        {"radius_mm": 2.0, "corner_mm": -0.1},
        {"radius_mm": 2.0, "angle_deg": 180.0},
        {"radius_mm": 2.0, "corner_mm": 1.0, "angle_deg": 60.0},
        {"radius_mm": 2.0, "tip_mm": 1.0},
        {"radius_mm": 2.0, "tip_mm": 4.0, "angle_deg": 60.0},
    ],
)
def test_a_cutter_no_one_can_make_is_refused(numbers):
    with pytest.raises(InputError, match="no cutter has this shape"):
        CutterShape(**numbers)


def test_a_flat_tip_is_told_by_its_diameter_as_in_the_toolpath_room():
    shape, cutter = CutterShape(2.0, angle_deg=90.0, tip_mm=1.0), v_end(4.0, 90.0, 1.0)
    assert shape.flat_mm == cutter.flat_mm == 0.5
    assert shape.height_mm(np.array([0.25, 1.0, 4.0])).round(12).tolist() == [0, 0.5, 1.5]


def test_a_grid_without_a_step_is_refused():
    with pytest.raises(InputError, match="no grid"):
        Grid(0.0, 0.0, 0.0, 3, 3)


def test_ranges_come_in_blocks_and_lose_nothing():
    rng = np.random.default_rng(4)
    first = rng.integers(0, 1000, 4000)
    last = first + rng.integers(-5, 300, 4000)
    blocks = list(ranges(first, last))
    assert len(blocks) > 2
    which, number = (np.concatenate(part) for part in zip(*blocks, strict=True))
    want = [(i, k) for i in range(4000) for k in range(first[i], last[i])]
    assert np.array_equal(np.column_stack((which, number)), want)


def test_valleys_are_left_out_of_the_edges_that_can_be_touched():
    """A valley between two slopes has no edge to touch but its rims; a ridge has one more."""
    square = np.array([[0, 0, 1], [4, 0, 1], [2, 0, 0], [0, 4, 1], [4, 4, 1], [2, 4, 0.0]])
    sheet = np.array([[0, 2, 5], [0, 5, 3], [2, 1, 4], [2, 4, 5]])
    valley = contacts(Mesh(square, sheet), SHAPES["ball"])
    ridge = contacts(Mesh(square * [1, 1, -1], sheet.copy()), SHAPES["ball"])
    middle = [np.count_nonzero(np.abs(c.edges.x - 2) + np.abs(c.edges.ex) < 1e-9) for c in (valley, ridge)]
    assert middle == [0, 1]
