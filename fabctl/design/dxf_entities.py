"""Single DXF entities as paths: lines, arcs and circles exact, splines and ellipses within a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fabctl.geometry.curves import Floats, flatten, from_paths

Entity = Any
Path = tuple[Floats, Floats | None, bool]

_CLOSE = 1e-9
# Relative to the size of a curve: its ends are one point.
_HALVINGS = 24
# A spline is halved so often at most; each halving quarters the distance from its chord.


@dataclass(frozen=True)
class Outline:
    """The paths of one entity, in the coordinates of its block.

    Parameters
    ----------
    paths : tuple of (points, bulge, closed)
        Units of the drawing.
    z : (float, float)
        Lowest and highest z met.
    """

    paths: tuple[Path, ...]
    z: tuple[float, float] = (0.0, 0.0)


class DegenerateError(ValueError):
    """The entity is well formed, but there is nothing of it to draw."""


def _line(entity: Entity, _tolerance: float) -> Outline:
    start, end = entity.dxf.start, entity.dxf.end
    points = np.array([[start.x, start.y], [end.x, end.y]])
    return Outline(((points, None, False),), (min(start.z, end.z), max(start.z, end.z)))


def arc_path(centre: tuple[float, float], radius: float, start_rad: float, sweep_rad: float) -> Path:
    """Draw an arc.

    Parameters
    ----------
    centre : (float, float)
    radius : float
    start_rad : float
    sweep_rad : float
        Counter-clockwise positive; a whole turn or more gives a closed circle.

    Returns
    -------
    points, bulge, closed
        One segment up to three quarters of a turn, two above, where a single bulge grows without bound.

    Examples
    --------
    >>> points, bulge, closed = arc_path((0.0, 0.0), 2.0, 0.0, np.pi)
    >>> points.round(12).tolist(), bulge.round(12).tolist(), closed
    ([[2.0, 0.0], [-2.0, 0.0]], [1.0, 0.0], False)
    """
    closed = abs(sweep_rad) >= 2 * np.pi - 1e-12
    sweep_rad = float(np.clip(sweep_rad, -2 * np.pi, 2 * np.pi))
    pieces = 2 if abs(sweep_rad) > 1.5 * np.pi else 1
    angle = start_rad + sweep_rad * np.arange(pieces + (not closed)) / pieces
    points = np.array(centre) + radius * np.column_stack((np.cos(angle), np.sin(angle)))
    bulge = np.full(len(angle), np.tan(sweep_rad / pieces / 4))
    if not closed:
        bulge[-1] = 0.0
    return points, bulge, closed


def _radius(entity: Entity) -> float:
    radius = float(entity.dxf.radius)
    if radius <= 0:
        raise DegenerateError(f"radius {radius:g}")
    return radius


def _circle(entity: Entity, tolerance: float) -> Outline:
    centre = entity.dxf.center
    path = arc_path((centre.x, centre.y), _radius(entity), 0.0, 2 * np.pi)
    return _from_ocs(entity, path, centre.z, tolerance)


def _arc(entity: Entity, tolerance: float) -> Outline:
    centre = entity.dxf.center
    start, end = entity.dxf.start_angle, entity.dxf.end_angle
    sweep = (end - start) % 360.0
    if sweep < 1e-9 and abs(end - start) < 1e-9:
        raise DegenerateError("start and end angle are equal")
    sweep = sweep if sweep > 1e-9 else 360.0
    path = arc_path((centre.x, centre.y), _radius(entity), np.radians(start % 360.0), np.radians(sweep))
    return _from_ocs(entity, path, centre.z, tolerance)


def _from_ocs(entity: Entity, path: Path, elevation: float, tolerance: float) -> Outline:
    """Bring a path from the entity's own plane to the drawing's, seen from above."""
    extrusion = entity.dxf.extrusion
    if extrusion.x == extrusion.y == 0 and extrusion.z > 0:
        return Outline((path,), (elevation, elevation))
    ocs = entity.ocs()
    linear = np.array([[ocs.ux.x, ocs.uy.x], [ocs.ux.y, ocs.uy.y]])
    shift = np.array([ocs.uz.x, ocs.uz.y]) * elevation
    curves = from_paths([path])
    if abs(abs(ocs.uz.z) - 1) > 1e-12:
        # A tilted arc is seen as an ellipse; seen from above no chord grows.
        curves = flatten(curves, tolerance)
        height = curves.points @ np.array([ocs.ux.z, ocs.uy.z]) + ocs.uz.z * elevation
        z = (float(height.min()), float(height.max()))
    else:
        z = (ocs.uz.z * elevation,) * 2
    placed = curves.transform(np.column_stack((linear, shift)))
    return Outline((placed[0],), z)


def _lwpolyline(entity: Entity, tolerance: float) -> Outline:
    rows = np.array(entity.get_points("xyb"), float).reshape(-1, 3)
    path = _polygon(rows[:, :2], rows[:, 2], closed=bool(entity.closed))
    return _from_ocs(entity, path, float(entity.dxf.elevation), tolerance)


def _polygon(points: Floats, bulge: Floats, *, closed: bool) -> Path:
    if len(points) < 2:
        raise DegenerateError("fewer than two points")
    bulge = bulge.copy()
    if not closed:
        bulge[-1] = 0.0
    return points, bulge, closed


def _polyline(entity: Entity, tolerance: float) -> Outline:
    # The frame of a fitted spline (flag 16) is what the curve was made from, not the curve.
    vertices = [vertex for vertex in entity.vertices if not vertex.dxf.flags & 16]
    places = np.array([vertex.dxf.location.xyz for vertex in vertices]).reshape(-1, 3)
    closed = bool(entity.is_closed)
    if entity.is_3d_polyline:
        path = _polygon(places[:, :2], np.zeros(len(places)), closed=closed)
        return Outline((path,), (float(places[:, 2].min()), float(places[:, 2].max())))
    bulge = np.array([vertex.dxf.get("bulge", 0.0) for vertex in vertices], float)
    path = _polygon(places[:, :2], bulge, closed=closed)
    return _from_ocs(entity, path, float(entity.dxf.elevation.z), tolerance)


def _ellipse(entity: Entity, tolerance: float) -> Outline:
    tool = entity.construction_tool()
    centre, major, minor = (np.array(axis.xyz) for axis in (tool.center, tool.major_axis, tool.minor_axis))
    start, end = tool.start_param, tool.end_param
    sweep = (end - start) % (2 * np.pi)
    sweep = sweep if sweep > 1e-9 else 2 * np.pi
    long, short = np.hypot(*major[:2]), np.hypot(*minor[:2])
    if not max(long, short) > 0:
        raise DegenerateError("an axis of no length")
    if abs(long - short) <= 1e-9 * long and abs(major[:2] @ minor[:2]) <= 1e-9 * long**2:
        turn = float(np.sign(major[0] * minor[1] - major[1] * minor[0]))
        begin = float(np.arctan2(major[1], major[0])) + turn * start
        path = arc_path((centre[0], centre[1]), float(long), begin, turn * sweep)
        return Outline((path,), (centre[2], centre[2]))
    # A chord over the step h of the parameter is at most h²/8 times the second derivative off; that
    # is never longer than the longest radius vector, and both axes together bound it.
    step = np.sqrt(8 * tolerance / np.hypot(long, short))
    count = int(np.ceil(sweep / min(step, np.pi / 4)))
    closed = sweep > 2 * np.pi - 1e-9
    angle = start + sweep * np.arange(count + (not closed)) / count
    points = centre + np.outer(np.cos(angle), major) + np.outer(np.sin(angle), minor)
    return Outline(((points[:, :2], None, closed),), (float(points[:, 2].min()), float(points[:, 2].max())))


def _spline(entity: Entity, tolerance: float) -> Outline:
    tool = entity.construction_tool()
    control = np.array([point.xyz for point in tool.control_points])
    weights = np.array(tool.weights(), float)
    if not len(weights):
        weights = np.ones(len(control))
    if weights.min() <= 0:
        raise DegenerateError("a weight that is not positive")
    points = flatten_spline(control, weights, np.array(tool.knots(), float), int(tool.degree), tolerance)
    size = float(np.ptp(points[:, :2], axis=0).max())
    if not size > 0:
        raise DegenerateError("all its points are one")
    closed = len(points) > 2 and float(np.hypot(*(points[0] - points[-1])[:2])) <= _CLOSE * size
    z = (float(points[:, 2].min()), float(points[:, 2].max()))
    return Outline(((points[: len(points) - closed, :2], None, bool(closed)),), z)


def flatten_spline(control: Floats, weights: Floats, knots: Floats, degree: int, tolerance: float) -> Floats:
    """Replace a B-spline, rational or not, by chords.

    Parameters
    ----------
    control : (n, 3) float64
    weights : (n,) float64
        All positive.
    knots : (n + degree + 1,) float64
        Clamped or not; the curve runs over the inner ones.
    degree : int
    tolerance : float
        Largest distance of a chord from the curve.

    Returns
    -------
    (k, 3) float64
        Points of the curve from its start to its end.

    Raises
    ------
    ValueError
        When there are too few or too many knots.

    Notes
    -----
    Each span becomes a Bézier curve by its blossom (Ramshaw 1987), and is halved until its control
    polygon lies within the tolerance of its chord: the curve lies in the polygon's hull, so the bound holds.
    """
    if len(knots) != len(control) + degree + 1 or len(control) <= degree:
        raise ValueError(f"{len(control)} control points of degree {degree} with {len(knots)} knots")
    homogeneous = np.column_stack((control * weights[:, None], weights))
    spans = np.arange(degree, len(control))
    spans = spans[knots[spans + 1] > knots[spans]]
    pieces = np.stack(
        [_blossom(homogeneous, knots, degree, spans, ends) for ends in range(degree + 1)], axis=1
    )
    order = np.arange(len(spans), dtype=float)
    done_points, done_order = [], []
    width = 1.0
    for _ in range(_HALVINGS):
        flat = _flatness(pieces) <= tolerance
        done_points.append(pieces[flat, 0])
        done_order.append(order[flat])
        pieces, order = pieces[~flat], order[~flat]
        if not len(pieces):
            break
        width /= 2
        left, right = _halves(pieces)
        pieces = np.concatenate((left, right))
        order = np.concatenate((order, order + width))
    else:
        done_points.append(pieces[:, 0])
        done_order.append(order)
    last = _blossom(homogeneous, knots, degree, spans[-1:], degree)
    starts = np.concatenate(done_points)[np.argsort(np.concatenate(done_order), kind="stable")]
    points = np.concatenate((starts, last))
    result: Floats = points[:, :3] / points[:, 3:]
    return result


def _blossom(control: Floats, knots: Floats, degree: int, spans: np.ndarray[Any, Any], ends: int) -> Floats:
    """Evaluate the blossom of each span with its end ``ends`` times and its start for the rest."""
    level = np.stack([control[spans - degree + k] for k in range(degree + 1)], axis=1)
    for depth in range(1, degree + 1):
        at = knots[spans + 1] if depth <= ends else knots[spans]
        for k in range(degree, depth - 1, -1):
            low = knots[spans - degree + k]
            high = knots[spans + k - depth + 1]
            share = ((at - low) / (high - low))[:, None]
            level[:, k] = (1 - share) * level[:, k - 1] + share * level[:, k]
    result: Floats = level[:, degree]
    return result


def _flatness(pieces: Floats) -> Floats:
    """Measure how far each control polygon lies from its chord, shape (k,)."""
    places = pieces[:, :, :3] / pieces[:, :, 3:]
    start = places[:, :1]
    chord = places[:, -1:] - start
    length2 = (chord**2).sum(axis=2)
    along = ((places - start) * chord).sum(axis=2)
    share = np.clip(np.divide(along, length2, out=np.zeros_like(along), where=length2 > 0), 0, 1)
    off: Floats = np.linalg.norm(places - start - share[:, :, None] * chord, axis=2).max(axis=1)
    return off


def _halves(pieces: Floats) -> tuple[Floats, Floats]:
    """Split Bézier curves in the middle (de Casteljau)."""
    left, right = pieces.copy(), pieces.copy()
    level = pieces
    count = pieces.shape[1]
    for depth in range(1, count):
        level = (level[:, :-1] + level[:, 1:]) / 2
        left[:, depth] = level[:, 0]
        right[:, count - 1 - depth] = level[:, -1]
    return left, right


OUTLINES: dict[str, Callable[[Entity, float], Outline]] = {
    "LINE": _line,
    "CIRCLE": _circle,
    "ARC": _arc,
    "LWPOLYLINE": _lwpolyline,
    "POLYLINE": _polyline,
    "ELLIPSE": _ellipse,
    "SPLINE": _spline,
    "HELIX": _spline,
}
"""What can be cut, and how it is drawn: entity and chord tolerance (units of the drawing) to outline."""


def kind_of_entity(entity: Entity) -> str:
    """Name the entity's type, telling meshes from polylines."""
    kind = str(entity.dxftype())
    if kind == "POLYLINE" and not (entity.is_2d_polyline or entity.is_3d_polyline):
        return "POLYLINE mesh"
    return kind
