"""Moves to bytes of G-code, whole blocks at once, by look-up tables.

Every move is a row of 4- and 8-byte cells, one or two for each word; a cell is looked up with its text
already in it and zero bytes where there is none. Dropping the zero bytes leaves the text. No number is
ever printed one by one, and none by a float's own printing: coordinates are whole grid steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import ProgramError
from fabctl.program.arcs import FARTHEST_MM, settle
from fabctl.toolpath.moves import ARC_CCW, ARC_CW, DWELL, MOVE, RAPID, Moves

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Cells = NDArray[np.unsignedinteger]

MAX_DECIMALS = 4
BLOCK_ROWS = 1 << 15
"""Rows written at once: their cells stay in the processor's cache."""

_MINUS, _NOTHING, _ZERO = 10_000, 20_000, 20_001  # rows of the table of whole numbers
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


@cache
def _whole() -> Cells:
    """Table of the text of whole numbers: a byte left for the letter, a sign, up to four digits; u8 cells."""
    cells = np.zeros((_ZERO + 1, 8), np.uint8)
    number = np.arange(_MINUS)
    for place in range(4):
        power = 10 ** (3 - place)
        digit = np.where(number >= power, number // power % 10 + ord("0"), 0)
        cells[:_MINUS, 2 + place] = cells[_MINUS:_NOTHING, 2 + place] = digit
    cells[_MINUS:_NOTHING, 1] = ord("-")
    cells[_ZERO, 5] = ord("0")
    return cells.view("<u8").ravel()


@cache
def _fraction(decimals: int) -> Cells:
    """Table of the text of fractions with the point and without trailing zeros; u4 or u8 cells."""
    width = 4 if decimals <= 3 else 8
    cells = np.zeros((10**decimals, width), np.uint8)
    number = np.arange(10**decimals)
    for place in range(decimals):
        rest = number % 10 ** (decimals - place)
        cells[:, 1 + place] = np.where(rest > 0, rest // 10 ** (decimals - place - 1) + ord("0"), 0)
    cells[1:, 0] = ord(".")
    return cells.view(f"<u{width}").ravel()


@cache
def _five_digits() -> Cells:
    """Table of the text of 0 to 99999: a byte left for the letter, five digits, two left for tenths."""
    cells = np.zeros((100_000, 8), np.uint8)
    number = np.arange(100_000)
    for place in range(5):
        power = 10 ** (4 - place)
        cells[:, 1 + place] = np.where((number >= power) | (power == 1), number // power % 10 + ord("0"), 0)
    return cells.view("<u8").ravel()


@cache
def _tenths() -> Cells:
    """Table of the text of tenths, in the last two bytes of a cell of `_five_digits`."""
    cells = np.zeros((10, 8), np.uint8)
    cells[1:, 6], cells[1:, 7] = ord("."), np.arange(1, 10) + ord("0")
    return cells.view("<u8").ravel()


_MOTION = np.array([int.from_bytes(b"\nG%d" % i, "little") for i in range(5)] + [ord("\n")], "<u4")


def _signed(q: Ints, shown: Bools | None, letter: str, decimals: int) -> list[Cells]:
    """Write a signed number of grid steps, two cells a row."""
    size = np.abs(q)
    scale = 10**decimals
    whole = size // scale
    fraction = size - whole * scale
    row = np.where(q < 0, whole + _MINUS, whole)
    row[q == 0] = _ZERO
    if shown is None:
        return [_whole()[row] | np.uint64(ord(letter)), _fraction(decimals)[fraction]]
    row[~shown] = _NOTHING
    fraction *= shown
    return [_whole()[row] | shown * np.uint64(ord(letter)), _fraction(decimals)[fraction]]


def _positive(tenths: Ints, shown: Bools, letter: str) -> list[Cells]:
    """Write a positive number given in tenths, one cell a row."""
    whole = tenths // 10
    cells = _five_digits()[whole] | _tenths()[tenths - whole * 10] | np.uint64(ord(letter))
    return [np.where(shown, cells, np.uint64(0))]


def _dwells(milliseconds: Ints, shown: Bools) -> list[Cells]:
    """Write the P words of dwells, three cells a row; each distinct time is formatted once."""
    times, which = np.unique(milliseconds[shown], return_inverse=True)
    text = np.array([f"P{t / 1000:.3f}".rstrip("0").rstrip(".") for t in times.tolist()], "S12")
    cells = np.zeros((len(shown), 3), "<u4")
    cells[shown] = np.frombuffer(text.tobytes(), "<u4").reshape(-1, 3)[which]
    return [cells[:, 0], cells[:, 1], cells[:, 2]]


def _join(columns: list[Cells]) -> bytes:
    """Put the cells of each row side by side and drop the zero bytes."""
    widths = [column.dtype.itemsize for column in columns]
    offsets = np.cumsum([0, *widths])
    table = np.empty(
        len(columns[0]),
        np.dtype(
            {
                "names": [f"c{i}" for i in range(len(columns))],
                "formats": [f"<u{width}" for width in widths],
                "offsets": offsets[:-1].tolist(),
                "itemsize": int(offsets[-1]),
            }
        ),
    )
    for i, column in enumerate(columns):
        table[f"c{i}"] = column
    return table.tobytes().translate(None, b"\0")


def _carry(values: Ints, told: Bools, before: int) -> tuple[Ints, Bools]:
    """Fill each row with the last value told, and say where that is news."""
    if told.all():
        current = values
    else:
        last = np.maximum.accumulate(np.where(told, np.arange(len(values)), -1))
        current = np.where(last >= 0, values[last], before)
    news = np.empty(len(values), bool)
    news[0] = current[0] != before
    np.not_equal(current[1:], current[:-1], out=news[1:])
    return current, news & told


def check_finite(moves: Moves, decimals: int) -> None:
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
        (cutting & ~((feed >= 0.05) & (feed < 99_999.5)), "a feed outside 0.1 to 99999 mm/min"),
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


def _speeds(moves: Moves, dialect: Dialect, before: int) -> tuple[Ints, Bools]:
    """Return the S word of each row in its own steps and where it must be written."""
    n = len(moves)
    if dialect.head in ("none", "switch"):
        return np.full(n, before), np.zeros(n, bool)
    speed = np.rint(moves["power"] * (dialect.full_scale * 10**dialect.speed_decimals)).astype(np.int64)
    motion = moves["motion"]
    if dialect.head == "beam":
        speed[motion == RAPID] = 0
        return _carry(speed, motion != DWELL, before)
    # a spindle stopped for each rapid would cost seconds: rapids run at the speed of the cut they lead to
    cutting = (motion != RAPID) & (motion != DWELL)
    upcoming = np.minimum.accumulate(np.where(cutting, np.arange(n), n)[::-1])[::-1]
    ahead = np.where(upcoming < n, speed[np.minimum(upcoming, n - 1)], before)
    return _carry(ahead, upcoming < n, before)


def emit(moves: Moves, modal: Modal, dialect: Dialect, decimals: int) -> Emitted:
    """Write a block of moves.

    Parameters
    ----------
    moves : (n,) MOVE
    modal : Modal
        What the controller remembers from before.
    dialect : Dialect
    decimals : int
        Of coordinates, 0 to 4.

    Returns
    -------
    Emitted
        One line a row; modal words, unchanged coordinates and moves within one grid step dropped.

    Raises
    ------
    ProgramError
        When a value cannot be written.
    """
    check_finite(moves, decimals)
    if not len(moves):
        return Emitted(b"", moves, np.zeros(0, np.int64), np.zeros(0), {}, modal)
    scale = 10**decimals
    at = moves["xyz"][-1].copy()
    moves, index = settle(moves, modal.at, modal.grid / scale, decimals)
    grid = np.rint(moves["xyz"] * scale).astype(np.int64)
    dwell = moves["motion"] == DWELL
    if dwell.any():
        last = np.maximum.accumulate(np.where(dwell, -1, np.arange(len(moves))))
        grid = np.where((last >= 0)[:, None], grid[last], modal.grid)
    changed = np.diff(grid, axis=0, prepend=modal.grid[None]) != 0
    arc = (moves["motion"] == ARC_CW) | (moves["motion"] == ARC_CCW)
    changed[np.argmin(dwell)] |= ~modal.known & ~dwell.all()
    kept = np.where(dwell, np.rint(moves["ij"][:, 0] * 1000) > 0, changed.any(axis=1) | arc)
    if not kept.all():
        moves, index, grid, changed = moves[kept], index[kept], grid[kept], changed[kept]
        dwell, arc = dwell[kept], arc[kept]
    if not len(moves):
        return Emitted(b"", moves, index, np.zeros(0), {}, replace(modal, at=at))
    out = _lines(moves, index, grid, changed, modal, dialect, decimals)
    return replace(out, modal=replace(out.modal, at=at))


def _lines(
    moves: Moves, index: Ints, grid: Ints, changed: Bools, modal: Modal, dialect: Dialect, decimals: int
) -> Emitted:
    """Write rows that each become a line."""
    motion = moves["motion"].astype(np.int64)
    dwell, arc = motion == DWELL, (motion == ARC_CW) | (motion == ARC_CCW)
    mode, mode_news = _carry(motion, ~dwell, modal.motion)
    mode_news |= dwell
    feed_told = ~dwell & (motion != RAPID)
    feed, feed_news = _carry(_feed_tenths(moves["feed"], told=feed_told), feed_told, modal.feed)
    speed, speed_news = _speeds(moves, dialect, modal.speed)
    if arc.any():
        # an arc without an axis word of its plane is refused, so a full circle repeats X
        changed[:, 0] |= arc & ~changed[:, :2].any(axis=1)
    columns: list[Cells] = [_MOTION[np.where(mode_news, motion, 5)]]
    shown = {f"G{i}": mode_news & (motion == i) for i in np.unique(motion[mode_news]).tolist()}
    for axis, letter in enumerate("XYZ"):
        if changed[:, axis].any():
            told = shown[letter] = changed[:, axis]
            columns += _signed(grid[:, axis], None if told.all() else told, letter, decimals)
    ij = np.zeros((len(moves), 2), np.int64)
    if arc.any():
        ij[arc] = np.rint(moves["ij"][arc] * 10**decimals)
        for axis, letter in enumerate("IJ"):
            shown[letter] = ij[:, axis] != 0
            columns += _signed(ij[:, axis], shown[letter], letter, decimals)
    if dwell.any():
        shown["P"] = dwell
        columns += _dwells(np.rint(moves["ij"][:, 0] * 1000).astype(np.int64), dwell)
    if feed_news.any():
        shown["F"] = feed_news
        columns += _positive(np.maximum(feed, 0), feed_news, "F")
    if speed_news.any():
        shown["S"] = speed_news
        if dialect.speed_decimals:
            columns += _signed(speed, speed_news, "S", dialect.speed_decimals)
        else:
            columns += _positive(np.maximum(speed, 0) * 10, speed_news, "S")
    known = modal.known | changed.any(axis=0)
    after = Modal(modal.at, grid[-1], known, int(mode[-1]), int(feed[-1]), int(speed[-1]))
    s_word = np.maximum(speed, 0) / 10**dialect.speed_decimals
    return Emitted(
        text=_join(columns)[1:] + b"\n",
        moves=_rounded(moves, grid, ij, feed, s_word / dialect.full_scale, decimals),
        index=index,
        speed=s_word,
        first={word: int(np.argmax(rows)) for word, rows in shown.items() if rows.any()},
        modal=after,
    )


def _feed_tenths(feed: Floats, *, told: Bools) -> Ints:
    """Round feeds to 0.1 mm/min below 1000 and to 1 mm/min above, in tenths."""
    feed = np.where(told, feed, 0.0)
    fine = np.rint(feed * 10).astype(np.int64)
    return np.where(fine < 10_000, fine, np.rint(feed).astype(np.int64) * 10)


def _rounded(moves: Moves, grid: Ints, ij: Ints, feed: Ints, power: Floats, decimals: int) -> Moves:
    """Return the moves a reader finds in the text."""
    out = np.zeros(len(moves), MOVE)
    motion = out["motion"] = moves["motion"]
    out["xyz"] = grid / 10**decimals
    dwell = motion == DWELL
    out["ij"] = ij / 10**decimals
    out["ij"][dwell, 0] = np.rint(moves["ij"][dwell, 0] * 1000) / 1000
    out["feed"] = np.where((motion == RAPID) | dwell, 0.0, feed / 10)
    out["power"] = power
    return out
