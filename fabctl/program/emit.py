"""Moves to bytes of G-code, whole blocks at once, by look-up tables.

A block is a handful of columns: each word of a line is looked up for all rows together (`tables`), modal
words and unchanged coordinates only where they are news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError
from fabctl.program import tables
from fabctl.program.arcs import FARTHEST_MM, settle
from fabctl.program.tables import MAX_DECIMALS, MAX_FIVE, Cells
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, MOVE, RAPID, Moves

Ints = NDArray[np.int64]
Steps = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BLOCK_ROWS = 1 << 14
"""Rows written at once: their cells stay in the processor's cache."""
_UNKNOWN = -1


@dataclass(frozen=True)
class Dialect:
    """What the writer must know of a machine.

    Parameters
    ----------
    head : {"spindle", "beam", "switch", "none"}
        A spindle keeps turning through rapids; a beam is off in them; a switched head (plasma torch)
        is turned on and off by M3 and M5; a pen or knife has no head words.
    on_word : str
        ``M3`` or ``M4``.
    full_scale : float
        The S word of power 1.
    spin_up_s : float
        Dwell after the head was turned on.
    clearance_mm : float
        Height of the safe retract above Z0.
    uses_z : bool
        Whether the program begins and ends with a retract; without it Z appears only when it changes.
    end_word : str
        ``M2`` or ``M30``.
    """

    head: Literal["spindle", "beam", "switch", "none"]
    on_word: str = "M3"
    full_scale: float = 1000.0
    spin_up_s: float = 0.0
    clearance_mm: float = 5.0
    uses_z: bool = True
    end_word: str = "M2"

    @property
    def speed_decimals(self) -> int:
        """Decimals of the S word: a full scale of 1 or 100 needs some, one of 1000 none."""
        return 0 if self.full_scale >= 200 else 2


@dataclass(frozen=True)
class Modal:
    """What the controller remembers between two blocks; −1 is not known.

    Parameters
    ----------
    at : (3,) float64
        Position as it was meant, mm.
    grid : (3,) int64
        Position as written, in grid steps.
    known : (3,) bool
        Axes whose position the controller has been told.
    motion : int
        Motion of the last G0 to G3.
    feed : int
        Tenths of mm/min.
    speed : int
        S in its own steps.
    """

    at: Floats
    grid: Ints
    known: Bools
    motion: int = _UNKNOWN
    feed: int = _UNKNOWN
    speed: int = _UNKNOWN


@dataclass(frozen=True)
class Emitted:
    """A block as text and as the motion this text makes.

    Parameters
    ----------
    text : bytes
        One line for each row of `moves`.
    moves : (m,) MOVE
        Rounded as written; moves shorter than the grid are gone.
    index : (m,) int64
        The row of the block each came from.
    speed : (m,) float64
        The S word in force, as written.
    first : dict of str to int
        Each word used and its first row.
    modal : Modal
        What the next block meets.
    """

    text: bytes
    moves: Moves
    index: Ints
    speed: Floats
    first: dict[str, int]
    modal: Modal


def check_writable(moves: Moves, decimals: int) -> None:
    """Refuse moves no line can hold.

    Raises
    ------
    ProgramError
        When a coordinate is not finite or beyond 10 m, a feed not positive, or decimals not 0 to 4.
    """
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ProgramError(f"{decimals} decimals asked for, 0 to {MAX_DECIMALS} can be written")
    feed = moves["feed"]
    cutting = (moves["motion"] != RAPID) & (moves["motion"] != DWELL)
    checks = (
        (~(np.abs(moves["xyz"]) < FARTHEST_MM).all(axis=1), "a coordinate that is not a number below 10 m"),
        (~np.isfinite(moves["ij"]).all(axis=1), "an arc centre or dwell that is not a number"),
        (~(moves["power"] >= 0) | ~(moves["power"] <= 1), "a power outside 0 to 1"),
        (cutting & ~((feed >= 0.05) & (feed < MAX_FIVE)), "a feed outside 0.1 to 99999 mm/min"),
        (moves["motion"] > DWELL, "an unknown motion"),
    )
    for wrong, what in checks:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ProgramError(
                f"move {row} has {what}: {moves[row]}",
                place=f"move {row}",
                remedy="report the operation that made this move",
            )


@dataclass
class _Block:
    """The rows being written, by column."""

    moves: Moves
    index: Ints
    motion: NDArray[np.uint8]
    grid: Steps  # (3, n)
    changed: Bools  # (3, n)

    def keep(self, rows: Bools) -> None:
        """Drop the other rows."""
        self.moves, self.index, self.motion = self.moves[rows], self.index[rows], self.motion[rows]
        self.grid, self.changed = self.grid[:, rows], self.changed[:, rows]


