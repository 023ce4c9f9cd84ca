"""From rows of segments to `Curves`: mapped to mm, circular arcs kept, everything else cut into chords."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fabctl.design.svg_path import ARC, COLUMNS, CUBIC, Pen
from fabctl.design.svg_units import Matrix
from fabctl.errors import DesignError
from fabctl.geometry.curves import Bools, Curves, Floats, Ints

LARGEST_POINTS = 3_000_000
LARGEST_MM = 100_000.0
"""No drawing for a workshop is wider than 100 m: past it the scale is wrong."""

_SAMPLES = 16
_HALVINGS = 3


def curves_of(
    pen: Pen, matrices: list[Matrix], element: Ints, ident: Sequence[str], tolerance_mm: float
) -> Curves:
    """Build the curves of everything a pen has drawn.

    Parameters
    ----------
    pen : Pen
        n rows in m sub-paths, user units.
    matrices : list of k matrices
        From user units to mm, y up.
    element : (m,) int64
        The matrix of each sub-path.
    ident : sequence of k str
        What each shape is called.
    tolerance_mm : float
        Largest distance of a chord or an arc from the curve it stands for, mm.

    Returns
    -------
    Curves
        m paths.

    Raises
    ------
    DesignError
        When a coordinate is past `LARGEST_MM` or the drawing needs more than `LARGEST_POINTS` points.

    Notes
    -----
    A chord over a share h of a curve B(t) is at most h²/8 · max|B''| off it. For a cubic max|B''| is
    6 · max(|p0 − 2 p1 + p2|, |p1 − 2 p2 + p3|), for an ellipse arc of sweep s it is s² times its longer half
    axis. Circular arcs of the file stay arcs when the map keeps them within a tenth of the tolerance. A cubic
    becomes an arc when it lies within half the tolerance of one, and so do its halves, quarters and eighths.
    """
    count = len(pen)
    if not count:
        return Curves(np.empty((0, 2)), np.empty(0), np.zeros(1, np.int64), np.empty(0, bool))
    rows = np.frombuffer(pen.rows, float).reshape(count, COLUMNS)
    head = np.array(pen.heads, np.int64)
    size = np.diff(np.append(head, count))
    owner = np.repeat(element, size)
    rows = _mapped(rows, np.array(matrices, float)[owner])
    _refuse_far(rows, owner, ident)
    pieces, bulge = _pieces(rows, tolerance_mm)
    for _ in range(_HALVINGS):
        again = np.flatnonzero((rows[:, 0] == CUBIC) & (pieces > 2))
        if not len(again):
            break
        rows, head = _halved(rows, again, head)
        pieces, bulge = _pieces(rows, tolerance_mm)
    if pieces.sum() > LARGEST_POINTS:
        raise DesignError(
            f"curves to {tolerance_mm} mm need {int(pieces.sum())} points, the limit is {LARGEST_POINTS}",
            remedy="check the scale of the drawing, or give a larger tolerance",
        )
    closed = np.array(pen.closed, bool)
    return _assemble(rows, pieces, bulge, head, closed)


def _mapped(rows: Floats, table: Floats) -> Floats:
    """Apply to each row its own affine map."""
    out = rows.copy()
    a, b, c, d, e, f = table.T
    arc = rows[:, 0] == ARC
    for x in (1, 3, 5, 7, 9):
        moved = np.where(arc & (x > 5), 0.0, 1.0)
        out[:, x] = a * rows[:, x] + c * rows[:, x + 1] + e * moved
        out[:, x + 1] = b * rows[:, x] + d * rows[:, x + 1] + f * moved
    return out


def _refuse_far(out: Floats, owner: Ints, ident: Sequence[str]) -> None:
    far = np.zeros(len(out), bool)
    cubic, arc = out[:, 0] == CUBIC, out[:, 0] == ARC
    with np.errstate(invalid="ignore"):
        for x in (1, 2, 3, 4):
            far |= ~(np.abs(out[:, x]) <= LARGEST_MM)
        for x in range(5, 9):
            far |= (cubic | arc) & ~(np.abs(out[:, x]) <= LARGEST_MM * 10)
    if far.any():
        first = int(np.argmax(far))
        raise DesignError(
            f"a coordinate of {np.max(np.abs(out[first, 1:9])):.6g} mm: nothing may reach past "
            f"{LARGEST_MM:.0f} mm, whatever the machine and the stock",
            place=ident[int(owner[first])],
            remedy="check the units and the page size of the drawing",
        )


def _halved(rows: Floats, chosen: Ints, head: Ints) -> tuple[Floats, Ints]:
    """Cut some cubics in two by de Casteljau's construction; heads move along."""
    count = np.ones(len(rows), np.int64)
    count[chosen] = 2
    out = np.repeat(rows, count, axis=0)
    first = np.cumsum(count) - count
    left, right = first[chosen], first[chosen] + 1
    p0, p3, p1, p2 = (rows[chosen, i : i + 2] for i in (1, 3, 5, 7))
    a, b, c = (p0 + p1) / 2, (p1 + p2) / 2, (p2 + p3) / 2
    d, e = (a + b) / 2, (b + c) / 2
    middle = (d + e) / 2
    out[left, 3:9] = np.hstack((middle, a, d))
    out[right, 1:3] = middle
    out[right, 5:9] = np.hstack((e, c))
    return out, first[head]


