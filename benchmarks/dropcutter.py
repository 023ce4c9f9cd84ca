"""Lowering a cutter onto a relief at a million places; OpenCAMLib is asked for a few of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.geometry.cuttershape import CutterShape
from fabctl.geometry.dropcutter import drop_grid
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.places import Grid

SIDE = 389
"""Vertices along one side of the relief: 301,088 triangles."""
PLACES = 999
STEP_MM = 0.1
SPACING_MM = 100.0 / (SIDE - 1)
ASKED = 200
"""Places the peer is asked for, spread over all of them."""
SHAPES = {
    "ball": CutterShape(3.0, corner_mm=3.0),
    "flat": CutterShape(3.0),
    "bull": CutterShape(3.0, corner_mm=1.0),
    "cone": CutterShape(3.0, angle_deg=60.0),
}


@dataclass(frozen=True)
class Work:
    mesh: Mesh
    shape: CutterShape
    grid: Grid

    @property
    def points(self) -> int:
        return self.grid.columns * self.grid.rows

    @property
    def facts(self) -> dict[str, Any]:
        return {"triangles": len(self.mesh), "points": self.points}


@dataclass(frozen=True)
class Asked:
    """What the peer works on. It keeps bare pointers: surface and cutter must live as long as the batch."""

    batch: Any
    surface: Any
    cutter: Any
    rows: np.ndarray


def relief(side: int) -> Mesh:
    """Make a hilly sheet of 2 (side − 1)² triangles, with valleys too tight to enter.

    Vertices are shaken off their rows: on straight rows OpenCAMLib's tree is two to ten times slower, for
    some roundings of the very same rows.
    """
    rng = np.random.default_rng(1)
    u = np.arange(side) * SPACING_MM
    x, y = np.meshgrid(u, u, indexing="ij")
    x += rng.uniform(-0.2, 0.2, x.shape) * SPACING_MM
    y += rng.uniform(-0.2, 0.2, y.shape) * SPACING_MM
    z = np.zeros_like(x)
    for _ in range(24):
        wave = rng.uniform(-1.2, 1.2, 2)
        height = rng.uniform(0.2, 1) / (0.3 + np.hypot(*wave) / 1.2)
        z += height * np.sin(wave[0] * x + wave[1] * y + rng.uniform(0, 6))
    i, j = np.meshgrid(np.arange(side - 1), np.arange(side - 1), indexing="ij")
    a = (i * side + j).ravel()
    halves = (np.stack((a, a + side, a + side + 1), -1), np.stack((a, a + side + 1, a + 1), -1))
    return Mesh(np.column_stack((x.ravel(), y.ravel(), z.ravel())), np.concatenate(halves))


def prepare(scale: float, shape: str = "ball") -> Work:
    """Scale the area: mesh and places alike."""
    grow = math.sqrt(scale)
    places = max(round(PLACES * grow), 2)
    mesh = relief(max(round((SIDE - 1) * grow) + 1, 2))
    return Work(mesh, SHAPES[shape], Grid(0.05, 0.05, STEP_MM, places, places))


def ours(work: Work) -> np.ndarray:
    # A fresh mesh remembers nothing of its edges.
    return drop_grid(Mesh(work.mesh.vertices, work.mesh.triangles), work.shape, work.grid)


def opencamlib_of(work: Work) -> Asked:
    """Build OpenCAMLib's tree and list of places; none of it is timed."""
    import opencamlib as ocl

    surface = ocl.STLSurf()
    # OpenCAMLib takes triangles one by one.
    for corners in work.mesh.vertices[work.mesh.triangles].tolist():
        surface.addTriangle(ocl.Triangle(*(ocl.Point(*corner) for corner in corners)))
    shape, wide = work.shape, 2 * work.shape.radius_mm
    if shape.angle_deg:
        cutter = ocl.ConeCutter(wide, math.radians(shape.angle_deg / 2), 60)
    elif shape.corner_mm == shape.radius_mm:
        cutter = ocl.BallCutter(wide, 60)
    elif shape.corner_mm:
        cutter = ocl.BullCutter(wide, shape.corner_mm, 60)
    else:
        cutter = ocl.CylCutter(wide, 60)
    batch = ocl.BatchDropCutter()
    batch.setSTL(surface)
    batch.setCutter(cutter)
    # One thread, as ours.
    batch.setThreads(1)
    rows = np.linspace(0, work.points - 1, ASKED).astype(int)
    for x, y in work.grid.points_mm()[rows].tolist():
        batch.appendPoint(ocl.CLPoint(x, y, -1000.0))
    return Asked(batch, surface, cutter, rows)


def drop_by_opencamlib(asked: Asked) -> np.ndarray:
    asked.batch.run()
    return np.array([point.z for point in asked.batch.getCLPoints()])


def peers(points: int) -> dict[str, Peer]:
    share = min(ASKED / points, 1.0)
    return {"opencamlib": Peer(drop_by_opencamlib, ("opencamlib",), prepare=opencamlib_of, share=share)}


def agreement(work: Work) -> dict[str, Any]:
    """Compare heights with OpenCAMLib's: how much lower and how much higher its tip stands, at most."""
    asked = opencamlib_of(work)
    off = drop_by_opencamlib(asked) - ours(work).reshape(-1)[asked.rows]
    return {
        "lower_mm": float(-off.min()),
        "higher_mm": float(off.max()),
        "differ": int((abs(off) > 1e-8).sum()),
    }


def run(scale: float = 1.0) -> dict[str, Any]:
    work = prepare(scale)
    what = "a 6 mm ball lowered onto {triangles:,} triangles at {points:,} places"
    row = measure_row(__name__, scale, what, peers(work.points), rounds=3)
    row["per_point_us"] = row["ours_s"] / work.points * 1e6
    for name in SHAPES:
        material = prepare(scale, name)
        if name != "ball":
            row = merge(row, race(material, ours, peers(work.points), prefix=f"{name}_", rounds=3))
        if not row["missing"]:
            row |= {f"{name}_opencamlib_{key}": value for key, value in agreement(material).items()}
    return row
