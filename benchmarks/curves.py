"""Dense polylines to few lines and arcs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.geometry.curves import Curves, flatten
from fabctl.toolpath.fit import Fitted, fit_arcs, simplify

POINTS = 1_000_000
TOLERANCE_MM = 0.01
FINE_MM = 0.005
CHECKED = 50_000


@dataclass(frozen=True)
class Work:
    points: np.ndarray

    @property
    def facts(self) -> dict[str, Any]:
        return {"points": len(self.points), "tolerance_mm": TOLERANCE_MM}


def winding(count: int, *, step_mm: float = 0.1, bends: float = 1.0, seed: int = 0) -> np.ndarray:
    """Make a smooth way of even steps that bends to and fro."""
    rng = np.random.default_rng(seed)
    at = np.arange(count) * step_mm
    turn = np.zeros(count)
    for wave, height in zip(rng.uniform(20, 200, 5), rng.uniform(0.3, 0.9, 5), strict=True):
        turn += bends * height * np.sin(2 * np.pi * at / wave + rng.uniform(0, 6))
    return np.cumsum(step_mm * np.column_stack((np.cos(turn), np.sin(turn))), axis=0)


def prepare(scale: float) -> Work:
    return Work(winding(round(POINTS * scale)))


def ours(work: Work) -> Fitted:
    return fit_arcs(work.points, TOLERANCE_MM)


def simplified(work: Work) -> np.ndarray:
    return simplify(work.points, TOLERANCE_MM)


def geometry(work: Work) -> Any:
    from raygeo.geo import Geometry

    return Geometry.from_points([tuple(point) for point in work.points.tolist()], close=False)


def fit_by_raygeo(made: Any) -> Any:
    return made.fit_arcs(TOLERANCE_MM)


def simplify_by_raygeo(made: Any) -> Any:
    return made.simplify(TOLERANCE_MM)


FIT = {"raygeo": Peer(fit_by_raygeo, ("raygeo",), prepare=geometry)}
SIMPLIFY = {"raygeo": Peer(simplify_by_raygeo, ("raygeo",), prepare=geometry)}


def pieces_by_raygeo(points: np.ndarray, tolerance_mm: float) -> int:
    # its geometry changes in place: a fresh one each time
    return len(geometry(Work(points)).fit_arcs(tolerance_mm)) - 1


def counts(work: Work) -> dict[str, Any]:
    """Count what is left of the points: ours, the peer's, and on the dense curves of docs on timing."""
    own = len(ours(work).points) - 1
    fewest = fewest_arcs(work.points, TOLERANCE_MM)
    out: dict[str, Any] = {"pieces": own, "pieces_over_fewest": own / fewest}
    out["simplified_pieces"] = len(simplified(work)) - 1
    if FIT["raygeo"].is_installed():
        out["pieces_raygeo"] = pieces_by_raygeo(work.points, TOLERANCE_MM)
        out["pieces_of_raygeo"] = own / out["pieces_raygeo"]
        out["fewest_of_raygeo"] = fewest / out["pieces_raygeo"]
        out["simplified_pieces_raygeo"] = len(geometry(work).simplify(TOLERANCE_MM)) - 1
        out |= same_tolerance(work, own, out["pieces_raygeo"])
    turn = np.linspace(0, 2 * np.pi, 3000)
    outline = np.column_stack((60 * np.cos(turn) + 4 * np.cos(3 * turn), 35 * np.sin(turn)))
    return (
        out
        | dense("outline", outline)
        | dense("wide", winding(3000, bends=0.3))
        | dense("tight", winding(3000))
    )


def same_tolerance(work: Work, own: int, peers: int) -> dict[str, Any]:
    """Compare pieces at one tolerance that both keep, the peer's own and the one asked for.

    raygeo goes past what it is asked to keep. So it is asked for less until it stays within the tolerance,
    and we are asked for as much as it really takes.
    """
    few = work.points[:CHECKED]
    taken = off_by_raygeo(few, TOLERANCE_MM)
    able, wanting = 0.3 * TOLERANCE_MM, TOLERANCE_MM
    for _ in range(7):
        asked = (able + wanting) / 2
        if off_by_raygeo(few, asked) <= TOLERANCE_MM:
            able = asked
        else:
            wanting = asked
    within = pieces_by_raygeo(work.points, able)
    loose = len(fit_arcs(work.points, taken).points) - 1
    return {
        "deviation_raygeo_mm": taken,
        "raygeo_asked_to_keep_it_mm": able,
        "pieces_raygeo_keeping_it": within,
        "pieces_of_raygeo_keeping_it": own / within,
        "pieces_at_its_deviation": loose,
        "pieces_of_raygeo_at_its_deviation": loose / peers,
    }


def fewest_arcs(points: np.ndarray, tolerance_mm: float) -> float:
    """Say how few arcs a smooth way needs that begin and end on it.

    Where the curvature changes at the rate c an arc can be no longer than ∛(72·√3·tolerance ⁄ c).
    """
    step = np.diff(points, axis=0)
    along = np.hypot(*step.T)
    curvature = np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))) / along[1:]
    rate = np.abs(np.diff(curvature)) / along[2:]
    return float(np.sum(along[2:] * np.cbrt(rate / (72 * np.sqrt(3) * tolerance_mm))))


def farthest_mm(points: np.ndarray, way: np.ndarray) -> float:
    """Measure how far points lie from a polyline at most."""
    tree = shapely.STRtree(shapely.linestrings(np.stack((way[:-1], way[1:]), axis=1)))
    found = tree.query_nearest(shapely.points(points), return_distance=True, all_matches=False)
    return float(found[1].max())


def deviation(work: Work) -> float:
    """Measure on a part of the way whether the tolerance was kept."""
    few = Work(work.points[:CHECKED])
    fitted = ours(few)
    curves = Curves(fitted.points, fitted.bulge, fitted.offsets, np.zeros(1, bool))
    return farthest_mm(few.points, flatten(curves, TOLERANCE_MM / 2000).points)


def off_by_raygeo(points: np.ndarray, tolerance_mm: float) -> float:
    chords = geometry(Work(points)).fit_arcs(tolerance_mm).linearize(TOLERANCE_MM / 3)
    way = np.array([tuple(command.end)[:2] for command in chords.iter_typed_commands()])
    return farthest_mm(points, way)


def dense(name: str, points: np.ndarray) -> dict[str, float]:
    """Say how many times fewer lines and arcs a curve of 300 mm and 3,000 points becomes within 5 µm.

    Chords between points of a curve of curvature k can be no longer than √(8 · tolerance ⁄ k), so there are
    no fewer lines than the integral of the inverse.
    """
    step = np.diff(points, axis=0)
    turn = np.abs(np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))))
    along = np.hypot(*step.T)[1:]
    fewest = float(np.sum(along * np.sqrt(turn / along / (8 * FINE_MM))))
    lines = len(simplify(points, FINE_MM)) - 1
    return {
        f"dense_{name}_mean_radius_mm": float(np.sum(along) / np.sum(turn)),
        f"dense_{name}_lines_fewer": len(points) / lines,
        f"dense_{name}_lines_over_fewest": lines / fewest,
        f"dense_{name}_arcs_fewer": len(points) / (len(fit_arcs(points, FINE_MM).points) - 1),
    }


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(__name__, scale, "{points:,} points to lines and arcs within {tolerance_mm} mm", FIT)
    work = prepare(scale)
    second = race(work, simplified, SIMPLIFY, prefix="simplify_")
    return merge(row, second) | counts(work) | {"deviation_mm": deviation(work)}
