"""Cutters and meshes that tests of dropping and pushing share."""

import numpy as np
import pytest

from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.mesh import Mesh
from tests.geometry.solids import box, together, torus

SHAPES = {
    "flat": CutterShape(2.0),
    "ball": CutterShape(2.0, 2.0),
    "bull": CutterShape(2.0, 0.7),
    "cone": CutterShape(2.0, angle_deg=60.0),
    "cone with a tip": CutterShape(2.0, angle_deg=90.0, tip_mm=1.0),
}
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def terrain(rng, n, rough, jitter=0.3):
    """A sheet of 2 (n − 1)² triangles, 1 mm apart."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    xy = np.stack((i, j), -1).reshape(-1, 2) + rng.uniform(-jitter, jitter, (n * n, 2))
    a = (i * n + j)[:-1, :-1].reshape(-1)
    triangles = np.concatenate((np.stack((a, a + n, a + n + 1), -1), np.stack((a, a + n + 1, a + 1), -1)))
    return Mesh(np.column_stack((xy, rng.uniform(-rough, rough, n * n))), triangles)


def some_mesh(seed):
    """Sheets, solids and soups by turns: walls, level tops, overhangs, triangles without area, odd edges."""
    rng = np.random.default_rng(seed)
    kind = seed % 6
    if kind == 0:
        return Mesh(rng.uniform(0, 6, (9, 3)), rng.integers(0, 9, (6, 3)))
    if kind == 1:
        return terrain(rng, 4, rng.choice([0, 1e-3, 0.1, 1, 5]))
    if kind == 2:
        return Mesh(rng.integers(0, 4, (9, 3)).astype(float), rng.integers(0, 9, (8, 3)))
    if kind == 3:
        return terrain(rng, 4, 1.0, jitter=0.0)
    if kind == 4:
        return together(box((0, 0, 0), (3, 4, 2)), box((1, 1, 1), (2, 6, rng.uniform(1, 4))))
    return torus(7, 6, 4.0, 2.0)


def ball_mesh(radius, rings=60):
    """A sphere whose vertices are exactly on it, poles along z."""
    theta = np.linspace(0, np.pi, rings + 1)
    phi = np.arange(2 * rings) * np.pi / rings
    t, p = np.meshgrid(theta, phi, indexing="ij")
    points = radius * np.stack((np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)), -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings), np.arange(2 * rings), indexing="ij")
    a, b = i * 2 * rings + j, i * 2 * rings + (j + 1) % (2 * rings)
    quads = np.stack((a, a + 2 * rings, b + 2 * rings, a, b + 2 * rings, b), -1).reshape(-1, 3)
    return Mesh(points, quads)
