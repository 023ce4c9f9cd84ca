"""Lay a toolpath onto a surface that was probed: stock that is bowed or tilted gets an even depth of cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabctl.errors import InputError, RefusedError
from fabctl.toolpath.fit import simplify
from fabctl.toolpath.moves import DWELL, FEED, MOVE, RAPID, Bools, Floats, Ints, Moves, starts
from fabctl.toolpath.ways import Ways, ways_of

CHUNK_ROWS = 1 << 14
"""Cuts laid down together."""
HALVED, MERGED, FLAT = 0.2, 0.7, 0.25
"""How the tolerance is spent: on chords of the surface, on leaving breaks out, on chords for specks of arcs.

The first two are vertical and add up, the third is level: √((0.2 + 0.7)² + 0.25²) < 1.
"""
NOISE_MM = 1e-9


@dataclass(frozen=True)
class Surface:
    """Heights probed on a regular grid, and the bilinear surface through them.

    Parameters
    ----------
    origin_mm : (x, y) float
        The first node, work coordinates.
    pitch_mm : (x, y) float
        Between neighbouring nodes.
    heights_mm : (rows, columns) float64
        Height of the stock at each node above work zero, mm; row i lies at ``origin y + i · pitch y``.
        At least two rows and two columns.

    Raises
    ------
    InputError
        When the grid is too small, its pitch not positive, or a height missing.

    Notes
    -----
    The surface has no steps and lies between its lowest and its highest node everywhere. Beyond the outer
    nodes it goes on level with the nearest point of the edge, for half a pitch and no further.

    Examples
    --------
    >>> tilted = Surface((0, 0), (10, 10), np.array([[0, 0.1], [0, 0.1]]))
    >>> tilted.at([[5, 5], [12, 3]]).round(6).tolist()
    [0.05, 0.1]
    >>> tilted.covers([[12, 3], [16, 3]]).tolist()
    [True, False]
    """

    origin_mm: tuple[float, float]
    pitch_mm: tuple[float, float]
    heights_mm: Floats

    def __post_init__(self) -> None:
        heights = np.array(self.heights_mm, np.float64)
        if heights.ndim != 2 or min(heights.shape) < 2:
            raise InputError(
                f"a height map of {' × '.join(map(str, heights.shape)) or 'no'} points spans no surface",
                remedy="probe at least 2 × 2 points",
            )
        if not np.all(np.isfinite(heights)):
            row, column = np.argwhere(~np.isfinite(heights))[0]
            raise InputError(
                "a height is missing: a surface with holes cannot be followed",
                place=f"row {row + 1}, column {column + 1}",
                remedy="probe that point again",
            )
        sound = np.all(np.isfinite((*self.origin_mm, *self.pitch_mm))) and min(self.pitch_mm) > 0
        if not sound:
            raise InputError(
                f"a grid from {self.origin_mm} at a pitch of {self.pitch_mm} mm is none",
                remedy="give finite numbers and a pitch above 0",
            )
        heights.setflags(write=False)
        object.__setattr__(self, "heights_mm", heights)

    @property
    def low_mm(self) -> Floats:
        """The first node, shape (2,), mm."""
        return np.array(self.origin_mm, float)

    @property
    def high_mm(self) -> Floats:
        """The last node, shape (2,), mm."""
        rows, columns = self.heights_mm.shape
        (x, y), (px, py) = self.origin_mm, self.pitch_mm
        return np.array((x + px * (columns - 1), y + py * (rows - 1)))

    def covers(self, points_mm: ArrayLike) -> Bools:
        """Say which points are known well enough: on the grid or within half a pitch of it, shape (n,)."""
        p = np.asarray(points_mm, float).reshape(-1, 2)
        slack = np.array(self.pitch_mm) / 2 + NOISE_MM
        return np.asarray(np.all((p >= self.low_mm - slack) & (p <= self.high_mm + slack), axis=1), np.bool_)

    def at(self, points_mm: ArrayLike) -> Floats:
        """Return the height of the surface at points of the plane, shape (n,), mm."""
        place, cell = self._cells(np.asarray(points_mm, float).reshape(-1, 2))
        (u, v), (i, j) = (place - cell).T, cell.T
        h = self.heights_mm
        low = h[j, i] + (h[j, i + 1] - h[j, i]) * u
        high = h[j + 1, i] + (h[j + 1, i + 1] - h[j + 1, i]) * u
        return np.asarray(low + (high - low) * v, np.float64)

    def bend(self, points_mm: Floats) -> tuple[Floats, Floats]:
        """Return what bounds the second derivative along any way through the cells of some points.

        Parameters
        ----------
        points_mm : (n, 2) float64
            Inside their cells.

        Returns
        -------
        twist : (n,) float64
            ∂²h/∂x∂y of the cell, 1/mm; the only second derivative a bilinear surface has. 0 off the grid.
        slope : (n,) float64
            Steepest gradient in the cell, mm/mm.
        """
        i, j = self._cells(points_mm)[1].T
        h, (px, py) = self.heights_mm, self.pitch_mm
        low, high = h[j, i + 1] - h[j, i], h[j + 1, i + 1] - h[j + 1, i]
        left, right = h[j + 1, i] - h[j, i], h[j + 1, i + 1] - h[j, i + 1]
        inside = np.all((points_mm >= self.low_mm) & (points_mm <= self.high_mm), axis=1)
        twist: Floats = np.where(inside, (high - low) / (px * py), 0.0)
        across = np.maximum(np.abs(low), np.abs(high)) / px
        along = np.maximum(np.abs(left), np.abs(right)) / py
        return twist, np.hypot(across, along)

    def breaks(self, ways: Ways) -> tuple[Ints, Floats, Bools]:
        """Cut ways where they cross from cell to cell; see `Ways.breaks`."""
        rows, columns = self.heights_mm.shape
        return ways.breaks(self.low_mm, np.array(self.pitch_mm), (columns, rows))

    def _cells(self, points: Floats) -> tuple[Floats, Ints]:
        """Return places in units of the pitch, held to the grid, and the cell of each."""
        rows, columns = self.heights_mm.shape
        most = np.array((columns - 1, rows - 1))
        place = np.clip((points - self.low_mm) / self.pitch_mm, 0, most)
        return place, np.minimum(place.astype(np.int64), most - 1)


@dataclass(frozen=True)
class Warped:
    """A toolpath on its surface.

    Parameters
    ----------
    moves : (k,) MOVE
    source : (k,) int64
        The move each one was made from, ascending; every move that cuts has at least one.
    start : (3,) float64
        Where the tool point is before the first move, mm: on the surface when that move cuts.
    rise_mm : float
        How far rapids at the clearance height were lifted, all alike.
    """

    moves: Moves
    source: Ints
    start: Floats
    rise_mm: float


def warp(
    moves: Moves, start: NDArray[np.float64], surface: Surface, tolerance_mm: float, *, clearance_mm: float
) -> Warped:
    """Lift or lower each point of a toolpath by the height of the surface below it.

    Parameters
    ----------
    moves : (n,) MOVE
        Made for flat stock at Z0.
    start : (3,) float64
        mm.
    surface : Surface
        Above work zero.
    tolerance_mm : float
        Largest distance, in order along both, between a cut and the way that follows the surface exactly.
    clearance_mm : float
        Rapids that end at this height or above are lifted by one figure, that of the highest node.

    Returns
    -------
    Warped

    Raises
    ------
    InputError
        When the tolerance is not positive.
    RefusedError
        When a cut leaves the grid by more than half a pitch.

    Notes
    -----
    A cut keeps its way in X and Y. Along a line the height is a parabola in every cell and its second
    derivative the cell's twist; along an arc of radius r it is at most twist + slope / r. Pieces are so short
    that a chord stays within its share of the tolerance, then as many as possible are left out again. Arcs
    stay arcs, helices where they need to be; only specks become lines.

    A rapid is never nearer to the surface than it was to flat stock, at any point of its way: where a
    straight one would be, it rises first, goes across above the highest point in between, and descends.
    """
    if not tolerance_mm > 0:
        raise InputError(f"a tolerance of {tolerance_mm} mm cannot be met", remedy="give one above 0")
    rise = max(float(surface.heights_mm.max()), 0.0)
    origin = np.array(start, float)
    if not len(moves):
        return Warped(moves.copy(), np.zeros(0, np.int64), origin, rise)
    motion = moves["motion"]
    cuts = np.flatnonzero((motion != RAPID) & (motion != DWELL))
    begin = starts(moves, origin)
    _demand_covered(surface, moves, begin, cuts)
    lift, first_lift = _lifts(moves, begin, surface, clearance_mm, rise)
    before = np.concatenate(([first_lift], lift[:-1]))
    parts = [_standing(moves, lift), _rapids(moves, begin, surface, before, lift)]
    # a chunk a turn: the columns of its pieces stay small, whatever the program's length
    chunks = (cuts[at : at + CHUNK_ROWS] for at in range(0, len(cuts), CHUNK_ROWS))
    parts += [_cuts(moves, begin, rows, surface, tolerance_mm) for rows in chunks]
    made, source = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(source, kind="stable")
    origin[2] += first_lift
    return Warped(made[order], source[order], origin, rise)


def _demand_covered(surface: Surface, moves: Moves, begin: Floats, cuts: Ints) -> None:
    """Refuse cuts where the surface is not known."""
    ways = ways_of(moves, begin, cuts)
    owner, extremes = ways.extremes()
    everywhere = np.concatenate((begin[cuts, :2], moves["xyz"][cuts, :2], extremes))
    row = np.concatenate((cuts, cuts, cuts[owner]))
    wrong = ~surface.covers(everywhere)
    if wrong.any():
        at = int(np.argmin(np.where(wrong, row, len(moves))))
        (x, y), low, high = everywhere[at], surface.low_mm, surface.high_mm
        raise RefusedError(
            f"a cut at X{x:.3f} Y{y:.3f}; the height map reaches from X{low[0]:g} Y{low[1]:g} to "
            f"X{high[0]:g} Y{high[1]:g} mm, and half a pitch more is allowed",
            place=f"move {int(row[at])}",
            remedy="probe a larger area",
        )


def _lifts(
    moves: Moves, begin: Floats, surface: Surface, clearance_mm: float, rise: float
) -> tuple[Floats, float]:
    """Return by how much each move's end is lifted, shape (n,), and the start, mm."""
    motion, end = moves["motion"], moves["xyz"]
    n = len(moves)
    travel = motion != DWELL
    cutting = travel & (motion != RAPID)
    # the next move that travels: a rapid to where a cut begins ends on the surface like the cut
    following = np.minimum.accumulate(np.where(travel, np.arange(n), n)[::-1])[::-1]
    after = np.append(following[1:], n)
    to_cut = np.append(cutting, False)[after]
    height = surface.at(end[:, :2])
    free = ~cutting & ~to_cut & ((end[:, 2] >= clearance_mm - NOISE_MM) | ~surface.covers(end[:, :2]))
    lift = np.where(free, rise, height)
    opens_cutting = bool(np.append(cutting, False)[following[0]])
    first_lift = float(surface.at(begin[0, :2])[0]) if opens_cutting else 0.0
    last = np.maximum.accumulate(np.where(travel, np.arange(n), -1))
    return np.where(last >= 0, lift[last], first_lift), first_lift


