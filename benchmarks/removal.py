"""What moves leave of a stock, as a height map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Peer, measure_row
from benchmarks.motions import relief
from fabctl.toolpath.cutter import ball_end
from fabctl.toolpath.moves import Moves, starts
from fabctl.toolpath.removal import HeightMap, blank, engage, remove

MOVES = 2000
PITCH_MM = 0.1
BALL_MM = 6.0
SIDE_MM = 150.0


@dataclass(frozen=True)
class Work:
    stock: HeightMap
    moves: Moves

    @property
    def facts(self) -> dict[str, Any]:
        rows, columns = self.stock.z_mm.shape
        return {"moves": len(self.moves), "cells": rows * columns, "pitch_mm": PITCH_MM}


def prepare(scale: float) -> Work:
    """Lay passes of a ball to and fro over a stock, 50 moves of 3 mm each."""
    moves = relief(round(MOVES * scale)).copy()
    index = np.arange(len(moves))
    along, row = index % 50, index // 50
    moves["xyz"][:, 0] = np.where(row % 2, 49 - along, along) * SIDE_MM / 49
    moves["xyz"][:, 1] = row * SIDE_MM / max(row[-1], 1)
    return Work(blank(SIDE_MM, SIDE_MM, PITCH_MM), moves)


def ours(work: Work) -> HeightMap:
    return remove(work.stock, work.moves, np.zeros(3), ball_end(BALL_MM))


def by_stamping(work: Work) -> np.ndarray:
    """Stamp the cutter's shape into the map at every cell's pitch along each move: the usual plain way."""
    z = work.stock.z_mm.copy()
    reach = int(np.ceil(BALL_MM / 2 / PITCH_MM))
    offset = np.arange(-reach, reach + 1) * PITCH_MM
    away2 = offset[:, None] ** 2 + offset[None] ** 2
    radius = BALL_MM / 2
    ball = np.where(away2 <= radius**2, radius - np.sqrt(np.maximum(radius**2 - away2, 0)), np.inf)
    for begin, end in zip(starts(work.moves, np.zeros(3)), work.moves["xyz"], strict=True):
        count = int(np.ceil(np.hypot(*(end - begin)[:2]) / PITCH_MM)) + 1
        for x, y, height in begin + np.linspace(0, 1, count)[:, None] * (end - begin):
            _stamp(z, int(x / PITCH_MM), int(y / PITCH_MM), ball + height)
    return z


def _stamp(z: np.ndarray, column: int, row: int, shape: np.ndarray) -> None:
    reach = len(shape) // 2
    top, left = max(row - reach, 0), max(column - reach, 0)
    under = z[top : row + reach + 1, left : column + reach + 1]
    if under.size:
        down, right = top - row + reach, left - column + reach
        part = shape[down : down + under.shape[0], right : right + under.shape[1]]
        np.minimum(under, part, out=under)


PEERS = {"stamping": Peer(by_stamping)}


def run(scale: float = 1.0) -> dict[str, Any]:
    what = "{moves:,} moves of a 6 mm ball over {cells:,} cells of {pitch_mm} mm, swept exactly"
    row = measure_row(__name__, scale, what, PEERS, rounds=3)
    work = prepare(scale)
    exact, stamped = ours(work).z_mm, by_stamping(work)
    row["stamping_off_mm"] = float(np.max(np.abs(exact - stamped)))
    engaged = engage(work.stock, work.moves, np.zeros(3), ball_end(BALL_MM))
    row["same_as_engagement"] = bool(np.allclose(engaged.left.z_mm, exact, atol=1e-9))
    return row