def _pieces(rows: Floats, tolerance_mm: float) -> tuple[Ints, Floats]:
    """Return into how many pieces each row is cut, and the bulge of each of them."""
    pieces = np.ones(len(rows), np.int64)
    bulge = np.zeros(len(rows))
    cubic = np.flatnonzero(rows[:, 0] == CUBIC)
    if len(cubic):
        pieces[cubic], bulge[cubic] = _cubic_pieces(rows[cubic], tolerance_mm)
    arc = np.flatnonzero(rows[:, 0] == ARC)
    if len(arc):
        pieces[arc], bulge[arc] = _arc_pieces(rows[arc], tolerance_mm)
    return pieces, bulge


def _arc_pieces(rows: Floats, tolerance_mm: float) -> tuple[Ints, Floats]:
    u, v, sweep = rows[:, 7:9], rows[:, 9:11], rows[:, 12]
    uu, vv, uv = np.sum(u * u, axis=1), np.sum(v * v, axis=1), np.sum(u * v, axis=1)
    middle, spread = (uu + vv) / 2, np.hypot((uu - vv) / 2, uv)
    long, short = np.sqrt(middle + spread), np.sqrt(np.maximum(middle - spread, 0.0))
    circular = long - short <= tolerance_mm / 10
    turning = np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) * sweep
    halves = np.ceil(np.abs(sweep) / math.pi - 1e-9)
    chords = np.ceil(np.abs(sweep) * np.sqrt(long / (8 * tolerance_mm)))
    chords = np.maximum(chords, np.ceil(np.abs(sweep) / (math.pi / 2) - 1e-9))
    pieces = np.maximum(np.where(circular, halves, chords), 1)
    bulge = np.where(circular, np.tan(turning / pieces / 4), 0.0)
    return pieces.astype(np.int64), bulge


def _cubic_pieces(rows: Floats, tolerance_mm: float) -> tuple[Ints, Floats]:
    p0, p3, p1, p2 = rows[:, 1:3], rows[:, 3:5], rows[:, 5:7], rows[:, 7:9]
    bend = np.maximum(np.hypot(*(p0 - 2 * p1 + p2).T), np.hypot(*(p1 - 2 * p2 + p3).T))
    pieces = np.maximum(np.ceil(np.sqrt(0.75 * bend / tolerance_mm)), 1)
    bulge = _as_arc(p0, p1, p2, p3, tolerance_mm / 2)
    straight = _straight(p0, p1, p2, p3, tolerance_mm / 10)
    single = straight | (bulge != 0)
    return np.where(single, 1, pieces).astype(np.int64), np.where(straight, 0.0, bulge)


def _straight(p0: Floats, p1: Floats, p2: Floats, p3: Floats, tolerance_mm: float) -> Bools:
    """Whether a cubic is its chord: control points near it and in order, so that the hull is, too."""
    chord = p3 - p0
    size = np.maximum(np.hypot(*chord.T), 1e-300)
    ahead, aside = [], []
    reach = np.zeros(len(p0))
    for point in (p1, p2):
        arm = point - p0
        reach = np.maximum(reach, np.hypot(*arm.T))
        ahead.append(np.sum(arm * chord, axis=1) / size)
        aside.append(np.abs(chord[:, 0] * arm[:, 1] - chord[:, 1] * arm[:, 0]) / size)
    # The reach tells the loop that ends where it began, whose chord has no direction, from a line.
    near = (np.maximum(*aside) <= tolerance_mm) & (reach <= np.hypot(*chord.T) + tolerance_mm)
    ordered = (ahead[0] >= 0) & (ahead[0] <= ahead[1]) & (ahead[1] <= size)
    return np.asarray(near & ordered)