def _within(values: Floats | NDArray[np.uint8], low: float, high: float) -> bool:
    """Whether all values lie within two bounds; nan does not."""
    return bool(values.min() >= low and values.max() <= high) if values.size else True


def _sound(moves: Moves, motion: NDArray[np.uint8], cutting: Bools) -> bool:
    """Whether `check_writable` has nothing to say, in as few passes as can be."""
    feed = moves["feed"] if cutting.all() else moves["feed"][cutting]
    return (
        _within(motion, 0, DWELL)
        and _within(feed, 0.05, MAX_FIVE - 1)
        and _within(moves["power"], 0, 1)
        and (not (motion > 1).any() or bool(np.isfinite(moves["ij"]).all()))
    )


def emit(moves: Moves, modal: Modal, dialect: Dialect, decimals: int, *, keep_moves: bool = True) -> Emitted:
    """Write a block of moves.

    Parameters
    ----------
    moves : (n,) MOVE
    modal : Modal
        What the controller remembers from before.
    dialect : Dialect
    decimals : int
        Of coordinates, 0 to 4.
    keep_moves : bool
        Whether the rounded moves are wanted beside the text.

    Returns
    -------
    Emitted
        One line a row; modal words, unchanged coordinates and moves within one grid step dropped.

    Raises
    ------
    ProgramError
        When a value cannot be written.
    """
    if not len(moves):
        return Emitted(b"", moves, np.zeros(0, np.int64), np.zeros(0), {}, modal)
    motion = np.ascontiguousarray(moves["motion"])
    scale = 10**decimals
    exact = np.multiply(moves["xyz"].T, scale, order="C")
    sound = _sound(moves, motion, (motion != RAPID) & (motion != DWELL)) and decimals <= MAX_DECIMALS
    if not sound or not _within(exact, -FARTHEST_MM * scale + 1, FARTHEST_MM * scale - 1):
        check_writable(moves, decimals)
    at = moves["xyz"][-1].copy()
    index = np.arange(len(moves))
    arc = (motion == ARC_CW) | (motion == ARC_CCW)
    if arc.any():
        moves, index = settle(moves, modal.at, modal.grid / scale, decimals)
        motion = np.ascontiguousarray(moves["motion"])
        arc = (motion == ARC_CW) | (motion == ARC_CCW)
        exact = np.multiply(moves["xyz"].T, scale, order="C")
        if not _within(exact, -FARTHEST_MM * scale + 1, FARTHEST_MM * scale - 1):
            check_writable(moves, decimals)  # an arc's chords reach beyond its ends
    dwell = motion == DWELL
    grid = np.rint(exact, out=exact).astype(np.int32)
    if dwell.any():
        last = np.maximum.accumulate(np.where(dwell, -1, np.arange(len(moves))))
        grid = np.where(last >= 0, grid[:, last], modal.grid[:, None].astype(np.int32))
    changed = np.empty(grid.shape, bool)
    np.not_equal(grid[:, 1:], grid[:, :-1], out=changed[:, 1:])
    changed[:, 0] = grid[:, 0] != modal.grid
    changed[:, np.argmin(dwell)] |= ~modal.known & ~dwell.all()
    block = _Block(moves, index, motion, grid, changed)
    kept = changed[0] | changed[1] | changed[2] | arc
    if dwell.any():
        kept = np.where(dwell, np.rint(moves["ij"][:, 0] * 1000) > 0, kept)
    if not kept.all():
        block.keep(kept)
    if not len(block.index):
        return Emitted(b"", block.moves, block.index, np.zeros(0), {}, replace(modal, at=at))
    return _lines(block, replace(modal, at=at), dialect, decimals, keep_moves=keep_moves)


