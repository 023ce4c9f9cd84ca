"""Grbl's motion planner as whole-array operations: blocks, junctions, look-ahead, trapezoids.

Source: Grbl 1.1h, ``planner.c``, ``motion_control.c`` (behaviour, pinned by the golden times in the tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabctl.toolpath.flatten import cut_arcs
from fabctl.toolpath.kinematics import ControllerCost, Kinematics
from fabctl.toolpath.moves import ARC_CW, CHUNK_MOVES, DWELL, RAPID, Bools, Floats, Ints, Moves, sweeps

__all__ = [
    "CHUNK_BLOCKS",
    "Blocks",
    "ControllerCost",
    "Kinematics",
    "Layout",
    "chords",
    "give_speeds",
    "lay_out",
    "look_ahead",
    "plan",
    "stops_cost_s",
]

STRAIGHT = 0.999999
"""Cosine beyond which Grbl takes two blocks for one straight line, or for a reversal."""

TINY_MM = 1e-9
"""Below this, far under any step, nothing moves."""

CHUNK_BLOCKS = 1 << 13
"""Looked at together: their columns stay in the processor's cache."""


@dataclass(frozen=True)
class Blocks:
    """Straight stretches as the controller plans them, and the speeds it gives them.

    Parameters
    ----------
    move : (b,) int64
        The move each block belongs to.
    length_mm : (b,) float64
    steps : (b,) float64
        Of the leading axis.
    acceleration_mm_s2 : (b,) float64
    entry_mm_s, peak_mm_s, exit_mm_s : (b,) float64
    rest : (b,) bool
        Whether the machine stands still before the block because the planner ran empty.
    """

    move: Ints
    length_mm: Floats
    steps: Floats
    acceleration_mm_s2: Floats
    entry_mm_s: Floats
    peak_mm_s: Floats
    exit_mm_s: Floats
    rest: Bools

    def seconds(self) -> Floats:
        """Return the time of each block, (b,) s: a trapezoid of speed, or a triangle where it is short."""
        out = np.empty(len(self.move))
        for first in range(0, len(out), CHUNK_BLOCKS):
            part = slice(first, first + CHUNK_BLOCKS)
            out[part] = _seconds(
                self.length_mm[part],
                self.acceleration_mm_s2[part],
                self.entry_mm_s[part],
                self.peak_mm_s[part],
                self.exit_mm_s[part],
            )
        return out


def chords(moves: Moves, start: NDArray[np.float64], arc_tolerance_mm: float) -> tuple[Floats, Ints]:
    """Cut arcs and helices into the chords the controller cuts them into; lines stay.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    arc_tolerance_mm : float
        ``$12``.

    Returns
    -------
    points : (3, b) float64
        Where each piece ends, mm.
    move : (b,) int64
        The move of each piece; every move has at least one.
    """
    if not np.any(moves["motion"] >= ARC_CW):
        return np.ascontiguousarray(moves["xyz"].T), np.arange(len(moves))
    radius = np.hypot(moves["ij"][:, 0], moves["ij"][:, 1])
    sagitta = np.sqrt(np.maximum(arc_tolerance_mm * (2 * radius - arc_tolerance_mm), 1e-12))
    turns = sweeps(moves, start)
    pieces = np.floor(0.5 * np.abs(turns) * radius / sagitta)
    return cut_arcs(moves, start, np.maximum(pieces, 1).astype(np.int64), turns)


@dataclass(frozen=True)
class Layout:
    """Blocks before they get their speeds: what does not depend on where the machine stops.

    Parameters
    ----------
    move : (b,) int64
        The move each block belongs to.
    length_mm : (b,) float64
    steps : (b,) float64
        Of the leading axis.
    acceleration_mm_s2 : (b,) float64
    nominal_mm_s : (b,) float64
        The speed asked for, within the axes' rates.
    corner2 : (b,) float64
        Largest entry speed squared the corner before each block allows, mm²/s²; of the first 0.
    """

    move: Ints
    length_mm: Floats
    steps: Floats
    acceleration_mm_s2: Floats
    nominal_mm_s: Floats
    corner2: Floats


