"""A photo to runs of equal power to G-code, and its error diffusion alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure import Peer, measure_row, merge, race
from fabctl.program.emit import Dialect
from fabctl.program.write import write_blocks
from fabctl.toolpath.dither import UNIT, Tones, dither
from fabctl.toolpath.raster import Lines, Tone, overscan_mm, raster

SIDE = 4000
DOT_MM = 0.1
TONE = Tone(levels=32)
BEAM = Dialect("beam", on_word="M4", uses_z=False)
FEED_MM_MIN = 6000.0
DIFFUSED_ROWS = 512
"""Rows whose errors are diffused at once, as `raster` does it at this width."""


@dataclass(frozen=True)
class Work:
    grey: np.ndarray

    @property
    def lines(self) -> Lines:
        rows, columns = self.grey.shape
        overscan = overscan_mm(FEED_MM_MIN, 1000)
        return Lines(columns * DOT_MM, rows * DOT_MM, DOT_MM, FEED_MM_MIN, overscan_mm=overscan)

    @property
    def facts(self) -> dict[str, Any]:
        return {"rows": self.grey.shape[0], "columns": self.grey.shape[1]}


def prepare(scale: float) -> Work:
    """Make a photo of soft shapes with the grain of a camera, the same each time."""
    side = max(16, round(SIDE * math.sqrt(scale)))
    chance = np.random.default_rng(5)
    waves = chance.normal(0, 14, (2, 24)).astype(np.float32)
    phase, height = chance.random(24) * 2 * np.pi, 1 / (1 + np.hypot(*waves))
    at = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    across = np.exp(1j * (at * waves[0] + phase)).T.astype(np.complex64)
    down = (np.exp(1j * at * waves[1]) * height).astype(np.complex64)
    spread = 110 / float(height.sum()) * 1.6
    grey = np.empty((side, side), np.uint8)
    for row in range(0, side, 100):
        soft = 128 + spread * (down[row : row + 100] @ across).real
        grain = chance.standard_normal(soft.shape, np.float32) * 1.7
        grey[row : row + 100] = np.clip(soft + grain, 0, 255)
    return Work(grey)


def ours(work: Work) -> int:
    return sum(map(len, write_blocks(raster(work.grey, work.lines, TONE), BEAM)))


LOOPED = 1 / 8
"""Part of the photo the loops are given: their time grows evenly with the pixels."""


def strip(work: Work, share: float) -> np.ndarray:
    """Return as much of the middle of the photo."""
    rows = max(1, round(len(work.grey) * share))
    begin = (len(work.grey) - rows) // 2
    return work.grey[begin : begin + rows]


def by_loop(rows: list[list[int]]) -> str:
    """Do for every pixel what a script does: tone, level, comparison, a line of text for each run."""
    out, levels, full = [], TONE.levels, BEAM.full_scale
    for i, row in enumerate(rows):
        back, y = i % 2 == 1, (len(rows) - i - 0.5) * DOT_MM
        sign, base = (-1, len(row)) if back else (1, 0)
        out.append(f"G0X{(base - sign * 50) * DOT_MM:g}Y{y:g}\nG1X{base * DOT_MM:g}S0\n")
        before = None
        for column in range(len(row)):
            grey = row[-1 - column] if back else row[column]
            darkness = (1 - grey / 255) ** TONE.gamma
            level = int(darkness * levels + 0.5)
            if level != before:
                if before is not None:
                    x = (base + sign * column) * DOT_MM
                    out.append(f"X{x:g}S{before / levels * full:.0f}\n")
                before = level
        x = (base + sign * len(row)) * DOT_MM
        out.append(f"X{x:g}S{before / levels * full:.0f}\nX{x + sign * 50 * DOT_MM:g}S0\n")
    return "".join(out)


def by_tuned_loop(rows: list[list[int]]) -> str:
    """Do the same with a table of words for all greys and reversed rows made by the interpreter's own C."""
    share = [(1 - grey / 255) ** TONE.gamma for grey in range(256)]
    words = [f"S{int(it * TONE.levels + 0.5) / TONE.levels * BEAM.full_scale:.0f}\n" for it in share]
    out = []
    for i, row in enumerate(rows):
        y, columns = (len(rows) - i - 0.5) * DOT_MM, len(row)
        sign, base = (-1, columns) if i % 2 else (1, 0)
        speeds = [words[grey] for grey in (reversed(row) if i % 2 else row)]
        out.append(f"G0X{(base - sign * 50) * DOT_MM:g}Y{y:g}\nG1X{base * DOT_MM:g}S0\n")
        before = speeds[0]
        for column, speed in enumerate(speeds):
            if speed != before:
                out.append(f"X{(base + sign * column) * DOT_MM:g}{before}")
                before = speed
        x = (base + sign * columns) * DOT_MM
        out.append(f"X{x:g}{before}X{x + sign * 50 * DOT_MM:g}S0\n")
    return "".join(out)


def rows_of(work: Work) -> list[list[int]]:
    rows: list[list[int]] = strip(work, LOOPED).tolist()
    return rows


PEERS = {
    "loop": Peer(by_loop, prepare=rows_of, share=LOOPED),
    "tuned_loop": Peer(by_tuned_loop, prepare=rows_of, share=LOOPED),
}


def tones(work: Work) -> Tones:
    return Tone(1).wanted(work.grey)


def diffused_by_us(wanted: Tones) -> int:
    parts = (wanted[row : row + DIFFUSED_ROWS] for row in range(0, len(wanted), DIFFUSED_ROWS))
    return sum(len(levels) for levels in dither(parts, "floyd-steinberg"))


def diffused_by_loop(rows: list[list[int]]) -> list[list[int]]:
    """Diffuse errors dot after dot."""
    out, width = [], len(rows[0])
    below = [0.0] * (width + 2)
    for row in rows:
        above, below, ahead, decided = below, [0.0] * (width + 2), 0.0, []
        for column, tone in enumerate(row):
            wish = tone + ahead + above[column + 1]
            level = 1 if wish >= UNIT / 2 else 0
            error = (wish - level * UNIT) / 16
            ahead = error * 7
            below[column] += error * 3
            below[column + 1] += error * 5
            below[column + 2] += error
            decided.append(level)
        out.append(decided)
    return out


def image_of(wanted: Tones) -> Image.Image:
    return Image.fromarray((255 - (wanted >> 8).clip(0, 255)).astype(np.uint8))


DIFFUSED = 1 / 32
DIFFUSING = {
    "diffusion_loop": Peer(
        diffused_by_loop,
        prepare=lambda wanted: wanted[: max(1, round(len(wanted) * DIFFUSED))].tolist(),
        share=DIFFUSED,
    ),
    "pillow_diffusion": Peer(lambda image: image.convert("1"), prepare=image_of),
}


def run(scale: float = 1.0) -> dict[str, Any]:
    what = "photo of {rows} × {columns} dots to runs of 32 powers to G-code"
    row = measure_row(__name__, scale, what, PEERS, rounds=3)
    work = prepare(scale)
    blocks = raster(work.grey, work.lines, TONE)
    row["runs"] = sum(int(np.count_nonzero(block["power"] > 0)) for block in blocks)
    row["bytes"] = ours(work)
    diffusion = race(tones(work), diffused_by_us, DIFFUSING, rounds=3)
    diffusion["diffusion_s"] = diffusion.pop("ours_s")
    return merge(row, diffusion)
