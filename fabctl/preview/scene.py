"""A scene: what a picture shows, in mm, before anybody decides whether it becomes SVG or PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.design.model import Design
from fabctl.geometry.curves import Curves, flatten, segments
from fabctl.toolpath.flatten import flatten_moves
from fabctl.toolpath.moves import DWELL, FEED, RAPID, Moves

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RAPID_COLOUR = "#e0a030"
DESIGN_COLOUR = "#30343c"
PALETTE = ("#1f5fbf", "#c0392b", "#1e8449", "#7d3c98", "#0e8c8c", "#b9770e", "#5d6d7e", "#a93295")
"""Colours of operations, in their order; far enough apart for most colour-blind eyes."""

DISC_POINTS = 33
"""Points of a drilled hole's circle."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stroke:
    """Polylines drawn alike.

    Parameters
    ----------
    name : str
        For the legend.
    colour : str
        ``#rrggbb``.
    points : (n, 2) float64
        mm, all polylines one after the other.
    offsets : (m + 1,) int64
        Polyline i has the points ``offsets[i]:offsets[i + 1]``.
    dashed : bool
        Whether the tool is in the air.
    width_mm : float
        Width of what is cut, mm; 0 for a thin line of the same width at any scale.
    """

    name: str
    colour: str
    points: Floats
    offsets: Ints
    dashed: bool = False
    width_mm: float = 0.0


@dataclass(frozen=True)
class Scene:
    """All that a picture shows.

    Parameters
    ----------
    title : str
    strokes : sequence of Stroke
        Drawn in this order.
    stock : (x0, y0, x1, y1), optional
        mm.
    start : (x, y), optional
        Where the first move begins, mm.
    """

    title: str
    strokes: Sequence[Stroke]
    stock: Box | None = None
    start: tuple[float, float] | None = None

    def box(self) -> Box:
        """Return the box around everything drawn, mm; (0, 0, 1, 1) when there is nothing."""
        corners = [np.reshape(self.stock, (2, 2))] if self.stock else []
        corners += [s.points for s in self.strokes if len(s.points)]
        if self.start:
            corners.append(np.array([self.start]))
        if not corners:
            return (0.0, 0.0, 1.0, 1.0)
        return _around(corners)

    def drawn(self) -> Box | None:
        """Return the extents of what is cut (no rapids, no stock), mm; None when nothing is."""
        parts = [s.points for s in self.strokes if not s.dashed and len(s.points)]
        if not parts:
            return None
        return _around(parts)


def scene_of_curves(design: Design, *, tolerance_mm: float = 0.005) -> Scene:
    """Show a drawing as it was read, a colour for each layer.

    Parameters
    ----------
    design : Design
        With curves; a mesh is sliced before it is shown.
    tolerance_mm : float
        For arcs, mm.

    Returns
    -------
    Scene
    """
    layers = list(dict.fromkeys(design.layer))
    strokes = []
    for i, layer in enumerate(layers):
        chosen = design.curves.take(np.array([name == layer for name in design.layer], bool))
        points, offsets = _polylines(flatten(chosen, tolerance_mm))
        strokes.append(Stroke(layer or "drawing", PALETTE[i % len(PALETTE)], points, offsets))
    return Scene(design.source, strokes)


def scene_of_moves(
    title: str,
    moves: Moves,
    start: Floats,
    *,
    operation: Ints | None = None,
    operations: Sequence[str] = ("cut",),
    widths_mm: Sequence[float] = (),
    stock: Box | None = None,
    parts: Curves | None = None,
    tolerance_mm: float = 0.02,
) -> Scene:
    """Show a toolpath or a program: parts below, cuts by operation, rapids dashed, the start marked.

    Parameters
    ----------
    title : str
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    operation : (n,) int64, optional
        Index into `operations` for each move; all 0 by default.
    operations : sequence of str
        Names for the legend.
    widths_mm : sequence of float
        Width of each operation's cut, mm; thin lines by default.
    stock : (x0, y0, x1, y1), optional
        mm.
    parts : Curves, optional
        The drawing below the toolpath.
    tolerance_mm : float
        For arcs, mm.

    Returns
    -------
    Scene
    """
    end, source = flatten_moves(moves, start, tolerance_mm)
    begin = np.vstack((np.reshape(start, (1, 3)), end[:-1]))
    owner = np.zeros(len(moves), np.int64) if operation is None else operation
    motion = moves["motion"][source]
    kind = np.where(motion == RAPID, -1, owner[source])
    across = (begin[:, 0] != end[:, 0]) | (begin[:, 1] != end[:, 1])
    travels = (motion != DWELL) & across
    strokes = []
    if parts is not None and len(parts):
        points, offsets = _polylines(flatten(parts, tolerance_mm))
        strokes.append(Stroke("parts", DESIGN_COLOUR, points, offsets))
    for i, name in [(-1, "rapid"), *enumerate(operations)]:
        points, offsets = _runs(begin[:, :2], end[:, :2], travels & (kind == i))
        colour = RAPID_COLOUR if i < 0 else PALETTE[i % len(PALETTE)]
        width = widths_mm[i] if 0 <= i < len(widths_mm) else 0.0
        if len(offsets) > 1:
            strokes.append(Stroke(name, colour, points, offsets, dashed=i < 0, width_mm=width))
        holes = _holes(motion, begin, end, kind == i) if i >= 0 else np.zeros((0, 2))
        if len(holes):
            strokes.append(_discs(name, colour, holes, width))
    return Scene(title, strokes, stock, (float(start[0]), float(start[1])))


