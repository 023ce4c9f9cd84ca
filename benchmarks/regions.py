"""Offsets and booleans of large regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.geometry.regions import offset, subtract

VERTICES = 200_000
DISTANCE_MM = -1.5
TOLERANCE_MM = 0.01
GRID_MM = 1e-6


@dataclass(frozen=True)
class Work:
    region: shapely.Polygon
    other: shapely.Polygon

    @property
    def facts(self) -> dict[str, Any]:
        return {"vertices": int(shapely.get_num_coordinates(self.region))}


def coastline(count: int, *, seed: int, radius_mm: float = 150.0) -> shapely.Polygon:
    """Make one ring of about so many vertices with bays of every size."""
    rng = np.random.default_rng(seed)
    angle = np.arange(count) * 2 * np.pi / count
    radius = np.full(count, radius_mm)
    for wave in rng.integers(2, 300, 40):
        radius += radius_mm / 4 / wave**0.8 * np.sin(wave * angle + rng.uniform(0, 6))
    return shapely.Polygon(np.column_stack((radius * np.cos(angle), radius * np.sin(angle))))


def prepare(scale: float) -> Work:
    count = max(64, round(VERTICES * scale))
    return Work(coastline(count, seed=1), coastline(count, seed=2))


def ours(work: Work) -> Any:
    return offset([work.region], DISTANCE_MM, TOLERANCE_MM)


def difference(work: Work) -> Any:
    return subtract([work.region], [work.other])


def rings(work: Work) -> tuple[np.ndarray, np.ndarray]:
    return tuple(shapely.get_coordinates(region)[:-1] for region in (work.region, work.other))


def offset_by_pyclipr(material: tuple[np.ndarray, np.ndarray]) -> Any:
    import pyclipr

    tool = pyclipr.ClipperOffset()
    tool.scaleFactor = round(1 / GRID_MM)
    tool.arcTolerance = TOLERANCE_MM / GRID_MM  # in its own whole numbers
    tool.addPath(material[0], pyclipr.JoinType.Round, pyclipr.EndType.Polygon)
    return tool.execute(DISTANCE_MM)


def difference_by_pyclipr(material: tuple[np.ndarray, np.ndarray]) -> Any:
    import pyclipr

    tool = pyclipr.Clipper()
    tool.scaleFactor = round(1 / GRID_MM)
    tool.addPath(material[0], pyclipr.Subject)
    tool.addPath(material[1], pyclipr.Clip)
    return tool.execute(pyclipr.Difference, pyclipr.FillRule.NonZero)


def sections(work: Work) -> tuple[Any, Any]:
    from manifold3d import CrossSection

    return tuple(CrossSection([ring]) for ring in rings(work))


def offset_by_manifold3d(material: tuple[Any, Any]) -> Any:
    from manifold3d import JoinType

    quarter = np.arccos(1 - TOLERANCE_MM / abs(DISTANCE_MM))
    chords = int(np.ceil(2 * np.pi / (2 * quarter) / 4)) * 4
    return material[0].offset(DISTANCE_MM, JoinType.Round, 2.0, chords).to_polygons()


def difference_by_manifold3d(material: tuple[Any, Any]) -> Any:
    return (material[0] - material[1]).to_polygons()


OFFSETS = {
    "pyclipr": Peer(offset_by_pyclipr, ("pyclipr",), prepare=rings),
    "manifold3d": Peer(offset_by_manifold3d, ("manifold3d",), prepare=sections),
}
DIFFERENCES = {
    "pyclipr": Peer(difference_by_pyclipr, ("pyclipr",), prepare=rings),
    "manifold3d": Peer(difference_by_manifold3d, ("manifold3d",), prepare=sections),
}


def thinned(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Leave out what ours leaves out before it begins, so that peers can be had without that advantage."""
    return rings(Work(shapely.simplify(work.region, TOLERANCE_MM / 4), work.other))


def thinned_sections(work: Work) -> tuple[Any, Any]:
    return sections(Work(shapely.simplify(work.region, TOLERANCE_MM / 4), work.other))


THINNED = {
    "pyclipr": Peer(offset_by_pyclipr, ("pyclipr",), prepare=thinned),
    "manifold3d": Peer(offset_by_manifold3d, ("manifold3d",), prepare=thinned_sections),
}


def areas(work: Work) -> dict[str, float]:
    """Compare what is enclosed, so that no contender is quick by doing something else."""
    own = sum(part.area for part in ours(work))
    out = {"offset_area_mm2": own}
    for name, peer in OFFSETS.items():
        if peer.is_installed():
            found = peer.call(peer.prepare(work))
            area = abs(sum(_area(np.asarray(ring)) for ring in found))
            out[f"offset_area_off_{name}"] = abs(area - own) / own
    return out


def _area(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def run(scale: float = 1.0) -> dict[str, Any]:
    what = "region of {vertices:,} vertices shrunk by 1.5 mm with round corners, within 0.01 mm"
    row = measure_row(__name__, scale, what, OFFSETS)
    work = prepare(scale)
    after = race(work, ours, THINNED, prefix="after_thinning_")
    differences = race(work, difference, DIFFERENCES, prefix="difference_")
    return merge(row, after, differences) | {"rounds": row["rounds"]} | areas(work)
