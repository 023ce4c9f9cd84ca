"""Reading an STL file with its vertices merged."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Peer, measure_row
from benchmarks.solids import stl_bytes, vase
from fabctl.design.stl import read_stl
from fabctl.geometry.mesh import Mesh

TRIANGLES = 330_000


@dataclass(frozen=True)
class Work:
    data: bytes
    triangles: int

    @property
    def facts(self) -> dict[str, Any]:
        return {"triangles": self.triangles, "megabytes": len(self.data) / 1e6}


def prepare(scale: float) -> Work:
    mesh = vase(round(TRIANGLES * scale))
    return Work(stl_bytes(mesh), len(mesh))


def ours(work: Work) -> Mesh | None:
    return read_stl(work.data, "vase.stl", units="mm").mesh


def by_trimesh(work: Work) -> Any:
    import trimesh

    mesh = trimesh.load_mesh(io.BytesIO(work.data), file_type="stl", process=False)
    mesh.merge_vertices()
    return mesh


PEERS = {"trimesh": Peer(by_trimesh, ("trimesh", "scipy"))}


def run(scale: float = 1.0) -> dict[str, Any]:
    return measure_row(
        __name__, scale, "binary, {triangles:,} triangles, {megabytes:.1f} MB, checked and oriented", PEERS
    )