def _standing(moves: Moves, lift: Floats) -> tuple[Moves, Ints]:
    """Return dwells at the height the tool then stands at."""
    rows = np.flatnonzero(moves["motion"] == DWELL)
    made = moves[rows]
    made["xyz"][:, 2] += lift[rows]
    return made, rows


def _rapids(
    moves: Moves, begin: Floats, surface: Surface, before: Floats, lift: Floats
) -> tuple[Moves, Ints]:
    """Return rapids, in three legs where a straight one would come nearer to the surface."""
    rows = np.flatnonzero(moves["motion"] == RAPID)
    hop = _tops(surface, moves, begin, rows, before[rows], lift[rows])
    # where the first move starts is anybody's guess: whoever writes it goes up before
    hop[rows == np.argmax(moves["motion"] != DWELL)] = np.nan
    hops = np.isfinite(hop)
    top = np.where(hops, hop, lift[rows])
    legs = np.zeros((len(rows), 3), MOVE)
    legs[:] = moves[rows][:, None]
    legs["xyz"][:, 0, :2] = begin[rows, :2]
    legs["xyz"][:, 0, 2] = begin[rows, 2] + top
    legs["xyz"][:, 1, 2] += top
    legs["xyz"][:, 2, 2] += lift[rows]
    wanted = np.stack(
        (
            hops & (top > before[rows] + NOISE_MM),
            np.ones(len(rows), bool),
            hops & (top > lift[rows] + NOISE_MM),
        ),
        axis=1,
    )
    return legs[wanted], np.repeat(rows, wanted.sum(axis=1))


