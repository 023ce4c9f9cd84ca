"""Slicing against trimesh's own cutting of every triangle: areas, contours, orientation and nesting."""

import itertools

import numpy as np
import pytest
import shapely
import trimesh

from fabctl.design.stl import read_stl
from fabctl.geometry.curves import signed_areas
from fabctl.geometry.mesh import flip
from fabctl.geometry.slicing import slice_mesh
from tests.geometry.solids import box, together, torus
from tests.geometry.test_slicing import WATERTIGHT, between_vertices

SOLIDS = {
    "wobbly ring": torus(wobble=3.0),
    "fine ring": torus(160, 60),
    "box in a box in a box": together(
        box((0, 0, 0), (20, 20, 20)), flip(box((2, 2, 2), (18, 18, 18))), box((5, 5, 5), (9, 9, 9))
    ),
    "boxes side by side": together(*(box((4 * i, 0, 0), (4 * i + 3, 3, 2 + i)) for i in range(9))),
}


def segments_by_trimesh(mesh, heights):
    """Pieces of each section, (k, 2, 2) a height, the solid on their left by the normals of the faces."""
    solid = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    lines, frames, faces = trimesh.intersections.mesh_multiplane(solid, [0, 0, 0], [0, 0, 1], heights)
    corners = mesh.vertices[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for pieces, frame, face in zip(lines, frames, faces, strict=True):
        flat = np.concatenate((pieces, np.zeros((*pieces.shape[:2], 1))), axis=2)
        xy = trimesh.transform_points(flat.reshape(-1, 3), frame)[:, :2].reshape(-1, 2, 2)
        way, out = xy[:, 1] - xy[:, 0], normals[face, :2]
        against = way[:, 1] * out[:, 0] - way[:, 0] * out[:, 1] < 0
        xy[against] = xy[against][:, ::-1]
        yield xy


def area(pieces):
    """Green's theorem over loose pieces."""
    (x0, y0), (x1, y1) = pieces[:, 0].T, pieces[:, 1].T
    return float(np.sum(x0 * y1 - x1 * y0)) / 2


def rings_of(pieces, grid_mm):
    """Closed rings, piece after piece: ends on one spot of a fine grid are one."""
    ends = np.round(pieces / grid_mm).astype(np.int64)
    long = np.flatnonzero((ends[:, 0] != ends[:, 1]).any(axis=1))
    after = {tuple(ends[i, 0].tolist()): (tuple(ends[i, 1].tolist()), i) for i in long.tolist()}
    assert len(after) == len(long)
    rings = []
    while after:
        start, (at, i) = after.popitem()
        ring = [pieces[i, 0]]
        while at != start:
            at, i = after.pop(at)
            ring.append(pieces[i, 0])
        rings.append(np.array(ring))
    return rings


def check(mesh, heights):
    slices = slice_mesh(mesh, heights)
    cuts = list(segments_by_trimesh(mesh, heights))
    wanted = np.array([area(pieces) for pieces in cuts])
    assert len(wanted)
    assert slices.areas_mm2() == pytest.approx(wanted, rel=1e-9, abs=1e-9 * np.abs(wanted).max())
    return slices, cuts


@pytest.mark.parametrize("name", WATERTIGHT)
def test_areas_of_real_solids_agree_with_trimesh(corpus, name):
    mesh = read_stl((corpus / "3d" / f"{name}.stl").read_bytes(), name).mesh
    check(mesh, between_vertices(mesh, 31))


def check_rings(mesh, heights):
    """Count, orientation and depth of the contours at each height."""
    slices, cuts = check(mesh, heights)
    depth, signed = slices.nest().depth, signed_areas(slices.contours)
    grid_mm = 1e-7 * float(np.ptp(mesh.vertices, axis=0).max())
    for plane, pieces in enumerate(cuts):
        rings = [ring for ring in rings_of(pieces, grid_mm) if len(ring) > 2]
        ours = np.flatnonzero(slices.plane == plane)
        polygons = [shapely.Polygon(ring) for ring in rings]
        inside = [polygon.representative_point() for polygon in polygons]
        around = np.zeros(len(rings), int)
        for i, k in itertools.permutations(range(len(rings)), 2):
            around[i] += polygons[k].area > polygons[i].area and polygons[k].contains(inside[i])
        theirs = sorted(
            (int(deep), float(shapely.LinearRing(ring).is_ccw))
            for deep, ring in zip(around, rings, strict=True)
        )
        assert theirs == sorted(
            zip(depth[ours].tolist(), (signed[ours] > 0).astype(float).tolist(), strict=True)
        )


@pytest.mark.parametrize("mesh", SOLIDS.values(), ids=SOLIDS.keys())
def test_contours_of_made_solids_agree_with_trimesh(mesh):
    check_rings(mesh, between_vertices(mesh, 13))


@pytest.mark.parametrize("name", WATERTIGHT)
def test_contours_of_real_solids_agree_with_trimesh(corpus, name):
    mesh = read_stl((corpus / "3d" / f"{name}.stl").read_bytes(), name).mesh
    check_rings(mesh, between_vertices(mesh, 7))