def size_text(box: Box) -> str:
    """Say a box as a person reads it.

    Examples
    --------
    >>> size_text((0, 0, 100, 50.5))
    '100.0 × 50.5 mm'
    """
    return f"{box[2] - box[0]:.1f} × {box[3] - box[1]:.1f} mm"


def _around(parts: list[Floats]) -> Box:
    """Return the box around all points; column by column is several times faster than both at once."""
    x, y = [part[:, 0] for part in parts], [part[:, 1] for part in parts]
    low = [min(float(v.min()) for v in axis) for axis in (x, y)]
    high = [max(float(v.max()) for v in axis) for axis in (x, y)]
    return (low[0], low[1], high[0], high[1])


def _polylines(curves: Curves) -> tuple[Floats, Ints]:
    """Points and offsets of flattened curves, closed ones returning to their first point."""
    if not len(curves):
        return np.zeros((0, 2)), np.zeros(1, np.int64)
    begin, end, _, path = segments(curves)
    return _chain(begin, end, np.concatenate((np.ones(min(len(path), 1), bool), path[1:] != path[:-1])))


def _runs(begin: Floats, end: Floats, wanted: NDArray[np.bool_]) -> tuple[Floats, Ints]:
    """Chain the wanted segments where one follows the other without a gap."""
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return np.zeros((0, 2)), np.zeros(1, np.int64)
    begin, end = begin[rows], end[rows]
    apart = (begin[1:, 0] != end[:-1, 0]) | (begin[1:, 1] != end[:-1, 1])
    return _chain(begin, end, np.append(True, apart))


def _holes(motion: NDArray[np.uint8], begin: Floats, end: Floats, wanted: NDArray[np.bool_]) -> Floats:
    """Find where a tool goes down and straight up again, (k, 2) mm."""
    still = (begin[:, 0] == end[:, 0]) & (begin[:, 1] == end[:, 1])
    down = wanted & still & (motion == FEED) & (end[:, 2] < begin[:, 2])
    up = np.append(still[1:] & (end[1:, 2] > begin[1:, 2]), False)
    return np.unique(end[down & up][:, :2], axis=0)


def _discs(name: str, colour: str, at: Floats, width_mm: float) -> Stroke:
    """Draw a disc as wide as the tool for each hole: a circle half as wide, in a line of half the width."""
    angle = np.linspace(0, 2 * np.pi, DISC_POINTS)
    circle = np.column_stack((np.cos(angle), np.sin(angle))) * max(width_mm / 4, 0.2)
    points = (at[:, None] + circle[None]).reshape(-1, 2)
    offsets = DISC_POINTS * np.arange(len(at) + 1)
    return Stroke(name, colour, points, offsets, width_mm=width_mm / 2)


def _chain(begin: Floats, end: Floats, breaks: NDArray[np.bool_]) -> tuple[Floats, Ints]:
    """Write segments as polylines: at each break the segment's begin is written too."""
    count = 1 + breaks.astype(np.int64)
    at = np.cumsum(count) - 1
    points = np.empty((int(count.sum()), 2))
    points[at] = end
    first = np.flatnonzero(breaks)
    points[at[first] - 1] = begin[first]
    return points, np.append(at[first] - 1, len(points)).astype(np.int64)
