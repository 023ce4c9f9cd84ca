"""Images to moves: lines of runs of equal power, burnt to and fro.

An image becomes moves in five steps, each on whole blocks of rows and none on the whole image: resampled to
the lines (`resample`), toned (`Tone`), reduced to levels of power (`dither`), cut into runs (`find_runs`) and
written as moves with room to speed up and slow down (`raster`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fabctl.errors import InputError
from fabctl.toolpath.dither import DITHERS, MOST_LEVELS, UNIT, Levels, Tones, dither, nearest
from fabctl.toolpath.moves import FEED, MOVE, RAPID, Bools, Floats, Ints, Moves

Grey = NDArray[np.uint8] | NDArray[np.uint16]

MOST_DOTS = 1_000_000_000
"""More dots than this take days to burn: a slip in a unit."""

_MOVE_DOTS = 1 << 16
"""Dots turned into moves at once: their moves stay in the processor's cache."""
_SUMMED_DOTS = 1 << 18
"""Pixels resampled at once: their sums take eight bytes each."""
_DIFFUSED_DOTS = 1 << 21
"""Dots whose errors are diffused at once: long fronts, and few enough rows for the cache."""


@dataclass(frozen=True)
class Tone:
    """How grey becomes power.

    Parameters
    ----------
    levels : int
        Steps of power above none, 1 to 255; 1 is a beam that is on or off.
    dither : str
        One of `fabctl.toolpath.dither.DITHERS`.
    gamma : float
        Darkness is raised to this power first: above 1 lightens the middle tones, below 1 darkens them.
    curve : sequence of (float, float)
        The material's answer: darkness and the share of the span from `low` to `high` that burns it, both
        0..1, ascending in darkness, straight in between.
    low, high : float
        Power of the faintest mark and of black, 0..1 of the head's full scale.
    white : float
        Greys at least this bright, 0..1, are left out.
    """

    levels: int = MOST_LEVELS
    dither: str = "threshold"
    gamma: float = 1.0
    curve: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))
    low: float = 0.0
    high: float = 1.0
    white: float = 1.0

    def __post_init__(self) -> None:
        points = [value for point in self.curve for value in point]
        checks = (
            (1 <= self.levels <= MOST_LEVELS, f"{self.levels} levels of power", f"1 to {MOST_LEVELS}"),
            (self.dither in DITHERS, f"no dithering is called {self.dither!r}", ", ".join(DITHERS)),
            (0 < self.gamma < math.inf, f"a gamma of {self.gamma}", "above 0, such as 1"),
            (0 <= self.low <= self.high <= 1, f"power from {self.low} to {self.high}", "0 ≤ low ≤ high ≤ 1"),
            (0 < self.white <= 1, f"white from {self.white}", "above 0, at most 1"),
            (bool(self.curve) and all(0 <= v <= 1 for v in points), "a curve off 0..1", "shares of 1"),
            (all(a[0] < b[0] for a, b in pairwise(self.curve)), "a curve that turns back", "rising darkness"),
        )
        _demand(checks)

    def wanted(self, greys: Grey) -> Tones:
        """Return the level each grey wants, `UNIT` to a level; same shape.

        Examples
        --------
        >>> (Tone(levels=2).wanted(np.array([[255, 128, 0]], np.uint8)) / UNIT).round(2).tolist()
        [[0.0, 1.0, 2.0]]
        """
        wanted: Tones = np.take(self.table(greys.itemsize * 8), greys)
        return wanted

    def shares(self) -> Floats:
        """Return the power of each level, shape (levels + 1,), 0..1 of full scale."""
        power: Floats = self.low + (self.high - self.low) * np.arange(self.levels + 1) / self.levels
        power[0] = 0.0
        return power

    def table(self, bits: int) -> Tones:
        """Return the wanted level of every grey of so many bits, shape (2**bits,), `UNIT` to a level."""
        most = (1 << bits) - 1
        grey = np.arange(most + 1) / most
        at, share = np.array(self.curve, float).T
        burnt = np.interp((1 - grey) ** self.gamma, at, share)
        burnt[grey >= self.white] = 0
        table: Tones = np.rint(burnt * self.levels * UNIT).astype(np.int32)
        return table


