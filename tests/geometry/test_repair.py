"""Repair: cleaning, turning and counting bodies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.geometry.mesh import Mesh, flip, inspect, volume_mm3
from fabctl.geometry.repair import bodies, clean, orient, outward
from tests.geometry.solids import box, together, torus


def test_a_sound_mesh_is_left_alone():
    mesh = torus()
    assert clean(mesh) == (mesh, 0, 0)
    assert orient(mesh) == (mesh, 0)
    assert outward(mesh) == (mesh, 0)


def test_walls_back_to_back_go_and_two_boxes_become_one():
    mesh, degenerate, repeated = clean(
        together(box((0, 0, 0), (1, 1, 1)), flip(flip(box((1, 0, 0), (2, 1, 1)))))
    )
    assert (degenerate, repeated) in ((0, 4), (0, 0))
    assert volume_mm3(mesh) == pytest.approx(2)
    assert mesh.is_closed


def test_a_solid_that_stands_twice_is_kept_once():
    twice = together(box((0, 0, 0), (1, 1, 1)), box((0, 0, 0), (1, 1, 1)))
    mesh, degenerate, repeated = clean(twice)
    assert (len(mesh), degenerate, repeated) == (12, 0, 12)
    assert inspect(mesh).is_sound


def test_degenerate_triangles_go():
    sound = box((0, 0, 0), (1, 1, 1))
    mesh, degenerate, repeated = clean(Mesh(sound.vertices, np.vstack((sound.triangles, [[1, 1, 2]]))))
    assert (len(mesh), degenerate, repeated) == (12, 1, 0)


def test_a_mesh_of_degenerate_triangles_only_ends_empty():
    mesh, degenerate, _ = clean(Mesh(np.zeros((2, 3)), np.array([[0, 0, 1], [1, 1, 1]])))
    assert (len(mesh), degenerate) == (0, 2)


@given(st.sets(st.integers(0, 3071), max_size=1400), st.integers(0, 2**31))
def test_turning_triangles_back_restores_the_solid(wrong, seed):
    """Orientation is restored whatever minority was turned, in whatever order triangles stand."""
    mesh = torus()
    triangles = mesh.triangles.copy()
    rows = sorted(wrong)
    triangles[rows] = triangles[rows][:, ::-1]
    triangles = np.random.default_rng(seed).permutation(triangles)
    again, turned = orient(Mesh(mesh.vertices, triangles))
    assert turned == len(wrong)
    assert inspect(again).is_sound
    assert volume_mm3(again) == pytest.approx(volume_mm3(mesh))


def test_bodies_are_counted_by_shared_edges():
    mesh = together(torus(), box((0, 0, 0), (1, 1, 1)), box((5, 0, 0), (6, 1, 1)))
    label = bodies(mesh)
    assert np.bincount(label).tolist() == [3072, 12, 12]


def test_one_body_inside_out_is_turned_and_a_cavity_is_not():
    solid, cavity = box((0, 0, 0), (9, 9, 9)), flip(box((2, 2, 2), (3, 3, 3)))
    wrong = flip(box((20, 0, 0), (21, 1, 1)))
    mesh, turned = outward(together(solid, cavity, wrong))
    assert turned == 1
    assert volume_mm3(mesh) == pytest.approx(729 - 1 + 1)


def test_a_whole_solid_inside_out_is_turned_with_its_cavity():
    solid, cavity = box((0, 0, 0), (9, 9, 9)), flip(box((2, 2, 2), (3, 3, 3)))
    mesh, turned = outward(flip(together(solid, cavity)))
    assert turned == 2
    assert volume_mm3(mesh) == pytest.approx(728)
