"""Moves to bytes of G-code."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Peer, measure_row
from benchmarks.motions import SPINDLE, relief
from fabctl.program.write import write, write_blocks
from fabctl.toolpath.moves import Moves, Toolpath

LINES = 1_000_000


@dataclass(frozen=True)
class Work:
    moves: Moves

    @property
    def facts(self) -> dict[str, Any]:
        return {"lines": len(self.moves)}


def prepare(scale: float) -> Work:
    return Work(relief(round(LINES * scale)))


def ours(work: Work) -> bytes:
    return b"".join(write_blocks([work.moves], SPINDLE))


def rows_of(work: Work) -> list[list[float]]:
    rows: list[list[float]] = work.moves["xyz"].tolist()
    return rows


def by_join(rows: list[list[float]]) -> bytes:
    """Write the very lines we write: changed coordinates only, no zero a number can do without."""
    said, lines = ["", "", ""], []
    for row in rows:
        words = [shortest(f"{value:.3f}") for value in row]
        changed = [a + new for a, new, old in zip("XYZ", words, said, strict=True) if new != old]
        lines.append("".join(changed))
        said = words
    return "\n".join(lines).encode()


def shortest(number: str) -> str:
    number = number.rstrip("0").rstrip(".")
    if number.startswith("0."):
        return number[1:]
    if number.startswith("-0."):
        return "-" + number[2:]
    return "0" if number == "-0" else number


def by_plain_join(rows: list[list[float]]) -> bytes:
    """Write every coordinate of every line with all its zeros: more bytes for less work."""
    return "".join([f"X{x:.3f}Y{y:.3f}Z{z:.3f}\n" for x, y, z in rows]).encode()


def by_template(work: Work) -> bytes:
    count = len(work.moves)
    return ("X%.3fY%.3fZ%.3f\n" * count % tuple(work.moves["xyz"].ravel().tolist())).encode()


def by_json(work: Work) -> bytes:
    """Let the JSON encoder's C code print the numbers, then put letters in its brackets' place."""
    text = json.dumps(np.round(work.moves["xyz"], 3).tolist(), separators=(",", ":"))
    columns = text[2:-2].replace("],[", "\n").split("\n")
    return "\n".join(["X{}Y{}Z{}".format(*line.split(",")) for line in columns]).encode()


PEERS = {
    "fstring_join": Peer(by_join, prepare=rows_of),
    "plain_join": Peer(by_plain_join, prepare=rows_of),
    "template": Peer(by_template),
    "json": Peer(by_json),
}


def same_lines(work: Work) -> bool:
    """Whether the join's lines are ours, but for the first two moves, where ours approaches from above."""
    lines = by_join(rows_of(work)).splitlines()[2:]
    return ours(work).splitlines()[-3 - len(lines) : -3] == lines


def run(scale: float = 1.0) -> dict[str, Any]:
    row = measure_row(__name__, scale, "{lines:,} moves in X, Y and Z to modal, minimal lines", PEERS)
    work = prepare(scale)
    size = len(ours(work))
    began = time.perf_counter()
    write(Toolpath(work.moves), SPINDLE)
    row["with_map_and_moves_s"] = time.perf_counter() - began
    row["join_writes_the_same_lines"] = same_lines(work)
    row["lines_per_s"] = row["lines"] / row["ours_s"]
    row["mb_per_s"] = size / row["ours_s"] / 1e6
    return row