def _as_arc(p0: Floats, p1: Floats, p2: Floats, p3: Floats, tolerance_mm: float) -> Floats:
    """Return the bulge of the arc a cubic is, 0 where it is none.

    The squared distance from the arc's centre is a polynomial in t. Between samples h apart it can leave
    them by h²/8 times its second derivative, which the differences of its Bernstein coefficients bound;
    samples plus this bound must stay within the tolerance.
    """
    chord, leave, arrive = p3 - p0, p1 - p0, p3 - p2
    begin, end = _angle(chord, leave), _angle(arrive, chord)
    half = (begin + end) / 2
    sane = (np.abs(begin - end) < 0.05) & (np.abs(half) > 1e-3) & (np.abs(half) < 1.8)
    bulge = np.where(sane, np.tan(half / 2), 1.0)
    offset = (1 - bulge**2) / (4 * bulge)
    centre = (p0 + p3) / 2 + np.column_stack((-chord[:, 1], chord[:, 0])) * offset[:, None]
    arms = [point - centre for point in (p0, p1, p2, p3)]
    radius = np.hypot(*arms[0].T)
    t = np.linspace(0.0, 1.0, _SAMPLES + 1)
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    x = sum(arm[:, :1] * weight for arm, weight in zip(arms, weights, strict=True))
    y = sum(arm[:, 1:] * weight for arm, weight in zip(arms, weights, strict=True))
    between = _second_difference(arms) * 30 / (8 * _SAMPLES**2)
    error = np.max(np.abs(x * x + y * y - (radius**2)[:, None]), axis=1) + between
    turning = (x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]) * np.sign(half)[:, None]
    onward = np.min(turning, axis=1) > 0
    fits = sane & onward & (error <= tolerance_mm * (2 * radius - tolerance_mm))
    return np.where(fits, bulge, 0.0)


def _second_difference(arms: list[Floats]) -> Floats:
    """Return the largest second difference of the Bernstein coefficients of a cubic's squared distance."""
    binomial, six = (1, 3, 3, 1), (1, 6, 15, 20, 15, 6, 1)
    coefficients = [
        sum(
            binomial[i] * binomial[k - i] / six[k] * np.sum(arms[i] * arms[k - i], axis=1)
            for i in range(max(0, k - 3), min(3, k) + 1)
        )
        for k in range(7)
    ]
    return np.asarray(np.max(np.abs(np.diff(np.array(coefficients), n=2, axis=0)), axis=0))


def _angle(a: Floats, b: Floats) -> Floats:
    """Return the turn from direction b to direction a, rad."""
    return np.asarray(np.arctan2(b[:, 0] * a[:, 1] - b[:, 1] * a[:, 0], np.sum(a * b, axis=1)))


def _assemble(rows: Floats, pieces: Ints, bulge: Floats, head: Ints, closed: Bools) -> Curves:
    """Lay out the points of all pieces; an open sub-path also gets its last point."""
    tail = np.append(head[1:], len(rows)) - 1
    extra = np.zeros(len(rows), np.int64)
    extra[tail[~closed]] = 1
    total = pieces + extra
    first = np.concatenate(([0], np.cumsum(total)))
    row = np.repeat(np.arange(len(rows)), total)
    step = np.arange(first[-1]) - first[row]
    share = step / pieces[row]
    points = np.where((step == pieces[row])[:, None], rows[row, 3:5], rows[row, 1:3])
    inside = (step > 0) & (step < pieces[row])
    for kind, place in ((CUBIC, _on_cubic), (ARC, _on_arc)):
        chosen = np.flatnonzero(inside & (rows[row, 0] == kind))
        points[chosen] = place(rows[row[chosen]], share[chosen])
    swell = np.where(step == pieces[row], 0.0, bulge[row])
    return Curves(points, swell, first[np.append(head, len(rows))], closed)


def _on_cubic(rows: Floats, share: Floats) -> Floats:
    t = share[:, None]
    s = 1 - t
    p0, p3, p1, p2 = rows[:, 1:3], rows[:, 3:5], rows[:, 5:7], rows[:, 7:9]
    return s**3 * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t**3 * p3


def _on_arc(rows: Floats, share: Floats) -> Floats:
    angle = rows[:, 11] + rows[:, 12] * share
    return rows[:, 5:7] + rows[:, 7:9] * np.cos(angle)[:, None] + rows[:, 9:11] * np.sin(angle)[:, None]
