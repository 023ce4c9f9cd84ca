"""Reading an STL file with its vertices merged."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Peer, measure_row, race
from benchmarks.solids import stl_bytes, stl_text, vase
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
    return _merged_by_trimesh(work, "stl")


def text_by_trimesh(work: Work) -> Any:
    return _merged_by_trimesh(work, "stl_ascii")


def _merged_by_trimesh(work: Work, form: str) -> Any:
    import trimesh

    mesh = trimesh.load_mesh(io.BytesIO(work.data), file_type=form, process=False)
    mesh.merge_vertices()
    return mesh


PEERS = {"trimesh": Peer(by_trimesh, ("trimesh", "scipy"))}


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(
        __name__, scale, "binary, {triangles:,} triangles, {megabytes:.1f} MB, checked and oriented", PEERS
    )
    mesh = vase(round(TRIANGLES * scale))
    text = Work(stl_text(mesh), len(mesh))
    found = race(
        text, ours, {"trimesh": Peer(text_by_trimesh, ("trimesh", "scipy"))}, prefix="text_", rounds=3
    )
    del found["missing"], found["rounds"]
    return row | found | {"text_megabytes": text.facts["megabytes"]}