def _tops(surface: Surface, moves: Moves, begin: Floats, rows: Ints, a: Floats, b: Floats) -> Floats:
    """Return the lift at which rapids must go across, shape (k,); nan where straight ones are high enough."""
    if not len(rows):
        return np.zeros(0)
    ways = ways_of(moves, begin, rows)
    owner, u, first = surface.breaks(ways)
    v = np.where(first, 0.0, np.roll(u, 1))
    height, height0 = surface.at(ways.at(owner, u)), surface.at(ways.at(owner, v))
    twist, _ = surface.bend(ways.at(owner, (u + v) / 2))
    curve = 2 * twist * ways.delta[owner, 0] * ways.delta[owner, 1]
    given0, given = a[owner] + (b - a)[owner] * v, a[owner] + (b - a)[owner] * u
    heads = np.flatnonzero(first)
    short = np.maximum.reduceat(_peak(height0 - given0, height - given, curve, u - v), heads) > NOISE_MM
    top = np.maximum.reduceat(_peak(height0, height, curve, u - v), heads)
    return np.where(short, np.maximum(top, np.maximum(a, b)), np.nan)


def _peak(begin: Floats, end: Floats, curve: Floats, width: Floats) -> Floats:
    """Return the largest value of parabolas, each given by its ends and its second derivative."""
    rise = (end - begin) / width - curve * width / 2
    crested = (curve < 0) & (rise > 0) & (rise + curve * width < 0)
    crest = begin - np.divide(rise**2, 2 * curve, out=np.zeros_like(rise), where=crested)
    return np.asarray(np.where(crested, crest, np.maximum(begin, end)), np.float64)


