"""Solids to test with, made here: boxes, balls, rings, and a brute-force second opinion on slicing."""

import numpy as np

from fabctl.geometry.mesh import Mesh, from_corners

_CUBE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.0]])
_SIDES = np.array(
    [
        [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
        [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7],
    ]
)  # fmt: skip


def box(low, high):
    """A box of 12 triangles."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    return Mesh(low + _CUBE * (high - low), _SIDES.copy())


def corners(mesh):
    """The loose triangles of a mesh, shape (t, 3, 3)."""
    return mesh.vertices[mesh.triangles]


def together(*meshes):
    """Several meshes in one, vertices merged."""
    return from_corners(np.concatenate([corners(mesh) for mesh in meshes]))


def torus(rings=48, sides=32, radius=30.0, tube=9.0, wobble=0.0, seed=0):
    """A ring around the y axis, so that horizontal planes show one contour or two."""
    u, v = np.meshgrid(
        np.arange(rings) * 2 * np.pi / rings, np.arange(sides) * 2 * np.pi / sides, indexing="ij"
    )
    thick = tube + wobble * np.random.default_rng(seed).uniform(-1, 1, u.shape)
    reach = radius + thick * np.cos(v)
    points = np.stack((reach * np.cos(u), thick * np.sin(v), reach * np.sin(u)), axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij")
    at = i * sides + j
    right, up = (i + 1) % rings * sides + j, i * sides + (j + 1) % sides
    both = (i + 1) % rings * sides + (j + 1) % sides
    quads = np.stack((at, up, both, at, both, right), axis=-1).reshape(-1, 3)
    return Mesh(points, quads)


def area_below(mesh, height_mm):
    """The area of the section just below a height: one triangle after the other, by Green's theorem."""
    total = 0.0
    for triangle in corners(mesh):
        above = triangle[:, 2] >= height_mm
        if above.all() or not above.any():
            continue
        start = end = None
        for k in range(3):
            p, q = triangle[k], triangle[(k + 1) % 3]
            if above[k] == above[(k + 1) % 3]:
                continue
            low, high = (p, q) if p[2] < q[2] else (q, p)
            at = low[:2] + (height_mm - low[2]) / (high[2] - low[2]) * (high[:2] - low[:2])
            if above[k]:
                start = at
            else:
                end = at
        total += (start[0] * end[1] - start[1] * end[0]) / 2
    return total
