"""The drop cutter against OpenCAMLib, where it installs: pip install ".[bench]"."""

import numpy as np
import pytest

from fabctl.design.stl import read_stl
from fabctl.geometry.dropcutter import drop_points
from fabctl.geometry.mesh import extents
from tests.geometry.cutters import SHAPES, ball_mesh, terrain
from tests.geometry.solids import torus

ocl = pytest.importorskip("opencamlib")

MESHES = {
    "terrain": terrain(np.random.default_rng(2), 12, 2.0),
    "ball": ball_mesh(6.0, 12),
    "ring": torus(24, 16, 9.0, 3.0),
}
CUTTERS = {
    "flat": lambda shape: ocl.CylCutter(2 * shape.radius_mm, 60),
    "ball": lambda shape: ocl.BallCutter(2 * shape.radius_mm, 60),
    "bull": lambda shape: ocl.BullCutter(2 * shape.radius_mm, shape.corner_mm, 60),
}


def drop_by_opencamlib(mesh, cutter, points, floor_mm):
    surface = ocl.STLSurf()
    for corners in mesh.vertices[mesh.triangles].tolist():
        surface.addTriangle(ocl.Triangle(*(ocl.Point(*corner) for corner in corners)))
    batch = ocl.BatchDropCutter()
    batch.setSTL(surface)
    batch.setCutter(cutter)
    for x, y in points.tolist():
        batch.appendPoint(ocl.CLPoint(x, y, floor_mm))
    batch.run()
    return np.array([point.z for point in batch.getCLPoints()])


def check(mesh, name, count):
    low, high = extents(mesh)
    points = np.random.default_rng(4).uniform(low[:2] - 1, high[:2] + 1, (count, 2))
    floor_mm = float(low[2]) - 5
    theirs = drop_by_opencamlib(mesh, CUTTERS[name](SHAPES[name]), points, floor_mm)
    ours = drop_points(mesh, SHAPES[name], points, floor_mm=floor_mm)
    assert ours == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize("name", CUTTERS)
@pytest.mark.parametrize("mesh", MESHES.values(), ids=MESHES.keys())
def test_heights_over_made_meshes_agree_with_opencamlib(mesh, name):
    check(mesh, name, 150)


@pytest.mark.parametrize("name", CUTTERS)
@pytest.mark.parametrize("solid", ["pycam_scene3", "fabuchile_v4"])
def test_heights_over_real_solids_agree_with_opencamlib(corpus, solid, name):
    check(read_stl((corpus / "3d" / f"{solid}.stl").read_bytes(), solid).mesh, name, 60)