def _cuts(
    moves: Moves, begin: Floats, rows: Ints, surface: Surface, tolerance_mm: float
) -> tuple[Moves, Ints]:
    """Return cuts in pieces that keep to the surface."""
    ways = ways_of(moves, begin, rows)
    owner, u = _pieces(ways, surface, HALVED * tolerance_mm)
    xy = ways.at(owner, u)
    z0, z1 = begin[rows, 2], moves["xyz"][rows, 2]
    z = z0[owner] + (z1 - z0)[owner] * u + surface.at(xy)
    z[u == 1] = z1 + surface.at(moves["xyz"][rows, :2])
    kept = _needed(ways, owner, u, z, z0 + surface.at(begin[rows, :2]), MERGED * tolerance_mm)
    owner, u, xy, z = owner[kept], u[kept], xy[kept], z[kept]
    made = moves[rows[owner]]
    made["xyz"][:, 2] = z
    inner = u < 1
    made["xyz"][inner, :2] = xy[inner]
    first = np.diff(owner, prepend=-1) != 0
    split = ways.curved[owner] & ~(first & ~inner)
    part = np.flatnonzero(split)
    own, opens = owner[part], first[part]
    arm = ways.centre[own] - np.where(opens[:, None], ways.begin[own], xy[part - 1])
    length = (u[part] - np.where(opens, 0.0, u[part - 1])) * ways.length_mm[own]
    speck = length**2 <= 8 * FLAT * tolerance_mm * np.hypot(*arm.T)
    made["ij"][part] = np.where(speck[:, None], 0.0, arm)
    made["motion"][part] = np.where(speck, FEED, made["motion"][part])
    return made, rows[owner]


def _pieces(ways: Ways, surface: Surface, chord_mm: float) -> tuple[Ints, Floats]:
    """Cut ways so short that the surface is straight within a bound over each piece."""
    owner, u, first = surface.breaks(ways)
    v = np.where(first, 0.0, np.roll(u, 1))
    twist, slope = surface.bend(ways.at(owner, (u + v) / 2))
    length = (u - v) * ways.length_mm[owner]
    curved = ways.curved[owner]
    way = ways.delta[owner] / np.maximum(ways.length_mm[owner], NOISE_MM)[:, None]
    radius = np.where(curved, ways.radius[owner].min(axis=1), np.inf)
    bend = np.abs(twist) * np.where(curved, 1.0, 2 * np.abs(way[:, 0] * way[:, 1]))
    bend += np.divide(slope, radius, out=np.zeros_like(slope), where=radius > 0)
    # a chord of a curve with second derivative b over the length l is at most b·l²/8 off
    count = np.maximum(np.ceil(length * np.sqrt(bend / (8 * chord_mm)) - NOISE_MM), 1).astype(np.int64)
    if count.max(initial=1) == 1:
        return owner, u
    piece = np.repeat(np.arange(len(owner)), count)
    rank = np.arange(len(piece)) - (np.cumsum(count) - count)[piece] + 1
    part = np.where(rank == count[piece], u[piece], v[piece] + (u - v)[piece] * rank / count[piece])
    return owner[piece], part


def _needed(ways: Ways, owner: Ints, u: Floats, z: Floats, z_begin: Floats, merged_mm: float) -> Bools:
    """Say which pieces must end where they do: the others are left out within a bound."""
    count = np.bincount(owner, minlength=len(z_begin))
    kept: Bools = count[owner] == 1
    many = np.flatnonzero(count > 1)
    if not len(many):
        return kept
    # unrolled, distances along and up are those of the way itself or more
    inside = np.flatnonzero(~kept)
    offsets = np.concatenate(([0], np.cumsum(count[many] + 1)))
    points = np.zeros((offsets[-1], 2))
    points[offsets[:-1], 1] = z_begin[many]
    later = np.ones(len(points), bool)
    later[offsets[:-1]] = False
    points[later] = np.column_stack((u[inside] * ways.length_mm[owner[inside]], z[inside]))
    chosen = np.zeros(len(points), bool)
    chosen[simplify(points, merged_mm, offsets=offsets)] = True
    kept[inside] = chosen[later]
    return kept
