"""A slow second opinion on the drop cutter: every triangle against every place, nothing left out.

Edges are searched by golden section (no closed form shared with the package), facets touched by their normal.
"""

import numpy as np

_GOLDEN = (np.sqrt(5) - 1) / 2


def profile(shape, d):
    """Height of the cutter above its tip at distance d, from its definition."""
    if shape.angle_deg > 0:
        return max(d - shape.tip_mm / 2, 0.0) / np.tan(np.radians(shape.angle_deg / 2))
    out = max(d - (shape.radius_mm - shape.corner_mm), 0.0)
    return shape.corner_mm - np.sqrt(max(shape.corner_mm**2 - out**2, 0.0))


def _vertex(shape, p, v):
    d = np.hypot(*(v[:2] - p))
    return v[2] - profile(shape, d) if d <= shape.radius_mm else -np.inf


def _edge(shape, p, a, b):
    along = b[:2] - a[:2]
    square = along @ along
    if square == 0:
        return -np.inf
    foot = (p - a[:2]) @ along / square
    aside = (p - a[:2] - foot * along) @ (p - a[:2] - foot * along)
    if aside > shape.radius_mm**2:
        return -np.inf
    half = np.sqrt((shape.radius_mm**2 - aside) / square)
    low, high = max(foot - half, 0.0), min(foot + half, 1.0)
    if low > high:
        return -np.inf

    def height(t):
        return a[2] + t * (b[2] - a[2]) - profile(shape, np.sqrt(aside + (t - foot) ** 2 * square))

    best = max(height(low), height(high), height(min(max(foot, low), high)))
    for _ in range(80):
        m, n = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        f, g = height(m), height(n)
        best = max(best, f, g)
        low, high = (m, high) if f < g else (low, n)
    return best


def _facet(shape, p, a, b, c):
    normal = np.cross(b - a, c - a)
    if abs(normal[2]) <= 1e-12 * np.linalg.norm(normal):
        return -np.inf
    normal = normal / np.linalg.norm(normal) * np.sign(normal[2])
    flat = np.hypot(normal[0], normal[1])
    uphill = -normal[:2] / flat if flat > 1e-11 else np.zeros(2)
    if shape.angle_deg > 0:
        steep = flat / normal[2] * np.tan(np.radians(shape.angle_deg / 2)) > 1
        out = shape.radius_mm if steep else shape.tip_mm / 2
    else:
        out = shape.radius_mm - shape.corner_mm + shape.corner_mm * flat
    q = p + out * uphill
    m = np.column_stack(((b - a)[:2], (c - a)[:2]))
    u, v = np.linalg.solve(m, q - a[:2])
    if min(u, v, 1 - u - v) < -1e-12:
        return -np.inf
    return a[2] + u * (b - a)[2] + v * (c - a)[2] - profile(shape, out if flat > 1e-11 else 0.0)


def drop(mesh, shape, points, floor=-np.inf):
    """Height of the tip at each place, one triangle after the other."""
    heights = np.full(len(points), float(floor))
    for i, p in enumerate(points):
        for a, b, c in mesh.vertices[mesh.triangles]:
            low = np.minimum(np.minimum(a, b), c)[:2] - shape.radius_mm * (1 + 1e-9)
            high = np.maximum(np.maximum(a, b), c)[:2] + shape.radius_mm * (1 + 1e-9)
            if np.any(p < low) or np.any(p > high):
                continue
            found = [_vertex(shape, p, v) for v in (a, b, c)]
            found += [_edge(shape, p, *ends) for ends in ((a, b), (b, c), (c, a))]
            found.append(_facet(shape, p, a, b, c))
            heights[i] = max(heights[i], *found)
    return heights