def lay_out(
    moves: Moves,
    start: NDArray[np.float64],
    kinematics: Kinematics,
    *,
    feed_override: float = 1.0,
    rapid_override: float = 1.0,
) -> Layout:
    """Cut moves into blocks and find what bounds the speed of each.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    kinematics : Kinematics
    feed_override, rapid_override : float
        1 is as programmed.

    Returns
    -------
    Layout
        Without blocks that round to no step at all.
    """
    columns = _Columns(len(moves))
    here = np.asarray(start, np.float64)
    unit_before, nominal_before = np.zeros((3, 0)), np.zeros(0)
    for first in range(0, max(len(moves), 1), CHUNK_MOVES):
        some = moves[first : first + CHUNK_MOVES]
        points, move = chords(some, here, kinematics.arc_tolerance_mm)
        delta, steps = _step_rounded(points, here, kinematics.steps_per_mm)
        length = np.sqrt(np.einsum("ij,ij->j", delta, delta))
        kept = np.flatnonzero((length > TINY_MM) & (some["motion"] != DWELL)[move])
        if len(kept) < len(move):
            delta, steps, move, length = delta[:, kept], steps[kept], move[kept], length[kept]
        unit = delta / length
        nominal = _by_axis(tuple(r / 60 for r in kinematics.max_rate_mm_min), unit)
        rapid = (some["motion"] == RAPID)[move]
        feed = some["feed"][move] * (feed_override / 60)
        nominal = np.maximum(np.where(rapid, nominal * rapid_override, np.minimum(nominal, feed)), 1 / 60)
        known = np.hstack((unit_before, unit))
        speeds = np.concatenate((nominal_before, nominal))
        corner2 = np.zeros(len(move))
        corner2[len(move) + 1 - known.shape[1] :] = np.minimum(
            _junctions(known, kinematics), np.minimum(speeds[1:], speeds[:-1]) ** 2
        )
        acceleration = _by_axis(kinematics.acceleration_mm_s2, unit)
        columns.add(first + len(some), move + first, length, steps, acceleration, nominal, corner2)
        unit_before, nominal_before = known[:, -1:], speeds[-1:]
        here = some["xyz"][-1] if len(some) else here
    return columns.layout()


class _Columns:
    """The columns of a layout as they grow: written once, never put together again."""

    def __init__(self, moves: int) -> None:
        self.moves = moves
        self.count = 0
        self.move: Ints = np.empty(0, np.int64)
        self.rest: Floats = np.empty((5, 0))

    def add(self, moves: int, move: Ints, *rest: Floats) -> None:
        """Add the blocks of some moves; `moves` are all so far."""
        begin, self.count = self.count, self.count + len(move)
        if self.count > len(self.move):
            # room for all if the other moves are cut as these were, and a little more
            room = self.count * self.moves * 21 // (20 * max(moves, 1)) + 1
            grown, grown_rest = np.empty(room, np.int64), np.empty((5, room))
            grown[:begin], grown_rest[:, :begin] = self.move[:begin], self.rest[:, :begin]
            self.move, self.rest = grown, grown_rest
        self.move[begin : self.count] = move
        for column, values in zip(self.rest, rest, strict=True):
            column[begin : self.count] = values

    def layout(self) -> Layout:
        """Return the columns as far as they are written."""
        return Layout(self.move[: self.count], *self.rest[:, : self.count])


def plan(
    moves: Moves,
    start: NDArray[np.float64],
    kinematics: Kinematics,
    rest: Bools,
    *,
    feed_override: float = 1.0,
    rapid_override: float = 1.0,
) -> Blocks:
    """Give every block its speeds as Grbl's planner does.

    Parameters
    ----------
    moves : (n,) MOVE
    start : (3,) float64
        mm.
    kinematics : Kinematics
    rest : (n,) bool
        Moves before (DWELL: during) which the planner runs empty.
    feed_override, rapid_override : float
        1 is as programmed.

    Returns
    -------
    Blocks
        Without those that round to no step at all.

    Notes
    -----
    With q = 2·a·L, S its running sum and M the largest entry speed squared, the backward pass over a window
    of K blocks is ``min(min(M + S over i…i+K−1), S[i+K]) − S[i]``, the forward pass a running minimum of
    ``E − S``; both are exact, not approximations.
    """
    layout = lay_out(moves, start, kinematics, feed_override=feed_override, rapid_override=rapid_override)
    return give_speeds(layout, rest, kinematics.look_ahead_blocks)


