"""Meshes: exact merging, twins, measures and reports."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fabctl.geometry import mesh as module
from fabctl.geometry.mesh import Mesh, extents, flip, from_corners, inspect, merge_rows, transform, volume_mm3
from tests.geometry.solids import box, corners, together, torus


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(0, 60), st.just(3)),
        elements=st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0]),
    )
)
def test_merging_agrees_with_comparing_every_pair(points):
    first, number = merge_rows(points)
    assert np.array_equal(points[first][number] + 0.0, points + 0.0)
    assert len(np.unique(points[first] + 0.0, axis=0)) == len(first)
    assert np.all(np.diff(first) > 0)


def test_merging_survives_hashes_that_collide(monkeypatch):
    """With every hash equal the rows themselves must decide."""
    monkeypatch.setattr(module, "_GOLDEN", np.uint64(0))
    points = np.array([[1, 2, 3], [3, 2, 1], [1, 2, 3], [0, 0, 0], [3, 2, 1.0]])
    first, number = merge_rows(points)
    assert first.tolist() == [0, 1, 3]
    assert number.tolist() == [0, 1, 0, 2, 1]


def test_vertices_one_bit_apart_stay_apart():
    points = np.array([[1.0, 0, 0], [np.nextafter(1.0, 2), 0, 0]])
    assert len(merge_rows(points)[0]) == 2


def test_a_box_read_as_loose_triangles_has_eight_vertices():
    mesh = from_corners(corners(box((1, 2, 3), (4, 6, 8))).astype(np.float32))
    assert len(mesh.vertices) == 8
    assert volume_mm3(mesh) == pytest.approx(60)
    low, high = extents(mesh)
    assert low.tolist() == [1, 2, 3]
    assert high.tolist() == [4, 6, 8]


def test_a_mesh_without_triangles_has_no_extent_and_no_volume():
    empty = from_corners(np.zeros((0, 3, 3)))
    assert np.isnan(extents(empty)).all()
    assert volume_mm3(empty) == 0
    assert inspect(empty).is_sound


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-3, 3)))
def test_volume_scales_with_the_determinant_and_mirrors_stay_right_side_out(matrix):
    mesh = torus(12, 8)
    moved = transform(mesh, matrix)
    wanted = volume_mm3(mesh) * abs(np.dot(np.cross(*matrix[:2, :3]), matrix[2, :3]))
    assert volume_mm3(moved) == pytest.approx(wanted, rel=1e-9, abs=1e-6)


def test_turning_inside_out_negates_the_volume():
    assert volume_mm3(flip(torus())) == pytest.approx(-volume_mm3(torus()))


@given(st.integers(3, 9), st.integers(3, 9))
def test_every_half_edge_of_a_closed_mesh_meets_its_reverse(rings, sides):
    mesh = torus(rings, sides)
    origin, dest = mesh.triangles.reshape(-1), mesh.triangles[:, [1, 2, 0]].reshape(-1)
    assert np.array_equal(mesh.twin[mesh.twin], np.arange(len(origin)))
    assert np.array_equal(origin[mesh.twin], dest)
    assert mesh.is_closed
    assert inspect(mesh).is_sound


def test_the_report_names_open_edges_and_where():
    mesh = box((0, 0, 0), (20, 20, 20))
    report = inspect(Mesh(mesh.vertices, mesh.triangles[[0, 1, *range(4, 12)]]))
    assert len(report.open_edges) == 4
    assert "4 open edges" in report.describe(mesh)
    assert "z 20.000" in report.describe(mesh)


def test_the_report_names_edges_of_four_triangles():
    mesh = together(box((0, 0, 0), (1, 1, 1)), box((1, 1, 0), (2, 2, 1)))
    report = inspect(mesh)
    assert mesh.vertices[report.nonmanifold].tolist() == [[[1, 1, 0], [1, 1, 1]]]
    assert not len(report.open_edges)
    assert mesh.is_closed


def test_pairs_at_a_shared_edge_enclose_material():
    """Each half-edge at the edge two boxes share is paired within its own box."""
    mesh = together(box((0, 0, 0), (1, 1, 1)), box((1, 1, 0), (2, 2, 1)))
    assert np.array_equal(mesh.twin // 3 < 12, np.arange(72) // 3 < 12)


def test_the_report_names_a_triangle_that_faces_the_other_way():
    mesh = box((0, 0, 0), (1, 1, 1))
    triangles = mesh.triangles.copy()
    triangles[5] = triangles[5, ::-1]
    assert len(inspect(Mesh(mesh.vertices, triangles)).inconsistent) == 3


def test_the_report_names_degenerate_triangles():
    mesh = box((0, 0, 0), (1, 1, 1))
    report = inspect(Mesh(mesh.vertices, np.vstack((mesh.triangles, [[3, 3, 1]]))))
    assert report.degenerate.tolist() == [12]
    assert "number 12" in report.describe(mesh)
    assert not len(report.open_edges)


def test_triangles_that_name_a_vertex_twice_leave_the_others_paired():
    """However many there are at one vertex: no warning, no half-edge from a vertex to itself paired."""
    mesh = box((0, 0, 0), (1, 1, 1))
    spoilt = Mesh(mesh.vertices, np.vstack((mesh.triangles, [[0, 0, 1], [0, 0, 2], [0, 0, 3]])))
    origin, dest = spoilt.triangles.reshape(-1), spoilt.triangles[:, [1, 2, 0]].reshape(-1)
    assert np.all(spoilt.twin[origin == dest] == -1)
    assert np.all(spoilt.twin[: mesh.triangles.size] >= 0)
    assert inspect(spoilt).degenerate.tolist() == [12, 13, 14]


def test_an_edge_without_length_that_many_triangles_share_is_paired_without_a_warning():
    vertices = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0.0]])
    mesh = Mesh(vertices, np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 0, 5]]))
    assert np.count_nonzero(mesh.twin >= 0) == 4


def test_meshes_too_large_to_pack_keys_are_paired_the_same():
    """Vertex numbers that leave no room beside the edge key take the other sort."""
    mesh = box((0, 0, 0), (1, 1, 1))
    far = 1 << 31
    edges = module._gather_edges(Mesh(np.broadcast_to(0.0, (far, 3)), mesh.triangles))
    assert np.array_equal(edges.half, mesh.edges.half)
