"""The engine of merging: many stretches of a polyline grow their pieces side by side."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fabctl.toolpath.gauge import Gauge
from fabctl.toolpath.moves import Bools, Floats, Ints

LANE_PIECES = 48
"""A lane has at least so many pieces: a seam costs half of one."""

MARGIN = 0.99
"""Share of the tolerance a piece may take of which only some points were looked at."""


def merge_points(gauge: Gauge, first: Ints, last: Ints) -> tuple[Ints, Floats]:
    """Cover each stretch of a polyline with few lines and arcs.

    Parameters
    ----------
    gauge : Gauge
        Says what a piece is and how far it is off.
    first, last : (m,) int64
        The stretches, by their end vertices, ascending.

    Returns
    -------
    begin : (k,) int64
        Vertices at which pieces begin, ascending.
    bulge : (k,) float64
        Of each piece.

    Notes
    -----
    Every piece returned is a single step of the polyline or has been measured at all its points.
    """
    long_enough = last > first
    first, last = first[long_enough], last[long_enough]
    begin, end = _cut(first, last, _lane_counts(gauge, first, last))
    pieces = _grow(gauge, begin, end)
    joint = ~np.isin(pieces[0], first)
    at, until, bend = _mend(gauge, pieces, joint, joint & np.isin(pieces[0], begin))
    return at, gauge.bulge(at, until, bend)


def _lane_counts(gauge: Gauge, first: Ints, last: Ints) -> Ints:
    """Decide into how many lanes each stretch is cut.

    A lane less is a longer wait for the others, a seam costs half a piece: so lanes are not much longer than
    the gauge wants, but so long that seams hardly count. How long pieces are is seen at one in each lane.
    """
    span = last - first
    count = np.maximum(span // (gauge.lane_points + np.sqrt(span).astype(np.int64)), 1)
    cut = np.flatnonzero(count > 1)
    if len(cut):
        begin, end = _cut(first[cut], last[cut], count[cut])
        _, until, _ = _grow(gauge, begin, end, only_first=True)
        head = np.cumsum(count[cut]) - count[cut]
        size = np.add.reduceat(until - begin, head) // count[cut]
        count[cut] = np.clip(span[cut] // (LANE_PIECES * size), 1, count[cut])
    return np.asarray(count, np.int64)


def _cut(first: Ints, last: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Cut stretches into so many equal lanes each; return their ends."""
    stretch = np.repeat(np.arange(len(first)), count)
    rank = np.arange(len(stretch)) - (np.cumsum(count) - count)[stretch]
    begin, span, count = first[stretch], (last - first)[stretch], count[stretch]
    return begin + span * rank // count, begin + span * (rank + 1) // count


@dataclass
class _Lanes:
    """The piece each lane is at: it holds as far as `good` with `bend`, and does not as far as `bad`.

    `low` and `high` are the errors there; 0 and infinite while nothing is known of them. `trial` is tried
    next, after `tries` others. A lane is `wary` after a piece that looked well was measured and did not
    hold: then every trial of the piece that follows is measured.
    """

    pos: Ints
    goal: Ints
    good: Ints
    bad: Ints
    trial: Ints
    tries: Ints
    low: Floats
    high: Floats
    bend: Floats
    wary: Bools

    def begin(self, rows: Ints, guess: Ints) -> None:
        """Begin a piece in some lanes where the last one ended, to be tried at a guess of its length."""
        pos, goal = self.good[rows], self.goal[rows]
        self.pos[rows], self.good[rows], self.bad[rows] = pos, pos + 1, goal + 1
        self.trial[rows], self.tries[rows] = np.minimum(pos + guess, goal), 0
        self.low[rows], self.high[rows], self.bend[rows], self.wary[rows] = 0.0, np.inf, 0.0, False

    def take(self, rows: Bools) -> _Lanes:
        """Pick lanes."""
        return _Lanes(*(getattr(self, field.name)[rows] for field in fields(self)))


def _grow(gauge: Gauge, begin: Ints, end: Ints, *, only_first: bool = False) -> tuple[Ints, Ints, Floats]:
    """Let every lane take the longest piece it can, again and again, until all are at their ends.

    Each round tries one length in every lane at once. As the error of a short piece of a smooth way grows
    with a known power of its length, one trial tells where the next one should be; the trials close in on
    the longest that holds from both sides. Returns begin, end and bend of each piece.
    """
    whole, real, no = np.zeros(len(begin), np.int64), np.zeros(len(begin)), np.zeros(len(begin), bool)
    lanes = _Lanes(
        whole,
        end.copy(),
        begin.copy(),
        whole.copy(),
        whole.copy(),
        whole.copy(),
        real,
        real + 0,
        real + 0,
        no,
    )
    lanes.begin(np.arange(len(begin)), np.full(len(begin), 8))
    found: list[tuple[Ints, Ints, Floats]] = []
    # One round a trial, not a point: a few hundred for a million points.
    while len(lanes.pos):
        done = _try(gauge, lanes)
        if not len(done):
            continue
        done = _demand(gauge, lanes, done)
        size = lanes.good[done] - lanes.pos[done]
        found.append((lanes.pos[done], lanes.good[done], lanes.bend[done]))
        lanes.begin(done, np.maximum(size, 4))
        if only_first:
            lanes.goal[done] = lanes.pos[done]
        left = lanes.pos < lanes.goal
        if not left.all():
            lanes = lanes.take(left)
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    at, until, bend = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(at)
    return at[order], until[order], bend[order]