def give_speeds(layout: Layout, rest: Bools, window: int) -> Blocks:
    """Give blocks their speeds under a limited look-ahead.

    Parameters
    ----------
    layout : Layout
    rest : (n,) bool
        Moves before (DWELL: during) which the planner runs empty.
    window : int
        Blocks the planner sees at a time.

    Returns
    -------
    Blocks
    """
    count = len(layout.move)
    standing = np.ones(count, bool)
    if rest.any():
        stood = np.cumsum(rest)[layout.move]
        np.not_equal(stood[1:], stood[:-1], out=standing[1:])
    else:
        standing[1:] = False
    speeds, peak = np.zeros(count + 1), np.empty(count)
    before = np.zeros(0)
    for first in range(0, count, CHUNK_BLOCKS):
        own = slice(first, min(first + CHUNK_BLOCKS, count))
        entry2, _, peak2 = _speeds2(layout, own, window, before, standing)
        np.sqrt(np.minimum(layout.nominal_mm_s[own] ** 2, peak2), out=peak[own])
        np.sqrt(entry2, out=speeds[own])
        before = entry2[-1:].copy()
    return Blocks(
        layout.move,
        layout.length_mm,
        layout.steps,
        layout.acceleration_mm_s2,
        speeds[:-1],
        peak,
        speeds[1:],
        standing,
    )


def _speeds2(
    layout: Layout, own: slice, window: int, before: Floats, standing: Bools | None
) -> tuple[Floats, Floats, Floats]:
    """Return entry, exit and highest speed squared of the blocks of a chunk, the last one the rates apart.

    A chunk sees as far beyond its end as the planner does, and the last entry speed squared `before` it.
    """
    part = slice(own.start - len(before), own.stop + 1 + window)
    gain = layout.acceleration_mm_s2[part] * layout.length_mm[part]
    highest = layout.corner2[part]
    if standing is not None:
        highest = np.where(standing[part], 0.0, highest)
    reached = look_ahead(highest, 2 * gain, window, settled=before)[len(before) :]
    size = own.stop - own.start
    entry2 = reached[:size]
    exit2 = reached[1 : size + 1] if len(reached) > size else np.append(reached[1:], 0.0)
    return entry2, exit2, (entry2 + exit2) / 2 + gain[len(before) :][:size]


def stops_cost_s(layout: Layout, blocks: Blocks, window: int) -> float:
    """Reckon what standing still costs in braking and starting again.

    Parameters
    ----------
    layout : Layout
    blocks : Blocks
        What `give_speeds` made of it.
    window : int
        As there.

    Returns
    -------
    float
        s, against the same blocks without a stop.
    """
    count, cost_s = len(layout.move), 0.0
    before = np.zeros(0)
    for first in range(0, count, CHUNK_BLOCKS):
        own = slice(first, min(first + CHUNK_BLOCKS, count))
        stops = blocks.rest[max(first, 1) : own.stop + 1 + window].any()
        if not stops and (not first or math.sqrt(before[0]) == blocks.entry_mm_s[first - 1]):
            before = blocks.entry_mm_s[own][-1:] ** 2  # the speeds here are the same with and without
            continue
        entry2, exit2, peak2 = _speeds2(layout, own, window, before, None)
        before = entry2[-1:].copy()
        entry, leave = np.sqrt(entry2), np.sqrt(exit2)
        peak = np.sqrt(np.minimum(layout.nominal_mm_s[own] ** 2, peak2))
        length, acceleration = layout.length_mm[own], layout.acceleration_mm_s2[own]
        free_s = _seconds(length, acceleration, entry, peak, leave)
        held_s = _seconds(
            length, acceleration, blocks.entry_mm_s[own], blocks.peak_mm_s[own], blocks.exit_mm_s[own]
        )
        cost_s += float(held_s.sum() - free_s.sum())
    return cost_s