@dataclass(frozen=True)
class Lines:
    """Where the lines of a raster lie and how they are run.

    Parameters
    ----------
    width_mm, height_mm : float
        Size of the image on the stock.
    pitch_mm : float
        Distance of the lines; the height is divided evenly by the nearest whole number of lines.
    feed_mm_min : float
    dot_mm : float, optional
        Length of a dot along a line; `pitch_mm` when left out.
    overscan_mm : float
        Way without power before and after each line; see `overscan_mm`.
    skip_mm : float
        White gaps in a line at least this long are crossed by a rapid; shorter ones at feed, without power.
    both_ways : bool
        Whether every second line is run from right to left.
    corner_mm : (float, float, float)
        Lower left corner of the image, work coordinates, and the height of the head.
    """

    width_mm: float
    height_mm: float
    pitch_mm: float
    feed_mm_min: float
    dot_mm: float | None = None
    overscan_mm: float = 0.0
    skip_mm: float = math.inf
    both_ways: bool = True
    corner_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        dot_mm = self.pitch_mm if self.dot_mm is None else self.dot_mm
        sizes = (self.width_mm, self.height_mm, self.pitch_mm, dot_mm, self.feed_mm_min)
        above = "a length and a feed above 0"
        _demand((
            (all(0 < v < math.inf for v in sizes), f"a raster of {sizes} (size, pitch, dot, feed)", above),
            (0 <= self.overscan_mm < math.inf, f"an overscan of {self.overscan_mm} mm", "0 or more"),
            (self.skip_mm > 0, f"gaps from {self.skip_mm} mm skipped", "a length above 0"),
            (all(map(math.isfinite, self.corner_mm)), f"a corner at {self.corner_mm}", "three lengths in mm"),
        ))  # fmt: skip
        dots = self.width_mm / dot_mm * (self.height_mm / self.pitch_mm)
        _demand(((dots <= MOST_DOTS, f"a raster of {dots:.3g} dots", f"a coarser pitch than {dot_mm:g} mm"),))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of lines and of dots in a line."""
        dot_mm = self.pitch_mm if self.dot_mm is None else self.dot_mm
        return max(1, round(self.height_mm / self.pitch_mm)), max(1, round(self.width_mm / dot_mm))


@dataclass(frozen=True)
class Runs:
    """Dots of equal level side by side; all runs together cover the image once, row by row.

    Parameters
    ----------
    row, begin, end : (n,) int64
        The row, the first column and the one behind the last.
    level : (n,) uint8
    shape : (int, int)
        Rows and columns.
    """

    row: Ints
    begin: Ints
    end: Ints
    level: Levels
    shape: tuple[int, int]


def overscan_mm(feed_mm_min: float, acceleration_mm_s2: float) -> float:
    """Return the way from rest to a feed, mm: v² / 2a.

    Examples
    --------
    >>> overscan_mm(6000, 1000)
    5.0
    """
    return (feed_mm_min / 60) ** 2 / (2 * acceleration_mm_s2)


def find_runs(levels: Levels) -> Runs:
    """Cut rows into runs of equal level.

    Parameters
    ----------
    levels : (h, w) uint8

    Returns
    -------
    Runs
        Whites (level 0) included; ``render(find_runs(x))`` is ``x``.

    Examples
    --------
    >>> runs = find_runs(np.array([[0, 7, 7], [7, 7, 7]], np.uint8))
    >>> runs.row.tolist(), runs.begin.tolist(), runs.end.tolist(), runs.level.tolist()
    ([0, 0, 1], [0, 1, 0], [1, 3, 3], [0, 7, 7])
    """
    h, w = levels.shape
    edge = np.ones((h, w), bool)
    np.not_equal(levels[:, 1:], levels[:, :-1], out=edge[:, 1:])
    at = np.flatnonzero(edge)
    row = np.repeat(np.arange(h), np.count_nonzero(edge, axis=1))
    end = np.append(at[1:], h * w) if len(at) else at
    return Runs(row, at - row * w, end - row * w, levels.ravel()[at], (h, w))


def render(runs: Runs) -> Levels:
    """Return the image that runs stand for, (h, w) uint8."""
    return np.repeat(runs.level, runs.end - runs.begin).reshape(runs.shape)


def resample(grey: Grey, shape: tuple[int, int], first: int = 0, last: int | None = None) -> Grey:
    """Resample an image by area: each dot is the mean of what it covers, with shares of pixels.

    Sums are whole numbers, so the mean of the image stays to rounding and rows come out the same whether
    they are asked for together or apart.

    Parameters
    ----------
    grey : (h, w) uint8 or uint16
    shape : (int, int)
        Rows and columns wanted, more or fewer than there are.
    first, last : int
        Which of these rows.

    Returns
    -------
    (last - first, shape[1]) uint16, or the rows themselves when the shape is the image's own

    Examples
    --------
    >>> (resample(np.array([[0, 255, 255]], np.uint8), (1, 2)) / 65535).round(3).tolist()
    [[0.333, 1.0]]
    """
    last = shape[0] if last is None else last
    if grey.shape == shape:
        return grey[first:last]
    h, w = grey.shape
    scale = 65535 // int(np.iinfo(grey.dtype).max)
    # values stay below 65535 x h x w: far from 2**63 for any image a computer can hold
    down = _area(grey, shape[0], first, last)
    both = _area(np.ascontiguousarray(down.T), shape[1], 0, shape[1]).T
    means: NDArray[np.uint16] = ((both * scale + h * w // 2) // (h * w)).astype(np.uint16)
    return means


def _area(values: NDArray[np.integer], size: int, first: int, last: int) -> Ints:
    """Sum along axis 0 over each of the cells first … last of `size` equal ones, in 1/size of a pixel."""
    n = len(values)
    bound = np.arange(first, last + 1) * n
    whole, part = bound // size, bound % size
    base, stop = int(whole[0]), int(min(whole[-1] + 1, n))
    inside = values[base:stop]
    index = whole[whole < n] - base
    sums = np.add.reduceat(inside, index, axis=0, dtype=np.int64)[: last - first]
    sums *= size
    sums[whole[1:] == whole[:-1]] = 0  # reduceat gives an empty cell its first pixel
    shares = inside[np.minimum(whole, n - 1) - base] * part[:, None]
    sums += shares[1:]
    sums -= shares[:-1]
    return sums


def level_blocks(grey: Grey, lines: Lines, tone: Tone, *, block_dots: int | None = None) -> Iterator[Levels]:
    """Turn an image into levels of power, a block of rows at a time.

    Parameters
    ----------
    grey : (h, w) uint8 or uint16
        0 is black, the type's largest value white; the top row first.
    lines : Lines
    tone : Tone
    block_dots : int, optional
        How many dots a block has about; it changes memory and speed, never a dot.

    Yields
    ------
    (r, columns) uint8
        Rows from the top.

    Raises
    ------
    InputError
        When the image has no dots or is of another type.
    """
    if grey.ndim != 2 or not grey.size or grey.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"an image of shape {grey.shape} and type {grey.dtype}, expected rows of 8 or 16 bits a dot",
            remedy="read it with fabctl.design.image.read_image",
        )
    rows, columns = lines.shape
    plain = tone.dither == "threshold"
    dots = block_dots or (_MOVE_DOTS if plain else _DIFFUSED_DOTS)
    step = max(1, dots // columns)
    cuts = [(a, min(a + step, rows)) for a in range(0, rows, step)]
    if plain:
        # the nearest level of every grey there is, once: one look-up a dot
        tables = {bits // 8: nearest(tone.table(bits)) for bits in (8, 16)}
        for a, b in cuts:
            part = _resampled(grey, (rows, columns), a, b)
            yield np.take(tables[part.itemsize], part)
    else:
        yield from dither(
            (tone.wanted(_resampled(grey, (rows, columns), a, b)) for a, b in cuts), tone.dither
        )


def _resampled(grey: Grey, shape: tuple[int, int], first: int, last: int) -> Grey:
    """Resample rows in pieces small enough that their 8-byte sums need little memory."""
    if grey.shape == shape:
        return grey[first:last]
    across = max(shape[1], grey.shape[1])
    tall = max(1.0, grey.shape[0] / shape[0])
    step = max(1, int(_SUMMED_DOTS / (across * tall)))
    out = np.empty((last - first, shape[1]), np.uint16)
    for a in range(first, last, step):
        b = min(a + step, last)
        out[a - first : b - first] = resample(grey, shape, a, b)
    return out


def raster(grey: Grey, lines: Lines, tone: Tone, *, block_dots: int | None = None) -> Iterator[Moves]:
    """Turn an image into moves, a block of lines at a time.

    Lines run from the top down. Each begins with a rapid to its overscan and a feed without power up to the
    first dot, then one feed for each run, then the overscan. White at the ends of lines, white lines and gaps
    of `Lines.skip_mm` are not run at all; of lines that are, every second goes from right to left.

    Parameters
    ----------
    grey : (h, w) uint8 or uint16
        0 is black, the type's largest value white; the top row first.
    lines : Lines
    tone : Tone
    block_dots : int, optional
        How many dots are held at once, about; it changes memory and speed, never a move.

    Yields
    ------
    (n,) MOVE
        n > 0; nothing at all for a white image.

    Raises
    ------
    InputError
        When the image has no dots or is of another type.

    Examples
    --------
    >>> black = np.zeros((1, 1), np.uint8)
    >>> block, = raster(black, Lines(2, 2, 2, 600, overscan_mm=1), Tone())
    >>> block["motion"].tolist(), block["xyz"][:, 0].tolist(), block["power"].tolist()
    ([0, 1, 1, 1], [-1.0, 0.0, 2.0, 3.0], [0.0, 0.0, 1.0, 0.0])
    """
    shares = tone.shares()
    row, run = 0, 0
    for levels in level_blocks(grey, lines, tone, block_dots=block_dots):
        step = max(1, min(block_dots or _MOVE_DOTS, _MOVE_DOTS) // levels.shape[1])
        for begin in range(0, len(levels), step):
            part = levels[begin : begin + step]
            inked = part.max(axis=1) > 0
            if inked.any():
                yield _moves(part[inked], row + begin + np.flatnonzero(inked), run, lines, shares)
                run += int(np.count_nonzero(inked))
        row += len(levels)


def _moves(levels: Levels, row: Ints, run: int, lines: Lines, shares: Floats) -> Moves:
    """Return the moves of lines of which each has something to burn.

    `row` says where each stands in the image, `run` how many lines were run before; `levels` is turned about
    in place.
    """
    rows, columns = lines.shape
    back = (run + np.arange(len(row))) % 2 == 1 if lines.both_ways else np.zeros(len(row), bool)
    if back.any():
        levels[back] = levels[back, ::-1]
    runs = find_runs(levels)
    burns, first, last = _stretches(runs, lines.skip_mm * columns / lines.width_mm)
    line, enter, leave, level = runs.row, runs.begin, runs.end, runs.level
    if not burns.all():
        line, enter, leave, level = line[burns], enter[burns], leave[burns], level[burns]
        first, last = first[burns], last[burns]
    # whole columns are mirrored, so both directions meet at the very same places
    sign, base = np.where(back, -1, 1), np.where(back, columns, 0)
    dot_mm, line_mm = lines.width_mm / columns, lines.height_mm / rows
    y = lines.corner_mm[1] + (rows - row - 0.5) * line_mm
    lead = 1 if lines.overscan_mm else 0
    begins, ends = np.flatnonzero(first), np.flatnonzero(last)
    # before a stretch a rapid and the way in, behind it the way out
    more = np.zeros(len(line), np.int64)
    more[begins] = 1 + lead
    more[ends[:-1] + 1] += lead
    at = np.arange(len(line)) + np.cumsum(more)
    out = np.zeros(len(line) + len(begins) * (1 + 2 * lead), MOVE)
    x, power = np.empty(len(out)), np.zeros(len(out))
    x[at] = lines.corner_mm[0] + np.abs(leave - base[line]) * dot_mm
    power[at] = shares[level]
    begin_row, end_row = line[begins], line[ends]
    start_mm = lines.corner_mm[0] + np.abs(enter[begins] - base[begin_row]) * dot_mm
    rapid = at[begins] - 1 - lead
    x[rapid] = start_mm - sign[begin_row] * lines.overscan_mm
    if lead:
        x[at[begins] - 1] = start_mm
        x[at[ends] + 1] = x[at[ends]] + sign[end_row] * lines.overscan_mm
    out["motion"] = FEED
    out["motion"][rapid] = RAPID
    out["feed"] = lines.feed_mm_min
    out["feed"][rapid] = 0
    out["power"] = power
    out["xyz"][:, 0] = x
    out["xyz"][:, 1] = np.repeat(y[begin_row], np.diff(np.append(rapid, len(out))))
    out["xyz"][:, 2] = lines.corner_mm[2]
    return out


def _stretches(runs: Runs, skip: float) -> tuple[Bools, Bools, Bools]:
    """Say which runs are run, and which of these begin and end a stretch between two rapids.

    `skip` is in dots.
    """
    row_first = np.empty(len(runs.row), bool)
    row_first[0] = True
    np.not_equal(runs.row[1:], runs.row[:-1], out=row_first[1:])
    row_last = np.append(row_first[1:], True)
    white = runs.level == 0
    if white.any():
        white &= row_first | row_last | (runs.end - runs.begin >= skip)
    burns = ~white
    first = burns & (row_first | np.append(True, white[:-1]))
    last = burns & (row_last | np.append(white[1:], True))
    return burns, first, last


def _demand(checks: tuple[tuple[bool, str, str], ...]) -> None:
    """Refuse the first thing that is not as expected."""
    for fine, seen, expected in checks:
        if not fine:
            raise InputError(f"{seen}: expected {expected}", remedy=f"give {expected}")
