"""The order of paths: time and travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.toolpath.order import Order, order_paths

SEGMENTS = 20_000
LOOPS = 2_000
SIDE_MM = 300.0
RULES_EACH = 10


@dataclass(frozen=True)
class Work:
    start: np.ndarray
    end: np.ndarray
    closed: bool

    @property
    def facts(self) -> dict[str, Any]:
        return {"paths": len(self.start)}


def prepare(scale: float) -> Work:
    """Scatter short open segments over a square."""
    rng = np.random.default_rng(7)
    start = rng.uniform(0, SIDE_MM, (max(8, round(SEGMENTS * scale)), 2))
    return Work(start, start + rng.uniform(-2, 2, start.shape), closed=False)


def loops(scale: float) -> Work:
    """Scatter closed loops."""
    start = np.random.default_rng(8).uniform(0, SIDE_MM, (max(8, round(LOOPS * scale)), 2))
    return Work(start, start, closed=True)


def rules_of(work: Work) -> np.ndarray:
    """Ask every tenth path to come before its nearest neighbour, as a hole before its outline."""
    inner = np.arange(0, len(work.start), RULES_EACH)
    apart = np.hypot(*np.moveaxis(work.start[inner][:, None] - work.start[None], 2, 0))
    apart[:, inner] = np.inf
    return np.column_stack((inner, apart.argmin(axis=1)))


def ours(work: Work) -> Order:
    return order_paths(work.start, work.end, np.full(len(work.start), work.closed))


def with_rules(work: Work) -> Order:
    return order_paths(work.start, work.end, np.full(len(work.start), work.closed), before=rules_of(work))


def raygeo_ops(work: Work) -> Any:
    from raygeo.ops import Ops

    made = Ops()
    made.move_to(0, 0)
    for (x0, y0), (x1, y1) in zip(work.start.tolist(), work.end.tolist(), strict=True):
        made.move_to(x0, y0)
        if work.closed:
            for x, y in _corners(x0, y0):
                made.line_to(x, y)
        made.line_to(x1, y1)
    return made


def _corners(x: float, y: float) -> list[tuple[float, float]]:
    return [(x + 1, y), (x + 1, y + 1), (x, y + 1)]


def by_raygeo(ops: Any) -> Any:
    ops.optimize_travel()
    return ops


def vpype_lines(work: Work) -> Any:
    import vpype

    return vpype.Document(
        vpype.LineCollection(
            [
                [complex(*a), *(complex(*c) for c in (_corners(*a) if work.closed else ())), complex(*b)]
                for a, b in zip(work.start.tolist(), work.end.tolist(), strict=True)
            ]
        )
    )


def by_vpype(document: Any) -> Any:
    import vpype_cli

    return vpype_cli.execute("linesort --two-opt", document)


def travel_of_vpype(document: Any) -> float:
    lines = document.layers[1]
    first = lines[0]
    return float(lines.pen_up_length()[0] + min(abs(first[0]), abs(first[-1])))


def travel_of_raygeo(ops: Any) -> float:
    return float(ops.distance() - ops.cut_distance())


RAYGEO = Peer(by_raygeo, ("raygeo",), prepare=raygeo_ops)
VPYPE = Peer(by_vpype, ("vpype", "vpype_cli"), prepare=vpype_lines)


def travels(work: Work, prefix: str, *, vpype: bool) -> dict[str, float]:
    """Measure how far the tool goes between paths, the first approach from the corner included."""
    out = {f"{prefix}travel_mm": ours(work).travel_mm, f"{prefix}travel_rules_mm": with_rules(work).travel_mm}
    if RAYGEO.is_installed():
        out[f"{prefix}travel_raygeo_mm"] = travel_of_raygeo(by_raygeo(raygeo_ops(work)))
    if vpype and VPYPE.is_installed():
        out[f"{prefix}travel_vpype_mm"] = travel_of_vpype(by_vpype(vpype_lines(work)))
    return out


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(
        __name__,
        scale,
        "{paths:,} open segments; beside them loops a tenth as many",
        {"raygeo": RAYGEO},
        rounds=3,
    )
    few = loops(scale)
    second = race(few, ours, {"raygeo": RAYGEO, "vpype": VPYPE}, prefix="loops_", rounds=3)
    second["ratio_vpype"] = second.pop("loops_ratio_vpype")
    merged = merge(row, second) | {"rounds": row["rounds"]}
    return merged | travels(prepare(scale), "", vpype=False) | travels(few, "loops_", vpype=True)
