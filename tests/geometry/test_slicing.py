"""Slicing against manifold3d, against one triangle after the other, and at heights that hit vertices."""

import manifold3d
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fabctl.design.stl import read_stl
from fabctl.errors import InputError
from fabctl.geometry import slicing
from fabctl.geometry.curves import signed_areas
from fabctl.geometry.mesh import Mesh, extents, flip, transform, volume_mm3
from fabctl.geometry.slicing import sheet_heights, slice_mesh
from tests.geometry.solids import area_below, box, together, torus

WATERTIGHT = (
    "printnc_x_gantry", "prusa_extruder_body", "fabuchile_v4", "ocl_ktoolcav", "openflexure_optics",
    "pycam_scene3", "pycam_two_boxes", "tm_featuretype", "tm_busted",
)  # fmt: skip


def as_manifold(mesh):
    solid = manifold3d.Manifold(manifold3d.Mesh64(np.array(mesh.vertices), mesh.triangles.astype(np.uint64)))
    assert solid.status() == manifold3d.Error.NoError
    return solid


def between_vertices(mesh, count):
    """Heights through the solid that hit no vertex."""
    low, high = extents(mesh)
    heights = np.linspace(low[2], high[2], count + 2)[1:-1]
    levels = np.unique(mesh.vertices[:, 2])
    near = np.abs(heights[:, None] - levels[None, :]).min(axis=1)
    return heights[near > 1e-7 * (high[2] - low[2])]


def check_against_manifold(mesh, count):
    heights = between_vertices(mesh, count)
    slices = slice_mesh(mesh, heights)
    solid = as_manifold(mesh)
    sections = [solid.slice(height) for height in heights]
    wanted = np.array([section.area() for section in sections])
    assert len(wanted)
    assert slices.areas_mm2() == pytest.approx(wanted, rel=1e-9, abs=1e-9 * wanted.max())
    return slices, sections


def test_a_box_is_cut_into_squares():
    slices = slice_mesh(box((0, 0, 0), (20, 20, 20)), [5, 15, 1])
    assert slices.plane.tolist() == [2, 0, 1]
    assert slices.areas_mm2().tolist() == [400, 400, 400]
    assert len(slices.at(1)) == 1


@given(hnp.arrays(np.float64, 4, elements=st.floats(-40, 40)), st.integers(0, 99))
def test_sections_of_a_noisy_ring_agree_with_adding_up_triangles(heights, seed):
    mesh = torus(9, 7, wobble=4.0, seed=seed)
    slices = slice_mesh(mesh, heights)
    wanted = [area_below(mesh, height) for height in heights]
    assert slices.areas_mm2() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=24, max_size=24), st.lists(st.integers(-4, 4), min_size=1))
def test_heights_through_vertices_and_flat_faces_follow_the_rule(levels, heights):
    """On a coarse lattice nearly every height hits vertices, level edges and flat triangles."""
    mesh = torus(6, 4)
    snapped = np.column_stack((mesh.vertices[:, :2], levels))
    mesh = Mesh(snapped, mesh.triangles)
    slices = slice_mesh(mesh, heights)
    wanted = [area_below(mesh, height) for height in heights]
    assert slices.areas_mm2() == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert np.all(slices.bridged_mm == 0)


def test_a_flat_top_counts_and_a_flat_bottom_does_not():
    slices = slice_mesh(box((0, 0, 0), (2, 3, 4)), [0, 4])
    assert slices.areas_mm2().tolist() == [0, 6]
    assert sorted(map(tuple, slices.contours.points.tolist())) == [(0, 0), (0, 3), (2, 0), (2, 3)]


def test_steps_at_a_height_show_the_larger_part_below():
    steps = together(box((0, 0, 0), (4, 4, 1)), box((1, 1, 1), (2, 2, 2)))
    assert slice_mesh(steps, [1, 1.5]).areas_mm2().tolist() == [16, 1]


def test_a_cone_cut_at_its_tip_leaves_nothing_and_says_so():
    wedge = Mesh(
        np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9.0]]),
        np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
    )
    slices = slice_mesh(wedge, [9])
    assert len(slices.contours) == 0
    assert slices.flat == 1


@pytest.mark.parametrize("mesh", [torus(wobble=2.0), torus(200, 90), box((0, 0, 0), (3, 4, 5))])
def test_sections_agree_with_manifold3d(mesh):
    slices, sections = check_against_manifold(mesh, 37)
    counts = np.bincount(slices.plane, minlength=len(sections))
    assert counts.tolist() == [section.num_contour() for section in sections]


@pytest.mark.parametrize("name", WATERTIGHT)
def test_sections_of_real_solids_agree_with_manifold3d(corpus, name):
    design = read_stl((corpus / "3d" / f"{name}.stl").read_bytes(), name)
    slices, _ = check_against_manifold(design.mesh, 41)
    assert np.all(slices.bridged_mm == 0)


@pytest.mark.parametrize("name", WATERTIGHT)
def test_outlines_run_counter_clockwise_and_holes_clockwise(corpus, name):
    mesh = read_stl((corpus / "3d" / f"{name}.stl").read_bytes(), name).mesh
    slices = slice_mesh(mesh, between_vertices(mesh, 23))
    depth = slices.nest().depth
    assert np.array_equal(signed_areas(slices.contours) > 0, depth % 2 == 0)


def test_a_hollow_solid_shows_a_hole_in_it():
    hollow = together(box((0, 0, 0), (9, 9, 9)), flip(box((2, 2, 2), (5, 5, 5))))
    slices = slice_mesh(hollow, [1, 3])
    assert slices.nest().depth.tolist() == [0, 0, 1]
    assert slices.nest().parent.tolist() == [-1, -1, 1]
    assert slices.areas_mm2().tolist() == [81, 72]


