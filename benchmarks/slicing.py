"""Cutting a mesh at many heights: in memory, and as whole processes from an STL file to contours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Peer, environment, measure_row, merge, race
from benchmarks.solids import save_stl, tubes, vase
from fabctl.geometry.mesh import Mesh
from fabctl.geometry.slicing import Slices, slice_mesh

TRIANGLES = 330_000
PLANES = 200
FILE_TRIANGLES = 349_000
FILE_PLANES = 250
HEIGHT_MM = 100.0
OWN_PROCESS = """
import sys
import numpy as np
from pathlib import Path
from fabctl.design.stl import read_stl
from fabctl.geometry.slicing import slice_mesh
mesh = read_stl(Path(sys.argv[1]).read_bytes(), sys.argv[1], units="mm").mesh
layer = float(sys.argv[3])
found = slice_mesh(mesh, np.arange(layer / 2, 100, layer))
np.savez(sys.argv[2], points=found.contours.points, offsets=found.contours.offsets, plane=found.plane)
"""


@dataclass(frozen=True)
class Work:
    mesh: Mesh
    heights_mm: np.ndarray

    @property
    def facts(self) -> dict[str, Any]:
        return {"triangles": len(self.mesh), "planes": len(self.heights_mm)}


def prepare(scale: float) -> Work:
    step = HEIGHT_MM / PLANES
    return Work(vase(round(TRIANGLES * scale)), np.arange(step / 2, HEIGHT_MM, step))


def fresh(work: Work) -> Work:
    """Return the work with nothing remembered of the mesh's edges."""
    return Work(Mesh(work.mesh.vertices, work.mesh.triangles), work.heights_mm)


def ours(work: Work) -> Slices:
    return slice_mesh(fresh(work).mesh, work.heights_mm)


def trimesh_of(work: Work) -> tuple[Any, np.ndarray]:
    import trimesh

    return trimesh.Trimesh(work.mesh.vertices, work.mesh.triangles, process=False), work.heights_mm


def slice_by_trimesh(material: tuple[Any, np.ndarray]) -> Any:
    mesh, heights_mm = material
    return mesh.section_multiplane([0, 0, 0], [0, 0, 1], heights_mm)


def slice_by_manifold3d(work: Work) -> list[Any]:
    import manifold3d

    mesh = manifold3d.Mesh64(np.array(work.mesh.vertices), work.mesh.triangles.astype(np.uint64))
    solid = manifold3d.Manifold(mesh)
    return [solid.slice(float(z)).to_polygons() for z in work.heights_mm]


def slice_by_vtk(work: Work) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPlane, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkCutter, vtkStripper

    points, cells, poly = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(numpy_to_vtk(work.mesh.vertices))
    cells.SetData(3, numpy_to_vtkIdTypeArray(work.mesh.triangles.ravel()))
    poly.SetPoints(points)
    poly.SetPolys(cells)
    plane, cutter, stripper = vtkPlane(), vtkCutter(), vtkStripper()
    plane.SetNormal(0, 0, 1)
    cutter.SetCutFunction(plane)
    cutter.SetInputData(poly)
    for i, z in enumerate(work.heights_mm):
        cutter.SetValue(i, float(z))
    stripper.SetInputConnection(cutter.GetOutputPort())
    stripper.Update()
    return stripper.GetOutput()


PEERS = {
    "trimesh": Peer(slice_by_trimesh, ("trimesh", "scipy", "networkx"), prepare=trimesh_of),
    "manifold3d": Peer(slice_by_manifold3d, ("manifold3d",)),
    "vtk": Peer(slice_by_vtk, ("vtkmodules",)),
}


@dataclass(frozen=True)
class File:
    stl: Path
    out: Path
    layer_mm: float


def cura_definitions() -> Path | None:
    """Find the settings CuraEngine cannot do without; Debian has them in its package ``cura``."""
    folders = [*os.environ.get("CURA_ENGINE_SEARCH_PATH", "").split(os.pathsep)]
    for folder in [*filter(None, folders), "/usr/share/cura/resources/definitions"]:
        if (Path(folder) / "fdmprinter.def.json").exists():
            return Path(folder)
    return None


def _process(command: list[str], **env: str) -> None:
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment() | env
    )


def file_by_us(file: File) -> None:
    out = str(file.out / "own.npz")
    _process([sys.executable, "-c", OWN_PROCESS, str(file.stl), out, str(file.layer_mm)])


def file_by_slic3r(file: File) -> None:
    layer = str(file.layer_mm)
    heights = ["--layer-height", layer, "--first-layer-height", layer]
    out = str(file.out / "slices.svg")
    _process(["slic3r", "--no-gui", "--export-svg", *heights, "--output", out, str(file.stl)])


def file_by_curaengine(file: File) -> None:
    definitions = cura_definitions()
    settings = {
        "layer_height": file.layer_mm,
        "layer_height_0": file.layer_mm,
        "wall_line_count": 1,
        "top_layers": 0,
        "bottom_layers": 0,
        "infill_line_distance": 0,
        "infill_sparse_density": 0,
        "adhesion_type": "none",
        "support_enable": "false",
        "center_object": "true",
        "machine_width": 300,
        "machine_depth": 300,
        "machine_height": 300,
    }
    words = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
    files = ["-o", str(file.out / "whole.gcode"), "-e0", "-l", str(file.stl)]
    command = ["CuraEngine", "slice", "-j", f"{definitions}/fdmprinter.def.json", *words, *files]
    _process(command, CURA_ENGINE_SEARCH_PATH=str(definitions))


FILE_PEERS = {
    "slic3r": Peer(file_by_slic3r, programs=("slic3r",)),
    "curaengine": Peer(
        file_by_curaengine, programs=("CuraEngine",), able=lambda: cura_definitions() is not None
    ),
}


def processes(mesh: Mesh, planes: int, prefix: str = "") -> dict[str, Any]:
    """Race fresh processes from a binary STL to written contours."""
    with tempfile.TemporaryDirectory() as folder:
        file = File(save_stl(mesh, Path(folder) / "solid.stl"), Path(folder), HEIGHT_MM / planes)
        found = race(file, file_by_us, FILE_PEERS, prefix=prefix, rounds=3)
    found[f"{prefix}process_s"] = found.pop(f"{prefix}ours_s")
    return found


def run(scale: float = 1.0) -> dict[str, Any]:
    """Race in memory on the vase; as processes on tubes, 50 contours a height, and on the vase, one."""
    row = measure_row(
        __name__, scale, "{triangles:,} triangles, {planes} planes, to closed nested-ready contours", PEERS
    )
    bundle = tubes(round(FILE_TRIANGLES * scale))
    files = processes(bundle, FILE_PLANES)
    files |= {"process_triangles": len(bundle), "process_planes": FILE_PLANES, "process_contours_a_plane": 50}
    vases = processes(prepare(scale).mesh, PLANES, "vase_")
    return merge(row, files, vases)