def _try(gauge: Gauge, lanes: _Lanes) -> Ints:
    """Try one length in each lane and set the next one; return the lanes whose piece is found."""
    error, bend = gauge.probe(lanes.pos, lanes.trial)
    single = lanes.trial <= lanes.pos + 1
    error[single], bend[single] = 0.0, 0.0
    close = np.flatnonzero(lanes.wary & ~single & (error <= 1))
    if len(close):
        error[close] = gauge.measure(lanes.pos[close], lanes.trial[close], bend[close])
    held = error <= np.where(lanes.wary, 1.0, MARGIN)
    rows, fails = np.flatnonzero(held), np.flatnonzero(~held)
    other, known = lanes.good.copy(), lanes.low.copy()
    lanes.good[rows], lanes.low[rows], lanes.bend[rows] = lanes.trial[rows], error[rows], bend[rows]
    lanes.bad[fails], lanes.high[fails] = lanes.trial[fails], error[fails]
    between = np.flatnonzero(held & (lanes.high < np.inf))
    other[between], known[between] = lanes.bad[between], lanes.high[between]
    guess = _foretold(gauge, lanes, error, other, known)
    room = lanes.bad - lanes.good
    done = (lanes.good >= lanes.goal) | (room <= 1) | (held & (guess <= lanes.good))
    # where no power foretells the error, a quarter of the room is taken away every other time
    lanes.tries += 1
    step = np.where((lanes.tries > 4) & (lanes.tries % 2 == 0) & (lanes.bad <= lanes.goal), room // 4, 1)
    np.maximum(step, 1, out=step)
    lanes.trial = np.minimum(np.maximum(guess, lanes.good + step), lanes.bad - step)
    # An arc over two chords says nothing that the chords do not say better.
    short = np.flatnonzero(done & (lanes.bend != 0) & (lanes.good - lanes.pos < 3))
    lanes.good[short], lanes.bend[short] = lanes.pos[short] + 1, 0.0
    return np.flatnonzero(done)


def _foretold(gauge: Gauge, lanes: _Lanes, error: Floats, other: Ints, known: Floats) -> Ints:
    """Return where the error will be 1, from that of the last trial and the power it grows with.

    `other` is another length and `known` its error; 0 where there is none.
    """
    span = lanes.trial - lanes.pos
    power = np.full(len(span), -1 / gauge.growth)
    two = np.flatnonzero((known > 0) & (error > 0) & (error < np.inf) & (other != lanes.trial))
    if len(two):
        rise = np.log(error[two] / known[two])
        run = np.log(span[two] / (other[two] - lanes.pos[two]))
        power[two] = -1 / np.minimum(np.maximum(rise / run, 1.0), 16.0)
    # a quarter of a point more, for what rounding down takes away
    reach: Floats = span * np.minimum(np.maximum(error, 1 / 16), 8.0) ** power + 0.25
    return lanes.pos + reach.astype(np.int64)


def _demand(gauge: Gauge, lanes: _Lanes, done: Ints) -> Ints:
    """Measure the pieces found; send back those that do not hold, return the lanes of the others."""
    doubtful = np.flatnonzero(~lanes.wary[done] & (lanes.good[done] - lanes.pos[done] > 1))
    if not len(doubtful):
        return done
    rows = done[doubtful]
    error = gauge.measure(lanes.pos[rows], lanes.good[rows], lanes.bend[rows])
    fails = error > 1
    if not fails.any():
        return done
    rows, error = rows[fails], error[fails]
    pos, bad = lanes.pos[rows], lanes.good[rows]
    shorter = ((bad - pos) * np.minimum(error, 64.0) ** (-1 / gauge.growth)).astype(np.int64)
    lanes.good[rows], lanes.bad[rows] = pos + 1, bad
    lanes.low[rows], lanes.high[rows], lanes.bend[rows], lanes.wary[rows] = (
        0.0,
        error,
        0.0,
        (error > 1.05) | (lanes.tries[rows] > 6),
    )
    lanes.trial[rows] = np.clip(pos + shorter, pos + 1, bad - 1)
    return np.delete(done, doubtful[fails])


def _mend(
    gauge: Gauge, pieces: tuple[Ints, Ints, Floats], joint: Bools, seam: Bools
) -> tuple[Ints, Ints, Floats]:
    """Join the pieces on both sides of a seam where one can stand for both, and go on from there.

    `joint` says which pieces begin where the one before ends and may be joined to it, `seam` for which of
    them that shall be tried.
    """
    at, until, bend = pieces
    # Each round joins pairs: as many rounds as doublings, for a line of many lanes.
    while seam.any():
        for parity in (0, 1):
            right = np.flatnonzero(seam)
            right = right[right % 2 == parity]
            seam[right] = False
            error, swell = gauge.probe(at[right - 1], until[right])
            fits = (error <= 1) & ((swell == 0) | (until[right] - at[right - 1] >= 3))
            right, swell = right[fits], swell[fits]
            if not len(right):
                continue
            fits = gauge.measure(at[right - 1], until[right], swell) <= 1
            right, swell = right[fits], swell[fits]
            until[right - 1], bend[right - 1] = until[right], swell
            # what has grown may take in more
            again = np.concatenate((right - 1, np.minimum(right + 1, len(at) - 1)))
            seam[again] = joint[again]
            keep = np.ones(len(at), bool)
            keep[right] = False
            at, until, bend = at[keep], until[keep], bend[keep]
            joint, seam = joint[keep], seam[keep]
    return at, until, bend