def test_the_sum_of_slices_is_the_volume():
    mesh = torus(60, 40)
    low, high = extents(mesh)
    thickness = (high[2] - low[2]) / 4000
    heights = low[2] + (np.arange(4000) + 0.5) * thickness
    assert slice_mesh(mesh, heights).areas_mm2().sum() * thickness == pytest.approx(
        volume_mm3(mesh), rel=1e-5
    )


def test_blocks_change_nothing(monkeypatch):
    mesh = torus(wobble=1.0)
    heights = np.linspace(-38, 38, 61)
    whole = slice_mesh(mesh, heights)
    monkeypatch.setattr(slicing, "BLOCK_CROSSINGS", 300)
    blocks = slice_mesh(mesh, heights)
    assert blocks.contours.points.tobytes() == whole.contours.points.tobytes()
    assert np.array_equal(blocks.contours.offsets, whole.contours.offsets)
    assert np.array_equal(blocks.plane, whole.plane)


@given(st.permutations([3.0, -7.5, 12.0, 3.0, 20.0]))
def test_heights_may_come_in_any_order_and_twice(heights):
    mesh = torus(12, 10)
    areas = slice_mesh(mesh, heights).areas_mm2()
    assert areas.tolist() == [slice_mesh(mesh, [height]).areas_mm2()[0] for height in heights]


def test_an_open_box_still_gives_closed_squares():
    mesh = box((0, 0, 0), (20, 20, 20))
    lidless = Mesh(mesh.vertices, mesh.triangles[[0, 1, *range(4, 12)]])
    slices = slice_mesh(lidless, [5, 20])
    assert slices.areas_mm2().tolist() == [400, 400]
    assert len(slices.report.open_edges) == 4
    assert slices.bridged_mm.tolist() == [0, 0]


def test_a_missing_triangle_is_bridged_and_measured():
    mesh = box((0, 0, 0), (20, 20, 20))
    holed = Mesh(mesh.vertices, np.delete(mesh.triangles, 4, axis=0))
    slices = slice_mesh(holed, [5, 15])
    assert slices.areas_mm2() == pytest.approx([400, 400])
    assert np.count_nonzero(slices.bridged_mm) == 2
    assert slices.bridged_mm.max() <= 20


def test_cracks_of_no_width_cost_nothing():
    """Every triangle on its own: all ends are open, all bridges have length 0."""
    mesh = torus(10, 8)
    loose = Mesh(mesh.vertices[mesh.triangles.reshape(-1)], np.arange(mesh.triangles.size).reshape(-1, 3))
    slices = slice_mesh(loose, [1.0, 22.0])
    assert slices.areas_mm2() == pytest.approx(slice_mesh(mesh, [1.0, 22.0]).areas_mm2())
    assert np.all(slices.bridged_mm == 0)


def test_triangles_that_face_the_wrong_way_are_turned_first():
    mesh = torus()
    triangles = mesh.triangles.copy()
    triangles[100:160] = triangles[100:160, ::-1]
    slices = slice_mesh(Mesh(mesh.vertices, triangles), [3.0])
    assert slices.turned == 60
    assert slices.areas_mm2() == pytest.approx(slice_mesh(mesh, [3.0]).areas_mm2())


def test_boxes_that_touch_at_an_edge_stay_two_squares():
    mesh = together(box((0, 0, 0), (1, 1, 1)), box((1, 1, 0), (2, 2, 1)))
    slices = slice_mesh(mesh, [0.5])
    assert signed_areas(slices.contours).tolist() == [1, 1]


def test_a_solid_inside_out_has_negative_area():
    assert slice_mesh(flip(box((0, 0, 0), (1, 1, 1))), [0.5]).areas_mm2().tolist() == [-1]


def test_heights_beside_the_solid_and_no_heights_give_nothing():
    mesh = box((0, 0, 0), (1, 1, 1))
    assert len(slice_mesh(mesh, []).contours) == 0
    assert slice_mesh(mesh, [-1, 2]).areas_mm2().tolist() == [0, 0]
    assert len(slice_mesh(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64)), [1.0]).contours) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    mesh = box((0, 0, 0), (1, 1, 1))
    with pytest.raises(InputError, match="finite"):
        slice_mesh(mesh, [0.5, bad])
    with pytest.raises(InputError, match="finite"):
        slice_mesh(Mesh(np.vstack((mesh.vertices, [[bad, 0, 0]])), mesh.triangles), [0.5])


def test_neighbouring_triangles_share_the_very_same_point():
    """However the solid is turned, no contour has two points closer than rounding could make them."""
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    mesh = transform(torus(80, 60), np.hstack((turn, [[1e3], [2e3], [0]])))
    contours = slice_mesh(mesh, between_vertices(mesh, 20)).contours
    steps = np.hypot(*np.diff(contours.points, axis=0).T)
    steps = np.delete(steps, contours.offsets[1:-1] - 1)
    assert steps.min() > 0
    assert len(np.unique(contours.points, axis=0)) == len(contours.points)


def test_sheets_lie_in_the_middle_of_the_material():
    mesh = box((0, 0, 2), (1, 1, 20))
    assert sheet_heights(mesh, 6.0).tolist() == [5, 11, 17]
    assert sheet_heights(mesh, 100.0).tolist() == [11]
    assert len(sheet_heights(mesh, 4.0)) == 5
    assert len(slice_mesh(mesh, sheet_heights(mesh, 4.0)).contours) == 5


@pytest.mark.parametrize("thickness", [0.0, -1.0, np.nan])
def test_sheets_without_thickness_are_refused(thickness):
    with pytest.raises(InputError, match="sheets"):
        sheet_heights(box((0, 0, 0), (1, 1, 1)), thickness)