def _lines(block: _Block, modal: Modal, dialect: Dialect, decimals: int, *, keep_moves: bool) -> Emitted:
    """Write rows that each become a line."""
    motion, changed, n = block.motion, block.changed, len(block.index)
    dwell, arc = motion == DWELL, (motion == ARC_CW) | (motion == ARC_CCW)
    mode, mode_news = _carry(motion, ~dwell, modal.motion)
    mode_news |= dwell
    feed_told = ~dwell & (motion != RAPID)
    feed, feed_news = _carry(_feed_tenths(block.moves["feed"], feed_told), feed_told, modal.feed)
    speed, speed_news = _speeds(block, dialect, modal.speed)
    ij = np.zeros((2, n if arc.any() else 0), np.int32)
    if arc.any():
        # an arc without an axis word of its plane is refused, so a full circle repeats X
        changed[0] |= arc & ~(changed[0] | changed[1])
        ij[:, arc] = np.rint(block.moves["ij"][arc].T * 10**decimals)
    columns = tables.begin_lines(motion, mode_news)
    shown = {f"G{i}": mode_news & (motion == i) for i in np.unique(motion[mode_news]).tolist()}
    numbers = [*zip("XYZ", block.grid, changed, strict=True), *zip("IJ", ij, ij != 0, strict=True)]
    for letter, steps, told in numbers:
        if told.any():
            shown[letter] = told
            columns += tables.signed(steps, told, letter, decimals)
    if dwell.any():
        shown["P"] = dwell
        columns += tables.dwells(np.rint(block.moves["ij"][:, 0] * 1000).astype(np.int64), dwell)
    if feed_news.any():
        shown["F"] = feed_news
        columns += tables.positive(feed, feed_news, "F", in_tenths=True)
    if speed_news.any():
        shown["S"] = speed_news
        columns += _speed_cells(speed, speed_news, dialect)
    s_word = np.maximum(speed, 0) / 10**dialect.speed_decimals
    known = modal.known | changed.any(axis=1)
    last_grid = block.grid[:, -1].astype(np.int64)
    return Emitted(
        text=tables.join(columns)[1:] + b"\n",
        moves=_rounded(block, ij, feed, s_word / dialect.full_scale, decimals) if keep_moves else block.moves,
        index=block.index,
        speed=s_word,
        first={word: int(np.argmax(rows)) for word, rows in shown.items() if rows.any()},
        modal=Modal(modal.at, last_grid, known, int(mode[-1]), int(feed[-1]), int(speed[-1])),
    )


def _carry(values: NDArray[np.integer], told: Bools, before: int) -> tuple[Steps, Bools]:
    """Fill each row with the last value told, and say where that is news."""
    if told.all():
        current = values.astype(np.int32)
    else:
        last = np.maximum.accumulate(np.where(told, np.arange(len(values)), -1))
        current = np.where(last >= 0, values[last], before).astype(np.int32)
    news = np.empty(len(values), bool)
    news[0] = current[0] != before
    np.not_equal(current[1:], current[:-1], out=news[1:])
    return current, news & told


def _feed_tenths(feed: Floats, told: Bools) -> Steps:
    """Round feeds to 0.1 mm/min below 1000 and to 1 mm/min above, in tenths."""
    feed = np.where(told, feed, 0.0)
    fine = np.rint(feed * 10)
    coarse = fine >= 10_000
    if coarse.any():
        fine[coarse] = np.rint(feed[coarse]) * 10
    return fine.astype(np.int32)


def _speeds(block: _Block, dialect: Dialect, before: int) -> tuple[Steps, Bools]:
    """Return the S word of each row in its own steps and where it must be written."""
    motion, n = block.motion, len(block.motion)
    if dialect.head in ("none", "switch"):
        return np.full(n, before, np.int32), np.zeros(n, bool)
    full = dialect.full_scale * 10**dialect.speed_decimals
    speed = np.minimum(np.rint(block.moves["power"] * full), MAX_FIVE).astype(np.int32)
    if dialect.head == "beam":
        speed[motion == RAPID] = 0
        return _carry(speed, motion != DWELL, before)
    # a spindle stopped for each rapid would cost seconds: rapids run at the speed of the cut they lead to
    cutting = (motion != RAPID) & (motion != DWELL)
    if cutting.all():
        return _carry(speed, cutting, before)
    upcoming = np.minimum.accumulate(np.where(cutting, np.arange(n), n)[::-1])[::-1]
    ahead = np.where(upcoming < n, speed[np.minimum(upcoming, n - 1)], before)
    return _carry(ahead, upcoming < n, before)


def _speed_cells(speed: Steps, shown: Bools, dialect: Dialect) -> list[Cells]:
    if dialect.speed_decimals:
        return tables.signed(speed, shown, "S", dialect.speed_decimals)
    return tables.positive(np.maximum(speed, 0), shown, "S", in_tenths=False)


def _rounded(block: _Block, ij: Steps, feed: Steps, power: Floats, decimals: int) -> Moves:
    """Return the moves a reader finds in the text."""
    motion = block.motion
    out = np.zeros(len(motion), MOVE)
    out["motion"] = motion
    out["xyz"] = (block.grid / 10**decimals).T
    dwell = motion == DWELL
    if ij.shape[1]:
        out["ij"] = (ij / 10**decimals).T
    out["ij"][dwell, 0] = np.rint(block.moves["ij"][dwell, 0] * 1000) / 1000
    out["feed"] = np.where((motion == RAPID) | dwell, 0.0, feed / 10)
    out["power"] = power
    return out
