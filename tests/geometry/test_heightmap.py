"""Height-map drop cutter: the exact height lies between its bounds, and they close in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabctl.errors import InputError
from fabctl.geometry.dropcutter import drop_grid
from fabctl.geometry.heightmap import drop_map, survey
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.places import Grid
from tests.geometry.cutters import EVERY_SHAPE, SHAPES, ball_mesh, some_mesh
from tests.geometry.solids import box


@EVERY_SHAPE
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), step=st.floats(0.1, 1.5))
def test_the_exact_height_lies_between_the_bounds(shape, seed, step):
    mesh, grid = some_mesh(seed), Grid(-2.5, -2.6, step, 15, 14)
    exact, found = drop_grid(mesh, shape, grid), drop_map(mesh, shape, grid)
    assert np.all(found.low_mm <= exact + 1e-9)
    assert np.all(found.high_mm >= exact - 1e-9)
    assert np.all(found.error_mm >= 0)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_no_point_of_the_mesh_is_above_its_square(seed):
    mesh, grid = some_mesh(seed), Grid(-1.0, -1.0, 0.5, 20, 20)
    found = survey(mesh, grid)
    weight = np.random.default_rng(seed).dirichlet((0.5, 0.5, 0.5), 500)
    points = np.einsum("nk,tkd->tnd", weight, mesh.vertices[mesh.triangles]).reshape(-1, 3)
    column, row = np.floor((points[:, :2] + 1.25) / 0.5).astype(int).T
    on = (column >= 0) & (column < 20) & (row >= 0) & (row < 20)
    assert np.all(points[on, 2] <= found.high_mm[row[on], column[on]] + 1e-9)
    assert np.all(found.low_mm <= found.high_mm)


def test_halving_the_step_halves_the_error_on_a_smooth_part():
    mesh, shape = ball_mesh(10.0), SHAPES["ball"]
    worst = [
        float(
            drop_map(
                mesh, shape, Grid(-5.0, -5.0, step, round(10 / step) + 1, round(10 / step) + 1)
            ).error_mm.max()
        )
        for step in (0.4, 0.2, 0.1)
    ]
    assert worst[0] / worst[1] > 1.7
    assert worst[1] / worst[2] > 1.7


def test_a_level_top_is_exact():
    found = drop_map(box((0, 0, 0), (10, 10, 3)), SHAPES["bull"], Grid(2.0, 2.0, 0.5, 5, 5))
    assert np.all(found.low_mm == 3.0)
    assert np.all(found.high_mm == 3.0)


def test_where_there_is_nothing_both_bounds_say_so():
    found = drop_map(box((0, 0, 0), (1, 1, 1)), SHAPES["ball"], Grid(50.0, 50.0, 0.5, 4, 4))
    assert np.isneginf(found.low_mm).all()
    assert np.isneginf(found.high_mm).all()
    assert not found.error_mm.any()


def test_a_corner_at_no_place_is_refused():
    mesh = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 1]]), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="finite"):
        survey(mesh, Grid(0, 0, 1, 2, 2))
