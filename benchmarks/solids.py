"""Seeded solids for the rows that cut meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fabctl.geometry.mesh import Mesh

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def vase(triangles: int, *, seed: int = 0, height_mm: float = 100.0) -> Mesh:
    """Make a closed, wavy body of revolution-like shape with about so many triangles.

    Rows and columns keep the same proportion at every size; single-precision coordinates, as an STL has.
    """
    columns = max(8, round((triangles / 2) ** 0.5 * 1.25))
    rows = max(4, round(triangles / 2 / columns))
    rng = np.random.default_rng(seed)
    u, v = np.meshgrid(np.linspace(0, 1, rows + 1), np.arange(columns) / columns, indexing="ij")
    radius = 30 + 8 * np.sin(5 * u) + np.zeros_like(v)
    for wave, phase in zip(rng.integers(3, 19, 6), rng.uniform(0, 6, 6), strict=True):
        radius += rng.uniform(0.3, 1.2) * np.sin(2 * np.pi * (wave * v + 2 * u) + phase)
    angle = 2 * np.pi * v
    z = height_mm * u + rng.uniform(-0.2, 0.2, u.shape) * height_mm / rows * ((u > 0) & (u < 1))
    grid = np.stack((radius * np.cos(angle), radius * np.sin(angle), z), axis=2)
    ends = np.array([[0, 0, 0], [0, 0, height_mm]])
    vertices = np.concatenate((grid.reshape(-1, 3), ends)).astype(np.float32).astype(np.float64)
    return Mesh(vertices, _sides(rows, columns))


def _sides(rows: int, columns: int) -> np.ndarray:
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    right = (column + 1) % columns
    a, b = row * columns + column, row * columns + right
    c, d = a + columns, b + columns
    wall = np.concatenate((np.stack((a, b, d), -1).reshape(-1, 3), np.stack((a, d, c), -1).reshape(-1, 3)))
    rim = np.arange(columns)
    after = (rim + 1) % columns
    foot, head = (rows + 1) * columns, (rows + 1) * columns + 1
    bottom = np.stack((after, rim, np.full(columns, foot)), -1)
    top = np.stack((rows * columns + rim, rows * columns + after, np.full(columns, head)), -1)
    return np.concatenate((wall, bottom, top)).astype(np.int64)


def stl_bytes(mesh: Mesh) -> bytes:
    """Write a mesh as a binary STL."""
    facets = np.zeros(len(mesh.triangles), FACET)
    facets["corners"] = mesh.vertices[mesh.triangles]
    return b"\0" * 80 + np.uint32(len(facets)).tobytes() + facets.tobytes()


def save_stl(mesh: Mesh, path: Path) -> Path:
    """Write a mesh to a file."""
    path.write_bytes(stl_bytes(mesh))
    return path