def _seconds(length: Floats, acceleration: Floats, v0: Floats, top: Floats, v1: Floats) -> Floats:
    """Return the time of blocks from their lengths, accelerations and entry, highest and exit speeds, s."""
    ramps = (2 * top * top - v0 * v0 - v1 * v1) / (2 * acceleration)
    out: Floats = (2 * top - v0 - v1) / acceleration + np.maximum(length - ramps, 0.0) / top
    return out


def look_ahead(highest: Floats, gain: Floats, window: int, *, settled: Floats | None = None) -> Floats:
    """Find the entry speeds squared a planner with a limited look-ahead reaches.

    Parameters
    ----------
    highest : (b,) float64
        Largest entry speed squared of each block.
    gain : (b,) float64
        2·a·L of each block: what its speed squared can change by.
    window : int
        Blocks seen at a time; the last of them must be able to stop.
    settled : (k,) float64, optional
        Entry speeds squared of the first k blocks, found before.

    Returns
    -------
    (b,) float64
        Entry speeds squared.

    Examples
    --------
    >>> look_ahead(np.array([0.0, 9.0, 9.0, 9.0]), np.full(4, 2.0), 2)
    array([0., 2., 4., 2.])
    """
    count = len(highest)
    if not count:
        return np.zeros(0)
    ahead = np.concatenate(([0.0], np.cumsum(gain)))
    lowest = np.full(count + window, np.inf)
    lowest[:count] = highest + ahead[:-1]
    span = 1
    while span < window:
        shift = min(span, window - span)
        np.minimum(lowest[:-shift], lowest[shift:], out=lowest[:-shift])
        span += shift
    stop = np.full(count, ahead[-1])
    stop[: max(count - window, 0)] = ahead[window:-1]
    entry = np.minimum(lowest[:count], stop) - ahead[:-1]
    if settled is not None:
        entry[: len(settled)] = settled
    reached = np.minimum.accumulate(entry - ahead[:-1]) + ahead[:-1]
    return np.asarray(np.maximum(reached, 0.0), np.float64)


def _step_rounded(
    points: Floats, start: NDArray[np.float64], steps_per_mm: tuple[float, float, float]
) -> tuple[Floats, Floats]:
    """Return each piece's vector in mm after rounding to whole steps, (3, b), and its leading steps, (b,)."""
    delta = np.empty_like(points)
    steps = np.zeros(points.shape[1])
    for axis, scale in enumerate(steps_per_mm):
        path = np.concatenate(([start[axis]], points[axis]))
        if scale:
            counted = np.diff(np.floor(path * scale + 0.5))
            np.maximum(steps, np.abs(counted), out=steps)
            delta[axis] = counted / scale
        else:
            delta[axis] = np.diff(path)
    return delta, steps


def _by_axis(limits: tuple[float, ...], unit: Floats) -> Floats:
    """Return the largest value along each unit vector that no axis' limit forbids."""
    share = np.abs(unit[0]) / limits[0]
    for axis in (1, 2):
        np.maximum(share, np.abs(unit[axis]) / limits[axis], out=share)
    return 1.0 / np.asarray(share, np.float64)


def _junctions(unit: Floats, kinematics: Kinematics) -> Floats:
    """Return the largest speed squared at each corner between two blocks, (b − 1,)."""
    if unit.shape[1] < 2:
        return np.zeros(0)
    before, after = unit[:, :-1], unit[:, 1:]
    cos = -np.einsum("ij,ij->j", before, after)
    half = np.sqrt(np.clip(0.5 * (1 - cos), 0.0, 1.0))
    corner = after - before
    with np.errstate(divide="ignore", invalid="ignore"):
        corner /= np.sqrt(np.einsum("ij,ij->j", corner, corner))
        bent = _by_axis(kinematics.acceleration_mm_s2, corner)
        square = bent * kinematics.junction_deviation_mm * half / (1 - half)
    square[cos < -STRAIGHT] = np.inf
    square[cos > STRAIGHT] = 0.0
    return np.asarray(square, np.float64)
