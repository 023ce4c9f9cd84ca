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
OUTLINE_MM = 4.0
HOLE_MM = 1.0


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
    """Scatter square outlines, each with a square hole: the hole is the path before its outline."""
    count = max(4, round(LOOPS * scale) // 2)
    outline = np.random.default_rng(8).uniform(0, SIDE_MM, (count, 2))
    start = np.stack((outline + HOLE_MM, outline), axis=1).reshape(-1, 2)
    return Work(start, start, closed=True)


def corners(work: Work) -> np.ndarray:
    """Return the four corners of every loop, (m, 4, 2) mm."""
    hole = np.arange(len(work.start)) % 2 == 0
    side = OUTLINE_MM - 2 * HOLE_MM * hole
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return work.start[:, None] + side[:, None, None] * square


def ours(work: Work) -> Order:
    return order_paths(work.start, work.end, np.full(len(work.start), work.closed))


def with_rules(work: Work) -> Order:
    """Order loops as a job has them: holes before their outlines, each entered at its best corner."""
    holes = np.arange(0, len(work.start), 2)
    entries = (corners(work).reshape(-1, 2), np.arange(len(work.start) + 1) * 4)
    closed = np.ones(len(work.start), bool)
    before = np.column_stack((holes, holes + 1))
    return order_paths(work.start, work.end, closed, before=before, entries=entries)


def polylines(work: Work) -> list[list[list[float]]]:
    """Return the points of every path."""
    if not work.closed:
        return np.stack((work.start, work.end), axis=1).tolist()
    return np.concatenate((corners(work), work.start[:, None]), axis=1).tolist()


def raygeo_ops(work: Work) -> Any:
    from raygeo.ops import Ops

    made = Ops()
    made.move_to(0, 0)
    for first, *others in polylines(work):
        made.move_to(*first)
        for point in others:
            made.line_to(*point)
    return made


def by_raygeo(ops: Any) -> Any:
    ops.optimize_travel()
    return ops


def vpype_lines(work: Work) -> Any:
    import vpype

    lines = [[complex(*point) for point in line] for line in polylines(work)]
    return vpype.Document(vpype.LineCollection(lines))


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
    out = {f"{prefix}travel_mm": ours(work).travel_mm}
    if work.closed:
        out[f"{prefix}travel_with_rules_and_entries_mm"] = with_rules(work).travel_mm
    if RAYGEO.is_installed():
        out[f"{prefix}travel_raygeo_mm"] = travel_of_raygeo(by_raygeo(raygeo_ops(work)))
    if vpype and VPYPE.is_installed():
        out[f"{prefix}travel_vpype_mm"] = travel_of_vpype(by_vpype(vpype_lines(work)))
    return out


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(
        __name__,
        scale,
        "{paths:,} open segments; beside them 2,000 nested loops, raced under rules",
        {"raygeo": RAYGEO},
        rounds=3,
    )
    few = loops(scale)
    second = race(few, with_rules, {"raygeo": RAYGEO, "vpype": VPYPE}, prefix="loops_", rounds=3)
    second["ratio_vpype"] = second.pop("loops_ratio_vpype")
    merged = merge(row, second) | {"rounds": row["rounds"]}
    return merged | travels(prepare(scale), "", vpype=False) | travels(few, "loops_", vpype=True)
