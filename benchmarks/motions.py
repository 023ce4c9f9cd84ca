"""Seeded moves and programs for the rows that read, write and time."""

from __future__ import annotations

import numpy as np

from fabctl.program.emit import Dialect
from fabctl.program.write import write
from fabctl.toolpath.moves import FEED, MOVE, Moves, Toolpath

SPINDLE = Dialect("spindle")
PASS_MOVES = 2000


def relief(count: int, *, pitch_mm: float = 0.3, feed_mm_min: float = 1500.0) -> Moves:
    """Make the moves of a 3D relief: passes to and fro, a line aside each, heights of a wavy surface."""
    index = np.arange(count)
    along, row = index % PASS_MOVES, index // PASS_MOVES
    x = np.where(row % 2, PASS_MOVES - 1 - along, along) * pitch_mm
    y = 1.0 + row * pitch_mm + 0.01 * np.sin(x)
    z = -3 + 1.5 * np.sin(x / 4 + row / 9) + 0.9 * np.cos(y / 3) * np.sin(x / 1.7)
    moves = np.zeros(count, MOVE)
    moves["motion"], moves["feed"], moves["power"] = FEED, feed_mm_min, 1.0
    moves["xyz"] = np.round(np.column_stack((x, y, z)), 3)
    return moves


def spoken(moves: Moves) -> bytes:
    """Write moves as most programs do: blanks between words, G and every coordinate on each line."""
    x, y, z = moves["xyz"].T
    f = moves["feed"]
    lines = (f"G1 X{a:.3f} Y{b:.3f} Z{c:.3f} F{d:.0f}\n" for a, b, c, d in zip(x, y, z, f, strict=True))
    begin = f"G0 X{x[0]:.3f} Y{y[0]:.3f} Z5.000\n"
    return ("G21 G90 G17\nM3 S1000\n" + begin + "".join(lines) + "M5\nM2\n").encode()


def spoken_arcs(moves: Moves) -> bytes:
    """Write every second move as half a circle to where it ends: as many blocks as arcs have chords."""
    x, y, z = moves["xyz"].T
    centre = (np.diff(moves["xyz"][:, :2], axis=0, prepend=moves["xyz"][:1, :2]) / 2).tolist()
    lines = [f"G21 G90 G17\nM3 S1000\nG0 X{x[0]:.3f} Y{y[0]:.3f} Z5.000\nG1 Z{z[0]:.3f} F1500\n"]
    for row, (a, b, c) in enumerate(moves["xyz"].tolist()):
        if row % 2:
            lines.append(f"G2 X{a:.3f} Y{b:.3f} I{centre[row][0]:.4f} J{centre[row][1]:.4f} F1500\n")
        else:
            lines.append(f"G1 X{a:.3f} Y{b:.3f} Z{c:.3f} F1500\n")
    return "".join([*lines, "M5\nM2\n"]).encode()


def terse(moves: Moves) -> bytes:
    """Write moves as fabctl does."""
    return write(Toolpath(moves), SPINDLE).text
