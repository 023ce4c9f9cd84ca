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


def tubes(triangles: int, *, across: int = 5, height_mm: float = 100.0) -> Mesh:
    """Make a body of wavy, thin-walled tubes side by side: two contours a tube at every height.

    Seeded, single-precision coordinates, about so many triangles.
    """
    share = triangles / across**2 / 2
    columns = max(8, round((share / 2) ** 0.5))
    rows = max(4, round(share / 2 / columns))
    u, v = np.meshgrid(np.linspace(0, 1, rows + 1), np.arange(columns) / columns, indexing="ij")
    vertices, faces = [], []
    for tube in range(across**2):
        phase = np.random.default_rng(tube).uniform(0, 6, 3)
        radius = 6 + np.sin(6 * u + phase[0]) + 0.7 * np.sin(2 * np.pi * (5 * v + u) + phase[1])
        angle = 2 * np.pi * v + 0.6 * np.sin(4 * u + phase[2])
        for wall_mm in (0.0, 1.6):
            rho = radius - wall_mm
            place = 20.0 * np.array(divmod(tube, across))
            grid = np.stack(
                (place[0] + rho * np.cos(angle), place[1] + rho * np.sin(angle), height_mm * u), axis=2
            )
            vertices.append(grid.reshape(-1, 3))
        faces.append(_tube(rows, columns) + 2 * tube * (rows + 1) * columns)
    return Mesh(np.concatenate(vertices).astype(np.float32).astype(np.float64), np.concatenate(faces))


def _tube(rows: int, columns: int) -> np.ndarray:
    """Join an outer and an inner wall at both ends."""
    outer = _sides(rows, columns)[: 2 * rows * columns]
    inner = outer[:, ::-1] + (rows + 1) * columns
    rim = np.arange(columns)
    after = (rim + 1) % columns
    ends = []
    for first, turned in ((0, True), (rows * columns, False)):
        a, b, c, d = (
            first + k for k in (rim, after, rim + (rows + 1) * columns, after + (rows + 1) * columns)
        )
        ring = np.concatenate((np.stack((a, b, d), -1), np.stack((a, d, c), -1)))
        ends.append(ring[:, ::-1] if turned else ring)
    return np.concatenate((outer, inner, *ends))


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


def stl_text(mesh: Mesh) -> bytes:
    """Write a mesh as an ASCII STL, as most programs do: six digits behind the point, a power of ten."""
    corners = mesh.vertices[mesh.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    three = " %.6e %.6e %.6e\n"
    vertices = f"      vertex{three}" * 3
    facet = f"  facet normal{three}    outer loop\n{vertices}    endloop\n  endfacet\n"
    numbers = np.concatenate((normal, corners.reshape(-1, 9)), axis=1)
    return f"solid part\n{facet * len(numbers) % tuple(numbers.ravel().tolist())}endsolid part\n".encode()


def save_stl(mesh: Mesh, path: Path) -> Path:
    """Write a mesh to a file."""
    path.write_bytes(stl_bytes(mesh))
    return path
