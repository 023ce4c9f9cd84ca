"""Dense polylines to few lines and arcs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.toolpath.fit import Fitted, fit_arcs, simplify

POINTS = 1_000_000
TOLERANCE_MM = 0.01
FINE_MM = 0.005


@dataclass(frozen=True)
class Work:
    points: np.ndarray

    @property
    def facts(self) -> dict[str, Any]:
        return {"points": len(self.points), "tolerance_mm": TOLERANCE_MM}


def winding(count: int, *, step_mm: float = 0.1, seed: int = 0) -> np.ndarray:
    """Make a smooth way of even steps that bends to and fro."""
    rng = np.random.default_rng(seed)
    at = np.arange(count) * step_mm
    turn = np.zeros(count)
    for wave, height in zip(rng.uniform(20, 200, 5), rng.uniform(0.3, 0.9, 5), strict=True):
        turn += height * np.sin(2 * np.pi * at / wave + rng.uniform(0, 6))
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


def counts(work: Work) -> dict[str, Any]:
    """Count what is left of the points: ours, the peer's, and on the 300 mm curve of docs on timing."""
    own = len(ours(work).points) - 1
    out: dict[str, Any] = {"pieces": own, "simplified_pieces": len(simplified(work)) - 1}
    if FIT["raygeo"].is_installed():
        out["pieces_raygeo"] = len(geometry(work).fit_arcs(TOLERANCE_MM)) - 1
        out["pieces_of_raygeo"] = own / out["pieces_raygeo"]
        out["simplified_pieces_raygeo"] = len(geometry(work).simplify(TOLERANCE_MM)) - 1
    dense = winding(3000)
    out["dense_lines_fewer"] = len(dense) / (len(simplify(dense, FINE_MM)) - 1)
    out["dense_arcs_fewer"] = len(dense) / (len(fit_arcs(dense, FINE_MM).points) - 1)
    return out


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(__name__, scale, "{points:,} points to lines and arcs within {tolerance_mm} mm", FIT)
    work = prepare(scale)
    second = race(work, simplified, SIMPLIFY, prefix="simplify_")
    return merge(row, second) | counts(work)
